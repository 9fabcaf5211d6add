//! One request, from its target to the containers that take part.

mod cgi_vars;
pub(crate) mod context;
mod directory;
mod extension;
pub(crate) mod fast_path;
mod file_kind;
mod guard;
mod handle;
mod handlers;
mod htaccess;
mod if_walk;
mod login;
mod mapping;
mod negotiation;
mod outcome;
mod passing;
mod redirects;
mod request;
mod request_headers;
mod request_vars;
mod rewrite_below;
pub(crate) mod runner;
mod subrequest;
mod type_map;
mod user_dirs;
mod walk;
mod walk_cache;

use self::context::{Passing, ResolveContext};
use self::htaccess::Memo;
use self::outcome::{Outcome, Page};
use self::request::Asked;
use self::subrequest::{MAX_REDIRECTS, Subrequest};
use self::walk::Walked;
use self::walk_cache::WalkCache;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::httpd::expression::budget::Counted;
use crate::httpd::load::data::Data;
use crate::httpd::model::answer::{AccessFile, Container, Resolution, Run, Watch};
use crate::httpd::model::section::Section;
use crate::httpd::model::server::Server;
use crate::httpd::syntax::uri;
use crate::origin::Origin;
use crate::target::Target;

/// Answers for one target.
pub(crate) fn resolve(data: &Data, files: &dyn Files, target: &Target<'_>, passing: Passing) -> Result<Resolution> {
    let memo = Memo::default();
    let mut resolution = resolve_with(data, files, target, passing, &memo)?;
    let doubts = memo.doubts();
    match &mut resolution {
        Resolution::Run(run) => run.notes.extend(doubts),
        Resolution::Answer { because, .. } if !doubts.is_empty() => {
            because.push_str(&format!(" (not sure: {})", doubts.join("; ")));
        }
        Resolution::Answer { .. } => {}
    }
    Ok(resolution)
}

/// Everything that the access files of one target have and httpd refuses.
pub(crate) fn refusals(data: &Data, files: &dyn Files, target: &Target<'_>) -> Result<Vec<Error>> {
    let memo = Memo::of_refusals();
    resolve_with(data, files, target, Passing::Answers, &memo)?;
    let mut all = memo.refusals();
    // An error page asks again.
    let mut seen = std::collections::HashSet::new();
    all.retain(|one| seen.insert(one.to_string()));
    Ok(all)
}

/// What httpd does about the access files on the way to a file; an `AllowOverride` is told by where its section opens.
pub(crate) fn access_files(data: &Data, files: &dyn Files, target: &Target<'_>) -> Result<Vec<AccessFile>> {
    let memo = Memo::of_access();
    resolve_with(data, files, target, Passing::Answers, &memo)?;
    Ok(memo.access())
}

/// The directories of a server's own `UserDir` lines: names of users, each with its directory.
pub(crate) fn user_directories(data: &Data, files: &dyn Files, server: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let memo = Memo::default();
    user_dirs::all(&ResolveContext { data, files, memo: &memo, passing: Passing::Answers }, server)
}

fn resolve_with(
    data: &Data,
    files: &dyn Files,
    target: &Target<'_>,
    passing: Passing,
    memo: &Memo,
) -> Result<Resolution> {
    let counted = Counted { files, budget: &memo.budget };
    let context = ResolveContext { data, files: &counted, memo, passing };
    let asked = match Asked::new(&context, target) {
        Ok(asked) => asked,
        Err((status, because)) => return Ok(Resolution::Answer { status, because: because.into(), location: None }),
    };
    let server = asked.server;
    if target.uri.is_none() && target.filename.is_none() {
        return Ok(Resolution::Run(of_server(&context, &asked)));
    }
    if target.filename.is_none() && asked.method == b"OPTIONS" && uri::is_server(asked.target) {
        // For `OPTIONS *` and the like, no section applies.
        let because = "httpd answers OPTIONS by itself".into();
        return Ok(Resolution::Answer { status: 200, because, location: None });
    }
    let own = |find: fn(&Server) -> Option<bool>| context.layers(server).find_map(find);
    let merge = own(|server| server.merge_slashes).unwrap_or(true);
    // Not inherited from the main server.
    let encoded = context.host(server).unwrap_or(context.main()).encoded_slashes.unwrap_or_default();
    let parsed = uri::parse(target.uri.unwrap_or(b"/"), merge, encoded);
    let (path, query, early) = match parsed {
        Ok(parsed) => (parsed.path, parsed.query, None),
        Err(answer) => (b"/".to_vec(), None, Some(answer)),
    };
    let mut subrequest = Subrequest::new(context, &asked, path, query);
    subrequest.given = target.filename.map(<[u8]>::to_vec);
    let mut notes = Vec::new();
    let mut before: Option<WalkCache<'_>> = None;
    // The first error, which is told where its page fails as well.
    let mut failed: Option<(u16, String, Option<Vec<u8>>)> = None;
    let mut last: Option<Origin> = None;
    for _ in 0..=MAX_REDIRECTS {
        let outcome = match early.filter(|_| failed.is_none()) {
            Some((status, because)) => Outcome::server_error(&subrequest, status, because),
            None => subrequest.clone().run(before.as_ref(), &mut notes),
        };
        // What was looked for behind the end counts as missing, so the outcome may be wrong.
        if let Some(because) = memo.budget.complaint() {
            let because = match &outcome {
                Outcome::Answer { status: 500, because: own, .. } => own.clone(),
                _ => because,
            };
            return Ok(Resolution::Answer { status: 500, because, location: None });
        }
        if let Some(because) = memo.silent_because() {
            return Ok(Resolution::Answer { status: 0, because, location: None });
        }
        match outcome {
            Outcome::Run(mut run) => {
                run.notes.splice(..0, std::mem::take(&mut notes));
                return Ok(Resolution::Run(run));
            }
            Outcome::InternalRedirect { next, by, past } => {
                subrequest = *next;
                if let (None, Some(status), Some(rule)) = (&failed, subrequest.status, &by) {
                    failed = Some((status, format!("{rule}: RewriteRule has given it this status"), None));
                }
                last = by.or(last);
                before = Some(past);
            }
            Outcome::Answer { status, because, location, page, past, afresh } => {
                if let Some((status, because, location)) = failed.take_if(|_| !afresh) {
                    return Ok(Resolution::Answer { status, because, location });
                }
                let page = match page {
                    Some(Page::Local(page)) => page,
                    Some(Page::Elsewhere(url)) => {
                        let because = format!("{because}; ErrorDocument {status} redirects");
                        return Ok(Resolution::Answer { status: 302, because, location: Some(url) });
                    }
                    None => return Ok(Resolution::Answer { status, because, location }),
                };
                let Some(next) = subrequest.page(&page, status) else {
                    let page = String::from_utf8_lossy(&page);
                    let because = format!("{because}; ErrorDocument {status} leads to {page}, which is no path");
                    return Ok(Resolution::Answer { status, because, location });
                };
                failed.get_or_insert((status, because, location));
                subrequest = next;
                before = Some(past);
            }
        }
    }
    // Also a circle of error pages ends with the first error.
    if let Some((status, because, location)) = failed {
        let because = format!("{because}; its error page leads to itself");
        return Ok(Resolution::Answer { status, because, location });
    }
    let because = match last {
        Some(rule) => format!("{rule}: RewriteRule leads to itself: more than {MAX_REDIRECTS} internal redirects"),
        None => format!("More than {MAX_REDIRECTS} internal redirects: an ErrorDocument or Action leads to itself"),
    };
    Ok(Resolution::Answer { status: 500, because, location: None })
}

/// What is in force for a whole server: no file is asked for, so none is looked for.
fn of_server(context: &ResolveContext<'_>, asked: &Asked<'_>) -> Run {
    let server = asked.server;
    let own = [Some(context.main()), context.host(server)].into_iter().flatten().map(|server| &server.section);
    let watch = watch(context, own.clone());
    let container = |section: &Section| {
        let values = context.data.values(section);
        Container { layer: section.layer, origin: section.origin.clone(), values }
    };
    let name = context.layers(server).find_map(|server| server.name.as_deref()).unwrap_or_default();
    Run {
        filename: Vec::new(),
        path_info: Vec::new(),
        document_root: asked.document_root.unwrap_or(context.document_root(server)).to_vec(),
        server_name: name.to_vec(),
        containers: own.filter(|section| !section.values.is_empty()).map(container).collect(),
        status: 200,
        handler: None,
        variables: Vec::new(),
        program: None,
        watch,
        notes: Vec::new(),
    }
}

/// What mod_outlive was told, by sections of which the last one counts.
fn watch<'s>(context: &ResolveContext<'_>, sections: impl Iterator<Item = &'s Section>) -> Option<Box<Watch>> {
    context.data.outlive_module.as_ref().map(|_| {
        let mut all = Box::<Watch>::default();
        for core in sections.filter_map(|section| section.core.as_deref()) {
            all.engine = core.watched.clone().or(all.engine);
            all.handlers = core.shown.clone().or(all.handlers);
        }
        all
    })
}

/// The run of a file.
fn run(context: &ResolveContext<'_>, server: usize, asked: &Asked<'_>, walked: &Walked<'_>) -> Run {
    let mut containers = Vec::with_capacity(walked.sections.len());
    for section in &walked.sections {
        let section: &Section = section.get();
        if !section.values.is_empty() {
            let values = context.data.values(section);
            containers.push(Container { layer: section.layer, origin: section.origin.clone(), values });
        }
    }
    let name = context.layers(server).find_map(|server| server.name.as_deref()).unwrap_or_default();
    Run {
        filename: walked.filename.clone(),
        path_info: walked.path_info.clone(),
        document_root: asked.document_root.unwrap_or(context.document_root(server)).to_vec(),
        server_name: name.to_vec(),
        containers,
        status: 200,
        handler: None,
        variables: Vec::new(),
        program: None,
        watch: watch(context, walked.sections.iter().map(|section| section.get())),
        notes: Vec::new(),
    }
}

//! `.htaccess`: looked for at every request, as httpd does, and parsed when it has changed (facts ).

use super::context::ResolveContext;
use super::walk::Denied;
use crate::error::Error;
use crate::httpd::expression::budget::Budget;
use crate::httpd::expression::evaluate::Seen;
use crate::httpd::load::build;
use crate::httpd::model::answer::{AccessFile, ServerLayer};
use crate::httpd::model::auth::Login;
use crate::httpd::model::env::Env;
use crate::httpd::model::htaccess_cache::{Entry, Parsed, Rules};
use crate::httpd::model::request_header::Headers;
use crate::httpd::model::section::{AllowOverride, Matcher, Section, options};
use crate::httpd::syntax::allowed::Allowed;
use crate::httpd::syntax::lines;
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::reader::Reader;
use crate::origin::Origin;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An `.htaccess` larger than this is refused: it may be read for every request.
const MAX_SIZE: usize = 16 << 20;

/// A directory, under which rules, and what its access file says.
type Read = (Box<[u8]>, Rules, Option<Arc<Section>>);

/// What the outcome of a subrequest that a condition asks for depends on, beside the files.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub depth: u32,
    pub is_file: bool,
    pub target: Vec<u8>,
    /// The URI and the file of the request that asks; it has no file before it is mapped.
    pub uri: Vec<u8>,
    pub filename: Vec<u8>,
    /// The number of its last merged configuration, where access is not asked for again.
    pub walks: u32,
    pub login: Option<Login>,
    pub env: Env,
    pub headers: Option<Headers>,
}

/// The access files of one request: its subrequests and redirects see the same ones.
#[derive(Debug, Default)]
pub(super) struct Memo {
    seen: RefCell<Vec<Read>>,
    pub budget: Budget,
    /// The outcome of each subrequest that a condition has asked for.
    looked: RefCell<Vec<(Question, Option<Seen>)>>,
    /// What rules depend on that is not known.
    doubts: RefCell<Vec<String>>,
    /// Why httpd would give no answer.
    silence: RefCell<Option<(Option<Origin>, String)>>,
    /// Set: what the access files have that is refused is put here, and reading goes on behind it.
    refusals: Option<RefCell<Vec<Error>>>,
    /// Set: what becomes of each directory's access file is put here.
    access: Option<RefCell<Vec<AccessFile>>>,
}

/// So many bytes of an access file are a step of its request's budget: reading it anew takes time for each line.
const BYTES_OF_A_STEP: usize = 16;

/// How many outcomes of subrequests are kept, and with how many variables at most.
const MOST_LOOKED: usize = 200;

impl Memo {
    /// One that keeps everything that is refused.
    pub fn of_refusals() -> Self {
        Self { refusals: Some(RefCell::default()), ..Self::default() }
    }

    /// What was refused.
    pub fn refusals(self) -> Vec<Error> {
        self.refusals.map(RefCell::into_inner).unwrap_or_default()
    }

    /// One that keeps what becomes of access files.
    pub fn of_access() -> Self {
        Self { access: Some(RefCell::default()), ..Self::default() }
    }

    /// What became of them.
    pub fn access(self) -> Vec<AccessFile> {
        self.access.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Keeps what becomes of an access file.
    pub fn met(&self, one: impl FnOnce() -> AccessFile) {
        if let Some(access) = &self.access {
            access.borrow_mut().push(one());
        }
    }

    /// Keeps what a rule depends on.
    pub fn doubt(&self, about: String) {
        let mut doubts = self.doubts.borrow_mut();
        if doubts.len() < 20 && !doubts.contains(&about) {
            doubts.push(about);
        }
    }

    /// Says that httpd gives no answer, since its process crashes.
    pub fn silence(&self, because: String) {
        self.silence.borrow_mut().get_or_insert((None, because));
    }

    /// Whether httpd would give no answer; `place`: which line has just been looked at.
    pub fn silent_at(&self, place: &Origin) -> bool {
        if let Some((origin, _)) = self.silence.borrow_mut().as_mut() {
            origin.get_or_insert_with(|| place.clone());
            return true;
        }
        false
    }

    /// Why httpd would give no answer.
    pub fn silent_because(&self) -> Option<String> {
        let silence = self.silence.borrow();
        let (place, because) = silence.as_ref()?;
        let place = place.as_ref().map_or(String::new(), |place| format!("{place}: "));
        Some(format!("{place}{because}: httpd crashes here, and gives no answer"))
    }

    /// What rules depend on that is not known.
    pub fn doubts(&self) -> Vec<String> {
        self.doubts.borrow().clone()
    }

    /// The outcome of a subrequest that a condition asks for: conditions that ask for each other's URIs would make a thousand of them.
    pub fn seen_by(&self, question: Question, look: impl FnOnce() -> Option<Seen>) -> Option<Seen> {
        if let Some((_, known)) = self.looked.borrow().iter().find(|(one, _)| *one == question) {
            return known.clone();
        }
        let seen = look();
        let mut looked = self.looked.borrow_mut();
        if looked.len() < MOST_LOOKED && question.env.len() <= MOST_LOOKED {
            looked.push((question, seen.clone()));
        }
        seen
    }
}

/// Reads the first access file that `directory` (with its slash) has.
pub(super) fn read(
    context: &ResolveContext<'_>,
    server: usize,
    directory: &[u8],
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Section>>, Denied> {
    let seen = |known: &&Read| *known.0 == *directory && known.1.are(allow, list);
    if let Some((.., section)) = context.memo.seen.borrow().iter().find(seen) {
        return Ok(section.clone());
    }
    let section = look(context, server, directory, allow, list, notes)?;
    let rules = Rules { allow, list: list.map(<[_]>::to_vec) };
    context.memo.seen.borrow_mut().push((directory.into(), rules, section.clone()));
    Ok(section)
}

fn look(
    context: &ResolveContext<'_>,
    server: usize,
    directory: &[u8],
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Section>>, Denied> {
    let cache = &context.data.htaccess;
    let is_missing = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    for name in context.access_names(server) {
        let path = [directory, name].concat();
        // The stamp is taken before reading: if the file changes meanwhile, the next request sees another stamp.
        let stamp = match context.files.stamp(path_of(&path)) {
            Err(error) if is_missing(error.kind()) => continue,
            stamp => stamp.ok().flatten(),
        };
        let met = || context.memo.met(|| AccessFile::Read { path: path.clone() });
        if let Some(stamp) = &stamp
            && let Some(parsed) = cache.get(&path, stamp, allow, list)
        {
            met();
            notes.extend(parsed.notes.iter().cloned());
            return Ok(Some(parsed.section));
        }
        let generation = cache.generation.load(Ordering::Acquire);
        let parsed = match context.files.read(path_of(&path)) {
            Ok(text) => {
                met();
                parse(context, &path, text, allow, list)?
            }
            Err(error) if is_missing(error.kind()) => continue,
            Err(error) => {
                met();
                let because = format!("{} cannot be read: {error}", String::from_utf8_lossy(&path));
                return Err(Denied { status: 403, because });
            }
        };
        notes.extend(parsed.notes.iter().cloned());
        let section = Arc::clone(&parsed.section);
        if let Some(stamp) = stamp.filter(|_| !parsed.asks) {
            let rules = Rules { allow, list: list.map(<[_]>::to_vec) };
            cache.put(&path, Entry { generation, stamp, rules, parsed });
        }
        return Ok(Some(section));
    }
    Ok(None)
}

fn parse(
    context: &ResolveContext<'_>,
    path: &[u8],
    text: Vec<u8>,
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
) -> Result<Parsed, Denied> {
    let shown = String::from_utf8_lossy(path);
    let refuse = |because: String| Denied { status: 500, because };
    if text.len() > MAX_SIZE {
        return Err(refuse(format!("{shown}: larger than 16 MiB")));
    }
    let budget = &context.memo.budget;
    if !budget.spend_at((text.len() / BYTES_OF_A_STEP) as u32, || shown.clone().into_owned()) {
        return Err(refuse(budget.complaint().unwrap_or_default()));
    }
    if let Some(line) = lines::too_long(&text) {
        return Err(refuse(format!("{shown}:{line}: Error reading {shown} at line {line}: Line too long")));
    }
    let data = context.data;
    let mut reader = Reader::again(
        context.files,
        data.root.clone(),
        data.version,
        Arc::clone(&data.registry_below),
        Arc::clone(&data.defines),
        Arc::clone(&data.macros),
    );
    let (nonfatal_override, nonfatal_unknown) = (allow.nonfatal_override, allow.nonfatal_unknown);
    reader.allowed = Some(Allowed { bits: allow.bits, list, nonfatal_override, nonfatal_unknown });
    reader.allowed_options = Some(allow.options.unwrap_or(options::ALL | options::MULTI | options::OWNER));
    let file: Arc<[u8]> = path.into();
    let collects = context.memo.refusals.as_ref();
    reader.refusals = collects.map(|_| Vec::new());
    reader.read_text(&text, Some(Arc::clone(&file))).map_err(|error| refuse(error.to_string()))?;
    let section = Section::new(ServerLayer::Htaccess, Matcher::Always, Origin { file: Some(file), line: 0 });
    let mut builder = build::htaccess(&mut reader, section);
    builder.methods.clone_from(&data.methods);
    builder.run().map_err(|error| refuse(error.to_string()))?;
    let built = build::finish_htaccess(builder);
    if let Some((first, all)) = reader.refusals.take().and_then(|found| Some((found.first()?.to_string(), found))) {
        collects.into_iter().for_each(|kept| kept.borrow_mut().extend(all.iter().cloned()));
        return Err(refuse(first));
    }
    let notes = reader.diagnostics.iter().take(100).map(ToString::to_string).collect();
    match built {
        Some(section) => Ok(Parsed { section: Arc::new(section), notes, asks: reader.asks }),
        None => Err(refuse(format!("{shown}: could not be read"))),
    }
}

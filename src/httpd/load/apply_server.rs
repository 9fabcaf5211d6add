//! Applies the directives of a server: its names, its document root, where its URLs lead.

use super::apply::{Done, pattern};
use super::build::Builder;
use super::open_section::Kind;
use crate::diagnostic::Diagnosis;
use crate::files;
use crate::httpd::expression::parse;
use crate::httpd::model::section::Matcher;
use crate::httpd::model::server::{Alias, Passed, Server, UserDirs};
use crate::httpd::pattern::glob;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::messages;
use crate::httpd::syntax::modules::Directive;
use crate::httpd::syntax::tokens::Tokens;
use crate::httpd::syntax::tree::Node;
use crate::httpd::syntax::uri::Slashes;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

impl Builder<'_, '_> {
    /// These belong to the server, whatever section is open.
    pub(super) fn server_directive(&mut self, node: &Node, directive: &Directive, words: Vec<Box<[u8]>>) -> Done {
        let one = words.first().map(|word| &**word).unwrap_or_default();
        if matches!(directive.act, Act::Alias | Act::ScriptAlias | Act::AliasMatch | Act::ScriptAliasMatch) {
            return self.alias(directive, one, words.get(1).map(|to| &**to), self.reader.tree.node_origin(node));
        }
        let origin = self.reader.tree.node_origin(node);
        if matches!(directive.act, Act::ProxyPass | Act::ProxyPassMatch) {
            self.not_within(directive.name)?;
            let location = self.within(&[Kind::Location, Kind::Proxy]).is_some();
            super::arguments_server::proxy_pass(directive.name, &words, location)?;
            if location {
                return self.location_passed(directive.act, one, origin);
            }
        }
        let Some(server) = self.server() else { return Ok(()) };
        match directive.act {
            Act::AccessFileName => server.access_names = Some(words),
            Act::MergeSlashes => server.merge_slashes = Some(one.eq_ignore_ascii_case(b"on")),
            Act::TraceEnable => server.trace = Some(!one.eq_ignore_ascii_case(b"off")),
            Act::AllowEncodedSlashes => {
                server.encoded_slashes = Some(match &*one.to_ascii_lowercase() {
                    b"on" => Slashes::Decode,
                    b"nodecode" => Slashes::Keep,
                    _ => Slashes::Refuse,
                });
            }
            Act::ServerAdmin => server.identity.get_or_insert_default().admin = Some(one.into()),
            Act::ServerTokens => server.identity.get_or_insert_default().tokens = Some(one.into()),
            Act::UserDir => return user_dir(server.user_dirs.get_or_insert_default(), &words),
            Act::VirtualDocumentRoot => server.virtual_root = (!one.eq_ignore_ascii_case(b"none")).then(|| one.into()),
            Act::ProxyPass | Act::ProxyPassMatch => {
                let to = words.get(1).filter(|two| ***two != *b"!").cloned();
                let from =
                    if directive.act == Act::ProxyPassMatch { pattern(one)? } else { Matcher::Literal(one.into()) };
                server.proxied.push(Passed { from, to, origin });
            }
            _ => {}
        }
        Ok(())
    }

    /// What every virtual host has: read from the tree without a copy.
    pub(super) fn host_directive(&mut self, node: &Node, act: Act) -> Done {
        let mut words = Tokens::new(self.reader.tree.args(node));
        if act == Act::DocumentRoot {
            let one = words.word();
            let slash = one.len() > 1 && one.ends_with(b"/");
            let path = self.reader.absolute(&one);
            return self.document_root(node, path, slash);
        }
        if act == Act::ServerAlias && !self.in_host() {
            return Err("ServerAlias only used in <VirtualHost>".into());
        }
        // Words are borrowed from the tree, so the server is looked up by hand.
        let Some(server) = self.stack.iter_mut().rev().find_map(|context| context.server.as_deref_mut()) else {
            return Ok(());
        };
        if act == Act::ServerAlias {
            server.aliases_of_name.extend(words.map(|word| Box::from(&*word)));
            return Ok(());
        }
        let one = words.word();
        if memchr::memchr2(b'*', b'?', &one).is_some() {
            return Err(format!(
                "Invalid ServerName \"{}\" use ServerAlias to set multiple server names.",
                String::from_utf8_lossy(&one)
            ));
        }
        server_name(server, &one);
        Ok(())
    }

    /// Refuses a directive that is of servers and of locations alone.
    fn not_within(&self, name: &str) -> Done {
        if self.within(&[Kind::Limit]).is_some() {
            return Err(format!("{name} cannot occur within <Limit> or <LimitExcept> section"));
        }
        match self.within(&[Kind::Directory]).or_else(|| self.within(&[Kind::Files, Kind::If])) {
            Some(outer) => {
                let outer = messages::lossy(self.reader.tree.slice(outer.name));
                Err(format!("{name} cannot occur within {outer}> section"))
            }
            None => Ok(()),
        }
    }

    /// `ProxyPass` in a location: the location is its path, and a pattern where it looks like one.
    fn location_passed(&mut self, act: Act, to: &[u8], origin: Origin) -> Done {
        let path: Box<[u8]> = match self.section().map(|section| &section.matcher) {
            Some(Matcher::Literal(path) | Matcher::Wild(path)) => path.clone(),
            Some(Matcher::Regex(pattern)) => pattern.text().into(),
            // `<Proxy>`: no request of this server is in it.
            _ => return Ok(()),
        };
        let from = match act == Act::ProxyPassMatch || glob::is_pattern(&path) {
            true => pattern(&path)?,
            false => Matcher::Literal(path),
        };
        let to = (to != b"!").then(|| to.into());
        self.core()?.passed = Some(Box::new(Passed { from, to, origin }));
        Ok(())
    }

    fn alias(&mut self, directive: &Directive, from: &[u8], to: Option<&[u8]>, origin: Origin) -> Done {
        let Some(to) = to.filter(|to| !to.is_empty()) else {
            self.not_within(directive.name)?;
            if self.within(&[Kind::Location]).is_some() {
                let scope = self.reader.registry.scope();
                let to = parse::parse_text(from, scope)
                    .map_err(|error| format!("Cannot parse expression in {}: {error}", directive.name))?;
                let script = directive.act == Act::ScriptAlias;
                self.core()?.alias = Some(((to, script), origin));
                return Ok(());
            }
            return Err(format!("{} must have two arguments when used globally", directive.name));
        };
        if self.within(&[Kind::Directory, Kind::Location, Kind::Files, Kind::If, Kind::Proxy]).is_some() {
            return Err(format!("{} cannot occur within directory context", directive.name));
        }
        let to = self.real_path(to, directive.act);
        let matched = matches!(directive.act, Act::AliasMatch | Act::ScriptAliasMatch);
        let Some(server) = self.server() else { return Ok(()) };
        let from = if matched { pattern(from)? } else { Matcher::Literal(from.into()) };
        let script = matches!(directive.act, Act::ScriptAlias | Act::ScriptAliasMatch);
        server.aliases.push(Alias { from, to, script, origin });
        Ok(())
    }

    /// The target of an alias; one with groups is cleaned when the groups are known.
    fn real_path(&self, path: &[u8], act: Act) -> Box<[u8]> {
        if matches!(act, Act::AliasMatch | Act::ScriptAliasMatch) || path.first() == Some(&b'/') {
            return path.into();
        }
        let mut real = self.reader.absolute(path).as_os_str().as_bytes().to_vec();
        if path.ends_with(b"/") {
            real.push(b'/');
        }
        real.into()
    }

    fn document_root(&mut self, node: &Node, full: PathBuf, slash: bool) -> Done {
        let known = self.last_root.as_ref().filter(|(last, _)| *last == full).map(|(_, found)| *found);
        let found = known.unwrap_or_else(|| matches!(self.reader.files.kind(&full), Ok(files::Kind::Directory)));
        if !found {
            let text = format!("DocumentRoot '{}' is not a directory, or is not readable", full.display());
            if !self.in_host() {
                return Err(text);
            }
            self.warn(node, Diagnosis::NoDocumentRoot, format!("{text}: every request for this host will fail"));
        }
        let mut root = full.as_os_str().as_bytes().to_vec();
        if slash {
            root.push(b'/');
        }
        if let Some(server) = self.server() {
            server.document_root = Some(root.into());
        }
        self.last_root = Some((full, found));
        Ok(())
    }
}

/// `ServerName [scheme://]host[:port]`.
fn server_name(server: &mut Server, text: &[u8]) {
    let rest = memchr::memmem::find(text, b"://").map_or(text, |at| &text[at + 3..]);
    let (host, port) = match memchr::memrchr(b':', rest).filter(|_| !rest.ends_with(b"]")) {
        Some(at) => (&rest[..at], std::str::from_utf8(&rest[at + 1..]).ok().and_then(|port| port.parse().ok())),
        None => (rest, None),
    };
    server.name = Some(host.into());
    // A name without a port takes the address's port away.
    server.port = port;
}

fn user_dir(dirs: &mut UserDirs, words: &[Box<[u8]>]) -> Done {
    let Some((first, rest)) = words.split_first() else { return Err("UserDir requires an argument.".into()) };
    let disabled = first.eq_ignore_ascii_case(b"disabled") || first.eq_ignore_ascii_case(b"disable");
    let enabled = first.eq_ignore_ascii_case(b"enabled") || first.eq_ignore_ascii_case(b"enable");
    if disabled {
        if rest.is_empty() {
            dirs.all_disabled = Some(true);
        }
        dirs.disabled.extend(rest.iter().cloned());
    } else if enabled {
        if rest.is_empty() {
            dirs.all_disabled = Some(false);
        }
        dirs.enabled.extend(rest.iter().cloned());
    } else {
        dirs.patterns = words.to_vec();
    }
    Ok(())
}

//! Applies each directive to its section or server.

use super::build::{Builder, Kind};
use super::override_args::{allow_override, options};
use crate::diagnostic::Diagnosis;
use crate::files;
use crate::httpd::model::access::Rule;
use crate::httpd::model::dir_config::ValueKind;
use crate::httpd::model::fastcgi::Handed;
use crate::httpd::model::negotiation::{Force, Matching, Negotiation};
use crate::httpd::model::rewrite::{Inherit, RewriteConfig};
use crate::httpd::model::rewrite_map::{Map, Source};
use crate::httpd::model::section;
use crate::httpd::model::section::{AuthMerging, ByExtension, Core, ErrorPage, Matcher, Redirect};
use crate::httpd::model::server;
use crate::httpd::model::server::{Alias, Passed, UserDirs};
use crate::httpd::pattern::Pattern;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::messages;
use crate::httpd::syntax::modules::Directive;
use crate::httpd::syntax::path;
use crate::httpd::syntax::tokens::Tokens;
use crate::httpd::syntax::tree::Node;
use crate::httpd::syntax::uri;
use crate::httpd::syntax::uri::Slashes;
use std::os::unix::ffi::OsStrExt;

type Done = Result<(), String>;

impl Builder<'_, '_> {
    pub(super) fn apply(&mut self, node: &Node, directive: &Directive) -> Done {
        match directive.act {
            Act::PhpValue => return self.value(node, directive, ValueKind::Value),
            Act::PhpFlag => return self.value(node, directive, ValueKind::Flag),
            Act::PhpAdminValue => return self.value(node, directive, ValueKind::AdminValue),
            Act::PhpAdminFlag => return self.value(node, directive, ValueKind::AdminFlag),
            _ => {}
        }
        if let Some(wrong) = directive.arity.complaint(directive.name, self.reader.tree.args(node)) {
            return Err(wrong);
        }
        self.check_arguments(node, directive)?;
        let origin = self.reader.tree.node_origin(node);
        let words: Vec<Box<[u8]>> =
            Tokens::new(self.reader.tree.args(node)).map(|word| word.into_owned().into()).collect();
        let one = words.first().map(|word| &**word).unwrap_or_default();
        match directive.act {
            Act::PhpIniDir => {
                if self.php_ini_dir.is_some() {
                    return Err(
                        "Only first PHPINIDir directive honored per configuration tree - subsequent ones ignored"
                            .into(),
                    );
                }
                self.php_ini_dir = Some((self.reader.absolute(one), origin));
            }
            Act::DocumentRoot
            | Act::ServerName
            | Act::ServerAlias
            | Act::AccessFileName
            | Act::MergeSlashes
            | Act::AllowEncodedSlashes
            | Act::UserDir
            | Act::VirtualDocumentRoot
            | Act::Alias
            | Act::ScriptAlias
            | Act::AliasMatch
            | Act::ScriptAliasMatch
            | Act::ProxyPass
            | Act::ProxyPassMatch => {
                return self.server_directive(node, directive, words);
            }
            Act::AllowOverride | Act::AllowOverrideList => return self.overrides(node, directive.act, &words),
            Act::Require => {
                let rule = Rule::parse(self.reader.tree.args(node), &self.reader.registry, &self.methods)?;
                return self.require(rule);
            }
            Act::Redirect | Act::RedirectMatch | Act::RedirectTemp | Act::RedirectPermanent => {
                return self.redirect(directive.act, &words, origin);
            }
            Act::RewriteBase if !self.in_directory() => {
                return Err("RewriteBase: only valid in per-directory config files".into());
            }
            Act::RewriteEngine | Act::RewriteBase | Act::RewriteCond | Act::RewriteRule | Act::RewriteOptions => {
                let args = self.reader.tree.args(node).to_vec();
                let config = self.core()?.rewrite.get_or_insert_default();
                if let Some(what) = rewrite(config, directive.act, &args, origin)? {
                    self.not_evaluated(node, directive.name, what);
                }
            }
            Act::RewriteMap => return self.rewrite_map(node, &words),
            Act::TypesConfig => self.types_config = Some((self.reader.absolute(one), origin)),
            Act::Satisfy | Act::Order | Act::Allow | Act::Deny => return self.legacy(directive.act, &words),
            Act::SetEnvIf | Act::SetEnvIfNoCase | Act::SetEnvIfExpr | Act::BrowserMatch | Act::BrowserMatchNoCase => {
                return self.set_env_if(node, directive);
            }
            Act::PassEnv => {
                let values: Vec<_> = words
                    .into_iter()
                    .filter_map(|name| self.reader.defines.variable(&name).map(|value| (name, Some(value.into()))))
                    .collect();
                self.core()?.env.extend(values);
            }
            Act::NameVirtualHost => {
                self.warn(
                    node,
                    Diagnosis::NoEffect,
                    "NameVirtualHost has no effect and will be removed in the next release".into(),
                );
            }
            Act::Options => {
                let allowed = self.reader.allowed.map(|_| self.allowed_options());
                return options(&words, self.core()?, allowed.flatten());
            }
            Act::ErrorDocument => {
                let args = self.reader.tree.args(node).to_vec();
                return error_page(self.core()?, &args, origin);
            }
            Act::AddEncoding
            | Act::AddLanguage
            | Act::AddCharset
            | Act::AddInputFilter
            | Act::AddOutputFilter
            | Act::RemoveEncoding
            | Act::RemoveLanguage
            | Act::RemoveCharset
            | Act::LanguagePriority
            | Act::ForceLanguagePriority
            | Act::MultiviewsMatch => {
                return negotiation(self.core()?.negotiation.get_or_insert_default(), directive.act, words);
            }
            act => return settings(self.core()?, act, words, origin),
        }
        Ok(())
    }

    /// Warns of a directive that may matter and is not evaluated.
    pub(super) fn not_evaluated(&mut self, node: &Node, name: &str, what: &str) {
        self.warn(node, Diagnosis::NotEvaluated, format!("{name} is not evaluated: {what}"));
    }

    fn rewrite_map(&mut self, node: &Node, words: &[Box<[u8]>]) -> Done {
        let [name, source, ..] = words else { return Ok(()) };
        let map = Map::new(name, source, |path| self.reader.absolute(path).as_os_str().as_bytes().into())?;
        match &map.source {
            Source::Text(path) if self.reader.files.kind(path::path_of(path)).is_err() => {
                return Err(format!(
                    "RewriteMap: file for map {} not found:{}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(path)
                ));
            }
            Source::Beyond => self.not_evaluated(node, "RewriteMap", "rules that use this map see its default"),
            _ => {}
        }
        let config = self.core()?.rewrite.get_or_insert_default();
        config.maps.retain(|old| old.name != map.name);
        config.maps.push(map);
        Ok(())
    }

    pub(super) fn core(&mut self) -> Result<&mut Core, String> {
        self.section().map(section::Section::core_mut).ok_or_else(|| "directive outside of any section".into())
    }

    fn allowed_options(&self) -> Option<u16> {
        self.reader.allowed_options
    }

    fn value(&mut self, node: &Node, directive: &Directive, kind: ValueKind) -> Done {
        let origin = self.reader.tree.node_origin(node);
        let args = self.reader.tree.args(node);
        let mut words = Tokens::new(args);
        let (name, raw) = (words.word(), words.word());
        // These are most of all lines: their words are counted while they are taken.
        if (name.is_empty() || raw.is_empty() || !words.rest().is_empty())
            && let Some(wrong) = directive.arity.complaint(directive.name, args)
        {
            return Err(wrong);
        }
        // Borrowed from the tree, so the section is looked up by hand.
        let section = self.stack.iter_mut().rev().find_map(|context| match &mut context.server {
            Some(server) => Some(&mut server.section),
            None => context.section.as_mut(),
        });
        if let Some(section) = section {
            section.values_mut().set(kind, &name, &raw, origin);
        }
        Ok(())
    }

    fn server_directive(&mut self, node: &Node, directive: &Directive, words: Vec<Box<[u8]>>) -> Done {
        let one = words.first().map(|word| &**word).unwrap_or_default();
        if directive.act == Act::DocumentRoot {
            return self.document_root(node, one);
        }
        if matches!(directive.act, Act::Alias | Act::ScriptAlias | Act::AliasMatch | Act::ScriptAliasMatch) {
            return self.alias(node, directive, one, words.get(1).map(|to| &**to));
        }
        let origin = self.reader.tree.node_origin(node);
        let in_host = self.in_host();
        if matches!(directive.act, Act::ProxyPass | Act::ProxyPassMatch) {
            if self.within(&[Kind::Directory, Kind::Files]).is_some() {
                return Err(format!("{} cannot occur within <Directory> or <Files> section", directive.name));
            }
            super::arguments_server::proxy_pass(directive.name, &words, self.within(&[Kind::Location]).is_some())?;
        }
        let Some(server) = self.server() else { return Ok(()) };
        match directive.act {
            Act::ServerName if memchr::memchr2(b'*', b'?', one).is_some() => {
                return Err(format!(
                    "Invalid ServerName \"{}\" use ServerAlias to set multiple server names.",
                    String::from_utf8_lossy(one)
                ));
            }
            Act::ServerAlias if !in_host => return Err("ServerAlias only used in <VirtualHost>".into()),
            Act::ServerName => server_name(server, one),
            Act::ServerAlias => server.aliases_of_name.extend(words),
            Act::AccessFileName => server.access_names = Some(words),
            Act::MergeSlashes => server.merge_slashes = Some(one.eq_ignore_ascii_case(b"on")),
            Act::AllowEncodedSlashes => {
                server.encoded_slashes = Some(match &*one.to_ascii_lowercase() {
                    b"on" => Slashes::Decode,
                    b"nodecode" => Slashes::Keep,
                    _ => Slashes::Refuse,
                });
            }
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

    fn alias(&mut self, node: &Node, directive: &Directive, from: &[u8], to: Option<&[u8]>) -> Done {
        let Some(to) = to.filter(|to| !to.is_empty()) else {
            let outer = [Kind::Directory, Kind::Files, Kind::If].iter().find_map(|&kind| self.within(&[kind]));
            if let Some(outer) = outer {
                let outer = messages::lossy(self.reader.tree.slice(outer.name));
                return Err(format!("{} cannot occur within {outer}> section", directive.name));
            }
            if self.within(&[Kind::Location]).is_some() {
                if memchr::memchr3(b'%', b'$', b'\\', from).is_some() {
                    self.not_evaluated(node, directive.name, "with an expression: its location may lead elsewhere");
                    return Ok(());
                }
                let to = self.real_path(from, directive.act);
                let script = directive.act == Act::ScriptAlias;
                self.core()?.alias = Some((to, script));
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
        server.aliases.push(Alias { from, to, script });
        Ok(())
    }

    /// Where an alias leads; one with groups is cleaned when they are known.
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

    fn document_root(&mut self, node: &Node, path: &[u8]) -> Done {
        let full = self.reader.absolute(path);
        if !matches!(self.reader.files.kind(&full), Ok(files::Kind::Directory)) {
            let text = format!("DocumentRoot '{}' is not a directory, or is not readable", full.display());
            if !self.in_host() {
                return Err(text);
            }
            self.warn(node, Diagnosis::NoDocumentRoot, format!("{text}: every request for this host will fail"));
        }
        let mut root = full.as_os_str().as_bytes().to_vec();
        if path.len() > 1 && path.ends_with(b"/") {
            root.push(b'/');
        }
        if let Some(server) = self.server() {
            server.document_root = Some(root.into());
        }
        Ok(())
    }

    fn overrides(&mut self, node: &Node, act: Act, words: &[Box<[u8]>]) -> Done {
        if let Some(outer) = self.within(&[Kind::Location, Kind::Files, Kind::If]) {
            let _ = outer;
            let name = if act == Act::AllowOverride { "AllowOverride" } else { "AllowOverrideList" };
            self.warn(node, Diagnosis::NoEffect, format!("Useless use of {name}: it works in <Directory> only"));
        }
        if act == Act::AllowOverride {
            let old = self.core()?.allow.unwrap_or_default();
            let new = allow_override(words, old)?;
            self.core()?.allow = Some(new);
            return Ok(());
        }
        let mut list = Vec::new();
        for word in words {
            if words.len() == 1 && word.eq_ignore_ascii_case(b"none") {
                break;
            }
            if self.reader.registry.find(word).is_some() {
                list.push(word.clone());
            } else {
                let name = String::from_utf8_lossy(word).into_owned();
                self.warn(
                    node,
                    Diagnosis::UnknownDirective,
                    format!("Discarding unrecognized directive `{name}' in AllowOverrideList"),
                );
            }
        }
        self.core()?.allow_list = Some(list);
        Ok(())
    }

    fn redirect(&mut self, act: Act, words: &[Box<[u8]>], origin: crate::origin::Origin) -> Done {
        let in_location =
            self.within(&[Kind::Location, Kind::Directory, Kind::Files, Kind::If, Kind::Htaccess]).is_some();
        let mut rest = words;
        let mut status = if act == Act::RedirectPermanent { 301 } else { 302 };
        if matches!(act, Act::Redirect | Act::RedirectMatch) {
            match words.first().and_then(|word| redirect_status(word)) {
                Some(found) => {
                    status = found;
                    rest = &words[1..];
                }
                None if words.len() > 2 => return Err("Redirect: invalid first argument (of three)".into()),
                None => {}
            }
        }
        let final_status = !(300..400).contains(&status);
        let (from, to) = match rest {
            [to] if in_location && !final_status => (Matcher::Always, to.clone()),
            [] if final_status => (Matcher::Always, Box::default()),
            [from] if final_status => (self.redirect_from(act, from)?, Box::default()),
            [_, _] if final_status => return Err("Redirect URL not valid for this status".into()),
            [from, to] => (self.redirect_from(act, from)?, to.clone()),
            [_] => return Err("URL to redirect to is missing".into()),
            _ => return Err("Redirect to non-URL or with missing arguments".into()),
        };
        let plain = matches!(from, Matcher::Literal(_)) && !final_status;
        if plain && to.first() != Some(&b'/') && memchr::memchr(b':', &to).is_none() {
            return Err("Redirect to non-URL".into());
        }
        self.core()?.redirects.push(Redirect { from, to, status, origin });
        Ok(())
    }

    fn redirect_from(&self, act: Act, from: &[u8]) -> Result<Matcher, String> {
        if act == Act::RedirectMatch { pattern(from) } else { Ok(Matcher::Literal(from.into())) }
    }
}

fn pattern(text: &[u8]) -> Result<Matcher, String> {
    match Pattern::new(text, false) {
        Ok(pattern) => Ok(Matcher::Regex(pattern)),
        Err(_) => Err("Regular expression could not be compiled.".into()),
    }
}

fn redirect_status(word: &[u8]) -> Option<u16> {
    match &*word.to_ascii_lowercase() {
        b"permanent" => Some(301),
        b"temp" => Some(302),
        b"seeother" => Some(303),
        b"gone" => Some(410),
        digits if digits.first().is_some_and(u8::is_ascii_digit) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// `ServerName [scheme://]host[:port]`.
fn server_name(server: &mut server::Server, text: &[u8]) {
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

fn rewrite(
    config: &mut RewriteConfig,
    act: Act,
    args: &[u8],
    origin: crate::origin::Origin,
) -> Result<Option<&'static str>, String> {
    let mut words = Tokens::new(args);
    match act {
        Act::RewriteEngine => config.engine = Some(words.word().eq_ignore_ascii_case(b"on")),
        Act::RewriteBase => config.base = Some(base(&words.word())?),
        Act::RewriteCond => return config.condition(args),
        Act::RewriteRule => return config.rule(args, origin),
        Act::RewriteOptions => config.inherit.get_or_insert(Inherit::default()).take(words)?,
        _ => {}
    }
    Ok(None)
}

/// The argument of `RewriteBase`.
fn base(text: &[u8]) -> Result<Box<[u8]>, String> {
    match text.first() {
        None => Err("RewriteBase: empty URL not allowed".into()),
        Some(b'/') => Ok(text.into()),
        Some(_) => Err("RewriteBase: argument is not a valid URL".into()),
    }
}

/// Directives that any container may hold.
fn settings(core: &mut Core, act: Act, words: Vec<Box<[u8]>>, origin: crate::origin::Origin) -> Done {
    let one = words.first().cloned().unwrap_or_default();
    let none = one.eq_ignore_ascii_case(b"none");
    let on = one.eq_ignore_ascii_case(b"on");
    match act {
        Act::DirectoryIndex => {
            if words.len() == 1 && one.eq_ignore_ascii_case(b"disabled") {
                core.index = Some(Vec::new());
            } else {
                core.index.get_or_insert_default().extend(words);
            }
        }
        Act::DirectorySlash => core.index_slash = Some(on),
        Act::DirectoryIndexRedirect => {
            core.index_redirect = Some(redirect_status(&one).unwrap_or(if on { 302 } else { 0 }))
        }
        Act::FallbackResource => {
            core.fallback = Some(((!one.eq_ignore_ascii_case(b"disabled")).then_some(one), origin));
        }
        Act::AcceptPathInfo => {
            core.path_info = Some(match &*one.to_ascii_lowercase() {
                b"on" => Some(true),
                b"off" => Some(false),
                b"default" => None,
                _ => return Err("AcceptPathInfo must be set to on, off or default".into()),
            });
        }
        Act::SetHandler => {
            let path = one.starts_with(b"proxy:unix");
            let handler = if path { one } else { one.to_ascii_lowercase().into() };
            core.set_handler = Some((!none).then_some(handler));
        }
        Act::ForceType => core.force_type = Some((!none).then_some(one)),
        Act::AddHandler => add(&mut core.handlers, &words),
        Act::AddType => add(&mut core.types, &words),
        Act::RemoveHandler => remove(&mut core.handlers, &words),
        Act::RemoveType => remove(&mut core.types, &words),
        Act::Action => {
            let script = words.get(1).cloned().unwrap_or_default();
            let anyway = words.get(2).is_some_and(|word| word.eq_ignore_ascii_case(b"virtual"));
            core.actions.push((one.to_ascii_lowercase().into(), script, anyway));
        }
        Act::AuthMerging => {
            core.auth_merging = Some(match &*one.to_ascii_lowercase() {
                b"and" => AuthMerging::And,
                b"or" => AuthMerging::Or,
                b"off" => AuthMerging::Off,
                _ => return Err("AuthMerging must be one of: Off | And | Or".into()),
            });
        }
        Act::ProxyFcgiSetEnvIf => core.handed.push(Handed::conditional(&words, origin)?),
        Act::SetEnv => {
            core.handed.push(Handed::plain(&words, origin));
            core.env.push((one, Some(words.get(1).cloned().unwrap_or_default())));
        }
        Act::UnsetEnv => core.env.extend(words.into_iter().map(|name| (name, None))),
        Act::AuthType => core.auth_type = Some(one),
        Act::AuthName => core.auth_name = Some(one),
        _ => {}
    }
    Ok(())
}

/// Directives that choose among variants of a file.
fn negotiation(own: &mut Negotiation, act: Act, words: Vec<Box<[u8]>>) -> Done {
    match act {
        Act::AddEncoding => add(&mut own.encodings, &words),
        Act::AddLanguage => add(&mut own.languages, &words),
        Act::AddCharset => add(&mut own.charsets, &words),
        Act::AddInputFilter | Act::AddOutputFilter => add(&mut own.filters, &words),
        Act::RemoveEncoding => remove(&mut own.encodings, &words),
        Act::RemoveLanguage => remove(&mut own.languages, &words),
        Act::RemoveCharset => remove(&mut own.charsets, &words),
        Act::LanguagePriority => own.priority.get_or_insert_default().extend(words),
        Act::ForceLanguagePriority => own.force = Some(Force::of(&words)?),
        _ => own.matching = Some(Matching::of(&words)?),
    }
    Ok(())
}

fn extension(word: &[u8]) -> Box<[u8]> {
    word.strip_prefix(b".").unwrap_or(word).to_ascii_lowercase().into()
}

fn add(list: &mut ByExtension, words: &[Box<[u8]>]) {
    let value = words[0].to_ascii_lowercase();
    list.extend(words[1..].iter().map(|word| (extension(word), Some(value.clone().into()))));
}

fn remove(list: &mut ByExtension, words: &[Box<[u8]>]) {
    list.extend(words.iter().map(|word| (extension(word), None)));
}

fn error_page(core: &mut Core, args: &[u8], origin: crate::origin::Origin) -> Done {
    let mut words = Tokens::new(args);
    let code = words.word();
    let digits: String = code.iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| char::from(byte)).collect();
    let status = digits.parse::<u16>().ok().filter(|&status| uri::is_status(status));
    let Some(status) = status else {
        return Err(format!("Unsupported HTTP response code {}", String::from_utf8_lossy(&code)));
    };
    let quoted = matches!(words.rest().first(), Some(b'"'));
    let what = words.word();
    let page = match &*what {
        [b'/', ..] => ErrorPage::Local(what.into_owned().into()),
        url if !quoted && memchr::memmem::find(url, b"://").is_some() => ErrorPage::Elsewhere(what.into_owned().into()),
        _ => ErrorPage::Text,
    };
    core.error_pages.push((status, (page, origin)));
    Ok(())
}

//! Applies each directive to its section or server.

use super::build::Builder;
use super::open_section::Kind;
use super::override_args::{allow_override, options};
use crate::diagnostic::Diagnosis;
use crate::httpd::expression::parse;
use crate::httpd::model::access::Rule;
use crate::httpd::model::env::SetEnv;
use crate::httpd::model::fastcgi::Handed;
use crate::httpd::model::negotiation::{Force, Matching, Negotiation};
use crate::httpd::model::request_header::{Change, RequestHeader};
use crate::httpd::model::rewrite::{Inherit, RewriteConfig};
use crate::httpd::model::rewrite_map::{Map, Source};
use crate::httpd::model::section::{AuthMerging, ByExtension, Core, ErrorPage, Matcher, Redirect, Section};
use crate::httpd::pattern::Pattern;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::modules::Directive;
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::path;
use crate::httpd::syntax::tokens::{Tokens, is_two_words};
use crate::httpd::syntax::tree::Node;
use crate::httpd::syntax::uri;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

pub(super) type Done = Result<(), String>;

impl Builder<'_, '_> {
    pub(super) fn apply(&mut self, at: u32, node: &Node, number: u16, directive: &Directive) -> Done {
        if matches!(directive.act, Act::PhpValue | Act::PhpFlag | Act::PhpAdminValue | Act::PhpAdminFlag) {
            return self.value(at, node, directive);
        }
        if let Some(wrong) = directive.arity.complaint(directive.name, self.reader.tree.args(node)) {
            return Err(wrong);
        }
        self.check_arguments(node, number, directive)?;
        if let Act::ServerName | Act::ServerAlias | Act::DocumentRoot = directive.act {
            return self.host_directive(node, directive.act);
        }
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
            Act::AccessFileName
            | Act::MergeSlashes
            | Act::TraceEnable
            | Act::AllowEncodedSlashes
            | Act::UserDir
            | Act::ServerAdmin
            | Act::ServerTokens
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
                let scope = self.reader.registry.scope();
                let config = self.core()?.rewrite.get_or_insert_default();
                if let Some(what) = rewrite(config, directive.act, &args, origin, scope)? {
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
                    .filter_map(|name| {
                        let value = Some(self.reader.defines.variable(&name)?.into());
                        Some(SetEnv { name, value, origin: origin.clone() })
                    })
                    .collect();
                self.core()?.env.extend(values);
            }
            Act::RequestHeader => {
                let args = self.reader.tree.args(node);
                let header = RequestHeader::new(args, origin, self.reader.registry.scope())?;
                if let Change::Edit(None, _) = header.change {
                    self.not_evaluated(node, directive.name, "this pattern: what it makes of the header is not known");
                }
                self.core()?.request_headers.push(header);
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
                let scope = self.reader.registry.scope();
                return error_page(self.core()?, &args, origin, scope);
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
            Act::ProxyFcgiSetEnvIf => {
                let handed = Handed::conditional(&words, origin, self.reader.registry.scope())?;
                self.core()?.handed.push(handed);
            }
            Act::SetHandler => {
                let scope = self.reader.registry.scope();
                let handler =
                    parse::parse_text(one, scope).map_err(|error| format!("Can't parse expression : {error}"))?;
                self.core()?.set_handler = Some(((!one.eq_ignore_ascii_case(b"none")).then_some(handler), origin));
            }
            Act::AuthType
            | Act::AuthName
            | Act::AuthBasicProvider
            | Act::AuthUserFile
            | Act::AuthGroupFile
            | Act::AuthBasicAuthoritative
            | Act::AuthzSendForbidden => return self.auth(directive.act, words, origin),
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
            Source::Text(path) | Source::Random(path) if self.reader.files.kind(path::path_of(path)).is_err() => {
                return Err(format!(
                    "RewriteMap: file for map {} not found:{}",
                    String::from_utf8_lossy(name),
                    String::from_utf8_lossy(path)
                ));
            }
            Source::Beyond | Source::Random(_) => {
                self.not_evaluated(node, "RewriteMap", "rules that use this map see its default")
            }
            _ => {}
        }
        let config = self.core()?.rewrite.get_or_insert_default();
        config.maps.retain(|old| old.name != map.name);
        config.maps.push(map);
        Ok(())
    }

    pub(super) fn core(&mut self) -> Result<&mut Core, String> {
        self.section().map(Section::core_mut).ok_or_else(|| "directive outside of any section".into())
    }

    fn allowed_options(&self) -> Option<u16> {
        self.reader.allowed_options
    }

    /// A line that sets a value: its words are counted, and read when the values of its section are asked for.
    fn value(&mut self, at: u32, node: &Node, directive: &Directive) -> Done {
        let args = self.reader.tree.args(node);
        // Most lines are of this kind, and right.
        if !is_two_words(args)
            && let Some(wrong) = directive.arity.complaint(directive.name, args)
        {
            return Err(wrong);
        }
        self.open_values.push(at);
        Ok(())
    }

    fn overrides(&mut self, node: &Node, act: Act, words: &[Box<[u8]>]) -> Done {
        if self.within(&[Kind::Location, Kind::Files, Kind::If]).is_some() {
            let name = if act == Act::AllowOverride { "AllowOverride" } else { "AllowOverrideList" };
            self.warn(node, Diagnosis::NoEffect, format!("Useless use of {name}: it works in <Directory> only"));
        }
        if act == Act::AllowOverride {
            let section = self.section().ok_or("directive outside of any section")?;
            let old = section.allow.unwrap_or_default();
            let new = allow_override(words, old)?;
            section.allow = Some(new);
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
        let composed = match from {
            Matcher::Always if !final_status => {
                let scope = self.reader.registry.scope();
                Some(
                    parse::parse_text(&to, scope)
                        .map_err(|error| format!("Cannot parse expression in Redirect: {error}"))?,
                )
            }
            _ => None,
        };
        self.core()?.redirects.push(Redirect { from, to, composed, status, origin });
        Ok(())
    }

    fn redirect_from(&self, act: Act, from: &[u8]) -> Result<Matcher, String> {
        if act == Act::RedirectMatch { pattern(from) } else { Ok(Matcher::Literal(from.into())) }
    }
}

pub(super) fn pattern(text: &[u8]) -> Result<Matcher, String> {
    match Pattern::new(text, false) {
        Ok(pattern) => Ok(Matcher::Regex(Box::new(pattern))),
        Err(_) => Err("Regular expression could not be compiled.".into()),
    }
}

fn redirect_status(word: &[u8]) -> Option<u16> {
    match &*word.to_ascii_lowercase() {
        b"permanent" => Some(301),
        b"temp" => Some(302),
        b"seeother" => Some(303),
        b"gone" => Some(410),
        // As C's atoi: what stands behind the digits is not looked at.
        digits if digits.first().is_some_and(u8::is_ascii_digit) => {
            let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
            Some(digits.fold(0u16, |sum, byte| sum.saturating_mul(10).saturating_add(u16::from(byte - b'0'))))
        }
        _ => None,
    }
}

fn rewrite(
    config: &mut RewriteConfig,
    act: Act,
    args: &[u8],
    origin: crate::origin::Origin,
    scope: Scope,
) -> Result<Option<&'static str>, String> {
    let mut words = Tokens::new(args);
    match act {
        Act::RewriteEngine => config.engine = Some(words.word().eq_ignore_ascii_case(b"on")),
        Act::RewriteBase => config.base = Some(base(&words.word())?),
        Act::RewriteCond => return config.condition(args, origin, scope),
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
        Act::DirectoryCheckHandler => core.index_unhandled = Some(on),
        Act::SslRequireSsl => core.tls_only = true,
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
        Act::SetEnv => {
            core.handed.push(Handed::plain(&words, origin.clone()));
            core.env.push(SetEnv { name: one, value: Some(words.get(1).cloned().unwrap_or_default()), origin });
        }
        Act::UnsetEnv => {
            core.handed.extend(words.iter().map(|name| Handed::unset(name, origin.clone())));
            core.env.extend(words.into_iter().map(|name| SetEnv { name, value: None, origin: origin.clone() }));
        }
        Act::OutliveEngine => core.watched = Some((on, origin)),
        Act::OutliveHandlers => core.shown = Some((on, origin)),
        Act::ServerSignature => core.signed = Some(!one.eq_ignore_ascii_case(b"off")),
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

fn error_page(core: &mut Core, args: &[u8], origin: crate::origin::Origin, scope: Scope) -> Done {
    let mut words = Tokens::new(args);
    let code = words.word();
    let digits: String = code.iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| char::from(byte)).collect();
    let status = digits.parse::<u16>().ok().filter(|&status| uri::is_status(status));
    let Some(status) = status else {
        return Err(format!("Unsupported HTTP response code {}", String::from_utf8_lossy(&code)));
    };
    let what = words.word();
    let text = parse::parse_text(&what, scope)
        .map_err(|error| format!("Cannot parse expression in ErrorDocument: {error}"))?;
    let page = match &*what {
        blank if memchr::memchr(b' ', blank).is_some() => ErrorPage::Text,
        [b'/', ..] => ErrorPage::Local(Arc::new(text)),
        // The answer to a request without a password has to come from here.
        url if uri::is_url(url) && status == 401 => return Ok(()),
        url if uri::is_url(url) => ErrorPage::Elsewhere(Arc::new(text)),
        _ => ErrorPage::Text,
    };
    core.error_pages.push((status, (page, origin)));
    Ok(())
}

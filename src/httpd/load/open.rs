//! Opens sections: what each may stand in, and what it matches (facts ).

use super::build::Builder;
use super::open_section::Kind;
use super::section_args;
use crate::diagnostic::Diagnosis;
use crate::httpd::model::answer::ServerLayer;
use crate::httpd::model::section::{Matcher, Section};
use crate::httpd::model::server::Server;
use crate::httpd::model::vhost;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::modules::Directive;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::tree::Node;
use std::sync::Arc;

impl Builder<'_, '_> {
    /// Opens the section of a node.
    pub(super) fn open(&mut self, node: &Node, directive: &Directive) -> Result<(), String> {
        let origin = self.reader.tree.node_origin(node);
        let args = self.reader.tree.args(node);
        let name = directive.name;
        self.may_open(name, directive.act)?;
        let matcher = match directive.act {
            Act::VirtualHost => {
                let addresses = section_args::before_bracket(name, args)?.to_vec();
                return self.open_host(node, &addresses);
            }
            Act::Limit | Act::LimitExcept => {
                let words = tokens::Tokens::new(section_args::before_bracket(name, args)?);
                let (except, outer) = (directive.act == Act::LimitExcept, self.limit());
                let may_register = self.reader.allowed.is_none();
                let limit = self.methods.narrow(name, except, words, outer, may_register)?;
                self.push_context(Kind::Limit, directive.act, node, None)?;
                self.stack.iter_mut().rev().take(1).for_each(|context| context.limit = limit);
                return Ok(());
            }
            Act::Proxy | Act::ProxyMatch => {
                if directive.act == Act::ProxyMatch {
                    super::arguments_server::proxy_match(section_args::before_bracket(name, args).unwrap_or_default())?;
                }
                let section = Section::new(ServerLayer::Location, Matcher::Never, origin);
                return self.push_context(Kind::Proxy, directive.act, node, Some(section));
            }
            Act::RequireAll | Act::RequireAny | Act::RequireNone => {
                if section_args::before_bracket(name, args).is_ok() {
                    return Err(format!("{name}> directive doesn't take additional arguments"));
                }
                return self.push_context(Kind::Require, directive.act, node, None);
            }
            Act::Directory | Act::DirectoryMatch => section_args::directory(name, args, directive.act)?,
            Act::Location | Act::LocationMatch | Act::Files | Act::FilesMatch => {
                section_args::simple(name, args, directive.act)?
            }
            Act::If | Act::ElseIf | Act::Else => {
                let args = args.to_vec();
                let scope = self.reader.registry.scope();
                let last = self.section().and_then(|outer| outer.ifs.last()).map(|last| &last.matcher);
                section_args::condition(name, &args, directive.act, last, scope)?
            }
            _ => {
                if name == "<AuthnProviderAlias" {
                    let words = section_args::before_bracket(name, args).unwrap_or_default();
                    let alias = tokens::Tokens::new(words).nth(1).unwrap_or_default();
                    Arc::make_mut(&mut self.reader.registry).add_alias(&alias);
                }
                return self.push_context(Kind::Other, directive.act, node, None);
            }
        };
        let (layer, kind) = match directive.act {
            Act::Directory | Act::DirectoryMatch => (ServerLayer::Directory, Kind::Directory),
            Act::Location | Act::LocationMatch => (ServerLayer::Location, Kind::Location),
            Act::Files | Act::FilesMatch => (ServerLayer::Files, Kind::Files),
            _ => (ServerLayer::If, Kind::If),
        };
        let (matcher, depth) = match matcher {
            Ok(found) => found,
            Err(text) => {
                self.warn(node, Diagnosis::UnsupportedPattern, text);
                (Matcher::Never, 0)
            }
        };
        let mut section = Section::new(layer, matcher, origin);
        section.depth = depth;
        self.push_context(kind, directive.act, node, Some(section))
    }

    /// Nesting that Apache's sections themselves refuse.
    fn may_open(&self, name: &str, act: Act) -> Result<(), String> {
        let inside = |kinds: &[Kind]| self.within(kinds);
        let files = matches!(act, Act::Files | Act::FilesMatch);
        if act == Act::VirtualHost && self.in_host() {
            return Err("<VirtualHost> cannot occur within <VirtualHost> section".into());
        }
        if files {
            if inside(&[Kind::Limit]).is_some() {
                return Err(format!("{name}> cannot occur within <Limit> or <LimitExcept> section"));
            }
            if let Some(outer) = inside(&[Kind::Location]) {
                let outer = if outer.act == Act::LocationMatch { "LocationMatch" } else { "Location" };
                return Err(format!("{name}> cannot occur within <{outer}> section"));
            }
        }
        if matches!(act, Act::If | Act::ElseIf | Act::Else) && inside(&[Kind::Limit]).is_some() {
            return Err(format!("{name}> cannot occur within <Limit> or <LimitExcept> section"));
        }
        Ok(())
    }

    fn open_host(&mut self, node: &Node, args: &[u8]) -> Result<(), String> {
        let mut server = Box::new(Server::new(ServerLayer::VirtualHost, self.reader.tree.node_origin(node)));
        for word in tokens::Tokens::new(args) {
            match vhost::parse(&word) {
                vhost::Parsed::Address(address) => {
                    if server.port.is_none() && address.port != 0 {
                        server.port = Some(address.port);
                    }
                    if server.addresses.is_empty() {
                        server.addresses.reserve_exact(1);
                    }
                    server.addresses.push(address);
                }
                vhost::Parsed::Name(name) => {
                    let text = format!(
                        "Could not resolve host name {name} -- ignoring! Names are not looked up: write the address"
                    );
                    self.warn(node, Diagnosis::UnresolvedName, text);
                }
                vhost::Parsed::Wrong => return Err("The address or port is invalid".into()),
            }
        }
        self.push_context(Kind::Host, Act::VirtualHost, node, None)?;
        if let Some(context) = self.stack.last_mut() {
            context.server = Some(server);
        }
        Ok(())
    }
}

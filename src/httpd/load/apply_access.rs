//! Applies directives about access and the environment to their section.

use super::build::Builder;
use crate::httpd::expression::evaluate::is_network;
use crate::httpd::expression::parse;
use crate::httpd::model::access::{Requirement, Rule};
use crate::httpd::model::env::SetEnvIf;
use crate::httpd::model::section::Text;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::modules::Directive;
use crate::httpd::syntax::tree::Node;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;

impl Builder<'_, '_> {
    /// A `Require` line that has been read.
    pub(super) fn require(&mut self, rule: Rule) -> Result<(), String> {
        let methods = self.limit();
        let Some(context) = self.stack.last_mut() else { return Ok(()) };
        let around = match context.act {
            Act::RequireAll => None,
            Act::RequireNone => Some("RequireNone"),
            _ => Some("RequireAny"),
        };
        if let (Rule::Not(_), Some(around)) = (&rule, around) {
            return Err(format!("negative Require directive has no effect in <{around}> directive"));
        }
        context.requires.push(Requirement { rule, methods });
        Ok(())
    }

    /// `Order`, `Allow`, `Deny` and `Satisfy`.
    pub(super) fn legacy(&mut self, act: Act, words: &[Text]) -> Result<(), String> {
        let methods = self.limit();
        let one = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        if matches!(act, Act::Allow | Act::Deny) && one != b"from" {
            return Err("allow and deny must be followed by 'from'".into());
        }
        let legacy = self.core()?.legacy.get_or_insert_default();
        let set = |bits: &mut u64, on| *bits = if on { *bits | methods } else { *bits & !methods };
        match (act, &*one) {
            (Act::Order, b"allow,deny" | b"mutual-failure") => set(&mut legacy.allow_first, true),
            (Act::Order, b"deny,allow") => set(&mut legacy.allow_first, false),
            (Act::Order, _) => return Err("unknown order".into()),
            (Act::Satisfy, b"any") => set(&mut legacy.any, true),
            (Act::Satisfy, b"all") => set(&mut legacy.any, false),
            (Act::Satisfy, _) => return Err("Satisfy either 'any' or 'all'.".into()),
            _ => {
                let list = if act == Act::Allow { &mut legacy.allow } else { &mut legacy.deny };
                for word in words.iter().skip(1) {
                    // What looks like an address has to be one as well.
                    let numbers = word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && !word.is_empty();
                    let address = numbers || memchr::memchr2(b'/', b':', word).is_some();
                    if address && !word.to_ascii_lowercase().starts_with(b"env=") && !is_network(word) {
                        return Err("The specified IP address or network mask is invalid.".into());
                    }
                    if word.starts_with(b"#") {
                        return Err("No comments are allowed here".into());
                    }
                    list.push((methods, word.clone()));
                }
            }
        }
        Ok(())
    }

    /// `AuthType` and its relatives.
    pub(super) fn auth(&mut self, act: Act, words: Vec<Text>, origin: Origin) -> Result<(), String> {
        let one = words.first().cloned().unwrap_or_default();
        let on = one.eq_ignore_ascii_case(b"on");
        let scope = self.reader.registry.scope();
        let path = || self.reader.absolute(&one).as_os_str().as_bytes().into();
        let file = matches!(act, Act::AuthUserFile | Act::AuthGroupFile).then(path);
        let auth = self.core()?.auth.get_or_insert_default();
        match act {
            Act::AuthType => auth.kind = Some((parse::parse_text(&one, scope)?, origin)),
            Act::AuthName => auth.name = Some(parse::parse_text(&one, scope)?),
            Act::AuthBasicProvider => auth.providers = Some(words),
            Act::AuthUserFile => auth.users = file,
            Act::AuthGroupFile => auth.groups = file,
            Act::AuthBasicAuthoritative => auth.authoritative = Some(on),
            _ => auth.forbids = Some(on),
        }
        Ok(())
    }

    /// `SetEnvIf` in all its forms.
    pub(super) fn set_env_if(&mut self, node: &Node, directive: &Directive) -> Result<(), String> {
        let args = self.reader.tree.args(node).to_vec();
        let (name, origin) = (directive.name, self.reader.tree.node_origin(node));
        let rule = match directive.act {
            Act::SetEnvIfExpr => SetEnvIf::expr(name, &args, self.reader.registry.scope(), origin)?,
            Act::BrowserMatch => SetEnvIf::new(name, Some(b"User-Agent"), false, &args, origin)?,
            Act::BrowserMatchNoCase => SetEnvIf::new(name, Some(b"User-Agent"), true, &args, origin)?,
            act => SetEnvIf::new(name, None, act == Act::SetEnvIfNoCase, &args, origin)?,
        };
        if rule.is_unsupported() {
            self.not_evaluated(node, name, "this pattern: what it sets is not known");
        }
        self.core()?.env_rules.push(rule);
        Ok(())
    }
}

//! Who is let in: `Require`, then what came before it, and how the two join (`Satisfy`).

use super::subrequest::Subrequest;
use super::walk::Walked;
use crate::httpd::expression::evaluate::Truth;
use crate::httpd::model::access::{LegacyAccess, Logic, Requirement, Verdict, join};
use crate::httpd::model::methods::Methods;
use crate::httpd::model::section::AuthMerging;

/// `Require` of several containers: the outermost first, each with how it joins those before it.
type Chain<'w> = Vec<(Logic, &'w Requirement)>;

impl<'c> Subrequest<'c, '_> {
    /// A refusal, and why; what cannot be known is taken as granted, and said.
    pub(super) fn refused(&self, walked: &Walked<'c>, notes: &mut Vec<String>) -> Option<(u16, String)> {
        let asked = self.method.unwrap_or(self.asked.method);
        let method = self.context.data.methods.bit(asked);
        let (legacy, legacy_place, any) = self.legacy(walked, method);
        match &legacy {
            Truth::No if !any => {
                return Some((403, format!("{legacy_place}: access is denied (Order, Allow and Deny)")));
            }
            Truth::Yes if any => return None,
            Truth::Unknown(why) => notes.push(format!("{legacy_place}: access depends on {why}; taken as granted")),
            _ => {}
        }
        if matches!(legacy, Truth::Unknown(_)) && any {
            return None;
        }
        let (chain, place) = chain(walked);
        // Without `Require` nothing is refused, unless there is `Satisfy Any`, and what it would be satisfied with refuses.
        if chain.is_empty() {
            let auth = self.auth(walked);
            return (any && auth.is_none()).then(|| (403, format!("{legacy_place}: access is denied (Satisfy Any)")));
        }
        match check(&chain, method, self).unwrap_or(Verdict::Granted) {
            Verdict::Granted => None,
            Verdict::Unknown(why) => {
                notes.push(format!("{place}: access depends on {why}; taken as granted"));
                None
            }
            Verdict::NoUser => Some(self.ask(walked, &place)),
            Verdict::Denied | Verdict::Neutral => {
                // Somebody who has logged in may try again as somebody else, but only where it was asked who that is.
                let logged_in = self.asked.user.is_some() && self.auth(walked).is_some() && asks_user(&chain);
                let who =
                    self.asked.user.map_or_else(String::new, |user| format!(" to {}", String::from_utf8_lossy(user)));
                Some((if logged_in { 401 } else { 403 }, format!("{place}: access is denied{who} (Require)")))
            }
        }
    }

    /// What `Order`, `Allow` and `Deny` say, where, and whether `Satisfy Any` holds. The innermost container with any of these counts alone.
    fn legacy(&self, walked: &Walked<'c>, method: Methods) -> (Truth, String, bool) {
        let mut found = walked.sections.iter().rev().filter_map(|section| {
            let section = section.get();
            Some((section.core.as_ref()?.legacy.as_ref()?, section.origin.to_string()))
        });
        match found.next() {
            Some((own, place)) => {
                let own: &LegacyAccess = own;
                (own.check(method, self), place, own.any & method != 0)
            }
            None => (Truth::Yes, String::new(), false),
        }
    }

    /// How a password is asked for; none: it is not.
    fn auth<'w>(&self, walked: &'w Walked<'c>) -> Option<&'w [u8]> {
        let mut cores = walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let kind = cores.find_map(|core| core.auth_type.as_deref())?;
        (!kind.eq_ignore_ascii_case(b"none")).then_some(kind)
    }

    /// Nobody has logged in, and somebody has to.
    fn ask(&self, walked: &Walked<'c>, place: &str) -> (u16, String) {
        let Some(kind) = self.auth(walked) else {
            return (500, format!("{place}: Require asks for a user, and no AuthType says how to ask for a password"));
        };
        let shown = String::from_utf8_lossy(kind);
        let module = match &*kind.to_ascii_lowercase() {
            b"basic" => "mod_auth_basic.c",
            b"digest" => "mod_auth_digest.c",
            b"form" => "mod_auth_form.c",
            _ if !self.context.data.registry.strangers().is_empty() => {
                return (401, format!("{place}: a password is asked for (AuthType {shown})"));
            }
            _ => "",
        };
        if module.is_empty() || !self.context.data.registry.is_loaded(module.as_bytes()) {
            return (500, format!("{place}: no module that is loaded asks for a password by AuthType {shown}"));
        }
        let mut cores = walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        if cores.find_map(|core| core.auth_name.as_deref()).is_none() {
            return (500, format!("{place}: a password is asked for without a name for what it opens: add AuthName"));
        }
        (401, format!("{place}: a password is asked for (AuthType {shown}, Require)"))
    }
}

fn asks_user(chain: &Chain<'_>) -> bool {
    chain.iter().any(|(_, requirement)| requirement.asks_user())
}

fn check(chain: &[(Logic, &Requirement)], method: Methods, visit: &Subrequest<'_, '_>) -> Option<Verdict> {
    let ((logic, last), outer) = chain.split_last()?;
    if outer.is_empty() {
        return last.check(method, visit);
    }
    let both = [check(outer, method, visit), last.check(method, visit)];
    both.iter().any(Option::is_some).then(|| join(*logic, both.into_iter()))
}

fn chain<'w>(walked: &'w Walked<'_>) -> (Chain<'w>, String) {
    let (mut chain, mut place) = (Chain::new(), String::new());
    for section in &walked.sections {
        let section = section.get();
        let Some(core) = &section.core else { continue };
        let logic = match (core.auth_merging, &core.requires) {
            (Some(AuthMerging::And), _) => Logic::And,
            (Some(AuthMerging::Or), _) => Logic::Or,
            // It says that nothing around it counts, or has rules of its own.
            (Some(AuthMerging::Off), _) | (None, Some(_)) => {
                chain.clear();
                Logic::Or
            }
            (None, None) => continue,
        };
        if let Some(own) = &core.requires {
            chain.push((logic, own));
            place = section.origin.to_string();
        }
    }
    (chain, place)
}

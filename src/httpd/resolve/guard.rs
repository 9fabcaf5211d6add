//! Access control: `Require`, the older `Order`/`Allow`/`Deny`, and how the two combine (`Satisfy`).

use super::extension::walk_of;
use super::subrequest::Subrequest;
use super::walk::{SectionRef, Walked};
use crate::httpd::expression::evaluate::{RequestVariables, Truth};
use crate::httpd::model::access::{LegacyAccess, Logic, Requirement, Verdict, join};
use crate::httpd::model::methods::Methods;
use crate::httpd::model::section::{AuthMerging, Section};

/// `Require` of several containers.
enum Chain<'w> {
    One(&'w Requirement),
    /// The rules of outer containers, then of inner ones, and how they are combined.
    Both(Logic, Box<Self>, Box<Self>),
}

impl<'c> Subrequest<'c, '_> {
    /// A refusal with its reason. A condition that cannot be known counts as met, with a note.
    pub(super) fn refused(&self, walked: &Walked<'c>, notes: &mut Vec<String>) -> Option<(u16, String)> {
        let asked = self.method.unwrap_or(self.asked.method);
        let method = self.context.data.methods.bit(asked);
        let (mut legacy, mut legacy_place, any) = self.legacy(walked, method);
        let tls = self.without_tls(walked);
        let by = if tls.is_some() { "SSLRequireSSL" } else { "Order, Allow and Deny" };
        if let Some(place) = tls {
            (legacy, legacy_place) = (Truth::No, place);
        }
        match &legacy {
            Truth::No if !any => return Some((403, format!("{legacy_place}: access is denied ({by})"))),
            Truth::Yes if any => return None,
            Truth::Unknown(why) => notes.push(format!("{legacy_place}: access depends on {why}; taken as granted")),
            _ => {}
        }
        if matches!(legacy, Truth::Unknown(_)) && any {
            return None;
        }
        let (chain, place) = chain(walked);
        // Without `Require` nothing is refused, except under `Satisfy Any` when `Order`, `Allow` and `Deny` refuse.
        let Some(chain) = chain else {
            let asks = self.auth_kind(walked).is_some();
            return (any && !asks).then(|| (403, format!("{legacy_place}: access is denied (Satisfy Any)")));
        };
        // First as nobody: httpd asks for a password only where nothing else decides. After an internal redirect, the user is known.
        let verdict = match check(&chain, method, self).unwrap_or(Verdict::Granted) {
            Verdict::NoUser => match self.log_in(walked, &place, notes) {
                Ok(()) => check(&chain, method, self).unwrap_or(Verdict::Granted),
                Err(answer) => return Some(answer),
            },
            Verdict::Denied | Verdict::Neutral => {
                return Some((403, format!("{place}: access is denied (Require)")));
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Granted => None,
            Verdict::Unknown(why) => {
                notes.push(format!("{place}: access depends on {why}; taken as granted"));
                None
            }
            Verdict::NoUser | Verdict::Denied | Verdict::Neutral => {
                let user = self.user().unwrap_or_default();
                // A logged-in user may try again as another one.
                let status = if self.forbids(walked) { 403 } else { 401 };
                Some((status, format!("{place}: access is denied to {} (Require)", String::from_utf8_lossy(&user))))
            }
        }
    }

    /// The container whose `SSLRequireSSL` refuses this request.
    fn without_tls(&self, walked: &Walked<'c>) -> Option<String> {
        let asks = |section: &&Section| section.core.as_ref().is_some_and(|core| core.tls_only);
        let found = walked.sections.iter().rev().map(SectionRef::get).find(asks)?;
        (!self.asked.scheme.eq_ignore_ascii_case(b"https")).then(|| found.origin.to_string())
    }

    /// What `Order`, `Allow` and `Deny` say, where, and whether `Satisfy Any` holds. The innermost container with any of these counts alone.
    fn legacy(&self, walked: &Walked<'c>, method: Methods) -> (Truth, String, bool) {
        let mut found = walked.sections.iter().rev().filter_map(|section| {
            let section = section.get();
            Some((section.core.as_ref()?.legacy.as_deref()?, section.origin.to_string()))
        });
        match found.next() {
            Some((own, place)) => {
                let own: &LegacyAccess = own;
                (own.check(method, self), place, own.any & method != 0)
            }
            None => (Truth::Yes, String::new(), false),
        }
    }
}

fn check(chain: &Chain<'_>, method: Methods, subrequest: &Subrequest<'_, '_>) -> Option<Verdict> {
    match chain {
        Chain::One(requirement) => requirement.check(method, subrequest),
        Chain::Both(logic, outer, inner) => {
            let both = [check(outer, method, subrequest), check(inner, method, subrequest)];
            both.iter().any(Option::is_some).then(|| join(*logic, both.into_iter()))
        }
    }
}

/// The merged rules of several containers, and how they are combined with those around them.
#[derive(Default)]
struct Rules<'w> {
    merging: Option<AuthMerging>,
    chain: Option<Chain<'w>>,
}

impl<'w> Rules<'w> {
    /// These rules with an inner container's merged onto them.
    fn with(self, inner: Self) -> Self {
        let logic = match inner.merging {
            None if inner.chain.is_none() && self.chain.is_some() => return self,
            // `AuthMerging Off`, or rules without `AuthMerging`: they replace those around them.
            None | Some(AuthMerging::Off) => return inner,
            Some(AuthMerging::And) => Logic::And,
            Some(AuthMerging::Or) => Logic::Or,
        };
        let chain = match (self.chain, inner.chain) {
            (Some(outer), Some(inner)) => Some(Chain::Both(logic, Box::new(outer), Box::new(inner))),
            (outer, inner) => outer.or(inner),
        };
        Self { merging: inner.merging, chain }
    }
}

/// The rules in force, and the place of the innermost ones. As in httpd, each walk's containers are merged with one another before the
/// result is merged onto the earlier walks'.
fn chain<'w>(walked: &'w Walked<'_>) -> (Option<Chain<'w>>, String) {
    let (mut all, mut own, mut walk, mut place) = (Rules::default(), Rules::default(), 0, String::new());
    for section in &walked.sections {
        let section = section.get();
        let Some(core) = section.core.as_ref().filter(|core| core.auth_merging.is_some() || core.requires.is_some())
        else {
            continue;
        };
        if walk_of(section.layer) != walk {
            all = all.with(std::mem::take(&mut own));
            walk = walk_of(section.layer);
        }
        let chain = core.requires.as_deref().map(Chain::One);
        if chain.is_some() {
            place = section.origin.to_string();
        }
        own = own.with(Rules { merging: core.auth_merging, chain });
    }
    (all.with(own).chain, place)
}

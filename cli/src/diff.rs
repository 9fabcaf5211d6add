//! `outlive diff`: which values differ between two configurations, requests or PHP versions, and because of which lines.

mod print;
pub mod side;

use crate::answering::{Context, NOTHING, Served};
use crate::args::DiffArgs;
use crate::estate::question::{self, Question};
use crate::extensions::Extensions;
use crate::load;
use crate::output::{Answer, Problem, note};
use outlive::config::{Config, Directive, Explanation, Fate, Layer, Outcome, Settings, Step, ValueRule};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One of the two, read.
pub struct Side {
    /// What was asked for, for people.
    pub title: String,
    pub config: &'static Config,
    /// What was read.
    pub context: Context,
    extensions: Extensions,
    /// What runs.
    pub served: Served,
    /// The outcome of its request.
    pub outcome: Outcome,
}

/// How the two differ in one directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Other texts.
    Value,
    /// Other texts with the same meaning: no difference that counts.
    Text,
    /// The same text, read as something else.
    Meaning,
    /// The same value, and other people may change it.
    Access,
    /// The value of one side or both is not known.
    Unknown,
    /// There is no such directive on the other side.
    OnlyA,
    OnlyB,
}

impl Kind {
    /// The word that programs see.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Value => "value",
            Kind::Text => "text",
            Kind::Meaning => "meaning",
            Kind::Access => "access",
            Kind::Unknown => "unknown",
            Kind::OnlyA => "only in a",
            Kind::OnlyB => "only in b",
        }
    }
}

/// A directive's value on one side.
pub struct Standing {
    pub explanation: Explanation,
    pub winner: Step,
    /// The value's meaning for people, where the text does not say it.
    pub meaning: Option<String>,
    /// Why the value is not known; `None`: it is known. If it is not known, the other fields do not show it.
    pub unknown: Option<String>,
}

/// One directive in which the two differ.
pub struct Difference {
    pub name: Vec<u8>,
    pub kind: Kind,
    pub a: Option<Standing>,
    pub b: Option<Standing>,
    pub because: Option<String>,
}

/// The whole comparison.
pub struct Comparison {
    pub a: Side,
    pub b: Side,
    pub differences: Vec<Difference>,
    /// How many directives are the same on both sides.
    pub same: usize,
    /// Findings of the files that only one side has.
    pub findings: [Vec<Diagnostic>; 2],
}

/// Compares and prints. Status 1: there are differences.
pub fn run(args: &DiffArgs) -> Result<Answer, Problem> {
    let [a, b] = side::both(args)?;
    for (name, side) in [("A", &a), ("B", &b)] {
        load::fit_together(&side.source).map_err(|problem| problem.of(name))?;
    }
    let (a, b) = (read("A", a)?, read("B", b)?);
    let comparison = compare(a, b);
    for (name, side) in [("A", &comparison.a), ("B", &comparison.b)] {
        if let Some(text) = &side.context.unnamed {
            note(&format!("{name}: {text}"));
        }
    }
    let differ = comparison.differences.iter().any(|one| one.kind != Kind::Text) || comparison.outcomes_differ();
    let mut all = [&comparison.a, &comparison.b].into_iter().flat_map(|side| side.config.diagnostics());
    let unreadable = all.any(|finding| finding.code == Diagnosis::Unreadable);
    let status = if unreadable || comparison.has_unknown() { 2 } else { u8::from(differ) };
    let answer = if args.json { print::as_json(&comparison, args.source.context) } else { print::as_text(&comparison) };
    Ok(answer.with_status(status))
}

fn read(name: &str, side: side::Options) -> Result<Side, Problem> {
    let mut questions = question::all(&side.source, &side.request).map_err(|problem| problem.of(name))?;
    if questions.all.len() > 1 {
        let ids = questions.ids();
        let text = format!("this names several PHPs: {ids}; a side is one of them: give its id, or --php ID");
        return Err(Problem::Call(text).of(name));
    }
    let Some(question) = questions.all.pop() else {
        return Err(Problem::Call("no PHP is meant".into()).of(name));
    };
    question.whole().map_err(|problem| problem.of(name))?;
    let Question { source, request, loaded, .. } = question;
    let config = loaded.config;
    loaded.context.say(config, Some(name));
    if side.is_version {
        note(&format!("{name}: {NOTHING}"));
    }
    let outcome = load::outcome(&loaded, &request).map_err(|problem| problem.of(name))?;
    let served = load::served(&loaded, &request)?;
    let extensions = Extensions::of(config, &source);
    Ok(Side { title: side.title, config, context: loaded.context, extensions, served, outcome })
}

impl Side {
    /// The settings, where a program runs.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        if let Outcome::Run(settings) = &self.outcome { Some(settings) } else { None }
    }

    fn directive(&self, name: &[u8]) -> Option<&Directive> {
        let known = self.settings()?.directive(name)?;
        self.extensions.missing(known).is_none().then_some(known)
    }

    fn standing(&self, name: &[u8]) -> Option<Standing> {
        let settings = self.settings()?;
        let explanation = settings.explain(name)?;
        let winner = explanation.trail.iter().rfind(|step| step.fate == Fate::InForce)?.clone();
        let meaning = crate::meaning::of(settings.directive(name)?, settings, self.config.php_version());
        let unknown = self.context.unknown_because(name, &winner);
        Some(Standing { explanation, winner, meaning, unknown })
    }
}

impl Comparison {
    /// Whether the answer is not whole, because some value is not known.
    fn has_unknown(&self) -> bool {
        let mut all = self.differences.iter().flat_map(|one| one.a.iter().chain(&one.b));
        all.any(|standing| standing.unknown.is_some())
    }

    /// Whether the servers do different things with the two requests.
    pub fn outcomes_differ(&self) -> bool {
        match (&self.a.outcome, &self.b.outcome) {
            (Outcome::Run(_), Outcome::Run(_)) => false,
            (Outcome::Answer { status: a, location: to_a, .. }, Outcome::Answer { status: b, location: to_b, .. }) => {
                (a, to_a) != (b, to_b)
            }
            _ => true,
        }
    }
}

fn compare(a: Side, b: Side) -> Comparison {
    let (mut differences, mut same) = (Vec::new(), 0);
    if let (Some(settings_a), Some(settings_b)) = (a.settings(), b.settings()) {
        let names: BTreeSet<&[u8]> =
            settings_a.each().chain(settings_b.each()).map(|(known, _)| known.name()).collect();
        for name in names {
            match (a.directive(name), b.directive(name)) {
                (None, None) => {}
                (Some(_), Some(known)) => match kind_of(&a, &b, settings_a, settings_b, name) {
                    None => same += 1,
                    Some(kind) => {
                        let (one, two) = (a.standing(name), b.standing(name));
                        let because = why(kind, one.as_ref(), two.as_ref(), known);
                        differences.push(Difference { name: name.to_vec(), kind, a: one, b: two, because });
                    }
                },
                (one, _) => {
                    let kind = if one.is_some() { Kind::OnlyA } else { Kind::OnlyB };
                    let (here, there) = if one.is_some() { (&a, &b) } else { (&b, &a) };
                    let because = crate::suggest::why_absent(there.config, &there.extensions, name);
                    let because = because.map(|text| text.trim_start_matches("no such directive: ").to_owned());
                    let standing = here.standing(name);
                    let (one, two) = if one.is_some() { (standing, None) } else { (None, standing) };
                    differences.push(Difference { name: name.to_vec(), kind, a: one, b: two, because });
                }
            }
        }
    }
    let findings = [only(&a, &b), only(&b, &a)];
    Comparison { a, b, differences, same, findings }
}

/// How two sides differ in a directive that both have. Where the same file is not known for both, it sets the same on both.
fn kind_of(a: &Side, b: &Side, settings_a: &Settings, settings_b: &Settings, name: &[u8]) -> Option<Kind> {
    let unknown = |side: &Side, settings| {
        let why = side.context.unknown_value(settings, name)?;
        Some((why, side.context.unknown.as_ref()?.why.clone()))
    };
    match (unknown(a, settings_a), unknown(b, settings_b)) {
        (None, None) => kind(settings_a, settings_b, name),
        (one, two) if one == two => kind(settings_a, settings_b, name).map(|_| Kind::Unknown),
        _ => Some(Kind::Unknown),
    }
}

fn kind(a: &Settings, b: &Settings, name: &[u8]) -> Option<Kind> {
    let (one, two) = (a.entry(name)?, b.entry(name)?);
    let access = (one.access != two.access || one.locked != two.locked).then_some(Kind::Access);
    // How the directive's owner reads the text; `None`: as text.
    let (read_a, read_b) = (reading(a, name), reading(b, name));
    match (one.value == two.value, read_a == read_b) {
        (true, true) => access,
        (true, false) => Some(Kind::Meaning),
        (false, true) if read_a.is_some() => access.or(Some(Kind::Text)),
        _ => Some(Kind::Value),
    }
}

/// The number or switch that the directive's owner sees, where it sees one.
fn reading(settings: &Settings, name: &[u8]) -> Option<i64> {
    match settings.directive(name)?.value_rule() {
        ValueRule::Assertions => settings.get_quantity(name),
        rule if rule.is_quantity() => settings.get_quantity(name),
        rule if rule.is_int() => settings.get_int(name),
        rule if rule.is_bool() => settings.get_bool(name).map(i64::from),
        _ => None,
    }
}

/// Notes beyond the two places.
fn why(kind: Kind, a: Option<&Standing>, b: Option<&Standing>, known: &Directive) -> Option<String> {
    let (a, b) = (&a?.winner, &b?.winner);
    let built_in = |step: &Step| step.layer == Layer::BuiltIn;
    match kind {
        Kind::Value if built_in(a) && built_in(b) => Some("the built-in default is another one".into()),
        Kind::Value if a.origin == b.origin && a.raw == b.raw && !built_in(a) => {
            Some("the same line, which the two read differently".into())
        }
        Kind::Meaning => {
            let what = known.value_rule().name();
            Some(format!("the same text, which the two read as another {what}"))
        }
        _ => None,
    }
}

/// Findings of one side that the other does not have; lines tell files apart that have the same text.
fn only(here: &Side, there: &Side) -> Vec<Diagnostic> {
    let all = here.config.diagnostics().iter().filter(|finding| finding.severity > Severity::Note);
    let new = all.filter(|finding| {
        !there.config.diagnostics().iter().any(|other| other.code == finding.code && other.message == finding.message)
    });
    new.cloned().collect()
}

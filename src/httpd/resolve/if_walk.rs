//! `<If>`: which conditions hold, outermost first (fact A-077).

use super::subrequest::Subrequest;
use super::walk::SectionRef;
use super::walk_cache::{Kind, Merged, Walks};
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate};
use crate::httpd::model::section::{Matcher, Section};
use std::sync::Arc;

/// The most levels of nested conditions.
const MAX_LEVELS: usize = 200;

/// Merges the sections of all conditions that hold, then of those nested in them, and so on. Nested ones are left out
/// where httpd reuses an earlier result.
pub(super) fn conditions<'c>(
    walks: &mut Walks<'c>,
    mut merged: Merged<'c>,
    variables: &Subrequest<'c, '_>,
    notes: &mut Vec<String>,
) -> Merged<'c> {
    let mut level: Option<Vec<SectionRef<'c>>> = None;
    for _ in 0..MAX_LEVELS {
        let outer = level.as_deref().unwrap_or(&merged.sections);
        if outer.iter().all(|section| section.get().ifs.is_empty()) {
            break;
        }
        let held = holding(outer, variables, notes);
        let (result, again) = walks.join(Kind::If, b"", held.clone(), merged);
        merged = result;
        if again || held.is_empty() {
            break;
        }
        level = Some(held);
    }
    merged
}

fn holding<'c>(
    outer: &[SectionRef<'c>],
    variables: &Subrequest<'c, '_>,
    notes: &mut Vec<String>,
) -> Vec<SectionRef<'c>> {
    let mut held = Vec::new();
    let mut before = false;
    for outer in outer {
        for at in 0..outer.get().ifs.len() {
            let one = match outer {
                SectionRef::Config(section) => {
                    let section: &'c Section = section;
                    SectionRef::Config(&section.ifs[at])
                }
                SectionRef::Htaccess(section) => SectionRef::Htaccess(Arc::clone(&section.ifs[at])),
            };
            if holds(one.get(), &mut before, variables, notes) {
                held.push(one);
            }
        }
    }
    held
}

fn holds(section: &Section, before: &mut bool, variables: &Subrequest<'_, '_>, notes: &mut Vec<String>) -> bool {
    let Matcher::Condition { expr, chained } = &section.matcher else { return false };
    if *chained && *before {
        return false;
    }
    let truth = expr.as_ref().map(|expr| {
        variables.budget().spend(1);
        evaluate(expr, variables)
    });
    variables.budget().blame(|| section.origin.to_string());
    let yes = match truth {
        None => true,
        Some(_) if variables.context.memo.silent_at(&section.origin) => false,
        Some(Truth::Yes) => true,
        Some(Truth::No) => false,
        Some(Truth::Unknown(why)) => {
            notes.push(format!("{}: the condition depends on {why}; taken as false", section.origin));
            false
        }
    };
    *before = yes;
    yes
}

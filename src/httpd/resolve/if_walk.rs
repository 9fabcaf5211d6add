//! `<If>`: which conditions hold, outermost first (fact A-077).

use super::walk::SectionRef;
use super::walk_cache::{Kind, Merged, Walks};
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate};
use crate::httpd::model::section::{Matcher, Section};
use std::sync::Arc;

/// Levels of conditions inside conditions; the reader of the sections allows more of other kinds.
const MAX_LEVELS: usize = 200;

/// All that hold, then those nested in them, and so on; none of the nested ones where httpd takes the result that it had.
pub(super) fn conditions<'c>(
    walks: &mut Walks<'c>,
    mut merged: Merged<'c>,
    facts: &dyn RequestVariables,
    notes: &mut Vec<String>,
) -> Merged<'c> {
    let mut level: Option<Vec<SectionRef<'c>>> = None;
    for _ in 0..MAX_LEVELS {
        let outer = level.as_deref().unwrap_or(&merged.sections);
        if outer.iter().all(|section| section.get().ifs.is_empty()) {
            break;
        }
        let held = holding(outer, facts, notes);
        let (result, again) = walks.join(Kind::If, held.clone(), merged);
        merged = result;
        if again || held.is_empty() {
            break;
        }
        level = Some(held);
    }
    merged
}

fn holding<'c>(outer: &[SectionRef<'c>], facts: &dyn RequestVariables, notes: &mut Vec<String>) -> Vec<SectionRef<'c>> {
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
            if holds(one.get(), &mut before, facts, notes) {
                held.push(one);
            }
        }
    }
    held
}

fn holds(section: &Section, before: &mut bool, facts: &dyn RequestVariables, notes: &mut Vec<String>) -> bool {
    let Matcher::Condition { expr, chained } = &section.matcher else { return false };
    if *chained && *before {
        return false;
    }
    let yes = match expr {
        None => true,
        Some(expr) => match evaluate(expr, facts) {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Unknown(why) => {
                notes.push(format!("{}: the condition depends on {why}; taken as false", section.origin));
                false
            }
        },
    };
    *before = yes;
    yes
}

//! Runs recorded cases as tests of their own names: `cargo test --test NAME -- FILTER`, `--exact`, `--list` as for any other test.
//!
//! Thousands of small cases would be thousands of lines in every log. So without a filter those that share a group are one test; a filter or `--list`
//! makes each a test of its own.

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// What one case says: nothing, or how it differs.
pub type Outcome = Result<(), String>;

/// One recorded case.
pub struct Case {
    name: String,
    group: Option<String>,
    run: Box<dyn FnOnce() -> Outcome + Send>,
}

impl Case {
    /// A test in every run.
    #[allow(dead_code)] // not every test that shares this file
    pub fn alone(name: impl Into<String>, run: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self { name: name.into(), group: None, run: Box::new(run) }
    }

    /// One of many: `GROUP/NAME` where it was asked for, otherwise a part of the test `GROUP`.
    #[allow(dead_code)]
    pub fn of(group: &str, name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self { name: format!("{group}/{name}"), group: Some(group.into()), run: Box::new(run) }
    }
}

/// Runs the cases that the command line asks for.
pub fn main(cases: Vec<Case>) -> ExitCode {
    let arguments = Arguments::from_args();
    let by_name = arguments.filter.is_some() || arguments.list || !arguments.skip.is_empty();
    // Cases of one name would work in one directory at once.
    let mut names = BTreeSet::new();
    if let Some(case) = cases.iter().find(|case| !names.insert(&case.name)) {
        eprintln!("two recorded cases are called {}", case.name);
        return ExitCode::FAILURE;
    }
    let mut trials = Vec::new();
    let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in cases {
        match &case.group {
            Some(group) if !by_name => groups.entry(group.clone()).or_default().push(case),
            _ => trials.push(Trial::test(case.name, || (case.run)().map_err(Failed::from))),
        }
    }
    for (group, cases) in groups {
        trials.push(Trial::test(format!("{group} ({} cases)", cases.len()), || whole(cases).map_err(Failed::from)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// All cases of a group, each told by its name.
fn whole(cases: Vec<Case>) -> Outcome {
    let all = cases.len();
    let wrong: Vec<String> =
        cases.into_iter().filter_map(|case| (case.run)().err().map(|why| format!("{}: {why}", case.name))).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{} of {all} differ\n{}", wrong.len(), wrong[..wrong.len().min(25)].join("\n")))
    }
}

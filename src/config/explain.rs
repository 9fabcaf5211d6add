//! The trail of one directive. It is worked out on demand, by applying the same rules once more and recording each step.

use super::Access;
use super::core::{Assignment, Core, Lines};
use super::directive_state::{Authority, Refusal, Slot};
use super::layer::{Explanation, Fate, Layer, Reason, Step};
use super::request_layers::{self, Contribution};
use super::settings::Settings;
use super::text::Text;
use crate::httpd::{Container, DirValue};
use crate::origin::Origin;

impl Settings {
    /// Why the value is in force: every layer that set the directive, weakest first. `None`: no such directive.
    pub fn explain(&self, name: &[u8]) -> Option<Explanation> {
        let at = self.core.find(name)?;
        let mut trail = Trail::new(&self.core, at);
        trail.startup();
        trail.globals();
        for contribution in &self.contributions {
            trail.contribution(contribution);
        }
        let slot = self.slot(at);
        Some(Explanation {
            name: name.to_vec(),
            value: slot.value.bytes().to_vec(),
            access: slot.access,
            locked: slot.locked,
            trail: trail.steps,
        })
    }
}

struct Trail<'a> {
    core: &'a Core,
    at: usize,
    slot: Slot,
    steps: Vec<Step>,
    /// Which step is in force, and which one locked the directive.
    winner: usize,
    lock: Option<usize>,
    lines: Lines,
}

impl<'a> Trail<'a> {
    fn new(core: &'a Core, at: usize) -> Self {
        let directive = &core.directives[at];
        let slot = Slot::new(directive);
        let value = slot.value.bytes().to_vec();
        let first = Step {
            layer: Layer::BuiltIn,
            origin: Origin::default(),
            raw: value.clone(),
            value,
            access: directive.access,
            locks: false,
            fate: Fate::InForce,
            because: None,
            reason: None,
        };
        Self { core, at, slot, steps: vec![first], winner: 0, lock: None, lines: Lines::default() }
    }

    /// A place for people: a file and line, or the layer's name.
    fn place(step: &Step) -> String {
        if step.origin.file.is_some() { step.origin.to_string() } else { step.layer.name().to_owned() }
    }

    fn step(layer: Layer, origin: Origin, raw: Vec<u8>, value: &[u8], power: Authority) -> Step {
        let (access, locks) = (power.access(), power.locks());
        Step {
            layer,
            origin,
            raw,
            value: value.to_vec(),
            access,
            locks,
            fate: Fate::Refused,
            because: None,
            reason: None,
        }
    }

    /// Adds a step that is refused without being applied.
    fn lost(&mut self, mut step: Step, reason: Reason, because: String) {
        step.fate = if reason == Reason::Later { Fate::Overridden } else { Fate::Refused };
        step.reason = Some(reason);
        step.because = Some(because);
        self.steps.push(step);
    }

    /// Adds a step and applies it.
    fn apply(&mut self, mut step: Step, power: Authority, value: &Text) {
        let result = self.slot.apply(&self.core.directives[self.at], power, value, self.core.version);
        let new = self.steps.len();
        if power.locks() {
            self.lock = Some(new);
        }
        match result {
            Ok(()) => {
                step.fate = Fate::InForce;
                let because = format!("{} comes later", Self::place(&step));
                let old = &mut self.steps[self.winner];
                old.fate = Fate::Overridden;
                old.because = Some(because);
                old.reason = Some(Reason::Later);
                self.winner = new;
            }
            Err(refusal) => {
                step.because = Some(self.because(&refusal));
                step.reason = Some(match refusal {
                    Refusal::Value(_) => Reason::Value,
                    Refusal::Level => Reason::Level,
                    Refusal::Locked => Reason::Locked,
                });
            }
        }
        self.steps.push(step);
    }

    fn because(&self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::Value(why) => format!("the directive does not take this value: {why}"),
            Refusal::Level => {
                let access = access_words(self.core.directives[self.at].access);
                format!("not allowed at this level: it can be set in {access} only")
            }
            Refusal::Locked => match self.lock {
                Some(lock) => format!("locked by {}", Self::place(&self.steps[lock])),
                None => "locked".to_owned(),
            },
        }
    }

    fn assignment(&mut self, assignment: &Assignment) -> Step {
        let raw = self.lines.raw(assignment);
        Self::step(assignment.source.layer, assignment.origin(), raw, assignment.value.bytes(), assignment.power)
    }

    /// Of all start-up lines only the last one is tried; the others were replaced before.
    fn startup(&mut self) {
        let Some(winner) = self.core.winners[self.at] else { return };
        let core = self.core;
        let at = self.at;
        let last = self.assignment(&core.startup[winner as usize]);
        let because = format!("{} comes later", Self::place(&last));
        for line in core.startup[..winner as usize].iter().filter(|line| line.directive as usize == at) {
            let step = self.assignment(line);
            self.lost(step, Reason::Later, because.clone());
        }
        self.apply(last, Authority::Startup, &core.startup[winner as usize].value);
    }

    fn globals(&mut self) {
        let core = self.core;
        let at = self.at;
        let mine = move |line: &&Assignment| line.directive as usize == at;
        for line in core.doubled.iter().filter(mine) {
            let why = "an earlier line of the pool sets it already, and FPM takes the first".to_owned();
            let step = self.assignment(line);
            self.lost(step, Reason::Earlier, why);
        }
        for line in core.global.iter().filter(mine) {
            if core.sapi.has_pool() {
                let step = self.assignment(line);
                self.apply(step, line.power, &line.value);
            } else {
                let why = format!("{} does not know this layer", core.sapi.name());
                let step = self.assignment(line);
                self.lost(step, Reason::Sapi, why);
            }
        }
    }

    fn contribution(&mut self, contribution: &Contribution) {
        let (core, at) = (self.core, self.at);
        match contribution {
            Contribution::Section(section) => {
                let section = &core.sections[*section];
                for line in section.assignments.iter().filter(|line| line.directive as usize == at) {
                    let step = Step { layer: section.layer, ..self.assignment(line) };
                    self.apply(step, line.power, &line.value);
                }
            }
            Contribution::UserIni(user) => {
                for line in user.assignments.iter().filter(|line| line.directive as usize == at) {
                    let step = self.assignment(line);
                    self.apply(step, line.power, &line.value);
                }
            }
            Contribution::Server(values) => {
                let name = &self.core.directives[at].name;
                if let Some(value) = values.iter().find(|value| *value.name == **name) {
                    self.apply(dir_step(Layer::Server, value), request_layers::power(value), &Text::new(&value.value));
                }
            }
            Contribution::Containers(containers) => self.containers(containers),
        }
    }

    /// mod_php merges containers first: per name the inner one wins, unless the outer one is an admin value and it is
    /// not. Only what is left is tried.
    fn containers(&mut self, containers: &[Container]) {
        let name = self.core.directives[self.at].name.clone();
        let mut best: Option<(Layer, &DirValue)> = None;
        for container in containers {
            let Some(value) = container.values.iter().find(|value| *value.name == *name) else { continue };
            let layer = Layer::Httpd(container.layer);
            if !self.core.sapi.has_containers() {
                let why =
                    format!("php_value and its like belong to mod_php; {} does not see them", self.core.sapi.name());
                self.lost(dir_step(layer, value), Reason::Sapi, why);
                continue;
            }
            match best {
                Some((_, old)) if old.kind.is_admin() && !value.kind.is_admin() => {
                    self.lost(dir_step(layer, value), Reason::Locked, format!("locked by {}", old.origin));
                }
                Some((old_layer, old)) => {
                    let why =
                        if old.kind.is_admin() || !value.kind.is_admin() { "comes later" } else { "is an admin value" };
                    self.lost(dir_step(old_layer, old), Reason::Later, format!("{} {why}", value.origin));
                    best = Some((layer, value));
                }
                None => best = Some((layer, value)),
            }
        }
        if let Some((layer, value)) = best {
            self.apply(dir_step(layer, value), request_layers::power(value), &Text::new(&value.value));
        }
    }
}

fn dir_step(layer: Layer, value: &DirValue) -> Step {
    Trail::step(layer, value.origin.clone(), value.raw.to_vec(), &value.value, request_layers::power(value))
}

/// Where a directive of this access may be set, for people.
pub(super) fn access_words(access: Access) -> &'static str {
    match (access.allows(Access::PERDIR), access.allows(Access::USER)) {
        (true, true) => "every place",
        (true, false) => "php.ini, .htaccess, .user.ini, httpd's and FPM's files",
        (false, true) => "php.ini, an admin value or the running program",
        (false, false) => "php.ini or an admin value",
    }
}

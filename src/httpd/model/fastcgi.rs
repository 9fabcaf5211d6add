//! What httpd hands to a FastCGI server besides the request: the variables of `SetEnv`, then those of `ProxyFCGISetEnvIf`.

use super::answer::Variable;
use super::section::{Core, Text};
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate, text};
use crate::httpd::expression::parse::{self, Expr, Word};
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens::trim;
use crate::origin::Origin;
use std::collections::BTreeMap;

/// One line that sets or removes a variable.
#[derive(Debug)]
pub(crate) struct Handed {
    /// None: always.
    condition: Option<Expr>,
    name: Text,
    /// `None`: the variable is removed.
    value: Option<Value>,
    origin: Origin,
}

/// The value of a variable.
#[derive(Debug)]
enum Value {
    Plain(Text),
    /// Put together for each request.
    Composed(Word),
}

impl Handed {
    /// `SetEnv NAME [VALUE]`
    pub fn plain(words: &[Box<[u8]>], origin: Origin) -> Self {
        let value = words.get(1).cloned().unwrap_or_default();
        Self { condition: None, name: words[0].clone(), value: Some(Value::Plain(value)), origin }
    }

    /// `UnsetEnv NAME`
    pub fn unset(name: &[u8], origin: Origin) -> Self {
        Self { condition: None, name: name.into(), value: None, origin }
    }

    /// `ProxyFCGISetEnvIf CONDITION [!]NAME [VALUE]`
    pub fn conditional(words: &[Box<[u8]>], origin: Origin, scope: Scope) -> Result<Self, String> {
        let [condition, name, rest @ ..] = words else {
            return Err("ProxyFCGISetEnvIf takes two or three arguments".into());
        };
        let condition =
            parse::parse(trim(condition), scope).map_err(|error| format!("Can't parse envvar expression: {error}"))?;
        let (name, value) = match name.strip_prefix(b"!") {
            Some(name) => (name.into(), None),
            None => {
                let value = parse::parse_text(rest.first().map_or(b"", |word| word), scope)
                    .map_err(|error| format!("Can't parse envvar value expression: {error}"))?;
                (name.clone(), Some(Value::Composed(value)))
            }
        };
        Ok(Self { condition: Some(condition), name, value, origin })
    }
}

impl Handed {
    fn made(&self, value: Vec<u8>) -> Variable {
        let (name, is_conditional) = (self.name.to_vec(), self.condition.is_some());
        Variable { name, value, is_conditional, origin: self.origin.clone() }
    }
}

/// The variables of a request, outer containers first. What cannot be known is left out and noted.
pub(crate) fn variables<'c>(
    cores: impl Iterator<Item = &'c Core> + Clone,
    variables: &dyn RequestVariables,
    notes: &mut Vec<String>,
) -> Vec<Variable> {
    let (mut all, budget) = (Table::default(), variables.budget());
    // What SetEnvIf and rules have set, too.
    for name in [&b"PHP_VALUE"[..], b"PHP_ADMIN_VALUE"] {
        match variables.is_set(name) {
            Ok(true) => {
                let value = variables.environment(name);
                let made =
                    |value| Variable { name: name.to_vec(), value, is_conditional: false, origin: Origin::default() };
                value.map(made).into_iter().for_each(|one| all.put(one));
            }
            Ok(false) => {}
            Err(why) => {
                let name = String::from_utf8_lossy(name);
                notes.push(format!("whether {name} is handed over depends on {why}; it is left out"));
            }
        }
    }
    let lines = cores.flat_map(|core| &core.handed);
    // `UnsetEnv` takes away what `SetEnv` has set, and nothing else.
    let mut plain = Table::default();
    for one in lines.clone().filter(|one| one.condition.is_none()) {
        budget.spend_at(1, || one.origin.to_string());
        match &one.value {
            Some(Value::Plain(value)) => plain.put(one.made(value.to_vec())),
            _ => plain.remove(&one.name),
        }
    }
    plain.lines.into_iter().flatten().for_each(|one| all.put(one));
    for one in lines {
        let Some(condition) = &one.condition else { continue };
        budget.spend_at(1, || one.origin.to_string());
        let holds = evaluate(condition, variables);
        budget.blame(|| one.origin.to_string());
        match holds {
            Truth::No => continue,
            Truth::Unknown(why) => {
                let name = String::from_utf8_lossy(&one.name);
                notes.push(format!("{}: whether {name} is handed over depends on {why}; it is left out", one.origin));
                continue;
            }
            Truth::Yes => {}
        }
        let Some(value) = &one.value else {
            all.remove(&one.name);
            continue;
        };
        let value = match value {
            Value::Plain(value) => value.to_vec(),
            Value::Composed(word) => match text(word, variables) {
                Ok(value) => value,
                Err(why) => {
                    all.remove(&one.name);
                    let name = String::from_utf8_lossy(&one.name);
                    notes.push(format!("{}: the value of {name} depends on {why}; it is left out", one.origin));
                    continue;
                }
            },
        };
        all.put(one.made(value));
    }
    all.lines.into_iter().flatten().collect()
}

/// Variables in the order in which they came first, and where each name is: letter case does not count.
#[derive(Default)]
struct Table {
    lines: Vec<Option<Variable>>,
    places: BTreeMap<Vec<u8>, usize>,
}

impl Table {
    /// Puts a variable in the place of one with its name, which keeps the letters' case that it had, or else at the end.
    fn put(&mut self, mut new: Variable) {
        let at = *self.places.entry(new.name.to_ascii_lowercase()).or_insert(self.lines.len());
        match self.lines.get_mut(at) {
            Some(line) => {
                if let Some(known) = line.take() {
                    new.name = known.name;
                }
                *line = Some(new);
            }
            None => self.lines.push(Some(new)),
        }
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(at) = self.places.remove(&name.to_ascii_lowercase()) {
            self.lines[at] = None;
        }
    }
}

/// The path of a proxy handler's URL: `proxy:fcgi://localhost/` has `/`. PHP-FPM sees it before the path of its file.
pub(crate) fn path_before(handler: &[u8]) -> &[u8] {
    let url = handler.strip_prefix(b"proxy:").unwrap_or_default();
    let url = memchr::memchr(b'|', url).map_or(url, |at| &url[at + 1..]);
    let authority = url.strip_prefix(b"fcgi://").unwrap_or_default();
    memchr::memchr(b'/', authority).map_or(&b""[..], |at| &authority[at..])
}

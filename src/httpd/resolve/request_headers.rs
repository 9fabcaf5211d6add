//! The headers of a request as `RequestHeader` lines leave them (fact A-127).

use super::subrequest::Subrequest;
use crate::httpd::expression::budget::substitute;
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate, text};
use crate::httpd::model::request_header::{Change, Condition, Headers, Made, Piece, RequestHeader, Value, has_word};
use crate::httpd::model::section::Core;
use crate::httpd::pattern::Pattern;
use crate::origin::Origin;

/// The most matches of one `edit*`.
const MOST_MATCHES: usize = 1000;

impl Subrequest<'_, '_> {
    /// A header as it is now: as it was sent, or as a line has left it.
    pub(super) fn given(&self, name: &[u8]) -> Option<Value> {
        match &*self.headers.borrow() {
            Some(headers) => headers.get(name).cloned(),
            None => self.asked.header(name).map(|value| Ok(value.to_vec())),
        }
    }

    /// The same, where nobody can be told that it is not known.
    pub(super) fn given_or_doubt(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.given(name)?.map_err(|why| self.doubt(why)).ok()
    }

    /// Whether a line has changed the headers.
    pub(super) fn has_changed_headers(&self) -> bool {
        self.headers.borrow().is_some()
    }

    /// The lines of containers, outermost first; `early`: those that act before any section is looked at, or the others.
    pub(super) fn change_headers<'a>(&self, cores: impl Iterator<Item = &'a Core>, early: bool) {
        for line in cores.flat_map(|core| &core.request_headers) {
            if matches!(line.condition, Condition::Early) == early {
                self.change_header(line);
            }
        }
    }

    fn change_header(&self, line: &RequestHeader) {
        let number = self.headers.borrow().as_ref().map_or(self.asked.headers.len(), Headers::len);
        if self.budget().afford_names(number) {
            self.do_change(line);
        }
        self.budget().blame(|| line.origin.to_string());
    }

    fn do_change(&self, line: &RequestHeader) {
        let name = &*line.name;
        let depends = |why: String| {
            let name = String::from_utf8_lossy(name);
            format!("{}: what RequestHeader makes of {name} depends on {why}, which is not known here", line.origin)
        };
        let known = match self.counts(&line.condition) {
            Truth::No => return,
            Truth::Yes => self.made_of_pieces(&line.value),
            Truth::Unknown(why) => Err(why),
        };
        let is_certain = known.is_ok();
        let value = known.map_err(depends);
        let mut headers = self.headers.take().unwrap_or_else(|| self.as_sent());
        let is_there = headers.get(name).is_some();
        match &line.change {
            // Whether the line counts, or what it sets, is not known.
            Change::Unset if is_certain => headers.unset(name),
            Change::Unset | Change::Edit(..) if !is_there => {}
            Change::Merge if value.as_ref().is_ok_and(|word| has(&headers, name, word)) => {}
            Change::Set | Change::Unset => headers.set(name, value),
            Change::SetIfEmpty if is_there => {}
            Change::SetIfEmpty | Change::Add => headers.add(name, value),
            Change::Append | Change::Merge => headers.append(name, value),
            Change::Edit(pattern, all) => headers.edit(name, |own| match (pattern, &value) {
                (_, Err(why)) => Err(why.clone()),
                (None, _) => Err(depends("a pattern that is not supported".into())),
                (Some(pattern), Ok(new)) => {
                    self.edited(pattern, own, new, all.then_some(&line.origin)).map_err(depends)
                }
            }),
        }
        *self.headers.borrow_mut() = Some(headers);
    }

    /// The headers before any line.
    fn as_sent(&self) -> Headers {
        let mut headers = Headers::default();
        let asked = self.asked;
        let elsewhere = asked.target.first() != Some(&b'/') && asked.host.is_some();
        if let Some(host) = asked.named_host().filter(|_| elsewhere || asked.header(b"host").is_none()) {
            headers.add(b"Host", Ok(host));
        }
        for (name, value) in asked.headers.iter().filter(|(name, _)| !(elsewhere && name.eq_ignore_ascii_case(b"host")))
        {
            headers.add(name, Ok(value.to_vec()));
        }
        headers
    }

    fn counts(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::Always | Condition::Early => Truth::Yes,
            Condition::Expr(expr) => evaluate(expr, self),
            Condition::Env(name, not) => match self.env.borrow().get(name) {
                Some(Err(why)) => Truth::Unknown(why.clone()),
                found => Truth::from(found.is_some() != *not),
            },
        }
    }

    fn made_of_pieces(&self, value: &Made) -> Value {
        let pieces = match value {
            Made::Expr(word) => return text(word, self),
            Made::Pieces(pieces) => pieces,
        };
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Env(name) => match self.env.borrow().get(name) {
                    Some(value) => self.budget().grow(&mut out, value.as_ref().map_err(Clone::clone)?),
                    None => out.extend_from_slice(b"(null)"),
                },
                Piece::Tls if !self.context.data.registry.is_loaded(b"mod_ssl.c") => out.extend_from_slice(b"(null)"),
                Piece::Tls => return Err("what mod_ssl says of the connection".into()),
                Piece::Unknown(letter) => return Err(format!("%{letter}")),
            }
        }
        Ok(out)
    }

    /// A value with the first match replaced; `every`: all of them, by this line.
    fn edited(&self, pattern: &Pattern, value: &[u8], new: &[u8], every: Option<&Origin>) -> Value {
        let mut out = Vec::new();
        let mut rest = value;
        for _ in 0..MOST_MATCHES {
            let found = self.budget().found(pattern, rest);
            let found = found.map_err(|_| format!("the pattern {pattern:?}, which takes too many steps"))?;
            let Some((place, groups)) = found else { break };
            out.extend_from_slice(&rest[..place.start]);
            self.budget().grow(&mut out, &substitute(new, &groups, self.budget()));
            rest = &rest[place.end..];
            let Some(line) = every else { break };
            if place.is_empty() {
                self.context.memo.silence("edit* never ends with a pattern that matches an empty text".into());
                self.context.memo.silent_at(line);
                break;
            }
        }
        out.extend_from_slice(rest);
        Ok(out)
    }
}

fn has(headers: &Headers, name: &[u8], word: &[u8]) -> bool {
    matches!(headers.get(name), Some(Ok(list)) if has_word(list, word))
}

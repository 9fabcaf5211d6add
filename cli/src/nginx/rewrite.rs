//! `set`, `return`, `rewrite`, `if`, `break`: what is run before a location serves.

use super::phases::{Flow, Request};
use super::tree::Directive;
use super::variables::Captures;
use outlive::files::{Files, Kind};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl<'a> Request<'a> {
    /// Runs the lines of one block.
    pub fn run(&mut self, block: &'a [Directive]) -> Flow {
        for one in block {
            let flow = match &*one.name {
                b"set" => self.set_variable(one),
                b"return" => self.return_answer(one),
                b"rewrite" => self.rewrite(one),
                b"break" => Flow::Stop,
                b"if" => self.condition(one),
                _ => Flow::On,
            };
            if !matches!(flow, Flow::On) {
                return flow;
            }
        }
        Flow::On
    }

    fn may_change(&mut self, one: &Directive, why: &str) -> Flow {
        let name = crate::text::shown(&one.name);
        self.note(format!("{}: {name} may change this: it depends on {why}, which is not known", one.origin));
        Flow::On
    }

    fn set_variable(&mut self, one: &'a Directive) -> Flow {
        let value = self.value(one.arg(1));
        let name = String::from_utf8_lossy(one.arg(0)).trim_start_matches('$').to_owned();
        let value = value.map_err(|why| format!("${name} ({}: {why})", one.origin));
        if name == "args" {
            self.args = value.clone().unwrap_or_default();
        }
        self.set.insert(name, value);
        Flow::On
    }

    fn return_answer(&mut self, one: &'a Directive) -> Flow {
        let status = std::str::from_utf8(one.arg(0)).ok().and_then(|text| text.parse().ok());
        let (status, text) = match status {
            Some(status) => (status, one.args.get(1)),
            None => (302, one.args.first()),
        };
        let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
        let location = match text.filter(|_| is_redirect).map(|text| self.value(text)) {
            Some(Ok(location)) => Some(location),
            Some(Err(why)) => {
                self.note(format!("{}: where it leads depends on {why}, which is not known", one.origin));
                None
            }
            None => None,
        };
        // A text of its own is sent as it is, whatever error_page says.
        self.has_text = text.is_some() && !is_redirect;
        Flow::Answer(status, format!("{}: return", one.origin), location)
    }

    fn rewrite(&mut self, one: &'a Directive) -> Flow {
        let captures = match Captures::of(one.arg(0), false, &self.uri) {
            Ok(captures) => captures,
            Err(why) => return self.may_change(one, &why),
        };
        let Some(captures) = captures else { return Flow::On };
        self.matched(captures);
        let to = one.arg(1);
        let (to, keeps) = match to.strip_suffix(b"?") {
            Some(to) => (to, false),
            None => (to, true),
        };
        let new = match self.value(to) {
            Ok(new) => new,
            Err(why) => return self.may_change(one, &why),
        };
        let flag = one.arg(2);
        let leads_away = [&b"http://"[..], b"https://", b"$scheme"].iter().any(|start| one.arg(1).starts_with(start));
        let (path, mut args) = match to.contains(&b'?').then(|| new.iter().position(|&byte| byte == b'?')).flatten() {
            Some(at) => (new[..at].to_vec(), new[at + 1..].to_vec()),
            None => (new.clone(), Vec::new()),
        };
        if keeps && !self.args.is_empty() {
            if !args.is_empty() {
                args.push(b'&');
            }
            args.extend_from_slice(&self.args.clone());
        }
        if leads_away || matches!(flag, b"redirect" | b"permanent") {
            let status = if flag == b"permanent" { 301 } else { 302 };
            let query = if args.is_empty() { Vec::new() } else { [b"?", &args[..]].concat() };
            return Flow::Answer(status, format!("{}: rewrite", one.origin), Some([path, query].concat()));
        }
        (self.uri, self.args) = (path, args);
        if !self.uri.starts_with(b"/") {
            return Flow::Answer(500, format!("{}: rewrite leads to no path", one.origin), None);
        }
        match flag {
            b"break" => Flow::Stop,
            b"last" => {
                self.uri_changed = true;
                Flow::Stop
            }
            _ => {
                self.uri_changed = true;
                Flow::On
            }
        }
    }

    /// `if (CONDITION) { … }`
    fn condition(&mut self, one: &'a Directive) -> Flow {
        match self.holds(&one.args) {
            Ok(false) => Flow::On,
            Err(why) => self.may_change(one, &why),
            Ok(true) => {
                // Within a location it counts whatever it holds: what the location does not hand down, as try_files, is gone.
                if self.is_in_location() {
                    self.enter_if(one);
                }
                self.run(one.inside())
            }
        }
    }

    fn holds(&mut self, args: &[Vec<u8>]) -> Result<bool, String> {
        let mut words: Vec<Vec<u8>> = args.to_vec();
        if let Some(first) = words.first_mut().filter(|first| first.starts_with(b"(")) {
            first.remove(0);
        }
        if let Some(last) = words.last_mut().filter(|last| last.ends_with(b")")) {
            last.pop();
        }
        words.retain(|word| !word.is_empty() || args.len() > 2);
        words.retain({
            let mut first = true;
            move |word| !std::mem::take(&mut first) || !word.is_empty()
        });
        let word = |at: usize| words.get(at).map_or(&b""[..], Vec::as_slice);
        let first = word(0);
        if first.starts_with(b"-") || first.starts_with(b"!-") {
            let (negated, test) = first.strip_prefix(b"!").map_or((false, first), |test| (true, test));
            let path = self.value(word(1))?;
            let path = Path::new(OsStr::from_bytes(&path));
            let kind = self.view.kind(path);
            let holds = match test {
                b"-f" => matches!(kind, Ok(Kind::File)),
                b"-d" => matches!(kind, Ok(Kind::Directory)),
                b"-e" => kind.is_ok(),
                _ => return Err(format!("the test {}", crate::text::shown(test))),
            };
            return Ok(holds != negated);
        }
        let left = self.value(first)?;
        if words.len() < 2 {
            return Ok(!left.is_empty() && left != b"0");
        }
        let right = word(2);
        match word(1) {
            b"=" => Ok(left == self.value(right)?),
            b"!=" => Ok(left != self.value(right)?),
            sign @ (b"~" | b"~*" | b"!~" | b"!~*") => {
                let captures = Captures::of(right, sign.ends_with(b"*"), &left)?;
                let found = captures.is_some();
                if let Some(captures) = captures {
                    self.matched(captures);
                }
                Ok(found != sign.starts_with(b"!"))
            }
            other => Err(format!("the comparison {}", crate::text::shown(other))),
        }
    }
}

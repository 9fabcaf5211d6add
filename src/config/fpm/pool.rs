//! A pool, and what its settings come to together.

use super::directives::{number, seconds, switch};
use crate::origin::Origin;
use std::collections::HashMap;

/// One line of a pool: name, value, place.
pub type Line = (Vec<u8>, Vec<u8>, Origin);

/// A pool of an FPM configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Its name. In another letter case it is the same pool.
    pub name: Vec<u8>,
    /// Every directive of its own that is no `NAME[KEY]`, by its name in small letters, with `$pool` replaced; of two lines the later one
    /// counts.
    pub lines: Vec<Line>,
    /// What `env[NAME]` says, with `$pool` replaced; of two lines the earlier one counts.
    pub env: Vec<Line>,
    /// Whether it is a chosen pool, whose values are in force.
    pub is_chosen: bool,
    /// Where it begins.
    pub(super) origin: Origin,
}

/// What php-fpm says when all has been read: why it does not start, and the line that is to blame.
pub(super) type Complaint = (String, Origin);

impl Pool {
    /// The line that counts for one of the names, and where it stands.
    pub fn line(&self, name: &[u8]) -> Option<(&[u8], &Origin)> {
        self.lines.iter().rfind(|(own, ..)| own == name).map(|(_, value, origin)| (&**value, origin))
    }

    /// Whether its processes begin without the environment of the master (`clear_env`, on by default).
    pub fn clears_env(&self) -> bool {
        self.line(b"clear_env").and_then(|(value, _)| switch(value)).unwrap_or(true)
    }

    /// What php-fpm needs in every pool and this one does not say. None: it is whole. A file that only adds to another one's pool is
    /// none that php-fpm could be started with.
    pub fn missing(&self) -> Option<(&'static str, &Origin)> {
        let lacks = |name: &str| self.line(name.as_bytes()).is_none_or(|(value, _)| value.is_empty() && name != "user");
        let dynamic = self.line(b"pm").is_some_and(|(value, _)| value.eq_ignore_ascii_case(b"dynamic"));
        let spare = ["pm.min_spare_servers", "pm.max_spare_servers"].into_iter().filter(|_| dynamic);
        let all = ["user", "listen", "pm", "pm.max_children"];
        all.into_iter().chain(spare).find(|name| lacks(name)).map(|name| (name, &self.origin))
    }

    fn number(&self, name: &str) -> Option<(i32, &Origin)> {
        self.line(name.as_bytes()).map(|(value, origin)| (number(value), origin))
    }

    fn time(&self, name: &str) -> Option<(i32, &Origin)> {
        self.line(name.as_bytes()).and_then(|(value, origin)| Some((seconds(value).ok()?, origin)))
    }

    /// The first thing that keeps php-fpm from starting.
    pub(super) fn check(&self) -> Result<(), Complaint> {
        if let Some((number, at)) = self.number("process.priority") {
            priority(number, at)?;
        }
        if let Some((..=0, at)) = self.number("pm.max_children") {
            return say("pm.max_children must be 1 or more".into(), at);
        }
        if let Some((b"", at)) = self.line(b"listen") {
            return say("listen is empty: it must be an address or the path of a socket".into(), at);
        }
        if let Some((b"", at)) = self.line(b"access.log") {
            return say("access.log is empty: it must be a file; take it out for no log".into(), at);
        }
        if let Some((b"", at)) = self.line(b"pm.status_listen") {
            return say("pm.status_listen is empty: it must be an address or the path of a socket".into(), at);
        }
        match self.line(b"pm") {
            Some((pm, _)) if pm.eq_ignore_ascii_case(b"dynamic") => self.dynamic()?,
            Some((pm, _)) if pm.eq_ignore_ascii_case(b"ondemand") => {
                if let Some((..=0, at)) = self.time("pm.process_idle_timeout") {
                    return say("pm.process_idle_timeout must be more than 0 where pm = ondemand".into(), at);
                }
            }
            _ => {}
        }
        self.slowlog()?;
        path("pm.status_path", self.line(b"pm.status_path"))?;
        path("ping.path", self.line(b"ping.path"))?;
        match (self.line(b"ping.path"), self.line(b"ping.response")) {
            (Some((path, _)), Some((b"", at))) if !path.is_empty() => {
                say("ping.response is empty: it must say something".into(), at)
            }
            _ => Ok(()),
        }
    }

    /// How many processes `pm = dynamic` keeps.
    fn dynamic(&self) -> Result<(), Complaint> {
        let of = |name| self.number(name);
        let (children, min, max) = (of("pm.max_children"), of("pm.min_spare_servers"), of("pm.max_spare_servers"));
        for (name, one) in [("pm.min_spare_servers", min), ("pm.max_spare_servers", max)] {
            if let Some((..=0, at)) = one {
                return say(format!("{name} must be 1 or more where pm = dynamic"), at);
            }
            if let (Some((one, at)), Some((most, _))) = (one, children)
                && one > most
            {
                return say(format!("{name} = {one} is more than pm.max_children = {most}"), at);
            }
        }
        // What else php-fpm needs is all there, so this is no file that only adds to a pool.
        if let Some((name @ ("pm.min_spare_servers" | "pm.max_spare_servers"), _)) = self.missing()
            && let Some((_, at)) = self.line(b"pm")
        {
            return say(format!("pm = dynamic needs {name}"), at);
        }
        let (Some((low, _)), Some((high, at))) = (min, max) else { return Ok(()) };
        if high < low {
            return say(format!("pm.max_spare_servers = {high} is less than pm.min_spare_servers = {low}"), at);
        }
        if let Some((start @ 1.., at)) = of("pm.start_servers")
            && !(low..=high).contains(&start)
        {
            return say(format!("pm.start_servers = {start} must be from {low} to {high}, the spare servers"), at);
        }
        match of("pm.max_spawn_rate") {
            Some((..=0, at)) => say("pm.max_spawn_rate must be 1 or more where pm = dynamic".into(), at),
            _ => Ok(()),
        }
    }

    fn slowlog(&self) -> Result<(), Complaint> {
        let has_file = self.line(b"slowlog").is_some_and(|(value, _)| !value.is_empty());
        let slow = self.time("request_slowlog_timeout").filter(|(seconds, _)| *seconds != 0);
        let depth = self.number("request_slowlog_trace_depth").filter(|(depth, _)| *depth != 0);
        for (name, at) in [
            ("request_slowlog_timeout", slow.map(|(_, at)| at)),
            ("request_slowlog_trace_depth", depth.map(|(_, at)| at)),
        ] {
            if let Some(at) = at.filter(|_| !has_file) {
                return say(format!("{name} needs slowlog = FILE"), at);
            }
        }
        if let Some((..0, at)) = depth {
            return say("request_slowlog_trace_depth must not be negative".into(), at);
        }
        let end = self.time("request_terminate_timeout").filter(|(seconds, _)| *seconds != 0);
        match (slow, end) {
            (Some((slow, at)), Some((end, _))) if slow > end => {
                say(format!("request_slowlog_timeout = {slow} is more than request_terminate_timeout = {end}"), at)
            }
            _ => Ok(()),
        }
    }
}

fn say<T>(text: String, at: &Origin) -> Result<T, Complaint> {
    Err((text, at.clone()))
}

/// 64 is what php-fpm has for none.
pub(super) fn priority(number: i32, at: &Origin) -> Result<(), Complaint> {
    if (-19..=20).contains(&number) || number == 64 {
        return Ok(());
    }
    say(format!("process.priority = {number}: it must be from -19 to 20"), at)
}

fn path(name: &str, line: Option<(&[u8], &Origin)>) -> Result<(), Complaint> {
    let Some((value, at)) = line.filter(|(value, _)| !value.is_empty()) else { return Ok(()) };
    let wrong = if value[0] != b'/' {
        "it must begin with /"
    } else if value.len() < 2 {
        "it must be longer"
    } else if !value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/_-.~".contains(byte)) {
        "it may hold letters, digits and / _ - . ~ only"
    } else {
        return Ok(());
    };
    say(format!("{name} = `{}`: {wrong}", String::from_utf8_lossy(value)), at)
}

/// Two pools that would listen on one address.
pub(super) fn listen_twice(pools: &[Pool]) -> Result<(), Complaint> {
    let mut known: HashMap<&[u8], &Pool> = HashMap::new();
    for pool in pools {
        for name in [&b"listen"[..], b"pm.status_listen"] {
            let Some((address, at)) = pool.line(name) else { continue };
            if let Some(other) = known.insert(address, pool) {
                let name = |pool: &Pool| String::from_utf8_lossy(&pool.name).into_owned();
                let address = String::from_utf8_lossy(address);
                return say(format!("[{}] has {address} too, where [{}] listens", name(pool), name(other)), at);
            }
        }
    }
    Ok(())
}

//! Numbers and requests for programs: one document; its schema is cli/schema/status.json.

use super::super::scoreboard::{ScoreboardRow, Snapshot, State};
use super::super::{Row, Watching};
use super::Extra;
use super::metrics::{key, values};
use super::names::{self, Name};
use super::writer::{self, Object};
use crate::request::{Ending, Stage};
use std::collections::HashSet;

/// How many requests are in which state, of those that a snapshot shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of living processes.
    pub in_flight: usize,
    /// Those of them whose client has gone.
    pub detached: usize,
    /// Those of them that a journal has accepted.
    pub accepted: usize,
    /// Those of them in a hold.
    pub held: usize,
    /// Of dead processes.
    pub unfinished: usize,
    /// Living processes with a request.
    pub processes: usize,
}

impl Counts {
    /// Counts what is shown.
    pub fn of(snapshot: &Snapshot) -> Self {
        let alive = || snapshot.rows.iter().filter(|row| !row.unfinished);
        Self {
            in_flight: alive().count(),
            detached: alive().filter(|row| row.request.gone_ms.is_some()).count(),
            accepted: alive().filter(|row| row.request.accepted).count(),
            held: alive().filter(|row| row.request.held).count(),
            unfinished: snapshot.rows.iter().filter(|row| row.unfinished).count(),
            processes: alive().map(|row| row.process).collect::<HashSet<_>>().len(),
        }
    }
}

/// The document, with a newline at its end. Requests in flight are counted from the list in it; everything else is the series of the same
/// name.
pub fn document(snapshot: &Snapshot, extra: Extra<'_>) -> String {
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    let (counts, totals) = (Counts::of(snapshot), &snapshot.totals);
    object.maybe("scoreboard", extra.scoreboard);
    object.plain(names::IN_FLIGHT.member, counts.in_flight);
    object.plain(names::DETACHED.member, counts.detached);
    object.plain(names::ACCEPTED.member, counts.accepted);
    object.plain("held", counts.held);
    object.plain(names::UNFINISHED.member, counts.unfinished);
    object.plain(names::UNRESPONSIVE.member, totals.unresponsive.len());
    object.plain("processes", counts.processes);
    let single = |object: &mut Object<'_>, name: &Name| {
        let value = values(name, totals).into_iter().map(|(_, value)| value).next();
        object.plain(name.member, value.unwrap_or_else(|| "null".into()));
    };
    single(&mut object, &names::BEGUN);
    let mut ended = Object::new(object.key(names::ENDED.member.as_bytes()));
    for ending in Ending::ALL {
        ended.plain(&key(ending), totals.numbers.ended_as(ending));
    }
    ended.end();
    for name in
        [names::GONE, names::TIME_LIMITS, names::FORCED, names::FUNCTIONS, names::FUNCTION_SECONDS, names::NOT_SHOWN]
    {
        single(&mut object, &name);
    }
    let policies = totals.policies.iter().map(|&policy| names::fingerprint(policy));
    writer::list(object.key(names::POLICY.member.as_bytes()), policies, |out, policy| {
        writer::string(out, policy.as_bytes());
    });
    object.text(names::BUILD.member, env!("CARGO_PKG_VERSION").as_bytes());
    let notes = extra.notes.split(|&byte| byte == b'\n').filter(|note| !note.is_empty());
    writer::list(object.key(b"notes"), notes, writer::string);
    writer::list(object.key(b"requests"), &snapshot.rows, row_as_json);
    object.end();
    out.push('\n');
    out
}

/// What it does, as people and programs say it.
pub fn stage(request: &Row) -> &'static str {
    match request.stage {
        Stage::Input => "input",
        Stage::Running => "running",
        Stage::Shutdown => "shutdown",
        Stage::FinalFlush => "final flush",
        Stage::Ended => "ended",
    }
}

fn row_as_json(out: &mut String, row: &ScoreboardRow) {
    let request = &row.request;
    let maybe = |number: Option<u64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
    let mut object = Object::new(out);
    object.maybe("id", row.id().as_deref().map(str::as_bytes));
    object.text("state", row.state().word().as_bytes());
    object.plain("process", row.process);
    object.plain("thread", request.thread);
    object.plain("began_unix_ms", row.began_unix_ms);
    object.plain("age_ms", request.age_ms);
    object.maybe("method", Some(&request.method[..]).filter(|method| !method.is_empty()));
    object.text("label", &request.label);
    object.maybe("key", Some(&request.key[..]).filter(|key| !key.is_empty()));
    object.plain("accepted", request.accepted);
    object.plain("resumed", request.resumed);
    object.text("stage", stage(request).as_bytes());
    object.plain("connection_status", request.status);
    object.plain("gone_ms", maybe(request.gone_ms));
    object.plain("held", request.held);
    object.plain("ignores_abort", request.ignores_abort);
    object.plain("finished", request.finished);
    object.plain("watched", request.watching == Watching::Socket);
    object.plain("time_limit_s", maybe(Some(request.time_limit.into()).filter(|&limit: &u64| limit > 0)));
    object.plain("time_left_ms", maybe(request.time_left_ms));
    object.plain("written", request.written);
    object.plain("unfinished", row.state() == State::Unfinished);
    object.end();
}

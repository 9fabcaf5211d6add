//! `outlive status`: the requests that a scoreboard shows.

mod args;
mod print;
mod watch;

pub use args::StatusArgs;

use crate::load;
use crate::output::{Answer, Problem};
use outlive::config::Outcome;
use outlive::engine::scoreboard::{self, ScoreboardRow, Snapshot};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Shows what is in flight, and what dead processes have left.
pub fn run(args: &StatusArgs) -> Result<Answer, Problem> {
    let path = path(args)?;
    if args.clear {
        let cleared = scoreboard::clear(&path)?;
        return Ok(if args.json {
            Answer::raw(format!("{{\"cleared\": {cleared}}}\n"))
        } else {
            Answer::text(format!("forgot {}\n", print::count(cleared, "unfinished request")))
        });
    }
    let view = View { path, json: args.json, unfinished: args.unfinished };
    if args.watch {
        watch::run(&view)?;
        return Ok(Answer::raw(""));
    }
    let snapshot = view.look()?;
    let status = u8::from(view.unfinished && !snapshot.rows.is_empty());
    let text = view.text(&snapshot);
    Ok(if view.json { Answer::raw(text) } else { Answer::text(text) }.with_status(status))
}

/// The file that was named, or that `outlive.scoreboard` names.
fn path(args: &StatusArgs) -> Result<PathBuf, Problem> {
    if let Some(path) = &args.scoreboard {
        return Ok(path.clone());
    }
    let config = load::config(&args.source)?;
    let named = match load::outcome(config.config, &Default::default())? {
        Outcome::Run(settings) => settings.get(b"outlive.scoreboard").map(<[u8]>::to_vec),
        Outcome::Answer { .. } => None,
    };
    let named = named.filter(|path| !path.is_empty()).ok_or_else(|| {
        Problem::Call(
            "which scoreboard? Name its file (outlive status /run/app/scoreboard), or the configuration that sets \
             outlive.scoreboard (--php-ini FILE, --httpd-conf FILE, --fpm-pool FILE)"
                .into(),
        )
    })?;
    Ok(OsStr::from_bytes(&named).into())
}

/// What is to be shown, and how.
struct View {
    path: PathBuf,
    json: bool,
    unfinished: bool,
}

impl View {
    /// The rows that are asked for, those that need attention first, the oldest of each kind on top.
    fn look(&self) -> Result<Snapshot, Problem> {
        let mut snapshot = scoreboard::read(&self.path)?;
        snapshot.rows.retain(|row| row.unfinished || !self.unfinished);
        snapshot.rows.sort_by_key(|row| (State::of(row), row.began_unix_ms, row.process));
        Ok(snapshot)
    }

    fn text(&self, snapshot: &Snapshot) -> String {
        if self.json { print::as_json(&self.path, snapshot) } else { print::as_table(self, snapshot) }
    }
}

/// What matters most about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Unfinished,
    Detached,
    InFlight,
}

impl State {
    fn of(row: &ScoreboardRow) -> Self {
        match row {
            ScoreboardRow { unfinished: true, .. } => Self::Unfinished,
            ScoreboardRow { request, .. } if request.gone_ms.is_some() => Self::Detached,
            _ => Self::InFlight,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Detached => "detached",
            Self::InFlight => "in flight",
        }
    }
}

//! `outlive status`: the requests that a scoreboard shows.

mod args;
mod print;
mod watch;

pub use args::{CancelArgs, StatusArgs};

use crate::load;
use crate::output::{Answer, Problem};
use outlive::config::Outcome;
use outlive::engine::render;
use outlive::engine::scoreboard::{self, Snapshot, Which};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Shows the requests in flight, and the unfinished ones of dead processes.
pub fn run(args: &StatusArgs) -> Result<Answer, Problem> {
    let path = path(args)?;
    if args.clear {
        return clear(&path, args);
    }
    if args.metrics {
        return metrics(&path, args.output.as_deref());
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

fn clear(path: &Path, args: &StatusArgs) -> Result<Answer, Problem> {
    let which = match (&args.key, args.process) {
        (Some(key), _) => Which::Key(key.as_bytes()),
        (None, Some(process)) => Which::Process(process),
        (None, None) => Which::All,
    };
    let cleared = scoreboard::clear(path, which)?;
    Ok(if args.json {
        Answer::raw(format!("{{\"cleared\": {cleared}}}\n"))
    } else {
        Answer::text(format!("forgot {}\n", print::count(cleared, "unfinished request")))
    })
}

fn metrics(path: &Path, output: Option<&Path>) -> Result<Answer, Problem> {
    let text = render::metrics::text(&scoreboard::totals(path)?);
    let Some(output) = output else { return Ok(Answer::raw(text)) };
    replace(output, text.as_bytes())
        .map_err(|error| Problem::Call(format!("{} cannot be written: {error}", output.display())))?;
    Ok(Answer::raw(""))
}

/// Replaces a file in one step, so that a reader sees the whole old or the whole new one. Readable by all, because
/// node_exporter reads it.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Cancels a request.
pub fn cancel(args: &CancelArgs) -> Result<Answer, Problem> {
    let (row, count) = scoreboard::parse_id(&args.id)?;
    Ok(match scoreboard::cancel(&args.scoreboard, row, count)? {
        true => Answer::text(format!("{} stops at its next safe point\n", args.id)),
        false => Answer::text(format!("{} is not in flight: it has ended, or its process has died\n", args.id))
            .with_status(1),
    })
}

/// The file that was named, or that `outlive.scoreboard` names.
fn path(args: &StatusArgs) -> Result<PathBuf, Problem> {
    if let Some(path) = &args.scoreboard {
        return Ok(path.clone());
    }
    let config = load::config(&args.source)?;
    let named = match load::outcome(&config, &Default::default())? {
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

/// What to show, and how.
struct View {
    path: PathBuf,
    json: bool,
    unfinished: bool,
}

impl View {
    /// The rows that are asked for, those that need attention first, the oldest of each kind on top. Also those of a file that was put aside, where
    /// this version can read it.
    fn look(&self) -> Result<Snapshot, Problem> {
        let mut snapshot = scoreboard::read(&self.path)?;
        for (aside, _) in scoreboard::put_aside(&self.path) {
            if let Ok(older) = scoreboard::read(&aside) {
                snapshot.rows.extend(older.rows);
                snapshot.totals.numbers.add(&older.totals.numbers);
                snapshot.totals.gauges.add(older.totals.gauges);
            }
        }
        snapshot.rows.retain(|row| row.unfinished || !self.unfinished);
        snapshot.sort();
        Ok(snapshot)
    }

    /// The notes about renamed files of other layouts, which only an earlier version can read.
    fn notes(&self) -> String {
        let aside = scoreboard::put_aside(&self.path).into_iter().filter(|(path, _)| scoreboard::read(path).is_err());
        let note = |(path, layout): (PathBuf, u64)| {
            format!(
                "{} has layout {layout}: requests of processes that were started before the update are there; read it with the outlive of that version",
                path.display()
            )
        };
        aside.map(note).collect::<Vec<_>>().join("\n")
    }

    fn text(&self, snapshot: &Snapshot) -> String {
        if self.json { print::as_json(self, snapshot) } else { print::as_table(self, snapshot) }
    }
}

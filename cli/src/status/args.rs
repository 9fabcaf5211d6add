//! The arguments of `outlive status` and `outlive cancel`.

use crate::args::SourceArgs;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// `status`
#[derive(Debug, Args)]
#[command(after_help = "\
States: unfinished: its process died before the request ended; unresponsive: its process has given no sign of life for five seconds;
detached: the client has gone, the work goes on. The ID names a request for outlive cancel.

Exit status: 0 fine; 1 with --unfinished, when there are some; 2 the file could not be used.")]
pub struct StatusArgs {
    /// The scoreboard's file; without it, the value of outlive.scoreboard in the files named below
    #[arg(value_name = "SCOREBOARD")]
    pub scoreboard: Option<PathBuf>,
    /// Show only unfinished requests: those that dead processes had begun and not ended
    #[arg(long)]
    pub unfinished: bool,
    /// Refresh every second; q ends it
    #[arg(long)]
    pub watch: bool,
    /// Remove the unfinished requests of dead processes
    #[arg(long, conflicts_with_all = ["watch", "unfinished"])]
    pub clear: bool,
    /// With --clear: only requests that were begun with this key
    #[arg(long, value_name = "KEY", requires = "clear", conflicts_with = "process")]
    pub key: Option<OsString>,
    /// With --clear: only requests of the process with this number
    #[arg(long, value_name = "PID", requires = "clear")]
    pub process: Option<u32>,
    /// Print the metrics in Prometheus's text format
    #[arg(long, conflicts_with_all = ["watch", "unfinished", "clear", "json"])]
    pub metrics: bool,
    /// With --metrics: write to this file, replacing it in one step, as node_exporter's textfile collector needs
    #[arg(long, value_name = "FILE", requires = "metrics")]
    pub output: Option<PathBuf>,
    /// Print JSON; with --watch, one line each second
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `cancel`
#[derive(Debug, Args)]
#[command(after_help = "\
The request stops at its next safe point, with the ending \"cancelled\", whatever ignore_user_abort says. One that has ended meanwhile
is not taken for another. Whoever may write the file may do so.

Exit status: 0 its process will be told; 1 the request is over, or its process has died; 2 the file could not be used.")]
pub struct CancelArgs {
    /// The scoreboard's file
    #[arg(value_name = "SCOREBOARD")]
    pub scoreboard: PathBuf,
    /// The request's ID, as outlive status shows it: ROW.COUNT
    #[arg(value_name = "ROW.COUNT")]
    pub id: String,
}

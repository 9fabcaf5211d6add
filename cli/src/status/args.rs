//! What `outlive status` takes.

use crate::args::SourceArgs;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// `status`
#[derive(Debug, Args)]
#[command(after_help = "\
States: unfinished: its process died before the request ended; unresponsive: its process has not moved for five seconds;
detached: the client has gone, the work goes on. The ID names a request for outlive cancel.

Exit status: 0 fine; 1 with --unfinished, when there are some; 2 the file could not be used.")]
pub struct StatusArgs {
    /// The file; without it, what outlive.scoreboard says in the files named below
    #[arg(value_name = "SCOREBOARD")]
    pub scoreboard: Option<PathBuf>,
    /// Only what processes that died had begun and not ended
    #[arg(long)]
    pub unfinished: bool,
    /// Look again every second; q ends it
    #[arg(long)]
    pub watch: bool,
    /// Forget what dead processes left
    #[arg(long, conflicts_with_all = ["watch", "unfinished"])]
    pub clear: bool,
    /// With --clear: only what was begun with this key
    #[arg(long, value_name = "KEY", requires = "clear", conflicts_with = "process")]
    pub key: Option<OsString>,
    /// With --clear: only what the process with this number left
    #[arg(long, value_name = "PID", requires = "clear")]
    pub process: Option<u32>,
    /// Print the numbers as Prometheus reads them
    #[arg(long, conflicts_with_all = ["watch", "unfinished", "clear", "json"])]
    pub metrics: bool,
    /// With --metrics: into this file, which is replaced in one step, as node_exporter's textfile collector needs it
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
    /// The request, as outlive status names it: ROW.COUNT
    #[arg(value_name = "ROW.COUNT")]
    pub id: String,
}

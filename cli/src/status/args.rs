//! What `outlive status` takes.

use crate::args::SourceArgs;
use clap::Args;
use std::path::PathBuf;

/// `status`
#[derive(Debug, Args)]
#[command(after_help = "\
States: unfinished: its process died before the request ended; detached: the client has gone, the work goes on.

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
    /// Print JSON; with --watch, one line each second
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

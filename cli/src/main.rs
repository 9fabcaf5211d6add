//! The `outlive` command: which value of a PHP directive is in force, and because of which line.

mod answering;
mod args;
mod check;
mod demo;
mod diff;
mod dump;
mod envvars;
mod estate;
mod explain;
mod extensions;
mod get;
mod help;
mod inferred;
mod ini;
mod json;
mod load;
mod man;
mod meaning;
mod nginx;
mod output;
mod pair;
mod php_elf;
mod plain;
mod pools;
mod request;
mod secrets;
mod skipped;
mod statements;
mod status;
mod suggest;
mod table;
mod text;
mod view;
mod r#where;

use args::{Cli, Command, IniCommand};
use clap::{CommandFactory, Parser};
use output::Answer;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(answer) => answer.show(),
        Err(problem) => output::complain(&problem),
    }
}

fn run(cli: Cli) -> Result<Answer, output::Problem> {
    match cli.command {
        Command::Get(args) => get::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Ini { command: IniCommand::Parse(args) } => ini::run(&args),
        Command::Where(args) => r#where::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Cancel(args) => status::cancel(&args),
        Command::Demo => demo::run(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "outlive", &mut text);
            Ok(Answer::raw(text))
        }
        Command::Man { directory: Some(directory) } => {
            man::write_all(&directory)?;
            Ok(Answer::raw(Vec::new()))
        }
        Command::Man { directory: None } => Ok(Answer::raw(man::page()?)),
    }
}

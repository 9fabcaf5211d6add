//! The manual: a page for the command, and one for each of its commands, with every option.

use crate::args::Cli;
use crate::output::Problem;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff};
use std::io;
use std::path::Path;

/// The page of the command itself.
pub fn page() -> io::Result<Vec<u8>> {
    render(&built())
}

/// Writes all pages into a directory: outlive.1, outlive-get.1 …
pub fn write_all(directory: &Path) -> Result<(), Problem> {
    write(&built(), directory)
}

/// As it is seen when it is called: with the long names of its commands, and what they take from above.
fn built() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write(command: &Command, directory: &Path) -> Result<(), Problem> {
    for below in command.get_subcommands() {
        write(below, directory)?;
    }
    let path = directory.join(Man::new(command.clone()).get_filename());
    std::fs::write(&path, render(command)?).map_err(|error| Problem::Call(format!("{}: {error}", path.display())))
}

fn render(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).source(concat!("outlive ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(notes) = command.get_after_help() {
        // Its lines are examples and tables: they stay lines.
        let (mut roff, notes) = (Roff::new(), notes.to_string());
        let lines = notes.lines().flat_map(|line| [Inline::Roman(line.into()), Inline::LineBreak]);
        roff.control("SH", ["NOTES"]).control("nf", []).text(lines.collect::<Vec<_>>()).control("fi", []);
        roff.to_writer(&mut text)?;
    }
    Ok(text)
}

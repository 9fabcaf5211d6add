//! What is said of the files below document roots: each thing once, whoever finds it.

use crate::check::{finding, note, refused, with_fix};
use crate::load::Loaded;
use crate::output::Problem;
use crate::view::View;
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::error::Code;
use outlive::origin::Origin;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A file: where its view begins, and its path there.
type Place = (Option<PathBuf>, PathBuf);

fn place(view: &View, path: &Path) -> Place {
    (view.root().map(Path::to_path_buf), view.canonical(path))
}

#[derive(Default)]
pub struct Told {
    said: Vec<(String, Diagnostic)>,
    /// Of what several servers or hosts say of one line, the first is enough.
    known: HashSet<(Option<PathBuf>, String, Diagnosis)>,
    read: HashSet<Place>,
    unread: Vec<(Place, String, Diagnostic)>,
}

impl Told {
    /// Says something that is about a PHP, or about the server that it is in.
    pub fn say(&mut self, about: &Loaded, one: Diagnostic) {
        let key = (about.view.root().map(Path::to_path_buf), one.origin.to_string(), one.code);
        if self.known.insert(key) {
            self.said.push((about.context.id(about.config), one));
        }
    }

    /// A server's files cannot be read as the server reads them: it does not start, or whoever asks here may not read them.
    pub fn refused(&mut self, problem: Problem) {
        let all = match with_fix(problem) {
            Problem::Library(error) if error.code == Code::Refused => refused(&error),
            problem => {
                let text = problem.text();
                let text = text.lines().next().unwrap_or_default();
                vec![if text.contains("would not start") && !text.contains("Permission denied") {
                    finding(Severity::Error, Diagnosis::RefusedLine, Origin::default(), text.to_owned())
                } else {
                    let text = format!("what is below this server's document roots was not looked for: {text}");
                    note(Diagnosis::NotSearched, Origin::default(), text)
                }]
            }
        };
        self.said.extend(all.into_iter().map(|one| (String::new(), one)));
    }

    /// Somebody reads a file.
    pub fn is_read(&mut self, view: &View, path: &Path) {
        self.read.insert(place(view, path));
    }

    /// A server, which has an id, does not read a file: what to say of that, where no other does.
    pub fn is_unread(&mut self, view: &View, id: &str, path: &Path, said: Diagnostic) {
        self.unread.push((place(view, path), id.to_owned(), said));
    }

    /// Everything, with the ids of those whom it is about.
    pub fn all(mut self) -> Vec<(String, Diagnostic)> {
        for (file, id, said) in self.unread {
            // Of one file once.
            if self.read.insert(file) {
                self.said.push((id, said));
            }
        }
        self.said
    }
}

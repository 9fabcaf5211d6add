//! Which directories below the document roots have files of their own for Apache or PHP. A budget bounds the search.

use super::note;
use crate::view::View;
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::files::{Files, Kind};
use outlive::origin::Origin;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most directories that are looked into, below all document roots.
const DIRECTORIES: usize = 20_000;
/// The most directories of one check whose files are read: a directory counts once for each server that has it.
const FILES: usize = 2_000;
/// The most levels below a document root.
const DEPTH: usize = 32;

/// A directory with a file that was looked for.
#[derive(Debug)]
pub struct Place {
    pub dir: PathBuf,
    /// The names among those that were looked for.
    pub names: Vec<OsString>,
    /// Files in it and below it that may be programs, those that most likely are first.
    pub programs: Vec<PathBuf>,
    /// The path from the root to it, where a symbolic link is on it.
    pub by_link: Option<PathBuf>,
}

/// A root that was searched: where its view begins, the root, and the names.
type Searched = (Option<PathBuf>, PathBuf, Vec<OsString>);

/// The search, and what is left of its budget.
pub struct Walk {
    directories: usize,
    files: usize,
    told: HashSet<&'static str>,
    done: HashMap<Searched, Arc<[Place]>>,
    pub notes: Vec<Diagnostic>,
}

impl Default for Walk {
    fn default() -> Self {
        let (told, done, notes) = (HashSet::new(), HashMap::new(), Vec::new());
        Self { directories: DIRECTORIES, files: FILES, told, done, notes }
    }
}

/// A directory yet to be looked into.
struct Next {
    dir: PathBuf,
    /// All links followed.
    real: PathBuf,
    depth: usize,
    /// A symbolic link is on the way from the root.
    by_link: bool,
}

impl Walk {
    /// The places below a root, the root itself among them, in the order of their names. A directory that several symbolic links lead to is looked
    /// into once.
    pub fn below(&mut self, view: &View, root: &Path, names: &[OsString]) -> Arc<[Place]> {
        let key = (view.root().map(Path::to_path_buf), root.to_path_buf(), names.to_vec());
        if let Some(done) = self.done.get(&key) {
            return Arc::clone(done);
        }
        let found: Arc<[Place]> = self.search(view, root, names).into();
        self.done.insert(key, Arc::clone(&found));
        found
    }

    /// Takes the files of a directory off the budget; false: none are left.
    pub fn takes(&mut self, dir: &Path) -> bool {
        if let Some(left) = self.files.checked_sub(1) {
            self.files = left;
            return true;
        }
        let text = format!(
            "the files of {FILES} directories below document roots were checked, and no more are: those from here on were not; check a single one \
             with --url URL"
        );
        self.say_once("files", dir, text);
        false
    }

    /// Says where the search ended; of one reason, the first place is enough.
    fn say_once(&mut self, reason: &'static str, path: &Path, text: String) {
        if self.told.insert(reason) {
            self.say(path, text);
        }
    }

    /// Says that something of a path was not looked at, and why.
    pub fn say(&mut self, path: &Path, text: String) {
        self.notes.push(note(Diagnosis::NotSearched, whole(path), text));
    }

    fn search(&mut self, view: &View, root: &Path, names: &[OsString]) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let mut scripts: Vec<PathBuf> = Vec::new();
        let mut seen = HashSet::new();
        // What links lead to comes last: a directory is rather called by its own name.
        let (mut next, mut links) = (VecDeque::new(), VecDeque::new());
        next.push_back(Next { dir: root.to_path_buf(), real: view.canonical(root), depth: 0, by_link: false });
        while let Some(one) = next.pop_front().or_else(|| links.pop_front()) {
            if !seen.insert(one.real.clone()) {
                continue;
            }
            let Some(left) = self.directories.checked_sub(1) else {
                let text = format!(
                    "{DIRECTORIES} directories below document roots were looked into, and no more are: .htaccess and .user.ini files from here on \
                     were not; check a single one with --url URL"
                );
                self.say_once("directories", &one.dir, text);
                break;
            };
            self.directories = left;
            let listed = match view.entries(&one.dir) {
                Ok(listed) => listed,
                Err(_) if one.depth == 0 => break, // that a root is none is said elsewhere
                Err(error) => {
                    let text = format!("this directory cannot be listed ({error}): files below it were not looked for");
                    self.say(&one.dir, text);
                    continue;
                }
            };
            self.look(view, root, &one, listed, names, &mut places, &mut scripts, &mut next, &mut links);
        }
        scripts.sort();
        places.sort_by(|a, b| a.dir.cmp(&b.dir));
        for place in &mut places {
            place.programs.extend(programs_below(&scripts, &place.dir));
        }
        places
    }

    #[allow(clippy::too_many_arguments, reason = "it is the body of one loop")]
    fn look(
        &mut self,
        view: &View,
        root: &Path,
        one: &Next,
        mut listed: Vec<(OsString, Option<Kind>)>,
        names: &[OsString],
        places: &mut Vec<Place>,
        scripts: &mut Vec<PathBuf>,
        next: &mut VecDeque<Next>,
        links: &mut VecDeque<Next>,
    ) {
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let (mut own, mut files) = (Vec::new(), Vec::new());
        for (name, kind) in listed {
            let path = one.dir.join(&name);
            let is_link = kind.is_none() && view.is_symlink(&path);
            let kind = kind.or_else(|| view.kind(&path).ok());
            match kind {
                Some(Kind::Directory) if one.depth >= DEPTH => {
                    let text =
                        format!("directories more than {DEPTH} levels below a document root were not looked into");
                    self.say_once("depth", &path, text);
                }
                Some(Kind::Directory) => {
                    let real = if is_link { view.canonical(&path) } else { one.real.join(&name) };
                    let queue = if is_link { &mut *links } else { &mut *next };
                    queue.push_back(Next { dir: path, real, depth: one.depth + 1, by_link: one.by_link || is_link });
                }
                Some(Kind::File) if names.contains(&name) => own.push(name),
                Some(Kind::File) => files.push(name),
                // It is there and cannot be looked at: whoever reads it says so.
                None if names.contains(&name) => own.push(name),
                _ => {}
            }
        }
        let programs = programs(&files);
        scripts.extend(programs.iter().filter(|name| is_php(name)).map(|name| one.dir.join(name)));
        if !own.is_empty() {
            let by_link = one.dir.strip_prefix(root).ok().filter(|_| one.by_link).map(Path::to_path_buf);
            let programs = programs.iter().map(|name| one.dir.join(name)).collect();
            places.push(Place { dir: one.dir.clone(), names: own, programs, by_link });
        }
    }
}

/// How many files of one directory are asked whether they are programs, and how many below it.
const PROGRAMS: usize = 8;

fn is_php(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".php")
}

/// Which files of a directory may be programs: index.php, others of that kind, and one of each other kind. Which of them are, the server says.
fn programs(files: &[OsString]) -> Vec<&OsString> {
    let first = files.iter().filter(|name| *name == "index.php");
    let php = files.iter().filter(|name| is_php(name) && *name != "index.php");
    let mut all: Vec<&OsString> = first.chain(php.take(PROGRAMS / 2)).collect();
    for name in files.iter().filter(|name| !is_php(name) && !name.as_bytes().starts_with(b".")) {
        let kind = |name: &OsString| Path::new(name).extension().map(OsStr::to_owned);
        if all.len() < PROGRAMS && !all.iter().any(|own| kind(own) == kind(name)) {
            all.push(name);
        }
    }
    all
}

/// Programs below a directory; `scripts`: some of each directory, in order.
fn programs_below<'s>(scripts: &'s [PathBuf], dir: &Path) -> impl Iterator<Item = PathBuf> + use<'s> {
    let from = scripts.partition_point(|script| script.as_path() < dir);
    let dir = dir.to_path_buf();
    let below = scripts[from..].iter().take_while({
        let dir = dir.clone();
        move |script| script.starts_with(&dir)
    });
    below.filter(move |script| script.parent() != Some(&dir)).take(PROGRAMS).cloned()
}

/// A whole file or directory.
pub fn whole(path: &Path) -> Origin {
    Origin { file: Some(path.as_os_str().as_bytes().into()), line: 0 }
}

/// The names that are looked for: Apache's and PHP's, and php.ini, which many expect to count wherever it stands.
pub fn names(access: &[&[u8]], user_ini: &[u8]) -> Vec<OsString> {
    let mut names: Vec<OsString> = access.iter().map(|name| OsStr::from_bytes(name).to_owned()).collect();
    for name in [OsStr::from_bytes(user_ini), OsStr::new("php.ini")] {
        if !names.iter().any(|own| own == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_told_when_it_is_used_up() {
        let root = std::env::temp_dir().join(format!("outlive-walk-{}", std::process::id()));
        for name in ["a/b", "c", "d", "e"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
            std::fs::write(root.join(name).join(".htaccess"), "").unwrap();
        }
        std::fs::write(root.join("a/b/i.php"), "").unwrap();
        std::os::unix::fs::symlink(&root, root.join("c/round")).unwrap();
        let names = names(&[b".htaccess"], b".user.ini");
        let mut walk = Walk::default();
        let dirs = |places: &[Place]| {
            places.iter().map(|one| one.dir.strip_prefix(&root).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let all = walk.below(&View::default(), &root, &names);
        assert_eq!(dirs(&all), ["a/b", "c", "d", "e"].map(PathBuf::from));
        assert_eq!((&all[0].programs[..], &all[1].programs[..]), (&[root.join("a/b/i.php")][..], &[][..]));
        assert!(walk.notes.is_empty() && all.iter().all(|one| one.by_link.is_none()));
        // The root and three directories in it.
        let mut walk = Walk { directories: 4, files: 1, ..Walk::default() };
        assert_eq!(dirs(&walk.below(&View::default(), &root, &names)), ["c", "d"].map(PathBuf::from));
        assert!(walk.takes(&root) && !walk.takes(&root) && !walk.takes(&root));
        let notes: Vec<&str> = walk.notes.iter().map(|note| &*note.message).collect();
        assert!(
            matches!(notes[..], [looked, checked] if looked.contains("were looked into") && checked.contains("were checked")),
            "{notes:?}"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}

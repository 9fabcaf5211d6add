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
    /// A program in it or else below it; none: there is none as far as was looked.
    pub script: Option<PathBuf>,
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
        self.tell("files", dir, text);
        false
    }

    /// Says something of a path, once for each reason.
    fn tell(&mut self, why: &'static str, path: &Path, text: String) {
        if self.told.insert(why) {
            self.say(path, text);
        }
    }

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
                self.tell("directories", &one.dir, text);
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
            place.script = script_of(&scripts, &place.dir);
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
        let (mut own, mut has_script) = (Vec::new(), false);
        for (name, kind) in listed {
            let path = one.dir.join(&name);
            let is_link = kind.is_none() && view.is_symlink(&path);
            let kind = kind.or_else(|| view.kind(&path).ok());
            match kind {
                Some(Kind::Directory) if one.depth >= DEPTH => {
                    let text =
                        format!("directories more than {DEPTH} levels below a document root were not looked into");
                    self.tell("depth", &path, text);
                }
                Some(Kind::Directory) => {
                    let real = if is_link { view.canonical(&path) } else { one.real.join(&name) };
                    let queue = if is_link { &mut *links } else { &mut *next };
                    queue.push_back(Next { dir: path, real, depth: one.depth + 1, by_link: one.by_link || is_link });
                }
                Some(Kind::File) if names.contains(&name) => own.push(name),
                Some(Kind::File) if !has_script && name.as_bytes().ends_with(b".php") => {
                    has_script = true;
                    scripts.push(path);
                }
                // It is there and cannot be looked at: whoever reads it says so.
                None if names.contains(&name) => own.push(name),
                _ => {}
            }
        }
        if !own.is_empty() {
            let by_link = one.dir.strip_prefix(root).ok().filter(|_| one.by_link).map(Path::to_path_buf);
            places.push(Place { dir: one.dir.clone(), names: own, script: None, by_link });
        }
    }
}

/// The first program in a directory, or else below it.
fn script_of(scripts: &[PathBuf], dir: &Path) -> Option<PathBuf> {
    let from = scripts.partition_point(|script| script.as_path() < dir);
    let below = scripts[from..].iter().take_while(|script| script.starts_with(dir));
    let mut below = below.take(1000).peekable();
    let first = below.peek().copied();
    below.find(|script| script.parent() == Some(dir)).or(first).cloned()
}

/// A whole file or directory.
pub fn whole(path: &Path) -> Origin {
    Origin { file: Some(path.as_os_str().as_bytes().into()), line: 0 }
}

/// The names that are looked for: Apache's, where there is one, and PHP's.
pub fn names(access: &[&[u8]], user_ini: &[u8]) -> Vec<OsString> {
    let mut names: Vec<OsString> = access.iter().map(|name| OsStr::from_bytes(name).to_owned()).collect();
    if names.is_empty() {
        names.push(".htaccess".into());
    }
    let user_ini = OsStr::from_bytes(if user_ini.is_empty() { b".user.ini" } else { user_ini }).to_owned();
    if !names.contains(&user_ini) {
        names.push(user_ini);
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
        let names = names(&[], b"");
        let mut walk = Walk::default();
        let dirs = |places: &[Place]| {
            places.iter().map(|one| one.dir.strip_prefix(&root).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let all = walk.below(&View::default(), &root, &names);
        assert_eq!(dirs(&all), ["a/b", "c", "d", "e"].map(PathBuf::from));
        assert_eq!((all[0].script.as_deref(), &all[1].script), (Some(&*root.join("a/b/i.php")), &None));
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

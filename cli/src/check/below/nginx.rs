//! nginx reads no file below its roots; PHP-FPM behind it does.

use super::told::Told;
use super::{escaped, is_passed_on, nobody, not_known, of_file, unknown, user_ini};
use crate::args::RequestArgs;
use crate::check::walk::{self, Place, Walk};
use crate::estate::follow;
use crate::estate::question::Question;
use crate::nginx::{self, Answer, Handed, Root};
use crate::output::Problem;
use crate::request::{THIS_MACHINE, with_target};
use crate::skipped;
use crate::view::View;
use outlive::config::FastCgiParam;
use outlive::files::Files;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The PHP that gets what nginx hands over.
type Ask<'a> = dyn Fn(&RequestArgs, Handed) -> Result<Question, Problem> + 'a;

/// Where a request goes, and what is set for it on the way: who gets it is the same for all that agree.
type To = (Vec<u8>, Vec<(FastCgiParam, Vec<u8>)>);

/// A request that is handed over, what PHP gets, and the directory as PHP sees it.
type Way = (RequestArgs, Handed, PathBuf);

/// An nginx.
pub struct Nginx<'a> {
    nginx: &'a nginx::Nginx,
    view: &'a View,
    ask: &'a Ask<'a>,
    known: Vec<(To, Result<Question, Problem>)>,
}

impl<'a> Nginx<'a> {
    pub fn new(nginx: &'a nginx::Nginx, view: &'a View, ask: &'a Ask<'a>) -> Self {
        Self { nginx, view, ask, known: Vec::new() }
    }

    pub fn check(mut self, walk: &mut Walk, told: &mut Told) -> Result<(), Problem> {
        let names = walk::names(&[b".htaccess"], b".user.ini");
        for root in self.nginx.roots() {
            for place in walk.below(self.view, Path::new(OsStr::from_bytes(&root.dir)), &names).iter() {
                let names = self.wanted(place);
                if names.is_empty() {
                    continue;
                }
                if !walk.takes(&place.dir) {
                    return Ok(());
                }
                self.place(&root, place, &names, told)?;
            }
        }
        Ok(())
    }

    /// The files of a directory that somebody may have meant PHP to read.
    fn wanted(&self, place: &Place) -> Vec<&'static str> {
        let has = |name: &str| place.names.iter().any(|own| own == name);
        let sets = |name: &str| {
            let text = self.view.read(&place.dir.join(name)).unwrap_or_default();
            !skipped::set_by_htaccess(&text).is_empty()
        };
        let is_wanted = |name: &&str| has(name) && (*name != ".htaccess" || sets(name));
        [".user.ini", "php.ini", ".htaccess"].into_iter().filter(is_wanted).collect()
    }

    fn place(&mut self, root: &Root, place: &Place, names: &[&str], told: &mut Told) -> Result<(), Problem> {
        let (request, handed, dir) = match self.handed(root, place)? {
            Ok(found) => found,
            Err(passed) => {
                for name in names.iter().filter(|name| is_php(name)) {
                    let path = place.dir.join(name);
                    let said = passed.as_ref().map_or_else(|| nobody(&path, None), |because| not_known(&path, because));
                    told.is_unread(self.view, "nginx", &path, said);
                }
                return Ok(());
            }
        };
        let to = (handed.pass.clone(), handed.php_values.iter().map(|(one, text, _)| (*one, text.clone())).collect());
        let own = follow::handed_request(&request, &handed);
        let at = match self.known.iter().position(|(known, _)| *known == to) {
            Some(at) => at,
            None => {
                self.known.push((to, (self.ask)(&request, handed)));
                self.known.len() - 1
            }
        };
        for name in names {
            let path = dir.join(name);
            let look = if is_php(name) { user_ini } else { of_file };
            match &self.known[at].1 {
                Ok(question) => look(&question.source, &question.loaded, &own, &path, told)?,
                Err(problem) if is_php(name) => told.is_unread(self.view, "nginx", &path, unknown(&path, problem)),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The first program of a directory that nginx hands over, by whichever of its addresses. Or else why it is not known who runs one, if
    /// it is not.
    fn handed(&self, root: &Root, place: &Place) -> Result<Result<Way, Option<String>>, Problem> {
        let mut passed = root.doors.is_empty().then(|| "its server listens on no port".to_owned());
        let dir = Path::new(OsStr::from_bytes(&root.dir));
        // A front controller may be for others' URLs alone, such as that of its directory.
        for asked in place.programs.iter().chain([&place.dir]) {
            let path = asked.strip_prefix(dir).unwrap_or(asked).as_os_str().as_bytes();
            let slash: &[u8] = if *asked == place.dir && !path.is_empty() { b"/" } else { b"" };
            let uri = escaped(&[&root.uri[..], b"/", path, slash].concat());
            for door in &root.doors {
                let request = RequestArgs {
                    url: Some(format!("{}://{}:{}{uri}", door.scheme, root.name, door.port).into()),
                    address: door.address.clone().map(Into::into),
                    client: Some(THIS_MACHINE.into()),
                    // Who has no password reads nothing, and PHP reads its files for those who have one.
                    user: Some("user".into()),
                    ..RequestArgs::default()
                };
                let handed = match with_target(&request, |target| self.nginx.ask(self.view, target))? {
                    Answer::FastCgi(handed) => *handed,
                    // Whom the server sends away so, it may let in if he comes from elsewhere, or with https, or a password.
                    Answer::Own { status, because, .. } => {
                        if status == 0
                            || is_passed_on(status, &because)
                            || !matches!(status, 200 | 404) && *asked != place.dir
                        {
                            passed.get_or_insert(because);
                        }
                        continue;
                    }
                };
                let script = PathBuf::from(OsString::from_vec(handed.script.clone().unwrap_or_default()));
                // Where it is none of these, another directory's program takes it.
                let (real, own) = (self.view.canonical(&script), self.view.canonical(&place.dir));
                let Ok(program) = real.strip_prefix(&own) else {
                    continue;
                };
                let below = program.components().count();
                let dir = script.ancestors().nth(below).unwrap_or(&place.dir).to_path_buf();
                return Ok(Ok((request, handed, dir)));
            }
        }
        Ok(Err(passed))
    }
}

/// Whether it is a name of PHP's, and not of Apache's.
fn is_php(name: &str) -> bool {
    name == ".user.ini"
}

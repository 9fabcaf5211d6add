//! What an answer rests on: which PHP, which files, and how they were found.

use crate::estate::{self, Found};
use crate::output::{DIM, note};
use crate::{json, text};
use outlive::config::{Config, Explanation, Fate, Layer, Sapi, Settings, Step};
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;

/// What was read, and how it was found.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// How the SAPI was determined, where no option names it.
    pub sapi_by: Option<String>,
    /// How the version was determined.
    pub version_by: Option<String>,
    /// How php.ini was found.
    pub found_by: Option<String>,
    /// The main file of the web server in front.
    pub httpd: Option<PathBuf>,
    /// The pool's file and name.
    pub pool: Option<(PathBuf, Option<String>)>,
    /// The first file that matters and is not known.
    pub unknown: Option<Unknown>,
    /// No php.ini was named, though this PHP reads one: which options to give. The defaults shown may be overridden there.
    pub unnamed: Option<String>,
    /// PHP's defaults are what was asked for.
    pub built_in: bool,
    /// Directives were set by options.
    pub has_sets: bool,
    /// The short name, where discovery gave one.
    pub own_id: Option<String>,
    /// Whose build of PHP it is, where discovery says so: the name of a layout.
    pub layout: Option<String>,
    /// Further notes.
    pub notes: Vec<String>,
    /// The way from the request to this PHP.
    pub steps: Vec<String>,
    /// Who it is, where it is no PHP.
    pub who: Option<String>,
    /// What stands behind its id, where another one has the same.
    pub behind: String,
}

/// A file that PHP reads and that is not known here.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// What is not known, why, and what to give.
    pub why: String,
    /// The layers that such a file may override: their values are not known to be in force.
    pub overrides: &'static [Layer],
}

/// What runs for a request.
#[derive(Default)]
pub struct Served {
    pub document_root: Option<Vec<u8>>,
    pub script: Option<Vec<u8>>,
}

/// The line whose value is in force.
pub fn winner(explanation: &Explanation) -> Option<&Step> {
    explanation.trail.iter().rfind(|step| step.fate == Fate::InForce)
}

/// Directives whose default is a directory that packagers choose.
const PACKAGERS: [&[u8]; 2] = [b"include_path", b"session.save_path"];

/// The answer's basis where nothing was read.
pub const NOTHING: &str = "nothing was read: PHP's built-in defaults";

impl Context {
    /// Takes over what discovery has found.
    pub fn of_found(&mut self, found: &Found) {
        self.own_id = Some(found.id.clone()).filter(|id| !id.is_empty() && !id.starts_with('/'));
        self.found_by = found.found_by.clone().or(self.found_by.take());
        self.version_by = found.version_by.clone();
        self.unknown.clone_from(&found.unknown);
        self.layout.clone_from(&found.layout);
        self.notes.extend(found.notes.iter().cloned());
        self.steps.clone_from(&found.steps);
        self.who.clone_from(&found.who);
        self.behind.clone_from(&found.behind);
        self.httpd = self.httpd.take().or_else(|| found.server.clone());
        if found.search.is_some() {
            self.version_by.get_or_insert_with(String::new);
        }
    }

    /// Whether no file was read.
    pub fn nothing_read(&self, config: &Config) -> bool {
        self.httpd.is_none() && self.pool.is_none() && config.ini_files().next().is_none()
    }

    /// The php.ini, and how many files of scan directories.
    fn files(config: &Config) -> (Vec<&[u8]>, Vec<&[u8]>) {
        let of = |wanted| {
            config.ini_files().filter(move |(layer, ..)| *layer == wanted).map(|(_, file, _)| &**file).collect()
        };
        (of(Layer::PhpIni), of(Layer::ScanDir))
    }

    /// One line for people.
    pub fn line(&self, config: &Config) -> String {
        let mut out = match &self.who {
            Some(who) => format!("answering for: {who}"),
            None => format!("answering for: PHP {}", config.php_version()),
        };
        let _ = self.version_by.as_ref().filter(|by| !by.is_empty()).map(|by| write!(out, " ({by})"));
        let _ = self.who.is_none().then(|| write!(out, " {}", server(config.sapi())));
        let _ = self.sapi_by.as_ref().map(|by| write!(out, " ({by})"));
        if let Some(file) = &self.httpd {
            let _ = write!(out, ", {}", text::shown(file.as_os_str().as_encoded_bytes()));
        }
        if let Some((file, pool)) = &self.pool {
            let _ = write!(
                out,
                ", pool {}{}",
                pool.as_ref().map_or_else(String::new, |name| format!("{name} of ")),
                file.display()
            );
        }
        let (inis, scanned) = Self::files(config);
        if self.nothing_read(config) {
            let _ = write!(out, "; {NOTHING}");
        } else {
            let named: Vec<String> = inis.iter().map(|file| text::shown(file)).collect();
            let _ = if named.is_empty() {
                write!(out, ", no php.ini named")
            } else {
                write!(out, ", php.ini {}", named.join(" "))
            };
            if !scanned.is_empty() {
                let _ = write!(out, " + {} file{}", scanned.len(), if scanned.len() == 1 { "" } else { "s" });
            }
        }
        if self.unknown.is_some() {
            let _ = write!(out, ", more is unknown");
        }
        if let Some(by) = &self.found_by {
            let _ = write!(out, ", {by}");
        }
        out
    }

    /// Prints the basis before the answer, on standard error, if a terminal shows it; programs that read the answer see nothing
    /// new. If nothing was read, or something is not known, it is always printed.
    pub fn say(&self, config: &Config, side: Option<&str>) {
        let side = side.map_or_else(String::new, |name| format!("{name}: "));
        let nothing = self.nothing_read(config) && !self.built_in;
        if std::io::stderr().is_terminal() {
            note(&format!("{DIM}{side}{}{DIM:#}", self.line(config)));
        } else if nothing {
            note(&format!("{side}{NOTHING}"));
        }
        for text in self.told() {
            note(&format!("{side}{text}"));
        }
    }

    /// Prints the notes that do not depend on the answer.
    pub fn say_notes(&self) {
        self.told().for_each(|text| note(text));
    }

    fn told(&self) -> impl Iterator<Item = &String> {
        self.notes.iter().chain(self.unknown.iter().map(|unknown| &unknown.why))
    }

    /// Prints that no php.ini was named, where an answer rests on PHP's defaults.
    pub fn say_unnamed(&self, winners: impl IntoIterator<Item = Layer>) {
        if let Some(text) = &self.unnamed
            && winners.into_iter().any(|layer| layer == Layer::BuiltIn)
        {
            note(text);
        }
    }

    /// Whether a file that is not known may override this.
    pub fn may_be_overridden(&self, step: &Step) -> bool {
        self.unknown.as_ref().is_some_and(|unknown| unknown.overrides.contains(&step.layer))
    }

    /// Why the value of a directive is not known, where it is not: nothing that was read is stronger than a file that is not known, or than
    /// what a packager compiled in.
    pub fn unknown_value(&self, settings: &Settings, name: &[u8]) -> Option<String> {
        if self.unknown.is_none() && self.packaged(name).is_none() {
            return None;
        }
        let explanation = settings.explain(name)?;
        self.unknown_because(name, winner(&explanation)?)
    }

    /// The same where the strongest line that was read is known.
    pub fn unknown_because(&self, name: &[u8], winner: &Step) -> Option<String> {
        let is_default = winner.layer == Layer::BuiltIn;
        if self.may_be_overridden(winner) {
            return Some(match is_default {
                true => "no line that was read sets it, and a file that is not known may".to_owned(),
                false => format!("{} sets it, and a file that is not known may override that", winner.origin),
            });
        }
        let layout = self.packaged(name).filter(|_| is_default)?;
        Some(format!(
            "no line sets it, and its default is compiled into this PHP ({layout}), which was not asked: `php -i` says it; set it in php.ini to \
             be sure"
        ))
    }

    /// Whose build it is, where that decides a directive's default and is not Debian's, whose defaults are known here.
    fn packaged(&self, name: &[u8]) -> Option<&str> {
        self.layout.as_deref().filter(|layout| *layout != "debian" && PACKAGERS.contains(&name))
    }

    /// A short name: version, SAPI and pool.
    pub fn id(&self, config: &Config) -> String {
        if let Some(id) = &self.own_id {
            return id.clone();
        }
        let sapi = estate::word(config.sapi());
        let pool =
            self.pool.as_ref().and_then(|(_, name)| name.as_ref()).map_or_else(String::new, |name| format!("/{name}"));
        format!("{}/{sapi}{pool}{}", config.php_version(), self.behind)
    }

    /// The same for programs.
    pub fn write_json(&self, out: &mut String, config: &Config, served: &Served) {
        let (inis, scanned) = Self::files(config);
        let mut object = json::Object::new(out);
        object.text("sapi", config.sapi().name().as_bytes());
        object.text("php_version", config.php_version().to_string().as_bytes());
        object.maybe("php_ini", inis.last().copied());
        json::list(object.key(b"scanned"), &scanned, |out, file| json::maybe(out, Some(file)));
        object.maybe("server", self.httpd.as_ref().map(|file| file.as_os_str().as_encoded_bytes()));
        object.maybe("pool", self.pool.as_ref().map(|(file, _)| file.as_os_str().as_encoded_bytes()));
        object.maybe("document_root", served.document_root.as_deref());
        object.maybe("script", served.script.as_deref());
        let by = [&self.version_by, &self.sapi_by, &self.found_by].into_iter().flatten().filter(|by| !by.is_empty());
        let by = by.cloned().collect::<Vec<_>>();
        object.text("found_by", by.join(", ").as_bytes());
        object.end();
    }

    /// One answer of the document of `--json --context`.
    pub fn write_answer(&self, out: &mut String, config: &Config, served: &Served, answer: &str) {
        let mut object = json::Object::new(out);
        object.text("id", self.id(config).as_bytes());
        self.write_json(object.key(b"answering_for"), config, served);
        object.plain("answer", answer.trim_end());
        object.end();
    }

    /// What a program is told besides.
    pub fn notes(&self, config: &Config) -> Vec<String> {
        let nothing = self.nothing_read(config).then(|| NOTHING.to_owned());
        nothing.into_iter().chain(self.told().chain(&self.unnamed).cloned()).collect()
    }
}

fn server(sapi: Sapi) -> &'static str {
    match sapi {
        Sapi::Apache => "in Apache (mod_php)",
        Sapi::Fpm => "in PHP-FPM",
        Sapi::Cgi => "as php-cgi",
        Sapi::CliServer => "as php -S",
        Sapi::Cli => "on the command line",
        Sapi::Web => "in any web server",
    }
}

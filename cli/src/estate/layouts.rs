//! The layouts of distributions, panels and images: where a PHP of theirs is, and where it looks for its files.

use crate::view::View;
use outlive::PhpVersion;
use outlive::config::Sapi;
use outlive::files::Files;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const TABLE: &str = include_str!("layouts.tsv");

/// One PHP as a layout has it; not each of its files need be there.
#[derive(Clone, Debug)]
pub struct Place {
    pub layout: &'static str,
    pub sapi: Sapi,
    /// None: the layout does not say it.
    pub version: Option<PhpVersion>,
    /// The program, or the module.
    pub program: PathBuf,
    pub ini_dir: PathBuf,
    pub scan_dir: Option<PathBuf>,
    pub fpm_conf: Option<PathBuf>,
    pub fpm_prefix: Option<PathBuf>,
    /// What its packager has changed in PHP.
    pub changes: &'static str,
}

/// Directories, listed once.
#[derive(Default)]
pub struct Listing(RefCell<HashMap<PathBuf, Rc<Vec<String>>>>);

impl Listing {
    fn names(&self, view: &View, dir: &Path) -> Rc<Vec<String>> {
        let mut all = self.0.borrow_mut();
        let read = || {
            let names = view.list(dir).unwrap_or_default();
            Rc::new(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
        };
        Rc::clone(all.entry(dir.to_path_buf()).or_insert_with(read))
    }
}

/// Rows of the table, and those that are there.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Every PHP that is there, as far as layouts tell.
pub fn found(view: &View) -> Vec<Place> {
    let listing = Listing::default();
    let mut all: Vec<Place> = Vec::new();
    for row in rows() {
        let patterns = [row[2], row[3], row[5]];
        let has_version = patterns.iter().any(|pattern| placeholder(pattern).is_some());
        let versions = if has_version {
            let mut versions: Vec<PhpVersion> = Vec::new();
            for pattern in patterns {
                versions.extend(
                    versions_of(view, &listing, pattern).filter(|new| !versions.contains(new)).collect::<Vec<_>>(),
                );
            }
            versions.sort();
            versions.into_iter().map(Some).collect()
        } else {
            vec![None]
        };
        for version in versions {
            let place = place(&row, version);
            if !is_there(view, &place, has_version) {
                continue;
            }
            match all.iter_mut().find(|known| same(view, known, &place)) {
                None => all.push(place),
                // Docker's images and FreeBSD's ports have one php-fpm.conf, and their php.ini in two places.
                Some(known) if !has_ini(view, known) && has_ini(view, &place) => *known = place,
                Some(_) => {}
            }
        }
    }
    all
}

/// What layouts say of a program or module, by its path, whether it is there or not.
pub fn of_program(view: &View, program: &Path) -> Option<Place> {
    rows().find_map(|row| {
        let version = match placeholder(row[2]) {
            None => None,
            Some(_) => Some(captured(row[2], program.to_str()?)?),
        };
        let place = place(&row, version);
        (place.program == program && (version.is_some() || has_config(view, &place))).then_some(place)
    })
}

fn place(row: &[&'static str], version: Option<PhpVersion>) -> Place {
    let path = |text: &str| {
        let dotted = version.map_or_else(String::new, |version| version.to_string());
        PathBuf::from(text.replace("NN", &dotted.replace('.', "")).replace('V', &dotted))
    };
    let maybe = |text: &str| (text != "-").then(|| path(text));
    let sapi = match row[1] {
        "fpm" => Sapi::Fpm,
        "apache2" => Sapi::Apache,
        "cgi" => Sapi::Cgi,
        _ => Sapi::Cli,
    };
    Place {
        layout: row[0],
        sapi,
        version,
        program: path(row[2]),
        ini_dir: path(row[3]),
        scan_dir: maybe(row[4]),
        fpm_conf: maybe(row[5]),
        fpm_prefix: maybe(row[6]),
        changes: row[7],
    }
}

fn has_config(view: &View, place: &Place) -> bool {
    place.fpm_conf.as_ref().is_some_and(|conf| view.is_file(conf))
        || view.is_file(&place.ini_dir.join("php.ini"))
        || place.scan_dir.as_ref().is_some_and(|dir| view.is_dir(dir))
}

/// Whether the files of PHP's own configuration are where this layout has them.
fn has_ini(view: &View, place: &Place) -> bool {
    let scanned = place.scan_dir.as_ref().and_then(|dir| view.list(dir).ok()).unwrap_or_default();
    let is_scanned = |name: &OsString| name.as_bytes().ends_with(b".ini") && !is_ini(name);
    view.is_file(&place.ini_dir.join("php.ini")) || scanned.iter().any(is_scanned)
}

fn is_there(view: &View, place: &Place, has_version: bool) -> bool {
    if view.is_file(&place.program) {
        return has_version || has_config(view, place);
    }
    // A copy of the configuration alone: where a SAPI has a directory of its own, that is enough.
    let own = ["apache2", "fpm", "cgi", "cli"].iter().any(|name| place.ini_dir.ends_with(name));
    match place.sapi {
        Sapi::Fpm => place.fpm_conf.as_ref().is_some_and(|conf| view.is_file(conf)),
        Sapi::Cli => view.is_file(&place.ini_dir.join("php.ini")) || (own && has_config(view, place)),
        _ => own && has_config(view, place),
    }
}

fn same(view: &View, one: &Place, two: &Place) -> bool {
    if one.sapi != two.sapi {
        return false;
    }
    let both = view.is_file(&one.program) && view.is_file(&two.program);
    // A program counts once, and so does a php.ini of which no program is there.
    if both {
        return view.canonical(&one.program) == view.canonical(&two.program);
    }
    one.ini_dir == two.ini_dir || (one.fpm_conf.is_some() && one.fpm_conf == two.fpm_conf)
}

/// Where a pattern has its version: the component, what stands before and behind it there, and whether it has a dot.
fn placeholder(pattern: &str) -> Option<(PathBuf, &str, &str, bool)> {
    let mut before = PathBuf::from("/");
    for part in pattern.split('/') {
        let at = part.find("NN").map(|at| (at, 2, false)).or_else(|| part.find('V').map(|at| (at, 1, true)));
        if let Some((at, length, dotted)) = at {
            return Some((before, &part[..at], &part[at + length..], dotted));
        }
        before.push(part);
    }
    None
}

fn version_of(text: &str, dotted: bool) -> Option<PhpVersion> {
    if dotted {
        return PhpVersion::from_text(text).filter(|_| text.contains('.'));
    }
    let (major, minor) = text.split_at_checked(1)?;
    PhpVersion::from_text(&format!("{major}.{minor}"))
}

fn versions_of<'a>(view: &'a View, listing: &Listing, pattern: &'a str) -> impl Iterator<Item = PhpVersion> + use<'a> {
    let place = placeholder(pattern);
    let names = place.as_ref().map(|(dir, ..)| listing.names(view, dir));
    let found: Vec<PhpVersion> = place
        .zip(names)
        .map(|((_, before, after, dotted), names)| {
            let of = |name: &String| version_of(name.strip_prefix(before)?.strip_suffix(after)?, dotted);
            names.iter().filter_map(of).collect()
        })
        .unwrap_or_default();
    found.into_iter().filter(move |version| {
        let dotted = version.to_string();
        let path = pattern.replace("NN", &dotted.replace('.', "")).replace('V', &dotted);
        view.kind(Path::new(&path)).is_ok()
    })
}

/// The version in a path that a pattern describes.
fn captured(pattern: &str, path: &str) -> Option<PhpVersion> {
    let (_, before, after, dotted) = placeholder(pattern)?;
    let at = pattern.split('/').position(|part| part.contains("NN") || part.contains('V'))?;
    let part = path.split('/').nth(at)?;
    version_of(part.strip_prefix(before)?.strip_suffix(after)?, dotted)
}

/// A web server's main file, where its layout has it.
#[derive(Debug)]
pub struct ServerPlace {
    pub is_nginx: bool,
    pub config: PathBuf,
    pub root: Option<PathBuf>,
    pub environment: Option<PathBuf>,
}

/// The web servers whose main files are there.
pub fn servers(view: &View) -> Vec<ServerPlace> {
    let table = include_str!("servers.tsv").lines().filter(|line| !line.starts_with('#'));
    let rows = table.map(|line| line.split('\t').collect::<Vec<_>>());
    let maybe = |text: &str| (text != "-").then(|| PathBuf::from(text));
    let place = |row: Vec<&'static str>| ServerPlace {
        is_nginx: row[0] == "nginx",
        config: row[1].into(),
        root: maybe(row[2]),
        environment: maybe(row[3]),
    };
    let mut all: Vec<ServerPlace> = rows.map(place).filter(|place| view.is_file(&place.config)).collect();
    // One file may have two names.
    let mut seen: Vec<PathBuf> = Vec::new();
    all.retain(|place| {
        let real = view.canonical(&place.config);
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    all
}

/// The places that were searched, for the message that nothing was found.
pub fn places() -> String {
    let mut names: Vec<&str> = rows().map(|row| row[0]).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// Whether a name is one of PHP's own ini files.
pub fn is_ini(name: &std::ffi::OsStr) -> bool {
    name.as_bytes().starts_with(b"php") && name.as_bytes().ends_with(b".ini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole() {
        for row in rows() {
            assert_eq!(row.len(), 8, "{row:?}");
        }
        let place = of_program(&View::default(), Path::new("/usr/lib/apache2/modules/libphp7.4.so")).unwrap();
        assert_eq!((place.ini_dir, place.version), ("/etc/php/7.4/apache2".into(), PhpVersion::from_text("7.4")));
        let place = of_program(&View::default(), Path::new("/opt/cpanel/ea-php81/root/usr/sbin/php-fpm")).unwrap();
        assert_eq!(place.ini_dir, Path::new("/opt/cpanel/ea-php81/root/etc"));
    }
}

//! Programs that a web server hands over, and that PHP-FPM or php-cgi refuses by itself.

use super::Loaded;
use outlive::config::{Sapi, Settings};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The status and why: the account may not read the file, it has none of the names that the pool runs, it is a directory, or it
/// is outside of `open_basedir`.
pub fn why(loaded: &Loaded, settings: &Settings, script: Option<Vec<u8>>) -> Option<(u16, String)> {
    let script = script?;
    let path = Path::new(OsStr::from_bytes(&script));
    let by_pool = if loaded.config.sapi() == Sapi::Fpm { by_pool(loaded, &script, path) } else { None };
    by_pool.or_else(|| by_open_basedir(loaded, settings, path))
}

fn by_pool(loaded: &Loaded, script: &[u8], path: &Path) -> Option<(u16, String)> {
    let shown = loaded.view.shown(path);
    if loaded.guard.program_may_read(path).is_err() {
        let name = loaded.guard.program_name();
        let because = format!("the pool's account {name} may not read {shown}: PHP-FPM answers \"Access denied.\"");
        return Some((403, because));
    }
    let pool = loaded.config.pools().iter().find(|pool| pool.is_chosen)?;
    let (list, place) = match pool.line(b"security.limit_extensions") {
        Some((list, origin)) => (list, origin.to_string()),
        None => (&b".php .phar"[..], "its default".to_owned()),
    };
    let mut extensions = list.split(|byte| b" ,".contains(byte)).filter(|one| !one.is_empty()).peekable();
    let none_named = extensions.peek().is_none();
    let fits = none_named || extensions.any(|one| script.ends_with(one));
    if !fits {
        let list = crate::text::shown(list);
        let because = format!(
            "{shown} is no file that the pool runs (security.limit_extensions = {list}, {place}): PHP-FPM answers \"Access denied.\""
        );
        return Some((403, because));
    }
    let is_dir = loaded.view.is_dir(path);
    is_dir.then(|| (404, format!("{shown} is a directory: PHP-FPM answers \"No input file specified.\"")))
}

/// PHP compares real paths, as php-cgi8.2 and php-fpm8.2 show.
fn by_open_basedir(loaded: &Loaded, settings: &Settings, path: &Path) -> Option<(u16, String)> {
    let who = match loaded.config.sapi() {
        Sapi::Fpm => "PHP-FPM",
        Sapi::Cgi => "php-cgi",
        _ => return None,
    };
    let list = settings.get(b"open_basedir").filter(|list| !list.is_empty())?;
    let chosen = loaded.config.pools().iter().find(|pool| pool.is_chosen);
    if chosen.is_some_and(|pool| pool.line(b"chroot").is_some()) {
        return None; // the paths are others there
    }
    let file = loaded.view.canonical(path);
    // A relative directory begins where the worker is, which is not known.
    let allows = |dir: &[u8]| {
        !dir.starts_with(b"/") || file.starts_with(loaded.view.canonical(Path::new(OsStr::from_bytes(dir))))
    };
    if list.split(|&byte| byte == b':').filter(|dir| !dir.is_empty()).any(allows) {
        return None;
    }
    let (shown, list) = (loaded.view.shown(&file), crate::text::shown(list));
    Some((404, format!("{shown} is outside of open_basedir ({list}): {who} answers \"No input file specified.\"")))
}

//! What a path says about the PHP that reads it: /etc/php/8.4/fpm/php.ini is PHP-FPM's, of PHP 8.4.

use outlive::PhpVersion;
use std::ffi::OsStr;
use std::path::Path;

/// What the path tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    pub sapi: Option<&'static str>,
    pub version: Option<PhpVersion>,
}

/// From a file, or from a directory of PHP's, whose own name is enough.
pub fn of(path: &Path, is_directory: bool) -> Inferred {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let name = |path: &Path| path.file_name().and_then(OsStr::to_str).map(str::to_owned).unwrap_or_default();
    for place in path.ancestors().skip(usize::from(!is_directory)) {
        let parent = place.parent().map(name).unwrap_or_default();
        let version = version(&parent);
        if let Some(sapi) = sapi(&name(place)).filter(|_| version.is_some() || parent.starts_with("php")) {
            return Inferred { sapi: Some(sapi), version };
        }
    }
    let sapi = sapi(&name(&path)).filter(|_| is_directory);
    // /etc/php82/php.ini, /opt/remi/php82/…, /opt/plesk/php/8.2/etc/php.ini
    let version = path.ancestors().find_map(|place| {
        let of_php = name(place).starts_with("php") || place.parent().is_some_and(|parent| name(parent) == "php");
        version(&name(place)).filter(|_| of_php)
    });
    Inferred { sapi, version }
}

fn sapi(directory: &str) -> Option<&'static str> {
    match directory {
        "apache2" => Some("apache2handler"),
        "fpm" => Some("fpm-fcgi"),
        "cgi" => Some("cgi-fcgi"),
        "cli" => Some("cli"),
        _ => None,
    }
}

/// `8.2`, `php82`, `php8.2`
fn version(directory: &str) -> Option<PhpVersion> {
    let number = directory.strip_prefix("php").unwrap_or(directory);
    let dotted = match number.as_bytes() {
        [major, minor] if number != directory => format!("{}.{}", char::from(*major), char::from(*minor)),
        _ => number.to_owned(),
    };
    PhpVersion::from_text(&dotted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_layouts() {
        let of = |path: &str, is_directory| {
            let told = of(Path::new(path), is_directory);
            (told.sapi, told.version.map(|version| version.to_string()))
        };
        let told = |sapi, version: &str| (sapi, Some(version.to_owned()));
        assert_eq!(of("/etc/php/8.2/cli/php.ini", false), told(Some("cli"), "8.2"));
        assert_eq!(of("/etc/php/8.4/fpm", true), told(Some("fpm-fcgi"), "8.4"));
        assert_eq!(of("/etc/php/8.4/fpm/pool.d/www.conf", false), told(Some("fpm-fcgi"), "8.4"));
        assert_eq!(of("/etc/php/7.4/apache2/conf.d/10-x.ini", false), told(Some("apache2handler"), "7.4"));
        assert_eq!(of("/etc/php82/php.ini", false), told(None, "8.2"));
        assert_eq!(of("/opt/plesk/php/8.3/etc/php.ini", false), told(None, "8.3"));
        assert_eq!(of("/etc/php8/cli/php.ini", false), (Some("cli"), None));
        assert_eq!(of("/home/me/cli/php.ini", false), (None, None));
        assert_eq!(of("/copy/cgi", true), (Some("cgi-fcgi"), None));
        assert_eq!(of("/etc/php.ini", false), (None, None));
    }
}

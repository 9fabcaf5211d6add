//! What `outlive check` finds in files that somebody could have written, and that it finds nothing in Debian's.

mod support;

use std::process::Command;
use support::{Place, json, out};

/// Checks one file, and gives line, code and severity of what was found.
fn found(place: &Place, args: &[&str]) -> Vec<(u64, String, String)> {
    let answer = json(&place.run(&[&["check", "--json"], args].concat()));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let each = answer.as_array().unwrap().iter();
    each.map(|one| (one["line"].as_u64().unwrap_or(0), text(&one["code"]), text(&one["severity"]))).collect()
}

fn expect(place: &Place, args: &[&str], want: &[(u64, &str, &str)]) {
    let got = found(place, args);
    let got: Vec<_> = got.iter().map(|(line, code, severity)| (*line, code.as_str(), severity.as_str())).collect();
    assert_eq!(got, want, "{args:?}: {}", out(&place.run(&[&["check"], args].concat())));
}

#[test]
fn a_php_ini_of_many_mistakes() {
    let ini = b"\
; our production settings
memory_limt = 512M
post_max_size = 64MB
max_execution_time = 5m
file_uploads = enabled
precision = 14
precision = 17
upload_max_filesize = 8 M
php_admin_value[memory_limit] = 1G
php_value precision 3
display_errors
";
    let place = Place::new("check-many", &[("php.ini", ini)]);
    expect(
        &place,
        &["php.ini"],
        &[
            (2, "unknown-directive", "warning"),
            (3, "malformed-quantity", "warning"),
            (4, "odd-number", "warning"),
            (5, "odd-boolean", "warning"),
            (6, "duplicate", "note"),
            (8, "upload-over-post", "warning"),
            (10, "apache-syntax", "warning"),
            (11, "no-value", "note"),
        ],
    );
    let text = out(&place.run(&["check", "php.ini"]));
    for part in [
        "php.ini:2: warning: ",
        "did you mean `memory_limit`?",
        "interpreting as \"64\"",
        "means 5 to PHP",
        "means off to PHP",
        "set again in line 7",
        "write NAME = VALUE",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_input_limit_without_a_limit_kills() {
    let place = Place::new("check-input", &[("php.ini", b"max_input_time = 60\nmax_execution_time = 0\n")]);
    expect(&place, &["php.ini"], &[(2, "input-limit-kills", "warning")]);
    // The command line's PHP fixes both, so there is nothing to fear, and the lines do nothing.
    let cli = found(&place, &["php.ini", "--sapi", "cli"]);
    assert!(cli.iter().all(|(_, code, _)| code == "fixed-by-sapi" || code == "duplicate"), "{cli:?}");
}

#[test]
fn sections_that_end_or_begin_nothing() {
    let ini = b"[PATH=/srv/www]\nmemory_limit = 1G\n[Session]\nsession.name = X\n";
    let place = Place::new("check-sections", &[("php.ini", ini)]);
    expect(&place, &["php.ini", "--sapi", "fpm-fcgi"], &[(3, "section-goes-on", "warning")]);
    let apache = [(1, "dead-section", "warning"), (3, "section-goes-on", "warning")];
    expect(&place, &["php.ini", "--sapi", "apache2handler"], &apache);
}

#[test]
fn values_for_extensions_that_are_not_there() {
    let ini = b"\
extension = gd
mbstring.language = Japanese
opcache.enable = 0
xdebug.mode = debug
pgsql.max_links = -1
exif.encode_unicode =
gd.jpeg_ignore_warning = 0
";
    let place = Place::new("check-extensions", &[("php.ini", ini), ("none.ini", b"mbstring.language = Japanese\n")]);
    let no = "no-extension";
    expect(&place, &["php.ini"], &[(2, no, "note"), (3, no, "warning"), (4, no, "warning")]);
    let built = ["php.ini", "--compiled-in", "mbstring", "-d", "zend_extension=opcache.so", "--compiled-in", "xdebug"];
    expect(&place, &built, &[]);
    // Where nothing is loaded, nobody knows what there is.
    expect(&place, &["none.ini"], &[]);
}

#[test]
fn what_another_version_has() {
    let place = Place::new("check-version", &[("php.ini", b"track_errors = On\nmax_memory_limit = 1G\n")]);
    let unknown = "unknown-directive";
    expect(&place, &["php.ini"], &[(1, "no-start", "error"), (2, unknown, "note")]);
    expect(&place, &["php.ini", "--php-version", "7.4"], &[(2, unknown, "note")]);
    expect(&place, &["php.ini", "--php-version", "8.5"], &[(1, "no-start", "error")]);
}

const CONF: &str = "\
LoadModule php_module modules/libphp.so
LoadModule dir_module modules/mod_dir.so
DocumentRoot www
<IfModule mod_php7.c>
php_value memory_limit 1G
</IfModule>
<Directory />
AllowOverride All
</Directory>
<VirtualHost *:80>
ServerName other
php_flag display_errors yes
php_value max_execution_time 30s
php_value memori_limit 1G
php_value disable_functions exec
php_admin_value precision 5
</VirtualHost>
<VirtualHost *:80>
ServerName shop
php_value precision 3
php_admin_value precision 4
</VirtualHost>
<Files *.php>
SetHandler application/x-httpd-php
</Files>
";

fn httpd(name: &str) -> Place {
    let place = Place::new(
        name,
        &[
            ("httpd.conf", CONF.as_bytes()),
            ("bare.conf", b"LoadModule dir_module modules/mod_dir.so\nphp_value precision 3\n"),
            ("www/x.php", b""),
            ("www/.htaccess", b"php_value precision 9\nphp_flag log_errors true\n"),
            ("www/.user.ini", b"precision = 9\n"),
            ("www/admin/x.php", b""),
            ("www/admin/.htaccess", b"# only here\nphp_admin_value memory_limit 1G\n"),
        ],
    );
    let root = place.0.to_str().unwrap().to_owned();
    for conf in ["httpd.conf", "bare.conf"] {
        let text = std::fs::read_to_string(place.path(conf)).unwrap();
        std::fs::write(place.path(conf), format!("ServerRoot {root}\n{text}")).unwrap();
    }
    place
}

/// The ServerRoot line makes each number one larger.
#[test]
fn every_line_of_httpd_is_looked_at_whichever_requests_it_is_for() {
    let place = httpd("check-httpd");
    expect(
        &place,
        &["httpd.conf"],
        &[
            // www/.htaccess, www/.user.ini, www/admin/.htaccess
            (1, "locked", "warning"),
            (2, "odd-flag", "warning"),
            (0, "wrong-sapi", "warning"),
            (2, "server-error", "error"),
            (5, "dead-section", "note"),
            (13, "odd-flag", "warning"),
            (14, "odd-number", "warning"),
            (15, "unknown-directive", "warning"),
            (16, "wrong-level", "warning"),
            (21, "duplicate", "note"),
        ],
    );
    // Another SAPI sees none of these lines.
    let fpm = found(&place, &["httpd.conf", "--sapi", "fpm-fcgi"]);
    let wrong: Vec<u64> = fpm.iter().filter(|(_, code, _)| code == "wrong-sapi").map(|(line, ..)| *line).collect();
    // The first two in www/.htaccess.
    assert_eq!(wrong, [1, 2, 13, 14, 15, 16, 17, 21, 22], "{fpm:?}");
}

#[test]
fn the_files_of_a_request() {
    let place = httpd("check-request");
    let text = out(&place.run(&["check", "httpd.conf", "--url", "http://shop/x.php"]));
    for part in [
        ".htaccess:1: warning: `precision` has no effect here: locked by httpd.conf:22",
        ".htaccess:2: warning: php_flag reads `true` as off",
        ".user.ini: warning: this file has no effect: apache2handler does not read it",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let output = place.run(&["check", "httpd.conf", "--url", "http://shop/admin/x.php"]);
    let admin = "www/admin/.htaccess:2: error: php_admin_value not allowed here: every request below is answered with 500; \
                 write php_value";
    assert!(out(&output).contains(admin), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn php_value_without_mod_php() {
    let output = httpd("check-bare").run(&["check", "bare.conf"]);
    let text = support::err(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("bare.conf:3: Invalid command 'php_value'") && text.contains("mod_php"), "{text}");
}

#[test]
fn pools_and_user_ini() {
    let pool = b"[www]\nphp_value[precision] = 3\nphp_value[precision] = 4\nphp_admin_value[memory_limit] = 1G\n\
        php_value[memory_limitt] = 1G\n";
    let files: [(&str, &[u8]); 3] = [
        ("www.conf", pool),
        ("www/x.php", b""),
        ("www/.user.ini", b"memory_limit = 2G\nsys_temp_dir = /x\nprecision = 5\nprecision = 6\n"),
    ];
    let place = Place::new("check-pool", &files);
    let script = place.path("www/x.php");
    let got = found(&place, &["www.conf", "--file", &script, "--document-root", &place.path("www")]);
    let got: Vec<_> = got.iter().map(|(line, code, severity)| (*line, code.as_str(), severity.as_str())).collect();
    let want = [
        // www/.user.ini
        (1, "locked", "warning"),
        (2, "wrong-level", "warning"),
        (3, "duplicate", "note"),
        // www.conf
        (3, "duplicate", "warning"),
        (5, "unknown-directive", "warning"),
    ];
    assert_eq!(got, want);
}

/// The trees that Debian installs are what their authors meant.
#[test]
fn debians_own_files_are_fine() {
    let place = Place::new("check-debian", &[]);
    if !support::debian(&place) {
        return;
    }
    let Some(_link) = support::mod_php_of(&place) else { return };
    let scan = place.path("etc/php/8.2/cli/conf.d");
    for (what, args) in [
        ("etc/php/8.2/apache2", &[][..]),
        ("etc/php/8.2/fpm", &[]),
        ("etc/php/8.2/cgi", &[]),
        ("etc/php/8.2/cli", &[]),
        ("etc/apache2", &["--url", "http://localhost/"]),
        ("usr/lib/php/8.2/php.ini-development", &["--scan-dir", &scan]),
        ("usr/lib/php/8.2/php.ini-production", &["--scan-dir", &scan]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlive"));
        let output = command.args(["check", &place.path(what)]).args(args).output().unwrap();
        assert_eq!((out(&output).as_str(), output.status.code()), ("no problems found\n", Some(0)), "{what}");
    }
}

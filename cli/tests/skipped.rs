//! Files that people write for PHP and that the PHP in question does not read: explain and check name their lines, and why.

mod support;

use serde_json::Value;
use support::{Place, json, out};

const CONF: &str = "ServerRoot @ROOT@\nLoadModule mpm_prefork_module m/mod_mpm_prefork.so\nListen 8000\nServerName localhost\nLoadModule php_module /nowhere/libphp.so\nPHPIniDir @ROOT@/php\n\
                    DocumentRoot @ROOT@/www\n<Directory @ROOT@/www>\nAllowOverride None\n</Directory>\n<FilesMatch \"\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n";

fn laid_out(name: &str) -> Place {
    let place = Place::new(
        name,
        &[
            ("php/php.ini", b""),
            ("www.conf", b"[www]\n"),
            (".user.ini", b"memory_limit = 1M\n"),
            ("www/.user.ini", b"memory_limit = 99M\n"),
            ("www/a/php.ini", b"memory_limit = 98M\n"),
            ("www/a/.htaccess", b"Options All\n<IfModule mod_php.c>\n  php_value memory_limit \"97M\"\n</IfModule>\n"),
            ("www/a/x.php", b""),
        ],
    );
    let conf = CONF.replace("@ROOT@", place.0.to_str().unwrap());
    std::fs::write(place.path("httpd.conf"), conf).unwrap();
    place
}

/// File below the place, line, value and reason of each skipped line.
fn skipped(place: &Place, args: &[&str]) -> Vec<(String, u64, String, String)> {
    let answer = json(&place.run(&[&["explain", "--json", "memory_limit"], args].concat()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let trail = answer[0]["trail"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let root = format!("{}/", place.0.display());
    let each = trail.iter().filter(|step| step["fate"] == "skipped");
    each.map(|step| {
        let file = text(&step["file"]).replace(&root, "");
        (file, step["line"].as_u64().unwrap(), text(&step["value"]), text(&step["because"]))
    })
    .collect()
}

fn is(found: &[(String, u64, String, String)], wanted: &[(&str, u64, &str, &str)]) {
    let same = found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(one, two)| one.0 == two.0 && one.1 == two.1 && one.2 == two.2 && one.3.contains(two.3));
    assert!(same, "{found:#?}");
}

#[test]
fn mod_php_reads_neither_user_ini_nor_a_php_ini_in_the_document_root() {
    let place = laid_out("skipped-apache");
    let conf = place.path("httpd.conf");
    let args = ["--httpd-conf", &*conf, "--url", "http://localhost:8000/a/x.php", "--scan-dir", ""];
    is(
        &skipped(&place, &args),
        &[
            ("www/.user.ini", 1, "99M", "only CGI and FPM do; use .htaccess"),
            ("www/a/php.ini", 1, "98M", "does not look for a php.ini beside the program"),
            ("www/a/.htaccess", 3, "97M", "AllowOverride None"),
        ],
    );
    let text = out(&place.run(&[&["check"], &args[..]].concat()));
    assert!(
        text.contains("www/.user.ini: warning: this file has no effect: apache2handler does not read it"),
        "{text}"
    );
    assert!(
        text.contains("www/a/php.ini: warning: this file has no effect") && text.contains("memory_limit"),
        "{text}"
    );
    let text = out(&place.run(&[&["explain", "memory_limit"], &args[..]].concat()));
    assert!(text.contains("www/.user.ini:1: skipped: apache2handler does not read it"), "{text}");
}

#[test]
fn fpm_and_cgi_do_not_read_htaccess() {
    let place = laid_out("skipped-fpm");
    let file = place.path("www/a/x.php");
    let root = place.path("www");
    let request = ["--file", &*file, "--document-root", &*root];
    let fpm = [&["--fpm-conf", "www.conf"], &request[..]].concat();
    is(
        &skipped(&place, &fpm),
        &[
            ("www/a/php.ini", 1, "98M", "use .user.ini"),
            ("www/a/.htaccess", 3, "97M", "belong to mod_php; use .user.ini"),
        ],
    );
    let text = out(&place.run(&[&["check"], &fpm[..]].concat()));
    assert!(text.contains("www/a/.htaccess:3: warning: this file has no effect: fpm-fcgi does not read it"), "{text}");
    // php-cgi may find a php.ini in the program's directory.
    let cgi = [&["--built-in", "--sapi", "cgi-fcgi"], &request[..]].concat();
    is(&skipped(&place, &cgi), &[("www/a/.htaccess", 3, "97M", "use .user.ini")]);
}

#[test]
fn the_php_ini_of_another_sapi() {
    let files: [(&str, &[u8]); 3] = [
        ("etc/php/8.2/fpm/php.ini", b"memory_limit = 64M\nprecision = 9\n"),
        ("etc/php/8.2/apache2/php.ini", b"\nmemory_limit = 256M\n"),
        ("etc/php/8.2/cli/php.ini", b"memory_limit = 64M\n"),
    ];
    let place = Place::new("skipped-sapi", &files);
    let ini = place.path("etc/php/8.2/fpm/php.ini");
    let wanted = [("etc/php/8.2/apache2/php.ini", 2, "256M", "another SAPI (apache2)")];
    is(&skipped(&place, &["--php-ini", &ini]), &wanted);
}

#[test]
fn sections_of_httpd_conf_for_another_php() {
    let place = laid_out("skipped-dead");
    let conf = std::fs::read_to_string(place.path("httpd.conf")).unwrap();
    let line = conf.lines().count() as u64;
    let dead = "<IfModule mod_php5.c>\n<IfModule mod_dir.c>\nphp_value memory_limit 77M\n</IfModule>\nphp_value memory_limit 76M\n</IfModule>\n\
                <IfModule mod_php.c>\nphp_value memory_limit 75M\n</IfModule>\n";
    std::fs::write(place.path("httpd.conf"), format!("{}\n{dead}", conf.trim_end())).unwrap();
    let found = skipped(
        &place,
        &["--httpd-conf", "httpd.conf", "--php-ini", "php/php.ini", "--url", "http://localhost/a/x.php"],
    );
    let of_conf: Vec<_> = found.into_iter().filter(|(file, ..)| file.ends_with("httpd.conf")).collect();
    let because = "it stands in <IfModule mod_php5.c>, and no such module is loaded";
    is(&of_conf, &[("httpd.conf", line + 3, "77M", because), ("httpd.conf", line + 5, "76M", because)]);
}

#[test]
fn a_section_for_a_server_without_mod_php() {
    let place = laid_out("skipped-not");
    let conf = std::fs::read_to_string(place.path("httpd.conf")).unwrap();
    std::fs::write(place.path("httpd.conf"), conf.replace("AllowOverride None", "AllowOverride All")).unwrap();
    let text = "<IfModule !mod_php.c>\nphp_value memory_limit 97M\n</IfModule>\n\
                <IfModule mod_php5.c>\nphp_value memory_limit 96M\n</IfModule>\n";
    std::fs::write(place.path("www/a/.htaccess"), text).unwrap();
    let found = skipped(
        &place,
        &["--httpd-conf", "httpd.conf", "--php-ini", "php/php.ini", "--url", "http://localhost/a/x.php"],
    );
    let of_htaccess: Vec<_> = found.into_iter().filter(|(file, ..)| file.ends_with(".htaccess")).collect();
    is(
        &of_htaccess,
        &[
            ("www/a/.htaccess", 2, "97M", "it stands in <IfModule !mod_php.c>, and that module is loaded"),
            ("www/a/.htaccess", 5, "96M", "it stands in <IfModule mod_php5.c>, and no such module is loaded"),
        ],
    );
}

/// httpd refuses the URL of a file behind a link that may not be followed; whoever names the file itself is told.
#[test]
fn a_file_behind_a_forbidden_link_says_what_its_url_is_answered() {
    let place = laid_out("file-behind-link");
    std::os::unix::fs::symlink(place.path("www/a"), place.path("www/link")).unwrap();
    let conf = std::fs::read_to_string(place.path("httpd.conf")).unwrap();
    let asked = |options: &str| {
        std::fs::write(place.path("httpd.conf"), conf.replace("AllowOverride None", options)).unwrap();
        let file = place.path("www/link/x.php");
        let done = place.run(&["get", "--httpd-conf", "httpd.conf", "--file", &file, "memory_limit"]);
        String::from_utf8(done.stderr).unwrap()
    };
    let refused = asked("AllowOverride None\nOptions None");
    assert!(
        refused.contains("www/link is a symbolic link, and Options does not allow FollowSymLinks: httpd answers 403"),
        "{refused}"
    );
    let followed = asked("AllowOverride None\nOptions FollowSymLinks");
    assert!(!followed.contains("symbolic link"), "{followed}");
}

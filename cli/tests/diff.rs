//! `outlive diff` on real files.

mod support;

use serde_json::Value;
use support::{Place, err, json, out};

fn place(name: &str) -> Place {
    let httpd = "LoadModule php_module modules/libphp.so\nDocumentRoot www\n<Location /shop>\nphp_admin_value memory_limit 1G\n\
        </Location>\n<Location /off>\nRedirect 410 /off\n</Location>\n";
    let httpd =
        httpd.replace("<Location /off>\nRedirect 410 /off\n</Location>\n", "SetHandler application/x-httpd-php\n");
    Place::new(
        name,
        &[
            ("staging/php.ini", b"memory_limit = 256M\nexpose_php = Off\nprecision = 17\n"),
            ("production/php.ini", b"; none\nmemory_limit = 512M\nexpose_php = 0\nextension = gd\n"),
            ("8.2/fpm/php.ini", b"memory_limit = 256M\n"),
            ("8.2/fpm/conf.d/9.ini", b"precision = 5\n"),
            ("8.2/fpm/php-fpm.conf", b"[global]\n[www]\nphp_admin_value[precision] = 7\n"),
            ("8.2/cli/php.ini", b"memory_limit = -1\n"),
            ("old.ini", b"track_errors = On\nmemory_limit = 0b11M\n"),
            ("apache/httpd.conf", httpd.as_bytes()),
            ("apache/www/x.php", b""),
            ("apache/www/shop/x.php", b""),
            ("a.options", b"--php-ini staging/php.ini # the old one\n-d 'user_agent=a b'\n"),
        ],
    )
}

/// The differences by name: kind, value and place on both sides.
fn differences(place: &Place, args: &[&str]) -> Vec<(String, String, [String; 2])> {
    let answer = json(&place.run(&[&["diff", "--json"], args].concat()));
    let side = |side: &Value| match side {
        Value::Null => "-".to_owned(),
        side => {
            let place = match (side["file"].as_str(), side["line"].as_u64()) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                _ => side["layer"].as_str().unwrap_or("unknown").to_owned(),
            };
            format!("{} {place}", side["value"].as_str().unwrap_or("?"))
        }
    };
    let each = answer["differences"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    each.map(|one| (text(&one["name"]), text(&one["kind"]), [side(&one["a"]), side(&one["b"])])).collect()
}

fn of<'a>(all: &'a [(String, String, [String; 2])], name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    all.iter().find(|(known, ..)| known == name).map(|(_, kind, [a, b])| (kind.as_str(), a.as_str(), b.as_str()))
}

#[test]
fn two_files() {
    let place = place("diff-files");
    let all = differences(&place, &["staging/php.ini", "production/php.ini"]);
    assert_eq!(of(&all, "memory_limit"), Some(("value", "256M staging/php.ini:1", "512M production/php.ini:2")));
    assert_eq!(of(&all, "precision"), Some(("value", "17 staging/php.ini:3", "14 built-in default")));
    assert_eq!(of(&all, "expose_php"), Some(("text", " staging/php.ini:2", "0 production/php.ini:3")));
    // Production loads an extension, so those that it does not load are known to be missing.
    assert_eq!(of(&all, "mbstring.language"), Some(("only in a", "neutral built-in default", "-")));
    assert_eq!(of(&all, "gd.jpeg_ignore_warning"), None);
    let text = out(&place.run(&["diff", "staging/php.ini", "production/php.ini"]));
    for part in [
        "memory_limit\n  A  256M (256 MiB)  php.ini  staging/php.ini:1\n  B  512M (512 MiB)  php.ini  production/php.ini:2\n",
        "Written differently, and the same to PHP\n  expose_php\n",
        "2 differ, ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_reads_the_same_is_the_same() {
    let place = place("diff-same");
    let same = place.run(&["diff", "staging/php.ini", "staging/php.ini"]);
    assert_eq!(same.status.code(), Some(0));
    assert!(out(&same).contains("no differences; "), "{}", out(&same));
    let written = place.run(&["diff", "--built-in", "--a", "-d html_errors=off", "--b", "-d html_errors=0"]);
    assert_eq!(written.status.code(), Some(0), "{}", out(&written));
    assert!(out(&written).contains("html_errors"), "{}", out(&written));
}

#[test]
fn an_upgrade() {
    let place = place("diff-upgrade");
    let all = differences(&place, &["7.4", "8.4", "--php-ini", "old.ini"]);
    assert_eq!(of(&all, "track_errors"), Some(("only in a", "1 old.ini:1", "-")));
    assert_eq!(of(&all, "date.timezone"), Some(("value", " built-in default", "UTC built-in default")));
    assert_eq!(of(&all, "fiber.stack_size").map(|(kind, a, _)| (kind, a)), Some(("only in b", "-")));
    let text = out(&place.run(&["diff", "7.4", "8.4", "--php-ini", "old.ini"]));
    assert!(text.contains("track_errors = 1 (on)  php.ini  old.ini:1; track_errors is not in PHP 8.4"), "{text}");
    // The same line, and another number of bytes.
    let meaning = differences(&place, &["8.1", "8.2", "--php-ini", "old.ini", "-d", "post_max_size=0b11"]);
    assert_eq!(of(&meaning, "post_max_size"), Some(("meaning", "0b11 command line", "0b11 command line")));
}

#[test]
fn directories_say_which_sapi_and_version_they_are_for() {
    let place = place("diff-directories");
    let answer = json(&place.run(&["diff", "--json", "8.2/fpm", "8.2/cli"]));
    assert_eq!((answer["a"]["sapi"].as_str(), answer["b"]["sapi"].as_str()), (Some("fpm-fcgi"), Some("cli")));
    assert_eq!(answer["a"]["php_version"], "8.2");
    let all = differences(&place, &["8.2/fpm", "8.2/cli"]);
    assert_eq!(of(&all, "precision"), Some(("value", "7 8.2/fpm/php-fpm.conf:3", "14 built-in default")));
    assert_eq!(of(&all, "max_execution_time"), Some(("value", "30 built-in default", "0 SAPI")));
    let access =
        differences(&place, &["--a", "-d precision=7 --built-in", "--b", "--fpm-pool 8.2/fpm/php-fpm.conf --sapi ''"]);
    assert_eq!(of(&access, "precision"), Some(("access", "7 command line", "7 8.2/fpm/php-fpm.conf:3")));
}

#[test]
fn two_requests_of_one_server() {
    let place = place("diff-urls");
    let root = place.path("apache");
    let server = ["--httpd-conf", "apache/httpd.conf", "--server-root", &root];
    let urls = ["http://localhost/x.php", "http://localhost/shop/x.php"];
    let all = differences(&place, &[&urls[..], &server].concat());
    // The php.ini of this mod_php is not known. It is one file for both, so all that it may set is the same on both.
    assert_eq!(all.len(), 1);
    assert_eq!(of(&all, "memory_limit"), Some(("unknown", "? unknown", "1G apache/httpd.conf:4")));
    let all = differences(&place, &[&urls[..], &server, &["--php-ini", "production/php.ini"]].concat());
    assert_eq!(all.len(), 1);
    assert_eq!(of(&all, "memory_limit"), Some(("value", "512M production/php.ini:2", "1G apache/httpd.conf:4")));
    let gone = place.run(&[&["diff", urls[0], "http://localhost/none"], &server[..]].concat());
    assert_eq!(gone.status.code(), Some(1));
    assert!(out(&gone).contains("no program runs: the server answers 404"), "{}", out(&gone));
    let both = place.run(&[&["diff", "http://localhost/no", "http://localhost/none"], &server[..]].concat());
    assert_eq!(both.status.code(), Some(0), "{}", out(&both));
}

/// An option of one side alone counts for that side, whichever it is.
#[test]
fn a_user_on_one_side() {
    let place = Place::new("diff-user", &[("php.ini", b""), ("www/x.php", b"")]);
    let root = place.path("www");
    let conf = format!(
        "ServerName localhost\nDocumentRoot {root}\n<Directory {root}>\nAuthType Basic\nAuthName x\nAuthUserFile /dev/null\n\
         Require valid-user\n</Directory>\n"
    );
    std::fs::write(place.path("httpd.conf"), conf).unwrap();
    let url = "--url http://localhost/x.php";
    let (a, b) = (format!("{url} --user bob"), url);
    let output = place.run(&["diff", "--httpd-conf", "httpd.conf", "--php-ini", "php.ini", "--a", &a, "--b", b]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(out(&output).contains("401"), "{output:?}");
}

#[test]
fn options_from_a_file_and_beside_it() {
    let place = place("diff-options");
    let all = differences(&place, &["@a.options", "production/php.ini", "-d", "precision=3"]);
    assert_eq!(of(&all, "user_agent"), Some(("value", "a b command line", " built-in default")));
    assert_eq!(of(&all, "precision"), None, "the common option holds for both");
}

#[test]
fn wrong_calls_say_which_side() {
    let place = place("diff-wrong");
    for (args, part) in [
        (&["staging/php.ini"][..], "give A and B"),
        (&["8.2", "8.3", "8.4"], "8.4: there are two sides already"),
        (&["8.2", "none.ini"], "none.ini: No such file"),
        (&["8.2", "@none"], "cannot read none"),
        (&["8.2", "apache/www"], "apache/www: there is neither a php.ini"),
        (&["--a", "--nix", "--b", "-d x=1"], "side A: unexpected argument '--nix'"),
        (&["--a", "-d x=1", "--b", "--php-ini 'x"], "a quote is not closed"),
        (&["--a", "--php-version 9", "--b", "-d x=1"], "side A: --php-version 9"),
        (&["--a", "-d x=1", "--b", "--pool www"], "side B: --pool needs --fpm-pool"),
    ] {
        let output = place.run(&[&["diff"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(err(&output).contains(part) && out(&output).is_empty(), "{args:?}: {output:?}");
    }
}

//! Lines that Apache refuses: `check` names all of them, and the one at which a real apache2 stops.

mod support;

use std::path::Path;
use std::process::Command;
use support::{Place, ci, err, json, out};

const CONF: &str = "ErrorDocument 999 /x\n<Directory /x>\nAllowOverride Everything\nphp_value a\n</Directory>\n\
                    Include nowhere.conf\n<IfVersion x>\nTimeout 3\n</IfVersion>\nTimeout\nTimeout 5\n<VirtualHost *:80>\nOptions Wrong\n</VirtualHost>\n";

fn server(root: &str, modules: &str) -> String {
    let load: String = ["mpm_prefork", "authz_core", "mime"]
        .map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n"))
        .concat();
    format!(
        "{load}LoadModule php_module {modules}/libphp8.2.so\nServerRoot \"{root}\"\nServerName localhost\nListen 127.0.0.1:1\n\
         TypesConfig types\nPidFile pid\nErrorLog log\n"
    )
}

#[test]
fn all_refused_lines_are_named_and_where_apache_stops() {
    let (apache, modules) = ("/usr/sbin/apache2", "/usr/lib/apache2/modules");
    let place = Place::new("refused", &[("types", b""), ("php.ini", b"")]);
    let root = place.0.to_str().unwrap().to_owned();
    let head = server(&root, modules);
    let before = head.lines().count() as u64;
    std::fs::write(place.path("httpd.conf"), format!("{head}{CONF}")).unwrap();
    let args = ["check", "--php-ini", "php.ini", "--httpd-conf", "httpd.conf"];
    let output = place.run(&[&args[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let found = json(&output);
    let lines: Vec<u64> = found.as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap() - before).collect();
    // As Apache meets them: what acts while it is read comes first.
    assert_eq!(lines, [6, 7, 1, 3, 4, 10, 13], "{found:#}");
    let stops = |one: &&serde_json::Value| one["message"].as_str().unwrap().contains("the server stops at this line");
    let first: Vec<_> = found.as_array().unwrap().iter().filter(stops).collect();
    assert_eq!(first.len(), 1, "{found:#}");
    assert!(err(&output).contains(&format!("httpd.conf:{}: ", first[0]["line"])), "{output:?}");
    if !Path::new(apache).exists() {
        assert!(!ci(), "{apache} is missing: tests/run names the packages");
        return eprintln!("left out: {apache} is missing");
    }
    let theirs = Command::new(apache).args(["-t", "-f", &place.path("httpd.conf")]).output().unwrap();
    assert!(err(&theirs).contains(&format!("line {} of", first[0]["line"])), "{theirs:?}");
    // Each of them, mended, leaves the next one.
    let mut text: Vec<String> = format!("{head}{CONF}").lines().map(str::to_owned).collect();
    for line in &lines {
        let theirs = Command::new(apache).args(["-t", "-f", &place.path("httpd.conf")]).output().unwrap();
        assert!(!theirs.status.success() && err(&theirs).contains(&format!("line {} of", line + before)), "{theirs:?}");
        let at = (line + before) as usize - 1;
        let end = if text[at].starts_with('<') { at + 2 } else { at };
        text[at..=end].iter_mut().for_each(|line| *line = format!("#{line}"));
        std::fs::write(place.path("httpd.conf"), text.join("\n") + "\n").unwrap();
    }
    let theirs = Command::new(apache).args(["-t", "-f", &place.path("httpd.conf")]).output().unwrap();
    assert!(theirs.status.success(), "{theirs:?}");
    assert_eq!(place.run(&args).status.code(), Some(0));
}

#[test]
fn an_htaccess_is_read_to_its_end() {
    let htaccess = b"RewriteEngine on\nphp_value a\n<Files x>\nRequire nobody\n</Files>\nOptions Wrong\nphp_value precision 3\n</Files>\n";
    let conf = "DocumentRoot www\n<Directory />\nAllowOverride All\nRequire all granted\n</Directory>\n";
    let files: [(&str, &[u8]); 4] =
        [("www/.htaccess", htaccess), ("www/i.php", b""), ("php.ini", b""), ("httpd.conf", conf.as_bytes())];
    let place = Place::new("refused-below", &files);
    let root = place.0.to_str().unwrap().to_owned();
    let args =
        ["check", "--httpd-conf", "httpd.conf", "--php-ini", "php.ini", "--server-root", &root, "--uri", "/i.php"];
    let output = place.run(&args);
    let said = out(&output);
    for line in [2, 4, 6, 8] {
        assert!(said.contains(&format!("www/.htaccess:{line}: error: ")), "{line}: {said}");
    }
    assert_eq!(said.matches("refused as well; Apache stops before it").count(), 3, "{said}");
    assert_eq!(output.status.code(), Some(1));
}

//! Directives with empty words, beside `apache2 -t`: what it refuses is refused with its text, and what it takes is taken.

mod support;

use std::path::Path;
use std::process::Command;
use support::{Place, ci, err, out};

const LINES: [&str; 30] = [
    "RewriteRule \"\" \"\"",
    "RewriteRule a \"\"",
    "RewriteCond a \"\"",
    "RewriteCond \"\" \"\"",
    "AddType \"\" .php",
    "AddType a/b \"\"",
    "AddType a/b",
    "AddHandler \"\" .php",
    "AddHandler a \"\"",
    "AddEncoding \"\" .gz",
    "AddLanguage \"\" .x",
    "AddCharset \"\" .x",
    "RemoveHandler \"\"",
    "RemoveType",
    "PassEnv \"\"",
    "PassEnv A \"\" B",
    "UnsetEnv \"\"",
    "DirectoryIndex \"\"",
    "SetEnvIf",
    "SetEnvIf a",
    "SetEnvIf a \"\" b",
    "SetEnvIf \"\" a b",
    "SetEnvIf a b \"\"",
    "SetEnvIf a b \"\" c",
    "SetEnvIf a b c \"\" d",
    "BrowserMatch \"\" b",
    "BrowserMatchNoCase a \"\"",
    "SetEnvIfExpr \"\" b",
    "SetEnvIfExpr true \"\"",
    "SetHandler \"\"",
];

#[test]
fn empty_words_are_what_they_are_to_apache() {
    let (apache, modules) = ("/usr/sbin/apache2", "/usr/lib/apache2/modules");
    if !Path::new(apache).exists() {
        assert!(!ci(), "{apache} is missing: tests/run names the packages");
        return eprintln!("left out: {apache} is missing");
    }
    let place = Place::new("words", &[("types", b""), ("php.ini", b"")]);
    let root = place.0.to_str().unwrap().to_owned();
    let load = ["mpm_event", "authz_core", "mime", "dir", "env", "rewrite", "setenvif"]
        .map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n"))
        .concat();
    let (mut taken, mut refused) = (0, 0);
    for line in LINES {
        let text = format!(
            "{load}ServerRoot \"{root}\"\nServerName localhost\nListen 127.0.0.1:1\nTypesConfig types\nPidFile pid\nErrorLog log\n{line}\n"
        );
        std::fs::write(place.path("httpd.conf"), text).unwrap();
        let theirs = Command::new(apache).args(["-t", "-f", &place.path("httpd.conf")]).output().unwrap();
        let ours = place.run(&["get", "precision", "--php-ini", "php.ini", "--httpd-conf", "httpd.conf"]);
        let (theirs, ours) = (err(&theirs), format!("{}{}", out(&ours), err(&ours)));
        if theirs.contains("Syntax OK") {
            assert_eq!(ours, "14\n", "{line}");
            taken += 1;
        } else {
            // The text's tail, which names the argument, is Apache's own.
            let message = theirs.lines().find(|text| !text.starts_with("AH")).unwrap_or_default();
            let message = message.split(", ").next().unwrap();
            let message = if message.is_empty() { &theirs } else { message };
            let of_ours = ours.split(": ").nth(2).unwrap_or_default().trim_end();
            assert!(message.contains(of_ours) && !of_ours.is_empty(), "{line}\n{theirs}{ours}");
            refused += 1;
        }
    }
    assert_eq!((taken, refused), (9, 21));
}

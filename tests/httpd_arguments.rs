//! What Apache refuses is refused, and what it takes is taken: every recorded directive with its arguments.

use outlive::files::Memory;
use outlive::httpd::{Configuration, Options, Resolution};
use outlive::target::Target;
use std::path::Path;

/// The modules that the recording server had (tests/differential/arguments.py).
fn modules() -> String {
    const RECORDER: &str = include_str!("differential/arguments.py");
    let list = RECORDER.split("'''").nth(1).expect("the recorder's list of modules");
    let lines = list.split_whitespace().map(|name| format!("LoadModule {name}_module x\n"));
    lines.collect::<String>() + "LoadModule php_module x\nTypesConfig /dev/null\nServerName localhost\n"
}

/// The recorded lines: whether Apache took them, and the text.
fn recorded(text: &'static str) -> impl Iterator<Item = (bool, &'static str)> {
    text.lines().filter_map(|line| match line.split_at_checked(2)? {
        ("+ ", rest) => Some((true, rest)),
        ("- ", rest) => Some((false, rest)),
        _ => None,
    })
}

fn text_of(line: &str) -> String {
    if line.starts_with('<') { line.replace("\\n", "\n") + "\n" } else { format!("{line}\n") }
}

fn agree(all: usize, wrong: &[String]) {
    println!("{all} lines compared");
    assert!(wrong.is_empty(), "{} of {all} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Taken here and refused by Apache: functions that read files are not for an `.htaccess`; a filter that nobody declared.
const UNLIKE: [&str; 2] = ["file('/etc/x')", "FilterProtocol "];

/// Unlike Apache here: what hangs on the machine's users, names and directories, and what only that module can tell (an unknown
/// parameter of a worker, a port that is no number, a dbm's files).
const UNLIKE_SERVER: [&str; 16] = [
    "User ",
    "Group ",
    "RemoteIPInternalProxy ",
    "RemoteIPTrustedProxy ",
    "CoreDumpDirectory ",
    "foo=1",
    ":x/",
    "timeout=x",
    "RewriteMap a prg:",
    "RewriteMap a rnd:",
    "RewriteMap a dbm:",
    "<VirtualHost \"\">",
    "<VirtualHost *:x>",
    "<Proxy /x /y>",
    "<Proxy ~ ",
    "<Proxy a ",
];

/// Refusals name file and line; what answers 500 for another reason does not.
fn refusal_at(because: &str) -> bool {
    // This one comes of the request.
    let because = if because.contains("leads to what is no URL") { "" } else { because };
    because.split_once("/.htaccess:").is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[test]
fn an_htaccess_is_refused_where_apache_refuses_it() {
    let conf =
        modules() + "DocumentRoot /www\n<Directory /www>\nAllowOverride All\nRequire all granted\n</Directory>\n";
    let files = Memory::new().with("/dev/null", "").with("/etc/httpd.conf", conf).with("/www/d/a", "x");
    let configuration = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).unwrap();
    let (mut all, mut wrong) = (0, Vec::new());
    for (taken, line) in recorded(include_str!("conformance/httpd/arguments.htaccess")) {
        if UNLIKE.iter().any(|what| line.contains(what)) {
            continue;
        }
        all += 1;
        let files = files.clone().with("/www/d/.htaccess", text_of(line));
        let target = Target { uri: Some(b"/d/a"), ..Target::default() };
        let refusal = match configuration.resolve(&files, &target).unwrap() {
            Resolution::Answer { status: 500, because, .. } if refusal_at(&because) => Some(because),
            _ => None,
        };
        if refusal.is_none() != taken {
            wrong.push(format!("{} {line}    {}", if taken { '+' } else { '-' }, refusal.unwrap_or_default()));
        }
    }
    agree(all, &wrong);
    assert!(all > 3_000);
}

#[test]
fn a_configuration_is_refused_where_apache_refuses_it() {
    let (mut all, mut wrong) = (0, Vec::new());
    for (taken, line) in recorded(include_str!("conformance/httpd/arguments.server")) {
        if UNLIKE_SERVER.iter().any(|what| line.contains(what)) {
            continue;
        }
        all += 1;
        let files = Memory::new()
            .with("/dev/null", "")
            .with("/etc/passwd", "")
            .with("/tmp/x", "")
            .with("/etc/httpd.conf", modules() + &text_of(line));
        let refusal = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).err();
        if refusal.is_none() != taken {
            let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
            wrong.push(format!("{} {line}    {refusal}", if taken { '+' } else { '-' }));
        }
    }
    agree(all, &wrong);
    assert!(all > 700);
}

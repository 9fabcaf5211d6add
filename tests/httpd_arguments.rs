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
fn recorded(text: &str) -> impl Iterator<Item = (bool, &str)> {
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

/// The modules whose directives tests/differential/directives.py asks about: all but those that are in another one's place.
fn all_modules() -> String {
    let others =
        ["php7_module", "php5_module", "mpm_event_module", "mpm_worker_module", "php_module", "outlive_module"];
    let table = include_str!("../src/httpd/syntax/modules.txt").lines();
    let names =
        table.filter_map(|line| line.strip_prefix("module ")?.split(' ').next()).filter(|name| !others.contains(name));
    let lines = names.map(|name| format!("LoadModule {name} x\n"));
    lines.collect::<String>() + "LoadModule php_module x\nTypesConfig /dev/null\nServerName localhost\n"
}

/// `OUTLIVE_DIRECTIVES` names a file of tests/differential/directives.py; without it, the part of it that is recorded.
#[test]
fn every_directive_is_refused_where_apache_refuses_it() {
    let fresh = std::env::var("OUTLIVE_DIRECTIVES").ok().map(|path| std::fs::read_to_string(path).expect("the file"));
    let text = fresh.as_deref().unwrap_or(include_str!("conformance/httpd/directives.server"));
    let head = all_modules();
    let lines: Vec<_> = recorded(text).collect();
    let share = lines.len().div_ceil(2).max(1);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> = lines.chunks(share).map(|part| scope.spawn(|| differ(&head, part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("a part")).collect()
    });
    agree(lines.len(), &wrong);
    assert!(fresh.is_some() || lines.len() > 2_000);
}

/// Unlike Apache: whether an earlier line has declared the worker is not looked at.
const UNLIKE_DIRECTIVE: &str = "ProxySet ";

fn differ(head: &str, lines: &[(bool, &str)]) -> Vec<String> {
    let files = Memory::new()
        .with("/dev/null", "")
        .with("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n")
        .with("/etc/group", "root:x:0:\nwww-data:x:33:\n")
        .with("/bin/true", "x")
        .with("/bin/cat", "x")
        .with("/bin/echo", "x")
        .with("/tmp/x/x", "x");
    let mut wrong = Vec::new();
    for &(taken, line) in lines.iter().filter(|(_, line)| !(line.contains(UNLIKE_DIRECTIVE) && line.contains("://"))) {
        let text = format!("{head}{}\n", line.replace("\\n", "\n"));
        let files = files.clone().with("/etc/httpd.conf", text);
        let refusal = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).err();
        if refusal.is_none() != taken {
            let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
            wrong.push(format!("{} {line}    {refusal}", if taken { '+' } else { '-' }));
        }
    }
    wrong
}

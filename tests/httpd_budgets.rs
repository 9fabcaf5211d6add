//! What rules, variables and texts cost is counted: a request that would take more than its steps is a 500 that names a line.

use outlive::files::Memory;
use outlive::httpd::{Configuration, Options, Resolution};
use outlive::target::Target;
use std::fmt::Write;
use std::path::Path;

const ALL: &str = "LoadModule php_module x\nLoadModule rewrite_module x\nLoadModule setenvif_module x\nLoadModule env_module x\n\
                   LoadModule headers_module x\nLoadModule proxy_module x\nLoadModule proxy_fcgi_module x\nDocumentRoot /w\n\
                   <Directory />\nAllowOverride All\n</Directory>\n";

fn load(conf: &str) -> Result<Configuration, outlive::Error> {
    let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/p.php", "");
    Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default())
}

/// Status and reason of a request for `uri`, below an `.htaccess` with this text.
fn answer(conf: &str, htaccess: &str, uri: &[u8]) -> (u16, String) {
    let configuration = load(conf).expect("loads");
    let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/p.php", "").with("/w/.htaccess", htaccess);
    match configuration.resolve(&files, &Target { uri: Some(uri), ..Target::default() }).expect("resolves") {
        Resolution::Answer { status, because, .. } => (status, because.to_string()),
        Resolution::Run(run) => (run.status, run.notes.join("; ")),
    }
}

fn ends_at(htaccess: &str, place: &str) {
    let (status, because) = answer(ALL, htaccess, b"/p.php");
    assert!(status == 500 && because.contains("2 million steps"), "{place}: {because}");
    assert!(because.starts_with(&format!("/w/.htaccess:{place}: ")), "{place}: {because}");
}

fn lines(number: usize, line: impl Fn(usize) -> String) -> String {
    (0..number).fold(String::new(), |mut all, at| {
        writeln!(all, "{}", line(at)).unwrap();
        all
    })
}

fn letter(at: usize) -> char {
    char::from(b'a' + u8::try_from(at).unwrap())
}

/// Each line makes its variable of the one before, many times over.
#[test]
fn variables_that_multiply_are_stopped() {
    let many = "$1".repeat(64);
    let rules = lines(12, |at| format!("SetEnvIf {} (.*) {}={many}", letter(at), letter(at + 1)));
    ends_at(&format!("SetEnvIf Request_URI (.*) a=$1\n{rules}"), "6");
    let rules = lines(12, |at| {
        format!("RewriteRule ^ - [E={}:{}]", letter(at + 1), format!("%{{ENV:{}}}", letter(at)).repeat(64))
    });
    ends_at(&format!("RewriteEngine On\nRewriteRule (.*) - [E=a:$1]\n{rules}"), "7");
    let rules =
        lines(12, |at| format!("SetEnvIfExpr \"reqenv('{0}') =~ /(.*)/\" {1}={many}", letter(at), letter(at + 1)));
    ends_at(&format!("SetEnvIf Request_URI (.*) a=$1\n{rules}"), "6");
}

/// Names are looked for among all that are set.
#[test]
fn many_variables_are_paid_for() {
    let lines = lines(60_000, |at| format!("SetEnv a{at} x"));
    let (status, because) = answer(ALL, &lines, b"/p.php");
    assert!(status == 500 && because.starts_with("/w/.htaccess:") && because.contains("2 million steps"), "{because}");
    let names = (0..1_000).map(|at| format!("E=a{at}")).collect::<Vec<_>>().join(",");
    ends_at(&format!("RewriteEngine On\nRewriteRule ^ - [{names},N=4000000000]\n"), "2");
}

/// What a FastCGI server is handed, and rules that set variables: each line is paid for once, however many there are before it.
#[test]
fn many_lines_are_no_more_work_than_each() {
    let (status, _) = answer(ALL, &lines(5_000, |at| format!("SetEnvIf Request_URI p a{}", at % 900)), b"/p.php");
    assert_eq!(status, 200);
    let conf = format!("{ALL}<Files p.php>\nSetHandler proxy:fcgi://localhost\n</Files>\n");
    let fcgi = lines(20_000, |at| format!("ProxyFCGISetEnvIf true a{at} x"));
    let (status, because) = answer(&format!("{conf}{fcgi}"), "", b"/p.php");
    assert!(status == 200, "{because}");
}

/// A star is gone back to for each byte that does not fit.
#[test]
fn wildcards_are_paid_for() {
    let stars = lines(3_000, |_| format!("<Files \"{}q\">\n</Files>", "*p".repeat(1_000)));
    let uri = [b"/".to_vec(), vec![b'p'; 250]].concat();
    let (status, because) = answer(ALL, &stars, &uri);
    assert!(status == 500 && because.starts_with("/w/.htaccess:") && because.contains("2 million steps"), "{because}");
}

/// A text is taken apart from the outside in, so it must not have too many parts inside one another.
#[test]
fn maps_within_maps_are_refused_where_they_stand() {
    let deep = format!("{}{}", "${a:".repeat(200_000), "}".repeat(200_000));
    for line in
        [format!("RewriteRule ^ {deep}"), format!("RewriteRule ^ - [E=a:{deep}]"), format!("RewriteCond {deep} x")]
    {
        let error = load(&format!("{ALL}RewriteEngine On\n{line}\n")).expect_err("refused").to_string();
        assert!(
            error.starts_with("/etc/httpd.conf:13: ") && error.contains("more than 100 braces inside one"),
            "{error}"
        );
    }
    let line = format!("RewriteCond %{{{}REQUEST_FILENAME}} p\nRewriteRule ^ /p.php", "LA-U:".repeat(200_000));
    assert!(load(&format!("{ALL}RewriteEngine On\n{line}\n")).is_ok());
    let (status, because) = answer(&format!("{ALL}RewriteEngine On\n{line}\n"), "", b"/p.php");
    assert_eq!(status, 200, "{because}");
}

/// The bounds of docs/behaviour/httpd.md on what the server's files hold, with the line that exceeds each.
#[test]
fn large_configurations_are_refused_where_they_stand() {
    let comment = [b"#".to_vec(), vec![b'x'; (8 << 20) - 2], b"\n".to_vec()].concat();
    let read = |includes: usize| {
        let conf = "Include big.conf\n".repeat(includes);
        let files = Memory::new().with("/etc/httpd.conf", conf).with("/etc/big.conf", &*comment);
        Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default())
    };
    let error = read(17).expect_err("refused").to_string();
    assert!(error.starts_with("/etc/big.conf: ") && error.contains("larger than 128 MiB"), "{error}");
    assert!(error.contains("/etc/httpd.conf:16"), "{error}");

    let lines = lines(100_001, |_| "SetEnvIfExpr true a".into());
    let error = load(&format!("LoadModule setenvif_module x\n{lines}")).expect_err("refused").to_string();
    assert!(error.starts_with("/etc/httpd.conf:100002: More than 100000 directives"), "{error}");

    let mut files = Memory::new().with("/etc/httpd.conf", "ServerName x\nInclude many/*.conf\n");
    for at in 0..=100_000 {
        files = files.with(format!("/etc/many/{at}.conf"), "");
    }
    let error = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).expect_err("refused");
    let error = error.to_string();
    assert!(error.starts_with("/etc/httpd.conf:2: ") && error.contains("more than 100,000 files"), "{error}");
}

#[test]
fn the_last_of_many_diagnostics_says_that_there_are_more() {
    let configuration = load(&"NameVirtualHost *\n".repeat(10_003)).expect("loads");
    let all = configuration.diagnostics();
    assert_eq!(all.len(), 10_001);
    assert!(all[9_999].message.contains("NameVirtualHost"), "{}", all[9_999]);
    assert!(all[10_000].to_string().contains("/etc/httpd.conf:10001: "), "{}", all[10_000]);
    assert!(all[10_000].message.contains("more than 10,000"), "{}", all[10_000]);
}

/// A text of megabytes beside a pattern of kilobytes, and brackets that nothing closes: each `[` is looked for its end.
#[test]
fn wildcards_of_variables_are_paid_for() {
    let doubled = |name: &str, text: &str, times: usize| {
        let eightfold = format!("SetEnvIf {name} \"^(.*)$\" {name}={}\n", "$1".repeat(8)).repeat(times);
        format!("SetEnvIf Request_URI \"^(.*)$\" {name}={text}\n{eightfold}")
    };
    let over = doubled("A", &"a".repeat(4_000), 4) + &doubled("P", &("*a".repeat(1_999) + "*b"), 1);
    ends_at(&(over + "SetEnvIfExpr \"%{env:A} -strmatch '%{env:P}'\" X=1\n"), "8");
    let open = format!("SetEnvIf Request_URI \"^(.*)$\" T={}\n", "[".repeat(4_000));
    ends_at(&format!("{open}SetEnvIfExpr \"%{{env:T}} -strmatch '*{}x'\" X=1\n", "[".repeat(2_000)), "2");
}

/// A subrequest sets the variables of its own; lines of one name are lines, too.
#[test]
fn variables_of_subrequests_are_paid_for() {
    let conf = ALL.to_owned() + &"SetEnv a b\n".repeat(300_000);
    let rules =
        "RewriteEngine On\n".to_owned() + &lines(20, |at| format!("RewriteCond /u{at} -U\nRewriteRule ^ - [E=x:1]"));
    let (status, because) = answer(&conf, &rules, b"/p.php");
    assert!(status == 500 && because.contains("2 million steps"), "{because}");
}

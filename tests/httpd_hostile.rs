//! Hostile configurations end, in bounded time and memory, with a text that says where.

use outlive::files::{Files, Kind, Memory};
use outlive::httpd::{Configuration, Options, Resolution};
use outlive::target::Target;
use outlive::{Code, Error};
use std::path::Path;

fn load(files: &Memory) -> Result<Configuration, Error> {
    Configuration::load(files, Path::new("/etc/httpd.conf"), &Options::default())
}

fn refused(conf: impl Into<Vec<u8>>) -> Error {
    load(&Memory::new().with("/etc/httpd.conf", conf)).expect_err("refused")
}

#[test]
fn an_include_cycle_ends() {
    let files = Memory::new().with("/etc/httpd.conf", "Include a.conf\n").with("/etc/a.conf", "Include httpd.conf\n");
    let error = load(&files).expect_err("a cycle");
    assert_eq!(error.code, Code::TooLarge);
    assert!(error.to_string().contains("recursion"), "{error}");
}

#[test]
fn macros_that_double_at_every_step_are_refused_where_they_stand() {
    for (body, depth) in
        [("", 40), ("ServerSignature off\n", 40), ("ErrorDocument 404 \"a long text of some bytes\"\n", 30)]
    {
        let mut conf = format!("LoadModule macro_module x\n<Macro M0>\n{body}</Macro>\n");
        for at in 1..=depth {
            conf += &format!("<Macro M{at}>\nUse M{0}\nUse M{0}\n</Macro>\n", at - 1);
        }
        let error = refused(format!("{conf}Use M{depth}\n"));
        assert_eq!(error.code, Code::TooLarge);
        let text = error.to_string();
        assert!(text.starts_with("/etc/httpd.conf:") && text.contains("Macros make more"), "{text}");
    }
    let wide = format!("LoadModule macro_module x\n<Macro M $a>\n{}</Macro>\n", "ServerAdmin $a\n".repeat(4000));
    let error = refused(format!("{wide}{}", format!("Use M {}\n", "x".repeat(2000)).repeat(200)));
    assert!(error.to_string().starts_with("/etc/httpd.conf:"), "{error}");
}

#[test]
fn a_hundred_includes_inside_one_another_are_read() {
    let mut files = Memory::new().with("/etc/httpd.conf", "Include i0.conf\n");
    for at in 0..100 {
        files = files.with(format!("/etc/i{at}.conf"), format!("Include i{}.conf\n", at + 1));
    }
    let files = files.with("/etc/i100.conf", "ServerName deep\n");
    assert!(load(&files).is_ok());
}

#[test]
fn ten_thousand_files_are_read_in_order() {
    let mut files = Memory::new().with("/etc/httpd.conf", "IncludeOptional many/*.conf\n");
    for at in 0..10_000 {
        files = files.with(format!("/etc/many/{at:05}.conf"), "ServerName x\n");
    }
    assert!(load(&files).is_ok());
}

#[test]
fn long_lines_and_deep_sections_end() {
    let long = [b"ServerName ".to_vec(), vec![b'x'; 1 << 20]].concat();
    assert!(load(&Memory::new().with("/etc/httpd.conf", long)).is_ok());
    let deep = "<Directory /a>\n".to_owned()
        + &"<Files x>\n".repeat(100_000)
        + &"</Files>\n".repeat(100_000)
        + "</Directory>\n";
    assert!(refused(deep).to_string().contains("nested"));
    let open = "<Files x>\n".repeat(200_000);
    assert!(refused(open).to_string().contains("was not closed"));
    let skipped = "<IfModule no.c>\n".repeat(200_000);
    assert!(refused(skipped).to_string().contains("before end of configuration"));
    assert!(
        refused("<Directory /a>\n<Files b>\n</Directory>\n</Files>\n").to_string().starts_with("/etc/httpd.conf:3: ")
    );
}

#[test]
fn a_container_may_have_many_names() {
    let lines =
        (0..100_000).fold(String::from("LoadModule php_module x\n"), |text, at| text + &format!("php_value n{at} v\n"));
    assert!(load(&Memory::new().with("/etc/httpd.conf", lines)).is_ok());
}

#[test]
fn what_doubles_is_stopped() {
    let mut doubling = String::from("Define x0 xxxxxxxxxxxxxxxx\n");
    for at in 0..40 {
        doubling += &format!("Define x{} ${{x{at}}}${{x{at}}}\n", at + 1);
    }
    assert_eq!(refused(doubling).code, Code::TooLarge);
}

#[test]
fn a_hostile_pattern_is_said_to_be_too_costly() {
    let conf = "LoadModule php_module x\nDocumentRoot /w\n<LocationMatch \"^/(?=(a+)+$)(a|aa)+\\1?b$\">\nphp_value a b\n</LocationMatch>\n";
    let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/x.php", "");
    let configuration = load(&files).expect("loads");
    let uri = [b"/".to_vec(), vec![b'a'; 5_000]].concat();
    let target = Target { uri: Some(&uri), filename: Some(b"/w/x.php"), ..Target::default() };
    match configuration.resolve(&files, &target).expect("resolves") {
        Resolution::Run(run) => assert!(run.containers.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// What is wrong is said in a way that a person can act on: what, in which file and line, and by which way it was read.
#[test]
fn messages_say_where_and_what_to_do() {
    let files = Memory::new()
        .with("/etc/httpd.conf", "ServerName x\nInclude a.conf\n")
        .with("/etc/a.conf", "\n\n<Directory /x>\n");
    let text = load(&files).expect_err("refused").to_string();
    assert!(
        text.starts_with("/etc/a.conf:3: <Directory> was not closed.") && text.contains("/etc/httpd.conf:2"),
        "{text}"
    );
    let text = refused("ServerName x\nInclude gone.conf\n").to_string();
    assert!(text.starts_with("/etc/httpd.conf:2: ") && text.contains("gone.conf"), "{text}");
    let text = refused("<Files x>\n</Directory>\n").to_string();
    assert!(
        text.starts_with("/etc/httpd.conf:2: ") && text.contains("Expected </Files> but saw </Directory>"),
        "{text}"
    );
    let text = refused("</Files>\n").to_string();
    assert!(text.starts_with("/etc/httpd.conf:1: ") && text.contains("without matching <Files> section"), "{text}");
    let text = refused("LoadModule dir_module x\nphp_value a b\n").to_string();
    assert!(text.starts_with("/etc/httpd.conf:2: ") && text.contains("No LoadModule line loads mod_php"), "{text}");
}

struct Locked(Memory);

impl Files for Locked {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match path.file_name().is_some_and(|name| name == "locked.conf" || name == ".htaccess") {
            true => Err(std::io::ErrorKind::PermissionDenied.into()),
            false => self.0.read(path),
        }
    }
    fn kind(&self, path: &Path) -> std::io::Result<Kind> {
        self.0.kind(path)
    }
    fn is_symlink(&self, path: &Path) -> bool {
        self.0.is_symlink(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
        self.0.list(path)
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let files =
        Memory::new().with("/etc/httpd.conf", "\nInclude locked.conf\n").with("/etc/locked.conf", "ServerName x\n");
    let error = Configuration::load(&Locked(files), Path::new("/etc/httpd.conf"), &Options::default()).expect_err("no");
    assert_eq!(error.code, Code::Io);
    assert!(error.to_string().contains("locked.conf") && error.to_string().contains("/etc/httpd.conf:2"), "{error}");
    let missing = load(&Memory::new()).expect_err("no");
    assert!(missing.code == Code::Io && missing.to_string().contains("/etc/httpd.conf"), "{missing}");

    let conf = "LoadModule php_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n";
    let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/.htaccess", "").with("/w/p.php", "");
    let configuration = load(&files).expect("loads");
    match configuration
        .resolve(&Locked(files), &Target { uri: Some(b"/p.php"), ..Target::default() })
        .expect("resolves")
    {
        Resolution::Answer { status: 403, because, .. } => {
            assert!(because.contains("/.htaccess cannot be read"), "{because}")
        }
        other => panic!("{other:?}"),
    }
}

/// A status and a reason, with file and line, for whatever an `.htaccess` may not hold.
#[test]
fn a_wrong_htaccess_is_a_500_with_its_line() {
    let long = format!("\nphp_value a {}\n", "x".repeat(10_000));
    let cases: &[(&str, &str)] = &[
        ("php_admin_value a b\n", ":1: php_admin_value not allowed here"),
        ("\n\nServerName x\n", ":3: ServerName not allowed here"),
        ("Nonsense x\n", ":1: Invalid command 'Nonsense'"),
        ("<Files x>\n", ":1: <Files> was not closed."),
        ("<Files x>\n</If>\n", ":2: Expected </Files> but saw </If>"),
        ("<Directory /x>\n</Directory>\n", ":1: <Directory not allowed here"),
        ("Include x.conf\n", ":1: Include not allowed here"),
        ("php_value a\n", ":1: php_value takes two arguments"),
        ("<FilesMatch \"(\">\n</FilesMatch>\n", ":1: Regex could not be compiled"),
        ("<If \"(\">\n</If>\n", ":1: Cannot parse condition clause"),
        (&long, ":2: Error reading /w/.htaccess at line 2: Line too long"),
    ];
    let conf = "LoadModule php_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n";
    for (text, wanted) in cases {
        let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/.htaccess", *text).with("/w/p.php", "");
        let configuration = load(&files).expect("loads");
        let target = Target { uri: Some(b"/p.php"), ..Target::default() };
        match configuration.resolve(&files, &target).expect("resolves") {
            Resolution::Answer { status: 500, because, .. } => {
                assert!(because.starts_with(&format!("/w/.htaccess{wanted}")), "{because}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

/// Rules that lead to themselves end, and the answer names the one that does.
#[test]
fn rules_without_an_end_are_named() {
    let conf = "LoadModule rewrite_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n";
    let cases = [
        ("RewriteRule (.*) /a$1", ":2: RewriteRule leads to itself: more than 10 internal redirects"),
        ("RewriteRule (.*) b [N=4000000000]", ":2: RewriteRule: the rules of this request take more than"),
        ("RewriteRule (.*) $1$1 [N=100000]", ":2: RewriteRule: what it makes grows without end"),
    ];
    for (rules, wanted) in cases {
        let text = format!("RewriteEngine On\n{rules}\n");
        let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/.htaccess", text).with("/w/p.php", "");
        let configuration = load(&files).expect("loads");
        let target = Target { uri: Some(b"/q"), ..Target::default() };
        match configuration.resolve(&files, &target).expect("resolves") {
            Resolution::Answer { status: 500, because, .. } => {
                assert!(because.starts_with(&format!("/w/.htaccess{wanted}")), "{because}");
            }
            other => panic!("{rules}: {other:?}"),
        }
    }
}

/// Patterns that take a naive engine forever, or all memory: in the server's files and in an `.htaccess` that anybody may write.
#[test]
fn hostile_patterns_end_everywhere() {
    let words = (0..20_000).map(|at| format!("w{at}")).collect::<Vec<_>>().join("|");
    let patterns = [
        "^(a+)+$".to_owned(),
        "^(a|aa)+$".to_owned(),
        "(.*)*(.*)*(.*)*b$".to_owned(),
        "^(?=(a+)+$)(a|aa)+\\1?b$".to_owned(),
        "(?:a?){50}a{50}b".to_owned(),
        format!("^({words})$"),
        format!("{}a{}", "(".repeat(150), ")*".repeat(150)),
        format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000)),
        "((((a{1000}){1000}){1000}){1000})".to_owned(),
        format!("a{{{}}}", u64::MAX),
    ];
    let name = format!("{}!", "a".repeat(5_000));
    for pattern in &patterns {
        let section = format!("<FilesMatch \"{pattern}\">\nphp_value user_agent x\n</FilesMatch>\n");
        let plain = "LoadModule php_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n";
        let file = format!("/w/{name}");
        let target = Target { uri: Some(b"/x"), filename: Some(file.as_bytes()), ..Target::default() };
        let files = Memory::new().with("/etc/httpd.conf", format!("{plain}{section}")).with("/w/p.php", "");
        // Taken, or refused with a line: either ends.
        if let Ok(configuration) = load(&files) {
            configuration.resolve(&files, &target).expect("resolves");
        }
        let files = Memory::new().with("/etc/httpd.conf", plain).with("/w/p.php", "");
        let configuration = load(&files).expect("loads");
        let files = files.with("/w/.htaccess", section.chars().take(8_000).collect::<String>());
        configuration.resolve(&files, &target).expect("resolves");
    }
}

#[test]
fn noise_never_panics() {
    let words = [
        "<",
        ">",
        "</Files>",
        "<Files ",
        "\"",
        "\\",
        "\n",
        "${",
        "}",
        "Define a ",
        "php_value ",
        "<If ",
        "%{",
        "Use ",
        "<Macro m $a>\n",
        "</Macro>\n",
        "(",
        "[",
        "*",
        "Alias / ",
        "\0",
        "é",
        "RewriteRule ",
        "'",
        "<IfModule !x>\n",
    ];
    let mut state = 7u64;
    for _ in 0..3_000 {
        let mut text = String::from(
            "LoadModule php_module x\nLoadModule macro_module x\nLoadModule alias_module x\nLoadModule rewrite_module x\n",
        );
        for _ in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text += words[(state >> 33) as usize % words.len()];
        }
        let files = Memory::new().with("/etc/httpd.conf", text.clone()).with("/w/.htaccess", text).with("/w/p.php", "");
        let _ = load(&files);
        let fine = Memory::new().with(
            "/etc/httpd.conf",
            "LoadModule php_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n",
        );
        let configuration = load(&fine.with("/w/p.php", "")).expect("loads");
        let _ = configuration.resolve(&files, &Target { uri: Some(b"/p.php"), ..Target::default() });
    }
}

/// A tree on the disk, of which each directory leads back to itself by ten links.
fn linked(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("outlive-hostile-httpd-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.join("s")).unwrap();
    for link in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        std::os::unix::fs::symlink(".", path.join("s").join(link)).unwrap();
    }
    path
}

#[test]
fn includes_that_look_everywhere_are_refused_where_they_stand() {
    let path = linked("links");
    let main = path.join("httpd.conf");
    for pattern in [&format!("s/{}x", "*/".repeat(12)), "s"] {
        std::fs::write(&main, format!("ServerRoot {}\nIncludeOptional {pattern}\n", path.display())).unwrap();
        let error = Configuration::load(&outlive::files::Disk, &main, &Options::default()).expect_err("refused");
        assert_eq!(error.code, Code::TooLarge, "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{}:2: ", main.display())), "{text}");
        assert!(text.contains("narrow their patterns"), "{text}");
    }
    std::fs::remove_dir_all(&path).unwrap();
}

/// Each of sixty files reads the next one twice.
#[test]
fn files_that_are_read_again_and_again_are_refused() {
    let mut files = Memory::new().with("/etc/httpd.conf", "Include i0.conf\n").with("/etc/i60.conf", "");
    for at in 0..60 {
        files = files.with(format!("/etc/i{at}.conf"), format!("Include i{0}.conf\nInclude i{0}.conf\n", at + 1));
    }
    let error = load(&files).expect_err("refused");
    assert_eq!(error.code, Code::TooLarge);
    let text = error.to_string();
    assert!(text.starts_with("/etc/i") && text.contains("More than 120,000 files are read"), "{text}");
}

#[test]
fn what_stands_for_nothing_may_be_included() {
    let path = std::env::temp_dir().join(format!("outlive-hostile-null-{}", std::process::id()));
    std::fs::write(&path, "Include /dev/null\nServerName x\n").unwrap();
    Configuration::load(&outlive::files::Disk, &path, &Options::default()).expect("as httpd has it");
    std::fs::remove_file(&path).unwrap();
}

fn answer(conf: &str, files: Memory, uri: &[u8]) -> (u16, String) {
    let files = files.with("/etc/httpd.conf", conf);
    let configuration = load(&files).expect("loads");
    match configuration.resolve(&files, &Target { uri: Some(uri), ..Target::default() }).expect("resolves") {
        Resolution::Answer { status, because, .. } => (status, because.to_string()),
        Resolution::Run(run) => (run.status, run.notes.join("; ")),
    }
}

const ALL: &str = "LoadModule php_module x\nLoadModule rewrite_module x\nLoadModule setenvif_module x\nDocumentRoot /w\n<Directory />\nAllowOverride All\n</Directory>\n";

/// What a request has to look at is counted, so that it ends, and its answer says so and names a place.
#[test]
fn a_request_that_looks_at_too_much_is_a_500() {
    let names = (0..2_000).map(|at| format!(" .h{at}")).collect::<String>();
    let path = "/d".repeat(150);
    let files = Memory::new().with(format!("/w{path}/p.php"), "");
    let (status, because) = answer(&format!("{ALL}AccessFileName{names}\n"), files, format!("{path}/p.php").as_bytes());
    assert!(status == 500 && because.starts_with("/w/d/d/") && because.contains("2 million steps"), "{because}");

    let map = format!("x y\n{}", "#".repeat(20 << 20));
    let rules = "RewriteCond ${m:x} zz\nRewriteRule ^ /x\n".repeat(100);
    let conf = format!("{ALL}RewriteEngine On\nRewriteMap m txt:/w/map\n{rules}");
    let (status, because) = answer(&conf, Memory::new().with("/w/map", map).with("/w/p.php", ""), b"/p.php");
    assert!(status == 500 && because.contains("2 million steps"), "{because}");
    assert!(because.starts_with("/w/map: ") || because.starts_with("/etc/httpd.conf:"), "{because}");

    let htaccess = "php_value user_agent x\n".repeat(20_000);
    let files = (0..100)
        .fold(Memory::new(), |files, depth| files.with(format!("/w{}/.htaccess", "/d".repeat(depth)), &*htaccess));
    let uri = format!("{}/p.php", "/d".repeat(99));
    let (status, because) = answer(ALL, files.with(format!("/w{uri}"), ""), uri.as_bytes());
    assert!(status == 500 && because.starts_with("/w/d") && because.contains("/.htaccess: "), "{because}");
}

/// PCRE might have matched: that it is not known is said.
#[test]
fn a_rule_whose_pattern_is_broken_off_is_named() {
    let uri = [b"/".to_vec(), vec![b'a'; 3_000]].concat();
    let rule = "RewriteEngine On\nRewriteRule \"^/(?=(a+)+$)(a|aa)+\\1?b$\" /p.php\n";
    let (_, because) = answer(&format!("{ALL}{rule}"), Memory::new().with("/w/p.php", ""), &uri);
    assert!(because.contains("/etc/httpd.conf:9: the rule's pattern takes too many steps"), "{because}");
}

/// Each has to be compiled to see whether it is one.
#[test]
fn too_many_patterns_are_refused_where_they_stand() {
    let rules = format!("RewriteEngine On\n{}", "RewriteRule a b\n".repeat(20_001));
    let (status, because) = answer(ALL, Memory::new().with("/w/.htaccess", rules).with("/w/p.php", ""), b"/p.php");
    assert!(status == 500 && because.starts_with("/w/.htaccess:20002: More than 20000 directives"), "{because}");
}

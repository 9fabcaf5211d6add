//! Hostile configurations end, in bounded time and memory, with a text that says where.

use outlive::files::Memory;
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

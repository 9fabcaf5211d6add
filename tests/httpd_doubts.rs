//! What is not known here is said, with the line that depends on it, and never taken for what is not there.

use outlive::files::Memory;
use outlive::httpd::{Configuration, Options, Resolution};
use outlive::target::Target;
use std::path::Path;

const ALL: &str = "LoadModule php_module x\nLoadModule rewrite_module x\nLoadModule setenvif_module x\nLoadModule alias_module x\n\
                   LoadModule headers_module x\nLoadModule proxy_module x\nLoadModule proxy_fcgi_module x\nLoadModule auth_basic_module x\n\
                   LoadModule authn_core_module x\nLoadModule authz_core_module x\nLoadModule authz_user_module x\nDocumentRoot /w\n";

/// The line behind these.
const FIRST: usize = 13;

fn notes(own: &str, headers: &[(&[u8], &[u8])]) -> String {
    let files = Memory::new()
        .with("/etc/httpd.conf", format!("{ALL}{own}"))
        .with("/w/p.php", "")
        .with("/w/q.php", "")
        .with("/al/p.php", "");
    let configuration = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).expect("loads");
    let target = Target { uri: Some(b"/p.php"), headers, ..Target::default() };
    match configuration.resolve(&files, &target).expect("resolves") {
        Resolution::Run(run) => run.notes.join("\n"),
        Resolution::Answer { status, because, .. } => format!("{status} {because}"),
    }
}

/// `line`: which line of these has to be named.
fn says(own: &str, line: usize, what: &str) {
    let all = notes(own, &[]);
    let place = format!("/etc/httpd.conf:{}: ", FIRST + line);
    assert!(all.lines().any(|one| one.contains(&format!("{place}{what}"))), "{own}\n{place}{what}\n{all}");
}

#[test]
fn what_depends_on_a_live_request_is_named_with_its_line() {
    says(
        "RewriteEngine On\nRewriteCond expr \"%{TIME_HOUR} -lt 12\"\nRewriteRule ^ /q.php\n",
        1,
        "RewriteCond depends on",
    );
    let costly = "\"^(?=(a+)+$)(a|aa)+\\1?b$\"";
    let text = "a".repeat(200);
    says(
        &format!("RewriteEngine On\nRewriteCond {text} {costly}\nRewriteRule ^ /q.php\n"),
        1,
        "RewriteCond has the pattern",
    );
    says("RewriteEngine On\nRewriteCond %{TIME} ^2\nRewriteRule ^ /q.php\n", 1, "a rewrite rule asks for %{TIME}");
    says("RewriteEngine On\nRewriteRule ^ /q.php?%{REMOTE_PORT}\n", 1, "a rewrite rule asks for %{REMOTE_PORT}");
    says("<Files p.php>\nSetHandler \"%{TIME}\"\n</Files>\n", 1, "SetHandler depends on");
    says("<Location /p.php>\nAlias \"/al/%{TIME}\"\n</Location>\n", 1, "Alias depends on");
    says("<Files p.php>\nAuthType \"%{TIME}\"\nAuthName x\nRequire valid-user\n</Files>\n", 1, "AuthType depends on");
    let (long, uri) =
        ("AliasMatch \"^/(?=(a+)+$)(a|aa)+\\1?b$\" /al/p.php\n", [b"/".to_vec(), vec![b'a'; 200]].concat());
    let files = Memory::new().with("/etc/httpd.conf", format!("{ALL}{long}")).with("/w/p.php", "");
    let configuration = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).expect("loads");
    let filename = Target { uri: Some(&uri), ..Target::default() };
    let text = format!("{:?}", configuration.resolve(&files, &filename).expect("resolves"));
    assert!(text.contains(&format!("/etc/httpd.conf:{FIRST}: the pattern takes too many steps")), "{text}");
}

/// A header that a line has made of what is not known here is not a header that nobody has sent.
#[test]
fn a_header_that_is_not_known_is_not_missing() {
    let unknown = "RequestHeader set X-A \"%t\" early\n";
    for rule in ["SetEnvIf X-A ^$ none", "SetEnvIf ^X.A$ ^$ none"] {
        let own = format!("{unknown}{rule}\nRewriteEngine On\nRewriteCond %{{ENV:none}} =1\nRewriteRule ^ /q.php\n");
        let all = notes(&own, &[]);
        let place = format!("/etc/httpd.conf:{}: a rewrite rule asks for %{{ENV:none}}", FIRST + 3);
        assert!(all.contains(&place), "{rule}: {all}");
    }
    let fcgi = "<Files p.php>\nSetHandler proxy:fcgi://localhost\nProxyFCGISetEnvIf \"-z reqenv('HTTP_X_A')\" PHP_VALUE a=b\n</Files>\n";
    let all = notes(&format!("{unknown}{fcgi}"), &[]);
    assert!(
        all.contains(&format!("/etc/httpd.conf:{}: whether PHP_VALUE is handed over depends on", FIRST + 3)),
        "{all}"
    );
    // One that is known, or that nobody has sent, is as before.
    assert!(!notes(fcgi, &[]).contains("depends on"));
    assert!(!notes(fcgi, &[(b"X-A", b"1")]).contains("depends on"));
}

//! Which layer wins, which one is refused, and what `explain` says of it, per SAPI.

use outlive::config::{Access, Builder, Config, FastCgiParam, Fate, Layer, Outcome, Reason, Settings};
use outlive::files::Memory;
use outlive::target::Target;
use outlive::{Code, PhpVersion};
use std::path::Path;
use std::sync::Arc;

fn builder(files: &[(&str, &str)]) -> Builder {
    let files = files.iter().fold(Memory::new(), |all, (name, text)| all.with(*name, *text));
    Builder::new(Arc::new(files))
}

fn with_ini(sapi: &str, files: &[(&str, &str)]) -> Builder {
    let mut builder = builder(files);
    builder.set_sapi(sapi.as_bytes()).unwrap();
    builder.load_php_ini("/php.ini".as_ref()).unwrap();
    builder
}

fn script() -> Target<'static> {
    Target {
        filename: Some(b"/www/a/b/x.php"),
        document_root: Some(b"/www"),
        server_name: Some(b"Example.org:8080"),
        ..Target::default()
    }
}

fn text(settings: &Settings, name: &str) -> String {
    String::from_utf8(settings.get(name.as_bytes()).unwrap().to_vec()).unwrap()
}

/// Layer, line and fate of each step.
fn trail(settings: &Settings, name: &str) -> Vec<(Layer, u32, Fate)> {
    let trail = settings.explain(name.as_bytes()).unwrap().trail;
    trail.into_iter().map(|step| (step.layer, step.origin.line, step.fate)).collect()
}

fn resolve(config: &Config) -> Arc<Settings> {
    config.resolve(&script()).unwrap()
}

#[test]
fn later_lines_and_later_files_win() {
    let mut builder = with_ini(
        "",
        &[
            ("/php.ini", "memory_limit = 1G\nmemory_limit = 256M\nuser_agent = ${memory_limit}-${HOME}\n"),
            ("/scan/10.ini", "memory_limit = 512M\ndocref_root = ${user_agent}"),
            ("/scan/9.ini", "memory_limit = 64K"),
        ],
    );
    builder.set_scan_dirs(b"/scan:/none");
    builder.set_env(b"HOME", b"/root");
    let config = builder.build().unwrap();
    let settings = resolve(&config);
    assert_eq!(text(&settings, "user_agent"), "256M-/root");
    assert_eq!(text(&settings, "docref_root"), "256M-/root");
    // The last line is refused, and what it replaced does not come back.
    assert_eq!(text(&settings, "memory_limit"), "128M");
    use Fate::{InForce, Overridden, Refused};
    let want = [
        (Layer::BuiltIn, 0, InForce),
        (Layer::PhpIni, 1, Overridden),
        (Layer::PhpIni, 2, Overridden),
        (Layer::ScanDir, 1, Overridden),
        (Layer::ScanDir, 1, Refused),
    ];
    assert_eq!(trail(&settings, "memory_limit"), want);
    assert!(config.diagnostics().iter().any(|found| found.code.name() == "refused-value" && found.origin.line == 1));
}

/// I-092
#[test]
fn what_stands_before_a_syntax_error_counts() {
    let config = with_ini("", &[("/php.ini", "precision = 5\nuser_agent = a = b\nprecision = 6\n")]).build().unwrap();
    let settings = resolve(&config);
    assert_eq!((text(&settings, "precision"), text(&settings, "user_agent")), ("5".into(), "a ".into()));
    let [found] = config.diagnostics() else { panic!("{:?}", config.diagnostics()) };
    assert_eq!((found.code.name(), found.origin.line), ("syntax", 2));
    assert!(found.message.starts_with("syntax error, unexpected '='"), "{}", found.message);
}

/// I-117
#[test]
fn the_command_line_is_ini_text() {
    let mut builder = with_ini("cli", &[("/php.ini", "max_execution_time = 11\nprecision = 3\n")]);
    for (name, value) in [
        ("precision", Some("1|2")),
        ("user_agent", Some("/x;y")),
        ("docref_root", Some("a;b")),
        ("log_errors", None),
        ("date.timezone", Some("")),
    ] {
        builder.set(name.as_bytes(), value.map(str::as_bytes)).unwrap();
    }
    let settings = builder.build().unwrap().base();
    for (name, want) in [
        ("precision", "3"),
        ("user_agent", "/x;y"),
        ("docref_root", "a"),
        ("log_errors", "1"),
        ("max_execution_time", "0"),
    ] {
        assert_eq!(text(&settings, name), want, "{name}");
    }
    use Fate::{InForce, Overridden};
    let want = [(Layer::BuiltIn, 0, Overridden), (Layer::PhpIni, 1, Overridden), (Layer::Sapi, 0, InForce)];
    assert_eq!(trail(&settings, "max_execution_time"), want);
    let mut over = with_ini("cli", &[("/php.ini", "")]);
    over.set(b"max_execution_time", Some(b"11")).unwrap();
    assert_eq!(over.build().unwrap().base().policy().max_execution_time, 11);
}

const SECTIONS: &str = "\
user_agent = global
[HOST=EXAMPLE.org]
user_agent = host
docref_root = host
[PATH=/www/a]
docref_root = path
[PHP]
hard_timeout = 9
[PATH=/www/a/b/x.php]
docref_root = never
";

/// I-130, I-131, I-133
#[test]
fn sections_lock_and_last_to_the_end_of_the_file() {
    let files = [("/php.ini", SECTIONS), ("/www/.user.ini", "user_agent = user\ndocref_ext = .u\nhard_timeout = 1")];
    let settings = resolve(&with_ini("fpm-fcgi", &files).build().unwrap());
    for (name, want) in [("user_agent", "host"), ("docref_root", "path"), ("hard_timeout", "9"), ("docref_ext", ".u")] {
        assert_eq!(text(&settings, name), want, "{name}");
    }
    let entry = settings.entry(b"user_agent").unwrap();
    assert_eq!((entry.global, entry.access, entry.locked), (&b"global"[..], Access::SYSTEM, true));
    let last = settings.explain(b"user_agent").unwrap().trail.pop().unwrap();
    assert_eq!((last.layer, last.fate, last.reason), (Layer::UserIni, Fate::Refused, Some(Reason::Locked)));
    assert_eq!(last.because.as_deref(), Some("locked by /php.ini:3"));
    // Neither mod_php nor the command line uses any of this (A-107, I-132, I-140).
    for sapi in ["apache2handler", "cli", "cli-server"] {
        let settings = resolve(&with_ini(sapi, &files).build().unwrap());
        assert_eq!((text(&settings, "user_agent"), text(&settings, "docref_ext")), ("global".into(), String::new()));
    }
}

/// I-140, I-142
#[test]
fn user_ini_files_are_read_from_the_root_to_the_script_with_perdir_power() {
    let files = [
        ("/php.ini", "precision = 7"),
        ("/.user.ini", "user_agent = above"),
        ("/www/.user.ini", "precision = 8\nuser_agent = root\nhard_timeout = 1\nno.such = 1"),
        ("/www/a/b/.user.ini", "user_agent = deep"),
    ];
    let config = with_ini("cgi-fcgi", &files).build().unwrap();
    let settings = resolve(&config);
    assert_eq!((text(&settings, "precision"), text(&settings, "user_agent")), ("8".into(), "deep".into()));
    assert_eq!(settings.entry(b"precision").unwrap().global, b"7");
    let refused = settings.explain(b"hard_timeout").unwrap().trail.pop().unwrap();
    assert_eq!((refused.fate, refused.reason, refused.raw), (Fate::Refused, Some(Reason::Level), b"1".to_vec()));
    assert_eq!(settings.diagnostics()[0].code.name(), "unknown-directive");
    assert!(Arc::ptr_eq(&settings, &resolve(&config)), "the same texts give the same settings");
    let no_root = Target { document_root: None, ..script() };
    assert_eq!(text(&config.resolve(&no_root).unwrap(), "precision"), "7");
}

const POOL: &str = "\
[global]
error_log = /x
[www]
user = www
php_value[user_agent] = $pool/${pool}x
php_value[user_agent] = second
php_value[sys_temp_dir] = /pool
php_admin_flag[log_errors] = yes
php_flag[display_errors] = off
php_admin_value[precision] = 1|4
php_value[precision] = 9
[other]
php_value[docref_root] = other
";

fn pool(pool: Option<&[u8]>) -> outlive::Result<Config> {
    let mut builder = builder(&[
        ("/pool.d/www.conf", POOL),
        ("/fpm.conf", "include = /pool.d/*.conf"),
        ("/www/.user.ini", "log_errors = 0\nuser_agent = user\nprecision = 2"),
    ]);
    builder.load_fpm_pool("/fpm.conf".as_ref(), pool)?;
    builder.fastcgi_param(FastCgiParam::Value, b"precision = 11\n[x]\ndocref_ext = .f");
    builder.fastcgi_param(FastCgiParam::AdminValue, b"implicit_flush = On");
    builder.build()
}

/// I-150, I-151, I-153
#[test]
fn fpm_pools_and_fastcgi_parameters() {
    let config = pool(None).unwrap();
    let settings = resolve(&config);
    for (name, want) in [
        ("user_agent", "user"),
        ("sys_temp_dir", "/pool"),
        ("log_errors", "1"),
        ("display_errors", "0"),
        ("precision", "11"),
        ("docref_ext", ".f"),
        ("implicit_flush", "1"),
        ("docref_root", ""),
    ] {
        assert_eq!(text(&settings, name), want, "{name}");
    }
    assert_eq!(settings.entry(b"user_agent").unwrap().global, b"www/x");
    let precision = settings.explain(b"precision").unwrap();
    assert!(precision.locked);
    let fates: Vec<_> = precision.trail.iter().map(|step| (step.layer, &*step.value, step.fate)).collect();
    use Fate::{InForce, Overridden, Refused};
    let want = [
        (Layer::BuiltIn, &b"14"[..], Overridden),
        (Layer::Pool, b"9", Overridden),
        (Layer::Pool, b"5", Overridden),
        (Layer::FastCgi, b"11", InForce),
        (Layer::UserIni, b"2", Refused),
    ];
    assert_eq!(fates, want);
    assert_eq!(precision.trail[4].because.as_deref(), Some("locked by /pool.d/www.conf:10"));
    let twice = settings.explain(b"user_agent").unwrap().trail;
    assert_eq!((twice[1].origin.line, twice[1].reason), (6, Some(Reason::Earlier)));
    assert!(config.diagnostics().iter().any(|found| found.code.name() == "not-an-entry" && found.origin.line == 2));
    assert_eq!(text(&pool(Some(b"other")).unwrap().base(), "docref_root"), "other");
    assert_eq!(pool(Some(b"none")).unwrap_err().code, Code::NotFound);
}

/// I-152
#[test]
fn fpm_would_not_start_with_a_flag_that_is_none() {
    let mut builder = builder(&[("/p.conf", "[www]\n\nphp_flag[log_errors] = maybe\n")]);
    builder.load_fpm_pool("/p.conf".as_ref(), None).unwrap();
    let error = builder.build().unwrap_err();
    assert_eq!((error.code, error.origin.line), (Code::Refused, 3));
}

const HTTPD: &str = "\
ServerRoot /
DocumentRoot /www
php_value user_agent server
php_admin_value precision 5
php_value precision 6
<Directory /www>
AllowOverride All
php_admin_value docref_root admin
php_value hard_timeout 9
php_flag implicit_flush on
</Directory>
<Files x.php>
php_admin_flag log_errors 1
</Files>
";

fn httpd(sapi: &[u8]) -> Config {
    let mut builder = builder(&[
        ("/httpd.conf", HTTPD),
        ("/www/x.php", ""),
        ("/www/.htaccess", "php_value docref_root ht\nphp_value user_agent ht\nphp_value memory_limit 1K"),
    ]);
    builder.load_httpd_conf("/httpd.conf".as_ref()).unwrap();
    builder.httpd_options().before = vec![b"LoadModule php_module modules/libphp.so".to_vec()];
    builder.set_sapi(sapi).unwrap();
    builder.build().unwrap()
}

#[test]
fn httpd_s_containers_merge_first_and_admin_values_lock() {
    let config = httpd(b"");
    let target = Target { uri: Some(b"/x.php"), ..Target::default() };
    let settings = config.resolve(&target).unwrap();
    for (name, want, access) in [
        ("user_agent", "ht", 7),
        ("precision", "6", 7),
        ("docref_root", "admin", 4),
        ("hard_timeout", "2", 4),
        ("implicit_flush", "1", 7),
        ("log_errors", "1", 4),
        ("memory_limit", "128M", 7),
    ] {
        let entry = settings.entry(name.as_bytes()).unwrap();
        assert_eq!((entry.value, entry.access.0), (want.as_bytes(), access), "{name}");
    }
    let last = settings.explain(b"docref_root").unwrap().trail.pop().unwrap();
    assert_eq!((last.layer, last.fate), (Layer::Httpd(outlive::httpd::ServerLayer::Directory), Fate::InForce));
    let lost = settings.explain(b"docref_root").unwrap().trail.remove(1);
    assert_eq!(lost.because.as_deref(), Some("locked by /httpd.conf:8"));
    assert!(Arc::ptr_eq(&settings, &config.resolve(&target).unwrap()), "resolved once");
    let missing = Target { uri: Some(b"/none.php"), ..Target::default() };
    assert_eq!(config.resolve(&missing).unwrap_err().code, Code::NotServed);
    assert!(matches!(config.outcome(&missing).unwrap(), Outcome::Answer { status: 404, .. }));
}

#[test]
fn without_a_document_root_the_error_says_what_to_do() {
    let why = |conf: &str| {
        let mut builder = Builder::new(Arc::new(Memory::new().with("/conf/httpd.conf", conf)));
        builder.load_httpd_conf("/conf/httpd.conf".as_ref()).unwrap();
        let target = Target { uri: Some(b"/x.php"), ..Target::default() };
        builder.build().unwrap().resolve(&target).unwrap_err().message
    };
    let none = why("php_value precision 6\n");
    assert!(
        none.contains("/conf/htdocs does not exist") && none.contains("set DocumentRoot, or give the file"),
        "{none}"
    );
    let gone = why("<VirtualHost *>\nDocumentRoot /gone\n</VirtualHost>\n");
    assert!(gone.contains("DocumentRoot /gone is no directory: create it, or give the file"), "{gone}");
    assert!(!why("DocumentRoot /conf\n").contains("filename"));
}

#[test]
fn php_value_under_fpm_has_no_effect_and_says_so() {
    let settings = httpd(b"fpm-fcgi").resolve(&Target { uri: Some(b"/x.php"), ..Target::default() }).unwrap();
    assert_eq!(text(&settings, "user_agent"), "");
    let trail = settings.explain(b"user_agent").unwrap().trail;
    assert!(trail[1..].iter().all(|step| step.reason == Some(Reason::Sapi)) && trail.len() == 3, "{trail:?}");
}

/// I-110, I-111, I-114
#[test]
fn discovery_follows_phprc_and_the_scan_list() {
    let mut builder = builder(&[
        ("/rc/php.ini", "precision = 1"),
        ("/etc/php-fpm-fcgi.ini", "precision = 2"),
        ("/etc/conf.d/a.ini", "docref_root = a"),
        ("/more/b.ini", "docref_ext = b"),
    ]);
    builder.set_sapi(b"fpm-fcgi").unwrap();
    builder.search_php_ini();
    builder.set_compiled_in(Some("/etc".as_ref()), Some("/etc/conf.d".as_ref()));
    builder.set_env(b"PHPRC", b"/rc");
    builder.set_env(b"PHP_INI_SCAN_DIR", b":/more");
    let settings = builder.build().unwrap().base();
    assert_eq!(text(&settings, "precision"), "2");
    assert_eq!((text(&settings, "docref_root"), text(&settings, "docref_ext")), ("a".into(), "b".into()));
}

#[test]
fn a_wrong_value_of_ours_is_an_error_with_a_line_and_changes_nothing() {
    let text = "outlive.disconnect = finish\n\noutlive.clock = fast\noutlive.max_detached_time = 5m\n";
    let config = with_ini("", &[("/php.ini", text)]).build().unwrap();
    let found: Vec<_> = config.diagnostics().iter().map(|found| (found.code.name(), found.origin.line)).collect();
    assert_eq!(found, [("refused-value", 3), ("refused-value", 4)]);
    let policy = *config.base().policy();
    assert_eq!(policy.disconnect, outlive::config::Disconnect::Finish);
    assert_eq!((policy.clock, policy.max_detached_time), (outlive::config::Clock::Cpu, 0));
}

/// I-119
#[test]
fn unknown_names_are_told_with_the_versions_that_have_them() {
    let config = with_ini("", &[("/php.ini", "mbstring.func_overload = 1\nMemory_Limit = 1G\n")]).build().unwrap();
    let found: Vec<_> = config.diagnostics().iter().map(|found| &*found.message).collect();
    assert!(found[0].contains("PHP 7.4 has"), "{found:?}");
    assert_eq!(found.len(), 2);
    let mut old = with_ini("", &[("/php.ini", "mbstring.func_overload = 1\n")]);
    old.set_php_version(PhpVersion::V7_4);
    assert!(old.build().unwrap().diagnostics().is_empty());
}

/// As every PHP since 8.0 answers an old php.ini: it does not start.
#[test]
fn what_php_took_out_keeps_it_from_starting() {
    let build = |text: &str, sapi: &[u8], version| {
        let files = Memory::new().with("/php.ini", text);
        let mut builder = Builder::new(Arc::new(files));
        builder.set_php_version(version);
        builder.set_sapi(sapi).unwrap();
        builder.load_php_ini(Path::new("/php.ini")).unwrap();
        builder.build()
    };
    let v8_2 = PhpVersion::V8_2;
    for name in ["register_globals", "safe_mode", "asp_tags", "magic_quotes_gpc", "track_errors"] {
        let error = build(&format!("\n{name}=On\n"), b"fpm-fcgi", v8_2).unwrap_err();
        assert_eq!(error.code, Code::Refused);
        let text = error.to_string();
        assert!(text.starts_with("/php.ini:2:") && text.contains(name), "{text}");
    }
    for value in ["Off", "0", "\"On\"", "abc", "/x", "1\nsafe_mode=0"] {
        assert!(build(&format!("safe_mode={value}\n"), b"cli", v8_2).is_ok(), "{value}");
    }
    assert!(build("track_errors=On\n", b"cli", PhpVersion::V7_4).is_ok());
    // A server that is no PHP starts all the same, and says so.
    let config = build("register_globals=2\n", b"", v8_2).unwrap();
    assert_eq!(config.diagnostics().iter().filter(|finding| finding.code.name() == "no-start").count(), 1);
}

#[test]
fn a_variable_that_nobody_has_set_is_named() {
    let text = "a=${HOME}\nb=${a}${NO}\n[PATH=/x]\nuser_agent=\"${NO}\"\n";
    let config = with_ini("", &[("/php.ini", text)]).build().unwrap();
    let unset = config.diagnostics().iter().filter(|finding| finding.code.name() == "unset-variable");
    let lines: Vec<_> = unset.map(|finding| finding.origin.line).collect();
    assert_eq!(lines, [1, 2, 4]);
    let mut builder = with_ini("", &[("/php.ini", text)]);
    builder.set_env(b"HOME", b"/h");
    builder.set_env(b"NO", b"");
    assert!(builder.build().unwrap().diagnostics().iter().all(|finding| finding.code.name() != "unset-variable"));
}

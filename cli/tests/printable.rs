//! What tenants write reaches an operator's terminal as text: control characters are escaped in every command, on both outputs.
mod support;

use support::{Place, command};

const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m";

/// Runs a call, and says what it wrote that a terminal would obey.
fn obeyed(args: &[&str]) -> (usize, Vec<u8>) {
    let output = command().args(args).output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(all.clone()).unwrap_or_else(|_| panic!("{args:?}: bytes that are no text"));
    (all.len(), text.chars().filter(|one| one.is_control() && *one != '\n').map(|one| one as u32 as u8).collect())
}

#[test]
fn no_command_lets_control_characters_through() {
    let htaccess = format!("php_value user_agent \"{EVIL}\"\nphp_value {EVIL} 1\n");
    let broken = format!("Listen 80\n{EVIL} 1\n");
    let conf = "Listen 80\nServerName a.test\nLoadModule php_module x.so\nDocumentRoot PLACE/www\n\
                <Directory PLACE/www>\nAllowOverride All\nRequire all granted\nAddHandler application/x-httpd-php .php\n</Directory>\n";
    let ini = format!("user_agent = \"{EVIL}\"\n{EVIL} = 1\nmemory_limit = {EVIL}\n");
    let pool = format!("[www]\nlisten = /x\nphp_value[user_agent] = \"{EVIL}\"\n{EVIL} = 1\n");
    let place = Place::new(
        "printable",
        &[
            ("php.ini", ini.as_bytes()),
            ("broken.conf", broken.as_bytes()),
            ("www/.htaccess", htaccess.as_bytes()),
            ("www/i.php", b""),
            ("pool.conf", pool.as_bytes()),
            ("www/e\u{1b}[2J.ini", ini.as_bytes()),
        ],
    );
    std::fs::write(place.path("httpd.conf"), conf.replace("PLACE", &place.path(""))).unwrap();
    let (ini, conf, broken) = (&*place.path("php.ini"), &*place.path("httpd.conf"), &*place.path("broken.conf"));
    let (pool, odd, none) =
        (&*place.path("pool.conf"), &*place.path("www/e\u{1b}[2J.ini"), &*place.path("no\u{1b}[2J.ini"));
    let calls: &[&[&str]] = &[
        &["get", "user_agent", "memory_limit", "--php-ini", ini],
        &["get", "user_agent", "--httpd-conf", conf, "--url", "http://a.test/i.php"],
        &["explain", "user_agent", "memory_limit", "--php-ini", ini],
        &["explain", "user_agent", EVIL, "--httpd-conf", conf, "--url", "http://a.test/i.php"],
        &["explain", "user_agent", "--json", "--php-ini", odd],
        &["explain", "user_agent", "--php-ini", odd],
        &["explain", "user_agent", "--fpm-pool", pool],
        &["dump", "--php-ini", ini],
        &["dump", "--php-ini", ini, "--format", "ini"],
        &["dump", "--php-ini", ini, "--format", "json"],
        &["check", "--php-ini", ini],
        &["check", "--php-ini", odd],
        &["check", "--httpd-conf", conf, "--url", "http://a.test/i.php"],
        &["check", "--httpd-conf", broken],
        &["get", "user_agent", "--httpd-conf", broken],
        &["get", "user_agent", "--php-ini", none],
        &["diff", ini, odd],
        &["ini", "parse", ini, odd, none],
        &["get", EVIL, "--php-ini", ini],
        &["get", "user_agent", "--httpd-conf", conf, "--url", &format!("http://a.test/{EVIL}")],
    ];
    for call in calls {
        let (length, obeyed) = obeyed(call);
        assert!(length > 0, "{call:?} says nothing");
        assert!(obeyed.is_empty(), "{call:?}: {obeyed:?}");
    }
}

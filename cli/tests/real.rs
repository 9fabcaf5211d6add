//! `outlive dump` against `ini_get_all()` of Debian's real PHP 8.2 in every SAPI: apache2 with mod_php, php-fpm, php-cgi and
//! the command line, each with a copy of its stock configuration tree and some lines of our own.

mod support;

#[path = "real/fastcgi.rs"]
mod fastcgi;
#[path = "real/server.rs"]
mod server;

use serde_json::{Map, Value};
use server::{Server, free_port, http_get};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Place, ci, command, json};

const SCRIPT: &str = "<?php echo 'BEGIN', json_encode(ini_get_all()), 'END';";

/// Added to each php.ini.
const INI: &str = r#"
precision = 1|4
user_agent = "${precision} \"x\" E_ALL"
error_reporting = E_ALL & ~E_NOTICE
memory_limit = 64K
log_errors = On
html_errors = "On"
max_input_vars = -1
session.name = 'S'
error_append_string = "unset: ${NO_SUCH}"
mbstring.language = Japanese
opcache.jit_buffer_size = 8M
date.timezone = Europe/Berlin
"#;

/// Added behind it where sections count; @WWW@ stands for the document root.
const SECTIONS: &str =
    "[PATH=@WWW@/deep]\ndocref_root = /path/\nsys_temp_dir = /section\n[HOST=localhost]\ndocref_ext = .host\n";

const USER_INI: &str = "arg_separator.output = ;\nsession.upload_progress.prefix = user\nsys_temp_dir = /refused\n\
    upload_max_filesize = 3M\nauto_detect_line_endings = On\n";

/// The stock trees in a place of their own; none: Debian's PHP and Apache are not all here.
fn stock(name: &str, programs: &[&str]) -> Option<Place> {
    for program in programs {
        if !Path::new(program).exists() {
            assert!(!ci(), "{program} is missing: tests/run names the packages");
            eprintln!("left out: {program} is missing");
            return None;
        }
    }
    let place = Place::new(&format!("real-{name}"), &[]);
    if !support::debian(&place) {
        return None;
    }
    write(&place, "www/deep/all.php", SCRIPT);
    write(&place, "www/deep/.user.ini", USER_INI);
    write(&place, "run/x", "");
    Some(place)
}

fn write(place: &Place, name: &str, text: &str) {
    let path = place.0.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn edit(place: &Place, name: &str, change: impl FnOnce(String) -> String) {
    let path = place.0.join(name);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

/// Our lines stand before the file's own, so that no section of it swallows them.
fn add_lines(place: &Place, sapi: &str, sections: bool) {
    let sections = if sections { SECTIONS.replace("@WWW@", &place.path("www")) } else { String::new() };
    edit(place, &format!("etc/php/8.2/{sapi}/php.ini"), |text| format!("{text}\n{INI}{sections}"));
}

fn table(text: &str) -> Map<String, Value> {
    let (Some(start), Some(end)) = (text.find("BEGIN"), text.rfind("END")) else { panic!("no table in: {text}") };
    serde_json::from_str(&text[start + 5..end]).unwrap()
}

/// What this build of PHP begins with and others do not: names that only it has, and defaults of its own.
fn peculiar() -> BTreeSet<String> {
    let place =
        Place::new(&format!("real-peculiar-{:?}", std::thread::current().id()), &[("all.php", SCRIPT.as_bytes())]);
    let php = Command::new("php-cgi8.2").args(["-n", "-q", "all.php"]).current_dir(&place.0).output().unwrap();
    let php = table(&String::from_utf8_lossy(&php.stdout));
    let own = json(&place.run(&["dump", "--json", "--built-in", "--sapi", "cgi-fcgi"]));
    let differs =
        |(name, row): &(&String, &Value)| own[name.as_str()]["value"] != *row["local_value"].as_str().unwrap_or("");
    let all: BTreeSet<String> = php.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    assert!(all.len() <= 3, "more than the build's own directory and settings: {all:?}");
    all
}

/// Compares every directive, both ways.
fn compare(what: &str, php: &Map<String, Value>, own: &Value) {
    let peculiar = peculiar();
    let own = own.as_object().unwrap();
    let mut wrong = Vec::new();
    for (name, row) in php.iter().filter(|(name, _)| !peculiar.contains(*name)) {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let want = (text("local_value"), text("global_value"), row["access"].as_u64());
        let Some(got) = own.get(name) else {
            wrong.push(format!("{name} is missing; PHP has {want:?}"));
            continue;
        };
        let got = (got["value"].as_str().unwrap(), got["global"].as_str().unwrap(), got["access"].as_u64());
        if got != want {
            wrong.push(format!("{name} is {got:?}, PHP has {want:?}"));
        }
    }
    let extra = own.keys().filter(|name| !php.contains_key(*name) && !name.starts_with("outlive."));
    wrong.extend(extra.map(|name| format!("PHP has no {name}")));
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    assert!(php.len() > 200, "{what}: only {} directives", php.len());
    println!("{what}: {} directives are the same", php.len() - peculiar.len());
}

fn dump(args: &[&str]) -> Value {
    json(&command().args(["dump", "--json"]).args(args).output().unwrap())
}

#[test]
fn apache_with_mod_php() {
    let Some(place) = stock("apache", &["/usr/sbin/apache2", "/usr/lib/apache2/modules/libphp8.2.so"]) else { return };
    let (port, www, root) = (free_port(), place.path("www"), place.0.to_str().unwrap().to_owned());
    add_lines(&place, "apache2", true);
    edit(&place, "etc/apache2/ports.conf", |text| text.replace("Listen 80", &format!("Listen 127.0.0.1:{port}")));
    edit(&place, "etc/apache2/sites-enabled/000-default.conf", |text| {
        let own = "php_value memory_limit 200M\nphp_admin_value user_agent vhost\n</VirtualHost>";
        let text = text.replace("*:80", &format!("*:{port}")).replace("/var/www/html", &www);
        text.replace("</VirtualHost>", own)
    });
    edit(&place, "etc/apache2/apache2.conf", |text| {
        text.replace("/var/www/", &www).replace("AllowOverride None", "AllowOverride All")
    });
    edit(&place, "etc/apache2/envvars", |text| text.replace("/var/", &format!("{root}/var/")));
    for directory in ["run", "log", "lock"] {
        fs::create_dir_all(place.0.join("var").join(directory).join("apache2")).unwrap();
    }
    let conf = format!(
        "ServerName localhost\nPHPINIDir {root}/etc/php/8.2/apache2\n<Directory {www}/deep>\nphp_admin_value precision 5\nphp_value sys_temp_dir /refused\n\
         php_flag display_errors yes\n</Directory>\n<FilesMatch all>\nphp_value docref_root files\n</FilesMatch>\n\
         <Location /deep>\nphp_value docref_ext none\n</Location>\n"
    );
    write(&place, "etc/apache2/conf-enabled/zz-ours.conf", &conf);
    write(
        &place,
        "www/deep/.htaccess",
        "php_value precision 6\nphp_value error_append_string \"a b\"\nphp_flag log_errors Off\n",
    );
    let scan = place.path("etc/php/8.2/apache2/conf.d");
    let main = place.path("etc/apache2/apache2.conf");
    let apache = ["-d", &place.path("etc/apache2"), "-f", &main, "-DFOREGROUND"].map(str::to_owned);
    let mut program = Command::new("/bin/sh");
    // As apache2ctl does it: the environment is the file's.
    program
        .args(["-c", ". \"$0\" && exec /usr/sbin/apache2 \"$@\""])
        .arg(place.path("etc/apache2/envvars"))
        .args(&apache);
    let server = Server::start(program.env("PHP_INI_SCAN_DIR", &scan), port);
    let php = table(&http_get(port, "/deep/all.php"));
    server.stop();
    let url = format!("http://localhost:{port}/deep/all.php");
    let scan = format!("PHP_INI_SCAN_DIR={scan}");
    compare("apache2handler", &php, &dump(&["--httpd-conf", &main, "--env", &scan, "--url", &url]));
}

/// README's examples, on Debian's files as they are installed: only where it listens and keeps its own files is another place.
#[test]
fn the_readme_on_debians_own_files() {
    let Some(place) = stock("readme", &["/usr/sbin/apache2"]) else { return };
    let Some(link) = support::mod_php_of(&place) else { return };
    let (port, root) = (free_port(), place.0.to_str().unwrap().to_owned());
    edit(&place, "etc/apache2/ports.conf", |text| text.replace("Listen 80", &format!("Listen 127.0.0.1:{port}")));
    edit(&place, "etc/apache2/sites-available/000-default.conf", |text| {
        text.replace("*:80", &format!("*:{port}")).replace("/var/www/html", &place.path("www"))
    });
    edit(&place, "etc/apache2/apache2.conf", |text| text.replace("/var/www/", &place.path("www")));
    edit(&place, "etc/apache2/envvars", |text| text.replace("/var/", &format!("{root}/var/")));
    for directory in ["run", "log", "lock"] {
        fs::create_dir_all(place.0.join("var").join(directory).join("apache2")).unwrap();
    }
    write(&place, "www/index.php", SCRIPT);
    let main = place.path("etc/apache2/apache2.conf");
    let mut program = Command::new("/bin/sh");
    program.args(["-c", ". \"$0\" && exec /usr/sbin/apache2 \"$@\""]).arg(place.path("etc/apache2/envvars"));
    program.args(["-d", &place.path("etc/apache2"), "-f", &main, "-DFOREGROUND"]).current_dir("/");
    let server = Server::start(&mut program, port);
    let php = table(&http_get(port, "/index.php"));
    server.stop();
    let url = format!("http://localhost:{port}/");
    let own = dump(&["--httpd-conf", &main, "--url", &url]);
    compare("the README", &php, &own);

    // Every line of php.ini is the origin of what it sets, unless a line behind it or a file of conf.d sets it again.
    let ini = format!("{}/apache2/php.ini", link.0.display());
    let text = fs::read_to_string(&ini).unwrap();
    let lines: BTreeMap<&str, usize> = (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let (name, _) = line.split_once('=').filter(|_| !line.starts_with([';', '[']))?;
            Some((name.trim(), number))
        })
        .collect();
    assert!(lines.len() > 80, "only {} lines", lines.len());
    let mut checked = 0;
    for (name, line) in lines {
        let Some(row) = own.get(name) else { continue };
        assert_eq!((row["file"].as_str(), row["line"].as_u64()), (Some(&*ini), Some(line as u64)), "{name}");
        checked += 1;
    }
    assert!(checked > 60, "only {checked} lines were looked at");

    // What stands on standard error says which PHP that is.
    let output =
        command().args(["get", "max_execution_time", "--json", "--context", "--httpd-conf", &main]).output().unwrap();
    let told = json(&output);
    let told = &told["answers"][0]["answering_for"];
    assert_eq!(
        (told["sapi"].as_str(), told["php_version"].as_str(), told["php_ini"].as_str()),
        (Some("apache2handler"), Some("8.2"), Some(&*ini))
    );
    let by = told["found_by"].as_str().unwrap();
    assert!(by.contains("libphp8.2.so") && by.contains("php8.2.load:"), "{by}");
    assert_eq!(
        told["scanned"].as_array().unwrap().len(),
        fs::read_dir(format!("{}/apache2/conf.d", link.0.display())).unwrap().count()
    );

    // Without the module's file nobody knows, and no default is passed off as the answer.
    fs::remove_file(place.path("libphp8.2.so")).unwrap();
    let output = command().args(["get", "max_execution_time", "--httpd-conf", &main]).output().unwrap();
    let said = support::err(&output);
    assert_eq!((output.status.code(), support::out(&output).as_str()), (Some(2), ""));
    assert!(
        said.contains("max_execution_time: not known")
            && said.contains("give --php-ini FILE")
            && said.contains("libphp8.2.so"),
        "{said}"
    );
}

#[test]
fn php_fpm() {
    let Some(place) = stock("fpm", &["/usr/sbin/php-fpm8.2"]) else { return };
    let (port, root) = (free_port(), place.0.to_str().unwrap().to_owned());
    add_lines(&place, "fpm", true);
    edit(&place, "etc/php/8.2/fpm/php-fpm.conf", |text| {
        text.replace("/run/php/", &format!("{root}/run/")).replace("/var/log/", &format!("{root}/run/"))
    });
    edit(&place, "etc/php/8.2/fpm/pool.d/www.conf", |text| {
        let own = "\nphp_admin_value[memory_limit] = 96M\nphp_value[precision] = 7\nphp_value[precision] = 8\n\
            php_flag[display_errors] = yes\nphp_value[sys_temp_dir] = /tmp/$pool\nphp_admin_flag[log_errors] = off\n";
        text.replace("listen = /run/php/php8.2-fpm.sock", &format!("listen = 127.0.0.1:{port}")) + own
    });
    let (ini, scan, conf) = (
        place.path("etc/php/8.2/fpm/php.ini"),
        place.path("etc/php/8.2/fpm/conf.d"),
        place.path("etc/php/8.2/fpm/php-fpm.conf"),
    );
    let mut program = Command::new("/usr/sbin/php-fpm8.2");
    let server = Server::start(program.args(["-F", "-c", &ini, "-y", &conf]).env("PHP_INI_SCAN_DIR", &scan), port);
    let (script, www) = (place.path("www/deep/all.php"), place.path("www"));
    let (value, admin) = ("user_agent = fastcgi\nprecision = 9", "docref_ext = .admin");
    let params = [
        ("SCRIPT_FILENAME", script.as_str()),
        ("DOCUMENT_ROOT", &www),
        ("REQUEST_METHOD", "GET"),
        ("SERVER_NAME", "localhost"),
        ("PHP_VALUE", value),
        ("PHP_ADMIN_VALUE", admin),
    ];
    let php = table(&fastcgi::ask(port, &params));
    server.stop();
    let (scan, value, admin) =
        (format!("PHP_INI_SCAN_DIR={scan}"), format!("PHP_VALUE={value}"), format!("PHP_ADMIN_VALUE={admin}"));
    let own = dump(&[
        "--php-ini",
        &ini,
        "--env",
        &scan,
        "--fpm-pool",
        &conf,
        "--file",
        &script,
        "--document-root",
        &www,
        "--host",
        "localhost",
        "--fastcgi-param",
        &value,
        "--fastcgi-param",
        &admin,
    ]);
    compare("fpm-fcgi", &php, &own);
}

#[test]
fn php_cgi() {
    let Some(place) = stock("cgi", &["/usr/bin/php-cgi8.2"]) else { return };
    add_lines(&place, "cgi", true);
    let (dir, scan) = (place.path("etc/php/8.2/cgi"), place.path("etc/php/8.2/cgi/conf.d"));
    let (script, www) = (place.path("www/deep/all.php"), place.path("www"));
    let mut program = Command::new("php-cgi8.2");
    program
        .args(["-c", &dir])
        .env("PHP_INI_SCAN_DIR", &scan)
        .env("REDIRECT_STATUS", "200")
        .env("REQUEST_METHOD", "GET");
    program.env("SCRIPT_FILENAME", &script).env("DOCUMENT_ROOT", &www).env("SERVER_NAME", "localhost");
    let php = table(&String::from_utf8_lossy(&program.output().unwrap().stdout));
    let scan = format!("PHP_INI_SCAN_DIR={scan}");
    let own = dump(&[
        "--sapi",
        "cgi-fcgi",
        "--php-ini-search",
        "--php-ini-path",
        &dir,
        "--env",
        &scan,
        "--file",
        &script,
        "--document-root",
        &www,
        "--host",
        "localhost",
    ]);
    compare("cgi-fcgi", &php, &own);
}

#[test]
fn the_command_line() {
    let Some(place) = stock("cli", &["/usr/bin/php8.2", "/usr/bin/php-cgi8.2"]) else { return };
    add_lines(&place, "cli", true);
    let (dir, scan, script) =
        (place.path("etc/php/8.2/cli"), place.path("etc/php/8.2/cli/conf.d"), place.path("www/deep/all.php"));
    let sets = ["-d", "precision=3", "-d", "user_agent=a b", "-d", "display_errors", "-d", "max_execution_time=7"];
    let mut program = Command::new("php8.2");
    let php = program.args(["-c", &dir]).args(sets).arg(&script).env("PHP_INI_SCAN_DIR", &scan).output().unwrap();
    let php = table(&String::from_utf8_lossy(&php.stdout));
    let scan = format!("PHP_INI_SCAN_DIR={scan}");
    let mut args = vec!["--sapi", "cli", "--php-ini-search", "--php-ini-path", &dir, "--env", &scan];
    args.extend(sets);
    compare("cli", &php, &dump(&args));
}

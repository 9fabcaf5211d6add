//! From a URL to the PHP that runs it, beside real servers: Apache with PHP-FPM, Apache with php-cgi, nginx with PHP-FPM. Every directive is
//! compared with ini_get_all() on that URL.

mod support;

#[path = "real/server.rs"]
mod server;

use serde_json::{Map, Value};
use server::{Server, free_port, http_get};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::{Place, ci, command, err, json};

const SCRIPT: &str = "<?php echo 'BEGIN', json_encode(ini_get_all()), 'END';";
const INI: &str = "precision = 11\nuser_agent = ini\nmemory_limit = 66M\n[PATH=@ROOT@/www/deep]\ndocref_root = /path/\n[HOST=localhost]\ndocref_ext = .host\n";

fn laid_out(name: &str, programs: &[&str]) -> Option<Place> {
    for program in programs {
        if !Path::new(program).exists() {
            assert!(!ci(), "{program} is missing: tests/run names the packages");
            eprintln!("left out: {program} is missing");
            return None;
        }
    }
    let files: [(&str, &[u8]); 4] = [
        ("www/deep/all.php", SCRIPT.as_bytes()),
        ("www/deep/.user.ini", b"upload_max_filesize = 3M\nuser_agent = user\nprecision = 12\n"),
        ("www/plain.txt", b"x"),
        ("run/x", b""),
    ];
    let place = Place::new(&format!("chains-{name}"), &files);
    write(&place, "php/php.ini", INI);
    write(&place, "fpm.conf", "[global]\nerror_log=@ROOT@/run/fpm.log\ninclude=@ROOT@/pools/*.conf\n");
    write(
        &place,
        "pools/www.conf",
        "[www]\nuser=www-data\ngroup=www-data\nlisten=@ROOT@/run/$pool.sock\nlisten.mode=0666\npm=static\npm.max_children=1\n\
         php_admin_value[memory_limit]=96M\nphp_value[post_max_size]=9M\n",
    );
    write(
        &place,
        "pools/other.conf",
        "[other]\nuser=www-data\ngroup=www-data\nlisten=@ROOT@/run/$pool.sock\nlisten.mode=0666\npm=static\npm.max_children=1\n",
    );
    Some(place)
}

fn write(place: &Place, name: &str, text: &str) {
    let path = place.0.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text.replace("@ROOT@", place.0.to_str().unwrap())).unwrap();
}

fn table(text: &str) -> Map<String, Value> {
    let (Some(start), Some(end)) = (text.find("BEGIN"), text.rfind("END")) else { panic!("no table in: {text}") };
    serde_json::from_str(&text[start + 5..end]).unwrap()
}

/// What this build begins with and others do not.
fn peculiar() -> BTreeSet<String> {
    let place =
        Place::new(&format!("chains-peculiar-{:?}", std::thread::current().id()), &[("all.php", SCRIPT.as_bytes())]);
    let php = Command::new("php-cgi8.2").args(["-n", "-q", "all.php"]).current_dir(&place.0).output().unwrap();
    let php = table(&String::from_utf8_lossy(&php.stdout));
    let own = json(&place.run(&["dump", "--json", "--built-in", "--sapi", "cgi-fcgi"]));
    php.iter()
        .filter(|(name, row)| own[name.as_str()]["value"] != *row["local_value"].as_str().unwrap_or(""))
        .map(|(name, _)| name.clone())
        .collect()
}

fn compare(what: &str, php: &Map<String, Value>, own: &Value) {
    let peculiar = peculiar();
    let mut wrong = Vec::new();
    for (name, row) in php.iter().filter(|(name, _)| !peculiar.contains(*name)) {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let got = &own[name.as_str()];
        let want = (text("local_value"), text("global_value"), row["access"].as_u64());
        let got = (got["value"].as_str().unwrap_or("?"), got["global"].as_str().unwrap_or("?"), got["access"].as_u64());
        if got != want {
            wrong.push(format!("{name} is {got:?}, PHP has {want:?}"));
        }
    }
    assert!(wrong.is_empty() && php.len() > 150, "{what}: {} directives, {wrong:#?}", php.len());
}

fn fpm(place: &Place) -> Server {
    let socket = place.path("run/www.sock");
    let mut program = Command::new("/usr/sbin/php-fpm8.2");
    program.args(["-F", "-c", &place.path("php/php.ini"), "-y", &place.path("fpm.conf")]).env("PHP_INI_SCAN_DIR", "");
    Server::start_until(&mut program, || std::os::unix::net::UnixStream::connect(&socket).is_ok())
}

/// What nginx hands over, by an include as packages have it.
const FASTCGI_PARAMS: &str = "fastcgi_param QUERY_STRING $query_string;\nfastcgi_param REQUEST_METHOD $request_method;\n\
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;\nfastcgi_param REQUEST_URI $request_uri;\nfastcgi_param DOCUMENT_ROOT $document_root;\n\
    fastcgi_param SERVER_PROTOCOL $server_protocol;\nfastcgi_param REMOTE_ADDR $remote_addr;\nfastcgi_param SERVER_PORT $server_port;\n\
    fastcgi_param SERVER_NAME $server_name;\nfastcgi_param REDIRECT_STATUS 200;\n";

const APACHE: &str = "ServerRoot \"@ROOT@\"\nServerName localhost\nListen 127.0.0.1:@PORT@\nPidFile @ROOT@/run/httpd.pid\n\
    ErrorLog @ROOT@/run/error.log\nUser www-data\nGroup www-data\nDefaultRuntimeDir @ROOT@/run\nMutex file:@ROOT@/run default\n\
    @MODULES@TypesConfig @ROOT@/mime.types\nDirectoryIndex index.php all.php\nDocumentRoot \"@ROOT@/www\"\n<Directory />\n\
    AllowOverride None\n</Directory>\n<Directory \"@ROOT@/www\">\nAllowOverride All\nRequire all granted\n</Directory>\n";

fn apache(place: &Place, port: u16, modules: &[&str], more: &str) -> Server {
    let modules: String = ["mpm_prefork", "authz_core", "dir", "mime", "alias", "env", "setenvif"]
        .iter()
        .chain(modules)
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let conf = APACHE.replace("@MODULES@", &modules).replace("@PORT@", &port.to_string());
    write(place, "mime.types", "text/html html\ntext/plain txt\n");
    write(place, "httpd.conf", &format!("{conf}{more}"));
    let mut program = Command::new("/usr/sbin/apache2");
    Server::start(program.args(["-f", &place.path("httpd.conf"), "-DFOREGROUND"]), port)
}

#[test]
fn apache_and_php_fpm() {
    let Some(place) = laid_out("apache-fpm", &["/usr/sbin/apache2", "/usr/sbin/php-fpm8.2"]) else { return };
    let port = free_port();
    let one = fpm(&place);
    let two = apache(
        &place,
        port,
        &["proxy", "proxy_fcgi", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests"],
        "<FilesMatch \\.php$>\nSetHandler \"proxy:unix:@ROOT@/run/www.sock|fcgi://localhost\"\n</FilesMatch>\n\
         SetEnv PHP_VALUE \"serialize_precision=5\"\nProxyFCGISetEnvIf \"true\" PHP_ADMIN_VALUE \"docref_root=/admin/\"\n\
         ProxyPassMatch \"^/passed/(.*\\.php)$\" \"unix:@ROOT@/run/other.sock|fcgi://other@ROOT@/www/$1\"\n\
         <Proxy \"balancer://first\">\nBalancerMember \"unix:@ROOT@/run/www.sock|fcgi://one\"\n</Proxy>\n\
         BalancerMember balancer://second \"unix:@ROOT@/run/other.sock|fcgi://two\"\n\
         <Proxy balancer://both>\nBalancerMember \"unix:@ROOT@/run/www.sock|fcgi://one\"\n\
         BalancerMember \"unix:@ROOT@/run/other.sock|fcgi://two\"\n</Proxy>\n\
         <Location /balanced/both>\nSetHandler \"proxy:balancer://both/\"\n</Location>\n\
         <Location /balanced/first>\nSetHandler \"proxy:balancer://first\"\n</Location>\n\
         <Location /balanced/second>\nSetHandler \"proxy:balancer://second\"\n</Location>\n",
    );
    let paths =
        ["/deep/all.php", "/deep/", "/passed/deep/all.php", "/balanced/first/all.php", "/balanced/second/all.php"];
    for kind in ["first", "second", "both"] {
        write(&place, &format!("www/balanced/{kind}/all.php"), SCRIPT);
    }
    let asked: Vec<(&str, Map<String, Value>)> =
        paths.iter().map(|path| (*path, table(&http_get(port, path)))).collect();
    drop(two);
    drop(one);
    for (path, php) in asked {
        let url = format!("http://localhost:{port}{path}");
        let output = command()
            .args(["dump", "--json", "--httpd-conf", &place.path("httpd.conf"), "--fpm-conf", &place.path("fpm.conf")])
            .args(["--php-ini", &place.path("php/php.ini"), "--scan-dir", "", "--url", &url])
            .output()
            .unwrap();
        compare(path, &php, &json(&output));
    }
    let url = format!("http://localhost:{port}/balanced/both/all.php");
    let output = command()
        .args(["get", "memory_limit", "--httpd-conf", &place.path("httpd.conf"), "--fpm-conf", &place.path("fpm.conf")])
        .args(["--php-ini", &place.path("php/php.ini"), "--scan-dir", "", "--url", &url])
        .output()
        .unwrap();
    assert!(err(&output).contains("several pools") && err(&output).contains("--pool NAME"), "{}", err(&output));
}

#[test]
fn apache_and_php_cgi() {
    let Some(place) = laid_out("apache-cgi", &["/usr/sbin/apache2", "/usr/lib/cgi-bin/php8.2"]) else { return };
    let port = free_port();
    let server = apache(
        &place,
        port,
        &["cgi", "actions"],
        &format!(
            "ScriptAlias /cgi-bin/ {}/cgi/\n<Directory {0}/cgi>\nRequire all granted\n</Directory>\nAddHandler own-php .php\n\
             Action own-php /cgi-bin/php\n",
            place.0.display()
        ),
    );
    write(
        &place,
        "cgi/php",
        "#!/bin/sh\nexport PHPRC=@ROOT@/php\nexport PHP_INI_SCAN_DIR=\nexec /usr/bin/php-cgi8.2 \"$@\"\n",
    );
    fs::set_permissions(place.path("cgi/php"), fs::Permissions::from_mode(0o755)).unwrap();
    let php = table(&http_get(port, "/deep/all.php"));
    drop(server);
    let url = format!("http://localhost:{port}/deep/all.php");
    let output = command().args(["dump", "--json", "--httpd-conf", &place.path("httpd.conf"), &url]).output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", err(&output));
    compare("php-cgi", &php, &json(&output));
}

#[test]
fn nginx_and_php_fpm() {
    let Some(place) = laid_out("nginx", &["/usr/sbin/nginx", "/usr/sbin/php-fpm8.2"]) else { return };
    let port = free_port();
    let one = fpm(&place);
    let conf = "user www-data;\ndaemon off;\npid @ROOT@/run/nginx.pid;\nerror_log @ROOT@/run/nginx.log;\nevents {}\nhttp {\n access_log off;\n\
        client_body_temp_path @ROOT@/run/a; proxy_temp_path @ROOT@/run/b; fastcgi_temp_path @ROOT@/run/c; uwsgi_temp_path @ROOT@/run/d;\n\
        scgi_temp_path @ROOT@/run/e;\n upstream php { server unix:@ROOT@/run/www.sock; }\n map $host $kind { default 4; localhost 7; }\n\
        server {\n  listen 127.0.0.1:@PORT@;\n  server_name localhost;\n  root @ROOT@/www;\n  index all.php;\n\
        location / { try_files $uri $uri/ /deep/all.php; }\n  location ~ \\.php$ {\n   fastcgi_pass php;\n   include fastcgi_params;\n\
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n   fastcgi_param PHP_VALUE \"serialize_precision=$kind\\nhtml_errors=0\";\n\
        fastcgi_param PHP_ADMIN_VALUE \"docref_root=/admin/\";\n  }\n }\n}\n";
    write(&place, "fastcgi_params", FASTCGI_PARAMS);
    write(&place, "nginx.conf", &conf.replace("@PORT@", &port.to_string()));
    let mut program = Command::new("/usr/sbin/nginx");
    let two = Server::start(program.args(["-c", &place.path("nginx.conf")]), port);
    let paths = ["/deep/all.php", "/deep/", "/none/at/all"];
    let asked: Vec<(&str, Map<String, Value>)> =
        paths.iter().map(|path| (*path, table(&http_get(port, path)))).collect();
    drop(two);
    drop(one);
    for (path, php) in asked {
        let url = format!("http://localhost:{port}{path}");
        let output = command()
            .args(["dump", "--json", "--nginx-conf", &place.path("nginx.conf"), "--fpm-conf", &place.path("fpm.conf")])
            .args(["--php-ini", &place.path("php/php.ini"), "--scan-dir", "", &url])
            .output()
            .unwrap();
        assert!(!output.stdout.is_empty(), "{}", err(&output));
        compare(path, &php, &json(&output));
    }
}

/// Sixty lines, each of which doubles what the one before has made, would be an exabyte.
#[test]
fn nginx_variables_that_double_are_not_followed() {
    let dir = std::env::temp_dir().join(format!("outlive-nginx-doubling-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let lines: String = (0..60).map(|at| format!("set $a{} $a{at}$a{at};\n", at + 1)).collect();
    let conf = format!(
        "events {{}}\nhttp {{ server {{ listen 80; server_name h; root {0}; set $a0 xxxxxxxxxxxxxxxx;\n{lines}location / {{ fastcgi_pass 127.0.0.1:9000;\n\
         fastcgi_param SCRIPT_FILENAME {0}/p.php; fastcgi_param PHP_VALUE user_agent=$a60; }} }} }}\n",
        dir.display()
    );
    std::fs::write(dir.join("nginx.conf"), conf).unwrap();
    std::fs::write(dir.join("pool.conf"), "[w]\nuser=x\nlisten=127.0.0.1:9000\npm=static\npm.max_children=2\n")
        .unwrap();
    let [nginx, pool] = ["nginx.conf", "pool.conf"].map(|name| dir.join(name));
    let output = command()
        .args(["explain", "user_agent", "--nginx-conf", nginx.to_str().unwrap(), "--fpm-pool", pool.to_str().unwrap()])
        .args(["--url", "http://h/p.php"])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
    assert!(said.contains("nginx.conf:") && said.contains("a value that is larger than 1 MiB"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

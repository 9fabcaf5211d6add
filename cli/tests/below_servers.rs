//! `outlive check` below document roots, on machines where the way from a URL to a PHP is longer: servers in front of others, https, panels,
//! several addresses, aliases, users' directories.

mod support;

use serde_json::Value;
use std::fs;
use support::roots::{DEBIAN, ask, root};
use support::{Place, json, out};

const MOD_PHP: [(&str, &str); 2] = [
    ("etc/apache2/mods-enabled/php8.2.load", "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n"),
    (
        "etc/apache2/mods-enabled/php8.2.conf",
        "<FilesMatch \".+\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n",
    ),
];
const MODULES: (&str, &str) = (
    "etc/apache2/mods-enabled/b.load",
    "LoadModule proxy_module m/p.so\nLoadModule proxy_fcgi_module m/f.so\nLoadModule proxy_http_module m/h.so\nLoadModule alias_module m/a.so\n\
     LoadModule userdir_module m/u.so\nLoadModule rewrite_module m/r.so\n",
);
const FPM: [(&str, &str); 3] = [
    ("etc/php/8.2/fpm/php-fpm.conf", "include=/etc/php/8.2/fpm/pool.d/*.conf\n"),
    ("etc/php/8.2/fpm/php.ini", "\n"),
    ("etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser=www-data\nlisten=/run/php/f.sock\npm=static\npm.max_children=1\n"),
];
/// What only an administrator may set, and a slip.
const USER_INI: &str = "sys_temp_dir = /x\nmemory_limt = 1G\n";
const TO_POOL: &str = "location ~ \\.php$ {\nfastcgi_pass unix:/run/php/f.sock;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n\
                       fastcgi_param DOCUMENT_ROOT $document_root;\n}\n";

fn nginx(servers: &str) -> String {
    format!("events {{}}\nhttp {{\n{servers}}}\n")
}

/// The lines of the answer about files in `dir`.
fn below(place: &Place, dir: &str, args: &[&str]) -> Vec<String> {
    let output = ask(place, &[&["check"], args].concat());
    out(&output).lines().filter(|line| line.starts_with(dir)).map(str::to_owned).collect()
}

/// That the lines begin with these, and there are no others.
#[track_caller]
fn begin(got: &[String], want: &[&str]) {
    assert!(
        got.len() == want.len() && got.iter().zip(want).all(|(got, want)| got.starts_with(want)),
        "{got:#?}\n{want:#?}"
    );
}

fn told(file: &str) -> [String; 2] {
    [
        format!("{file}:1: warning: `sys_temp_dir` has no effect here"),
        format!("{file}:2: warning: there is no directive `memory_limt`"),
    ]
}

#[track_caller]
fn tells(place: &Place, dir: &str, file: &str, args: &[&str]) {
    let want = told(file);
    begin(&below(place, dir, args), &[&want[0], &want[1]]);
}

/// An Apache that listens elsewhere, behind an nginx: its main server has no port of its own.
#[test]
fn an_apache_behind_another_server() {
    let main = DEBIAN[0].1.replace(
        "Listen 80\n",
        "Listen 127.0.0.1:8080\nDocumentRoot /srv/www\n<FilesMatch \\.php$>\nSetHandler \"proxy:unix:/run/php/f.sock|fcgi://x\"\n</FilesMatch>\n",
    );
    let front = nginx("server {\nlisten 80;\nroot /srv/www;\nlocation / { proxy_pass http://127.0.0.1:8080; }\n}\n");
    let own: [(&str, &str); 5] = [
        ("etc/apache2/apache2.conf", &main),
        MODULES,
        ("etc/nginx/nginx.conf", &front),
        ("srv/www/.user.ini", USER_INI),
        ("srv/www/x.php", ""),
    ];
    let place = root("front", &[&DEBIAN[1..3], &DEBIAN[4..], &FPM[..], &own[..]].concat());
    tells(&place, "/srv/www", "/srv/www/.user.ini", &[]);
    // Where that server is none that was found, who reads the file is not known.
    fs::remove_dir_all(place.path("etc/apache2")).unwrap();
    let got = below(&place, "/srv/www", &[]);
    begin(
        &got,
        &["/srv/www/.user.ini: note: this file was not checked, since the PHP that would read it is not known: "],
    );
    assert!(got[0].contains("passed on to another server (http://127.0.0.1:8080)"), "{got:#?}");
}

/// Each file of a PHP that is not known is named, and one that no PHP reads as well.
#[test]
fn files_that_nobody_is_known_to_read() {
    let own: [(&str, &str); 7] = [
        MODULES,
        (
            "etc/apache2/conf-enabled/x.conf",
            "<FilesMatch \\.php$>\nSetHandler application/x-httpd-ea-php81\n</FilesMatch>\n",
        ),
        ("etc/apache2/mods-enabled/z.load", "LoadModule some_module m/mod_some.so\n"),
        ("var/www/html/.user.ini", USER_INI),
        ("var/www/html/a/.user.ini", USER_INI),
        ("var/www/html/a/x.php", ""),
        ("var/www/html/b/.user.ini", USER_INI),
    ];
    let main =
        DEBIAN[0].1.replace("IncludeOptional sites", "IncludeOptional conf-enabled/*.conf\nIncludeOptional sites");
    let main = [("etc/apache2/apache2.conf", &*main)];
    let place = root("panel", &[&main, &DEBIAN[1..], &own[..]].concat());
    let got = below(&place, "/var/www", &[]);
    let note = "/.user.ini: note: this file was not checked, since the PHP that would read it is not known: no module that is known here has the \
                handler application/x-httpd-ea-php81";
    begin(&got, &["", "/a", "/b"].map(|dir| format!("/var/www/html{dir}{note}")).each_ref().map(|line| &**line));
    // No line gives a handler, and no unknown module is loaded: the files are sent as they are.
    fs::remove_file(place.path("etc/apache2/conf-enabled/x.conf")).unwrap();
    fs::remove_file(place.path("etc/apache2/mods-enabled/z.load")).unwrap();
    let got = below(&place, "/var/www", &[]);
    let note = "/.user.ini: note: nobody reads this file: no PHP runs what is served from this directory";
    begin(&got, &["", "/a", "/b"].map(|dir| format!("/var/www/html{dir}{note}")).each_ref().map(|line| &**line));
}

#[test]
fn addresses_of_an_nginx() {
    let redirect = "if ($scheme = http) { return 301 https://a.test$request_uri; }\n";
    let twice = "listen 80;\nlisten 443 ssl;\n";
    for (name, listen, more) in [
        ("only-tls", "listen 443 ssl http2;\n", redirect),
        ("tls-too", twice, redirect),
        ("old-tls", "listen 443;\nssl on;\n", redirect),
        ("other-address", "listen 10.0.0.1:80;\n", "server_name b.test;\n"),
    ] {
        let other = "server {\nlisten 127.0.0.1:80 default_server;\nreturn 404;\n}\n";
        let own = format!("{other}server {{\nserver_name a.test;\n{listen}root /srv/a;\n{more}{TO_POOL}}}\n");
        let files = [("srv/a/index.php", ""), ("srv/a/.user.ini", USER_INI), ("etc/passwd", DEBIAN[7].1)];
        let place = root(name, &[&FPM[..], &[("etc/nginx/nginx.conf", &*nginx(&own))], &files].concat());
        tells(&place, "/srv", "/srv/a/.user.ini", &[]);
    }
}

/// The file that PHP sees, by whichever name; and the first program that nginx hands over.
#[test]
fn roots_of_an_nginx() {
    let one = "location = /front.php {\nfastcgi_pass unix:/run/php/f.sock;\nfastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;\n\
               fastcgi_param DOCUMENT_ROOT $realpath_root;\n}\nlocation ~ \\.php$ { return 404; }\n";
    let alias = "location ^~ /tool/ {\nalias /srv/tool/;\nlocation ~ \\.php$ {\nfastcgi_pass unix:/run/php/f.sock;\n\
                 fastcgi_param SCRIPT_FILENAME $request_filename;\nfastcgi_param DOCUMENT_ROOT $document_root;\n}\n}\n\
                 location ^~ /bare/ {\nroot /srv;\nlocation ~ \\.php$ {\nfastcgi_pass unix:/run/php/f.sock;\n\
                 fastcgi_param SCRIPT_FILENAME $request_filename;\n}\n}\n";
    let server = format!("server {{\nlisten 80;\nroot /srv/current/public;\n{alias}{one}}}\n");
    let own: [(&str, &str); 10] = [
        ("srv/bare/.user.ini", USER_INI),
        ("srv/bare/x.php", ""),
        ("etc/nginx/nginx.conf", &nginx(&server)),
        ("etc/passwd", DEBIAN[7].1),
        ("srv/releases/7/public/a.php", ""),
        ("srv/releases/7/public/front.php", ""),
        ("srv/releases/7/public/.user.ini", USER_INI),
        ("srv/tool/.user.ini", USER_INI),
        ("srv/tool/x.php", ""),
        ("srv/other/.user.ini", USER_INI),
    ];
    let place = root("roots", &[&FPM[..], &own[..]].concat());
    std::os::unix::fs::symlink("releases/7", place.path("srv/current")).unwrap();
    let bare = "/srv/bare/.user.ini: warning: PHP does not read this file: the web server hands over no DOCUMENT_ROOT";
    let want =
        [&[bare.to_owned()][..], &told("/srv/releases/7/public/.user.ini"), &told("/srv/tool/.user.ini")].concat();
    begin(&below(&place, "/srv", &[]), &want.iter().map(|line| &**line).collect::<Vec<_>>());
    // The same by options, and as one document for programs.
    let conf = ["--nginx-conf", "/etc/nginx/nginx.conf", "--fpm-conf", "/etc/php/8.2/fpm/php-fpm.conf"];
    begin(&below(&place, "/srv", &conf), &want.iter().map(|line| &**line).collect::<Vec<_>>());
    for args in [&[][..], &conf] {
        let document = json(&ask(&place, &[&["check", "--json", "--context"], args].concat()));
        let files = document["answers"][0]["answer"].as_array().unwrap().iter().map(|one| &one["file"]);
        let files: Vec<&Value> =
            files.filter(|file| file.as_str().is_some_and(|file| file.starts_with("/srv"))).collect();
        assert_eq!(files.len(), 5, "{document:#}");
    }
    let output = ask(&place, &["check", "--nginx-conf", "/etc/nginx/nginx.conf"]);
    assert!(output.status.code() == Some(2) && support::err(&output).contains("--fpm-conf FILE"), "{output:?}");
}

/// A finding stands with the PHP that it is about, in the document of a machine too.
#[test]
fn the_document_of_a_machine() {
    let server = |name: &str, socket: &str| {
        format!(
            "server {{\nlisten 8080;\nserver_name {name}.test;\nroot /srv/{name};\n{}}}\n",
            TO_POOL.replace("f.sock", socket)
        )
    };
    let conf = nginx(&[server("a", "f.sock"), server("b", "g.sock")].concat());
    let own: [(&str, &str); 7] = [
        ("etc/nginx/nginx.conf", &conf),
        ("etc/php/8.2/fpm/pool.d/z.conf", "[z]\nuser=www-data\nlisten=/run/php/g.sock\npm=static\npm.max_children=1\n"),
        ("srv/a/x.php", ""),
        ("srv/a/.user.ini", USER_INI),
        ("srv/b/x.php", ""),
        ("srv/b/.user.ini", USER_INI),
        ("var/www/html/.htaccess", "php_value memory_limt 1G\n"),
    ];
    let place = root("document", &[&DEBIAN[..], &MOD_PHP, &FPM[..], &own[..]].concat());
    let document = json(&ask(&place, &["check", "--json", "--context"]));
    let mut all: Vec<(&str, &str)> = Vec::new();
    for answer in document["answers"].as_array().unwrap() {
        for one in answer["answer"].as_array().unwrap() {
            let file = one["file"].as_str().unwrap_or_default();
            if file.starts_with("/srv") || file.starts_with("/var") {
                all.push((answer["id"].as_str().unwrap(), file));
            }
        }
    }
    let want = [
        ("8.2/apache2", "/var/www/html/.htaccess"),
        ("8.2/fpm/www", "/srv/a/.user.ini"),
        ("8.2/fpm/www", "/srv/a/.user.ini"),
        ("8.2/fpm/z", "/srv/b/.user.ini"),
        ("8.2/fpm/z", "/srv/b/.user.ini"),
    ];
    assert_eq!(all, want, "{document:#}");
    // A named source beside what is on the machine: both are looked below.
    let html = format!(
        "LoadModule php_module m/libphp.so\nLoadModule mime_module m/mod_mime.so\nAddHandler application/x-httpd-php .php\nDocumentRoot {0}\n\
         <Directory {0}>\nAllowOverride All\n</Directory>\n",
        place.path("named")
    );
    fs::create_dir_all(place.path("named")).unwrap();
    fs::write(place.path("named.conf"), html).unwrap();
    fs::write(place.path("named/.htaccess"), "php_value memory_limt 1G\n").unwrap();
    fs::write(place.path("machine"), format!("--root {}", place.0.display())).unwrap();
    for words in [["named.conf", "@machine"], ["@machine", "named.conf"]] {
        let both = place.run(&[&["check"][..], &words].concat());
        for file in ["named/.htaccess", "/srv/a/.user.ini", "/srv/b/.user.ini", "/var/www/html/.htaccess"] {
            let said = out(&both).matches(&format!("{file}:")).count();
            assert_eq!(said, if file.starts_with("/srv") { 2 } else { 1 }, "{file}: {both:?}");
        }
    }
}

/// A program that is there stands for its directory, whatever its name and whoever may not be asked by index.php.
#[test]
fn programs_by_other_names() {
    let site = "<VirtualHost *:80>\nDocumentRoot /var/www/html\n<FilesMatch \"\\.phtml$|^run\\.php$\">\n\
                SetHandler \"proxy:unix:/run/php/f.sock|fcgi://x\"\n</FilesMatch>\n</VirtualHost>\n";
    let pool = format!("{}security.limit_extensions = .php .phtml\n", FPM[2].1);
    let own: [(&str, &str); 8] = [
        MODULES,
        ("etc/apache2/sites-enabled/000.conf", site),
        (FPM[2].0, &pool),
        ("var/www/html/a/.user.ini", USER_INI),
        ("var/www/html/a/start.phtml", ""),
        ("var/www/html/b/.user.ini", USER_INI),
        ("var/www/html/b/c/run.php", ""),
        ("var/www/html/b/c/lib.php", ""),
    ];
    let place = root("names", &[&DEBIAN[..3], &DEBIAN[4..], &FPM[..2], &own[..]].concat());
    let want = [told("/var/www/html/a/.user.ini"), told("/var/www/html/b/.user.ini")].concat();
    begin(&below(&place, "/var/www", &[]), &want.iter().map(|line| &**line).collect::<Vec<_>>());
}

/// Programs that ProxyPassMatch hands to PHP-FPM have no handler of their own.
#[test]
fn programs_that_are_passed_by_their_url() {
    let site = "<VirtualHost *:80>\nDocumentRoot /var/www/html\n\
                ProxyPassMatch ^/(.*\\.php(/.*)?)$ unix:/run/php/f.sock|fcgi://localhost/var/www/html/$1\n</VirtualHost>\n";
    let own: [(&str, &str); 4] = [
        MODULES,
        ("etc/apache2/sites-enabled/000.conf", site),
        ("var/www/html/a b/.user.ini", USER_INI),
        ("var/www/html/.htaccess", "<IfModule mod_php.c>\nphp_value memory_limit 1G\n</IfModule>\n"),
    ];
    let place = root("passed", &[&DEBIAN[..3], &DEBIAN[4..], &FPM[..], &own[..]].concat());
    tells(&place, "/var/www/html/a", "/var/www/html/a b/.user.ini", &[]);
}

/// Which line of AllowOverride counts is what httpd's walk says.
#[test]
fn the_line_that_keeps_a_file_unread() {
    let site = "<VirtualHost *:80>\nServerName a.test\nDocumentRoot /var/www/html\n<IfModule mod_dir.c>\n<Directory /var/www/html/x>\n\
                AllowOverride None\n</Directory>\n</IfModule>\n<Directory \"/var/www/html/[uv]p\">\nAllowOverride None\n</Directory>\n\
                <DirectoryMatch \"/up$\">\nAllowOverride All\n</DirectoryMatch>\n</VirtualHost>\n\
                <VirtualHost *:80>\nServerName b.test\nDocumentRoot /var/www/b\n<Directory /var/www/b/x>\nAllowOverride None\n</Directory>\n\
                <Directory /var/www/b>\nAllowOverride None\n</Directory>\n<Directory /var/www/b/y>\nAllowOverride All\n</Directory>\n</VirtualHost>\n";
    let text = "php_flag log_errors yes\n";
    let own: [(&str, &str); 7] = [
        ("etc/apache2/sites-enabled/000.conf", site),
        ("var/www/html/x/deep/.htaccess", text),
        ("var/www/html/up/.htaccess", text),
        ("var/www/b/.htaccess", text),
        ("var/www/b/x/.htaccess", text),
        ("var/www/b/y/.htaccess", text),
        ("var/www/b/z/.htaccess", text),
    ];
    let place = root("lines", &[&DEBIAN[..3], &DEBIAN[4..], &MOD_PHP, &own[..]].concat());
    let none = |dir: &str, line: u32| {
        format!(
            "/var/www/{dir}/.htaccess: warning: Apache does not read this file: AllowOverride None holds here, \
             /etc/apache2/sites-enabled/000.conf:{line} (it would set log_errors)"
        )
    };
    let yes = "/var/www/b/y/.htaccess:1: warning: php_flag reads `yes` as off".to_owned();
    let want = [none("b", 23), none("b/x", 20), yes, none("b/z", 23), none("html/up", 10), none("html/x/deep", 6)];
    begin(&below(&place, "/var/www", &[]), &want.each_ref().map(|line| &**line));
}

/// What `Alias` and `UserDir` name is looked at as well.
#[test]
fn directories_outside_of_document_roots() {
    let conf = "Alias /tool /usr/share/tool\nAlias /icon.png /usr/share/icon.png\n<Directory /usr/share/tool>\nAllowOverride All\n</Directory>\n\
                UserDir public_html\nUserDir disabled root berta\n<Directory /home/*/public_html>\nAllowOverride Options\n</Directory>\n";
    let site = "<VirtualHost *:80>\nDocumentRoot /var/www/html\nAlias /in /var/www/html/in\nUserDir /srv/users/*/www\n</VirtualHost>\n";
    let passwd = format!(
        "{}anna:x:1000:1000::/home/anna:/bin/sh\nberta:x:1001:1001::/home/berta:/bin/sh\nkarl:x:1002:1002::/home/karl:/bin/sh\n",
        DEBIAN[7].1
    );
    let main =
        DEBIAN[0].1.replace("IncludeOptional sites", "IncludeOptional conf-enabled/*.conf\nIncludeOptional sites");
    let text = "php_flag log_errors yes\n";
    let own: [(&str, &str); 11] = [
        MODULES,
        ("etc/apache2/apache2.conf", &main),
        ("etc/apache2/conf-enabled/x.conf", conf),
        ("etc/apache2/sites-enabled/000.conf", site),
        ("etc/passwd", &passwd),
        ("usr/share/tool/.htaccess", text),
        ("usr/share/icon.png", ""),
        ("home/anna/public_html/x/.htaccess", text),
        ("home/berta/public_html/.htaccess", text),
        ("var/www/html/in/.htaccess", text),
        ("srv/users/dora/www/.user.ini", "memory_limit = 1G\n"),
    ];
    let place = root("outside", &[&DEBIAN[1..3], &DEBIAN[4..7], &DEBIAN[8..], &MOD_PHP, &own[..]].concat());
    let got = below(&place, "/", &[]);
    let off = "/.htaccess:1: warning: php_flag reads `yes` as off";
    let want = [
        format!("/home/anna/public_html/x{off}"),
        "/srv/users/dora/www/.user.ini: warning: this file has no effect: apache2handler does not read it".into(),
        format!("/usr/share/tool{off}"),
        format!("/var/www/html/in{off}"),
    ];
    begin(&got, &want.each_ref().map(|line| &**line));
}

/// Servers that send some away: with a password, or with https, PHP reads its files.
#[test]
fn an_nginx_that_lets_some_in() {
    let front =
        |server: &str| nginx(&format!("server {{\nlisten 80;\nserver_name a.test;\nroot /srv/www;\n{server}}}\n"));
    let lay = |name: &str, conf: &str| {
        let own: [(&str, &str); 3] =
            [("etc/nginx/nginx.conf", conf), ("srv/www/.user.ini", USER_INI), ("srv/www/x.php", "")];
        root(name, &[&DEBIAN[3..], &FPM[..], &own[..]].concat())
    };
    let password = front(&format!("auth_basic x;\nauth_basic_user_file /etc/nginx/p;\n{TO_POOL}"));
    tells(&lay("password", &password), "/srv/www", "/srv/www/.user.ini", &[]);
    let unknown =
        "/srv/www/.user.ini: note: this file was not checked, since the PHP that would read it is not known: ";
    for (name, line) in [
        ("inside", "allow 10.0.0.0/8;\ndeny all;\n"),
        ("balancer", "if ($http_x_forwarded_proto != \"https\") { return 301 https://a.test$request_uri; }\n"),
        ("closed", "if (-f /srv/closed) { return 503; }\nif ($http_x_open = \"\") { return 503; }\n"),
    ] {
        begin(&below(&lay(name, &front(&(line.to_owned() + TO_POOL))), "/srv/www", &[]), &[unknown]);
    }
    // The directory of PHP's container, or of its chroot.
    let other = TO_POOL.replace("$document_root", "/var/www");
    begin(&below(&lay("container", &front(&other)), "/srv/www", &[]), &[unknown]);
}

/// A release that a link leads to is one directory, by whichever path servers name it.
#[test]
fn a_file_below_a_link_is_read_by_one_server() {
    let pool = TO_POOL.replace("$document_root", "$realpath_root");
    let conf = nginx(&format!(
        "server {{\nlisten 80;\nserver_name a.test;\nroot /srv/current;\nreturn 301 https://a.test$request_uri;\n}}\n\
         server {{\nlisten 443 ssl;\nserver_name a.test;\nroot /srv/current;\n{pool}}}\n"
    ));
    let own: [(&str, &str); 3] =
        [("etc/nginx/nginx.conf", &conf), ("srv/releases/1/.user.ini", USER_INI), ("srv/releases/1/x.php", "")];
    let place = root("releases", &[&DEBIAN[3..], &FPM[..], &own[..]].concat());
    std::os::unix::fs::symlink("releases/1", place.path("srv/current")).unwrap();
    tells(&place, "/srv", "/srv/releases/1/.user.ini", &[]);
}

//! What somebody asks who comes to a machine and knows nothing of it: the first line is what a colleague would say.

mod support;

use support::roots::ask;
use support::{Place, err, out};

const ACCOUNTS: (&str, &str) =
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n");
const MODULES: &str = "LoadModule mpm_prefork_module /x/mod_mpm_prefork.so\nLoadModule authz_core_module /x/mod_authz_core.so\n\
    LoadModule dir_module /x/mod_dir.so\nLoadModule mime_module /x/mod_mime.so\nTypesConfig /dev/null\nServerName localhost\nDirectoryIndex index.php\n\
    <Directory />\nAllowOverride All\nRequire all granted\n</Directory>\n";

fn root(name: &str, files: &[(&str, &str)]) -> Place {
    let bytes: Vec<(&str, &[u8])> =
        files.iter().chain([&ACCOUNTS]).map(|(name, text)| (*name, text.as_bytes())).collect();
    Place::new(&format!("stranger-{name}"), &bytes)
}

/// Both outputs, for a look at what is said.
fn said(place: &Place, args: &[&str]) -> String {
    let output = ask(place, args);
    format!("{}{}", err(&output), out(&output))
}

fn first_line(place: &Place, args: &[&str]) -> String {
    out(&ask(place, args)).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_line_for_the_mod_php_of_before() {
    let conf = format!(
        "{MODULES}Listen 80\nLoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\nAddHandler application/x-httpd-php .php\nDocumentRoot /www\n"
    );
    let place = root(
        "wordpress",
        &[
            ("etc/apache2/apache2.conf", &conf),
            ("etc/php/8.2/apache2/php.ini", "upload_max_filesize = 32M\npost_max_size = 8M\n"),
            ("www/index.php", ""),
            (
                "www/.htaccess",
                "<IfModule mod_php7.c>\nphp_value upload_max_filesize 64M\n</IfModule>\nphp_value memory_limit 256M\n",
            ),
        ],
    );
    let text = said(&place, &["explain", "upload_max_filesize", "http://localhost/"]);
    assert!(text.contains("upload_max_filesize = 32M"), "{text}");
    assert!(
        text.contains("/www/.htaccess:2: skipped: it stands in <IfModule mod_php7.c>, and no such module is loaded"),
        "{text}"
    );
    // A whole request has to fit, too.
    assert!(
        text.contains("post_max_size = 8M (/etc/php/8.2/apache2/php.ini:2) is less: no upload can be larger"),
        "{text}"
    );
    // Nothing is said of lines that count.
    let text = said(&place, &["explain", "memory_limit", "http://localhost/"]);
    assert!(text.contains("memory_limit = 256M") && !text.contains("skipped"), "{text}");
    // A file that Apache does not open.
    std::fs::write(place.path("etc/apache2/apache2.conf"), conf.replace("AllowOverride All", "AllowOverride None"))
        .unwrap();
    let text = said(&place, &["explain", "memory_limit", "http://localhost/"]);
    assert!(text.contains("memory_limit = 128M"), "{text}");
    assert!(text.contains("/www/.htaccess:4: skipped: Apache does not read this file: AllowOverride None"), "{text}");
}

#[test]
fn two_apaches() {
    let site = |port: u16, root: &str, module: &str| {
        format!(
            "{MODULES}Listen {port}\nLoadModule php_module {module}\nAddHandler application/x-httpd-php .php\nDocumentRoot {root}\n"
        )
    };
    let one = site(80, "/var/www/html", "/usr/lib/apache2/modules/libphp8.2.so");
    let two = site(8080, "/opt/lampp/htdocs", "/opt/lampp/modules/libphp.so");
    let place = root(
        "two",
        &[
            ("etc/apache2/apache2.conf", &one),
            ("etc/php/8.2/apache2/php.ini", "memory_limit = 140M\n"),
            ("var/www/html/index.php", ""),
            ("opt/lampp/etc/httpd.conf", &two),
            ("opt/lampp/etc/php.ini", "memory_limit = 95M\n"),
            ("opt/lampp/htdocs/index.php", ""),
        ],
    );
    // Each URL is of the one that listens there.
    assert_eq!(
        first_line(&place, &["explain", "memory_limit", "http://localhost:8080/"]),
        "memory_limit = 95M  (95 MiB)"
    );
    assert_eq!(first_line(&place, &["explain", "memory_limit", "http://localhost/"]), "memory_limit = 140M  (140 MiB)");
    let text = said(&place, &["explain", "memory_limit", "http://localhost:81/"]);
    assert!(text.contains("no web server that was found listens on port 81"), "{text}");
    // Without one it is a table, whose ids differ and choose.
    let text = said(&place, &["explain", "memory_limit"]);
    let id = "8.2/apache2/opt/lampp/etc/httpd.conf";
    assert!(text.contains("it depends on the PHP; 2 serve requests here") && text.contains(id), "{text}");
    assert_eq!(first_line(&place, &["get", "memory_limit", "--php", id]), "95M");
}

#[test]
fn php_in_another_container() {
    let conf = "events {}\nhttp {\nserver {\nlisten 80;\nroot /www;\nindex index.php;\nlocation ~ \\.php$ {\nfastcgi_pass php:9000;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n}\n}\n}\n";
    let place = root("compose", &[("etc/nginx/nginx.conf", conf), ("www/index.php", "")]);
    let text = said(&place, &["explain", "memory_limit", "http://localhost/"]);
    assert!(text.contains("php:9000 is another machine or container: name its tree (--root DIR)"), "{text}");
    let output = ask(&place, &["explain", "memory_limit"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        err(&output).contains("no PHP was found here, only nginx (/etc/nginx/nginx.conf): give a URL"),
        "{output:?}"
    );
}

#[test]
fn an_image_without_a_php_ini() {
    let place = root(
        "image",
        &[
            ("usr/local/etc/php/conf.d/docker-php-ext-sodium.ini", "extension=sodium\n"),
            ("usr/local/etc/php-fpm.conf", "[global]\ninclude=etc/php-fpm.d/*.conf\n"),
            ("usr/local/etc/php-fpm.d/www.conf", "[www]\nuser = www-data\nlisten = 9000\n"),
        ],
    );
    let text = said(&place, &["explain", "memory_limit"]);
    assert!(
        text.contains("write memory_limit = VALUE into a .ini file of /usr/local/etc/php/conf.d, then reload PHP-FPM"),
        "{text}"
    );
    assert!(text.contains("the version of the PHP found by /usr/local/etc/php-fpm.conf is not known"), "{text}");
}

#[test]
fn three_phps_that_agree() {
    let mut files: Vec<(String, String)> = Vec::new();
    for version in ["7.4", "8.1", "8.3"] {
        let conf = format!("[global]\ninclude=/etc/php/{version}/fpm/pool.d/*.conf\n");
        files.push((format!("etc/php/{version}/fpm/php-fpm.conf"), conf));
        files.push((
            format!("etc/php/{version}/fpm/pool.d/www.conf"),
            format!("[www]\nlisten = /run/php/php{version}-fpm.sock\n"),
        ));
        files.push((format!("etc/php/{version}/fpm/php.ini"), "memory_limit = 99M\n".into()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let place = root("agree", &files);
    // Who changes one has not changed the others.
    let text = said(&place, &["explain", "memory_limit"]);
    assert!(text.contains("memory_limit = 99M"), "{text}");
    assert!(
        text.contains("each has it from a place of its own") && text.contains("8.3/fpm/www /etc/php/8.3/fpm/php.ini:1"),
        "{text}"
    );
    assert!(!said(&place, &["explain", "precision"]).contains("a place of its own"));
    // Two command lines of one version have ids of their own.
    std::fs::create_dir_all(place.path("etc/opt/remi/php82/php.d")).unwrap();
    std::fs::write(place.path("etc/opt/remi/php82/php.ini"), "").unwrap();
    std::fs::write(place.path("etc/php.ini"), "").unwrap();
    let rows = out(&ask(&place, &["where", "--json"]));
    let ids: Vec<&str> = rows.split("\"id\": \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert!(ids.len() >= 5 && ids.len() == unique.len(), "{ids:?}");
}

#[test]
fn the_module_in_nginx_has_words_of_its_own() {
    let conf = "events {}\nhttp {\nserver {\nlisten 80;\nroot /www;\nindex index.php;\noutlive_disconnect auto;\n\
        location ~ \\.php$ {\nfastcgi_pass 127.0.0.1:9000;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n}\n}\n}\n";
    let place = root(
        "nginx",
        &[
            ("etc/nginx/nginx.conf", conf),
            ("etc/php/8.2/fpm/php-fpm.conf", "[www]\nlisten = 9000\n"),
            ("etc/php/8.2/fpm/php.ini", "memory_limit = 87M\n"),
            ("www/index.php", ""),
        ],
    );
    assert_eq!(first_line(&place, &["get", "memory_limit", "http://localhost/"]), "87M");
    // PHP-FPM's default is not passed off as the answer.
    let output = ask(&place, &["get", "outlive.disconnect", "http://localhost/"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{output:?}");
    assert!(err(&output).contains("not known") && err(&output).contains("/etc/nginx/nginx.conf:7"), "{output:?}");
}

#[test]
fn what_is_meant_by_a_name_and_a_link() {
    let conf = "events {}\nhttp {\nserver {\nlisten 80;\nroot /www;\nindex index.php;\nlocation ~ \\.php$ {\n\
        fastcgi_pass unix:/run/php/php-fpm.sock;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n}\n}\n}\n";
    let place = root(
        "names",
        &[
            ("etc/nginx/nginx.conf", conf),
            ("etc/php/8.2/fpm/php-fpm.conf", "[www]\nlisten = /run/php/php8.2-fpm.sock\n"),
            ("etc/php/8.2/fpm/php.ini", "display_errors = Off\n"),
            ("www/index.php", ""),
            ("run/php/x", ""),
            ("etc/alternatives/x", ""),
        ],
    );
    // Debian's alternatives: the socket itself is not in an image.
    std::os::unix::fs::symlink("/etc/alternatives/php-fpm.sock", place.path("run/php/php-fpm.sock")).unwrap();
    std::os::unix::fs::symlink("/run/php/php8.2-fpm.sock", place.path("etc/alternatives/php-fpm.sock")).unwrap();
    let line = first_line(&place, &["explain", "display_errors", "http://localhost/"]);
    assert_eq!(line, "display_errors = (empty)  (off)");
    for (wrong, right) in [
        ("upload_max_size", "upload_max_filesize"),
        ("max_upload_size", "upload_max_filesize"),
        ("timezone", "date.timezone"),
    ] {
        let text = said(&place, &["get", wrong]);
        assert!(text.contains(&format!("did you mean `{right}`?")), "{text}");
    }
}

#[test]
fn a_file_is_asked_of_the_server_that_has_it() {
    let site = |name: &str, version: &str| {
        format!(
            "server {{\nlisten 80;\nserver_name {name}.example;\nroot /www/{name};\nindex index.php;\nlocation ~ \\.php$ {{\n\
             fastcgi_pass unix:/run/{version}.sock;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n}}\n}}\n"
        )
    };
    let conf = format!("events {{}}\nhttp {{\n{}{}}}\n", site("old", "7.4"), site("shop", "8.3"));
    let place = root(
        "file",
        &[
            ("etc/nginx/nginx.conf", &conf),
            ("etc/php/7.4/fpm/php-fpm.conf", "[www]\nlisten = /run/7.4.sock\n"),
            ("etc/php/7.4/fpm/php.ini", "memory_limit = 74M\n"),
            ("etc/php/8.3/fpm/php-fpm.conf", "[www]\nlisten = /run/8.3.sock\n"),
            ("etc/php/8.3/fpm/php.ini", "memory_limit = 83M\n"),
            ("www/old/index.php", ""),
            ("www/shop/index.php", ""),
        ],
    );
    assert_eq!(first_line(&place, &["get", "memory_limit", "/www/shop/index.php"]), "83M");
    assert_eq!(first_line(&place, &["get", "memory_limit", "/www/old/index.php"]), "74M");
    assert!(
        said(&place, &["get", "memory_limit", "/srv/x.php"])
            .contains("no server of nginx has /srv/x.php below a root of its own")
    );
}

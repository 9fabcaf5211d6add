//! docs/why-is-my-setting-ignored.md: fifteen situations, laid out as files, and what the command says of each. The page is made of this:
//! BLESS=1 cargo test -p outlive-cli --test why writes it.

mod support;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::{Place, ci, err, out};

/// One situation.
struct Case {
    title: &'static str,
    /// What somebody has done.
    story: &'static str,
    /// The server, its accounts and a page.
    server: &'static [File],
    files: &'static [File],
    args: &'static [&'static str],
    /// What the answer must have in it.
    says: &'static [&'static str],
    /// What to do.
    cure: &'static str,
}

/// A file of a case: its name and its text.
type File = (&'static str, &'static str);

/// Apache's main file.
macro_rules! apache {
    ($mpm:literal, $modules:literal, $handler:literal, $may:literal, $more:literal) => {
        (
            "etc/apache2/apache2.conf",
            concat!(
                concat!("LoadModule mpm_", $mpm, "_module modules/mod_mpm_", $mpm, ".so\n"),
                "LoadModule authz_core_module modules/mod_authz_core.so\nLoadModule dir_module modules/mod_dir.so\n",
                concat!(
                    $modules,
                    "ServerName shop.example\nUser www-data\nGroup www-data\nDocumentRoot /var/www/html\n"
                ),
                concat!("DirectoryIndex index.php\n<FilesMatch \\.php$>\n  SetHandler ", $handler, "\n</FilesMatch>\n"),
                concat!(
                    "<Directory /var/www/html>\n  AllowOverride ",
                    $may,
                    "\n  Require all granted\n</Directory>\n",
                    $more
                ),
            ),
        )
    };
}

/// Apache with mod_php.
macro_rules! mod_php {
    ($may:literal, $more:literal) => {
        apache!(
            "prefork",
            "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n",
            "application/x-httpd-php",
            $may,
            $more
        )
    };
}

const APACHE: File = mod_php!("All", "IncludeOptional conf-enabled/*.conf\n");
const NO_OVERRIDE: File = mod_php!("None", "");
const PROXY: File = apache!(
    "event",
    "LoadModule proxy_module modules/mod_proxy.so\nLoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so\n",
    "\"proxy:unix:/run/php/php8.2-fpm.sock|fcgi://localhost\"",
    "All",
    ""
);
const NGINX: File = (
    "etc/nginx/nginx.conf",
    "events {}\nhttp {\n  server {\n    listen 80;\n    server_name shop.example;\n    root /var/www/html;\n    index index.php;\n\
         location / { try_files $uri $uri/ /index.php?$args; }\n    location ~ \\.php$ {\n      fastcgi_pass unix:/run/php/php8.2-fpm.sock;\n\
           fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n      fastcgi_param DOCUMENT_ROOT $document_root;\n\
           fastcgi_param PHP_ADMIN_VALUE \"upload_max_filesize=4M\";\n    }\n  }\n}\n",
);
const FPM: File = ("etc/php/8.2/fpm/php-fpm.conf", "[global]\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n");
const POOL: File = (
    "etc/php/8.2/fpm/pool.d/www.conf",
    "[www]\nuser = www-data\ngroup = www-data\nlisten = /run/php/php8.2-fpm.sock\n",
);
const STRICT_POOL: File = (
    "etc/php/8.2/fpm/pool.d/www.conf",
    "[www]\nuser = www-data\ngroup = www-data\nlisten = /run/php/php8.2-fpm.sock\nphp_admin_value[memory_limit] = 128M\n",
);
const PAGE: File = ("var/www/html/index.php", "<?php\n");
const ACCOUNTS: File = ("etc/passwd", "www-data:x:33:33::/var/www:/usr/sbin/nologin\n");
/// The servers that most have.
const MOD_PHP: &[File] = &[APACHE, PAGE, ACCOUNTS];
const PHP_FPM: &[File] = &[PROXY, FPM, POOL, PAGE, ACCOUNTS];
const URL: &str = "http://shop.example/";

const CASES: [Case; 15] = [
    Case {
        title: "The php.ini of the command line was edited",
        story: "`php --ini` names a file. It is the file of the command line; the web server's PHP has another one.",
        server: MOD_PHP,
        files: &[
            ("etc/php/8.2/cli/php.ini", "upload_max_filesize = 64M\n"),
            ("etc/php/8.2/apache2/php.ini", "upload_max_filesize = 2M\n"),
        ],
        args: &["explain", "upload_max_filesize", URL],
        says: &[
            "upload_max_filesize = 2M",
            "/etc/php/8.2/apache2/php.ini:1",
            "it is the php.ini of another SAPI (cli)",
        ],
        cure: "Set it in the file that is in force, and reload the web server.",
    },
    Case {
        title: "`.htaccess` under PHP-FPM",
        story: "`php_value` lines belong to mod_php. Behind PHP-FPM they do nothing (and where no module knows them, they are an error 500).",
        server: PHP_FPM,
        files: &[
            ("etc/php/8.2/fpm/php.ini", "memory_limit = 128M\n"),
            ("var/www/html/.htaccess", "php_value memory_limit 512M\n"),
        ],
        args: &["explain", "memory_limit", URL],
        says: &["500"],
        cure: "Write `memory_limit = 512M` into a `.user.ini` beside the program, or into the pool.",
    },
    Case {
        title: "`.user.ini` under mod_php",
        story: "The other way round: `.user.ini` is read by CGI and FPM only.",
        server: MOD_PHP,
        files: &[("etc/php/8.2/apache2/php.ini", ""), ("var/www/html/.user.ini", "memory_limit = 512M\n")],
        args: &["explain", "memory_limit", URL],
        says: &["memory_limit = 128M", "apache2handler does not read it, only CGI and FPM do; use .htaccess"],
        cure: "Write `php_value memory_limit 512M` into `.htaccess`.",
    },
    Case {
        title: "AllowOverride None",
        story: "Apache does not even open the `.htaccess`.",
        server: &[NO_OVERRIDE, PAGE, ACCOUNTS],
        files: &[("etc/php/8.2/apache2/php.ini", ""), ("var/www/html/.htaccess", "php_value memory_limit 512M\n")],
        args: &["explain", "memory_limit", URL],
        says: &["memory_limit = 128M"],
        cure: "Allow it (`AllowOverride Options` or `All`), or set the value in the virtual host.",
    },
    Case {
        title: "The pool locks it",
        story: "`php_admin_value` in the pool beats `.user.ini` and `ini_set`.",
        server: &[PROXY, FPM, STRICT_POOL, PAGE, ACCOUNTS],
        files: &[
            ("etc/php/8.2/fpm/php.ini", "memory_limit = 256M\n"),
            ("var/www/html/.user.ini", "memory_limit = 512M\n"),
        ],
        args: &["explain", "memory_limit", URL],
        says: &["memory_limit = 128M", "locked by /etc/php/8.2/fpm/pool.d/www.conf:5", "refused"],
        cure: "Change it in the pool, or make the pool's line a `php_value`.",
    },
    Case {
        title: "nginx hands over a value",
        story: "`fastcgi_param PHP_ADMIN_VALUE` in nginx is stronger than php.ini.",
        server: &[NGINX, FPM, POOL, PAGE, ACCOUNTS],
        files: &[("etc/php/8.2/fpm/php.ini", "upload_max_filesize = 64M\n")],
        args: &["explain", "upload_max_filesize", URL],
        says: &["upload_max_filesize = 4M", "/etc/nginx/nginx.conf:13"],
        cure: "Change nginx's line, and reload nginx.",
    },
    Case {
        title: "A file of conf.d comes later",
        story: "The scan directory is read after php.ini, in the order of names.",
        server: MOD_PHP,
        files: &[
            ("etc/php/8.2/apache2/php.ini", "memory_limit = 512M\n"),
            ("etc/php/8.2/apache2/conf.d/99-limits.ini", "memory_limit = 64M\n"),
        ],
        args: &["explain", "memory_limit", URL],
        says: &["memory_limit = 64M", "99-limits.ini:1: in force", "overridden"],
        cure: "Change the later file, or write one that comes after it.",
    },
    Case {
        title: "Not allowed at this level",
        story: "`.htaccess` may not set a directive that belongs to the system: PHP ignores the line and says nothing.",
        server: MOD_PHP,
        files: &[
            ("etc/php/8.2/apache2/php.ini", ""),
            ("var/www/html/.htaccess", "php_flag allow_url_include on\nphp_value disable_functions exec\n"),
        ],
        args: &["explain", "disable_functions", URL],
        says: &["refused"],
        cure: "Set it in php.ini; for what counts per directory use `php_admin_value` in the virtual host.",
    },
    Case {
        title: "`disable_functions` by php_admin_value",
        story: "PHP shows the value, and disables nothing: it looks at it once, when it starts.",
        server: MOD_PHP,
        files: &[
            ("etc/php/8.2/apache2/php.ini", ""),
            ("etc/apache2/conf-enabled/hard.conf", "php_admin_value disable_functions exec\n"),
        ],
        args: &["explain", "disable_functions", URL],
        says: &["does not act on it", "conf-enabled/hard.conf:1"],
        cure: "Write it into php.ini.",
    },
    Case {
        title: "A `;` or `#` that is no comment",
        story: "In php.ini a `#` after a value does not begin a comment.",
        server: MOD_PHP,
        files: &[("etc/php/8.2/apache2/php.ini", "memory_limit = 512M # for imports\n")],
        args: &["check"],
        says: &["php.ini:1"],
        cure: "Use `;`.",
    },
    Case {
        title: "`512MB` is 512 bytes",
        story: "A quantity is a number and one letter, K, M or G.",
        server: MOD_PHP,
        files: &[("etc/php/8.2/apache2/php.ini", "upload_max_filesize = 512MB\n")],
        args: &["explain", "upload_max_filesize", URL],
        says: &["512 bytes"],
        cure: "Write `512M`.",
    },
    Case {
        title: "The extension is not loaded",
        story: "A directive of an extension that no file loads sets nothing.",
        server: MOD_PHP,
        files: &[("etc/php/8.2/apache2/php.ini", "extension = mbstring\nxdebug.mode = debug\n")],
        args: &["explain", "xdebug.mode", URL],
        says: &["xdebug.mode belongs to xdebug, which no file loads", "php.ini:2 would set it to debug"],
        cure: "Load it: `zend_extension = xdebug`.",
    },
    Case {
        title: "Two PHPs",
        story: "Which of them is meant? Without a URL the answer is a table.",
        server: PHP_FPM,
        files: &[
            ("etc/php/8.2/fpm/php.ini", "max_execution_time = 60\n"),
            ("etc/php/8.4/fpm/php-fpm.conf", "[www]\nlisten = /run/php/php8.4-fpm.sock\n"),
            ("etc/php/8.4/fpm/php.ini", "max_execution_time = 90\n"),
            ("etc/php/8.4/cli/php.ini", ""),
        ],
        args: &["explain", "max_execution_time"],
        says: &["8.2/fpm/www", "8.4/fpm/www", "60", "90", "serves no request"],
        cure: "Ask with the URL, or with `--php`.",
    },
    Case {
        title: "The server may not read the `.htaccess`",
        story: "It belongs to somebody else, mode 0600. Root can read it, Apache's account cannot: everything below is 403.",
        server: MOD_PHP,
        files: &[("etc/php/8.2/apache2/php.ini", ""), ("var/www/html/.htaccess", "php_value memory_limit 512M\n")],
        args: &["get", "memory_limit", URL],
        says: &["403"],
        cure: "`chmod 644 .htaccess`",
    },
    Case {
        title: "No PHP runs at all",
        story: "The handler's socket belongs to a PHP that has been removed.",
        server: &[PROXY, PAGE, ACCOUNTS],
        files: &[("etc/php/8.4/fpm/php-fpm.conf", "[www]\nlisten = /run/php/php8.4-fpm.sock\n")],
        args: &["explain", "memory_limit", URL],
        says: &["no pool that was found listens on /run/php/php8.2-fpm.sock", "8.4/fpm/www"],
        cure: "Point the handler at a pool that exists.",
    },
];

/// What the command says, in the order in which a terminal shows it.
fn told(case: &Case, place: &Place) -> String {
    let output = place.run(&[case.args, &["--root", "."]].concat());
    format!("{}{}", err(&output), out(&output)).trim_end().to_owned()
}

#[test]
fn the_page_has_what_the_command_says() {
    let mut page = String::from(
        "# Why is my setting ignored?\n\nFifteen situations that people meet, each with the command's real answer. A test lays the files out and makes this page \
         (`cli/tests/why.rs`); on a server leave `--root .` out.\n",
    );
    for (number, case) in CASES.iter().enumerate() {
        let files = case.server.iter().chain(case.files);
        let files: Vec<(&str, &[u8])> = files.map(|(name, text)| (*name, text.as_bytes())).collect();
        let place = Place::new(&format!("why-{number}"), &files);
        if case.title.contains("may not read") {
            let file = place.path("var/www/html/.htaccess");
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let told = told(case, &place);
        for part in case.says {
            assert!(told.contains(part), "{}: {part}:\n{told}", case.title);
        }
        let args: Vec<String> = case
            .args
            .iter()
            .map(|arg| if arg.contains(' ') { format!("'{arg}'") } else { (*arg).to_owned() })
            .collect();
        let _ = write!(page, "\n## {}. {}\n\n{}\n\n", number + 1, case.title, case.story);
        let _ = write!(page, "```text\n$ outlive {} --root .\n{told}\n```\n\n{}\n", args.join(" "), case.cure);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/why-is-my-setting-ignored.md");
    if std::env::var_os("BLESS").is_some() && !ci() {
        fs::write(path, &page).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(kept == page, "docs/why-is-my-setting-ignored.md is stale: BLESS=1 cargo test -p outlive-cli --test why");
}

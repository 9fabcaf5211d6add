//! php-fpm.conf as it is shipped: where its relative includes start from, as `php-fpm -t` showed it with and without `-p`.

mod support;

use support::{Place, err, json, out};

const CONF: &[u8] = b"[global]\ninclude=etc/php-fpm.d/*.conf\n";
const POOL: &[u8] = b"[www]\nphp_value[memory_limit]=57M\n";

#[test]
fn relative_includes_start_from_the_prefix() {
    // As Docker's images have it: /usr/local/etc/php-fpm.conf.
    let place = Place::new("fpm-docker", &[("local/etc/php-fpm.conf", CONF), ("local/etc/php-fpm.d/www.conf", POOL)]);
    let conf = place.path("local/etc/php-fpm.conf");
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf]);
    assert_eq!((&*out(&output), &*err(&output)), ("57M\n", ""));
    let place = Place::new("fpm-other", &[("php-fpm.conf", CONF), ("p/etc/php-fpm.d/www.conf", POOL)]);
    let (conf, prefix) = (place.path("php-fpm.conf"), place.path("p"));
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf, "--fpm-prefix", &prefix]);
    assert_eq!((&*out(&output), &*err(&output)), ("57M\n", ""));
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("php-fpm.conf:2") && err(&output).contains("--fpm-prefix"), "{output:?}");
}

/// The pool's values are what they are; a default holds only as long as the php.ini that nobody named does not set it.
#[test]
fn a_php_ini_that_nobody_named_is_asked_for() {
    let place = Place::new(
        "fpm-unnamed",
        &[
            ("www.conf", POOL),
            ("php.ini", b"precision = 3\n"),
            ("httpd.conf", b"LoadModule dir_module modules/mod_dir.so\n"),
        ],
    );
    for (source, who) in
        [(["--fpm-pool", "www.conf"], "PHP-FPM reads one"), (["--httpd-conf", "httpd.conf"], "--fpm-pool FILE")]
    {
        for call in [&["get", "precision", "memory_limit"][..], &["explain", "precision"], &["dump"]] {
            let said = err(&place.run(&[call, &source].concat()));
            assert!(said.contains(who) && said.contains("not known") && said.contains("give --php-ini FILE"), "{said}");
            assert_eq!(err(&place.run(&[call, &source, &["--php-ini", "php.ini"]].concat())), "");
        }
        let told = json(&place.run(&[&["get", "precision", "--json", "--context"], &source[..]].concat()));
        assert!(told["notes"][0].as_str().unwrap().contains(who), "{told}");
        let side = source.join(" ");
        assert!(err(&place.run(&["diff", "--a", &side, "--b", "--built-in"])).contains("A: no php.ini was named"));
    }
    assert_eq!(err(&place.run(&["get", "memory_limit", "--fpm-pool", "www.conf"])), "");
}

/// A server that hands `a.php` to one address and `b.php` to another one, in front of three pools.
#[test]
fn the_pool_that_listens_where_the_handler_leads() {
    let pools = "[one]\nlisten=@ROOT@/one.sock\nphp_value[memory_limit]=51M\n[two]\nlisten=@ROOT@/$pool.sock\n\
                 php_value[memory_limit]=52M\n[three]\nlisten=[::]:9003\nphp_value[memory_limit]=53M\n[four]\nlisten=four.sock\nphp_value[memory_limit]=54M\n[five]\nprefix=sub\n\
                 listen=$pool.sock\nphp_value[memory_limit]=55M\n";
    let handler = |file: &str, to: &str| format!("<Files {file}>\nSetHandler \"proxy:{to}\"\n</Files>\n");
    let conf = [
        "ServerName localhost\nDocumentRoot @ROOT@/www\n".to_owned(),
        handler("a.php", "unix:@ROOT@/two.sock|fcgi://localhost"),
        handler("b.php", "fcgi://127.0.0.1:9003"),
        handler("c.php", "fcgi://127.0.0.1:9999"),
        handler("d.php", "fcgi://php:9003"),
        // Relative to FPM's prefix, and to the pool's own, which is below it: as php-fpm8.2 -p makes them.
        handler("e.php", "unix:@ROOT@/four.sock|fcgi://localhost"),
        handler("f.php", "unix:@ROOT@/sub/five.sock|fcgi://localhost"),
    ];
    let files = ["a", "b", "c", "d", "e", "f"].map(|name| format!("www/{name}.php"));
    let files = files.each_ref().map(|name| (&**name, &b""[..]));
    let place = Place::new("fpm-pools", &files);
    let root = place.0.to_str().unwrap().to_owned();
    std::fs::write(place.path("fpm.conf"), pools.replace("@ROOT@", &root)).unwrap();
    std::fs::write(place.path("httpd.conf"), conf.concat().replace("@ROOT@", &root)).unwrap();
    for (file, value, told) in [
        ("a.php", "52M\n", ""),
        ("b.php", "53M\n", ""),
        ("c.php", "51M\n", "no pool that was read listens"),
        ("d.php", "51M\n", "another machine or container"),
        ("e.php", "54M\n", ""),
        ("f.php", "55M\n", ""),
    ] {
        let (url, httpd, fpm) = (format!("http://localhost/{file}"), place.path("httpd.conf"), place.path("fpm.conf"));
        let sources = ["--httpd-conf", &httpd, "--fpm-conf", &fpm, "--fpm-prefix", &root];
        let output = place.run(&[&["get", "memory_limit", "--url", &url], &sources[..]].concat());
        assert_eq!(out(&output), value, "{file}: {output:?}");
        assert!(err(&output).contains(told), "{file}: {output:?}");
    }
}

/// The path of the handler's URL comes before the file's, as php-fpm8.2 behind apache2 2.4 has it: a slash alone hides the `.user.ini` above the
/// script's directory, anything else leads to no file.
#[test]
fn the_path_of_the_handlers_url() {
    let files: [(&str, &[u8]); 5] = [
        ("www/.user.ini", b"memory_limit = 60M\n"),
        ("www/a.php", b""),
        ("www/sub/.user.ini", b"precision = 5\n"),
        ("www/sub/b.php", b""),
        ("php.ini", b""),
    ];
    let place = Place::new("fpm-url", &files);
    let root = place.0.to_str().unwrap().to_owned();
    std::fs::write(place.path("fpm.conf"), format!("[www]\nlisten={root}/a.sock\n")).unwrap();
    let told = |url: &str, path: &str| {
        let conf = format!(
            "LoadModule proxy_fcgi_module x/mod_proxy_fcgi.so\nServerName localhost\nDocumentRoot {root}/www\n<FilesMatch php$>\nSetHandler \"proxy:unix:{root}/a.sock|{url}\"\n</FilesMatch>\n"
        );
        std::fs::write(place.path("httpd.conf"), conf).unwrap();
        let url = format!("http://localhost{path}");
        let (httpd, fpm, ini) = (place.path("httpd.conf"), place.path("fpm.conf"), place.path("php.ini"));
        let sources = ["--httpd-conf", &httpd, "--fpm-conf", &fpm, "--php-ini", &ini];
        place.run(&[&["get", "memory_limit", "precision", "--url", &url], &sources[..]].concat())
    };
    for (url, path, want) in [
        ("fcgi://localhost", "/sub/b.php", "60M 5"),
        ("fcgi://localhost/", "/sub/b.php", "128M 5"),
        ("fcgi://localhost/", "/a.php", "60M 14"),
    ] {
        let output = told(url, path);
        let text = out(&output);
        let values: Vec<&str> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(values.join(" "), want, "{url} {path}: {output:?}");
    }
    let output = told("fcgi://localhost/srv/", "/a.php");
    assert!(err(&output).contains("404") && err(&output).contains("does not exist"), "{output:?}");
}

/// A program outside of `open_basedir` is not run, whoever sets it; real paths are compared, directory by directory.
#[test]
fn a_program_outside_of_open_basedir() {
    let files: [(&str, &[u8]); 3] = [("www/a.php", b""), ("other/.user.ini", b""), ("php.ini", b"")];
    let place = Place::new("fpm-basedir", &files);
    let root = place.0.canonicalize().unwrap().to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(format!("{root}/www/a.php"), format!("{root}/other/link.php")).unwrap();
    let told = |script: &str, basedir: &str| {
        let pool = format!("[www]\nphp_admin_value[open_basedir]={}\n", basedir.replace('@', &root));
        std::fs::write(place.path("www.conf"), pool).unwrap();
        let (pool, ini, script) = (place.path("www.conf"), place.path("php.ini"), format!("{root}/{script}"));
        let output = place.run(&["get", "memory_limit", "--fpm-pool", &pool, "--php-ini", &ini, "--file", &script]);
        (out(&output), err(&output))
    };
    for basedir in ["@/www", "@/www/", "@/www/a.php", "@/other:@/www", "@", ".", "relative:@/other"] {
        assert_eq!(told("www/a.php", basedir), ("128M\n".to_owned(), String::new()), "{basedir}");
    }
    for (script, basedir) in [("www/a.php", "@/other"), ("www/a.php", "@/ww"), ("other/link.php", "@/other")] {
        let (out, err) = told(script, basedir);
        assert!(
            out.is_empty() && err.contains("outside of open_basedir") && err.contains("404"),
            "{basedir}: {out}{err}"
        );
    }
}

/// `VirtualDocumentRoot` names the document root of what it maps: for rules, for PHP and for `.user.ini`.
#[test]
fn the_document_root_of_virtual_hosts_by_name() {
    let rules = "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [L]\n";
    let files: [(&str, &[u8]); 5] = [
        ("hosts/one/.htaccess", rules.as_bytes()),
        ("hosts/one/.user.ini", b"memory_limit = 61M\n"),
        ("hosts/one/index.php", b""),
        ("hosts/one/sub/a.php", b""),
        ("php.ini", b""),
    ];
    let place = Place::new("fpm-vdoc", &files);
    let root = place.0.to_str().unwrap().to_owned();
    std::fs::write(place.path("fpm.conf"), format!("[www]\nlisten={root}/a.sock\n")).unwrap();
    let conf = format!(
        "LoadModule rewrite_module x/mod_rewrite.so\nLoadModule vhost_alias_module x/mod_vhost_alias.so\nServerName localhost\nUseCanonicalName Off\n\
         VirtualDocumentRoot {root}/hosts/%1\n<Directory {root}>\nAllowOverride All\n</Directory>\n\
         <FilesMatch php$>\nSetHandler \"proxy:unix:{root}/a.sock|fcgi://localhost\"\n</FilesMatch>\n"
    );
    std::fs::write(place.path("httpd.conf"), conf).unwrap();
    let (httpd, fpm, ini) = (place.path("httpd.conf"), place.path("fpm.conf"), place.path("php.ini"));
    let sources = ["--httpd-conf", &httpd, "--fpm-conf", &fpm, "--php-ini", &ini];
    for (path, script) in [("/none", "index.php"), ("/sub/a.php", "sub/a.php")] {
        let url = format!("http://one.test{path}");
        let output =
            place.run(&[&["get", "--json", "--context", "memory_limit", "--url", &url], &sources[..]].concat());
        let told: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        let one = &told["answers"][0];
        assert_eq!(one["answer"]["memory_limit"], "61M", "{path}: {output:?}");
        assert_eq!(one["answering_for"]["script"], format!("{root}/hosts/one/{script}"), "{path}: {output:?}");
        assert_eq!(one["answering_for"]["document_root"], format!("{root}/hosts/one"), "{path}: {output:?}");
    }
}

#[test]
fn calls_that_do_not_fit_together() {
    let place = Place::new("fpm-calls", &[("a.conf", POOL)]);
    for args in [&["--fpm-prefix", "/"][..], &["--fpm-conf", "a.conf", "--fpm-pool", "a.conf"]] {
        let output = place.run(&[&["get", "memory_limit"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

/// Each file includes all of them: without a bound that is 40 to the power of six.
#[test]
fn files_that_include_each_other_come_to_an_end() {
    let names: Vec<String> = (0..40).map(|number| format!("d/{number}.conf")).collect();
    let place = Place::new("fpm-loop", &[]);
    let text = format!("include={}/*.conf\n", place.path("d"));
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, text.as_bytes())).collect();
    let place = Place::new("fpm-loop", &files);
    let output = place.run(&["get", "memory_limit", "--fpm-conf", "d/0.conf"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("include"), "{output:?}");
}

/// What `php-fpm8.2 -t` said of each; tests/differential/fpm.py asks it of thousands.
#[test]
fn what_php_fpm_does_not_start_with_is_refused() {
    let whole = "[www]\nuser=root\nlisten=/run/a.sock\npm=static\npm.max_children=2\n";
    for (line, said) in [
        ("pm.max_children=0", "pm.max_children must be 1 or more"),
        ("pm=fast", "one of dynamic, ondemand, static"),
        ("pm=dynamic", "pm = dynamic needs pm.min_spare_servers"),
        ("daemonize=no", "write it below [global]"),
        ("listen.sock=x", "has no directive `listen.sock`"),
        ("pm.status_path=status", "must begin with /"),
        ("request_slowlog_timeout=5", "needs slowlog"),
        ("request_terminate_timeout=5x", "s, m, h or d"),
        ("clear_env=maybe", "yes or no"),
        ("php_flag[html_errors]=maybe", "write on or off"),
        ("php_value[]=5", "needs a name in its brackets"),
        ("PHP_VALUE[precision]=5", "no directive `PHP_VALUE[]`"),
        ("env[A]=", "is empty"),
        ("# comment", "no comment in FPM's files"),
        ("chdir", "has no `=`"),
        ("ping.response=\"a", "syntax error"),
        ("include=/none/*.conf", "cannot look into /none"),
        ("[b]\nlisten=/run/a.sock", "where [www] listens"),
        ("[global]\nlog_limit=5", "512 or more"),
        ("[global]\nlisten=5", "belongs to a pool"),
        ("[a$pool]\nlisten=/run/$pool.sock", "php-fpm replaces it without end"),
    ] {
        let place = Place::new("fpm-refused", &[("php.ini", b""), ("fpm.conf", format!("{whole}{line}\n").as_bytes())]);
        let output = place.run(&["get", "memory_limit", "--fpm-conf", "fpm.conf", "--php-ini", "php.ini"]);
        let told = err(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert!(told.contains(said) && told.contains("php-fpm would not start"), "{line}: {told}");
        let at = 5 + line.lines().count();
        assert!(told.contains(&format!("fpm.conf:{at}:")), "{line}: {told}");
    }
}

/// Names of pools and directives in any letter case, a line at a time, and what follows an include belongs to the pool that it opened.
#[test]
fn a_pool_as_php_fpm_reads_it() {
    let conf = "[www]\nUSER=root\nphp_value[user_agent]=it's\nphp_value[precision]=5\n[WWW]\nphp_value[html_errors]=0\n\
        include=d/[a-b].conf\nphp_value[memory_limit]=9M\n";
    let place = Place::new(
        "fpm-reads",
        &[("php.ini", b""), ("fpm.conf", conf.as_bytes()), ("d/a.conf", b"[other]\n"), ("d/c.conf", b"nonsense\n")],
    );
    let prefix = place.path("");
    let args = ["--fpm-conf", "fpm.conf", "--fpm-prefix", &prefix, "--php-ini", "php.ini"];
    let names = ["get", "user_agent", "precision", "html_errors", "memory_limit", "--json", "--pool"];
    let www = json(&place.run(&[&names, &["Www"][..], &args].concat()));
    assert_eq!(
        www,
        serde_json::json!({"user_agent": "it", "precision": "5", "html_errors": "0", "memory_limit": "128M"})
    );
    let other = json(&place.run(&[&names, &["other"][..], &args].concat()));
    assert_eq!(other["memory_limit"], "9M");
}

/// `${NAME}` in a `.user.ini`: the pool's own variables, those of the request, and the environment where the pool keeps it.
#[test]
fn the_environment_of_a_worker() {
    for (pool, options, value, told) in [
        ("", &["--env", "A=process"][..], "", "the pool clears the environment"),
        ("clear_env=no\n", &["--env", "A=process"], "process", ""),
        ("env[A]=pool\nenv[A]=second\n", &["--env", "A=process"], "pool", ""),
        ("env[A]=$B\n", &["--env", "B=b"], "b", ""),
        ("env[A]=x$B\n", &["--env", "B=b"], "x$B", ""),
        ("", &["--cgi-variable", "A=request"], "request", ""),
        ("env[A]=pool\n", &["--cgi-variable", "A=request"], "request", ""),
        // The account's, whatever the master has.
        ("user=www-data\n", &["--env", "USER=boss", "--env", "HOME=/root"], "www-data /srv/data", ""),
        ("user=33\nclear_env=no\n", &["--env", "USER=boss"], "www-data /srv/data", ""),
        ("user=www-data\nenv[HOME]=/own\n", &["--cgi-variable", "USER=request"], "request /own", ""),
    ] {
        let conf = format!("[www]\n{pool}");
        let text: &[u8] =
            if pool.starts_with("user") { b"user_agent=\"${USER} ${HOME}\"\n" } else { b"user_agent=${A}\n" };
        let files: [(&str, &[u8]); 5] = [
            ("php.ini", b""),
            ("fpm.conf", conf.as_bytes()),
            ("www/.user.ini", text),
            ("www/a.php", b""),
            ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/srv/data:/bin/false\n"),
        ];
        let place = Place::new("fpm-env", &files);
        let (root, file) = ("/www", "/www/a.php");
        let args = [
            "get",
            "user_agent",
            "--fpm-conf",
            "/fpm.conf",
            "--php-ini",
            "/php.ini",
            "--document-root",
            root,
            "--file",
            file,
            "--root",
            ".",
        ];
        let output = place.run(&[&args, options].concat());
        assert_eq!(out(&output), format!("{value}\n"), "{pool}{options:?}");
        assert!(
            if told.is_empty() { err(&output).is_empty() } else { err(&output).contains(told) },
            "{pool}: {output:?}"
        );
    }
}

/// What depends on the machine is told by `check`.
#[test]
fn accounts_and_directories_that_are_not_there() {
    let conf = "[www]\nuser=no_such_user\ngroup=no_such_group\nlisten=/run/a.sock\npm=static\nchroot=/no/such\n\
        [here]\nuser=one\ngroup=some\nlisten=/run/b.sock\npm=static\npm.max_children=1\nchroot=/srv\n";
    let files: [(&str, &[u8]); 5] = [
        ("etc/passwd", b"one:x:1:1::/:/bin/sh\n"),
        ("etc/group", b"some:x:1:\n"),
        ("etc/php/8.2/fpm/php.ini", b""),
        ("etc/php/8.2/fpm/php-fpm.conf", conf.as_bytes()),
        ("srv/x", b""),
    ];
    let place = Place::new("fpm-here", &files);
    let told = out(&place.run(&["check", "--root", "."]));
    for one in [
        "php-fpm.conf:2: note: [www] user = no_such_user",
        "php-fpm.conf:3: note: [www] group = no_such_group",
        "php-fpm.conf:6: note: [www] chroot: there is no directory /no/such",
        "no `pm.max_children`",
    ] {
        assert!(told.contains(one), "{one}: {told}");
    }
    assert!(!told.contains("[here]"), "{told}");
}

/// Constants of extensions, values that some directives alone refuse, as php-cgi and php-fpm had them (I-158).
#[test]
fn what_comes_after_the_start() {
    let ini = b"syslog.facility=LOG_LOCAL0\nprecision=LOG_LOCAL0\nsession.cookie_lifetime=99999999999999999999\n\
        session.upload_progress.freq=-1\ndefault_charset=PHP_OS PHP_EOL\n";
    let pool = b"[www]\nphp_value[syslog.facility]=LOG_LOCAL0\nphp_value[user_agent]=LOG_LOCAL0\nphp_value[error_append_string]=LOG_NONE\n";
    let user = b"mail.force_extra_parameters=-f x\nerror_prepend_string=DATE_ATOM\n";
    let files: [(&str, &[u8]); 4] = [("php.ini", ini), ("fpm.conf", pool), ("www/.user.ini", user), ("www/a.php", b"")];
    let place = Place::new("fpm-late", &files);
    let (root, file) = (place.path("www"), place.path("www/a.php"));
    let expected = serde_json::json!({
        "syslog.facility": "LOG_LOCAL0", "precision": "LOG_LOCAL0", "session.cookie_lifetime": "99999999999999999999",
        "session.upload_progress.freq": "1%", "default_charset": "UTF-8", "user_agent": "128", "error_append_string": "LOG_NONE",
        "mail.force_extra_parameters": "", "error_prepend_string": "Y-m-d\\TH:i:sP"
    });
    let names: Vec<&str> = expected.as_object().unwrap().keys().map(String::as_str).collect();
    let args =
        ["get", "--json", "--php-ini", "php.ini", "--fpm-conf", "fpm.conf", "--document-root", &root, "--file", &file];
    assert_eq!(json(&place.run(&[&args, &names[..]].concat())), expected);
}

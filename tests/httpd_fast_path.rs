//! Where neither files nor conditions take part, settings are found by a shorter walk and kept: they must be those of the
//! containers that the full walk finds, asked once or twice.

use outlive::config::{Builder, Config};
use outlive::files::Memory;
use outlive::httpd::{Configuration, Options, Resolution};
use outlive::target::Target;
use std::path::Path;
use std::sync::Arc;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }
}

const DIRECTORIES: &[&str] = &[
    "\"/\"",
    "/srv",
    "/srv/a",
    "/srv/a/b",
    "/srv/*/b",
    "/srv/a/b/p.php",
    "/srv/a/b/*.php",
    "/s*",
    "~ \"^/srv/a\"",
    "~ \"/b/\"",
    "~ \"^/srv/(a|c)\"",
    "~ \"p\\.php$\"",
    "/srv/?",
    "~ \"^/srv/ab?\"",
    "/srv/[a-c]/b",
];
const LOCATIONS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "\"\"",
    "/*/p.php",
    "/a*",
    "~ \"^/a/\"",
    "~ \"p\\.php$\"",
    "~ \"^/a/b|c\"",
    "/a/b/p.php",
    "~ \"^/ab*/\"",
    "~ \"^/zz+\"",
    "/[ab]/*",
];
const FILES: &[&str] = &["p.php", "*.php", "~ \"^p\"", "q.php", "~ \"\\.ph\"", "?.php"];
const FILES_THERE: &[&str] = &[
    "/srv/p.php",
    "/srv/a/p.php",
    "/srv/a/b/p.php",
    "/srv/b/q.php",
    "/srv/c/b/q.php",
    "/srv/a/b/q.php",
    "/srv/zz/p.php",
    "/srv/c/a/p.php",
    "/srv/a/a/b/p.php",
    "/srv/abb/x",
];
const NAMES: [&str; 5] = ["user_agent", "docref_root", "error_prepend_string", "auto_append_file", "include_path"];

/// What a mapped request asks besides: who is let in, and whether it is sent elsewhere.
const ASIDES: &[&str] = &[
    "Require all granted\n",
    "Require all granted\n",
    "Require all denied\n",
    "Require all granted\nRequire all denied\n",
    "<RequireAll>\nRequire not ip 10.0.0.0/8\nRequire all granted\n</RequireAll>\n",
    "<RequireAll>\nRequire all denied\n</RequireAll>\n",
    "Require method GET\n",
    "AuthMerging And\nRequire all granted\n",
    "AuthMerging Or\nRequire all denied\n",
    "Order allow,deny\nAllow from all\n",
    "Order deny,allow\nDeny from all\n",
    "Satisfy Any\n",
    "RewriteEngine On\nRewriteRule p.php /a/b/q.php\n",
    "Action application/x-httpd-php /b/q.php\n",
    "AddHandler x-some .php\nAction x-some /b/q.php\n",
    "SetHandler application/x-httpd-php\n",
    "SetHandler none\n",
    "ErrorDocument 403 /p.php\n",
    "ErrorDocument 404 /a/b/p.php\n",
    "FallbackResource /a/b/p.php\n",
    "AcceptPathInfo Off\n",
];
const ASIDES_OF_SERVERS: &[&str] = &[
    "Alias /b /srv/a/b\n",
    "AliasMatch ^/zz/(.*) /srv/a/$1\n",
    "Redirect /b /a\n",
    "RedirectMatch 410 ^/zz/\n",
    "RewriteEngine On\nRewriteRule ^/b/(.*) /srv/a/b/$1\n",
    "UserDir /srv/*\n",
    "VirtualDocumentRoot /srv/%1\n",
    "ProxyPass /zz http://127.0.0.1:1/\n",
    "DocumentRoot /srv/a\n",
    "DocumentRoot /srv/c/\n",
    "DocumentRoot /srv/../srv/a\n",
];

struct Maker {
    random: Random,
    out: String,
    serial: usize,
}

impl Maker {
    fn values(&mut self) {
        for _ in 0..self.random.below(3) {
            self.serial += 1;
            let kind = self.random.pick(&["php_value", "php_admin_value", "php_value"]);
            let name = self.random.pick(&NAMES);
            self.out += &format!("{kind} {name} v{}\n", self.serial);
        }
    }

    fn files(&mut self) {
        if self.random.below(3) == 0 {
            self.out += &format!("<Files {}>\n", self.random.pick(FILES));
            self.values();
            self.aside(ASIDES);
            self.out += "</Files>\n";
        }
    }

    /// Rarely, so that most requests still take the short way.
    fn aside(&mut self, from: &[&'static str]) {
        if self.random.below(6) == 0 {
            self.out += self.random.pick(from);
        }
    }

    fn container(&mut self) {
        self.values();
        self.aside(ASIDES_OF_SERVERS);
        self.files();
        for _ in 0..self.random.below(5) {
            let directory = self.random.pick(DIRECTORIES);
            self.out += &format!("<Directory {directory}>\n");
            self.out += self.random.pick(&["", "", "Options -FollowSymLinks\n", "Options None\n", "Options All\n"]);
            self.out += self.random.pick(&["", "", "", "AllowOverride None\n", "AllowOverride All\n"]);
            self.values();
            self.aside(ASIDES);
            self.files();
            if self.random.below(12) == 0 {
                self.out += "<If \"%{REQUEST_URI} =~ m#b#\">\nphp_value user_agent if\n</If>\n";
            }
            self.out += "</Directory>\n";
        }
        for _ in 0..self.random.below(5) {
            self.out += &format!("<Location {}>\n", self.random.pick(LOCATIONS));
            self.values();
            self.aside(ASIDES);
            self.out += "</Location>\n";
        }
    }
}

fn conf(seed: u64) -> String {
    let mut maker = Maker { random: Random(seed), out: String::new(), serial: 0 };
    maker.out += "LoadModule php_module x\nLoadModule authz_core_module x\nLoadModule alias_module x\n";
    for module in
        ["authz_host", "access_compat", "rewrite", "actions", "mime", "dir", "userdir", "vhost_alias", "proxy"]
    {
        maker.out += &format!("LoadModule {module}_module x\n");
    }
    maker.out += "DocumentRoot /srv\n<Directory />\nAllowOverride None\n</Directory>\n";
    maker.container();
    for host in ["*:80", "*:80", "127.0.0.2:80", "*:81"].into_iter().enumerate() {
        maker.out += &format!(
            "<VirtualHost {}>\nServerName h{}.test\nServerAlias *.h{}.test w{}\n",
            host.1, host.0, host.0, host.0
        );
        maker.out += maker.random.pick(&["", "", "MergeSlashes Off\n"]);
        maker.container();
        maker.out += "</VirtualHost>\n";
    }
    maker.out
}

fn config(files: &Memory) -> Config {
    let mut builder = Builder::new(Arc::new(files.clone()));
    builder.set_sapi(b"apache2handler").unwrap();
    builder.load_httpd_conf(Path::new("/etc/httpd.conf")).unwrap();
    builder.build().unwrap()
}

#[test]
fn the_short_walk_agrees_with_the_full_one() {
    let (mut set, mut mapped) = (0, 0);
    for seed in 1..=300 {
        let conf = conf(seed);
        let files = Memory::new()
            .with("/etc/httpd.conf", conf.clone())
            .with("/srv/a/b/.htaccess", "php_value include_path own\n");
        let files = FILES_THERE.iter().fold(files, |files, name| files.with(*name, ""));
        let full = Configuration::load(&files, Path::new("/etc/httpd.conf"), &Options::default()).unwrap();
        let config = config(&files);
        let mut random = Random(seed ^ 0xabcd);
        for round in 0..80 {
            let host = random.pick(&[
                "h0.test",
                "H1.test:80",
                "x.h1.test",
                "w2",
                "other",
                "h3.test.",
                "h2.test:0080",
                "a b",
                "127.0.0.1",
                "[::1]:80",
            ]);
            let uri = random.pick(&[
                "/",
                "/a",
                "/a/",
                "/a/b",
                "/a/b/p.php",
                "/a/p.php?x=%41&u=http://z/",
                "/a//b/p.php",
                "/%61/p.php",
                "/abb/x",
                "/zz/p.php",
                "/a/../b",
                "/a#b",
                "http://h1.test/a/b/p.php",
                "/b/q.php",
                "/p.php",
                "/a/a/b/p.php",
                "/a/b/p.php/more",
                "/zz/p.php",
                "/a/.",
                "x",
            ]);
            let filename = random.pick(&[
                "/srv/a/b/p.php",
                "/srv/a/p.php",
                "/srv/c/b/q.php",
                "/p.php",
                "/srv/a//b/p.php",
                "/srv/a/b/",
                "p.php",
                "/srv/ab/p.php",
            ]);
            let target = Target {
                server_name: (random.below(8) > 0).then_some(host.as_bytes()),
                server_address: (random.below(4) == 0).then_some(b"127.0.0.2"),
                port: [0, 80, 81][random.below(3)],
                protocol: (random.below(3) == 0).then_some(b"HTTP/1.1"),
                uri: (random.below(9) > 0).then_some(uri.as_bytes()),
                filename: (random.below(2) == 0).then_some(filename.as_bytes()),
                method: [None, None, Some(&b"GET"[..]), Some(b"OPTIONS"), Some(b"BREW")][random.below(5)],
                ..Target::default()
            };
            let wanted = match full.resolve(&files, &target).unwrap() {
                Resolution::Run(run) => {
                    let merged = run.containers.iter().fold(outlive::httpd::DirConfig::new(), |sum, next| {
                        outlive::httpd::DirConfig::merge(&sum, &next.values)
                    });
                    let text = |name: &str| {
                        let found = merged.iter().find(|value| *value.name == *name.as_bytes());
                        found.map(|value| value.value.to_vec())
                    };
                    Some(NAMES.map(text))
                }
                Resolution::Answer { .. } => None,
            };
            let base = config.base();
            for _ in 0..2 {
                let found = config.resolve(&target).ok().map(|settings| {
                    NAMES.map(|name| {
                        let value = settings.get(name.as_bytes()).map(<[u8]>::to_vec);
                        value.filter(|value| base.get(name.as_bytes()) != Some(value))
                    })
                });
                assert_eq!(found, wanted, "seed {seed}, round {round}, {target:?}\n{conf}");
            }
            mapped += usize::from(wanted.is_some() && target.filename.is_none());
            set += wanted.into_iter().flatten().flatten().count();
        }
    }
    assert!(set > 10_000 && mapped > 2_000, "{set}, {mapped}");
}

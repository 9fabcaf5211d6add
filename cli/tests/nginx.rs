//! What nginx does with a request before PHP-FPM gets it: each line as nginx 1.22 answered it (tests/differential/nginx.py found them).

mod support;

use serde_json::Value;
use support::{Place, json};

/// A server's lines, a path, and what becomes of it: a status, or the program and its value.
const CASES: [(&str, &str, &str); 18] = [
    // A page in place of an error keeps the error's status, unless `=` gives another one.
    ("error_page 404 /page.html;", "/none", "404"),
    ("error_page 404 = /page.html;", "/none", "200"),
    ("error_page 404 =203 /page.html;", "/none", "203"),
    // The request's own arguments are gone behind an error_page.
    ("error_page 404 /a.php;\nlocation ~ php { include pass; }\nlocation /x { return 404; }", "/x?y", "a.php v"),
    ("location ~ php { include pass; }", "/a.php?y", "a.php yv"),
    // A directory is a program to PHP-FPM, and none that it runs.
    ("try_files /none.php @named;\nlocation @named { include pass; }", "/sub", "403"),
    // `^~` within a location keeps no expressions away that stand further out.
    ("location / { location ^~ /a { return 410; } }\nlocation ~ php { include pass; }", "/a.php", "a.php v"),
    // What is internal is so for what it holds as well, a slash that nginx would add included.
    ("location /in { internal; location /in/deep { return 410; } }", "/in/deep", "404"),
    ("location /in { internal; location ^~ /in/ { include pass; } }", "/in", "404"),
    // An `if` that holds takes its location's place, and has none of its try_files, whatever else it holds.
    ("location ~ php { try_files $uri =404; include pass; if ($uri ~ more) { set $x 1; } }", "/a.php/more", "a.php v"),
    ("location ~ php { try_files $uri =404; include pass; if ($uri ~ none) { set $x 1; } }", "/a.php/more", "404"),
    ("if ($uri ~ more) { set $x 1; }\nlocation ~ php { try_files $uri =404; include pass; }", "/a.php/more", "404"),
    // A file with a slash behind its name is none.
    ("location / { try_files $uri $uri/ =410; }", "/page.html/", "410"),
    ("", "/page.html/", "404"),
    // A path without its slash is looked for as it is.
    ("location / { try_files $uri none.php; }", "/none", "404"),
    // Where a redirect leads is a whole URL.
    ("", "/sub", "301 http://localhost/sub/"),
    ("absolute_redirect off;", "/sub", "301 /sub/"),
    ("server_name_in_redirect on; server_name other.test;\nreturn 302 /x;", "/sub", "302 http://other.test/x"),
];

#[test]
fn a_request_on_its_way_through_nginx() {
    let files: [(&str, &[u8]); 6] = [
        ("www/a.php", b""),
        ("www/page.html", b""),
        ("www/sub/x", b""),
        ("php.ini", b""),
        ("fpm.conf", b"[www]\nlisten = /run/nginx-test.sock\n"),
        (
            "pass",
            b"fastcgi_pass unix:/run/nginx-test.sock; fastcgi_param SCRIPT_FILENAME $document_root$uri;\n\
              fastcgi_param PHP_VALUE user_agent=${args}v;",
        ),
    ];
    let place = Place::new("nginx-way", &files);
    for (lines, path, want) in CASES {
        let root = place.path("www");
        let conf = format!("events {{}}\nhttp {{\nserver {{\nlisten 80;\nroot {root};\n{lines}\n}}\n}}\n");
        std::fs::write(place.path("nginx.conf"), conf).unwrap();
        let url = format!("http://localhost{path}");
        let sources = ["--nginx-conf", "nginx.conf", "--fpm-conf", "fpm.conf", "--php-ini", "php.ini"];
        let output = place.run(&[&["get", "--json", "--context", "user_agent", "--url", &url], &sources[..]].concat());
        let told = json(&output)["answers"][0].clone();
        let got = match &told["answer"]["status"] {
            Value::Null => {
                let script = told["answering_for"]["script"].as_str().unwrap_or_default();
                let value = told["answer"]["user_agent"].as_str().unwrap_or_default();
                format!("{} {value}", script.rsplit('/').next().unwrap_or_default())
            }
            status => match told["answer"]["location"].as_str() {
                Some(location) => format!("{status} {location}"),
                None => status.to_string(),
            },
        };
        assert_eq!(got, want, "{lines} {path}: {output:?}");
    }
}

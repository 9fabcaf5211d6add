//! Trees that are asked with nothing but `--root`.

use super::{Place, err, json};
use serde_json::Value;
use std::fs;
use std::process::Output;

/// Files below a root.
pub fn root(name: &str, files: &[(&str, &str)]) -> Place {
    // Several tests lay out the same tree, at the same time.
    let thread = std::thread::current();
    let name = format!("root-{name}-{}", thread.name().unwrap_or_default());
    let bytes: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    Place::new(&name, &bytes)
}

pub fn ask(place: &Place, args: &[&str]) -> Output {
    place.run(&[args, &["--root", "."]].concat())
}

/// The value, the id and the php.ini of one answer.
pub fn answer(place: &Place, args: &[&str]) -> (String, String, String) {
    let output = ask(place, &[&["get", "--json", "--context"], args].concat());
    let told = json(&output);
    let one = &told["answers"][0];
    if one["answer"].get("status").is_some() {
        panic!("{args:?}: {told:#} {}", err(&output));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(told["answers"].as_array().unwrap().len(), 1, "{told:#}");
    (text(&one["answer"][args[0]]), text(&one["id"]), text(&one["answering_for"]["php_ini"]))
}

pub fn is(place: &Place, args: &[&str], value: &str, id: &str, php_ini: &str) {
    let got = answer(place, args);
    assert_eq!((&*got.0, &*got.1, &*got.2), (value, id, php_ini), "{args:?}");
}

/// The ids that `where` lists.
pub fn ids(place: &Place) -> Vec<String> {
    let told = json(&ask(place, &["where", "--json"]));
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/where.json");
    let schema = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&told).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} {told:#}");
    told.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

pub const DEBIAN: [(&str, &str); 10] = [
    (
        "etc/apache2/apache2.conf",
        "ServerName localhost\nUser ${APACHE_RUN_USER}\nGroup ${APACHE_RUN_GROUP}\nIncludeOptional mods-enabled/*.load\nListen 80\n\
         IncludeOptional mods-enabled/*.conf\nIncludeOptional sites-enabled/*.conf\n<Directory /var/www/>\nAllowOverride All\n\
         Require all granted\n</Directory>\nAccessFileName .htaccess\n",
    ),
    ("etc/apache2/envvars", "export APACHE_RUN_USER=www-data\nexport APACHE_RUN_GROUP=www-data\n"),
    (
        "etc/apache2/mods-enabled/a.load",
        "LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so\nLoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
         LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\nLoadModule mime_module /usr/lib/apache2/modules/mod_mime.so\n",
    ),
    (
        "etc/apache2/sites-enabled/000.conf",
        "<VirtualHost *:80>\nDocumentRoot /var/www/html\nDirectoryIndex index.php\n</VirtualHost>\n",
    ),
    ("etc/php/8.2/apache2/php.ini", "memory_limit = 130M\nupload_max_filesize = 3M\n"),
    ("etc/php/8.2/cli/php.ini", "memory_limit = -1\n"),
    ("etc/php/8.2/mods-available/mbstring.ini", "extension=mbstring.so\nmbstring.language = Japanese\n"),
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"),
    ("etc/group", "www-data:x:33:\n"),
    ("var/www/html/index.php", "<?php"),
];

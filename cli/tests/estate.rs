//! `outlive get` for situations that people who run PHP have met: what real Apache with mod_php, PHP-FPM or php-cgi answered.
//! What the cases hold is described in tests/conformance/README.md.

mod support;

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::{Place, command, err, json};

/// Cases that still differ, and why. One that becomes right has to leave this list.
const DIFFER: [(&str, &str); 2] = [
    (
        "g1-cgi",
        "Action and ScriptAlias lead to php-cgi, whose php.ini no file of the case names: the command says who runs the file",
    ),
    (
        "p1-disable",
        "PHP warned of the time zone in front of the program's output, so no values were recorded; the command gives them",
    ),
];

/// Where the build is, and what its packager compiled in, is not in any file of the case.
const BUILD: [&str; 8] = [
    "extension_dir",
    "session.save_path",
    "include_path",
    "session.gc_probability",
    "session.upload_progress.enabled",
    "opcache.jit",
    "opcache.jit_buffer_size",
    "sys_temp_dir",
];

const PORT: &str = "18999";
const PROBE: &str = "<?php echo json_encode(ini_get_all(null, false));";

struct Case<'a> {
    all: &'a Value,
    defaults: &'a Value,
    place: Place,
}

impl Case<'_> {
    fn put(&self, text: &str) -> String {
        let root = self.place.0.to_str().unwrap();
        text.replace("@PROBE@", PROBE).replace("@ROOT@", root).replace("@PORT@", PORT)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.place.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.put(text)).unwrap();
    }

    fn lay_out(&self) {
        self.write("www/index.php", PROBE);
        self.write("httpd.conf", self.all["conf"].as_str().unwrap());
        for (name, text) in self.all["files"].as_object().unwrap() {
            self.write(name, text.as_str().unwrap());
        }
    }

    /// The directives that the program had; None: no program ran.
    fn values(&self) -> Option<Map<String, Value>> {
        let expected = &self.all["expected"];
        let mut all = self.defaults[expected["sapi"].as_str()?].as_object().unwrap().clone();
        all.extend(expected["ini"].as_object().unwrap().clone());
        all.retain(|name, _| !BUILD.contains(&name.as_str()));
        Some(all)
    }

    fn ask(&self, names: &[&str]) -> std::process::Output {
        let (host, url) = (self.all["host"].as_str().unwrap(), self.all["url"].as_str().unwrap());
        let mut command = command();
        command.args(["get", "--json", "--httpd-conf", &self.place.path("httpd.conf")]);
        command.args(["--url", &format!("http://{host}:{PORT}{url}")]);
        if self.all["fpm"].as_bool() == Some(true) {
            command.args(["--fpm-conf", &self.place.path("fpm.conf"), "--php-ini", &self.place.path("php/php.ini")]);
        }
        command.args(names).output().unwrap()
    }

    /// What the command says otherwise than the server did.
    fn difference(&self) -> Option<String> {
        let expected = &self.all["expected"];
        let values = self.values().unwrap_or_default();
        let mut names: Vec<&str> = values.keys().map(String::as_str).collect();
        if names.is_empty() {
            names.push("memory_limit");
        }
        let output = self.ask(&names);
        if expected["starts"] == false {
            return (output.status.code() != Some(2)).then(|| format!("the server does not start: {output:?}"));
        }
        if output.stdout.is_empty() {
            return Some(format!("no document: {}", err(&output)));
        }
        let got = json(&output);
        if values.is_empty() {
            let same = output.status.code() == Some(1) && got["status"] == expected["status"];
            return (!same).then(|| format!("status {}: {got}", expected["status"]));
        }
        let wrong: Vec<String> = values
            .iter()
            .map(|(name, value)| (name, self.put(value.as_str().unwrap_or_default())))
            .filter(|(name, value)| got[name.as_str()].as_str().unwrap_or_default() != value)
            .map(|(name, value)| format!("{name}: {value:?}, not {}", got[name.as_str()]))
            .collect();
        (got.get("status").is_some() || !wrong.is_empty()).then(|| format!("{} {wrong:?}", got["status"]))
    }
}

#[test]
fn every_case_is_answered_as_the_servers_did() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/estate/cases.json");
    let data: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let cases = data["cases"].as_object().unwrap();
    let mut different = BTreeSet::new();
    for (name, all) in cases {
        let case = Case { all, defaults: &data["defaults"], place: Place::new(&format!("estate-{name}"), &[]) };
        case.lay_out();
        if let Some(why) = case.difference() {
            println!("{name}: {}: {why}", all["about"]);
            different.insert(name.as_str());
        }
    }
    assert!(cases.len() >= 74);
    let known: BTreeSet<&str> = DIFFER.iter().map(|(name, _)| *name).collect();
    let new: Vec<_> = different.difference(&known).collect();
    let right: Vec<_> = known.difference(&different).collect();
    assert!(new.is_empty(), "differ from the real servers: {new:?}");
    assert!(right.is_empty(), "right now, so take them out of DIFFER: {right:?}");
}

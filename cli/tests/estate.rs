//! `outlive get` for situations that people who run PHP have met: what real Apache with mod_php, PHP-FPM or php-cgi answered.
//! What the cases hold is described in tests/conformance/README.md. Each is a test: `cargo test -p outlive-cli --test estate -- p1-disable`.

#[path = "../../tests/recorded_support/mod.rs"]
mod recorded_support;
mod support;

use recorded_support::{Case as Test, Outcome};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use support::{Place, command, err, json};

/// Cases that still differ, and why. One that becomes right has to leave this list.
const DIFFER: [(&str, &str); 0] = [];

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

/// Instead of the server's /etc/mime.types.
const TYPES: &str =
    "text/html html htm\ntext/css css\ntext/plain txt\nimage/png png\nimage/jpeg jpg jpeg\napplication/javascript js\n";

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
        self.write("mime.types", TYPES);
        self.write("httpd.conf", &self.all["conf"].as_str().unwrap().replace("/etc/mime.types", "@ROOT@/mime.types"));
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
        // What mod_php was built with names directories of this machine.
        command.args(["get", "--json", "--httpd-conf", &self.place.path("httpd.conf"), "--env", "PHP_INI_SCAN_DIR="]);
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

fn answered(name: &str, all: &Value, defaults: &Value) -> Outcome {
    let case = Case { all, defaults, place: Place::new(&format!("estate-{name}"), &[]) };
    case.lay_out();
    let differs = DIFFER.iter().any(|(known, _)| *known == name);
    match case.difference() {
        Some(why) if !differs => Err(format!("{}: {why}", all["about"])),
        None if differs => Err("it is right now, so take it out of DIFFER".into()),
        _ => Ok(()),
    }
}

fn main() -> ExitCode {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/estate/cases.json");
    let data: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let data = Arc::new(data);
    let names: Vec<String> = data["cases"].as_object().unwrap().keys().cloned().collect();
    assert!(names.len() >= 74, "only {} cases", names.len());
    assert!(
        DIFFER.iter().all(|(known, _)| names.iter().any(|name| name == known)),
        "DIFFER names a case that is not there"
    );
    let test = |name: String| {
        let data = Arc::clone(&data);
        Test::alone(name.clone(), move || answered(&name, &data["cases"][&name], &data["defaults"]))
    };
    recorded_support::main(names.into_iter().map(test).collect())
}

//! `outlive get` for trees in the manner of those that people have: what real Apache answered, with mod_php and with PHP-FPM behind it.
//! The trees and how they are recorded: tests/conformance/README.md.

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Place, command, err};

const PORT: &str = "18600";
const FPM: &str =
    "[www]\nlisten = @ROOT@/fpm.sock\nphp_value[upload_max_filesize] = 5M\nphp_admin_value[post_max_size] = 9M\n";

/// A tree as it was laid out for the server, and what that answered.
struct Tree<'a> {
    all: &'a Value,
    defaults: &'a Value,
    place: Place,
}

impl Tree<'_> {
    fn put(&self, text: &str) -> String {
        text.replace("@ROOT@", self.place.0.to_str().unwrap()).replace("@PORT@", PORT)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.place.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.put(text)).unwrap();
    }

    fn lay_out(&self, types: &str) {
        let conf = self.all["conf"].as_str().unwrap();
        for (name, text) in
            [("httpd.conf", conf), ("php/php.ini", ""), ("fpm.conf", FPM), ("mime.types", types), ("users", "")]
        {
            self.write(name, text);
        }
        for (name, text) in self.all["files"].as_object().unwrap() {
            self.write(name, text.as_str().unwrap());
        }
        for (name, to) in self.all["links"].as_object().unwrap() {
            std::os::unix::fs::symlink(self.put(to.as_str().unwrap()), self.place.0.join("www/0").join(name)).unwrap();
        }
    }

    fn is_fpm(&self) -> bool {
        self.all["sapi"] == "fpm"
    }

    fn ask(&self, asked: &Value, names: &[&str]) -> Result<Value, String> {
        let mut command = command();
        command.args([
            "get",
            "--json",
            "--context",
            "--httpd-conf",
            &self.place.path("httpd.conf"),
            "--env",
            "PHP_INI_SCAN_DIR=",
        ]);
        command.args(["--method", asked["method"].as_str().unwrap()]);
        command.args(["--url", &format!("http://t0.test:{PORT}{}", asked["url"].as_str().unwrap())]);
        for (name, value) in asked["headers"].as_object().unwrap() {
            command.args(["--header", &format!("{name}: {}", value.as_str().unwrap())]);
        }
        if self.is_fpm() {
            command.args(["--fpm-conf", &self.place.path("fpm.conf"), "--php-ini", &self.place.path("php/php.ini")]);
        }
        let output = command.args(names).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).map_err(|_| err(&output))?;
        Ok(document["answers"][0].clone())
    }

    /// What the command says otherwise than the server did.
    fn difference(&self, asked: &Value) -> Option<String> {
        let defaults = self.defaults[self.all["sapi"].as_str().unwrap()].as_object().unwrap();
        let names: Vec<&str> = defaults.keys().map(String::as_str).collect();
        let said = match self.ask(asked, &names) {
            Ok(said) => said,
            Err(text) => return Some(text),
        };
        let answer = &said["answer"];
        let Some(own) = asked["ini"].as_object() else {
            let same = answer["status"] == asked["status"]
                && answer.get("location").is_none_or(|to| self.is(to, &asked["location"]));
            return (!same)
                .then(|| format!("the server answers {} {}, this {answer}", asked["status"], asked["location"]));
        };
        if answer.get("because").is_some() {
            return Some(format!("the server runs {}, this answers {answer}", asked["file"]));
        }
        let text = |value: &Value| self.put(value.as_str().unwrap_or_default());
        let script = text(&asked["file"]).replace("//", "/");
        let wrong: Vec<String> = (defaults.iter())
            .map(|(name, usual)| (name, text(own.get(name).unwrap_or(usual))))
            .filter(|(name, value)| answer[name.as_str()].as_str().unwrap_or_default() != value)
            .map(|(name, value)| format!("{name}: {value:?}, not {}", answer[name.as_str()]))
            .chain(
                (said["answering_for"]["script"] != *script)
                    .then(|| format!("{script}, not {}", said["answering_for"]["script"])),
            )
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    fn is(&self, own: &Value, recorded: &Value) -> bool {
        own.as_str().is_some_and(|own| own == self.put(recorded.as_str().unwrap_or_default()))
    }
}

/// Among them the facts.
#[test]
fn every_tree_is_answered_as_the_servers_did() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/trees/recorded.jsonl");
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().unwrap();
    let trees: Vec<Value> = lines.collect();
    let (next, requests, different) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(all) = trees.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = format!("{}-{}", all["name"].as_str().unwrap(), all["sapi"].as_str().unwrap());
            let tree = Tree { all, defaults: &first["defaults"], place: Place::new(&format!("tree-{name}"), &[]) };
            tree.lay_out(first["types"].as_str().unwrap());
            for asked in all["requests"].as_array().unwrap() {
                requests.fetch_add(1, Ordering::Relaxed);
                if let Some(why) = tree.difference(asked) {
                    println!("{name}: {} {}: {why}", asked["method"], asked["url"]);
                    different.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    assert!(trees.len() >= 40 && requests.into_inner() >= 400);
    assert_eq!(different.into_inner(), 0, "requests are answered otherwise");
}

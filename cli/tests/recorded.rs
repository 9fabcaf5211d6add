//! `outlive get` for every recorded httpd layout and request: the values that a real Apache with mod_php had.
//! The layouts and what they hold are described in tests/conformance/README.md. Each is a test: `cargo test -p outlive-cli --test recorded -- vh-names`.

#[path = "../../tests/recorded_support/mod.rs"]
mod recorded_support;
mod support;

use recorded_support::Case;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use support::command;

const PORTS: [&str; 2] = ["18100", "18101"];

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/httpd").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Layouts whose recorded values are not those of the request itself: the program that was asked prepends another one that
/// calls ini_set(), or runs another URL inside the request (virtual(), server-side includes).
const OTHER_PROGRAMS: [&str; 3] = ["mp-preload-files", "php-virtual", "ssi"];

/// One layout in a directory of its own.
struct Layout<'a> {
    all: &'a Value,
    preamble: &'a Value,
    root: PathBuf,
}

/// Texts are Latin-1 where they are not UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>().unwrap_or_else(|_| text.into())
}

impl Layout<'_> {
    fn put(&self, text: &str) -> String {
        let root = self.root.to_str().unwrap();
        text.replace("@ROOT@", root).replace("@PORT2@", PORTS[1]).replace("@PORT@", PORTS[0])
    }

    fn strings(&self, key: &str) -> Vec<String> {
        self.all["case"][key].as_array().into_iter().flatten().map(|text| self.put(text.as_str().unwrap())).collect()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = if text.trim() == "@PROBE@" { "<?php".to_owned() } else { self.put(text) };
        fs::write(path, latin1(&text)).unwrap();
    }

    fn place(&self) {
        for directory in ["run", "phpini", "www"].map(str::to_owned).into_iter().chain(self.strings("mkdir")) {
            fs::create_dir_all(self.root.join(directory)).unwrap();
        }
        for (name, text) in self.all["files"].as_object().into_iter().flatten() {
            self.write(name, text.as_str().unwrap());
        }
        for (link, to) in self.all["case"]["symlinks"].as_object().into_iter().flatten() {
            std::os::unix::fs::symlink(self.put(to.as_str().unwrap()), self.root.join(link)).unwrap();
        }
        self.write("httpd.conf", self.all["conf"].as_str().unwrap());
    }

    /// What Apache was started with.
    fn source(&self) -> Vec<OsString> {
        let mut out: Vec<OsString> = [
            "--httpd-conf",
            &self.put("@ROOT@/httpd.conf"),
            "--server-root",
            &self.put("@ROOT@"),
            "--php-version",
            "8.2",
        ]
        .map(OsString::from)
        .into();
        let mut option = |name: &str, text: String| out.extend([name.into(), OsString::from_vec(latin1(&text))]);
        let dropped = self.strings("drop_modules");
        for line in self.preamble["directives_in_order"].as_array().unwrap() {
            let line = line.as_str().unwrap();
            let is_dropped = dropped.iter().any(|module| line.starts_with(&format!("LoadModule {module} ")));
            match line.split_once("   (unless").map_or(line, |(line, _)| line) {
                line if line.starts_with("PHPINIDir") && self.all["case"]["no_phpinidir"] == Value::Bool(true) => {}
                line if !is_dropped => option("--httpd-before", self.put(line)),
                _ => {}
            }
        }
        self.strings("after").into_iter().for_each(|line| option("--httpd-after", line));
        self.strings("defines").into_iter().for_each(|name| option("-D", name));
        let own = self.all["case"]["env"].as_object();
        for (name, value) in self.preamble["env"].as_object().into_iter().chain(own).flatten() {
            option("--env", format!("{name}={}", self.put(value.as_str().unwrap())));
        }
        out
    }

    fn request(&self, request: &Value) -> Vec<OsString> {
        let port = PORTS[usize::from(request["port"] == 2)];
        let url = request.as_str().or(request["url"].as_str()).unwrap();
        let host = match request.get("host") {
            None => Some(format!("localhost:{port}")),
            Some(host) => host.as_str().map(|host| self.put(host)),
        };
        let mut out: Vec<OsString> =
            ["--address", "127.0.0.1", "--client", "127.0.0.1", "--port", port, "--uri"].map(OsString::from).into();
        out.push(OsString::from_vec(latin1(&self.put(url))));
        for (option, key) in [("--method", "method"), ("--protocol", "proto")] {
            out.extend(request[key].as_str().into_iter().flat_map(|value| [option.into(), value.into()]));
        }
        let headers = request["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| format!("{name}: {}", self.put(value.as_str().unwrap())));
        for header in headers.chain(host.map(|host| format!("Host: {host}"))) {
            out.extend(["--header".into(), OsString::from_vec(latin1(&header))]);
        }
        out
    }

    /// Compares every request; the count of values, and what is wrong.
    fn compare(&self) -> (usize, Vec<String>) {
        let (mut values, mut wrong) = (0, Vec::new());
        let source = self.source();
        let defaults = self.preamble["defaults_omitted_from_expected"].as_object().unwrap();
        for answer in self.all["expected"]["requests"].as_array().into_iter().flatten() {
            for (name, text) in answer["request"]["write"].as_object().into_iter().flatten() {
                match text.as_str() {
                    Some(text) => self.write(name, text),
                    None => fs::remove_file(self.root.join(name)).unwrap(),
                }
            }
            let Some(recorded) = answer["php"]["ini"].as_object() else { continue };
            let names: Vec<&String> =
                defaults.keys().chain(recorded.keys().filter(|name| !defaults.contains_key(*name))).collect();
            let output = command()
                .args(["get", "--json"])
                .args(&names)
                .args(&source)
                .args(self.request(&answer["request"]))
                .output()
                .unwrap();
            let Ok(own) = serde_json::from_slice::<Value>(&output.stdout) else {
                wrong.push(format!("{}: {output:?}", answer["request"]));
                continue;
            };
            for name in names {
                values += 1;
                let want = &recorded.get(name).or(defaults.get(name)).unwrap()["get"];
                let want = want.as_str().map(|text| self.put(text));
                let got = own[name].as_str();
                if got != want.as_deref() {
                    wrong.push(format!(
                        "{}: {name} is {got:?} ({}), Apache had {want:?}",
                        answer["request"], own["because"]
                    ));
                }
            }
        }
        (values, wrong)
    }
}

fn main() -> ExitCode {
    let preamble: Arc<Value> = Arc::new(serde_json::from_str(&data("PREAMBLE.json")).unwrap());
    let text = data("layouts.jsonl") + &data("found.jsonl");
    // Exactly five components: a recorded rule counts slashes.
    let work = PathBuf::from(format!("/tmp/outlive/g{}/run", std::process::id()));
    let (mut cases, mut values) = (Vec::new(), 0);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let all: Value = serde_json::from_str(line).unwrap();
        let name = all["name"].as_str().unwrap().to_owned();
        if OTHER_PROGRAMS.contains(&&*name) {
            continue;
        }
        let defaults = preamble["defaults_omitted_from_expected"].as_object().unwrap().len();
        let answers = all["expected"]["requests"].as_array().into_iter().flatten();
        values += answers.filter(|answer| answer["php"]["ini"].is_object()).count() * defaults;
        let (preamble, root) = (Arc::clone(&preamble), work.join(&name));
        cases.push(Case::alone(name, move || {
            let layout = Layout { all: &all, preamble: &preamble, root };
            layout.place();
            let (_, wrong) = layout.compare();
            let _ = fs::remove_dir_all(&layout.root);
            if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
        }));
    }
    assert!(values > 38_000, "only {values} values are recorded");
    let code = recorded_support::main(cases);
    let _ = fs::remove_dir_all(work.parent().unwrap());
    code
}

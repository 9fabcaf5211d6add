//! Replays the recorded layouts through a configuration: for every request that ran PHP, the value, the global value,
//! the access level and what `ini_set` did, for the ten probed directives, php.ini and scan files included.
//!
//! Left out: requests that pass through a second one inside the server (`virtual()`, SSI), and files that PHP prepends,
//! because those run programs.
#![cfg(unix)]

use outlive::config::{Builder, Config, Outcome};
use outlive::files::Disk;
use outlive::target::Target;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, str};

const PORT: u16 = 18200;
const PORT2: u16 = 18201;

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/httpd").join(name);
    fs::read_to_string(path).unwrap_or_default()
}

fn put(text: &str, root: &Path) -> String {
    let root = root.to_str().unwrap();
    text.replace("@ROOT@", root).replace("@PORT2@", &PORT2.to_string()).replace("@PORT@", &PORT.to_string())
}

fn bytes(text: &str, root: &Path) -> Vec<u8> {
    let placed = put(text, root);
    placed.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>().unwrap_or_else(|_| placed.into_bytes())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn place(layout: &Value, root: &Path) {
    let _ = fs::remove_dir_all(root);
    for dir in ["run", "phpini", "www"].into_iter().chain(strings(&layout["case"]["mkdir"])) {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for (name, content) in layout["files"].as_object().into_iter().flatten() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes(content.as_str().unwrap(), root)).unwrap();
    }
    for (link, to) in layout["case"]["symlinks"].as_object().into_iter().flatten() {
        std::os::unix::fs::symlink(put(to.as_str().unwrap(), root), root.join(link)).unwrap();
    }
    fs::write(root.join("httpd.conf"), bytes(layout["conf"].as_str().unwrap(), root)).unwrap();
}

fn config(layout: &Value, preamble: &Value, root: &Path) -> outlive::Result<Config> {
    let case = &layout["case"];
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_sapi(b"apache2handler")?;
    builder.load_httpd_conf(&root.join("httpd.conf"))?;
    for env in [&preamble["env"], &case["env"]] {
        for (name, value) in env.as_object().into_iter().flatten() {
            builder.set_env(name.as_bytes(), put(value.as_str().unwrap(), root).as_bytes());
        }
    }
    strings(&case["defines"]).into_iter().for_each(|name| builder.define(name.as_bytes(), None));
    // The recording server had an empty compiled-in directory, as far as these directives go.
    builder.search_php_ini();
    let dropped = strings(&case["drop_modules"]);
    let options = builder.httpd_options();
    options.server_root = Some(root.to_path_buf());
    let before = strings(&preamble["directives_in_order"]).into_iter().filter(|line| {
        !line.starts_with("PHPINIDir") && !dropped.iter().any(|name| line.starts_with(&format!("LoadModule {name} ")))
    });
    options.before = before.map(|line| put(line, root).into_bytes()).collect();
    if case["no_phpinidir"] != Value::Bool(true) {
        options.before.push(put("PHPINIDir @ROOT@/phpini", root).into_bytes());
    }
    options.after = strings(&case["after"]).into_iter().map(|line| put(line, root).into_bytes()).collect();
    builder.build()
}

fn ask(config: &Config, request: &Value, root: &Path) -> outlive::Result<Outcome> {
    let port = if request["port"] == 2 { PORT2 } else { PORT };
    let url = put(request.as_str().or(request["url"].as_str()).unwrap(), root);
    let url: Vec<u8> = url.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let host = match request.get("host") {
        None => Some(format!("localhost:{port}")),
        Some(host) => host.as_str().map(|host| put(host, root)),
    };
    let pairs = request["headers"].as_object().into_iter().flatten();
    let headers: Vec<(String, String)> = pairs.map(|(k, v)| (k.clone(), put(v.as_str().unwrap(), root))).collect();
    let mut headers: Vec<(&[u8], &[u8])> = headers.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
    headers.extend(host.as_ref().map(|host| (&b"Host"[..], host.as_bytes())));
    config.outcome(&Target {
        server_address: Some(b"127.0.0.1"),
        port,
        method: request["method"].as_str().map(str::as_bytes),
        protocol: request["proto"].as_str().map(str::as_bytes),
        uri: Some(&url),
        client_address: Some(b"127.0.0.1"),
        headers: &headers,
        ..Target::default()
    })
}

fn latin1(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect(), str::to_owned)
}

/// Compares the probed directives of one request; returns how many there were.
fn compare(outcome: &Outcome, answer: &Value, defaults: &Value, root: &Path, wrong: &mut Vec<String>) -> usize {
    let Outcome::Run(settings) = outcome else {
        wrong.push(format!("{}: {outcome:?}", answer["request"]));
        return 0;
    };
    let mut count = 0;
    let recorded = answer["php"]["ini"].as_object().cloned().unwrap_or_default();
    let names = defaults.as_object().into_iter().flatten().map(|(name, _)| name).chain(recorded.keys());
    for name in names {
        let want = recorded.get(name).unwrap_or(&defaults[name]);
        let Some(entry) = settings.entry(name.as_bytes()) else {
            wrong.push(format!("no directive {name}"));
            continue;
        };
        let text = |key: &str| want[key].as_str().map(|text| put(text, root));
        let own = (Some(latin1(entry.value)), Some(latin1(entry.global)), Some(u64::from(entry.access.0)));
        // Where there was no value at the start, ini_get_all shows the one in force (I-163).
        let global = text("global").filter(|_| !entry.global.is_empty()).or_else(|| own.1.clone());
        let want = (text("get"), global, want["access"].as_u64());
        if own != want {
            wrong.push(format!("{} {name}: {own:?}, recorded {want:?}", answer["request"]));
        }
        count += 1;
    }
    count
}

#[test]
fn every_recorded_request_has_its_values() {
    let preamble: Value = serde_json::from_str(&data("PREAMBLE.json")).unwrap();
    let defaults = &preamble["defaults_omitted_from_expected"];
    let (mut layouts, mut requests, mut values, mut wrong) = (0, 0, 0, Vec::new());
    for line in data("layouts.jsonl").lines() {
        let layout: Value = serde_json::from_str(line).unwrap();
        let name = layout["name"].as_str().unwrap();
        let runs_more = layout["files"].to_string().contains("virtual") || line.contains("auto_prepend_file");
        if layout["expected"]["config_ok"] != Value::Bool(true) || runs_more {
            continue;
        }
        let root = PathBuf::from(format!("/tmp/outlive/c{}/run/{name}", std::process::id()));
        place(&layout, &root);
        let config = config(&layout, &preamble, &root).unwrap_or_else(|error| panic!("{name}: {error}"));
        layouts += 1;
        for answer in layout["expected"]["requests"].as_array().into_iter().flatten() {
            for (file, content) in answer["request"]["write"].as_object().into_iter().flatten() {
                match content.as_str() {
                    Some(content) => fs::write(root.join(file), put(content, &root)).unwrap(),
                    None => fs::remove_file(root.join(file)).unwrap(),
                }
            }
            if answer["php"].is_null() || answer["php"]["source_shown"] == Value::Bool(true) {
                continue;
            }
            let before = wrong.len();
            match ask(&config, &answer["request"], &root) {
                Ok(outcome) => values += compare(&outcome, answer, defaults, &root, &mut wrong),
                Err(error) => wrong.push(error.to_string()),
            }
            wrong[before..].iter_mut().for_each(|text| text.insert_str(0, &format!("{name} ")));
            requests += 1;
        }
        let _ = fs::remove_dir_all(&root);
    }
    println!("{layouts} layouts, {requests} requests, {values} values compared");
    assert!(wrong.is_empty(), "{} differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(30)]);
    assert!(requests > 2000 && values > 20_000);
}

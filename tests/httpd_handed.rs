//! The variables that httpd hands to a FastCGI server: what a real one handed over (`tests/differential/handed.py`), and what is
//! computed here. Facts.

use outlive::files::Disk;
use outlive::httpd::{Configuration, Options, Resolution, Run};
use outlive::target::Target;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PORT: u16 = 18100;

fn data(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/httpd").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn recorded() -> Value {
    data("handed.json")
}

fn work_directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("outlive-handed-{}", std::process::id())).join(name)
}

fn load(root: &Path, conf: &str, files: &Value) -> Configuration {
    let _ = std::fs::remove_dir_all(root);
    let put = |text: &str| {
        let text = text.replace("@ROOT@", root.to_str().unwrap());
        text.replace("@PORT@", &PORT.to_string()).replace("@FPM@", "9000")
    };
    for (name, text) in files.as_object().unwrap() {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        std::fs::write(root.join(name), text.as_str().unwrap()).unwrap();
    }
    std::fs::write(root.join("httpd.conf"), put(conf)).unwrap();
    std::fs::create_dir_all(root.join("phpini")).unwrap();
    let preamble = data("PREAMBLE.json");
    let before = preamble["directives_in_order"].as_array().unwrap().iter();
    let before = before.filter(|line| !line.as_str().unwrap().starts_with("PHPINIDir"));
    let before = before.map(|line| put(line.as_str().unwrap()).replace("@PORT2@", "18101").into_bytes());
    let options = Options { server_root: Some(root.to_path_buf()), before: before.collect(), ..Options::default() };
    Configuration::load(&Disk, &root.join("httpd.conf"), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn run(configuration: &Configuration, asked: &Value, client: Option<&[u8]>) -> Run {
    let host = format!("localhost:{PORT}");
    let mut headers: Vec<(&[u8], &[u8])> = vec![(b"Host", host.as_bytes())];
    let own = asked["headers"].as_object().into_iter().flatten();
    headers.extend(own.map(|(name, value)| (name.as_bytes(), value.as_str().unwrap().as_bytes())));
    let target = Target {
        server_address: client,
        client_address: client,
        port: PORT,
        method: Some(asked["method"].as_str().unwrap_or("GET").as_bytes()),
        protocol: Some(b"HTTP/1.1"),
        uri: Some(asked["url"].as_str().unwrap().as_bytes()),
        user: asked["user"].as_str().map(str::as_bytes),
        headers: &headers,
        ..Target::default()
    };
    match configuration.resolve(&Disk, &target).unwrap() {
        Resolution::Run(run) => run,
        Resolution::Answer { status, because, .. } => panic!("{}: {status} {because}", asked["url"]),
    }
}

fn handed(run: &Run) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = run.variables.iter().filter(|one| one.name.get(1) == Some(&b'_'));
    own.map(|one| (text(&one.name), text(&one.value))).collect()
}

#[test]
fn each_variable_is_what_a_real_server_handed_over() {
    let recorded = recorded();
    let root = work_directory("handed");
    let configuration = load(&root, recorded["conf"].as_str().unwrap(), &recorded["files"]);
    let put = |text: &str| {
        let text = text.replace("@ROOT@", root.to_str().unwrap());
        text.replace("@PORT@", &PORT.to_string()).replace("@FPM@", "9000")
    };
    let mut compared = 0;
    for asked in recorded["requests"].as_array().unwrap() {
        let run = run(&configuration, asked, Some(b"127.0.0.1"));
        assert_eq!(u64::from(run.status), asked["status"].as_u64().unwrap(), "{}", asked["url"]);
        let real = asked["handed"].as_object().unwrap();
        let real: BTreeMap<_, _> =
            real.iter().map(|(name, value)| (name.clone(), put(value.as_str().unwrap()))).collect();
        let own = handed(&run);
        for name in real.keys().chain(own.keys()) {
            assert_eq!(own.get(name), real.get(name), "{name} of {}: {:?}", asked["url"], run.notes);
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
    let _ = std::fs::remove_dir_all(root);
}

/// What only a live request could tell is neither empty nor unset.
#[test]
fn a_variable_of_unknown_value_is_said_to_be_unknown() {
    let recorded = recorded();
    let root = work_directory("handed-unknown");
    let base = recorded["conf"].as_str().unwrap().split("ProxyFCGISetEnvIf").next().unwrap().to_owned();
    let names = ["REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR", "PATH"];
    let lines = names.iter().map(|name| {
        format!("ProxyFCGISetEnvIf \"-z reqenv('{name}')\" E_{name}\nProxyFCGISetEnvIf \"-n reqenv('{name}')\" N_{name}\nProxyFCGISetEnvIf \"true\" V_{name} \"%{{reqenv:{name}}}\"\n")
    });
    let configuration = load(&root, &(base + &lines.collect::<String>()), &recorded["files"]);
    let asked = serde_json::json!({ "url": "/p.php" });
    let own = run(&configuration, &asked, None);
    assert_eq!(handed(&own), BTreeMap::new(), "{:?}", own.notes);
    for name in names {
        assert!(own.notes.iter().filter(|note| note.contains(name)).count() >= 3, "{name}: {:?}", own.notes);
    }
    let _ = std::fs::remove_dir_all(root);
}

//! Places a layout in a directory of its own, asks the resolver, and compares with what the real server answered.

use outlive::files::Disk;
use outlive::httpd::{Configuration, DirConfig, Options, Resolution, Run, ValueKind};
use outlive::target::Target;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub const PORT: u16 = 18100;
pub const PORT2: u16 = 18101;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/httpd").join(name)
}

#[allow(dead_code)] // not every test that shares this file
pub fn layouts(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(data(name)).unwrap_or_default();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

pub fn preamble() -> Value {
    serde_json::from_str(&fs::read_to_string(data("PREAMBLE.json")).expect("PREAMBLE.json")).expect("JSON")
}

/// A directory with exactly five components, none of which a recorded pattern would match.
pub fn work_directory(name: &str) -> PathBuf {
    PathBuf::from("/tmp").join("outlive").join(format!("t{}", std::process::id())).join("run").join(name)
}

pub struct Layout {
    pub name: String,
    case: Value,
    conf: String,
    files: BTreeMap<String, String>,
    pub expected: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Placeholders, then bytes: data files hold Latin-1 where a text is not UTF-8.
fn put(text: &str, root: &Path) -> Vec<u8> {
    let root = root.to_str().expect("UTF-8");
    text.replace("@ROOT@", root)
        .replace("@PORT2@", &PORT2.to_string())
        .replace("@PORT@", &PORT.to_string())
        .into_bytes()
}

fn put_text(text: &str, root: &Path) -> String {
    String::from_utf8(put(text, root)).expect("UTF-8")
}

fn latin1(text: &str, root: &Path) -> Vec<u8> {
    let placed = put_text(text, root);
    placed.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>().unwrap_or_else(|_| placed.into_bytes())
}

impl Layout {
    pub fn new(mut value: Value) -> Self {
        let files = value["files"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
        let (name, conf) = (text(&value["name"]), text(&value["conf"]));
        Self { name, conf, files, case: value["case"].take(), expected: value["expected"].take() }
    }

    fn strings(&self, key: &str) -> Vec<String> {
        self.case[key].as_array().into_iter().flatten().map(text).collect()
    }

    pub fn place(&self, root: &Path) {
        let _ = fs::remove_dir_all(root);
        for directory in ["run", "phpini", "www"] {
            fs::create_dir_all(root.join(directory)).expect("mkdir");
        }
        for (name, content) in &self.files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            let bytes = if content.trim() == "@PROBE@" { b"<?php // probe".to_vec() } else { latin1(content, root) };
            fs::write(path, bytes).expect("write");
        }
        for directory in self.strings("mkdir") {
            fs::create_dir_all(root.join(directory)).expect("mkdir");
        }
        for (link, to) in self.case["symlinks"].as_object().into_iter().flatten() {
            std::os::unix::fs::symlink(put_text(&text(to), root), root.join(link)).expect("symlink");
        }
        fs::write(root.join("httpd.conf"), latin1(&self.conf, root)).expect("write");
    }

    fn options(&self, root: &Path, preamble: &Value) -> Options {
        let dropped = self.strings("drop_modules");
        let mut before: Vec<String> =
            preamble["directives_in_order"].as_array().into_iter().flatten().map(text).collect();
        before.retain(|line| !dropped.iter().any(|module| line.starts_with(&format!("LoadModule {module} "))));
        before.retain(|line| !line.starts_with("PHPINIDir"));
        if self.case["no_phpinidir"] != Value::Bool(true) {
            before.push("PHPINIDir @ROOT@/phpini".into());
        }
        let mut env = preamble["env"].clone();
        for (name, value) in self.case["env"].as_object().into_iter().flatten() {
            env[name] = put_text(&text(value), root).into();
        }
        Options {
            server_root: Some(root.to_path_buf()),
            defines: self.strings("defines").into_iter().map(|name| (name.into_bytes(), None)).collect(),
            before: before.iter().map(|line| put(line, root)).collect(),
            after: self.strings("after").iter().map(|line| put(line, root)).collect(),
            env: env
                .as_object()
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone().into_bytes(), text(v).into_bytes()))
                .collect(),
            ..Options::default()
        }
    }
}

#[derive(Default)]
pub struct Compared {
    pub requests: usize,
    pub values: usize,
    pub wrong: Vec<String>,
}

#[allow(dead_code)] // not every test that shares this file
pub fn compare(layout: &Layout, root: &Path, preamble: &Value) -> Compared {
    let mut result = Compared::default();
    let options = layout.options(root, preamble);
    let loaded = Configuration::load(&Disk, &root.join("httpd.conf"), &options);
    let ok = layout.expected["config_ok"] == Value::Bool(true);
    let configuration = match loaded {
        Ok(configuration) => configuration,
        Err(error) => {
            if ok {
                result.wrong.push(format!("refused: {error}"));
            } else if let Some(text) = message_differs(layout, root, &error) {
                result.wrong.push(text);
            }
            return result;
        }
    };
    if !ok {
        result.wrong.push(format!("accepted, but Apache says {}", layout.expected["config_messages"]));
        return result;
    }
    for answer in layout.expected["requests"].as_array().into_iter().flatten() {
        result.requests += 1;
        change_files(&answer["request"], root);
        request(layout, root, preamble, &configuration, answer, &mut result);
    }
    result
}

/// The text and the line that matter: the end of Apache's last message, and the innermost file and line it names.
fn message_differs(layout: &Layout, root: &Path, error: &outlive::Error) -> Option<String> {
    let messages: Vec<String> = layout.expected["config_messages"]
        .as_array()?
        .iter()
        .map(|m| put_text(&text(m), root).replace("\\n", "\n"))
        .collect();
    let all = messages.join("\n");
    // Recorded messages were cut at a fixed length; endless includes are longer than that.
    if all.matches("Syntax error on line").count() > 50 {
        let fine = error.code == outlive::Code::TooLarge;
        return (!fine).then(|| format!("endless include: {error}"));
    }
    let own =
        error.message.split(" (read from").next().unwrap_or_default().split(" (in macro").next().unwrap_or_default();
    let own = own.split(". No LoadModule").next().unwrap_or_default();
    // Of a macro in a macro, Apache says where in the outer one it was defined, and this crate where in the file.
    let own = if own.contains("(defined on") {
        own.rsplit([") ", "): "][usize::from(own.contains("): "))]).next().unwrap_or(own)
    } else {
        own
    };
    let exact = ["Cannot parse condition clause"].iter().all(|start| !own.starts_with(start));
    let wanted = if exact { own } else { "Cannot parse condition clause" };
    let line = format!("line {} of {}", error.origin.line, error.origin.file_text().unwrap_or_default());
    let line2 = format!("{}:{}:", error.origin.file_text().unwrap_or_default(), error.origin.line);
    // Apache counts a macro's lines from its beginning; the origin is the line in the file.
    let in_macro = all.contains("of macro '");
    let placed = in_macro || all.contains(&line) || all.contains(&line2);
    (!(all.contains(wanted) && placed)).then(|| format!("says {error:?}, Apache says {all:?}"))
}

fn change_files(request: &Value, root: &Path) {
    for (name, content) in request["write"].as_object().into_iter().flatten() {
        match content.as_str() {
            Some(content) => fs::write(root.join(name), put(content, root)).expect("write"),
            None => fs::remove_file(root.join(name)).expect("remove"),
        }
    }
}

struct Question {
    url: String,
    host: Option<String>,
    port: u16,
    method: String,
    protocol: String,
    headers: Vec<(String, String)>,
    user: Option<String>,
}

fn question(request: &Value, root: &Path) -> Question {
    let port = if request["port"] == 2 { PORT2 } else { PORT };
    let (url, host) = match request.as_str() {
        Some(url) => (url.to_owned(), Some(format!("localhost:{port}"))),
        None => {
            let host = match request.get("host") {
                None => Some(format!("localhost:{port}")),
                Some(host) => host.as_str().map(|host| put_text(host, root)),
            };
            (text(&request["url"]), host)
        }
    };
    let word = |key: &str, default: &str| request[key].as_str().unwrap_or(default).to_owned();
    let headers =
        request["headers"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), put_text(&text(v), root)));
    Question {
        url: put_text(&url, root),
        host,
        port,
        method: word("method", "GET"),
        protocol: word("proto", "HTTP/1.1"),
        headers: headers.collect(),
        user: request["user"].as_str().map(str::to_owned),
    }
}

fn ask(configuration: &Configuration, question: &Question) -> outlive::Result<Resolution> {
    let mut headers: Vec<(&[u8], &[u8])> = question.headers.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
    if let Some(host) = &question.host {
        headers.push((b"Host", host.as_bytes()));
    }
    let url: Vec<u8> = question.url.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    configuration.resolve(
        &Disk,
        &Target {
            server_address: Some(b"127.0.0.1"),
            port: question.port,
            method: Some(question.method.as_bytes()),
            protocol: Some(question.protocol.as_bytes()),
            uri: Some(&url),
            client_address: Some(b"127.0.0.1"),
            headers: &headers,
            user: question.user.as_deref().map(str::as_bytes),
            ..Target::default()
        },
    )
}

fn request(
    layout: &Layout,
    root: &Path,
    preamble: &Value,
    configuration: &Configuration,
    answer: &Value,
    result: &mut Compared,
) {
    let question = question(&answer["request"], root);
    let shown = &question.url;
    let mut wrong = |text: String| result.wrong.push(format!("{shown} ({}): {text}", answer["request"]));
    let own = match ask(configuration, &question) {
        Ok(own) => own,
        Err(error) => return wrong(format!("error {error}")),
    };
    let status = answer["status"].as_u64().unwrap_or(0) as u16;
    let run = match own {
        Resolution::Run(run) => run,
        Resolution::Answer { status: own, because, location } => {
            if own != status || !answer["php"].is_null() {
                wrong(format!("answers {own} ({because}), Apache {status}, php {}", !answer["php"].is_null()));
            }
            let location = location.map(|location| String::from_utf8_lossy(&location).into_owned());
            let wanted = answer["location"].as_str().map(|text| put_text(text, root));
            if location != wanted {
                wrong(format!("location {location:?}, Apache {wanted:?}"));
            }
            return;
        }
    };
    let base = merged(&run, None);
    let engine = base.iter().find(|value| *value.name == *b"engine").is_none_or(|value| *value.value != *b"0");
    let php = run.handler.as_deref() == Some(b"application/x-httpd-php") && engine;
    let Some((run, base)) = nested(configuration, &question, run, base, php) else {
        if !answer["php"].is_null() || run_status(answer) != status {
            wrong(format!("no program runs, Apache {status}, php {}", answer["php"]));
        }
        return;
    };
    if answer["php"].is_null() || run.status != status {
        wrong(format!(
            "runs {} with {}, Apache {status}: {answer}",
            String::from_utf8_lossy(&run.filename),
            run.status
        ));
        return;
    }
    let server = &answer["php"]["server"];
    for (key, own) in
        [("SCRIPT_FILENAME", &run.filename), ("DOCUMENT_ROOT", &run.document_root), ("PATH_INFO", &run.path_info)]
    {
        let own = String::from_utf8_lossy(own).into_owned();
        let wanted = put_text(server[key].as_str().unwrap_or_default(), root);
        if own != wanted {
            wrong(format!("{key} {own:?}, Apache {wanted:?}"));
        }
    }
    result.values += values(layout, root, preamble, &base, answer, &run, &mut wrong);
}

/// Shows every request for which PHP ran, with what the resolver says of it and the values that the real server had where they were not
/// PHP's own. Left out: what a php.ini, another script (prepended or nested) or `ini_set` had a part in.
#[allow(dead_code)] // not every test that shares this file
pub fn runs(layout: &Layout, root: &Path, preamble: &Value, mut see: impl FnMut(&Run, &[(String, Option<String>)])) {
    let options = layout.options(root, preamble);
    let Ok(configuration) = Configuration::load(&Disk, &root.join("httpd.conf"), &options) else { return };
    let defaults = &preamble["defaults_omitted_from_expected"];
    let has_ini = layout.files.keys().any(|name| name.starts_with("phpini/") || name.ends_with(".ini"));
    for answer in layout.expected["requests"].as_array().into_iter().flatten() {
        change_files(&answer["request"], root);
        let Some(recorded) = answer["php"]["ini"].as_object().filter(|_| !has_ini) else { continue };
        let Ok(Resolution::Run(run)) = ask(&configuration, &question(&answer["request"], root)) else { continue };
        let base = merged(&run, None);
        let file = fs::read(Path::new(&*String::from_utf8_lossy(&run.filename))).unwrap_or_default();
        if base.iter().any(|value| *value.name == *b"auto_prepend_file") || file != b"<?php // probe" {
            continue;
        }
        let values: Vec<(String, Option<String>)> = defaults
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, default)| {
                let value = &recorded.get(name).unwrap_or(default)["get"];
                (name.clone(), value.as_str().map(|text| put_text(text, root)))
            })
            .collect();
        see(&run, &values);
    }
}

fn run_status(answer: &Value) -> u16 {
    answer["status"].as_u64().unwrap_or(0) as u16
}

/// The values of a request's containers, merged; on top of those of an outer request.
pub fn merged(run: &Run, outer: Option<&DirConfig>) -> DirConfig {
    let mut all = DirConfig::new();
    for container in &run.containers {
        all = DirConfig::merge(&all, &container.values);
    }
    match outer {
        Some(outer) => {
            let mut both = outer.clone();
            for value in all.iter() {
                both.set(value.kind, &value.name, &value.raw, value.origin.clone());
            }
            both
        }
        None => all,
    }
}

/// What runs in the end: the file itself, or what it includes through the server (SSI; PHP's `virtual()`, whose values
/// stay on top of the outer ones: A-079).
fn nested(
    configuration: &Configuration,
    question: &Question,
    run: Run,
    base: DirConfig,
    php: bool,
) -> Option<(Run, DirConfig)> {
    let content =
        fs::read_to_string(PathBuf::from(String::from_utf8_lossy(&run.filename).into_owned())).unwrap_or_default();
    let (start, end) = if php { ("virtual(\"", '"') } else { ("#include virtual=\"", '"') };
    let inner = content.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(uri, _)| uri.to_owned());
    // A file without a program in it shows nothing, whoever sends it.
    let php = php && content.contains("<?php");
    let Some(url) = inner else { return php.then_some((run, base)) };
    let question = Question {
        url,
        host: question.host.clone(),
        headers: Vec::new(),
        user: None,
        method: "GET".into(),
        protocol: question.protocol.clone(),
        ..*question
    };
    match ask(configuration, &question).ok()? {
        Resolution::Run(inner) => {
            let values = merged(&inner, php.then_some(&base));
            Some((inner, values))
        }
        Resolution::Answer { .. } => None,
    }
}

/// Applies the values to the defaults with mod_php's powers and compares. Left out: what ini_set does, and
/// php.ini itself, which `config` reads; of the rules by which a directive rejects a value, the few that occur.
fn values(
    layout: &Layout,
    root: &Path,
    preamble: &Value,
    base: &DirConfig,
    answer: &Value,
    run: &Run,
    wrong: &mut impl FnMut(String),
) -> usize {
    let defaults = &preamble["defaults_omitted_from_expected"];
    let has_ini = layout.files.keys().any(|name| name.starts_with("phpini/") || name.ends_with(".ini"));
    let prepends = base.iter().any(|v| *v.name == *b"auto_prepend_file" && !v.value.is_empty());
    let mut count = 0;
    let empty = serde_json::Map::new();
    let recorded = answer["php"]["ini"].as_object().unwrap_or(&empty);
    let known = defaults.as_object().into_iter().flatten().map(|(k, _)| k.as_str());
    let extra = recorded.keys().map(String::as_str).filter(|key| defaults.get(key).is_none());
    for key in known.chain(extra) {
        let default = &defaults[key];
        let wanted = recorded.get(key).unwrap_or(default);
        let set = base.iter().find(|value| *value.name == *key.as_bytes());
        let Some(set) = set.filter(|set| !rejects(key, &set.value)) else {
            if !has_ini
                && !prepends
                && recorded.contains_key(key)
                && !default.is_null()
                && wanted["get"] != default["get"]
            {
                wrong(format!("{key} is not set, Apache has {}", wanted["get"]));
            }
            count += 1;
            continue;
        };
        let admin = matches!(set.kind, ValueKind::AdminValue | ValueKind::AdminFlag);
        let access = default["access"].as_u64().unwrap_or(7);
        count += 1;
        if !admin && access & 2 == 0 {
            if wanted["get"] != default["get"] && !has_ini {
                wrong(format!("{key} cannot be changed by a value, Apache has {}", wanted["get"]));
            }
            continue;
        }
        let own = String::from_utf8_lossy(&set.value).into_owned();
        let latin: String = set.value.iter().map(|&b| char::from(b)).collect();
        let want = wanted["get"].as_str().map(|want| put_text(want, root));
        let replaced = own.contains('\u{fffd}');
        if want.as_deref() != Some(&own)
            && want.as_deref() != Some(&latin)
            && !replaced
            && !(prepends && key == "user_agent")
        {
            wrong(format!("{key} is {own:?} ({}), Apache has {want:?}; containers {:?}", set.origin, shown(run)));
        }
        if admin && wanted["access"] != 4 {
            wrong(format!("{key} is locked, Apache has access {}", wanted["access"]));
        }
        if !admin && !default.is_null() && wanted["access"] != default["access"] {
            wrong(format!("{key} is not locked, Apache has access {}", wanted["access"]));
        }
    }
    count
}

fn shown(run: &Run) -> Vec<String> {
    run.containers.iter().map(|container| format!("{:?} {}", container.layer, container.origin)).collect()
}

fn rejects(key: &str, value: &[u8]) -> bool {
    match key {
        "memory_limit" => value == b"abc" || value == b"1K",
        "arg_separator.output" => value.is_empty(),
        _ => false,
    }
}

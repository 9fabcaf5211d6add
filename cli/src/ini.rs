//! `outlive ini parse`

use crate::args::{Mode, ParseArgs};
use crate::output::{Answer, Problem, note};
use crate::{json, load, pair};
use outlive::PhpVersion;
use outlive::files::{Disk, Files};
use outlive::ini::tree::{self, Entries, Item, Key};
use outlive::ini::{self, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

type Names = HashMap<Vec<u8>, Vec<u8>>;

struct Lookup {
    version: PhpVersion,
    constants: Names,
    entries: Names,
    env: Names,
}

impl ini::Lookup for Lookup {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let value = self.entries.get(name).or_else(|| self.env.get(ini::env_name(name)))?;
        Some(Cow::Borrowed(value))
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let given = self.constants.get(name).map(Vec::as_slice);
        given.or_else(|| ini::constants::get(self.version, name)).map(Cow::Borrowed)
    }

    fn has_lowercase_constants(&self) -> bool {
        !self.constants.is_empty()
    }
}

/// Prints what PHP's `parse_ini_file` says of each file, one line of JSON each.
pub fn run(args: &ParseArgs) -> Result<Answer, Problem> {
    let names = |option: &str, list: &[std::ffi::OsString]| -> Result<Names, Problem> {
        let pair = |text| pair::full_pair(option, text).map(|(name, value)| (name.to_vec(), value.to_vec()));
        list.iter().map(|text| pair(text.as_os_str())).collect()
    };
    let mut lookup = Lookup {
        version: load::version(&args.php_version)?,
        constants: names("--constant", &args.constant)?,
        entries: names("-d", &args.define)?,
        env: if args.process_env { load::process_env().collect() } else { Names::new() },
    };
    lookup.env.extend(names("--env", &args.env)?);
    let mode = match args.mode {
        Mode::Normal => ini::Mode::Normal,
        Mode::Raw => ini::Mode::Raw,
        Mode::Typed => ini::Mode::Typed,
    };
    let options = ini::Options { mode, version: lookup.version, stop_at_nul: false, lookup: &lookup };
    let (mut out, mut status) = (String::new(), 0);
    for file in &args.files {
        let text = match Disk.read(file) {
            Ok(text) => text,
            Err(error) => {
                note(&format!("cannot read {}: {error}", file.display()));
                status = 2;
                continue;
            }
        };
        match tree::parse(&text, &options, true) {
            Ok(tree) => {
                out.push_str("{\"ok\": true, \"entries\": ");
                entries(&mut out, tree.entries());
                out.push_str("}\n");
            }
            Err(error) => {
                out.push_str("{\"ok\": false, \"error\": {\"message\": ");
                json::string(&mut out, error.message.as_bytes());
                let _ = writeln!(out, ", \"line\": {}}}}}", error.line);
                status = status.max(1);
            }
        }
    }
    Ok(Answer::raw(out).with_status(status))
}

fn entries(out: &mut String, list: Entries<'_>) {
    json::list(out, list, |out, (key, item)| {
        out.push('[');
        match key {
            Key::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Key::Text(text) => json::string(out, text),
        }
        out.push_str(", ");
        match item {
            Item::Value(value) => scalar(out, &value),
            Item::List(inner) => entries(out, inner),
        }
        out.push(']');
    });
}

fn scalar(out: &mut String, value: &Value<'_>) {
    let _ = match value {
        Value::Text(text) => {
            json::string(out, text);
            Ok(())
        }
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Null => write!(out, "null"),
        Value::Int(number) => write!(out, "{number}"),
        // Always with a fraction or an exponent, so that it stays a decimal number on the other side.
        Value::Float(number) => write!(out, "{number:?}"),
    };
}

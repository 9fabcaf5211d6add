//! systemd's unit of a php-fpm: the options and the environment that the process itself does not show.

use crate::pair::variable;
use crate::view::View;
use outlive::files::Files;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const DIRECTORIES: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// What a unit starts.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Its file.
    pub file: PathBuf,
    /// The program and its arguments.
    pub command: Vec<Vec<u8>>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// What of it is not understood.
    pub notes: Vec<String>,
}

/// The unit of that name, or else the one that starts that program.
pub fn of(view: &View, name: Option<&str>, program: &Path) -> Option<Unit> {
    if let Some(unit) = name.and_then(|name| read(view, name)).filter(|unit| starts(view, unit, program)) {
        return Some(unit);
    }
    let mut names: Vec<String> = DIRECTORIES
        .iter()
        .flat_map(|dir| view.list(Path::new(dir)).unwrap_or_default())
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.contains("php") && name.ends_with(".service"))
        .collect();
    names.sort();
    names.dedup();
    names.iter().filter_map(|name| read(view, name)).find(|unit| starts(view, unit, program))
}

fn starts(view: &View, unit: &Unit, program: &Path) -> bool {
    let own = unit.command.first().map(|own| PathBuf::from(OsStr::from_bytes(own)));
    own.is_some_and(|own| own == program || view.canonical(&own) == view.canonical(program))
}

fn read(view: &View, name: &str) -> Option<Unit> {
    let main = DIRECTORIES.iter().map(|dir| Path::new(dir).join(name)).find(|path| view.is_file(path))?;
    let mut files = vec![main.clone()];
    let mut drop_ins: Vec<PathBuf> = Vec::new();
    for dir in DIRECTORIES {
        let dir = Path::new(dir).join(format!("{name}.d"));
        for file in view.list(&dir).unwrap_or_default() {
            // The first directory that has a name has it.
            if file.as_bytes().ends_with(b".conf") && !drop_ins.iter().any(|own| own.file_name() == Some(&file)) {
                drop_ins.push(dir.join(file));
            }
        }
    }
    drop_ins.sort_by(|one, two| one.file_name().cmp(&two.file_name()));
    files.extend(drop_ins);
    let mut unit = Unit { file: main, ..Unit::default() };
    for file in files {
        match view.read(&file) {
            Ok(text) => lines(view, &mut unit, &file, &text),
            Err(error) => unit.notes.push(format!("{}: cannot read it: {error}", view.shown(&file))),
        }
    }
    let env = unit.env.clone();
    for word in &mut unit.command {
        *word = with_variables(word, &env);
    }
    Some(unit)
}

fn lines(view: &View, unit: &mut Unit, file: &Path, text: &[u8]) {
    let mut joined: Vec<u8> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if let Some(first) = line.strip_suffix(b"\\") {
            joined.extend_from_slice(first);
            joined.push(b' ');
            continue;
        }
        joined.extend_from_slice(line);
        let line = std::mem::take(&mut joined);
        let Some(at) = line.iter().position(|&byte| byte == b'=').filter(|_| !line.starts_with(b"#")) else { continue };
        let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        match key {
            b"ExecStart" if value.is_empty() => unit.command.clear(),
            b"ExecStart" => {
                let skip = value.iter().take_while(|byte| b"-@:+!|".contains(byte)).count();
                unit.command = words(&value[skip..]);
            }
            b"Environment" if value.is_empty() => unit.env.clear(),
            b"Environment" => unit.env.extend(words(value).iter().filter_map(|word| variable(word))),
            b"EnvironmentFile" => environment_file(view, unit, file, value),
            b"PassEnvironment" => {
                unit.notes.push(format!("{}: PassEnvironment: what it passes is not known", view.shown(file)))
            }
            _ => {}
        }
    }
}

fn environment_file(view: &View, unit: &mut Unit, file: &Path, value: &[u8]) {
    let may_lack = value.starts_with(b"-");
    let path = Path::new(OsStr::from_bytes(value.strip_prefix(b"-").unwrap_or(value)));
    match view.read(path) {
        Ok(text) => {
            let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
            let lines = lines.filter(|line| !line.is_empty() && !matches!(line[0], b'#' | b';'));
            unit.env.extend(lines.filter_map(|line| variable(&words(line).concat())));
        }
        Err(_) if may_lack => {}
        Err(error) => unit.notes.push(format!("{}: EnvironmentFile {}: {error}", view.shown(file), view.shown(path))),
    }
}

/// Words as systemd splits them: blanks, quotes.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut out, mut word, mut quote) = (Vec::new(), None::<Vec<u8>>, 0u8);
    for &byte in text {
        match byte {
            b'"' | b'\'' if quote == 0 => {
                quote = byte;
                word.get_or_insert_default();
            }
            byte if byte == quote => quote = 0,
            blank if blank.is_ascii_whitespace() && quote == 0 => out.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    out.extend(word);
    out
}

/// `${NAME}` and `$NAME`.
fn with_variables(word: &[u8], env: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), word);
    while let Some(at) = rest.iter().position(|&byte| byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        let braced = rest.get(at + 1) == Some(&b'{');
        let start = &rest[at + 1 + usize::from(braced)..];
        let length = start.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        out.extend(
            env.iter().rfind(|(name, _)| *name == start[..length]).map(|(_, value)| &**value).unwrap_or_default(),
        );
        rest = start.get(length + usize::from(braced)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// What php-fpm's options say about its files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-c`
    pub ini: Option<PathBuf>,
    /// `-n`
    pub no_ini: bool,
    /// `-d`
    pub set: Vec<Vec<u8>>,
    /// `-y`
    pub conf: Option<PathBuf>,
    /// `-p`
    pub prefix: Option<PathBuf>,
}

/// Reads the options of php-fpm, php-cgi and php alike.
pub fn options(command: &[Vec<u8>]) -> Options {
    let mut out = Options::default();
    let mut words = command.iter().skip(1);
    let path = |bytes: &[u8]| Some(PathBuf::from(OsStr::from_bytes(bytes)));
    while let Some(word) = words.next() {
        let (name, joined): (&[u8], Option<&[u8]>) = match word.as_slice() {
            [b'-', b'-', ..] => match word.iter().position(|&byte| byte == b'=') {
                Some(at) => (&word[..at], Some(&word[at + 1..])),
                None => (word, None),
            },
            [b'-', _, rest @ ..] if !rest.is_empty() => (&word[..2], Some(rest)),
            _ => (word, None),
        };
        match name {
            b"-n" | b"--no-php-ini" => out.no_ini = true,
            b"-c" | b"--php-ini" | b"-d" | b"--define" | b"-y" | b"--fpm-config" | b"-p" | b"--prefix" => {
                let Some(value) = joined.map(<[u8]>::to_vec).or_else(|| words.next().cloned()) else { break };
                match name {
                    b"-c" | b"--php-ini" => out.ini = path(&value),
                    b"-d" | b"--define" => out.set.push(value),
                    b"-y" | b"--fpm-config" => out.conf = path(&value),
                    _ => out.prefix = path(&value),
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says() {
        let all =
            options(&words(b"/usr/sbin/php-fpm --nodaemonize -c/x.ini -d 'a=b c' --fpm-config /y.conf -n --prefix=/p"));
        assert_eq!(all.ini, Some("/x.ini".into()));
        assert_eq!(all.set, [b"a=b c".to_vec()]);
        assert_eq!((all.conf, all.prefix, all.no_ini), (Some("/y.conf".into()), Some("/p".into()), true));
        let env = [(b"A".to_vec(), b"1".to_vec())];
        assert_eq!(with_variables(b"x${A}y$A$B.", &env), b"x1y1.");
    }
}

//! The environment that a start script gives Apache: Debian's `envvars`, /etc/default/apache2, /etc/sysconfig/httpd. They are shell
//! scripts, of which this reads the simple parts: assignments, `export`, `unset`, `: ${A:=b}`, `if [ a = b ]`. Everything else is
//! reported with its line.

use std::collections::HashMap;

/// What a file sets, and what in it is not understood.
#[derive(Debug, Default)]
pub struct Environment {
    pub variables: Vec<(Vec<u8>, Vec<u8>)>,
    /// Line and text.
    pub not_understood: Vec<(u32, String)>,
}

/// A larger file is not read.
const MAX_TEXT: usize = 1 << 20;
/// Everything that a file sets together: lines can double each other's values.
const MAX_VALUES: usize = 16 << 20;
/// `if` within `if`, and lines that are not understood.
const MAX_NESTING: usize = 100;
const MAX_ODD: usize = 1000;

/// The variables, in the order in which they were set.
#[derive(Default)]
struct Known {
    /// What came from outside, by the number of its place among all that were ever set; and the value.
    values: HashMap<Vec<u8>, (usize, Vec<u8>)>,
    set: usize,
    size: usize,
}

impl Known {
    fn get(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.values.get(name).map(|(_, value)| value)
    }

    /// False: there is no room for it.
    fn put(&mut self, name: &[u8], value: Vec<u8>) -> bool {
        self.size += name.len() + value.len();
        if self.size > MAX_VALUES {
            return false;
        }
        self.set += 1;
        self.values.insert(name.to_vec(), (self.set, value));
        true
    }
}

/// Reads one; `known` is there before its first line. Variables that no line has set are empty, as they are to the shell.
pub fn read(text: &[u8], known: &[(&[u8], &[u8])]) -> Environment {
    let mut out = Environment::default();
    if text.len() > MAX_TEXT {
        out.not_understood.push((1, "the file is larger than 1 MiB: it is not read".to_owned()));
        return out;
    }
    let given = known.iter().map(|(name, value)| (name.to_vec(), (0, value.to_vec())));
    let mut known = Known { values: given.collect(), ..Known::default() };
    // One for each open `if`: whether its branch runs; none: its condition is not understood.
    let mut open: Vec<Option<bool>> = Vec::new();
    'lines: for (place, line) in text.split(|&byte| byte == b'\n').enumerate() {
        for part in statements(line) {
            let word = part.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let rest = part[word.len()..].trim_ascii();
            match word {
                b"if" => open.push(condition(rest, &known)),
                b"else" => {
                    if let Some(last) = open.last_mut() {
                        *last = last.map(|runs| !runs);
                    }
                    continue;
                }
                b"elif" => {
                    if let Some(last) = open.last_mut() {
                        *last = None;
                    }
                }
                b"then" if rest.is_empty() => continue,
                b"fi" => {
                    open.pop();
                    continue;
                }
                _ => {}
            }
            if open.len() > MAX_NESTING || out.not_understood.len() >= MAX_ODD {
                let message = "`if` is nested too deeply, or too much is not understood: the rest is not read";
                out.not_understood.push((place as u32 + 1, message.to_owned()));
                break 'lines;
            }
            let runs = open.iter().try_fold(true, |all, one| one.map(|one| all && one));
            let understood = match (word, runs) {
                (b"if" | b"elif", Some(_)) => true,
                (b"if" | b"elif", None) => false,
                (_, Some(false)) => true,
                (_, None) => false,
                (b"then" | b"else", _) => statement(rest, &mut known),
                _ => statement(part, &mut known),
            };
            if !understood {
                out.not_understood.push((place as u32 + 1, crate::text::shown(part)));
            }
        }
    }
    let mut set: Vec<_> = known.values.into_iter().filter(|(_, (at, _))| *at > 0).collect();
    set.sort_unstable_by_key(|(_, (at, _))| *at);
    out.variables = set.into_iter().map(|(name, (_, value))| (name, value)).collect();
    out
}

/// The commands of a line: comments go, `;` divides.
fn statements(line: &[u8]) -> Vec<&[u8]> {
    let (mut quote, mut start, mut parts) = (0u8, 0, Vec::new());
    let mut end = line.len();
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            b'\'' | b'"' if quote == 0 => quote = byte,
            byte if byte == quote => quote = 0,
            b'#' if quote == 0 && (at == 0 || line[at - 1].is_ascii_whitespace()) => {
                end = at;
                break;
            }
            b';' if quote == 0 => {
                parts.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&line[start.min(end)..end]);
    parts.into_iter().map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()).collect()
}

/// One command; false: it is not understood.
fn statement(text: &[u8], known: &mut Known) -> bool {
    if let Some(rest) = text.strip_prefix(b": ") {
        let rest = rest.trim_ascii();
        let rest = rest.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(rest);
        let Some(inner) = rest.strip_prefix(b"${").and_then(|rest| rest.strip_suffix(b"}")) else { return false };
        let Some(at) = memchr::memmem::find(inner, b":=") else { return false };
        let (name, value) = (&inner[..at], &inner[at + 2..]);
        if known.get(name).is_none_or(Vec::is_empty) {
            return assign(name, value, known);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix(b"unset ") {
        known.values.remove(rest.trim_ascii());
        return true;
    }
    let text = text.strip_prefix(b"export ").unwrap_or(text).trim_ascii();
    match text.iter().position(|&byte| byte == b'=') {
        Some(at) => assign(&text[..at], &text[at + 1..], known),
        None => is_name(text),
    }
}

fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn assign(name: &[u8], value: &[u8], known: &mut Known) -> bool {
    let Some(value) = expand(value, known).filter(|_| is_name(name)) else { return false };
    known.put(name, value)
}

/// `[ A = B ]` or `[ A != B ]`; none: not understood.
fn condition(text: &[u8], known: &Known) -> Option<bool> {
    let inner = text.strip_prefix(b"[ ")?.strip_suffix(b" ]")?;
    let (at, length, equal) = match (memchr::memmem::find(inner, b" != "), memchr::memmem::find(inner, b" = ")) {
        (Some(at), _) => (at, 4, false),
        (None, Some(at)) => (at, 3, true),
        _ => return None,
    };
    let (one, two) = (expand(&inner[..at], known)?, expand(&inner[at + length..], known)?);
    Some((one == two) == equal)
}

/// A word with its variables replaced; none: what is in it needs a shell.
fn expand(value: &[u8], known: &Known) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    let (mut out, mut rest, mut quote) = (Vec::new(), value, 0u8);
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'\'' | b'"' if quote == 0 => quote = *byte,
            byte if *byte == quote => quote = 0,
            b'$' if quote != b'\'' => {
                let braced = after.first() == Some(&b'{');
                let start = &after[usize::from(braced)..];
                let length = start.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                if length == 0 {
                    return None;
                }
                let mut found = known.get(&start[..length]).cloned().unwrap_or_default();
                rest = &start[length..];
                if braced {
                    let end = rest.iter().position(|&byte| byte == b'}')?;
                    let operation = &rest[..end];
                    rest = &rest[end + 1..];
                    if let Some(prefix) = operation.strip_prefix(b"##").or(operation.strip_prefix(b"#")) {
                        if prefix.iter().any(|byte| b"*?[$".contains(byte)) {
                            return None;
                        }
                        found = found.strip_prefix(prefix).map(<[u8]>::to_vec).unwrap_or(found);
                    } else if let Some(other) = operation.strip_prefix(b":-") {
                        if found.is_empty() {
                            found = expand(other, known)?;
                        }
                    } else if !operation.is_empty() {
                        return None;
                    }
                }
                out.append(&mut found);
                if out.len() > MAX_VALUES {
                    return None;
                }
            }
            b'`' | b'\\' | b'(' | b'&' | b'|' if quote != b'\'' => return None,
            blank if blank.is_ascii_whitespace() && quote == 0 => return None,
            other => out.push(*other),
        }
    }
    (quote == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: Environment) -> (Vec<(String, String)>, Vec<u32>) {
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let variables = all.variables.into_iter().map(|(name, value)| (text_of(name), text_of(value))).collect();
        (variables, all.not_understood.into_iter().map(|(line, _)| line).collect())
    }

    #[test]
    fn what_was_given_may_be_set_anew_or_taken_away() {
        let (variables, odd) = texts(read(b"A=1\nGIVEN=2\nB=$GIVEN\n", &[(b"GIVEN", b"x")]));
        let want = [("A", "1"), ("GIVEN", "2"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((variables, odd), (want.to_vec(), vec![]));
        assert_eq!(texts(read(b"unset GIVEN\n", &[(b"GIVEN", b"x")])), (vec![], vec![]));
    }

    #[test]
    fn what_doubles_and_what_nests_ends() {
        let doubling = format!("A={}\n{}", "x".repeat(64), "A=\"$A$A$A$A\"\n".repeat(60));
        let (variables, odd) = texts(read(doubling.as_bytes(), &[]));
        assert!(variables[0].1.len() < MAX_VALUES && odd.len() > 40, "{odd:?}");
        let (_, odd) = texts(read("if [ a = a ]\n".repeat(50_000).as_bytes(), &[]));
        assert_eq!(odd, [101]);
        assert_eq!(texts(read("&\n".repeat(50_000).as_bytes(), &[])).1.len(), 1001);
        assert_eq!(texts(read(&b"#".repeat(2 << 20), &[])).1, [1]);
    }

    #[test]
    fn what_debian_writes_is_understood() {
        let text = b"unset HOME\nif [ \"${APACHE_CONFDIR##/etc/apache2-}\" != \"${APACHE_CONFDIR}\" ] ; then\n\tSUFFIX=\"-x\"\nelse\n\
            \tSUFFIX=\nfi\nexport APACHE_RUN_USER=www-data # who\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\n\
            export LOCK=\"${APACHE_RUN_DIR}/lock\"\nexport LANG=C\nexport LANG\n";
        let (variables, odd) = texts(read(text, &[(b"APACHE_CONFDIR", b"/etc/apache2")]));
        let want = [
            ("SUFFIX", ""),
            ("APACHE_RUN_USER", "www-data"),
            ("APACHE_RUN_DIR", "/var/run/apache2"),
            ("LOCK", "/var/run/apache2/lock"),
            ("LANG", "C"),
        ];
        assert_eq!(variables, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(odd.is_empty(), "{odd:?}");
        let (variables, _) = texts(read(text, &[(b"APACHE_CONFDIR", b"/etc/apache2-x")]));
        assert_eq!(variables[1].1, "www-data");
        assert_eq!(variables[2].1, "/var/run/apache2-x");
    }

    #[test]
    fn what_docker_writes_is_understood_and_the_rest_is_named() {
        let text = b": ${APACHE_RUN_USER:=www-data}\nexport APACHE_RUN_USER\n: \"${B:=x$APACHE_RUN_USER}\"\nX=$(date)\nulimit -n 5\nOPTIONS=\"-D A\"\n";
        let (variables, odd) = texts(read(text, &[]));
        let want = [("APACHE_RUN_USER", "www-data"), ("B", "xwww-data"), ("OPTIONS", "-D A")];
        assert_eq!(variables, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(odd, [4, 5]);
    }
}

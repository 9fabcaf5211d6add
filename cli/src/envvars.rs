//! Debian's `envvars`: the environment with which apache2ctl starts Apache.

/// The plain `export NAME=VALUE` lines; what is computed otherwise needs a shell and is left out. Variables that no line
/// has set are empty, as they are to the shell.
pub fn exports(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some(rest) = line.strip_prefix(b"export ") else { continue };
        let Some(at) = rest.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = (rest[..at].trim_ascii(), rest[at + 1..].trim_ascii());
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.iter().all(plain) && !value.iter().any(|byte| matches!(byte, b'`' | b'(' | b';' | b'\\')) {
            let value = expand(value, &all);
            all.push((name.to_vec(), value));
        }
    }
    all
}

fn expand(value: &[u8], known: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' | b'\'' => {}
            b'#' if out.last().is_none_or(u8::is_ascii_whitespace) => break,
            b'$' => {
                let braced = after.first() == Some(&b'{');
                let start = &after[usize::from(braced)..];
                let length = start.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                let found = known.iter().rfind(|(name, _)| *name == start[..length]);
                out.extend(found.map(|(_, value)| value.as_slice()).unwrap_or_default());
                rest = &start[length..];
                if braced {
                    let end = rest.iter().position(|&byte| byte == b'}').map_or(rest.len(), |end| end + 1);
                    rest = &rest[end..];
                }
            }
            other => out.push(*other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debian_writes_is_understood() {
        let text = b"unset HOME\nif x; then\n  export NO=1\nfi\nexport APACHE_RUN_USER=www-data\n\
            export APACHE_RUN_DIR=/var/run/apache2$SUFFIX\nexport LOCK=\"${APACHE_RUN_DIR}/lock\"\nexport X=$(date)\n";
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let got: Vec<_> = exports(text).into_iter().map(|(name, value)| (text_of(name), text_of(value))).collect();
        let want = [
            ("APACHE_RUN_USER", "www-data"),
            ("APACHE_RUN_DIR", "/var/run/apache2"),
            ("LOCK", "/var/run/apache2/lock"),
        ];
        assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

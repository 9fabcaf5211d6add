//! Which values hold secrets and must not be shown to everybody.

/// A name that contains one of these words names a secret.
const WITHIN: [&[u8]; 6] = [b"pass", b"secret", b"token", b"credential", b"license", b"apikey"];
/// A name with one of these words as a whole part, between dots, underscores and hyphens, names a secret.
const PARTS: [&[u8]; 6] = [b"pw", b"pwd", b"auth", b"key", b"keys", b"dsn"];
/// The text in front of a password in a value, as in the `session.save_path` of Redis.
const ASSIGNED: [&[u8]; 6] = [b"auth=", b"auth[", b"password=", b"passwd=", b"pwd=", b"secret="];

/// Whether a directive's value is a secret: by its name, such as `mysqli.default_pw`, or because the value itself holds one, as
/// `tcp://user:password@host`. An empty value is none.
pub fn holds_secret(name: &[u8], value: &[u8]) -> bool {
    if value.is_empty() {
        return false;
    }
    let (name, value) = (name.to_ascii_lowercase(), value.to_ascii_lowercase());
    let is_named = WITHIN.iter().any(|word| place_of(&name, word).is_some())
        || name.split(|byte| b"._-".contains(byte)).any(|part| PARTS.contains(&part));
    is_named || ASSIGNED.iter().any(|word| place_of(&value, word).is_some()) || has_userinfo(&value)
}

/// `scheme://user:password@host`
fn has_userinfo(value: &[u8]) -> bool {
    let Some(scheme) = place_of(value, b"://") else { return false };
    let rest = &value[scheme + 3..];
    let Some(end) = rest.iter().rposition(|&byte| byte == b'@') else { return false };
    rest[..end].contains(&b':')
}

/// Both are short, so a plain search is enough.
fn place_of(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_secrets_and_what_only_sounds_alike_is_none() {
        for (name, value) in [
            ("mysqli.default_pw", "x"),
            ("newrelic.license", "x"),
            ("my.API-Token", "x"),
            ("ibase.default_password", "x"),
            ("session.save_path", "tcp://127.0.0.1:6379?Auth=x"),
            ("session.save_path", "tcp://user:x@127.0.0.1:6379"),
        ] {
            assert!(holds_secret(name.as_bytes(), value.as_bytes()), "{name}");
        }
        for (name, value) in [
            ("mysqli.default_pw", ""),
            ("memory_limit", "128M"),
            ("session.save_path", "tcp://127.0.0.1:6379?weight=1"),
            ("session.save_path", "/var/lib/php/sessions"),
            ("user_ini.filename", ".user.ini"),
            ("open_basedir", "/srv/a:/srv/b@c"),
        ] {
            assert!(!holds_secret(name.as_bytes(), value.as_bytes()), "{name}");
        }
    }
}

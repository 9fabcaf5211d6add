//! A request's path as nginx looks at it.

/// The path, decoded and without dots and doubled slashes, and the query. None: nginx answers 400.
pub fn normal(target: &[u8], merge_slashes: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    let raw = match target.iter().position(|&byte| byte == b'#') {
        Some(end) => &target[..end],
        None => target,
    };
    let (path, args) = match raw.iter().position(|&byte| byte == b'?') {
        Some(at) => (&raw[..at], raw[at + 1..].to_vec()),
        None => (raw, Vec::new()),
    };
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        if path[at] == b'%' {
            let hex = |at: usize| path.get(at).and_then(|&byte| char::from(byte).to_digit(16));
            let byte = (hex(at + 1)? * 16 + hex(at + 2)?) as u8;
            if byte == 0 {
                return None;
            }
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(path[at]);
            at += 1;
        }
    }
    let mut out: Vec<&[u8]> = Vec::new();
    let parts: Vec<&[u8]> = decoded[1..].split(|&byte| byte == b'/').collect();
    let last = parts.len() - 1;
    for (place, part) in parts.iter().enumerate() {
        match *part {
            b"." if place == last => out.push(b""),
            b"." => {}
            b".." => {
                out.pop()?;
                if place == last {
                    out.push(b"");
                }
            }
            b"" if merge_slashes && place != last => {}
            part => out.push(part),
        }
    }
    let mut path = vec![b'/'];
    path.extend(out.join(&b'/'));
    Some((path, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (target, want) in [
            ("/", Some("/")),
            ("/a//b/../c/./d?x=1", Some("/a/c/d")),
            ("/a/..", Some("/")),
            ("/a/.", Some("/a/")),
            ("/%61%2Fb", Some("/a/b")),
            ("/a%3Fb", Some("/a?b")),
            ("/../x", None),
            ("/a%00", None),
            ("/a%zz", None),
            ("//", Some("/")),
        ] {
            let got = normal(target.as_bytes(), true).map(|(path, _)| String::from_utf8(path).unwrap());
            assert_eq!(got.as_deref(), want, "{target}");
        }
    }
}

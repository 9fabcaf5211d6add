//! Shell wildcards as httpd and glob(3) read them (facts ).

/// What a wildcard may not match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// `/` is only matched by itself.
    pub path: bool,
    /// A leading dot is only matched by itself.
    pub dots: bool,
    /// Letters' case is ignored.
    pub any_case: bool,
}

/// Whether a text has wildcards at all.
pub(crate) fn is_pattern(text: &[u8]) -> bool {
    let mut open = false;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'*' | b'?' => return true,
            b'\\' => at += 1,
            b'[' => open = true,
            b']' if open => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

/// Whether `pattern` matches the whole of `text`.
pub(crate) fn matches(pattern: &[u8], text: &[u8], rules: Rules) -> bool {
    if !rules.path {
        return piece(pattern, text, rules);
    }
    let mut patterns = pattern.split(|&b| b == b'/');
    let mut texts = text.split(|&b| b == b'/');
    loop {
        match (patterns.next(), texts.next()) {
            (Some(p), Some(t)) if piece(p, t, rules) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// One piece: a star remembers where to come back to, so the time is at most |pattern| × |text|.
fn piece(pattern: &[u8], text: &[u8], rules: Rules) -> bool {
    if rules.dots && text.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            back = Some((p, t));
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        match if t < text.len() { one(&pattern[p..], text[t], rules) } else { None } {
            Some(width) => {
                p += width;
                t += 1;
            }
            None => match back {
                Some((star, from)) if from < text.len() => {
                    back = Some((star, from + 1));
                    (p, t) = (star, from + 1);
                }
                _ => return false,
            },
        }
    }
}

/// How much of the pattern matches one byte.
fn one(pattern: &[u8], byte: u8, rules: Rules) -> Option<usize> {
    let same = |a: u8| if rules.any_case { a.eq_ignore_ascii_case(&byte) } else { a == byte };
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => class(pattern, byte, rules.any_case),
        b'\\' if pattern.len() > 1 => same(pattern[1]).then_some(2),
        other => same(other).then_some(1),
    }
}

/// A `[class]`; one that is not closed is an ordinary `[`.
fn class(pattern: &[u8], byte: u8, any_case: bool) -> Option<usize> {
    let fold = |b: u8| if any_case { b.to_ascii_lowercase() } else { b };
    let byte = fold(byte);
    let mut at = 1;
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    at += usize::from(negated);
    let start = at;
    let mut found = false;
    loop {
        let Some(&c) = pattern.get(at) else { return (byte == b'[').then_some(1) };
        if c == b']' && at > start {
            return (found != negated).then_some(at + 1);
        }
        let low = if c == b'\\' && at + 1 < pattern.len() {
            at += 1;
            pattern[at]
        } else {
            c
        };
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&b| b != b']') {
            high = pattern[at + 1];
            at += 2;
        }
        found |= (fold(low)..=fold(high)).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), Rules { path: true, ..Rules::default() })
    }

    #[test]
    fn wildcards_stop_at_slashes() {
        assert!(path("/*/", "/a/") && !path("/*/", "/a/b/") && path("/a/*/b/", "/a/.x/b/"));
        assert!(path("/[a-c]?/", "/bz/") && !path("/[!a]/", "/a/") && path("/{a,b}/", "/{a,b}/"));
        assert!(matches(b"*.test", b"a.b.test", Rules::default()));
        assert!(!matches(b"?h", b".h", Rules { dots: true, ..Rules::default() }));
        assert!(is_pattern(b"a[b]") && !is_pattern(b"a[b") && !is_pattern(b"\\*"));
    }

    #[test]
    fn many_stars_take_bounded_time() {
        let text = vec![b'a'; 20_000];
        assert!(!matches(b"*a*a*a*a*a*a*a*a*b", &text, Rules::default()));
    }
}

//! PCRE's spelling, in the engine's.

/// A pattern for the engine.
pub(super) struct Translated {
    pub pattern: String,
    /// It uses something that only PCRE has.
    pub beyond: bool,
}

struct Translator<'a> {
    from: &'a [u8],
    at: usize,
    out: String,
    beyond: bool,
}

pub(super) fn translate(from: &[u8]) -> Translated {
    let mut t = Translator { from, at: 0, out: String::with_capacity(from.len() + 16), beyond: false };
    while let Some(byte) = t.take() {
        match byte {
            b'\\' => t.escape(false),
            b'[' => t.class(),
            b'(' => t.group(),
            b'{' if !t.is_count() => t.out.push_str("\\{"),
            b'{' => t.count(),
            b'}' | b']' => t.literal(byte),
            _ => t.plain(byte),
        }
    }
    Translated { pattern: t.out, beyond: t.beyond }
}

impl<'a> Translator<'a> {
    fn take(&mut self) -> Option<u8> {
        let byte = self.from.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn rest(&self) -> &'a [u8] {
        &self.from[self.at..]
    }

    /// A byte that stands as it is, special meaning included.
    fn plain(&mut self, byte: u8) {
        if byte.is_ascii() && byte != 0 {
            self.out.push(char::from(byte));
        } else {
            self.out.push_str(&format!("\\x{byte:02x}"));
        }
    }

    /// A byte without special meaning.
    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_punctuation() && byte != b'<' && byte != b'>' {
            self.out.push('\\');
        }
        self.plain(byte);
    }

    /// Whether `{` begins a repetition; otherwise PCRE takes it as it is.
    fn is_count(&self) -> bool {
        let Some(end) = memchr::memchr(b'}', self.rest()) else { return false };
        let inner = &self.rest()[..end];
        let mut parts = inner.split(|&b| b == b',');
        let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let first = parts.next().unwrap_or_default();
        !first.is_empty() && digits(first) && parts.next().is_none_or(digits) && parts.next().is_none()
    }

    fn count(&mut self) {
        self.out.push('{');
        while let Some(byte) = self.take() {
            self.plain(byte);
            if byte == b'}' {
                return;
            }
        }
    }

    fn escape(&mut self, in_class: bool) {
        let Some(byte) = self.take() else {
            self.out.push('\\');
            return;
        };
        match byte {
            b'Q' => self.quote(),
            b'E' => {}
            b'e' => self.out.push_str("\\x1b"),
            b'h' if in_class => self.out.push_str(" \\t\\xa0"),
            b'h' => self.out.push_str("[ \\t\\xa0]"),
            b'v' if in_class => self.out.push_str("\\n-\\r\\x85"),
            b'v' => self.out.push_str("[\\n-\\r\\x85]"),
            b'b' if in_class => self.out.push_str("\\x08"),
            b'H' if !in_class => self.out.push_str("[^ \\t\\xa0]"),
            b'V' if !in_class => self.out.push_str("[^\\n-\\r\\x85]"),
            b'R' if !in_class => self.out.push_str("(?:\\r\\n|[\\n-\\r\\x85])"),
            b'N' if !in_class => self.out.push_str("[^\\n]"),
            b'Z' if !in_class => self.out.push_str("(?=\\n?\\z)"),
            b'c' => self.control(),
            b'g' if !in_class => self.reference(),
            b'x' => self.hex(),
            b'0' => self.octal(),
            b'1'..=b'9' if !in_class => self.out.push_str(&format!("\\{}", char::from(byte))),
            b'1'..=b'7' => {
                self.at -= 1;
                self.octal();
            }
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'n' | b'r' | b't' | b'f' | b'a' => self.keep(byte),
            b'b' | b'B' | b'A' | b'z' | b'k' | b'K' | b'G' if !in_class => self.keep(byte),
            b'A'..=b'Z' | b'a'..=b'z' => self.beyond = true,
            _ => self.literal(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        self.out.push('\\');
        self.out.push(char::from(byte));
    }

    fn quote(&mut self) {
        while let Some(byte) = self.take() {
            if byte == b'\\' && self.rest().first() == Some(&b'E') {
                self.at += 1;
                return;
            }
            self.literal(byte);
        }
    }

    fn control(&mut self) {
        match self.take() {
            Some(byte) => self.out.push_str(&format!("\\x{:02x}", byte.to_ascii_uppercase() ^ 0x40)),
            None => self.out.push_str("\\c"),
        }
    }

    /// `\g{1}`, `\g1`: a back-reference; the other forms are calls.
    fn reference(&mut self) {
        let braced = self.rest().first() == Some(&b'{');
        self.at += usize::from(braced);
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let number = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        self.at += digits;
        let closed = !braced || self.take() == Some(b'}');
        if digits == 0 || !closed {
            self.beyond = true;
        }
        self.out.push_str(&format!("(?:\\{number})"));
    }

    fn hex(&mut self) {
        if self.rest().first() == Some(&b'{') {
            let end = memchr::memchr(b'}', self.rest()).unwrap_or(0);
            let text = String::from_utf8_lossy(&self.rest()[1.min(end)..end]).into_owned();
            match u8::from_str_radix(&text, 16) {
                Ok(byte) => self.out.push_str(&format!("\\x{byte:02x}")),
                Err(_) => self.out.push_str("\\x{"),
            }
            self.at += end + 1;
            return;
        }
        let digits = self.rest().iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
        let text = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        self.at += digits;
        self.out.push_str(&format!("\\x{:02x}", u8::from_str_radix(&text, 16).unwrap_or(0)));
    }

    fn octal(&mut self) {
        let digits = self.rest().iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
        let text = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        self.at += digits;
        let number = u32::from_str_radix(&text, 8).unwrap_or(0);
        self.out.push_str(&format!("\\x{:02x}", number & 0xff));
    }

    fn class(&mut self) {
        self.out.push('[');
        if self.rest().first() == Some(&b'^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        while let Some(byte) = self.take() {
            match byte {
                b']' if !first => {
                    self.out.push(']');
                    return;
                }
                b']' => self.out.push_str("\\]"),
                b'[' => self.posix_or_bracket(),
                b'\\' => self.escape(true),
                b'&' | b'~' | b'#' | b' ' | b'^' => self.literal_in_class(byte),
                _ => self.plain(byte),
            }
            first = false;
        }
    }

    fn literal_in_class(&mut self, byte: u8) {
        self.out.push_str(&format!("\\x{byte:02x}"));
    }

    fn posix_or_bracket(&mut self) {
        let named = self.rest().first() == Some(&b':');
        let end = memchr::memmem::find(self.rest(), b":]").filter(|&end| named && end > 0);
        let Some(end) = end else {
            self.out.push_str("\\[");
            return;
        };
        let name = self.rest()[1..end].to_vec();
        if !name.iter().all(|b| b.is_ascii_lowercase() || *b == b'^') {
            self.out.push_str("\\[");
            return;
        }
        self.out.push_str(&format!("[:{}:]", String::from_utf8_lossy(&name)));
        self.at += end + 2;
    }

    fn group(&mut self) {
        if self.rest().starts_with(b"*") && self.rest().get(1).is_some_and(u8::is_ascii_alphabetic) {
            self.beyond = true;
        }
        if !self.rest().starts_with(b"?") {
            self.out.push('(');
            return;
        }
        let after = self.rest().get(1..).unwrap_or_default();
        match after {
            [b'#', ..] => self.at += memchr::memchr(b')', self.rest()).map_or(self.rest().len(), |end| end + 1),
            [b'|' | b'R' | b'0'..=b'9' | b'&' | b'C', ..] | [b'P', b'>', ..] => self.beyond = true,
            [b'+' | b'-', b'0'..=b'9', ..] => self.beyond = true,
            [b'P', b'<', ..] => self.replace(3, "(?<"),
            [b'P', b'=', ..] => self.named_reference(),
            [b'\'', ..] => self.quoted_name(),
            [b'<' | b'>' | b'!' | b'=' | b'(', ..] => {
                self.at += 1;
                self.out.push_str("(?");
                // The next byte belongs to the opening, and would be read as a group of its own otherwise.
                if after[0] != b'(' {
                    self.at += 1;
                    self.out.push(char::from(after[0]));
                }
            }
            _ => self.replace(1, "(?"),
        }
    }

    fn replace(&mut self, skip: usize, with: &str) {
        self.at += skip;
        self.out.push_str(with);
    }

    fn named_reference(&mut self) {
        let end = memchr::memchr(b')', self.rest()).unwrap_or(self.rest().len());
        let name = String::from_utf8_lossy(&self.rest()[3..end.max(3)]).into_owned();
        self.at += (end + 1).min(self.rest().len());
        self.out.push_str(&format!("(?:\\k<{name}>)"));
    }

    fn quoted_name(&mut self) {
        let start = 2;
        match self.rest().get(start..).and_then(|rest| memchr::memchr(b'\'', rest)) {
            Some(end) => {
                let name = String::from_utf8_lossy(&self.rest()[start..start + end]).into_owned();
                self.at += start + end + 1;
                self.out.push_str(&format!("(?<{name}>"));
            }
            None => self.replace(1, "(?"),
        }
    }
}

//! Translates a pattern from PCRE's spelling to the engine's.

/// A pattern for the engine.
pub(super) struct Translated {
    pub pattern: String,
    /// It uses something that only PCRE has.
    pub beyond: bool,
    /// PCRE refuses it, which the engine might not.
    pub wrong: bool,
}

struct Translator<'a> {
    from: &'a [u8],
    at: usize,
    out: String,
    beyond: bool,
    wrong: bool,
    /// How many groups the whole pattern has: it decides whether `\\11` is a back-reference or a character.
    groups: usize,
    /// Where in `out` the piece begins that a following repetition applies to.
    atom: Option<usize>,
    /// For each open group: where it begins, and whether blanks counted outside of it.
    open: Vec<(usize, bool)>,
    /// `(?x)` is in force: blanks are ignored.
    blank: bool,
    names: Vec<Vec<u8>>,
}

pub(super) fn translate(from: &[u8]) -> Translated {
    let out = String::with_capacity(from.len() + 16);
    let (beyond, wrong, blank) = (false, false, false);
    let mut t = Translator {
        from,
        at: 0,
        out,
        beyond,
        wrong,
        groups: groups(from),
        atom: None,
        open: vec![],
        blank,
        names: vec![],
    };
    while let Some(byte) = t.take() {
        let start = t.out.len();
        match byte {
            b'\\' => t.escape(false),
            b'[' => {
                t.class();
                t.atom = Some(start);
            }
            b'(' => t.group(),
            b')' => {
                t.out.push(')');
                let open = t.open.pop();
                t.atom = open.map(|(start, _)| start);
                t.blank = open.is_some_and(|(_, blank)| blank);
            }
            b'*' | b'+' | b'?' => t.repeat(char::from(byte).to_string()),
            b'{' if t.is_count() => t.count(),
            b'^' | b'$' | b'|' => {
                t.plain(byte);
                t.atom = None;
            }
            b' ' | b'\t'..=b'\r' if t.blank => {}
            b'#' if t.blank => {
                t.at += memchr::memchr(b'\n', t.rest()).map_or(t.rest().len(), |end| end + 1);
            }
            b'{' | b'}' | b']' | b' ' | b'#' => {
                t.literal(byte);
                t.atom = Some(start);
            }
            _ => {
                t.plain(byte);
                t.atom = Some(start);
            }
        }
    }
    Translated { pattern: t.out, beyond: t.beyond, wrong: t.wrong }
}

fn looks_around(group: &str) -> bool {
    ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|opening| group.starts_with(opening))
}

/// How many capturing groups a pattern has.
fn groups(from: &[u8]) -> usize {
    let (mut count, mut at, mut class) = (0, 0, false);
    while at < from.len() {
        match (&from[at..], class) {
            ([b'\\', b'Q', ..], _) => at += memchr::memmem::find(&from[at..], b"\\E").unwrap_or(from.len()),
            ([b'\\', ..], _) => at += 1,
            ([b'[', b']', ..] | [b'[', b'^', b']', ..], false) => {
                class = true;
                at += if from[at + 1] == b']' { 1 } else { 2 };
            }
            ([b'[', ..], false) => class = true,
            ([b']', ..], true) => class = false,
            ([b'(', b'?', b'P', b'<', ..] | [b'(', b'?', b'\'', ..], false) => count += 1,
            ([b'(', b'?', b'<', next, ..], false) if !matches!(next, b'=' | b'!') => count += 1,
            // The bracket of a condition is not a group.
            ([b'(', b'?', b'(', ..], false) => at += 2,
            ([b'(', b'?' | b'*', ..], false) => {}
            ([b'(', ..], false) => count += 1,
            _ => {}
        }
        at += 1;
    }
    count
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

    /// As [`Self::is_count`], before the brace.
    fn is_counted(&mut self) -> bool {
        self.at += 1;
        let counted = self.is_count();
        self.at -= 1;
        counted
    }

    fn count(&mut self) {
        let end = memchr::memchr(b'}', self.rest()).unwrap_or(0);
        let inner = String::from_utf8_lossy(&self.rest()[..end]).into_owned();
        let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
        // PCRE counts to 65,535, upwards.
        let number = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
        let most = if most.is_empty() { 65_535 } else { number(most) };
        self.wrong |= number(least) > most || most > 65_535;
        let text = format!("{{{inner}}}");
        self.at += end + 1;
        self.repeat(text);
    }

    /// A repetition of the last piece; a possessive one makes it atomic.
    fn repeat(&mut self, count: String) {
        let Some(start) = self.atom.take() else {
            self.wrong = true;
            return;
        };
        if looks_around(&self.out[start..]) {
            // The engine does not repeat look-arounds; repeating one changes nothing, so it stands once or not at all.
            let lazy = self.rest().first() == Some(&b'?');
            self.at += usize::from(lazy || self.rest().first() == Some(&b'+'));
            if count.starts_with(['*', '?']) || count.starts_with("{0") {
                let never = matches!(&*count, "{0}" | "{0,0}");
                self.out.insert_str(start, if lazy || never { "(?:|" } else { "(?:" });
                self.out.push_str(if lazy || never { ")" } else { "|)" });
            }
            return;
        }
        match self.rest().first() {
            Some(b'+') => {
                self.at += 1;
                self.out.insert_str(start, "(?>");
                self.out.push_str(&count);
                self.out.push(')');
            }
            Some(b'?') => {
                self.at += 1;
                self.out.push_str(&count);
                self.out.push('?');
            }
            _ => self.out.push_str(&count),
        }
    }

    fn escape(&mut self, in_class: bool) {
        let Some(byte) = self.take() else {
            self.wrong = true;
            return;
        };
        if !in_class && !matches!(byte, b'Q' | b'E') {
            // Anchors cannot be repeated.
            let place = matches!(byte, b'b' | b'B' | b'A' | b'z' | b'Z' | b'G' | b'K');
            self.atom = (!place).then_some(self.out.len());
            self.wrong |= byte == b'K' && self.open.iter().any(|(start, _)| looks_around(&self.out[*start..]));
        }
        match byte {
            b'Q' => self.quote(in_class),
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
            b'N' if !in_class && self.rest().first() == Some(&b'{') && !self.is_counted() => self.wrong = true,
            b'N' if !in_class => self.out.push_str("[^\\n]"),
            b'Z' if !in_class => self.out.push_str("(?=\\n?\\z)"),
            b'c' => self.control(),
            b'g' if !in_class => self.reference(),
            b'o' if self.rest().first() == Some(&b'{') => {
                let end = memchr::memchr(b'}', self.rest()).unwrap_or(1);
                let number =
                    std::str::from_utf8(&self.rest()[1..end]).ok().and_then(|n| u32::from_str_radix(n, 8).ok());
                self.wrong |= number.is_none_or(|number| number > 0xff);
                self.out.push_str(&format!("\\x{:02x}", number.unwrap_or(0) & 0xff));
                self.at += end + 1;
            }
            b'x' => self.hex(),
            b'0' => self.octal(),
            b'1'..=b'9' if !in_class => self.digits(),
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

    fn quote(&mut self, in_class: bool) {
        while let Some(byte) = self.take() {
            if byte == b'\\' && self.rest().first() == Some(&b'E') {
                self.at += 1;
                return;
            }
            if !in_class {
                self.atom = Some(self.out.len());
            }
            self.literal(byte);
        }
    }

    /// `\\1` … `\\9` and the numbers of groups that there are; other numbers are characters.
    fn digits(&mut self) {
        self.at -= 1;
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let text = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        let number: usize = text.parse().unwrap_or(usize::MAX);
        if number < 10 || number <= self.groups {
            self.wrong |= number > self.groups;
            self.at += digits;
            self.out.push_str(&format!("(?:\\{number})"));
        } else if self.rest().first().is_some_and(|b| *b < b'8') {
            self.octal();
        } else {
            self.wrong = true;
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
        if self.rest().first() == Some(&b':') && memchr::memmem::find(self.rest(), b":]").is_some_and(|end| end > 0) {
            // The escape of a character class, outside of brackets.
            let end = memchr::memmem::find(self.rest(), b":]").unwrap_or(0);
            self.wrong |= self.rest()[1..end].iter().all(|b| b.is_ascii_lowercase() || *b == b'^');
        }
        self.out.push('[');
        if self.rest().first() == Some(&b'^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        // Whether the previous item is one character, so that a range may begin with it; and whether a range has begun.
        let (mut single, mut range) = (false, false);
        while let Some(byte) = self.take() {
            let set = match byte {
                b']' if !first => {
                    self.out.push(']');
                    return;
                }
                b'[' => self.named_class(),
                b'\\' => matches!(
                    self.rest().first(),
                    Some(b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'h' | b'v' | b'H' | b'V')
                ),
                _ => false,
            };
            // A range cannot have a whole set at either end.
            self.wrong |= range && set;
            match byte {
                b'[' if set => {}
                b'-' if single && !range && !matches!(self.rest().first(), Some(b']') | None) => {
                    self.out.push('-');
                    (range, first) = (true, false);
                    continue;
                }
                b'-' if !first && !single && !range && !matches!(self.rest().first(), Some(b']') | None) => {
                    let after_set = self.out.ends_with(']') || self.out.ends_with(['d', 'D', 'w', 'W', 's', 'S']);
                    self.wrong |= after_set;
                    self.out.push_str("\\x2d");
                }
                b'-' => self.out.push_str("\\x2d"),
                b']' => self.out.push_str("\\]"),
                b'[' => self.out.push_str("\\["),
                b'\\' => self.escape(true),
                b'&' | b'~' | b'#' | b' ' | b'^' => self.literal_in_class(byte),
                _ => self.plain(byte),
            }
            // The end of one range is not the beginning of the next.
            (single, range, first) = (!set && !range, false, false);
        }
        self.wrong = true;
    }

    fn literal_in_class(&mut self, byte: u8) {
        self.out.push_str(&format!("\\x{byte:02x}"));
    }

    /// `[:alpha:]` behind its `[`; false: it is a plain bracket.
    fn named_class(&mut self) -> bool {
        const NAMES: &[&[u8]] = &[
            b"alnum", b"alpha", b"ascii", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct",
            b"space", b"upper", b"word", b"xdigit",
        ];
        let named = self.rest().first() == Some(&b':');
        let end = memchr::memmem::find(self.rest(), b":]").filter(|&end| named && end > 0);
        let Some(end) = end else { return false };
        let name = self.rest()[1..end].to_vec();
        if !name.iter().all(|b| b.is_ascii_lowercase() || *b == b'^') {
            return false;
        }
        self.wrong |= !NAMES.contains(&name.strip_prefix(b"^").unwrap_or(&name));
        self.out.push_str(&format!("[:{}:]", String::from_utf8_lossy(&name)));
        self.at += end + 2;
        true
    }

    fn group(&mut self) {
        let start = self.out.len();
        if self.rest().starts_with(b"?#") {
            self.at += memchr::memchr(b')', self.rest()).map_or(self.rest().len(), |end| end + 1);
            return;
        }
        self.open.push((start, self.blank));
        self.atom = None;
        if self.rest().starts_with(b"*") {
            self.beyond |= self.rest().get(1).is_some_and(u8::is_ascii_alphabetic);
            self.wrong |= !self.beyond;
        }
        if !self.rest().starts_with(b"?") {
            self.out.push('(');
            return;
        }
        let after = self.rest().get(1..).unwrap_or_default();
        match after {
            [b'|' | b'R' | b'0'..=b'9' | b'&' | b'C', ..] | [b'P', b'>', ..] => self.beyond = true,
            [b'+' | b'-', b'0'..=b'9', ..] => self.beyond = true,
            [b'P', b'<', ..] => self.name(3, b'>'),
            [b'<', next, ..] if !matches!(next, b'=' | b'!') => self.name(2, b'>'),
            [b'P', b'=', ..] => {
                self.open.pop();
                self.named_reference();
                self.atom = Some(start);
            }
            [b'\'', ..] => self.name(2, b'\''),
            [b'(', condition @ ..] if !condition.first().is_some_and(u8::is_ascii_digit) => self.beyond = true,
            [b'<' | b'>' | b'!' | b'=' | b'(' | b':', ..] => {
                self.at += 1;
                self.out.push_str("(?");
                // The next byte belongs to the opening, and would be read as a group of its own otherwise.
                if after[0] != b'(' {
                    self.at += 1;
                    self.out.push(char::from(after[0]));
                    return;
                }
                let digits = after[1..].iter().take_while(|b| b.is_ascii_digit()).count();
                let number = std::str::from_utf8(&after[1..=digits]).ok().and_then(|n| n.parse().ok());
                self.wrong |= number.is_none_or(|number: usize| number == 0 || number > self.groups);
            }
            _ => self.options(),
        }
    }

    /// `(?i-s)` and `(?i-s:`; `^` takes all of them back first.
    fn options(&mut self) {
        self.at += 1;
        let length = self.rest().iter().take_while(|&&b| b != b')' && b != b':').count();
        let text = self.rest()[..length].to_vec();
        self.at += length;
        let own = text.strip_prefix(b"^");
        let (on, off) = match own.unwrap_or(&text).split(|&b| b == b'-').collect::<Vec<_>>()[..] {
            [on] => (on, &b""[..]),
            [on, off] if own.is_none() => (on, off),
            _ => return self.wrong = true,
        };
        for &letter in on.iter().chain(off) {
            self.beyond |= matches!(letter, b'n' | b'J' | b'U');
            self.wrong |= !b"imsxnJU".contains(&letter);
        }
        self.beyond |= on.windows(2).any(|two| two == b"xx");
        self.blank = (self.blank && own.is_none() || on.contains(&b'x')) && !off.contains(&b'x');
        // The engine never sees `x`: blanks are removed here.
        let keep =
            |letters: &[u8]| letters.iter().filter(|b| b"ims".contains(b)).map(|&b| char::from(b)).collect::<String>();
        let (on, mut off) = (keep(on), keep(off));
        if own.is_some() {
            off = "ims".chars().filter(|letter| !on.contains(*letter)).collect();
        }
        let minus = if off.is_empty() { "" } else { "-" };
        match self.take() {
            Some(b':') => self.out.push_str(&format!("(?{on}{minus}{off}:")),
            Some(_) => {
                // They hold to the end of the group around them.
                self.open.pop();
                if !(on.is_empty() && off.is_empty()) {
                    self.out.push_str(&format!("(?{on}{minus}{off})"));
                }
            }
            None => self.wrong = true,
        }
    }

    fn named_reference(&mut self) {
        let end = memchr::memchr(b')', self.rest()).unwrap_or(self.rest().len());
        let name = String::from_utf8_lossy(&self.rest()[3..end.max(3)]).into_owned();
        self.at += (end + 1).min(self.rest().len());
        self.out.push_str(&format!("(?:\\k<{name}>)"));
    }

    /// The name of a group, which ends with `end`; none may be used twice.
    fn name(&mut self, skip: usize, end: u8) {
        self.at += skip;
        let Some(length) = memchr::memchr(end, self.rest()) else {
            self.wrong = true;
            return;
        };
        let name = self.rest()[..length].to_vec();
        self.at += length + 1;
        self.out.push_str(&format!("(?<{}>", String::from_utf8_lossy(&name)));
        self.wrong |= name.first().is_none_or(u8::is_ascii_digit) || self.names.contains(&name);
        self.names.push(name);
    }
}

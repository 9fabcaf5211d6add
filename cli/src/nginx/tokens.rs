//! nginx's words: as its own reader takes a file apart, quotes, escapes and `${…}` included.

/// What ends a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `;`
    Plain,
    /// `{`
    Open,
    /// `}`, which stands alone.
    Close,
    /// The end of the file.
    File,
}

/// Reads a text directive by directive.
pub struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
    pub line: u32,
}

/// A text that nginx does not take.
#[derive(Debug)]
pub struct Error {
    pub line: u32,
    pub message: String,
}

impl<'t> Tokens<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, Error> {
        Err(Error { line: self.line, message: message.into() })
    }

    /// The next directive's words, the line of the first one, and what ends it.
    pub fn next(&mut self) -> Result<(Vec<Vec<u8>>, u32, End), Error> {
        let (mut words, mut first): (Vec<Vec<u8>>, u32) = (Vec::new(), self.line);
        // What a word begins with, where the next byte is; none between words.
        let (mut start, mut quote): (Option<usize>, u8) = (None, 0);
        let (mut escaped, mut variable, mut need_space, mut comment) = (false, false, false, false);
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                if start.is_some() || !words.is_empty() || quote != 0 {
                    return self.error("unexpected end of file, expecting \";\" or \"}\"");
                }
                return Ok((words, self.line, End::File));
            };
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                comment = false;
            }
            if comment {
                continue;
            }
            if escaped {
                escaped = false;
                continue;
            }
            if need_space {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        need_space = false;
                        continue;
                    }
                    b';' => return Ok((words, first, End::Plain)),
                    b'{' => return Ok((words, first, End::Open)),
                    b')' => need_space = false,
                    other => return self.error(format!("unexpected \"{}\"", char::from(other))),
                }
            }
            let Some(from) = start else {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => continue,
                    b';' | b'{' if words.is_empty() => {
                        return self.error(format!("unexpected \"{}\"", char::from(byte)));
                    }
                    b';' => return Ok((words, first, End::Plain)),
                    b'{' => return Ok((words, first, End::Open)),
                    b'}' if words.is_empty() => return Ok((words, self.line, End::Close)),
                    b'}' => return self.error("unexpected \"}\""),
                    b'#' => {
                        comment = true;
                        continue;
                    }
                    b'"' | b'\'' => {
                        quote = byte;
                        start = Some(self.at);
                    }
                    _ => {
                        escaped = byte == b'\\';
                        variable = byte == b'$';
                        start = Some(self.at - 1);
                    }
                }
                if words.is_empty() {
                    first = self.line;
                }
                continue;
            };
            if byte == b'{' && variable {
                continue;
            }
            variable = false;
            match byte {
                b'\\' => {
                    escaped = true;
                    continue;
                }
                b'$' => {
                    variable = true;
                    continue;
                }
                _ => {}
            }
            let ends = match quote {
                0 => matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{'),
                quote => byte == quote,
            };
            if !ends {
                continue;
            }
            words.push(plain(&self.text[from..self.at - 1]));
            start = None;
            need_space = std::mem::take(&mut quote) != 0;
            match byte {
                b';' => return Ok((words, first, End::Plain)),
                b'{' => return Ok((words, first, End::Open)),
                _ => {}
            }
        }
    }

    /// Passes over what stands in braces and is no directive, behind its `{`.
    pub fn skip_block(&mut self) {
        let mut depth = 1;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\n' => self.line += 1,
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

/// A word with its escapes resolved: those of quotes, of the backslash, and of three controls.
fn plain(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut bytes = word.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.peek() {
            Some(&next @ (b'"' | b'\'' | b'\\')) => out.push(next),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            _ => {
                out.push(byte);
                continue;
            }
        }
        bytes.next();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(Vec<String>, End)>, String> {
        let mut tokens = Tokens::new(text.as_bytes());
        let mut out = Vec::new();
        loop {
            let (words, _, end) = tokens.next().map_err(|error| format!("{}:{}", error.line, error.message))?;
            if end == End::File {
                return Ok(out);
            }
            out.push((words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect(), end));
        }
    }

    #[test]
    fn words() {
        let of = |text: &str| all(text).map(|all| all.into_iter().flat_map(|(words, _)| words).collect::<Vec<_>>());
        assert_eq!(of("a 'b c' \"d\\ne\"; # x;\nf\\;g ${h}i{ }").unwrap(), ["a", "b c", "d\ne", "f\\;g", "${h}i"]);
        assert_eq!(of("a b\"c d\"e;").unwrap(), ["a", "b\"c", "d\"e"]);
        for text in ["a 'b'c;", ";", "a }", "a", "a 'b", "{"] {
            assert!(all(text).is_err(), "{text}");
        }
        assert_eq!(all("a {\n b\n }").unwrap_err(), "3:unexpected \"}\"");
    }
}

//! Random ini texts: statements put together from what the grammar knows, then now and then broken by stray bytes.

/// xorshift64*: all that is asked of it is variety, and the same texts for the same seed.
pub struct Random(u64);

const KEYS: &[&str] = &[
    "a",
    "b",
    "key",
    "a b",
    "1",
    "0",
    "-5",
    "01",
    "+1",
    "-010",
    "1e3",
    "on",
    "Off",
    "null",
    "none",
    "true",
    "x.y",
    "#c",
    "",
    " ",
    "a'b",
    "\u{b}7",
    "7\u{b}",
    "a]",
    "-",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "ignore_user_abort",
    "a:b",
    "<k>",
    "key",
    "php_value a",
    "]",
    "\\",
    "PATH=/x",
    "\u{e9}",
    "`x`",
    "yes ",
    "no x",
];
const WORDS: &[&str] = &[
    "x",
    "abc",
    "a.b",
    "a/b",
    "C:\\dir\\",
    "E_ALL",
    "E_ALLx",
    "E_NOTICE",
    "PHP_INT_SIZE",
    "true",
    "TRUE",
    "False",
    "on",
    "On",
    "OFF",
    "no",
    "none",
    "null",
    "yes",
    "offx",
    "M_PI",
    "INI_ALL",
    "PHP_VERSION_X",
    "-",
    "#x",
    "@",
    "`",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "<a>",
    "?",
    "%",
    "*",
    "+",
    "\\",
    "\u{b}",
    "\u{c}",
    "\u{e9}",
    "\u{a0}",
    "\u{ff}",
    "_",
    "__x",
    "x_1",
    "a:-b",
    ":-",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "7",
    "42",
    "-1",
    "-0",
    "007",
    "00",
    "1.5",
    "1.0",
    "5.",
    ".5",
    "-1.5",
    "-.5",
    "1e3",
    "0x1A",
    "1_000",
    "1K",
    "2147483648",
    "-2147483649",
    "4294967295",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999",
    "0.1",
    "123456789012345678.5",
    "0.00001234",
    "1.10",
    "100000000000000.0",
    "99999999999999999999.5",
    "3000000000.7",
    "1e999",
    "0b11",
    "1.2.3",
    "0.30000000000000004",
];
const OPERATORS: &[&str] = &["|", "&", "^", "~", "!", "(", ")", "| ", " & ", "\t^ ", "~ ", "! ", "( ", " )", "||", "="];
const VARIABLES: &[&str] = &[
    "FOO",
    "BAR",
    "EMPTY",
    "NOPE",
    " FOO ",
    "memory_limit",
    "",
    "a b",
    "x",
    "F",
    "FOO}",
    "FOO\t",
    "a]b",
    "${FOO}",
    ":",
    "a:b",
    "NOPE:-d",
    "NOPE:-",
    "FOO:-d",
    "NOPE:- d ",
    "NOPE:-\"q\"",
    "NOPE:-'q'",
    "NOPE:-a b",
    "NOPE:-5",
    "NOPE:-E_ALL",
    "NOPE:-${BAR}",
    "NOPE:-x${NOPE:-y}z",
    "NOPE:-\"${NOPE:-\"in\"}\"",
    "NOPE:-a\\}b",
    "NOPE:-a$}b",
    "NOPE:-a;b",
    "NOPE:-[x]",
    "NOPE:-1|2",
    "NOPE:-true",
    "N:-x",
    "NOPE:-x\ny",
    "NOPE:-\\\n",
    "NOPE:-:-",
    "NOPE :-x",
    "NOPE:-\"a\" b",
    "NOPE:-b \"a\"",
    "NOPE:-  \"a\"  ",
    "NOPE:-${BAR} ",
    "EMPTY:-x",
    "NOPE:-=",
    "NOPE:-null",
    "NOPE:-1.50",
    "NOPE:-\\\"",
    "NOPE:-$\\\"",
];
const ENDS: &[&str] =
    &["\n", "\n", "\n", "\r\n", "\r", "\n\r", " \n", "\t\r\n", ";c\n", " ; c\r\n", ";", "", " ", "\n\n"];
const BLANKS: &[&str] = &["", "", "", " ", "\t", "  ", " \t "];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn pick(&mut self, from: &[&str], to: &mut Vec<u8>) {
        let text = from[self.below(from.len())];
        // The lists are text; what is above ASCII in them goes out as Latin-1 half of the time.
        if self.below(2) == 0 {
            to.extend(text.chars().map(|char| u32::from(char) as u8));
        } else {
            to.extend_from_slice(text.as_bytes());
        }
    }

    pub fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        if self.below(40) == 0 {
            text.extend_from_slice(b"\xEF\xBB\xBF");
        }
        for _ in 0..1 + self.below(4) {
            self.statement(&mut text);
        }
        match self.below(8) {
            0 => {
                for _ in 0..1 + self.below(3) {
                    self.noise(&mut text);
                }
            }
            1 => text.truncate(self.below(text.len() + 1)),
            _ => {}
        }
        text
    }

    fn noise(&mut self, text: &mut Vec<u8>) {
        const STRAY: &[u8] = b"\"'$\\{}[]();=|&^~! \t\r\n\0\x0b:-.,#aE1\xff";
        let at = self.below(text.len() + 1);
        match self.below(3) {
            0 if at < text.len() => {
                text.remove(at);
            }
            1 if at < text.len() => text[at] = STRAY[self.below(STRAY.len())],
            _ => text.insert(at, STRAY[self.below(STRAY.len())]),
        }
    }

    fn statement(&mut self, text: &mut Vec<u8>) {
        self.pick(BLANKS, text);
        match self.below(12) {
            0 => self.header(text),
            1 => self.pick(&["; c", "# c", ";", ";=", "; 'x", "junk", "=", "a=b=c"], text),
            2..=4 => {
                self.pick(KEYS, text);
                text.push(b'[');
                self.pick(BLANKS, text);
                self.joined(text, 3);
                self.pick(BLANKS, text);
                text.push(b']');
                self.right(text);
            }
            _ => {
                self.pick(KEYS, text);
                self.right(text);
            }
        }
        self.pick(ENDS, text);
    }

    fn right(&mut self, text: &mut Vec<u8>) {
        self.pick(BLANKS, text);
        if self.below(15) != 0 {
            text.push(b'=');
        }
        self.pick(BLANKS, text);
        match self.below(4) {
            0 => self.expression(text),
            1 => self.pick(NUMBERS, text),
            _ => self.joined(text, 4),
        }
    }

    fn header(&mut self, text: &mut Vec<u8>) {
        text.push(b'[');
        self.joined(text, 3);
        text.push(b']');
        if self.below(4) == 0 {
            self.pick(KEYS, text);
            self.right(text);
        }
    }

    fn expression(&mut self, text: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            if self.below(2) == 0 {
                self.pick(OPERATORS, text);
            }
            self.joined(text, 2);
            self.pick(OPERATORS, text);
        }
        if self.below(2) == 0 {
            self.joined(text, 2);
        }
    }

    fn joined(&mut self, text: &mut Vec<u8>, limit: usize) {
        for _ in 0..self.below(limit + 1) {
            match self.below(11) {
                0..=2 => self.pick(WORDS, text),
                3 => self.pick(NUMBERS, text),
                4..=5 => self.quoted(text),
                6 => {
                    text.push(b'\'');
                    self.pick(&["x", "", "a b", "a\nb", ";", "\\", "\"", "${FOO}", "]", "7", "E_ALL"], text);
                    text.push(b'\'');
                }
                7..=8 => self.variable(text),
                9 => self.pick(
                    &["$", "$x", "$\\", "\\", "\\\\", "$$", "$\"", "\\]", "$]", "$\\\\", "\\\"", "${", "$ "],
                    text,
                ),
                _ => {}
            }
            self.pick(BLANKS, text);
        }
    }

    fn variable(&mut self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"${");
        self.pick(VARIABLES, text);
        if self.below(20) != 0 {
            text.push(b'}');
        }
    }

    fn quoted(&mut self, text: &mut Vec<u8>) {
        const INSIDE: &[&str] = &[
            "x", " ", "\\", "\\\\", "\\\"", "\\$", "$", "$x", "\\n", "\\'", "'", ";", "=", "]", "\n", "\r\n", "\r",
            "E_ALL", "7", "{", "}", "\\\n", "\\\\\"", "$$", "\\${FOO}", "a b", "1.50",
        ];
        text.push(b'"');
        for _ in 0..self.below(5) {
            if self.below(6) == 0 { self.variable(text) } else { self.pick(INSIDE, text) }
        }
        if self.below(20) != 0 {
            text.push(b'"');
        }
    }

    pub fn quantity(&mut self) -> Vec<u8> {
        const PARTS: &[&str] = &[
            "0",
            "1",
            "7",
            "8",
            "9",
            "128",
            "x",
            "X",
            "b",
            "o",
            "B",
            "O",
            "k",
            "K",
            "M",
            "g",
            "G",
            "T",
            " ",
            "\t",
            "\n",
            "\u{b}",
            "-",
            "+",
            ".",
            "f",
            "F",
            "e",
            "\u{0}",
            "\u{e9}",
            "9223372036854775807",
            "9223372036854775808",
            "99999999999999999999",
            "\\",
            "\"",
            "\u{1b}",
            "\u{7f}",
            "8589934592",
            "0x",
            "0b",
            "0o",
        ];
        let mut text = Vec::new();
        for _ in 0..self.below(6) {
            self.pick(PARTS, &mut text);
        }
        text
    }
}

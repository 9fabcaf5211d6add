//! The expression language of `<If>`: its grammar (fact A-077). `words.rs` reads the texts in it, `evaluate.rs` gives the answers.

use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens;

/// Nested parentheses, negations and calls.
pub(super) const MAX_DEPTH: u32 = 60;

/// A condition.
#[derive(Debug)]
pub(crate) enum Expr {
    Const(bool),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Word, Op, Word),
    Matches {
        word: Word,
        regex: Pattern,
        not: bool,
    },
    /// A pattern that only PCRE takes.
    Beyond(Box<[u8]>),
    In(Word, Vec<Word>),
    Unary(u8, Word),
}

impl Expr {
    /// Whether it depends on the logged-in user.
    pub fn asks_user(&self) -> bool {
        match self {
            Self::Const(_) | Self::Beyond(_) => false,
            Self::Not(one) => one.asks_user(),
            Self::And(one, other) | Self::Or(one, other) => one.asks_user() || other.asks_user(),
            Self::Compare(one, _, other) => word_asks_user(one) || word_asks_user(other),
            Self::Matches { word, .. } | Self::Unary(_, word) => word_asks_user(word),
            Self::In(word, list) => word_asks_user(word) || list.iter().any(word_asks_user),
        }
    }
}

fn word_asks_user(word: &Word) -> bool {
    word.iter().any(|piece| match piece {
        Piece::Variable(name) => **name == *b"REMOTE_USER",
        Piece::Call(_, word) => word_asks_user(word),
        _ => false,
    })
}

/// How two words are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    IntEq,
    IntNe,
    IntLt,
    IntLe,
    IntGt,
    IntGe,
    StrMatch,
    StrCaseMatch,
    FnMatch,
    IpMatch,
}

/// A text made of pieces.
pub(crate) type Word = Vec<Piece>;

/// A piece of a text.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Box<[u8]>),
    Variable(Box<[u8]>),
    Call(Box<[u8]>, Word),
    Group(u8),
}

pub(super) struct Parser<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub depth: u32,
    pub scope: Scope,
}

pub(super) type Parsed<T> = Result<T, String>;

/// Reads a condition. The error is Apache's text, without its beginning.
pub(crate) fn parse(text: &[u8], scope: Scope) -> Parsed<Expr> {
    let mut parser = Parser { text, at: 0, depth: 0, scope };
    let expr = parser.or()?;
    parser.blanks();
    if parser.at < text.len() { Err(parser.unexpected()) } else { Ok(expr) }
}

/// Reads a text that is put together when it is needed, `a %{REQUEST_URI} b`. The error is Apache's text, without its beginning.
pub(crate) fn parse_text(text: &[u8], scope: Scope) -> Parsed<Word> {
    let mut parser = Parser { text, at: 0, depth: 0, scope };
    let mut word = Word::new();
    parser.string(None, &mut word)?;
    Ok(word)
}

/// Checks such a text.
pub(crate) fn check_text(text: &[u8], scope: Scope) -> Parsed<()> {
    parse_text(text, scope).map(drop)
}

impl<'a> Parser<'a> {
    pub fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    pub fn blanks(&mut self) {
        while self.rest().first().is_some_and(|&b| tokens::is_space(b)) {
            self.at += 1;
        }
    }

    pub fn unexpected(&self) -> String {
        match self.rest() {
            [] => "syntax error, unexpected $end".into(),
            rest => format!("syntax error near '{}'", lossy(&rest[..rest.len().min(20)])),
        }
    }

    pub fn eat(&mut self, token: &[u8]) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    /// A word of letters, as a whole.
    fn eat_name(&mut self, name: &[u8]) -> bool {
        self.blanks();
        let found = self.rest().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && !self.rest().get(name.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        self.at += if found { name.len() } else { 0 };
        found
    }

    /// As [`Self::eat_name`], and the letter case counts.
    fn eat_word(&mut self, word: &[u8]) -> bool {
        self.blanks();
        self.rest().starts_with(word) && self.eat_name(word)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        let mut count = 0;
        while self.eat(b"||") || self.eat_word(b"or") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
            count += 1;
            if count > 200 {
                return Err("more than 200 alternatives: use =~ or -in".into());
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        let mut count = 0;
        while self.eat(b"&&") || self.eat_word(b"and") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
            count += 1;
            if count > 200 {
                return Err("more than 200 conditions: use several sections".into());
            }
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        self.blanks();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deeply: simplify it".into());
        }
        let result = self.inner();
        self.depth -= 1;
        result
    }

    fn inner(&mut self) -> Parsed<Expr> {
        if self.rest().first() == Some(&b'!') {
            self.at += 1;
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        if self.eat_word(b"not") {
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        if self.eat(b"(") {
            let inner = self.or()?;
            return if self.eat(b")") { Ok(inner) } else { Err(self.unexpected()) };
        }
        if self.eat_name(b"true") {
            return Ok(Expr::Const(true));
        }
        if self.eat_name(b"false") {
            return Ok(Expr::Const(false));
        }
        if let [
            b'-',
            op @ (b'n' | b'z' | b'T' | b'e' | b'f' | b'd' | b's' | b'L' | b'h' | b'x' | b'F' | b'U' | b'A' | b'R'),
            next,
            ..,
        ] = self.rest()
            && !next.is_ascii_alphanumeric()
        {
            self.at += 2;
            let word = self.word()?;
            if *op == b'R' && matches!(&*word, [Piece::Text(net)] if !super::evaluate::is_network(net)) {
                return Err("parsing of subnet/netmask failed".into());
            }
            return Ok(Expr::Unary(*op, word));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.word()?;
        if self.eat(b"=~") {
            return self.regex(left, false);
        }
        if self.eat(b"!~") {
            return self.regex(left, true);
        }
        if self.eat_name(b"in") || self.eat_name(b"-in") {
            return self.list(left);
        }
        const OPERATORS: &[(&[u8], Op)] = &[
            (b"==", Op::Eq),
            (b"!=", Op::Ne),
            (b"<=", Op::Le),
            (b">=", Op::Ge),
            (b"<", Op::Lt),
            (b">", Op::Gt),
            (b"=", Op::Eq),
        ];
        const NAMED: &[(&[u8], Op)] = &[
            (b"-eq", Op::IntEq),
            (b"-ne", Op::IntNe),
            (b"-lt", Op::IntLt),
            (b"-le", Op::IntLe),
            (b"-gt", Op::IntGt),
            (b"-ge", Op::IntGe),
            (b"eq", Op::IntEq),
            (b"ne", Op::IntNe),
            (b"lt", Op::IntLt),
            (b"le", Op::IntLe),
            (b"gt", Op::IntGt),
            (b"ge", Op::IntGe),
            (b"-strmatch", Op::StrMatch),
            (b"-strcmatch", Op::StrCaseMatch),
            (b"-fnmatch", Op::FnMatch),
            (b"-ipmatch", Op::IpMatch),
        ];
        let op = OPERATORS.iter().find(|(text, _)| self.eat(text));
        match op.or_else(|| NAMED.iter().find(|(text, _)| self.eat_name(text))) {
            Some(&(_, op)) => Ok(Expr::Compare(left, op, self.word()?)),
            None => Err(self.unexpected()),
        }
    }

    fn list(&mut self, left: Word) -> Parsed<Expr> {
        if !self.eat(b"{") {
            return Err(self.unexpected());
        }
        let mut words = Vec::new();
        loop {
            words.push(self.word()?);
            if self.eat(b"}") {
                return Ok(Expr::In(left, words));
            }
            if !self.eat(b",") {
                return Err(self.unexpected());
            }
        }
    }

    fn regex(&mut self, word: Word, not: bool) -> Parsed<Expr> {
        self.blanks();
        let delimiter = match self.rest() {
            [b'm', delimiter, ..] => {
                self.at += 2;
                *delimiter
            }
            [b'/', ..] => {
                self.at += 1;
                b'/'
            }
            _ => return Err(self.unexpected()),
        };
        let start = self.at;
        while self.rest().first().is_some_and(|&b| b != delimiter) {
            let escaped = self.rest()[0] == b'\\' && self.rest().get(1) == Some(&delimiter);
            self.at += if escaped { 2 } else { 1 };
        }
        if self.rest().is_empty() {
            return Err("unterminated regular expression".into());
        }
        let text = &self.text[start..self.at];
        self.at += 1;
        let mut any_case = false;
        while let Some(flag @ (b'i' | b's' | b'm' | b'g')) = self.rest().first() {
            any_case |= *flag == b'i';
            self.at += 1;
        }
        match Pattern::new(text, any_case) {
            Ok(regex) => Ok(Expr::Matches { word, regex, not }),
            Err(Bad::Unsupported) => Ok(Expr::Beyond(text.into())),
            Err(Bad::Syntax) => Err("invalid regular expression".into()),
        }
    }
}

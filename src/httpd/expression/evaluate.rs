//! Evaluates `<If>` conditions. What only a live request could decide is unknown, never guessed.

use super::budget::Budget;
use super::digest;
use super::parse::{Expr, Op, Piece, Word};
use crate::files::{Files, Kind};
use crate::httpd::pattern::glob::{self, Rules};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::uri;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A condition's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// Not known; the text says what it depends on.
    Unknown(String),
}

/// A text's value.
enum Value {
    Text(Vec<u8>),
    /// A number of which only bounds are known.
    Between(i64, i64, String),
    Unknown(String),
}

/// What a condition can ask about a request.
pub(crate) trait RequestVariables {
    /// A variable's value; `None`: only a live request can tell.
    fn variable(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// A request header.
    fn header(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// The first header whose name is meant, or what depends on whether it is there and what it says; none: there is no such header.
    fn headers(&self, meant: &mut dyn FnMut(&[u8]) -> bool) -> Option<Result<Vec<u8>, String>>;
    /// A variable of the request's environment, or else of the server's; empty: there is none. `None`: not known.
    fn environment(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// Whether the request's environment has a variable, or what that depends on.
    fn is_set(&self, name: &[u8]) -> Result<bool, String>;
    /// Sets a variable of the request's environment, or takes it away.
    fn assign(&self, name: &[u8], value: Option<Vec<u8>>);
    /// Who has logged in so far.
    fn user(&self) -> Option<Vec<u8>>;
    /// The groups that this user is in, in the order of their names.
    fn groups(&self) -> Vec<Vec<u8>>;
    /// Whether a host with its port is this server.
    fn is_here(&self, authority: &[u8]) -> bool;
    /// What the request may cost yet.
    fn budget(&self) -> &Budget;
    /// Notes that a rule depends on something that is not known.
    fn doubt(&self, about: String);
    /// The outcome of a subrequest for a URI of this server, or for a file.
    fn look(&self, target: Target<'_>) -> Option<Seen>;
    fn files(&self) -> &dyn Files;
}

/// The target of a subrequest that an expression asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    Uri(&'a [u8]),
    File(&'a [u8]),
    /// A file, even for a subrequest for the URI that asks: httpd's `-F` of expressions has no guard against itself.
    FileAgain(&'a [u8]),
}

/// The outcome of such a subrequest.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub status: u16,
    pub filename: Vec<u8>,
    /// It is a file, and no rule leads elsewhere.
    pub is_file: bool,
    /// Who would have logged in.
    pub user: Option<Vec<u8>>,
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown => unknown,
        }
    }
}

/// One evaluation: the groups of the last regular expression that matched are shared.
pub(crate) struct Evaluation<'a> {
    variables: &'a dyn RequestVariables,
    groups: Vec<Option<Vec<u8>>>,
}

/// Evaluates a condition.
pub(crate) fn evaluate(expr: &Expr, variables: &dyn RequestVariables) -> Truth {
    Evaluation { variables, groups: Vec::new() }.truth(expr)
}

/// Evaluates a condition; with the groups of the last regular expression that matched.
pub(crate) fn evaluate_with_groups(expr: &Expr, variables: &dyn RequestVariables) -> (Truth, Vec<Option<Vec<u8>>>) {
    let mut evaluation = Evaluation { variables, groups: Vec::new() };
    let truth = evaluation.truth(expr);
    (truth, evaluation.groups)
}

/// Puts a text together; the error says what it depends on that is not known.
pub(crate) fn text(word: &Word, variables: &dyn RequestVariables) -> Result<Vec<u8>, String> {
    match (Evaluation { variables, groups: Vec::new() }).value(word) {
        Value::Text(text) => Ok(text),
        Value::Between(_, _, why) | Value::Unknown(why) => Err(why),
    }
}

impl Evaluation<'_> {
    /// The depth is bounded by the parser.
    fn truth(&mut self, expr: &Expr) -> Truth {
        match expr {
            Expr::Const(yes) => Truth::from(*yes),
            Expr::Not(inner) => self.truth(inner).not(),
            Expr::And(left, right) => match self.truth(left) {
                Truth::No => Truth::No,
                Truth::Yes => self.truth(right),
                unknown => {
                    if self.truth(right) == Truth::No {
                        Truth::No
                    } else {
                        unknown
                    }
                }
            },
            Expr::Or(left, right) => match self.truth(left) {
                Truth::Yes => Truth::Yes,
                Truth::No => self.truth(right),
                unknown => {
                    if self.truth(right) == Truth::Yes {
                        Truth::Yes
                    } else {
                        unknown
                    }
                }
            },
            Expr::Compare(left, op, right) => self.compare(left, *op, right),
            Expr::Matches { word, regex, not } => match self.value(word) {
                Value::Text(text) => match self.variables.budget().groups(regex, &text) {
                    Ok(Some(groups)) => {
                        self.groups = groups;
                        Truth::from(!not)
                    }
                    Ok(None) => Truth::from(*not),
                    Err(_) => Truth::Unknown(format!("the pattern {regex:?}, which takes too many steps")),
                },
                Value::Between(_, _, why) | Value::Unknown(why) => Truth::Unknown(why),
            },
            Expr::Beyond(text) => Truth::Unknown(format!("the pattern /{}/, which is not supported", lossy(text))),
            Expr::In(word, list) => self.is_in(word, list),
            Expr::Unary(op, word) => self.unary(*op, word),
        }
    }

    fn is_in(&mut self, word: &Word, list: &[Word]) -> Truth {
        let text = match self.value(word) {
            Value::Text(text) => text,
            Value::Between(_, _, why) | Value::Unknown(why) => return Truth::Unknown(why),
        };
        let mut doubt = None;
        for item in list {
            match self.value(item) {
                Value::Text(item) if item == text => return Truth::Yes,
                Value::Text(_) => {}
                Value::Between(_, _, why) | Value::Unknown(why) => doubt = Some(why),
            }
        }
        doubt.map_or(Truth::No, Truth::Unknown)
    }

    fn compare(&mut self, left: &Word, op: Op, right: &Word) -> Truth {
        let (left, right) = (self.value(left), self.value(right));
        match (left, right) {
            (Value::Text(left), Value::Text(right)) => {
                let is_wild = matches!(op, Op::StrMatch | Op::StrCaseMatch | Op::FnMatch);
                if is_wild && !self.variables.budget().afford_wild(&right, &left) {
                    return Truth::No;
                }
                compare_texts(&left, op, &right)
            }
            (Value::Between(low, high, why), Value::Text(right)) => between(low, high, op, number(&right), why),
            (Value::Unknown(why) | Value::Between(_, _, why), _)
            | (_, Value::Unknown(why) | Value::Between(_, _, why)) => Truth::Unknown(why),
        }
    }

    fn unary(&mut self, op: u8, word: &Word) -> Truth {
        let text = match self.value(word) {
            Value::Text(text) => text,
            Value::Between(..) if op == b'n' => return Truth::Yes,
            Value::Between(..) if op == b'z' => return Truth::No,
            Value::Between(_, _, why) | Value::Unknown(why) => return Truth::Unknown(why),
        };
        let files = self.variables.files();
        let path = Path::new(std::ffi::OsStr::from_bytes(&text));
        match op {
            b'n' => Truth::from(!text.is_empty()),
            b'z' => Truth::from(text.is_empty()),
            b'T' => {
                let false_words: [&[u8]; 4] = [b"0", b"off", b"false", b"no"];
                Truth::from(!text.is_empty() && !false_words.iter().any(|word| text.eq_ignore_ascii_case(word)))
            }
            b'e' => Truth::from(files.kind(path).is_ok()),
            b'f' => Truth::from(matches!(files.kind(path), Ok(Kind::File))),
            b'd' => Truth::from(matches!(files.kind(path), Ok(Kind::Directory))),
            b's' => Truth::from(files.read(path).is_ok_and(|bytes| !bytes.is_empty())),
            b'L' | b'h' => Truth::from(files.is_symlink(path)),
            b'x' => Truth::from(files.is_executable(path)),
            // As mod_rewrite's -U: anything that is not refused.
            b'U' | b'A' => Truth::from(self.variables.look(Target::Uri(&text)).is_some_and(|seen| seen.status < 400)),
            b'F' => Truth::from(
                self.variables.look(Target::FileAgain(&text)).is_some_and(|seen| seen.status < 300 && seen.is_file),
            ),
            b'R' => match self.variables.variable(b"REMOTE_ADDR") {
                Some(address) => Truth::from(in_network(&address, &text).unwrap_or(false)),
                None => Truth::Unknown("the client's address".into()),
            },
            _ => Truth::Unknown(format!("-{}, which needs a live server", char::from(op))),
        }
    }

    fn value(&mut self, word: &Word) -> Value {
        let mut out = Vec::new();
        for piece in word {
            match self.piece(piece) {
                Value::Text(text) => self.variables.budget().grow(&mut out, &text),
                // A number with bounds keeps them only where it is the whole text.
                other if word.iter().all(|p| matches!(p, Piece::Text(t) if t.is_empty()) || std::ptr::eq(p, piece)) => {
                    return other;
                }
                Value::Between(_, _, why) | Value::Unknown(why) => return Value::Unknown(why),
            }
        }
        Value::Text(out)
    }

    fn piece(&mut self, piece: &Piece) -> Value {
        match piece {
            Piece::Text(text) => Value::Text(text.to_vec()),
            Piece::Group(at) => {
                let group = self.groups.get(usize::from(*at)).cloned().flatten();
                Value::Text(group.unwrap_or_default())
            }
            Piece::Variable(name) => match self.variables.variable(name) {
                Some(text) => Value::Text(text),
                None => unknown_variable(name),
            },
            Piece::Call(name, argument) => match self.value(argument) {
                Value::Text(argument) => self.call(name, argument),
                other => other,
            },
        }
    }

    fn call(&self, name: &[u8], argument: Vec<u8>) -> Value {
        let text = match name {
            b"req" | b"http" | b"req_novary" => self.variables.header(&argument),
            // Nothing has been answered, and no module has left a note.
            b"resp" | b"note" => Some(Vec::new()),
            b"reqenv" if self.variables.is_set(&argument) == Ok(false) => Some(Vec::new()),
            b"env" | b"reqenv" | b"osenv" => self.variables.environment(&argument),
            b"tolower" => Some(argument.to_ascii_lowercase()),
            b"toupper" => Some(argument.to_ascii_uppercase()),
            b"unescape" => Some(uri::unescape_all_but_slashes(&argument).unwrap_or_default()),
            b"escape" => Some(uri::escape(&argument)),
            b"md5" => Some(digest::md5(&argument)),
            b"sha1" => Some(digest::sha1(&argument)),
            b"base64" => Some(base64(&argument)),
            b"unbase64" => Some(unbase64(&argument)),
            b"ldap" => Some(ldap_escaped(&argument)),
            b"file" => {
                let read = self.variables.files().read(Path::new(std::ffi::OsStr::from_bytes(&argument)));
                Some(read.unwrap_or_default())
            }
            b"filesize" => {
                let read = self.variables.files().read(Path::new(std::ffi::OsStr::from_bytes(&argument)));
                Some(read.map_or(0, |bytes| bytes.len()).to_string().into_bytes())
            }
            _ => None,
        };
        match text {
            Some(text) => Value::Text(text),
            None => Value::Unknown(format!("{}({})", lossy(name), lossy(&argument))),
        }
    }
}

/// The clock is not read, but the parts of a date have known bounds.
fn unknown_variable(name: &[u8]) -> Value {
    let why = format!("%{{{}}}", lossy(name));
    match name {
        b"TIME_YEAR" => Value::Between(2025, 9999, why),
        b"TIME_MON" => Value::Between(1, 12, why),
        b"TIME_DAY" => Value::Between(1, 31, why),
        b"TIME_HOUR" => Value::Between(0, 23, why),
        b"TIME_MIN" => Value::Between(0, 59, why),
        b"TIME_SEC" => Value::Between(0, 60, why),
        b"TIME_WDAY" => Value::Between(0, 6, why),
        b"REMOTE_PORT" => Value::Between(1, 65_535, why),
        b"TIME" => Value::Between(20_250_000_000_000, 99_991_231_235_960, why),
        _ => Value::Unknown(why),
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            out.push(if at <= chunk.len() { DIGITS[(word >> (18 - 6 * at)) as usize & 63] } else { b'=' });
        }
    }
    out
}

/// It ends at the first byte that is no digit.
pub(crate) fn unbase64(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().map_while(|byte| DIGITS.iter().position(|digit| digit == byte));
    let (mut out, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for digit in digits {
        (word, bits) = (word << 6 | digit as u32, bits + 6);
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    out
}

/// What stands for something else in an LDAP filter, as its number.
fn ldap_escaped(text: &[u8]) -> Vec<u8> {
    text.iter().fold(Vec::new(), |mut out, &byte| {
        match byte {
            b'*' | b'(' | b')' | b'\\' | 0 => out.extend(format!("\\{byte:02x}").into_bytes()),
            _ => out.push(byte),
        }
        out
    })
}

/// As C's `atoi`.
pub(crate) fn number(text: &[u8]) -> i64 {
    let text = tokens::trim(text);
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    sign * digits.fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')))
}

fn between(low: i64, high: i64, op: Op, other: i64, why: String) -> Truth {
    let (always, never) = match op {
        Op::IntEq => (low == high && low == other, other < low || other > high),
        Op::IntNe => (other < low || other > high, low == high && low == other),
        Op::IntLt => (high < other, low >= other),
        Op::IntLe => (high <= other, low > other),
        Op::IntGt => (low > other, high <= other),
        Op::IntGe => (low >= other, high < other),
        _ => (false, false),
    };
    match (always, never) {
        (true, _) => Truth::Yes,
        (_, true) => Truth::No,
        _ => Truth::Unknown(why),
    }
}

fn compare_texts(left: &[u8], op: Op, right: &[u8]) -> Truth {
    let order = number(left).cmp(&number(right));
    Truth::from(match op {
        Op::Eq => left == right,
        Op::Ne => left != right,
        Op::Lt => left < right,
        Op::Le => left <= right,
        Op::Gt => left > right,
        Op::Ge => left >= right,
        Op::IntEq => order.is_eq(),
        Op::IntNe => order.is_ne(),
        Op::IntLt => order.is_lt(),
        Op::IntLe => order.is_le(),
        Op::IntGt => order.is_gt(),
        Op::IntGe => order.is_ge(),
        Op::StrMatch => glob::matches(right, left, Rules::default()),
        Op::StrCaseMatch => glob::matches(right, left, Rules { any_case: true, ..Rules::default() }),
        Op::FnMatch => glob::matches(right, left, Rules { path: true, ..Rules::default() }),
        Op::IpMatch => in_network(left, right).unwrap_or(false),
    })
}

/// Whether this is `address[/mask]`, as httpd's addresses are written: `10`, `10.1.`, `10.0.0.0/8`, `fe80::/10`.
pub(crate) fn is_network(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (base, mask) = text.split_once('/').map_or((text, None), |(base, mask)| (base, Some(mask)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let width = match base.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => {
            let mut parts: Vec<&str> = base.split('.').collect();
            if parts.len() > 1 && parts.last() == Some(&"") {
                parts.pop();
            }
            let fine = |part: &&str| is_number(part) && part.parse::<u8>().is_ok();
            return mask.is_none() && parts.len() < 4 && parts.iter().all(fine);
        }
    };
    match mask {
        None => true,
        Some(bits) if is_number(bits) => bits.parse::<u32>().is_ok_and(|bits| (1..=width).contains(&bits)),
        Some(mask) => width == 32 && mask.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// Whether an address is in `network[/mask]`; `None`: one of them is no address.
pub(crate) fn in_network(address: &[u8], network: &[u8]) -> Option<bool> {
    let address: IpAddr = std::str::from_utf8(address).ok()?.parse().ok()?;
    let text = std::str::from_utf8(network).ok()?;
    let (base, mask) = text.split_once('/').unwrap_or((text, ""));
    let partial = !base.contains(':') && base.split('.').filter(|part| !part.is_empty()).count() < 4;
    if partial && mask.is_empty() && is_network(network) {
        let wanted = base.trim_end_matches('.').to_owned() + ".";
        return Some(format!("{address}.").starts_with(&wanted));
    }
    let base: IpAddr = base.parse().ok()?;
    let (have, want, width) = match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return Some(false),
    };
    let bits = match mask.parse::<u32>() {
        Ok(bits) if bits <= width => bits,
        _ if mask.is_empty() => width,
        _ => mask.parse::<std::net::Ipv4Addr>().ok()?.to_bits().leading_ones(),
    };
    let shift = width - bits;
    Some(shift >= 128 || have >> shift == want >> shift)
}

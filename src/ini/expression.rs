//! Values with operators: `| & ^ ~ ! ( )` (I-062, I-063).

use super::joined::{Joiner, Kind};
use super::lexer::{Dialect, Place};
use super::number::int_prefix;
use super::token::{Token, check_depth};
use super::typed;
use super::{Mode, SyntaxError};

/// The result of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The text that the pieces hold.
    Text(Kind),
    /// The result of an operator.
    Int(i32),
}

/// An operator that waits for its right side.
#[derive(Debug)]
pub(super) enum Pending {
    Unary(u8),
    Binary(u8, i32),
    Parenthesis,
}

/// How many words PHP's parser holds for it.
fn words(pending: &Pending) -> usize {
    match pending {
        Pending::Unary(_) | Pending::Parenthesis => 1,
        Pending::Binary(..) => 2,
    }
}

/// Reads an expression that begins with `token`, over `depth` words. Gives its outcome and the first word behind it.
pub(super) fn read(joiner: &mut Joiner<'_, '_>, depth: usize, token: Token) -> Result<(Outcome, Token), SyntaxError> {
    joiner.pieces.pending.clear();
    let mut depth = depth;
    let mut token = token;
    loop {
        let pending = match token {
            Token::Char(byte @ (b'~' | b'!')) => Pending::Unary(byte),
            Token::Char(b'(') => Pending::Parenthesis,
            _ => {
                let (mut outcome, next) = operand(joiner, depth, token)?;
                match behind(joiner, &mut depth, &mut outcome, next)? {
                    (None, end) => return Ok((outcome, end)),
                    (Some(operator), next) => {
                        token = next;
                        joiner.pieces.pending.push(operator);
                        continue;
                    }
                }
            }
        };
        depth += 1;
        check_depth(depth, joiner.lexer.line)?;
        joiner.pieces.pending.push(pending);
        token = joiner.lexer.value_word();
    }
}

fn operand(joiner: &mut Joiner<'_, '_>, depth: usize, token: Token) -> Result<(Outcome, Token), SyntaxError> {
    let (kind, next) = joiner.join(Place::Value, depth, token)?;
    if kind == Kind::Empty {
        return Err(token.unexpected("", joiner.lexer.line));
    }
    Ok((Outcome::Text(kind), next))
}

/// Behind an operand or a parenthesis: applies what waited for it. Gives the binary operator that follows, if one
/// does, and the next word.
fn behind(
    joiner: &mut Joiner<'_, '_>,
    depth: &mut usize,
    outcome: &mut Outcome,
    token: Token,
) -> Result<(Option<Pending>, Token), SyntaxError> {
    let mut token = token;
    loop {
        while let Some(pending) = joiner.pieces.pending.pop_if(|pending| !matches!(pending, Pending::Parenthesis)) {
            *depth -= words(&pending);
            *outcome = Outcome::Int(apply(&pending, int_of(joiner, *outcome)));
        }
        match token {
            Token::Char(operator @ (b'|' | b'&' | b'^')) => {
                *depth += 2;
                check_depth(*depth, joiner.lexer.line)?;
                let left = int_of(joiner, *outcome);
                return Ok((Some(Pending::Binary(operator, left)), joiner.lexer.value_word()));
            }
            Token::Char(b')') if joiner.pieces.pending.pop().is_some() => {
                check_depth(*depth + 2, joiner.lexer.line)?;
                *depth -= 1;
                token = joiner.lexer.value_word();
            }
            _ if joiner.pieces.pending.is_empty() => return Ok((None, token)),
            _ => return Err(token.unexpected("'^' or '|' or '&' or ')'", joiner.lexer.line)),
        }
    }
}

pub(super) fn apply(pending: &Pending, right: i32) -> i32 {
    match pending {
        Pending::Unary(b'~') => !right,
        Pending::Unary(_) => i32::from(right == 0),
        Pending::Binary(b'|', left) => left | right,
        Pending::Binary(b'&', left) => left & right,
        Pending::Binary(_, left) => left ^ right,
        Pending::Parenthesis => right,
    }
}

/// An operand as a 32-bit integer, as C's `atoi` gives it where `long` has 64 bits.
fn int_of(joiner: &Joiner<'_, '_>, outcome: Outcome) -> i32 {
    let input = joiner.lexer.text;
    match outcome {
        Outcome::Int(int) => int,
        Outcome::Text(Kind::Number(span)) if joiner.mode == Mode::Typed && joiner.lexer.dialect < Dialect::Php83 => {
            typed::number_as_int(span.of(input))
        }
        Outcome::Text(_) => int_prefix(joiner.pieces.text(input)) as i32,
    }
}

//! Texts with a NUL behind them, because C reads them in place.

use std::sync::Arc;

/// A value that is cheap to clone. The stored bytes end in a NUL that is not part of the value.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl Text {
    pub(crate) const EMPTY: Text = Text::Static(b"\0");

    pub(crate) fn new(value: &[u8]) -> Self {
        match value {
            b"" => Self::EMPTY,
            b"0" => Self::Static(b"0\0"),
            b"1" => Self::Static(b"1\0"),
            _ => {
                // A copy of a slice is one allocation and one move; an iterator would go byte by byte.
                let mut short = [0; 128];
                match short.get_mut(..=value.len()) {
                    Some(short) => {
                        short[..value.len()].copy_from_slice(value);
                        Self::Shared((&*short).into())
                    }
                    None => Self::Shared([value, &[0]].concat().into()),
                }
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let stored: &[u8] = match self {
            Text::Static(stored) => stored,
            Text::Shared(stored) => stored,
        };
        &stored[..stored.len() - 1]
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nul_is_there_and_not_counted() {
        for value in [&b""[..], b"0", b"1", b"128M", b"\xff\0x"] {
            let text = Text::new(value);
            assert_eq!(text.bytes(), value);
            let Text::Shared(stored) = text else { continue };
            assert_eq!(stored.last(), Some(&0));
        }
    }
}

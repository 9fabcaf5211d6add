//! Bytes to lines, lines to tokens, tokens to a tree of directives: the first pass over a configuration.

pub(crate) mod allowed;
mod conditions;
pub(crate) mod defines;
pub(crate) mod directives;
pub(crate) mod include;
pub(crate) mod lines;
pub(crate) mod macros;
pub(crate) mod messages;
pub(crate) mod modules;
pub(crate) mod not_acted;
pub(crate) mod options;
pub(crate) mod path;
pub(crate) mod reader;
mod stock;
pub(crate) mod tokens;
pub(crate) mod tree;
pub(crate) mod uri;

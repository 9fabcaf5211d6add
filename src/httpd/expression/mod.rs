//! Apache's expression language: the grammar, and its answers for a request.

pub(crate) mod budget;
mod digest;
pub(crate) mod evaluate;
pub(crate) mod parse;
pub(crate) mod words;

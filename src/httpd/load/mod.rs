//! The second pass: from the tree of directives to servers and sections.

mod apply;
mod apply_access;
mod apply_server;
mod arguments;
mod arguments_header;
mod arguments_modules;
mod arguments_place;
mod arguments_sed;
mod arguments_server;
mod arguments_words;
pub(crate) mod build;
pub(crate) mod data;
mod open;
mod open_section;
mod override_args;
mod rules;
mod section_args;

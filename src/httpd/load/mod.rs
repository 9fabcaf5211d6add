//! The second pass: from the tree of directives to servers and sections.

mod apply;
mod apply_access;
mod apply_server;
mod arguments;
mod arguments_header;
mod arguments_server;
pub(crate) mod build;
pub(crate) mod data;
mod open;
mod override_args;
mod section_args;

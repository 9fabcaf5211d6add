//! What a configuration is, once it is read: servers, sections, and the rules in them.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod auth;
pub(crate) mod dir_config;
pub(crate) mod env;
pub(crate) mod fast_index;
pub(crate) mod fastcgi;
pub(crate) mod header_words;
pub(crate) mod htaccess_cache;
pub(crate) mod methods;
pub(crate) mod negotiation;
pub(crate) mod request_header;
pub(crate) mod rewrite;
mod rewrite_cond;
mod rewrite_expand;
mod rewrite_flags;
pub(crate) mod rewrite_map;
pub(crate) mod section;
pub(crate) mod server;
pub(crate) mod types;
pub(crate) mod vhost;

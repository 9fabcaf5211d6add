//! PHP's connection handling for any server: a request may outlive its connection, and every ending is a decision
//! that somebody wrote down.
//!
//! Data flows one way, and each part knows only the parts before it:
//! [`ini`] and [`httpd`] read configuration languages, [`config`] decides which value is in force and why, [`request`]
//! is the pure connection-handling machine, [`engine`] gives it clocks, threads and sockets, and the C ABI
//! (`include/outlive.h`) puts handles around all of it.
//!
//! Unsafe code exists in two places only: the C ABI, and the engine's system calls.
#![deny(unsafe_code)]

pub mod config;
pub mod diagnostic;
pub mod engine;
pub mod error;
pub mod files;
pub mod httpd;
pub mod ini;
pub mod origin;
pub mod request;
pub mod target;
pub mod version;

mod capi;
mod find;

pub use error::{Code, Error, Result};
pub use version::PhpVersion;

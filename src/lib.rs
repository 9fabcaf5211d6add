//! PHP's connection handling for any server: a request may outlive its connection, and every ending is a decision
//! that somebody wrote down.
//!
//! # Which value is in force, and why?
//!
//! Files are read through the trait [`files::Files`]: [`files::Disk`], or [`files::Memory`] as here.
//!
//! ```
//! use outlive::config::{Builder, Layer};
//! use outlive::files::Memory;
//! use std::sync::Arc;
//!
//! let files = Memory::new().with("/etc/php.ini", "ignore_user_abort = On\nmax_execution_time = 30\nmax_execution_time = 60\n");
//! let mut builder = Builder::new(Arc::new(files));
//! builder.load_php_ini("/etc/php.ini".as_ref())?;
//! let settings = builder.build()?.base();
//!
//! assert_eq!(settings.get(b"max_execution_time"), Some(&b"60"[..]));
//! assert!(settings.policy().ignore_user_abort);
//! let why = settings.explain(b"max_execution_time").expect("PHP has this directive");
//! let last = why.trail.last().expect("the default, at least");
//! assert_eq!((last.layer, last.origin.line), (Layer::PhpIni, 3));
//! # Ok::<(), outlive::Error>(())
//! ```
//!
//! # What happens when the client goes?
//!
//! The request machine takes events in and gives verdicts out; see [`request`]. An [`engine::Engine`] runs many of them, with clocks and sockets.
//!
//! ```
//! use outlive::config::Policy;
//! use outlive::request::{Begin, Ending, Events, Machine, Verdict};
//!
//! let mut request = Machine::default();
//! let finishes = Policy { ignore_user_abort: true, ..Policy::default() };
//! request.begin(&finishes, Begin::default());
//! assert_eq!(request.check(&mut Events::GONE.clone()), Verdict::Go);
//!
//! request.begin(&Policy::default(), Begin::default());
//! assert_eq!(request.check(&mut Events::GONE.clone()), Verdict::Stop);
//! assert_eq!(request.ending(), Some(Ending::Aborted));
//! ```
//!
//! # The parts
//!
//! Data flows one way, and each part knows only the parts before it: [`ini`] and [`httpd`] read configuration languages, [`config`] decides which value
//! is in force and why, [`request`] is the connection-handling machine, [`engine`] gives it clocks, threads and sockets, and the C ABI
//! (`include/outlive.h`) puts handles around all of it. Unsafe code exists in two places only: the C ABI, and the engine's system calls.
//! ARCHITECTURE.md in the repository is the map; numbers such as C-062 are facts about PHP and Apache, in `docs/behaviour`.
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

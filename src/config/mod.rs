//! Where values come from: layers, access levels, locks, provenance; and the [`Settings`] in force for one target.
//!
//! A [`Builder`] collects what there is to read, [`Builder::build`] reads it into a [`Config`], and [`Config::resolve`]
//! gives the [`Settings`] of one request. [`Settings::explain`] says why.
//!
//! ```
//! use outlive::config::{Builder, Fate};
//! use outlive::files::Memory;
//! use outlive::target::Target;
//! use std::sync::Arc;
//!
//! let conf = "LoadModule php_module modules/libphp.so\nDocumentRoot /www\nphp_admin_value memory_limit 64M\n\
//!             <Directory /www>\nphp_value memory_limit 1G\n</Directory>\n";
//! let files = Memory::new().with("/etc/httpd.conf", conf).with("/www/index.php", "");
//! let mut builder = Builder::new(Arc::new(files));
//! builder.load_httpd_conf("/etc/httpd.conf".as_ref())?;
//! let config = builder.build()?;
//!
//! let settings = config.resolve(&Target { uri: Some(b"/index.php"), ..Target::default() })?;
//! // The administrator's line has locked it, so the directory's does nothing.
//! assert_eq!(settings.get(b"memory_limit"), Some(&b"64M"[..]));
//! let why = settings.explain(b"memory_limit").expect("PHP has this directive");
//! let fates: Vec<(u32, Fate)> = why.trail.iter().map(|step| (step.origin.line, step.fate)).collect();
//! assert!(why.locked && fates.contains(&(3, Fate::InForce)) && fates.contains(&(5, Fate::Refused)), "{fates:?}");
//! # Ok::<(), outlive::Error>(())
//! ```
#![forbid(unsafe_code)]

mod build;
mod builder;
mod core;
mod diagnose;
mod directive;
mod directive_state;
mod discover;
mod explain;
mod fastcgi;
mod fingerprint;
mod fpm;
mod layer;
mod lookup;
mod number;
mod outlive_directives;
mod policy;
mod reader;
mod removed;
mod request_layers;
mod resolve;
mod sapi;
mod secret;
mod settings;
mod table;
mod text;
mod unknowns;
mod unset;
mod user_ini;
mod value_rule;
mod zone;

pub use builder::{Builder, CompiledIn, FastCgiParam, SharedFiles};
pub use directive::Directive;
pub use fpm::Pool;
pub use fpm::glob::glob;
pub use layer::{Explanation, Fate, Layer, Reason, Step};
pub use policy::{AfterFinish, Clock, Detect, Disconnect, HalfClose, Policy, ShutdownMode};
pub use resolve::{Config, Outcome};
pub use sapi::Sapi;
pub use secret::holds_secret;
pub use settings::Settings;
pub use table::versions_with;
pub(crate) use value_rule::whole_number;
pub use value_rule::{HostCheck, ValueRule};

/// Who may change a directive; PHP's access levels as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    /// A running program (`ini_set`).
    pub const USER: Access = Access(1);
    /// `.htaccess`, `.user.ini`, `php_value`.
    pub const PERDIR: Access = Access(2);
    /// php.ini, and admin layers.
    pub const SYSTEM: Access = Access(4);
    /// Everybody.
    pub const ALL: Access = Access(7);

    /// Whether all bits of `who` are there.
    pub fn allows(self, who: Access) -> bool {
        self.0 & who.0 == who.0
    }
}

/// A directive as it stands for one target, for the run-time layer.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The value in force when the request begins, as `ini_get()` gives it, with a NUL behind it that is not counted.
    pub value: &'a [u8],
    /// The value that `ini_restore()` goes back to (fact C-093), NUL behind it as well.
    pub global: &'a [u8],
    /// Who may change it now; `SYSTEM` alone once it is locked.
    pub access: Access,
    /// Whether an admin layer has locked it.
    pub locked: bool,
}

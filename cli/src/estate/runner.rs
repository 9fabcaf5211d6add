//! Who runs what an Apache serves, by its handler.

use super::panels::{self, Panel};
use super::watch;
use outlive::httpd::{Configuration, Run};

/// Who it is.
pub enum Runner {
    /// A FastCGI server, which the handler names.
    Fcgi,
    /// A program, which `Action`, mod_cgi or mod_fcgid starts.
    Cgi,
    /// A panel's handler.
    Panel(Panel),
    /// A module that is not known here.
    Unknown,
    /// httpd itself: the PHP that is a module of it, or no program at all.
    Httpd,
}

impl Runner {
    pub fn of(httpd: &Configuration, run: &Run) -> Self {
        let handler = run.handler.as_deref().unwrap_or_default();
        if handler.starts_with(b"proxy:") {
            Self::Fcgi
        } else if matches!(handler, b"cgi-script" | b"fcgid-script") || run.program.is_some() {
            Self::Cgi
        } else if let Some(panel) = panels::of_handler(handler) {
            Self::Panel(panel)
        } else if !watch::MOD_PHP.contains(&handler) && httpd.no_program(run).is_none() && !httpd.is_stock() {
            Self::Unknown
        } else {
            Self::Httpd
        }
    }
}

//! Handlers that hosting panels name their PHPs by, such as cPanel's `application/x-httpd-ea-php81`.

use super::{Machine, Php};
use crate::text;
use crate::view::View;
use outlive::PhpVersion;
use outlive::config::Sapi;
use outlive::httpd::Configuration;

/// What a handler's name says.
pub struct Panel {
    handler: Vec<u8>,
    /// The layout that has that PHP, and its version; None: the name does not say it.
    php: Option<(&'static str, PhpVersion)>,
    /// LiteSpeed's PHP.
    is_lsphp: bool,
}

/// What stands before the version in a handler's name, and the layout that it is of.
const NAMES: [(&[u8], &str); 2] = [(b"x-httpd-ea-php", "cpanel"), (b"x-httpd-alt-php", "cloudlinux")];

/// Reads a handler; None: it is none of a panel's.
pub fn of_handler(handler: &[u8]) -> Option<Panel> {
    let has = |what: &[u8]| memchr::memmem::find(handler, what).is_some();
    let is_lsphp = has(b"lsphp") || has(b"lsapi");
    let php = NAMES.iter().find_map(|(before, layout)| {
        let rest = &handler[memchr::memmem::find(handler, before)? + before.len()..];
        let digits: String =
            rest.iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| char::from(byte)).collect();
        let (major, minor) = digits.split_at_checked(1)?;
        Some((*layout, PhpVersion::from_text(&format!("{major}.{minor}"))?))
    });
    (is_lsphp || php.is_some()).then(|| Panel { handler: handler.to_vec(), php, is_lsphp })
}

/// The PHP that runs what has that handler, where a module that is loaded runs it as php-cgi; or why that is not known.
pub fn php<'m>(machine: &'m Machine, httpd: &Configuration, view: &View, panel: &Panel) -> Result<&'m Php, String> {
    let shown = text::shown(&panel.handler);
    let own = panel.php.and_then(|(layout, version)| {
        machine.phps.iter().find(|php| {
            let of_layout = php.place.as_ref().is_some_and(|place| place.layout == layout);
            of_layout && php.sapi == Sapi::Cgi && php.view.root() == view.root() && php.version() == Some(version)
        })
    });
    if panel.is_lsphp {
        let ini = own.map_or_else(String::new, |php| {
            let dir = php.place.as_ref().map_or_else(String::new, |place| view.shown(&place.ini_dir));
            format!(" (its php.ini is in {dir}; --php {} asks the php-cgi beside it)", php.id())
        });
        return Err(format!(
            "{shown} is LiteSpeed's PHP by mod_lsapi, which is named and not followed{ini}; give its --php-ini FILE"
        ));
    }
    if !httpd.has_module(b"suphp_module") && !httpd.has_module(b"mod_suphp.c") {
        return Err(format!(
            "no module that is known here has the handler {shown}, and no Action line leads from it to a program; give --sapi cgi-fcgi and \
             --php-ini FILE of the PHP that runs it"
        ));
    }
    if let Some(line) = httpd.kept_directives().find(|line| line.name.eq_ignore_ascii_case(b"suPHP_ConfigPath")) {
        return Err(format!(
            "suPHP runs it, with the php.ini of the directory that {} names; give --sapi cgi-fcgi and --php-ini FILE",
            line.origin
        ));
    }
    own.ok_or_else(|| {
        format!(
            "suPHP runs it by the handler {shown}, and its PHP is not here; give --sapi cgi-fcgi and --php-ini FILE"
        )
    })
}

//! What depends on the SAPI: which layers it knows, and what it fixes by itself.

use super::directive::Directive;

/// The SAPI that is the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sapi {
    /// A web server without a SAPI's own overrides; every layer that was loaded counts.
    #[default]
    Web,
    /// mod_php
    Apache,
    /// PHP-FPM
    Fpm,
    /// php-cgi
    Cgi,
    /// `php -S`
    CliServer,
    /// The command line.
    Cli,
}

impl Sapi {
    /// Every SAPI that has a name.
    pub const ALL: [Sapi; 5] = [Self::Apache, Self::Fpm, Self::Cgi, Self::CliServer, Self::Cli];

    /// From PHP's name for it; empty text is [`Sapi::Web`].
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Web);
        }
        Self::ALL.into_iter().find(|sapi| sapi.name().as_bytes() == name)
    }

    /// PHP's name for it; empty for [`Sapi::Web`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "",
            Self::Apache => "apache2handler",
            Self::Fpm => "fpm-fcgi",
            Self::Cgi => "cgi-fcgi",
            Self::CliServer => "cli-server",
            Self::Cli => "cli",
        }
    }

    /// Whether `[PATH=]`, `[HOST=]` and `.user.ini` count (I-132, I-140).
    pub(crate) fn has_user_ini(self) -> bool {
        matches!(self, Self::Fpm | Self::Cgi)
    }

    /// Whether httpd's containers count.
    pub(crate) fn has_containers(self) -> bool {
        matches!(self, Self::Apache | Self::Web)
    }

    /// Whether FPM pools and FastCGI's `PHP_VALUE` count; php-cgi does not know them (I-153).
    pub(crate) fn has_pool(self) -> bool {
        matches!(self, Self::Fpm | Self::Web)
    }

    /// Whether the directive exists there.
    pub(crate) fn knows(self, directive: &Directive) -> bool {
        match directive.extension {
            "sapi/apache" => matches!(self, Self::Apache | Self::Web),
            "sapi/cgi" => matches!(self, Self::Cgi | Self::Fpm | Self::Web),
            "sapi/php-cgi" => matches!(self, Self::Cgi | Self::Web),
            "sapi/fpm" => matches!(self, Self::Fpm | Self::Web),
            _ => true,
        }
    }

    /// The directives that it sets itself, above php.ini and below `-d` (I-118).
    pub(crate) fn fixed(self) -> &'static [(&'static str, &'static str)] {
        const CLI: [(&str, &str); 6] = [
            ("html_errors", "0"),
            ("register_argc_argv", "1"),
            ("implicit_flush", "1"),
            ("output_buffering", "0"),
            ("max_execution_time", "0"),
            ("max_input_time", "-1"),
        ];
        if self == Self::Cli { &CLI } else { &[] }
    }

    /// Whether php.ini is looked for in the current directory, and beside the program (I-110).
    pub(crate) fn searches(self) -> (bool, bool) {
        (matches!(self, Self::Cgi | Self::Apache), !matches!(self, Self::Apache | Self::Web))
    }
}

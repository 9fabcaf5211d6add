//! Layers, and the trail of a value through them.

use super::Access;
use crate::httpd;
use crate::origin::Origin;
use std::fmt;

/// One kind of place that sets directives, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// PHP's, outlive's or the host's default.
    BuiltIn,
    /// php.ini
    PhpIni,
    /// A file of a scan directory (I-114).
    ScanDir,
    /// What the SAPI itself fixes above php.ini (I-118).
    Sapi,
    /// `-d`
    CommandLine,
    /// An FPM pool file.
    Pool,
    /// FastCGI's `PHP_VALUE` and `PHP_ADMIN_VALUE`.
    FastCgi,
    /// `[HOST=…]` in php.ini.
    HostSection,
    /// `[PATH=…]` in php.ini.
    PathSection,
    /// A container of httpd.
    Httpd(httpd::ServerLayer),
    /// A host that parsed its own configuration ([`super::Config::resolve_dir`]).
    Server,
    /// `.user.ini`, or whatever `user_ini.filename` says.
    UserIni,
}

impl Layer {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in default",
            Self::PhpIni => "php.ini",
            Self::ScanDir => "scan dir file",
            Self::Sapi => "SAPI",
            Self::CommandLine => "command line",
            Self::Pool => "FPM pool",
            Self::FastCgi => "FastCGI parameter",
            Self::HostSection => "[HOST=] section",
            Self::PathSection => "[PATH=] section",
            Self::Httpd(httpd::ServerLayer::Server) => "httpd server",
            Self::Httpd(httpd::ServerLayer::VirtualHost) => "httpd <VirtualHost>",
            Self::Httpd(httpd::ServerLayer::Directory) => "httpd <Directory>",
            Self::Httpd(httpd::ServerLayer::Htaccess) => ".htaccess",
            Self::Httpd(httpd::ServerLayer::Files) => "httpd <Files>",
            Self::Httpd(httpd::ServerLayer::Location) => "httpd <Location>",
            Self::Httpd(httpd::ServerLayer::If) => "httpd <If>",
            Self::Server => "server configuration",
            Self::UserIni => ".user.ini",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a layer's value is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is the value in force.
    InForce,
    /// A later layer set another one.
    Overridden,
    /// It was refused.
    Refused,
}

impl Fate {
    /// The words that are shown.
    pub fn words(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::Overridden => "overridden",
            Self::Refused => "refused",
        }
    }
}

/// One layer that sets a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The layer.
    pub layer: Layer,
    /// File and line, where there are any.
    pub origin: Origin,
    /// The value as it was written.
    pub raw: Vec<u8>,
    /// The value as PHP would store it.
    pub value: Vec<u8>,
    /// The level with which the layer sets it.
    pub access: Access,
    /// Whether it locks the directive.
    pub locks: bool,
    /// Whether it is in force.
    pub fate: Fate,
    /// Why, where it is not in force.
    pub because: Option<String>,
    /// The same for programs.
    pub reason: Option<Reason>,
}

/// Why a value is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A later layer, or a later line of the same one, set another value.
    Later,
    /// An earlier line of the same FPM pool counts (I-151).
    Earlier,
    /// An admin value has locked the directive.
    Locked,
    /// The directive cannot be set at that level.
    Level,
    /// The directive does not take the value.
    Value,
    /// The SAPI does not know the layer.
    Sapi,
}

/// Why a value is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The directive.
    pub name: Vec<u8>,
    /// The value in force, as `ini_get()` gives it.
    pub value: Vec<u8>,
    /// Who may change it now.
    pub access: Access,
    /// Whether an admin layer has locked it.
    pub locked: bool,
    /// Every layer that set the directive, weakest first; the built-in default always comes first.
    pub trail: Vec<Step>,
}

//! What this crate does about a directive, and how many arguments it takes.

use super::tokens::Tokens;

macro_rules! acts {
    ($($variant:ident = $name:literal,)*) => {
        /// What is done about a directive.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Act {
            /// Kept, with file and line.
            Keep,
            $($variant,)*
        }

        pub(crate) fn act_of(name: &str) -> Act {
            match name {
                $($name => Act::$variant,)*
                _ if name.starts_with("<LuaHook") || name == "<LuaQuickHandler" => Act::Skip,
                _ => Act::Keep,
            }
        }
    };
}

acts! {
    Skip = "<Soak",
    IfModule = "<IfModule", IfDefine = "<IfDefine", IfVersion = "<IfVersion", IfFile = "<IfFile",
    IfDirective = "<IfDirective", IfSection = "<IfSection",
    Define = "Define", UnDefine = "UnDefine", Include = "Include", IncludeOptional = "IncludeOptional",
    LoadModule = "LoadModule", ServerRoot = "ServerRoot",
    Macro = "<Macro", Use = "Use", UndefMacro = "UndefMacro",
    VirtualHost = "<VirtualHost", Directory = "<Directory", DirectoryMatch = "<DirectoryMatch",
    Location = "<Location", LocationMatch = "<LocationMatch", Files = "<Files", FilesMatch = "<FilesMatch",
    If = "<If", ElseIf = "<ElseIf", Else = "<Else",
    Limit = "<Limit", LimitExcept = "<LimitExcept", Proxy = "<Proxy", ProxyMatch = "<ProxyMatch",
    RequireAll = "<RequireAll", RequireAny = "<RequireAny", RequireNone = "<RequireNone",
    PhpValue = "php_value", PhpFlag = "php_flag", PhpAdminValue = "php_admin_value", PhpAdminFlag = "php_admin_flag",
    PhpIniDir = "PHPINIDir", OutliveEngine = "OutliveEngine", OutliveHandlers = "OutliveHandlers",
    DocumentRoot = "DocumentRoot", ServerName = "ServerName", ServerAlias = "ServerAlias",
    AccessFileName = "AccessFileName", AllowOverride = "AllowOverride", AllowOverrideList = "AllowOverrideList",
    Options = "Options", AcceptPathInfo = "AcceptPathInfo", AllowEncodedSlashes = "AllowEncodedSlashes",
    MergeSlashes = "MergeSlashes", StrictHostCheck = "StrictHostCheck", TraceEnable = "TraceEnable",
    Alias = "Alias", ScriptAlias = "ScriptAlias", AliasMatch = "AliasMatch", ScriptAliasMatch = "ScriptAliasMatch",
    Redirect = "Redirect", RedirectMatch = "RedirectMatch", RedirectTemp = "RedirectTemp",
    RedirectPermanent = "RedirectPermanent",
    UserDir = "UserDir", VirtualDocumentRoot = "VirtualDocumentRoot", VirtualScriptAlias = "VirtualScriptAlias",
    DirectoryIndex = "DirectoryIndex", DirectorySlash = "DirectorySlash", DirectoryIndexRedirect = "DirectoryIndexRedirect", DirectoryCheckHandler = "DirectoryCheckHandler",
    FallbackResource = "FallbackResource",
    ErrorDocument = "ErrorDocument", SetHandler = "SetHandler", AddHandler = "AddHandler",
    RemoveHandler = "RemoveHandler", AddType = "AddType", RemoveType = "RemoveType", ForceType = "ForceType",
    AddEncoding = "AddEncoding", AddLanguage = "AddLanguage", AddCharset = "AddCharset", AddInputFilter = "AddInputFilter",
    RemoveEncoding = "RemoveEncoding", RemoveLanguage = "RemoveLanguage", RemoveCharset = "RemoveCharset",
    LanguagePriority = "LanguagePriority", ForceLanguagePriority = "ForceLanguagePriority", MultiviewsMatch = "MultiviewsMatch",
    AddOutputFilter = "AddOutputFilter", Action = "Action",
    Require = "Require", AuthMerging = "AuthMerging", Order = "order", Allow = "allow", Deny = "deny",
    Satisfy = "Satisfy",
    RewriteEngine = "RewriteEngine", RewriteBase = "RewriteBase", RewriteCond = "RewriteCond",
    RewriteRule = "RewriteRule", RewriteOptions = "RewriteOptions", RewriteMap = "RewriteMap",
    SetEnv = "SetEnv", SetEnvIf = "SetEnvIf", SetEnvIfNoCase = "SetEnvIfNoCase", BrowserMatch = "BrowserMatch",
    SetEnvIfExpr = "SetEnvIfExpr", BrowserMatchNoCase = "BrowserMatchNoCase", UnsetEnv = "UnsetEnv", PassEnv = "PassEnv",
    SslRequireSsl = "SSLRequireSSL", AuthType = "AuthType", AuthName = "AuthName",
    AuthBasicProvider = "AuthBasicProvider", AuthUserFile = "AuthUserFile", AuthGroupFile = "AuthGroupFile",
    AuthBasicAuthoritative = "AuthBasicAuthoritative", AuthzSendForbidden = "AuthzSendForbiddenOnFailure",
    ServerAdmin = "ServerAdmin", ServerTokens = "ServerTokens", ServerSignature = "ServerSignature",
    Header = "Header", RequestHeader = "RequestHeader", UseCanonicalName = "UseCanonicalName", NameVirtualHost = "NameVirtualHost",
    TypesConfig = "TypesConfig",
    ProxyPass = "ProxyPass", ProxyPassMatch = "ProxyPassMatch", ProxyFcgiSetEnvIf = "ProxyFCGISetEnvIf",
    RegexDefaultOptions = "RegexDefaultOptions",
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    Raw,
    Each,
    OneAndEach,
    Flag,
    /// The accepted counts, one bit each.
    Counts(u8),
    Any,
}

impl Arity {
    pub fn of(number: &str) -> Self {
        match number {
            "1" => Self::Counts(0b10),
            "2" => Self::Counts(0b100),
            "3" => Self::Each,
            "4" => Self::OneAndEach,
            "5" => Self::Flag,
            "6" => Self::Counts(1),
            "7" => Self::Counts(0b110),
            "8" => Self::Counts(0b1000),
            "9" => Self::Counts(0b1100),
            "10" => Self::Counts(0b1110),
            "11" => Self::Counts(0b1010),
            "12" => Self::Any,
            _ => Self::Raw,
        }
    }

    /// What is wrong with a directive's arguments, in Apache's meaning.
    pub fn complaint(self, name: &str, args: &[u8]) -> Option<String> {
        let wrong = match self {
            Self::Raw | Self::Any => return None,
            Self::Each => Tokens::new(args).next().is_none_or(|first| first.is_empty()),
            Self::Flag => {
                let word = Tokens::new(args).next().unwrap_or_default();
                let fine = word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off");
                return (!fine).then(|| format!("{name} must be On or Off"));
            }
            Self::OneAndEach => {
                let mut words = Tokens::new(args);
                words.next().is_none_or(|first| first.is_empty()) || words.next().is_none()
            }
            Self::Counts(counts) => {
                // A required word may not be empty, an optional one may. One word too many is wrong.
                let needed = counts.trailing_zeros() as usize;
                let (mut filled, mut all) = (0, 0);
                for word in Tokens::new(args).take(5) {
                    filled += usize::from(filled == all && (all >= needed || !word.is_empty()));
                    all += 1;
                }
                all != filled || filled > 3 || counts & (1 << filled) == 0
            }
        };
        wrong.then(|| format!("{name} {}{}", self.text(), tail(name)))
    }

    fn text(self) -> &'static str {
        match self {
            Self::OneAndEach => "requires at least two arguments",
            Self::Each => "requires at least one argument",
            Self::Counts(0b10) => "takes one argument",
            Self::Counts(0b100) => "takes two arguments",
            Self::Counts(1) => "takes no arguments",
            Self::Counts(0b110) => "takes 1-2 arguments",
            Self::Counts(0b1000) => "takes three arguments",
            Self::Counts(0b1100) => "takes two or three arguments",
            Self::Counts(0b1110) => "takes one, two or three arguments",
            _ => "takes one or three arguments",
        }
    }
}

/// The part of Apache's text that names the argument, where it is recorded.
fn tail(name: &str) -> &'static str {
    match name {
        "php_value" => ", PHP Value Modifier",
        "php_flag" => ", PHP Flag Modifier",
        "php_admin_value" => ", PHP Value Modifier (Admin)",
        "php_admin_flag" => ", PHP Flag Modifier (Admin)",
        "PHPINIDir" => ", Directory containing the php.ini file",
        "Define" => ", Define a variable, optionally to a value.  Same as passing -D to the command line.",
        "UnDefine" => ", Undefine the existence of a variable. Undo a Define.",
        "Include" => {
            ", Name(s) of the config file(s) to be included; fails if the wildcard does not match at least one file"
        }
        _ => "",
    }
}

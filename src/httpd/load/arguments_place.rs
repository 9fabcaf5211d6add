//! Where directives may not stand although their kind may (tests/differential/directives.py shows it).

use super::rules::{Ruled, among, is_url};

/// What is open where a directive stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub host: bool,
    pub directory: bool,
    pub location: bool,
    pub files: bool,
    pub conditional: bool,
    pub proxy: bool,
    pub domain_set: bool,
}

impl Place {
    /// In any section that is no server's.
    fn section(self) -> bool {
        self.directory || self.location || self.files || self.conditional || self.proxy
    }
}

/// Those that are for all servers at once: no virtual host may have them. By name, in the order of bytes.
#[rustfmt::skip]
const GLOBAL: &[&str] = &[
    "AcceptFilter",
    "AuthnCacheEnable",
    "AuthnCacheSOCache",
    "AuthnzFcgiDefineProvider",
    "ChrootDir",
    "CoreDumpDirectory",
    "ExtendedStatus",
    "GlobalLog",
    "GracefulShutdownTimeout",
    "Group",
    "HeartbeatAddress",
    "HeartbeatListen",
    "HeartbeatMaxServers",
    "HeartbeatStorage",
    "LDAPCacheEntries",
    "LDAPCacheTTL",
    "LDAPConnectionTimeout",
    "LDAPLibraryDebug",
    "LDAPOpCacheEntries",
    "LDAPOpCacheTTL",
    "LDAPRetries",
    "LDAPRetryDelay",
    "LDAPSharedCacheFile",
    "LDAPSharedCacheSize",
    "LDAPTimeout",
    "LDAPTrustedGlobalCert",
    "LDAPVerifyServerCert",
    "Listen",
    "ListenBacklog",
    "ListenCoresBucketsRatio",
    "ListenTCPDeferAccept",
    "MaxClients",
    "MaxConnectionsPerChild",
    "MaxMemFree",
    "MaxRequestWorkers",
    "MaxRequestsPerChild",
    "MaxSpareServers",
    "MinSpareServers",
    "PidFile",
    "ProxyHCTPsize",
    "ReceiveBufferSize",
    "RegexDefaultOptions",
    "RegisterHttpMethod",
    "SSLCryptoDevice",
    "SSLFIPS",
    "SSLPassPhraseDialog",
    "SSLRandomSeed",
    "SSLSessionCache",
    "SSLStaplingCache",
    "SSLVHostSNIPolicy",
    "ScoreBoardFile",
    "ScriptSock",
    "SeeRequestTail",
    "SendBufferSize",
    "ServerLimit",
    "SessionCryptoDriver",
    "StartServers",
    "Suexec",
    "ThreadStackSize",
    "User",
    "WatchdogInterval",
    "xml2EncAlias",
];
/// Their values are the client's side of a server's own certificates: they stand outside of every section.
const OUTSIDE: &[&str] = &["SSLCACertificateFile", "SSLCACertificatePath"];
const IN_DOMAIN_SET: &[&str] = &["MDMember", "MDMembers", "MDCertificateFile", "MDCertificateKeyFile"];
const NOT_FOR_FILES: &[&str] =
    &["LuaHookTranslateName", "LuaQuickHandler", "LuaMapHandler", "LuaInputFilter", "LuaOutputFilter"];

/// Refuses what httpd refuses here.
pub(super) fn check(name: &str, words: &[impl AsRef<[u8]>], place: Place, ruled: &mut Ruled) -> Result<(), String> {
    let word = |at: usize| words.get(at).map_or(&b""[..], AsRef::as_ref);
    let refuse = |wrong: bool, what: &str| if wrong { Err(format!("{name} {what}")) } else { Ok(()) };
    let global = GLOBAL.binary_search(&name).is_ok();
    if global && place.host {
        return refuse(true, "cannot occur within <VirtualHost> section");
    }
    match name {
        // `auto` and `manual` are options of MDomain as well.
        "MDMembers" if among(word(0), &["auto", "manual"]) => Ok(()),
        _ if IN_DOMAIN_SET.contains(&name) => {
            refuse(!place.domain_set, "is only valid inside a '<MDomainSet' context, not here")
        }
        _ if OUTSIDE.contains(&name) => refuse(place.section(), "cannot occur within a section"),
        _ if NOT_FOR_FILES.contains(&name) => {
            refuse(place.directory || place.files, "cannot occur within <Directory> or <Files> section")
        }
        "MDRequireHttps" => refuse(place.directory || place.location, "cannot occur within a section"),
        "CacheEnable" => refuse(place.section() && words.len() > 1, "needs no path in a section"),
        "CacheDisable" if place.section() => refuse(!among(word(0), &["on"]), "takes 'on' in a section"),
        "CacheDisable" => {
            refuse(among(word(0), &["on"]), "must be followed by a path where it stands outside a section")
        }
        "ProxyPassReverse" => refuse(place.section() && words.len() > 1, "needs no path in a section"),
        "BalancerMember" if place.proxy => {
            refuse(word(0).starts_with(b"balancer://"), "can not have a balancer name when defined in a location")
        }
        // Whether somebody has declared the worker is not looked at.
        "ProxySet" if place.proxy => {
            let options = words.iter().map(AsRef::as_ref);
            refuse(
                options.into_iter().any(|word: &[u8]| !word.contains(&b'=')),
                "parameter must be in the form 'key=value'",
            )
        }
        "ProxySet" => refuse(!is_url(word(0), &[]), "can not find that worker"),
        "BalancerMember" => {
            refuse(place.section(), "can not have a balancer name when defined in a location")?;
            let option = |word: &[u8]| word.contains(&b'=') && !word.contains(&b'/');
            let bare: Vec<&[u8]> = words.iter().map(AsRef::as_ref).take_while(|word| !option(word)).collect();
            refuse(bare.is_empty(), "must define balancer name when outside <Proxy > section")?;
            refuse(bare.len() < 2, "must define remote proxy server")?;
            refuse(!bare[0].starts_with(b"balancer://"), "Bad syntax for a balancer name")?;
            refuse(!is_url(bare[1], &[]), "URL must be absolute!")?;
            let options = words.iter().map(AsRef::as_ref).skip(2);
            refuse(
                options.into_iter().any(|word: &[u8]| !word.contains(&b'=')),
                "parameter must be in the form 'key=value'",
            )
        }
        _ if global => Ok(()),
        _ => ruled.no_rule(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(GLOBAL.is_sorted());
    }
}

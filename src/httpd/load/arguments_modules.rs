//! What directives of single modules ask of their words, as a table (tests/differential/directives.py shows it).

use super::rules::{Rule, Ruled, text};
use crate::httpd::syntax::modules::Scope;

const NUMBER: i64 = i32::MAX as i64;
const ON_OFF: &[&str] = &["on", "off"];
const VERIFY: &[&str] = &["none", "off", "optional", "require", "on", "optional_no_ca"];
const ETAG: &[&str] = &["AddSuffix", "NoChange", "Remove"];
const HOW_MANY: &[&str] = &["none", "default", "unlimited"];
const CERTIFICATES: &[&str] = &[
    "CA_DER",
    "CA_BASE64",
    "CA_CERT7_DB",
    "CA_SECMOD",
    "CERT_DER",
    "CERT_BASE64",
    "CERT_KEY3_DB",
    "CERT_NICKNAME",
    "CERT_PFX",
    "KEY_DER",
    "KEY_BASE64",
    "KEY_PFX",
];

/// A directive, by name in the order of bytes; which of its words; what that is to be.
#[rustfmt::skip]
const RULES: &[(&str, usize, Rule)] = &[
    ("AsyncFilter", 0, Rule::Among(&["request", "connection", "network"])),
    ("AuthFormBody", 0, Rule::Name),
    ("AuthFormLocation", 0, Rule::Name),
    ("AuthFormMethod", 0, Rule::Name),
    ("AuthFormMimetype", 0, Rule::Name),
    ("AuthFormPassword", 0, Rule::Name),
    ("AuthFormSize", 0, Rule::Number(0, i64::MAX - 1)),
    ("AuthFormUsername", 0, Rule::Name),
    ("AuthLDAPDereferenceAliases", 0, Rule::Exactly(&["never", "off", "Off", "OFF", "searching", "finding", "always", "on", "On", "ON"])),
    ("AuthLDAPInitialBindPattern", 0, Rule::Regex),
    ("BalancerGrowth", 0, Rule::Number(0, 1000)),
    ("BrotliAlterETag", 0, Rule::Among(ETAG)),
    ("BrotliCompressionMaxInputBlock", 0, Rule::Number(16, 24)),
    ("BrotliCompressionQuality", 0, Rule::Number(0, 11)),
    ("BrotliCompressionWindow", 0, Rule::Number(10, 24)),
    ("BufferSize", 0, Rule::Number(1, i64::MAX - 1)),
    ("CGIDScriptTimeout", 0, Rule::Span(0, "s")),
    ("CGIScriptTimeout", 0, Rule::Span(0, "s")),
    ("CacheLockMaxAge", 0, Rule::Number(1, i64::MAX)),
    ("CacheMaxFileSize", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheMinFileSize", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheReadSize", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheReadTime", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheSocacheMaxSize", 0, Rule::Number(1024, i64::MAX - 1)),
    ("CacheSocacheMaxTime", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheSocacheMinTime", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheSocacheReadSize", 0, Rule::Number(0, i64::MAX - 1)),
    ("CacheSocacheReadTime", 0, Rule::Number(0, i64::MAX - 1)),
    ("CookieSameSite", 0, Rule::Among(&["None", "Lax", "Strict"])),
    ("DAV", 0, Rule::Among(&["on", "off", "filesystem"])),
    ("DAVMinTimeout", 0, Rule::Number(0, NUMBER)),
    ("DBDExptime", 0, Rule::Digits(0, i64::MAX)),
    ("DBDKeep", 0, Rule::Digits(0, i64::MAX)),
    ("DBDMax", 0, Rule::Digits(0, i64::MAX)),
    ("DBDMin", 0, Rule::Digits(0, i64::MAX)),
    ("DeflateAlterEtag", 0, Rule::Among(ETAG)),
    ("FlushMaxPipelined", 0, Rule::Digits(-1, NUMBER)),
    ("FlushMaxThreshold", 0, Rule::Digits(0, u32::MAX as i64)),
    ("H2CopyFiles", 0, Rule::Among(ON_OFF)),
    ("H2Direct", 0, Rule::Among(ON_OFF)),
    ("H2EarlyHints", 0, Rule::Among(ON_OFF)),
    ("H2MaxDataFrameLen", 0, Rule::Number(0, NUMBER)),
    ("H2MaxHeaderBlockLen", 0, Rule::Number(0, NUMBER)),
    ("H2MaxSessionStreams", 0, Rule::Number(1, NUMBER)),
    ("H2MaxStreamErrors", 0, Rule::Number(0, NUMBER)),
    ("H2MaxWorkerIdleSeconds", 0, Rule::Span(0, "s")),
    ("H2MaxWorkers", 0, Rule::Number(1, NUMBER)),
    ("H2MinWorkers", 0, Rule::Number(1, NUMBER)),
    ("H2ModernTLSOnly", 0, Rule::Among(ON_OFF)),
    ("H2OutputBuffering", 0, Rule::Among(ON_OFF)),
    ("H2Padding", 0, Rule::Number(0, 8)),
    ("H2ProxyRequests", 0, Rule::Among(ON_OFF)),
    ("H2Push", 0, Rule::Among(ON_OFF)),
    ("H2StreamMaxMemSize", 0, Rule::Number(1024, NUMBER)),
    ("H2StreamTimeout", 0, Rule::Span(0, "s")),
    ("H2Upgrade", 0, Rule::Among(ON_OFF)),
    ("H2WebSockets", 0, Rule::Among(ON_OFF)),
    ("H2WindowSize", 0, Rule::Number(1024, NUMBER)),
    ("HeartbeatMaxServers", 0, Rule::ZeroOr(10, NUMBER)),
    ("KeepAliveTimeout", 0, Rule::Span(0, "s")),
    ("KeptBodySize", 0, Rule::Digits(0, i64::MAX - 1)),
    ("LDAPConnectionPoolTTL", 0, Rule::Span(i64::MIN, "s")),
    ("LDAPReferralHopLimit", 0, Rule::Number(1, NUMBER)),
    ("LDAPReferrals", 0, Rule::Among(&["on", "off", "default"])),
    ("LDAPRetries", 0, Rule::Number(0, NUMBER)),
    ("LDAPRetryDelay", 0, Rule::Span(0, "s")),
    ("LDAPTimeout", 0, Rule::Digits(0, i64::MAX)),
    ("LDAPTrustedClientCert", 0, Rule::Among(CERTIFICATES)),
    ("LDAPTrustedGlobalCert", 0, Rule::Among(CERTIFICATES)),
    ("LDAPTrustedMode", 0, Rule::Among(&["NONE", "SSL", "TLS", "STARTTLS"])),
    ("ListenCoresBucketsRatio", 0, Rule::Number(1, NUMBER)),
    ("ListenTCPDeferAccept", 0, Rule::Number(1, NUMBER)),
    ("LuaCodeCache", 0, Rule::Among(&["stat", "never", "forever"])),
    ("LuaHookAccessChecker", 2, Rule::Among(&["early", "late"])),
    ("LuaHookAuthChecker", 2, Rule::Among(&["early", "late"])),
    ("LuaHookInsertFilter", 0, Rule::Gone("is not yet implemented")),
    ("LuaHookTranslateName", 2, Rule::Among(&["early", "late"])),
    ("LuaInherit", 0, Rule::Among(&["none", "parent-first", "parent-last"])),
    ("LuaScope", 0, Rule::Exactly(&["once", "request", "conn", "thread", "server"])),
    ("Lua_____ByteCodeHack", 0, Rule::Gone("is not for configuration files")),
    ("MDActivationDelay", 0, Rule::Duration(i64::MIN, false)),
    ("MDBaseServer", 0, Rule::Among(ON_OFF)),
    ("MDCertificateStatus", 0, Rule::Among(ON_OFF)),
    ("MDChallengeDns01Version", 0, Rule::Exactly(&["1", "2"])),
    ("MDCheckInterval", 0, Rule::Duration(1_000, false)),
    ("MDDriveMode", 0, Rule::Among(&["always", "auto", "manual"])),
    ("MDInitialDelay", 0, Rule::Duration(0, false)),
    ("MDMatchNames", 0, Rule::Among(&["all", "servernames"])),
    ("MDMembers", 0, Rule::Among(&["auto", "manual"])),
    ("MDMustStaple", 0, Rule::Among(ON_OFF)),
    ("MDProfileMandatory", 0, Rule::Among(ON_OFF)),
    ("MDRenewMode", 0, Rule::Among(&["always", "auto", "manual"])),
    ("MDRenewViaARI", 0, Rule::Among(ON_OFF)),
    ("MDRenewWindow", 0, Rule::Duration(i64::MIN, true)),
    ("MDRequireHttps", 0, Rule::Among(&["off", "temporary", "permanent"])),
    ("MDRetryDelay", 0, Rule::Duration(1, false)),
    ("MDRetryFailover", 0, Rule::Number(1, NUMBER)),
    ("MDServerStatus", 0, Rule::Among(ON_OFF)),
    ("MDStapleOthers", 0, Rule::Among(ON_OFF)),
    ("MDStapling", 0, Rule::Among(ON_OFF)),
    ("MDStaplingKeepResponse", 0, Rule::Duration(i64::MIN, true)),
    ("MDStaplingRenewWindow", 0, Rule::Duration(i64::MIN, true)),
    ("MDWarnWindow", 0, Rule::Duration(i64::MIN, true)),
    ("MaxRangeOverlaps", 0, Rule::Or(HOW_MANY, 1, NUMBER)),
    ("MaxRangeReversals", 0, Rule::Or(HOW_MANY, 1, NUMBER)),
    ("MaxRanges", 0, Rule::Or(HOW_MANY, 1, NUMBER)),
    ("MemcacheConnTTL", 0, Rule::Within(3_600_000_000)),
    ("ModemStandard", 0, Rule::Exactly(&["V.21", "V.26bis", "V.32", "V.34", "V.92"])),
    ("Port", 0, Rule::Gone("was replaced with Listen in Apache 2.0")),
    ("ProxyFCGIBackendType", 0, Rule::Among(&["FPM", "GENERIC"])),
    ("ProxyHCTPsize", 0, Rule::Number(0, NUMBER)),
    ("ProxyHTMLBufSize", 0, Rule::Digits(i64::MIN, i64::MAX)),
    ("ProxyIOBufferSize", 0, Rule::ZeroOr(512, i64::MAX)),
    ("ProxyReceiveBufferSize", 0, Rule::ZeroOr(512, NUMBER)),
    ("ReadBufferSize", 0, Rule::Digits(0, u32::MAX as i64)),
    ("RedisConnPoolTTL", 0, Rule::Within(3_600_000_000)),
    ("RedisTimeout", 0, Rule::Within(3_600_000_000)),
    ("SSLCryptoDevice", 0, Rule::Exactly(&["builtin", "dynamic"])),
    ("SSLEngine", 0, Rule::Among(&["on", "off", "optional"])),
    ("SSLLog", 0, Rule::Gone("directive is no longer supported - use ErrorLog.")),
    ("SSLLogLevel", 0, Rule::Gone("directive is no longer supported - use LogLevel.")),
    ("SSLOCSPResponderTimeout", 0, Rule::Number(0, NUMBER)),
    ("SSLOCSPResponseMaxAge", 0, Rule::Number(0, NUMBER)),
    ("SSLOCSPResponseTimeSkew", 0, Rule::Number(0, NUMBER)),
    ("SSLProxyVerify", 0, Rule::Among(VERIFY)),
    ("SSLProxyVerifyDepth", 0, Rule::Number(0, NUMBER)),
    ("SSLRenegBufferSize", 0, Rule::Number(0, NUMBER)),
    ("SSLSessionCacheTimeout", 0, Rule::Number(0, NUMBER)),
    ("SSLStaplingErrorCacheTimeout", 0, Rule::Number(0, NUMBER)),
    ("SSLStaplingResponderTimeout", 0, Rule::Number(0, NUMBER)),
    ("SSLStaplingResponseMaxAge", 0, Rule::Number(0, NUMBER)),
    ("SSLStaplingResponseTimeSkew", 0, Rule::Number(0, NUMBER)),
    ("SSLStaplingStandardCacheTimeout", 0, Rule::Number(0, NUMBER)),
    ("SSLVHostSNIPolicy", 0, Rule::Among(&["strict", "secure", "authonly", "insecure"])),
    ("SSLVerifyClient", 0, Rule::Among(VERIFY)),
    ("SSLVerifyDepth", 0, Rule::Number(0, NUMBER)),
    ("SessionExpiryUpdateInterval", 0, Rule::Number(0, NUMBER)),
    ("WatchdogInterval", 0, Rule::Span(100_000, "s")),
];

/// Their first word is a text with `%{…}` in it.
const TEXTS: &[&str] = &[
    "AuthFormLoginRequiredLocation",
    "AuthFormLoginSuccessLocation",
    "AuthFormLogoutLocation",
    "AuthName",
    "AuthType",
    "LogMessage",
    "SetHandler",
];

/// Refuses what httpd refuses; `scope`: what expressions may use.
pub(super) fn check(name: &str, words: &[impl AsRef<[u8]>], scope: Scope, ruled: &mut Ruled) -> Result<(), String> {
    if TEXTS.contains(&name) {
        return words.first().map_or(Ok(()), |word| text(name, word.as_ref(), scope));
    }
    match RULES.binary_search_by(|(own, ..)| (*own).cmp(name)) {
        Ok(at) => RULES[at].2.check(name, words, RULES[at].1),
        Err(_) => ruled.no_rule(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(RULES.is_sorted_by(|one, two| one.0 < two.0));
    }
}

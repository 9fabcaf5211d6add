//! What directives of single modules ask of their words, where a table says too little.

use super::rules::{Rule, Ruled, among, is_url, number};
use crate::httpd::expression::evaluate::is_network;
use crate::httpd::expression::parse;
use crate::httpd::model::methods::Registered;
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Registry;
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens;

type Checked = Result<(), String>;

/// Stores that caches may be kept in, and who brings them.
const STORES: &[(&str, &str)] = &[
    ("shmcb", "mod_socache_shmcb.c"),
    ("dbm", "mod_socache_dbm.c"),
    ("memcache", "mod_socache_memcache.c"),
    ("redis", "mod_socache_redis.c"),
    // Debian's is shmcb.
    ("default", "mod_socache_shmcb.c"),
];
const HOOKS: &[&str] = &[
    "all",
    "log_transaction",
    "quick_handler",
    "handler",
    "pre_translate_name",
    "translate_name",
    "map_to_storage",
    "fixups",
    "type_checker",
    "check_access",
    "check_access_ex",
    "check_authn",
    "check_authz",
    "insert_filter",
];
const SSL_OPTIONS: &[&str] = &[
    "StdEnvVars",
    "ExportCertData",
    "FakeBasicAuth",
    "StrictRequire",
    "OptRenegotiate",
    "LegacyDNStringFormat",
    "ExportBothCertData",
];
/// The letters that a log's format knows.
const LOG_LETTERS: &[u8] = b"haAlurstbBcCDefHikLmnopPqRSITUvVXOx";

/// Refuses what httpd refuses.
pub(super) fn check(
    name: &str,
    words: &[impl AsRef<[u8]>],
    args: &[u8],
    registry: &Registry,
    ruled: &mut Ruled,
) -> Checked {
    let word = |at: usize| words.get(at).map_or(&b""[..], AsRef::as_ref);
    let one = word(0);
    let must = |fine: bool, what: &str| if fine { Ok(()) } else { Err(format!("{name} {what}")) };
    match name {
        "LogMessage" => words.iter().skip(1).try_for_each(|word| message_option(word.as_ref(), registry.scope())),
        "LogFormat" => log_format(one),
        "CustomLog" | "GlobalLog" => custom_log(words, registry.scope()),
        "SSLProtocol" | "SSLProxyProtocol" => words.iter().try_for_each(|word| protocol(name, word.as_ref())),
        "SSLOptions" => words.iter().try_for_each(|word| {
            let bare = unsigned(word.as_ref());
            must(among(bare, SSL_OPTIONS), &format!("has an illegal option '{}'", lossy(bare)))
        }),
        "SSLCipherSuite" | "SSLProxyCipherSuite" => {
            let fine = words.len() < 2 || among(one, &["SSL", "TLSv1.3"]);
            must(fine, &format!("does not support the protocol '{}'", lossy(one)))
        }
        "SSLCARevocationCheck" | "SSLProxyCARevocationCheck" => {
            must(among(one, &["none", "leaf", "chain"]), "takes none, leaf or chain first")?;
            Rule::Every(&["no_crl_for_cert_ok"]).check(name, words, 1)
        }
        "SSLOCSPEnable" => {
            must(among(one, &["on", "off", "leaf"]), "takes on, off or leaf first")?;
            Rule::Every(&["no_ocsp_for_cert_ok"]).check(name, words, 1)
        }
        "CacheSocache" | "AuthnCacheSOCache" => store(name, one, registry),
        "CacheEnable" => {
            must(!one.starts_with(b"/"), "has its path first: are URL and provider switched?")?;
            must(words.len() > 1 || one.is_empty(), "provider is missing an URL.")
        }
        "CacheDisable" => must(
            among(one, &["on"]) || one.starts_with(b"/") || memchr::memchr(b':', one).is_some(),
            "must specify a path or an URL.",
        ),
        "CacheKeyBaseURL" => must(memchr::memmem::find(one, b"//").is_some(), "needs a scheme, a host or a port"),
        "CacheLastModifiedFactor" => {
            must(number(one) != 0 || matches!(unsigned(one).first(), Some(b'0'..=b'9' | b'.')), "must be a float")
        }
        // Both together are 20 at most, one times the other, and the other one is 2 by default.
        "CacheDirLevels" | "CacheDirLength" => must((1..=10).contains(&number(one)), "is too large, or nothing"),
        "BrotliFilterNote" => {
            must(words.len() < 2 || among(one, &["Input", "Output", "Ratio"]), "type must be Input, Output or Ratio")
        }
        "AllowMethods" => {
            must(!one.is_empty(), "has no method or 'reset'")?;
            words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
                let known = Registered::default().knows(word);
                must(known || among(word, &["reset"]), &format!("does not know the method '{}'", lossy(word)))
            })
        }
        "AuthDigestShmemSize" => {
            let digits = one.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
            let fine = matches!(one[digits..].first(), None | Some(b'k' | b'K' | b'm' | b'M')) && digits > 0;
            let unit = match one.get(digits).map(u8::to_ascii_lowercase) {
                Some(b'k') => 1024,
                Some(b'm') => 1 << 20,
                _ => 1,
            };
            must(fine && number(one).saturating_mul(unit) >= 88, "needs a size of at least 88")
        }
        "AuthnzFcgiDefineProvider" => {
            must(!one.is_empty(), "has no type")?;
            must(among(one, &["authn", "authz", "authnz"]), "takes authn, authz or authnz first")?;
            let port = word(2).strip_prefix(b"fcgi://").and_then(|rest| rest.split(|&byte| byte == b':').nth(1));
            must(port.is_some_and(|port| number(port) > 0), "needs an address: fcgi://host:port/")
        }
        "AuthnzFcgiCheckAuthnProvider" => fcgi_provider(words, registry.scope()),
        "AuthLDAPURL" => ldap_url(words),
        "AuthLDAPBindPassword" => must(!one.starts_with(b"exec:") || one.len() > 5, "needs a program behind exec:"),
        "DBDriver" => must(
            one.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !one.is_empty(),
            "needs the name of a driver",
        ),
        "ExtFilterOptions" => {
            Rule::Every(&["LogStderr", "NoLogStderr", "Onfail=abort", "Onfail=remove"]).check(name, words, 0)
        }
        "HeartbeatAddress" | "HeartbeatListen" => {
            let at = memchr::memrchr(b':', one);
            let port = at.map_or(&b""[..], |at| &one[at + 1..]);
            must(at.is_some_and(|at| at > 0) && (1..=65_535).contains(&number(port)), "needs an address and a port")
        }
        "H2PushPriority" => push_priority(words),
        "H2PushDiarySize" => {
            let size = number(one);
            let fine = (0..=i64::from(i32::MAX)).contains(&size) && (size == 0 || size & (size - 1) == 0);
            must(fine, "value must be a power of 2")
        }
        "H2PushResource" => {
            let rest = if words.len() > 1 && among(one, &["add"]) { 2 } else { 1 };
            must(words.len() <= rest + 1, "has too many parameters")?;
            must(words.len() <= rest || among(word(rest), &["critical"]), "has an unknown last parameter")
        }
        "ProxyRemote" | "ProxyRemoteMatch" => {
            let Some(at) = memchr::memmem::find(word(1), b"://") else {
                return must(false, "has a bad syntax for a remote proxy server");
            };
            let host = &word(1)[at + 3..];
            must(!host.is_empty(), "has a bad syntax for a remote proxy server")?;
            let port = memchr::memchr(b':', host).map(|at| &host[at + 1..]);
            must(port.is_none_or(|port| number(port) > 0), "has a bad port number")?;
            if name == "ProxyRemoteMatch" { Rule::Regex.check(name, words, 0) } else { Ok(()) }
        }
        "ProxyDomain" => must(one.starts_with(b"."), "must start with a dot"),
        "AllowCONNECT" => words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
            let range = word
                .split(|&byte| byte == b'-')
                .all(|port: &[u8]| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
            must(range, &format!("needs port numbers, not '{}'", lossy(word)))
        }),
        "ProxyHCTemplate" => {
            must(!one.is_empty(), "has no template name")?;
            words.iter().skip(1).try_for_each(|word| template_option(word.as_ref()))
        }
        "ProxyHCExpr" => {
            must(!one.is_empty(), "has no expression name")?;
            must(one.len() <= 15, "allows 15 characters for a name")?;
            must(words.len() > 1, "has no expression")?;
            let condition = word(1).strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
            let Some(condition) = condition else { return must(false, "needs its expression in braces") };
            parse::parse(condition, registry.scope()).map(drop).map_err(|error| format!("{name}: {error}"))
        }
        // Their first word is what stands before a blank, quotes included.
        "SessionCookieName" | "SessionCookieName2" => {
            let bare = args.split(|&byte| tokens::is_space(byte)).next().unwrap_or_default();
            must(
                !bare.is_empty() && memchr::memchr2(b'=', b'&', bare).is_none(),
                "cannot be empty, or contain '=' or '&'.",
            )
        }
        "SessionDBDCookieName" | "SessionDBDCookieName2" => {
            let bare = args.split(|&byte| tokens::is_space(byte)).next().unwrap_or_default();
            must(
                !bare.is_empty() && memchr::memchr3(b'=', b';', b'&', bare).is_none(),
                "cannot be empty, or contain '=', ';' or '&'.",
            )
        }
        "ProxyErrorOverride" => {
            must(among(one, &["on", "off"]), "first parameter must be one of: off | on")?;
            must(words.len() == 1 || among(one, &["on"]), "status codes must follow a value of 'on'")?;
            words.iter().skip(1).try_for_each(|word| Rule::Digits(400, 599).check(name, &[word.as_ref()], 0))
        }
        "ProxyHTMLURLMap" => match word(3) {
            b"" => Ok(()),
            [b'[', ..] => must(false, "has a parse error near '['"),
            condition => {
                parse::parse(condition, registry.scope()).map(drop).map_err(|error| format!("{name}: {error}"))
            }
        },
        "RemoteIPInternalProxy" | "RemoteIPTrustedProxy" => {
            words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
                let numbers = word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && !word.is_empty();
                let address = numbers || memchr::memchr2(b'/', b':', word).is_some();
                must(!address || is_network(word), &format!("cannot parse the address {}", lossy(word)))
            })
        }
        "InputSed" | "OutputSed" => super::arguments_sed::check(one),
        "SSLPassPhraseDialog" => must(
            among(one, &["builtin"]) || one.starts_with(b"|") || one.starts_with(b"exec:"),
            "has an invalid argument",
        ),
        "SSLSessionCache" if among(one, &["none", "nonenotnull"]) => Ok(()),
        "SSLSessionCache" | "SSLStaplingCache" => {
            store(name, one, registry)?;
            let Some(size) = one.split(|&byte| byte == b'(').nth(1) else { return Ok(()) };
            let Some(size) = size.strip_suffix(b")") else { return must(false, "has no closing parenthesis") };
            Rule::Digits(8192, i64::MAX).check(name, &[size], 0)
        }
        "SSLRandomSeed" => {
            must(among(one, &["startup", "connect"]), &format!("has an invalid context: `{}'", lossy(one)))?;
            must(!word(1).starts_with(b"egd:"), "does not support egd:")?;
            must(words.len() < 3 || !among(word(1), &["builtin"]), "takes no bytes for the builtin source")
        }
        "SSLRequire" => parse::parse(args, registry.scope()).map(drop).map_err(|error| format!("SSLRequire: {error}")),
        "SSLOCSPProxyURL" => must(
            memchr::memchr(b':', one).is_none() || memchr::memmem::find(one, b"://").is_some(),
            "cannot parse the URL",
        ),
        "FilterTrace" | "FilterProtocol" => must(registry.has_alias(one), "needs a filter that is declared"),
        "ExtFilterDefine" => ext_filter(args),
        "MDomain" => must(!one.is_empty(), "needs at least one domain name"),
        "MDHttpProxy" => must(memchr::memmem::find(one, b"://").is_some(), "needs a URL"),
        "MDPortMap" => words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
            let Some(at) = memchr::memchr(b':', word) else { return must(false, "has no ':' behind its first port") };
            let (from, to) = (&word[..at], &word[at + 1..]);
            must(among(from, &["http", "https", "80", "443"]), "maps 80 and 443 only")?;
            must(*to == *b"-" || (1..=65_535).contains(&number(to)), "needs a port in ]0,65535]")
        }),
        "MDPrivateKeys" => private_keys(words),
        "MDCertificateAuthority" => words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
            let known = ["LetsEncrypt", "LetsEncrypt-Test", "Buypass", "Buypass-Test"];
            must(
                word.is_empty() || among(word, &known) || is_url(word, &["http", "https", "ftp"]),
                &format!("does not know the CA name '{}', and it is not a URL either", lossy(word)),
            )
        }),
        "MDStoreLocks" if among(one, &["on", "off"]) => Ok(()),
        "MDStoreLocks" => Rule::Duration(i64::MIN, false).check(name, words, 0),
        "RemoteIPProxyProtocolExceptions" => {
            must(!one.is_empty(), "requires an argument")?;
            words.iter().map(AsRef::as_ref).try_for_each(|word: &[u8]| {
                must(is_network(word), &format!("cannot parse the address {}", lossy(word)))
            })
        }
        _ => ruled.no_rule(),
    }
}

fn unsigned(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-")).unwrap_or(word)
}

fn protocol(name: &str, word: &[u8]) -> Checked {
    let bare = unsigned(word);
    let taken_away = word.starts_with(b"-");
    if among(bare, &["SSLv2", "SSLv3"]) {
        let text = format!("{name}: {} is no longer supported", lossy(bare));
        return if taken_away { Ok(()) } else { Err(text) };
    }
    match among(bare, &["all", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]) {
        true => Ok(()),
        false => Err(format!("{name}: Illegal protocol '{}'", lossy(bare))),
    }
}

fn store(name: &str, word: &[u8], registry: &Registry) -> Checked {
    let kind = word.split(|&byte| byte == b':').next().unwrap_or_default();
    let known = STORES.iter().any(|(own, module)| own.as_bytes() == kind && registry.is_loaded(module.as_bytes()));
    match known || !registry.strangers().is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{name}: Unknown socache provider '{0}'. Maybe you need to load the appropriate socache module (mod_socache_{0}?)",
            lossy(kind)
        )),
    }
}

fn message_option(word: &[u8], scope: Scope) -> Checked {
    if let Some(hook) = word.strip_prefix(b"hook=") {
        return if among(hook, HOOKS) { Ok(()) } else { Err(format!("Invalid hook name: {}", lossy(hook))) };
    }
    match word.strip_prefix(b"expr=") {
        Some(condition) => parse::parse(condition, scope)
            .map(drop)
            .map_err(|error| format!("Could not parse expression '{}': {error}", lossy(condition))),
        None => Err(format!("Invalid argument {}", lossy(word))),
    }
}

fn fcgi_provider(words: &[impl AsRef<[u8]>], scope: Scope) -> Checked {
    const NAME: &str = "AuthnzFcgiCheckAuthnProvider";
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    match words.first() {
        None | Some(&[]) => return Err(format!("{NAME}: No provider given")),
        Some(_) => {}
    }
    for pair in words[1..].chunks(2) {
        let [option, value] = pair else { return Err(format!("{NAME}: {} needs an argument", lossy(pair[0]))) };
        match () {
            () if among(option, &["Authoritative", "RequireBasicAuth"]) => {
                if !among(value, &["on", "off"]) {
                    return Err(format!("{NAME}: Invalid argument '{}' to {}", lossy(value), lossy(option)));
                }
            }
            () if among(option, &["DefaultUser"]) => {}
            () if among(option, &["UserExpr"]) => super::rules::text(NAME, value, scope)?,
            () => return Err(format!("{NAME}: Unexpected option '{}'", lossy(option))),
        }
    }
    Ok(())
}

/// `NAME [key=value]… cmd=…`.
fn ext_filter(args: &[u8]) -> Checked {
    let (_, mut rest) = tokens::next_token(args);
    while !rest.is_empty() {
        if let Some(command) = rest.get(..4).filter(|key| key.eq_ignore_ascii_case(b"cmd=")).map(|_| &rest[4..]) {
            // Quoted, it ends with its quote.
            if command.starts_with(b"\"") && memchr::memchr(b'"', &command[1..]).is_none() {
                return Err("ExtFilterDefine: Expected cmd= delimiter".into());
            }
            let end = match command.strip_prefix(b"\"") {
                Some(quoted) => memchr::memchr(b'"', quoted).map_or(command.len(), |at| at + 2),
                None => command.iter().position(|&byte| tokens::is_space(byte)).unwrap_or(command.len()),
            };
            rest = tokens::trim(&command[end..]);
            continue;
        }
        let (word, after) = tokens::next_token(rest);
        let value = |key: &str| word.get(..key.len()).is_some_and(|own| own.eq_ignore_ascii_case(key.as_bytes()));
        let fine = match () {
            () if value("mode=") => among(&word[5..], &["output", "input"]),
            () => {
                ["ftype=", "intype=", "outtype=", "enableenv=", "disableenv="].iter().any(|key| value(key))
                    || among(&word, &["PreservesContentLength"])
            }
        };
        if !fine {
            return Err(format!("ExtFilterDefine: Unexpected parameter: `{}'", lossy(&word)));
        }
        rest = after;
    }
    Ok(())
}

/// Kinds of keys, with their sizes.
fn private_keys(words: &[impl AsRef<[u8]>]) -> Checked {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    let must = |fine: bool, what: &str| if fine { Ok(()) } else { Err(format!("MDPrivateKeys {what}")) };
    must(words.first().is_some_and(|word| !word.is_empty()), "needs to specify the private key type")?;
    must(
        words.len() == 1 || !words.iter().any(|word| among(word, &["default"])),
        "'Default' allows no other parameter",
    )?;
    let rsa: Vec<usize> = (0..words.len())
        .filter(|&at| {
            words[at].len() >= 3
                && words[at][..3].eq_ignore_ascii_case(b"rsa")
                && words[at][3..].iter().all(u8::is_ascii_digit)
        })
        .collect();
    must(rsa.len() < 2, "has two keys of type 'RSA'")?;
    for at in rsa {
        let bits = if words[at].len() > 3 { &words[at][3..] } else { words.get(at + 1).copied().unwrap_or_default() };
        let is_number = bits.first().is_some_and(u8::is_ascii_digit);
        must(!is_number || number(bits) >= 2048, "must be 2048 or higher in order to be considered safe.")?;
    }
    Ok(())
}

/// `ldap://host/base?attribute?scope?filter [mode]`.
fn ldap_url(words: &[impl AsRef<[u8]>]) -> Checked {
    let url = words.first().map_or(&b""[..], AsRef::as_ref);
    let schemes: [&[u8]; 3] = [b"ldap:", b"ldaps:", b"ldapi:"];
    if !schemes.iter().any(|scheme| url.len() >= scheme.len() && url[..scheme.len()].eq_ignore_ascii_case(scheme)) {
        return Err("AuthLDAPURL: The scheme was not recognised as a valid LDAP URL scheme.".into());
    }
    let scope = url.split(|&byte| byte == b'?').nth(2).unwrap_or_default();
    if !scope.is_empty() && !among(scope, &["one", "onelevel", "base", "sub", "subtree"]) {
        return Err("AuthLDAPURL: Bad scope encountered while parsing LDAP URL.".into());
    }
    match words.get(1).map(AsRef::as_ref) {
        Some(mode) if !among(mode, &["NONE", "SSL", "TLS", "STARTTLS"]) => {
            Err("Invalid LDAP connection mode setting: must be one of NONE, SSL, or TLS/STARTTLS".into())
        }
        _ => Ok(()),
    }
}

fn push_priority(words: &[impl AsRef<[u8]>]) -> Checked {
    let word = |at: usize| words.get(at).map_or(&b""[..], AsRef::as_ref);
    if among(word(1), &["After", "Interleaved"]) {
        return match words.len() < 3 || number(word(2)) >= 1 {
            true => Ok(()),
            false => Err("H2PushPriority weight must be a number >= 1".into()),
        };
    }
    match (among(word(1), &["Before"]), words.len() > 2) {
        (true, true) => Err("H2PushPriority dependency 'Before' does not allow a weight".into()),
        // A lone number stands for the weight of those that come after.
        (true, false) => Ok(()),
        (false, false) if number(word(1)) > 0 => Ok(()),
        _ => Err("H2PushPriority dependency must be one of 'After', 'Before' or 'Interleaved'".into()),
    }
}

fn template_option(word: &[u8]) -> Checked {
    let Some(at) = memchr::memchr(b'=', word) else {
        return Err("Invalid ProxyHCTemplate parameter. Parameter must be in the form 'key=value'".into());
    };
    let (key, value) = (&word[..at], &word[at + 1..]);
    let known = ["hcinterval", "hcpasses", "hcfails", "hcmethod", "hcuri", "hcexpr", "hctemplate"];
    if among(key, &["hcinterval"]) && Rule::Span(1, "s").check("hcinterval", &[value], 0).is_err() {
        return Err("ProxyHCTemplate: hcinterval must be more than nothing".into());
    }
    if !among(key, &known) {
        return Err(format!("ProxyHCTemplate: unknown Worker hcheck parameter {}", lossy(word)));
    }
    let methods = ["TCP", "OPTIONS", "HEAD", "GET", "CPING", "PROVIDER", "OPTIONS11", "HEAD11", "GET11"];
    if among(key, &["hcmethod"]) && !among(value, &methods) {
        return Err(format!("ProxyHCTemplate: Unknown method {}", lossy(word)));
    }
    Ok(())
}

/// A log's file, its format, and a condition.
fn custom_log(words: &[impl AsRef<[u8]>], scope: Scope) -> Checked {
    let word = |at: usize| words.get(at).map(AsRef::as_ref);
    if let Some(condition) = word(2) {
        match () {
            () if condition.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"env=")) => {}
            () if condition.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"expr=")) => {
                parse::parse(&condition[5..], scope).map(drop)?;
            }
            () => return Err("error in condition clause".into()),
        }
    }
    // A word without % is a format's name.
    match word(1) {
        Some(format) if format.contains(&b'%') => log_format(format),
        _ => Ok(()),
    }
}

/// `%…{…}letter`, as far as its letters are known.
fn log_format(format: &[u8]) -> Checked {
    const RAN_OFF: &str = "Ran off end of LogFormat parsing args to some directive";
    let mut rest = format;
    while let Some(at) = memchr::memchr(b'%', rest) {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"%") {
            rest = after;
            continue;
        }
        loop {
            match rest {
                [] => return Err(RAN_OFF.into()),
                [b'!' | b'<' | b'>' | b',' | b'0'..=b'9', after @ ..] => rest = after,
                [b'{', after @ ..] => {
                    let Some(end) = memchr::memchr(b'}', after) else { return Err(RAN_OFF.into()) };
                    rest = &after[end + 1..];
                }
                [b'^', kind, letter, after @ ..] => {
                    if !matches!([*kind, *letter], [b't', b'i'] | [b't', b'o'] | [b'F', b'U'] | [b'F', b'B']) {
                        return Err("Unrecognized LogFormat directive %^".into());
                    }
                    rest = after;
                    break;
                }
                [letter, after @ ..] if LOG_LETTERS.contains(letter) => {
                    rest = after;
                    break;
                }
                [letter, ..] => {
                    return Err(format!("Unrecognized LogFormat directive %{}", char::from(*letter)));
                }
            }
        }
    }
    Ok(())
}

//! The rules for the arguments of directives that are not evaluated, and of some that are (shown by
//! tests/differential/arguments.py).

use super::rules::Ruled;
use super::{arguments_header, arguments_modules, arguments_words};
use crate::httpd::expression::parse;
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Registry;
use crate::httpd::syntax::tokens;
use std::borrow::Cow;

type Checked = Result<(), String>;

/// Filters that `FilterProvider` and its relatives may name, each with its module.
const FILTERS: &[(&str, &[&str])] = &[
    ("mod_deflate.c", &["DEFLATE", "INFLATE"]),
    ("mod_brotli.c", &["BROTLI_COMPRESS"]),
    ("mod_include.c", &["INCLUDES"]),
    ("mod_substitute.c", &["SUBSTITUTE"]),
    ("mod_sed.c", &["Sed"]),
    ("mod_buffer.c", &["BUFFER"]),
    ("mod_ratelimit.c", &["RATE_LIMIT"]),
    ("mod_xml2enc.c", &["xml2enc"]),
    ("mod_proxy_html.c", &["proxy-html"]),
    ("mod_headers.c", &["FIXUP_HEADERS_OUT"]),
    ("mod_charset_lite.c", &["XLATEOUT"]),
    ("mod_cache.c", &["CACHE"]),
    ("mod_data.c", &["DATA"]),
];
/// The password providers, each with its module.
const PASSWORDS: &[(&str, &str)] = &[
    ("file", "mod_authn_file.c"),
    ("anon", "mod_authn_anon.c"),
    ("dbm", "mod_authn_dbm.c"),
    ("dbd", "mod_authn_dbd.c"),
    ("socache", "mod_authn_socache.c"),
    ("ldap", "mod_authnz_ldap.c"),
];

/// Refuses what httpd refuses.
pub(super) fn check(
    name: &str,
    args: &[u8],
    words: &[Cow<'_, [u8]>],
    registry: &Registry,
    ruled: &mut Ruled,
) -> Checked {
    let one: &[u8] = words.first().map_or(b"", |word| word);
    let among = |list: &[&str]| list.iter().any(|own| one.eq_ignore_ascii_case(own.as_bytes()));
    let must = |fine: bool, what: &str| if fine { Ok(()) } else { Err(format!("{name} {what}")) };
    arguments_modules::check(name, words, registry.scope(), ruled)?;
    arguments_words::check(name, words, args, registry, ruled)?;
    match name {
        "Header" => arguments_header::check(args, false, registry.scope()),
        "RequestHeader" => arguments_header::check(args, true, registry.scope()),
        "ExpiresDefault" => expires(name, one),
        "ExpiresByType" => {
            must(one.contains(&b'/'), "needs a media type, with a slash")?;
            expires(name, words.get(1).map_or(b"", |word| word))
        }
        "EnableMMAP" | "EnableSendfile" => must(among(&["on", "off"]), "must be 'on' or 'off'"),
        "ServerSignature" => must(among(&["on", "off", "email"]), "must be one of: off | on | email"),
        "XBitHack" => must(among(&["on", "off", "full"]), "must be set to Off, On, or Full"),
        "LimitRequestBody" | "DeflateInflateLimitRequestBody" => {
            must(is_number(one, 63), "requires a non-negative integer")
        }
        "LimitXMLRequestBody" => must(
            !one.starts_with(b"-") && leading(one).is_none_or(|number| number <= 3_074_457_345_618_258_601),
            "requires a non-negative integer of at most 3074457345618258601",
        ),
        "DeflateInflateRatioLimit" | "DeflateInflateRatioBurst" => {
            must(leading(one).is_some_and(|number| (1..1 << 31).contains(&number)), "must be positive")
        }
        "SubstituteMaxLineLength" => {
            let digits = match one.split_last() {
                Some((last, rest)) if b"bkmgBKMG".contains(last) => rest,
                _ => one,
            };
            must(is_number(digits, 63), "must be a non-negative integer optionally suffixed with 'b', 'k', 'm' or 'g'")
        }
        "AuthDigestNonceLifetime" => {
            let digits = one.strip_prefix(b"-").unwrap_or(one);
            must(!digits.is_empty() && digits.iter().all(u8::is_ascii_digit), "needs a number of seconds")
        }
        "AuthDigestAlgorithm" => must(among(&["MD5"]), "must be MD5: nothing else is supported"),
        "AuthBasicUseDigestAlgorithm" => must(among(&["MD5", "Off"]), "must be MD5 or Off"),
        "AuthDigestQop" => must(among(&["auth"]) && words.len() == 1, "is deprecated: only 'auth' is supported"),
        "AuthBasicProvider" | "AuthDigestProvider" | "AuthFormProvider" => passwords(name, words, registry),
        "AuthBasicFake" => words.iter().try_for_each(|word| {
            parse::check_text(word, registry.scope())
                .map_err(|error| format!("Could not parse {name} expression '{}': {error}", lossy(word)))
        }),
        "CookieDomain" => {
            must(one.starts_with(b".") && one[1..].contains(&b'.'), "must begin with a dot, and contain another one")
        }
        "CookieStyle" => {
            must(among(&["Netscape", "Cookie", "RFC2109", "Cookie2", "RFC2965"]), "must be Netscape, Cookie or Cookie2")
        }
        "CookieExpires" => cookie_expires(name, one),
        "DirectoryIndexRedirect" => {
            let status = leading(one).is_some_and(|number| (300..400).contains(&number));
            must(
                status || among(&["on", "off", "permanent", "temp", "seeother"]),
                "takes ON|OFF|permanent|temp|seeother|3xx",
            )
        }
        "FileETag" => words.iter().try_for_each(|word| etag(word)),
        "IndexOptions" => words.iter().take_while(|word| !word.is_empty()).try_for_each(|word| index_option(word)),
        "IndexOrderDefault" => {
            must(among(&["Ascending", "Descending"]), "must begin with 'Ascending' or 'Descending'")?;
            let two: &[u8] = words.get(1).map_or(b"", |word| word);
            let keys: [&[u8]; 4] = [b"Name", b"Date", b"Size", b"Description"];
            must(
                keys.iter().any(|key| key.eq_ignore_ascii_case(two)),
                "must end with 'Name', 'Date', 'Size' or 'Description'",
            )
        }
        "FancyIndexing" => must(false, "is no longer supported: write IndexOptions FancyIndexing"),
        "Error" if args.is_empty() => must(false, "directive was used with no message."),
        "Error" => Err(lossy(args).into_owned()),
        "ForceLanguagePriority" => exclusive(name, words, &["Prefer", "Fallback"], &["None"]),
        "MultiviewsMatch" => exclusive(name, words, &["Handlers", "Filters"], &["Any", "NegotiatedOnly"]),
        "CharsetOptions" => exclusive(
            name,
            words,
            &["ImplicitAdd", "NoImplicitAdd", "TranslateAllMimeTypes", "NoTranslateAllMimeTypes", "DebugLevel=0"],
            &[],
        ),
        "CGIVar" => {
            must(one == b"REQUEST_URI", "knows REQUEST_URI only")?;
            let two = words.get(1).map(|word| word.to_ascii_lowercase());
            must(
                matches!(two.as_deref(), Some(b"current-uri" | b"original-uri")),
                "takes 'current-uri' or 'original-uri'",
            )
        }
        "Action" => must(
            words.get(2).is_none_or(|word| word.eq_ignore_ascii_case(b"virtual")),
            "takes nothing but 'virtual' behind its script",
        ),
        "AddIcon" | "AddIconByType" | "AddIconByEncoding" => {
            must(!one.starts_with(b"(") || one.contains(&b',') && one.ends_with(b")"), "lacks a closing paren")
        }
        "AddOutputFilterByType" => {
            must(words.len() > 1 && !words[1].is_empty(), "requires at least two arguments")?;
            one.split(|&byte| byte == b';')
                .filter(|filter| !filter.is_empty())
                .try_for_each(|one| filter(one, registry))
        }
        "FilterProvider" => {
            filter(words.get(1).map_or(b"", |word| word), registry)?;
            let condition: &[u8] = words.get(2).map_or(b"", |word| word);
            parse::parse(condition, registry.scope())
                .map(drop)
                .map_err(|error| format!("Error parsing FilterProvider expression: {error}"))
        }
        "Substitute" => substitute(one),
        _ => super::arguments_server::check(name, words, ruled),
    }
}

fn is_number(text: &[u8], bits: u32) -> bool {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    text.first().is_some_and(u8::is_ascii_digit) && number.is_some_and(|number| number >> bits == 0)
}

/// The number that a text begins with; one that is too large is the largest there is.
fn leading(text: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = text.iter().copied().take_while(u8::is_ascii_digit).collect();
    (!digits.is_empty())
        .then(|| digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// `<base> [plus] [<num> <type>]*`. A text that begins with a capital A or M is only checked at a request.
fn expires(name: &str, text: &[u8]) -> Checked {
    if matches!(text.first(), Some(b'A' | b'M')) {
        return Ok(());
    }
    let fail = |what: String| Err(format!("'{name} {}': bad expires code, {what}", lossy(text)));
    let mut words = text.split(|&byte| tokens::is_space(byte)).filter(|word| !word.is_empty()).peekable();
    let base = words.next().unwrap_or_default();
    if !matches!(base.first().map(u8::to_ascii_lowercase), Some(b'a' | b'm' | b'n')) {
        return fail(format!("unrecognised <base> '{}'", lossy(base)));
    }
    if words.peek().is_some_and(|word| matches!(word.first(), Some(b'p' | b'P'))) {
        words.next();
    }
    while let Some(number) = words.next() {
        if !number[0].is_ascii_digit() {
            return fail(format!("numeric value expected <num> '{}'", lossy(number)));
        }
        let Some(kind) = words.next() else { return fail("missing <type>".into()) };
        if !is_span(kind) {
            return fail(format!("unrecognised <type> '{}'", lossy(kind)));
        }
    }
    Ok(())
}

/// Years, months, weeks, days, hours, minutes, seconds: the letters that tell them apart are enough.
fn is_span(word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    match lower.first() {
        Some(b'y' | b'w' | b'd' | b'h' | b's') => true,
        Some(b'm') => lower.starts_with(b"mo") || lower.starts_with(b"mi"),
        _ => false,
    }
}

fn cookie_expires(name: &str, text: &[u8]) -> Checked {
    let mut words = text.split(|&byte| tokens::is_space(byte)).filter(|word| !word.is_empty()).peekable();
    // Its first and last byte are digits: seconds.
    if text.first().is_some_and(u8::is_ascii_digit) && text.last().is_some_and(u8::is_ascii_digit) {
        return Ok(());
    }
    if words.peek().is_some_and(|word| matches!(word.first(), Some(b'p' | b'P'))) {
        words.next();
    }
    while let Some(number) = words.next() {
        if !number[0].is_ascii_digit() {
            return Err(format!("{name}: bad expires code, numeric value expected"));
        }
        match words.next() {
            None => return Err(format!("{name}: bad expires code, missing <type>")),
            Some(kind) if !is_span(kind) => return Err(format!("{name}: bad expires code, unrecognized type")),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Words of two sets: words of the first may be combined; a word of the second must stand alone.
fn exclusive(name: &str, words: &[impl AsRef<[u8]>], together: &[&str], alone: &[&str]) -> Checked {
    let mut seen: Option<&str> = None;
    for word in words.iter().map(AsRef::as_ref).take_while(|word| !word.is_empty()) {
        let found = together.iter().chain(alone).find(|own| word.eq_ignore_ascii_case(own.as_bytes()));
        let Some(found) = found else { return Err(format!("Invalid {name} option {}", lossy(word))) };
        if let Some(before) = seen.filter(|before| before != found)
            && (alone.contains(found) || alone.contains(&before))
        {
            return Err(format!("Cannot combine {name} options {before} and {found}"));
        }
        seen = Some(found);
    }
    Ok(())
}

fn etag(word: &[u8]) -> Checked {
    let (signed, bare) = match word.first() {
        Some(b'+' | b'-') => (true, &word[1..]),
        _ => (false, word),
    };
    match &*bare.to_ascii_lowercase() {
        b"none" | b"all" if signed => Err("FileETag: 'None' and 'All' cannot be used with '+' or '-'".into()),
        b"none" | b"all" | b"inode" | b"mtime" | b"size" | b"digest" => Ok(()),
        _ => Err(format!("Unknown keyword '{}' for FileETag directive", lossy(word))),
    }
}

fn index_option(word: &[u8]) -> Checked {
    let (sign, bare) = match word.first() {
        Some(sign @ (b'+' | b'-')) => (Some(*sign), &word[1..]),
        _ => (None, word),
    };
    let (key, value) = match memchr::memchr(b'=', bare) {
        Some(at) => (&bare[..at], Some(&bare[at + 1..])),
        None => (bare, None),
    };
    let key = key.to_ascii_lowercase();
    let width = |least: u64| {
        let number = value
            .filter(|value| !value.starts_with(b"*"))
            .and_then(|value| if value.starts_with(b"-") { Some(0) } else { leading(value) });
        match number {
            Some(number) if number < least => Err(format!("IndexOptions: {} must be at least {least}", lossy(word))),
            _ => Ok(()),
        }
    };
    match (&*key, value) {
        (b"none", None) if sign.is_some() => Err("Cannot combine '+' or '-' with 'None' keyword".into()),
        (
            b"fancyindexing"
            | b"foldersfirst"
            | b"htmltable"
            | b"iconsarelinks"
            | b"ignorecase"
            | b"ignoreclient"
            | b"scanhtmltitles"
            | b"suppresscolumnsorting"
            | b"suppressdescription"
            | b"suppresshtmlpreamble"
            | b"suppressicon"
            | b"suppresslastmodified"
            | b"suppresssize"
            | b"suppressrules"
            | b"trackmodified"
            | b"versionsort"
            | b"xhtml"
            | b"showforbidden"
            | b"addaltclass"
            | b"useolddateformat"
            | b"none"
            | b"iconheight"
            | b"iconwidth"
            | b"namewidth"
            | b"descriptionwidth",
            None,
        ) => Ok(()),
        (b"iconheight" | b"iconwidth" | b"namewidth" | b"descriptionwidth", Some(_)) if sign == Some(b'-') => {
            Err(format!("Cannot combine '-' with {}=n", lossy(&bare[..key.len()])))
        }
        (b"iconheight" | b"iconwidth" | b"type" | b"charset", Some(_)) => Ok(()),
        (b"namewidth", Some(_)) => width(5),
        (b"descriptionwidth", Some(_)) => width(12),
        _ => Err(format!("Invalid directory indexing option {}", lossy(word))),
    }
}

fn passwords(name: &str, words: &[impl AsRef<[u8]>], registry: &Registry) -> Checked {
    for word in words.iter().map(AsRef::as_ref).take_while(|word| !word.is_empty()) {
        let known = PASSWORDS.iter().find(|(own, _)| own.as_bytes() == word);
        let missing = match known {
            Some((_, module)) => !registry.is_loaded(module.as_bytes()),
            // Other names are those of <AuthnProviderAlias> and of modules that are not known here.
            None => registry.strangers().is_empty() && !registry.has_alias(word),
        };
        if missing {
            return Err(format!("{name}: Unknown Authn provider: {}", lossy(word)));
        }
    }
    Ok(())
}

/// A filter's name; letter case does not count.
fn filter(name: &[u8], registry: &Registry) -> Checked {
    let known = FILTERS.iter().find(|(_, names)| names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)));
    let missing = match known {
        Some((module, _)) => !registry.is_loaded(module.as_bytes()),
        // Others are those of ExtFilterDefine, of Lua, and of modules that are not known here.
        None => registry.strangers().is_empty() && !registry.has_alias(name),
    };
    if missing { Err(format!("Unknown filter provider {}", lossy(name))) } else { Ok(()) }
}

/// `s/…/…/flags`.
fn substitute(text: &[u8]) -> Checked {
    const BAD: &str = "Bad Substitute format, must be a complete s/// pattern";
    let [b's', delimiter, rest @ ..] = text else { return Err(BAD.into()) };
    let mut parts = rest.split(|byte| byte == delimiter);
    let (Some(from @ [_, ..]), Some(_), flags) = (parts.next(), parts.next(), parts.next()) else {
        return Err(BAD.into());
    };
    let flags = flags.unwrap_or_default().to_ascii_lowercase();
    if let Some(wrong) = flags.iter().find(|flag| !b"infq".contains(flag)) {
        return Err(format!("Bad Substitute flag '{}', only s///[infq] are supported", char::from(*wrong)));
    }
    match Pattern::new(from, flags.contains(&b'i')) {
        Err(Bad::Syntax) if !flags.contains(&b'n') => Err("Substitute could not compile regex".into()),
        _ => Ok(()),
    }
}

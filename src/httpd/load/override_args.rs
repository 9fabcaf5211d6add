//! `AllowOverride` and `Options` (fact A-082).

use crate::httpd::model::section::{AllowOverride, Core, options as bit};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::place;

/// The bits of an option's name; `None`: there is no such option.
fn option(name: &[u8]) -> Option<u16> {
    Some(match &*name.to_ascii_lowercase() {
        b"indexes" => bit::INDEXES,
        b"includes" => bit::INCLUDES | bit::INCLUDES_NO_EXEC,
        b"includesnoexec" => bit::INCLUDES_NO_EXEC,
        b"followsymlinks" => bit::FOLLOW,
        b"symlinksifownermatch" => bit::OWNER,
        b"execcgi" => bit::EXEC,
        b"multiviews" => bit::MULTI,
        b"runscripts" => bit::MULTI | bit::EXEC,
        b"none" => 0,
        b"all" => bit::ALL,
        _ => return None,
    })
}

pub(super) fn allow_override(words: &[Box<[u8]>], old: AllowOverride) -> Result<AllowOverride, String> {
    let mut new = AllowOverride { bits: 0, ..old };
    new.nonfatal_override = false;
    new.nonfatal_unknown = false;
    if let [one] = words
        && one.eq_ignore_ascii_case(b"none")
    {
        return Ok(new);
    }
    for word in words {
        let (name, value) = match memchr::memchr(b'=', word) {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (&**word, None),
        };
        match (&*name.to_ascii_lowercase(), value) {
            (b"limit", _) => new.bits |= place::LIMIT,
            (b"options", value) => {
                new.bits |= place::OPTIONS;
                // Without a list, what `Options All` stands for: neither MultiViews nor SymLinksIfOwnerMatch.
                new.options = Some(value.map_or(Ok(bit::ALL), allowed_options)?);
            }
            (b"fileinfo", _) => new.bits |= place::FILE_INFO,
            (b"authconfig", _) => new.bits |= place::AUTH_CONFIG,
            (b"indexes", _) => new.bits |= place::INDEXES,
            (b"nonfatal", Some(value)) => match &*value.to_ascii_lowercase() {
                b"override" => new.nonfatal_override = true,
                b"unknown" => new.nonfatal_unknown = true,
                b"all" => (new.nonfatal_override, new.nonfatal_unknown) = (true, true),
                _ => {}
            },
            (b"none", None) => new.bits = 0,
            (b"all", None) => new.bits = place::ALL,
            _ => return Err(format!("Illegal override option {}", lossy(word))),
        }
    }
    Ok(new)
}

fn allowed_options(list: &[u8]) -> Result<u16, String> {
    list.split(|&b| b == b',').filter(|name| !name.is_empty()).try_fold(0, |bits, name| match option(name) {
        Some(more) => Ok(bits | more),
        None => Err(format!("Illegal option {}", lossy(name))),
    })
}

/// `Options`; `allowed`: the options that `AllowOverride Options=` permits. Words without a sign come first; after the first word
/// with a sign, all must have one. After `All` or `None`, words with signs may follow.
pub(super) fn options(words: &[Box<[u8]>], core: &mut Core, allowed: Option<u16>) -> Result<(), String> {
    const MIXED: &str = "Either all Options must start with + or -, or no Option may.";
    let (mut signed, mut whole) = (false, false);
    for (at, word) in words.iter().enumerate() {
        let (sign, name) = match word.first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), &word[1..]),
            _ => (None, &**word),
        };
        let first = at == 0;
        match sign {
            Some(_) if !signed && !first && !whole => return Err(MIXED.into()),
            None if first => (core.options, core.options_add, core.options_remove) = (Some(0), 0, 0),
            None if signed => return Err(MIXED.into()),
            _ => {}
        }
        signed |= sign.is_some();
        for (all, text) in [
            ("None", "'Options None' must be the first Option given."),
            ("All", "'Options All' must be the first option given."),
        ] {
            if !name.eq_ignore_ascii_case(all.as_bytes()) {
                continue;
            }
            if !first {
                return Err(text.into());
            }
            if signed {
                return Err(format!("You may not use 'Options +{all}' or 'Options -{all}'."));
            }
            whole = true;
        }
        let Some(bits) = option(name) else { return Err(format!("Illegal option {}", lossy(name))) };
        if allowed.is_some_and(|allowed| allowed & bits != bits) {
            return Err(format!("Option {} not allowed here", lossy(name)));
        }
        match sign {
            Some(b'+') => {
                core.options_add |= bits;
                core.options_remove &= !bits;
                core.options = core.options.map(|set| set | bits);
            }
            Some(_) => {
                core.options_remove |= bits;
                core.options_add &= !bits;
                core.options = core.options.map(|set| set & !bits);
            }
            None => core.options = Some(core.options.unwrap_or(0) | bits),
        }
    }
    Ok(())
}

//! Which `location` takes a path: `=`, the longest prefix, `^~`, expressions in order; within it, those within it.

use super::phases::Request;
use super::tree::Directive;
use super::variables::Captures;

/// What a `location` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'c> {
    Exact(&'c [u8]),
    Prefix(&'c [u8]),
    /// `^~`
    Final(&'c [u8]),
    /// Whether the letters' case counts not.
    Regex(&'c [u8], bool),
    Named(&'c [u8]),
}

/// Its kind; the sign may stand alone, or before the path.
pub fn kind(one: &Directive) -> Kind<'_> {
    let (sign, rest) = match one.args.len() {
        0 => return Kind::Prefix(b""),
        1 => {
            let text = one.arg(0);
            let signs: [&[u8]; 4] = [b"^~", b"~*", b"~", b"="];
            match signs.iter().find(|sign| text.starts_with(sign)) {
                Some(sign) => (*sign, &text[sign.len()..]),
                None => (&b""[..], text),
            }
        }
        _ => (one.arg(0), one.arg(1)),
    };
    match sign {
        b"=" => Kind::Exact(rest),
        b"^~" => Kind::Final(rest),
        b"~" => Kind::Regex(rest, false),
        b"~*" => Kind::Regex(rest, true),
        _ if rest.starts_with(b"@") => Kind::Named(rest),
        _ => Kind::Prefix(rest),
    }
}

/// How the search ended.
enum Found {
    /// For good.
    Yes,
    /// A prefix fits, and expressions further out are still tried.
    Prefix,
    No,
    /// A redirect to the same path with a slash.
    Slash,
}

impl<'a> Request<'a> {
    /// Chooses the location for the path; false: a redirect to the path with a slash.
    pub fn find_location(&mut self) -> bool {
        self.leave_locations();
        let block = self.server.block;
        !matches!(self.search(block), Found::Slash)
    }

    fn search(&mut self, block: &'a [Directive]) -> Found {
        let locations = || block.iter().filter(|one| one.name == b"location");
        let uri = self.uri.clone();
        if let Some(one) = locations().find(|one| kind(one) == Kind::Exact(&uri)) {
            self.enter(one);
            return Found::Yes;
        }
        let length = |one: &'a Directive| match kind(one) {
            Kind::Prefix(prefix) | Kind::Final(prefix) if uri.starts_with(prefix) => Some(prefix.len()),
            _ => None,
        };
        // Of two with the same length nginx does not take the second: it would not start.
        let best = locations().filter_map(|one| Some((length(one)?, one))).max_by_key(|(length, _)| *length);
        let slash = locations().find(|one| match kind(one) {
            Kind::Prefix(prefix) | Kind::Final(prefix) | Kind::Exact(prefix) => {
                prefix.strip_suffix(b"/") == Some(&uri) && passes(one)
            }
            _ => false,
        });
        if let Some(one) = slash.filter(|_| best.is_none_or(|(length, _)| length < uri.len())) {
            self.enter(one);
            return Found::Slash;
        }
        let (mut outcome, mut is_final) = (Found::No, false);
        if let Some((_, one)) = best {
            self.enter(one);
            // A `^~` within keeps the expressions beside it away, and those further out not.
            is_final = matches!(kind(one), Kind::Final(_));
            match self.search(one.inside()) {
                Found::No | Found::Prefix => outcome = Found::Prefix,
                done => return done,
            }
        }
        if is_final {
            return outcome;
        }
        let depth = self.depth_of(block);
        for one in locations() {
            let Kind::Regex(pattern, caseless) = kind(one) else { continue };
            match Captures::of(pattern, caseless, &uri) {
                Ok(Some(captures)) => {
                    self.matched(captures);
                    self.leave_to(depth);
                    self.enter(one);
                    self.search(one.inside());
                    return Found::Yes;
                }
                Ok(None) => {}
                Err(why) => {
                    let pattern = crate::text::shown(pattern);
                    self.note(format!("{}: location {pattern} may change this: {why}", one.origin));
                }
            }
        }
        outcome
    }
}

/// Whether a location hands requests on, so that nginx adds a slash for it.
fn passes(one: &Directive) -> bool {
    one.inside().iter().any(|one| {
        matches!(
            &*one.name,
            b"proxy_pass" | b"fastcgi_pass" | b"uwsgi_pass" | b"scgi_pass" | b"grpc_pass" | b"memcached_pass"
        )
    })
}

//! Which server takes a request: `listen`, `default_server`, `server_name`.

use super::port_of;
use super::tree::Directive;
use super::variables::Captures;
use outlive::origin::Origin;
use outlive::target::Target;

/// One address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// As text; empty: every address of IPv4, `::`: of IPv6.
    pub address: Vec<u8>,
    pub port: u16,
    pub is_default: bool,
    /// `ssl`, and `quic`, which is never without.
    pub is_tls: bool,
}

/// A host name that a `server_name` takes; none: it is an expression.
pub fn example(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    match name {
        "" | "_" => Some("localhost".into()),
        name if name.starts_with('~') => None,
        name => match name.strip_prefix("*.").or(name.strip_prefix('.')) {
            Some(rest) => Some(format!("x.{rest}")),
            None => Some(name.strip_suffix(".*").map_or_else(|| name.to_owned(), |name| format!("{name}.x"))),
        },
    }
}

/// One `server`.
#[derive(Debug)]
pub struct Server<'c> {
    pub block: &'c [Directive],
    pub listens: Vec<Listen>,
    pub names: Vec<&'c [u8]>,
    pub origin: &'c Origin,
}

/// All of them.
pub fn servers(http: &[Directive]) -> Vec<Server<'_>> {
    let all = http.iter().filter(|one| one.name == b"server" && one.block.is_some());
    all.map(|one| {
        let block = one.inside();
        let mut listens: Vec<Listen> = block.iter().filter(|one| one.name == b"listen").filter_map(listen).collect();
        if !block.iter().any(|one| one.name == b"listen") {
            listens.push(Listen { address: Vec::new(), port: 80, is_default: false, is_tls: false });
        }
        let names = block.iter().filter(|one| one.name == b"server_name");
        let names: Vec<&[u8]> = names.flat_map(|one| one.args.iter().map(Vec::as_slice)).collect();
        Server { block, listens, names: if names.is_empty() { vec![b""] } else { names }, origin: &one.origin }
    })
    .collect()
}

fn listen(one: &Directive) -> Option<Listen> {
    let text = one.arg(0);
    if text.starts_with(b"unix:") {
        return None;
    }
    let is_default = one.args.iter().any(|arg| arg == b"default_server" || arg == b"default");
    let is_tls = one.args.iter().any(|arg| arg == b"ssl" || arg == b"quic");
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u16>().ok();
    let colon = text.iter().rposition(|&byte| byte == b':').filter(|&at| !text[at..].contains(&b']'));
    let (address, port) = match (number(text), colon) {
        (Some(port), _) => (&b"*"[..], port),
        (None, Some(at)) => (&text[..at], number(&text[at + 1..])?),
        (None, None) => (text, 80),
    };
    let address = match address {
        b"*" | b"0.0.0.0" => Vec::new(),
        other => other.iter().copied().filter(|byte| *byte != b'[' && *byte != b']').collect(),
    };
    Some(Listen { address, port, is_default, is_tls })
}

/// The server that has a file below its `root`, the deepest one, and the file's path there.
pub fn with_file<'c, 's, 'f>(servers: &'s [Server<'c>], file: &'f [u8]) -> Option<(&'s Server<'c>, &'f [u8])> {
    let below = |server: &'s Server<'c>| {
        let root = server.block.iter().find(|one| one.name == b"root")?.arg(0);
        let root = root.strip_suffix(b"/").unwrap_or(root);
        let uri = file.strip_prefix(root).filter(|uri| uri.starts_with(b"/"))?;
        Some((server, uri))
    };
    // The first of those that are equal.
    servers.iter().filter_map(below).min_by_key(|(_, uri)| uri.len())
}

/// The server for a request, with what its name captured.
pub fn choose<'c, 's>(
    servers: &'s [Server<'c>],
    target: &Target<'_>,
    notes: &mut Vec<String>,
) -> Option<(&'s Server<'c>, Captures)> {
    let port = port_of(target);
    let mut addresses: Vec<&[u8]> = Vec::new();
    for listen in servers.iter().flat_map(|server| &server.listens).filter(|listen| listen.port == port) {
        if !addresses.contains(&&*listen.address) {
            addresses.push(&listen.address);
        }
    }
    let asked = target
        .server_address
        .map(|text| text.iter().copied().filter(|byte| !b"[]".contains(byte)).collect::<Vec<u8>>());
    let everywhere: &[u8] = if asked.as_ref().is_some_and(|text| text.contains(&b':')) { b"::" } else { b"" };
    let address: &[u8] = match &asked {
        Some(asked) => addresses.iter().find(|one| ***one == **asked).copied().unwrap_or(everywhere),
        None if addresses.contains(&&b""[..]) || addresses.len() < 2 => {
            let wild = addresses.iter().find(|one| one.is_empty());
            wild.or(addresses.first()).copied()?
        }
        None => addresses.first().copied()?,
    };
    let others = addresses.iter().any(|one| *one != address && *one != b"::");
    if asked.is_none() && others {
        notes.push(format!(
            "nginx listens on several addresses with port {port}, and {} is taken; give --address",
            if address.is_empty() { "*".into() } else { crate::text::shown(address) }
        ));
    }
    let here = |server: &&Server<'_>| server.listens.iter().any(|one| one.port == port && one.address == address);
    let those: Vec<&Server<'c>> = servers.iter().filter(here).collect();
    let default = those
        .iter()
        .find(|server| server.listens.iter().any(|one| one.port == port && one.address == address && one.is_default));
    let default = default.or(those.first()).copied()?;
    let host = host(target);
    let mut found = None;
    if let Some(host) = &host {
        found = by_name(&those, host, notes);
    } else if let Some(server) = those.iter().find(|server| server.names.contains(&&b""[..])) {
        found = Some((*server, Captures::default()));
    }
    Some(found.unwrap_or((default, Captures::default())))
}

/// The host that is asked for, in lower case, without its port and a dot at its end.
pub fn host(target: &Target<'_>) -> Option<Vec<u8>> {
    let header = target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| *value);
    let text = header.or(target.server_name)?;
    let end = text.iter().rposition(|&byte| byte == b':').filter(|&at| !text[at..].contains(&b']'));
    let text = &text[..end.unwrap_or(text.len())];
    Some(text.strip_suffix(b".").unwrap_or(text).to_ascii_lowercase())
}

/// Exact names, then the longest `*.NAME`, then the longest `NAME.*`, then expressions in order.
fn by_name<'c, 's>(
    servers: &[&'s Server<'c>],
    host: &[u8],
    notes: &mut Vec<String>,
) -> Option<(&'s Server<'c>, Captures)> {
    let pairs = || servers.iter().flat_map(|server| server.names.iter().map(move |name| (*server, *name)));
    let lower = |name: &[u8]| name.to_ascii_lowercase();
    if let Some((server, _)) = pairs().find(|(_, name)| {
        let name = lower(name);
        name == host || name.strip_prefix(b".").is_some_and(|rest| rest == host)
    }) {
        return Some((server, Captures::default()));
    }
    let mut best: Option<(&Server<'c>, usize)> = None;
    for (server, name) in pairs() {
        let name = lower(name);
        // `*.x` and `.x` alike.
        let Some(tail) = name.strip_prefix(b"*").or(name.starts_with(b".").then_some(&name[..])) else { continue };
        let fits = tail.starts_with(b".") && host.len() > tail.len() && host.ends_with(tail);
        if fits && best.is_none_or(|(_, length)| tail.len() > length) {
            best = Some((server, tail.len()));
        }
    }
    if best.is_none() {
        for (server, name) in pairs() {
            let name = lower(name);
            let Some(head) = name.strip_suffix(b"*").filter(|head| head.ends_with(b".")) else { continue };
            if host.len() > head.len() && host.starts_with(head) && best.is_none_or(|(_, length)| head.len() > length) {
                best = Some((server, head.len()));
            }
        }
    }
    if let Some((server, _)) = best {
        return Some((server, Captures::default()));
    }
    for (server, name) in pairs() {
        let Some(pattern) = name.strip_prefix(b"~") else { continue };
        // Hosts have no capitals, so the letters' case does not count.
        match Captures::of(pattern, true, host) {
            Ok(Some(captures)) => return Some((server, captures)),
            Ok(None) => {}
            Err(why) => {
                let name = crate::text::shown(name);
                notes.push(format!("{}: server_name {name} may change this: {why}", server.origin));
            }
        }
    }
    None
}

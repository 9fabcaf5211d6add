//! Which FPM pool a request goes to: the one that listens where the handler leads.

use crate::text;
use outlive::config::{Config, Pool};
use outlive::files::Disk;
use outlive::httpd::Resolution;
use outlive::target::Target;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a handler leads.
#[derive(Debug, PartialEq)]
enum Address {
    Socket(PathBuf),
    Port(u16),
    /// Another machine's or container's.
    Elsewhere,
}

/// The pool for a request.
#[derive(Debug)]
pub enum Choice {
    /// Nothing to choose: no handler leads to FPM, or the pool that was read is the one.
    Stays,
    /// Another one than the one that was read.
    Other(Vec<u8>),
    /// No pool is known to be it: what to tell.
    Unknown(String),
    /// The configuration cannot be: what to tell.
    Wrong(String),
}

/// Chooses among the pools that were read.
pub fn choose(config: &Config, target: &Target<'_>) -> Choice {
    let pools = config.pools();
    if pools.is_empty() {
        return Choice::Stays;
    }
    let Some(httpd) = config.httpd().filter(|_| target.uri.is_some()) else { return first_of(pools) };
    let Ok(Resolution::Run(run)) = httpd.resolve(&Disk, target) else { return Choice::Stays };
    let Some(handler) = run.handler else { return Choice::Stays };
    let Some(address) = of_handler(&handler) else { return Choice::Stays };
    let listens =
        |pool: &&Pool| pool.line(b"listen").and_then(|(value, _)| of_listen(value)).as_ref() == Some(&address);
    let mut those = pools.iter().filter(listens);
    let shown = text::shown(&handler);
    let chosen = pools.iter().find(|pool| pool.is_chosen).map_or_else(String::new, |pool| text::shown(&pool.name));
    match (those.next(), those.next()) {
        (Some(one), Some(two)) => Choice::Wrong(format!(
            "two pools listen where {shown} leads: [{}] and [{}]; FPM does not start so",
            text::shown(&one.name),
            text::shown(&two.name)
        )),
        (Some(one), None) if one.is_chosen => Choice::Stays,
        (Some(one), None) => Choice::Other(one.name.clone()),
        (None, _) if address == Address::Elsewhere => Choice::Unknown(format!(
            "{shown} leads to another machine or container, so which pool runs it is not known; this is [{chosen}]; give --pool NAME"
        )),
        (None, _) => Choice::Unknown(format!(
            "no pool that was read listens where {shown} leads; this is [{chosen}], which may not be the one; give --fpm-conf FILE \
             of the one that does, or --pool NAME"
        )),
    }
}

/// Nothing says which pool is meant.
fn first_of(pools: &[Pool]) -> Choice {
    let Some(chosen) = pools.iter().find(|pool| pool.is_chosen).filter(|_| pools.len() > 1) else {
        return Choice::Stays;
    };
    let others = pools.iter().filter(|pool| !pool.is_chosen);
    let others: Vec<String> = others.take(8).map(|pool| format!("[{}]", text::shown(&pool.name))).collect();
    Choice::Unknown(format!(
        "several pools and none named: this is the first one, [{}]; {} may have other values; give --pool NAME",
        text::shown(&chosen.name),
        others.join(", ")
    ))
}

/// `proxy:unix:SOCKET|fcgi://…` or `proxy:fcgi://HOST:PORT`
fn of_handler(handler: &[u8]) -> Option<Address> {
    let to = handler.strip_prefix(b"proxy:")?;
    if let Some(rest) = to.strip_prefix(b"unix:") {
        let (socket, scheme) = rest.split_at(rest.iter().position(|&byte| byte == b'|')?);
        return scheme.starts_with(b"|fcgi://").then(|| socket_of(socket));
    }
    let authority = to.strip_prefix(b"fcgi://")?.split(|&byte| byte == b'/').next()?;
    let (host, port) = host_and_port(authority);
    let here = host == b"localhost" || host.starts_with(b"127.") || host == b"[::1]" || host == b"0.0.0.0";
    // mod_proxy_fcgi's own default
    Some(if here { Address::Port(port.unwrap_or(8000)) } else { Address::Elsewhere })
}

/// A pool's `listen`: a path, a port, or an address with a port.
fn of_listen(value: &[u8]) -> Option<Address> {
    if value.starts_with(b"/") {
        return Some(socket_of(value));
    }
    if let Some(port) = number(value) {
        return Some(Address::Port(port));
    }
    host_and_port(value).1.map(Address::Port)
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn host_and_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    let colon = authority.iter().rposition(|&byte| byte == b':').filter(|&at| !authority[at..].contains(&b']'));
    colon.map_or((authority, None), |at| (&authority[..at], number(&authority[at + 1..])))
}

/// Links are followed, and /var/run is /run, where there are any on this machine or not.
fn socket_of(path: &[u8]) -> Address {
    let path = Path::new(OsStr::from_bytes(path));
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let run = real.strip_prefix("/var/run").map(|rest| Path::new("/run").join(rest));
    Address::Socket(run.unwrap_or(real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (handler, listen) in [
            ("proxy:fcgi://127.0.0.1:9000", "9000"),
            ("proxy:fcgi://localhost:9000/x", "*:9000"),
            ("proxy:fcgi://[::1]:9000", "[::]:9000"),
            ("proxy:fcgi://127.0.0.1:9000", "127.0.0.1:9000"),
            ("proxy:unix:/var/run/none/a.sock|fcgi://localhost", "/run/none/a.sock"),
        ] {
            assert_eq!(of_handler(handler.as_bytes()), of_listen(listen.as_bytes()), "{handler} {listen}");
        }
        assert_eq!(of_handler(b"proxy:fcgi://php:9000"), Some(Address::Elsewhere));
        assert_eq!(of_handler(b"proxy:http://127.0.0.1:80"), None);
        assert_eq!(of_handler(b"application/x-httpd-php"), None);
    }
}

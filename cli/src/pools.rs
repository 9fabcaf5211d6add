//! Which FPM pool a request goes to: the one that listens where the handler leads.

use crate::text;
use crate::view::View;
use outlive::config::{Config, Pool};
use outlive::httpd::{Configuration, Resolution};
use outlive::target::Target;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a handler leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Socket(PathBuf),
    Port(u16),
    /// Another machine's or container's.
    Elsewhere(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => f.write_str(&text::shown(path.as_os_str().as_bytes())),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Elsewhere(host) => f.write_str(host),
        }
    }
}

impl Address {
    /// Why the pool is not known.
    pub fn nobody(&self) -> String {
        match self {
            Self::Elsewhere(host) => {
                format!(
                    "{host} is another machine or container: name its tree (--root DIR), or its --fpm-conf and --php-ini"
                )
            }
            here => format!("no pool that was found listens on {here}"),
        }
    }
}

/// The pool for a request.
#[derive(Debug)]
pub enum Choice {
    /// No change: no handler leads to FPM, or it leads to the pool that was read.
    Stays,
    /// Another pool than the one that was read.
    Other(Vec<u8>),
    /// The pool is not known; the text says why.
    Unknown(String),
    /// The configuration is contradictory; the text says why.
    Wrong(String),
}

/// Chooses among the pools that were read, by an FPM that starts from this prefix.
pub fn choose(view: &View, config: &Config, fpm_prefix: Option<&Path>, target: &Target<'_>) -> Choice {
    let pools = config.pools();
    if pools.is_empty() {
        return Choice::Stays;
    }
    let Some(httpd) = config.httpd().filter(|_| target.uri.is_some()) else { return first_of(pools) };
    let Ok(Resolution::Run(run)) = httpd.resolve(&**config.files(), target) else { return Choice::Stays };
    let Some(handler) = run.handler else { return Choice::Stays };
    let addresses = of_httpd(view, httpd, &handler);
    let chosen = |address: &Address| at(view, pools, fpm_prefix, Some(address));
    match &addresses[..] {
        [] if handler.starts_with(b"proxy:balancer:") => Choice::Unknown(format!(
            "no fcgi member of {} is known, so which pool runs the request is not either; give --pool NAME",
            text::shown(&handler)
        )),
        [] => Choice::Stays,
        [one] => chosen(one),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            Choice::Unknown(format!(
                "{} hands requests to several pools, those at {}, which may have other values; give --pool NAME",
                text::shown(&handler),
                several.join(", ")
            ))
        }
    }
}

/// The pool that listens there.
pub fn at(view: &View, pools: &[Pool], fpm_prefix: Option<&Path>, address: Option<&Address>) -> Choice {
    let Some(address) = address else { return first_of(pools) };
    let listens = |pool: &&Pool| of_pool(view, pool, fpm_prefix).as_ref() == Some(address);
    let mut those = pools.iter().filter(listens);
    let chosen = pools.iter().find(|pool| pool.is_chosen).map_or_else(String::new, |pool| text::shown(&pool.name));
    match (those.next(), those.next()) {
        (Some(one), Some(two)) => Choice::Wrong(format!(
            "two pools listen where the request goes ({address}): [{}] and [{}]; FPM does not start so",
            text::shown(&one.name),
            text::shown(&two.name)
        )),
        (Some(one), None) if one.is_chosen => Choice::Stays,
        (Some(one), None) => Choice::Other(one.name.clone()),
        (None, _) if matches!(address, Address::Elsewhere(_)) => Choice::Unknown(format!(
            "the request goes to {address}, another machine or container, so which pool runs it is not known; this is [{chosen}]; give \
             --pool NAME"
        )),
        (None, _) => Choice::Unknown(format!(
            "no pool that was read listens where the request goes ({address}); this is [{chosen}], which may not be the one; give \
             --fpm-conf FILE of the one that does, or --pool NAME"
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

/// Where a handler of httpd's leads: one address, or those of the fcgi members of the balancer that it names. Members stand in the balancer's
/// `<Proxy>` section, or name it themselves; those of all virtual hosts count.
pub fn of_httpd(view: &View, httpd: &Configuration, handler: &[u8]) -> Vec<Address> {
    let Some(wanted) = handler.strip_prefix(b"proxy:").and_then(balancer_name) else {
        return of_handler(view, handler).into_iter().collect();
    };
    let lines = httpd.kept_directives().filter(|line| line.name.eq_ignore_ascii_case(b"BalancerMember"));
    let mut all: Vec<Address> = Vec::new();
    for line in lines {
        let words = words_of(line.args);
        let section = line.section.map_or_else(Vec::new, |(_, args)| words_of(args));
        if !section
            .iter()
            .chain(&words)
            .any(|word| balancer_name(word).is_some_and(|name| name.eq_ignore_ascii_case(wanted)))
        {
            continue;
        }
        let member = words.iter().find(|word| memchr::memmem::find(word, b"fcgi://").is_some());
        let address = member.and_then(|word| of_handler(view, &[b"proxy:", &word[..]].concat()));
        all.extend(address.into_iter().filter(|new| !all.contains(new)).collect::<Vec<_>>());
    }
    all
}

/// NAME of balancer://NAME and balancer://NAME/path.
fn balancer_name(url: &[u8]) -> Option<&[u8]> {
    let scheme = b"balancer://";
    let rest = url.get(scheme.len()..).filter(|_| url[..scheme.len()].eq_ignore_ascii_case(scheme))?;
    rest.split(|&byte| byte == b'/').next()
}

/// The words of a line's arguments, without their quotes and the end of a section.
fn words_of(args: &[u8]) -> Vec<Vec<u8>> {
    let words = args.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map(|word| word.iter().copied().filter(|byte| !matches!(byte, b'"' | b'\'' | b'>')).collect()).collect()
}

/// `proxy:unix:SOCKET|fcgi://…` or `proxy:fcgi://HOST:PORT`
pub fn of_handler(view: &View, handler: &[u8]) -> Option<Address> {
    let to = handler.strip_prefix(b"proxy:")?;
    if let Some(rest) = to.strip_prefix(b"unix:") {
        let (socket, scheme) = rest.split_at(rest.iter().position(|&byte| byte == b'|')?);
        return scheme.starts_with(b"|fcgi://").then(|| socket_of(view, socket));
    }
    let authority = to.strip_prefix(b"fcgi://")?.split(|&byte| byte == b'/').next()?;
    // mod_proxy_fcgi's own default
    Some(of_authority(authority, 8000))
}

/// What nginx's `fastcgi_pass` says: `unix:SOCKET`, `HOST:PORT`.
pub fn of_pass(view: &View, pass: &[u8]) -> Option<Address> {
    match pass.strip_prefix(b"unix:") {
        Some(socket) => Some(socket_of(view, socket.split(|&byte| byte == b':').next()?)),
        None if pass.is_empty() => None,
        None => Some(of_authority(pass, 80)),
    }
}

fn of_authority(authority: &[u8], default: u16) -> Address {
    let (host, port) = host_and_port(authority);
    let here = host == b"localhost" || host.starts_with(b"127.") || host == b"[::1]" || host == b"0.0.0.0";
    if here { Address::Port(port.unwrap_or(default)) } else { Address::Elsewhere(text::shown(authority)) }
}

/// Where a pool listens. A relative socket is below the pool's `prefix`, or else FPM's; a relative `prefix` is below FPM's as well.
pub fn of_pool(view: &View, pool: &Pool, fpm_prefix: Option<&Path>) -> Option<Address> {
    let (value, _) = pool.line(b"listen")?;
    let is_path = memchr::memchr(b':', value).is_none() && number(value).is_none();
    if value.starts_with(b"/") || !is_path {
        return of_listen(view, value);
    }
    let own = pool.line(b"prefix").map(|(prefix, _)| Path::new(OsStr::from_bytes(prefix)));
    let prefix = match own {
        Some(own) if own.is_absolute() => own.to_path_buf(),
        own => fpm_prefix?.join(own.unwrap_or(Path::new(""))),
    };
    Some(socket_of(view, prefix.join(OsStr::from_bytes(value)).as_os_str().as_bytes()))
}

/// A pool's `listen`: a path, a port, or an address with a port.
pub fn of_listen(view: &View, value: &[u8]) -> Option<Address> {
    if value.starts_with(b"/") {
        return Some(socket_of(view, value));
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

/// Links are followed, and /var/run is /run, where there are any in this view or not.
fn socket_of(view: &View, path: &[u8]) -> Address {
    let path = Path::new(OsStr::from_bytes(path));
    let real = view.leads_to(path);
    let run = real.strip_prefix("/var/run").map(|rest| Path::new("/run").join(rest));
    Address::Socket(run.unwrap_or(real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let view = View::default();
        for (handler, listen) in [
            ("proxy:fcgi://127.0.0.1:9000", "9000"),
            ("proxy:fcgi://localhost:9000/x", "*:9000"),
            ("proxy:fcgi://[::1]:9000", "[::]:9000"),
            ("proxy:fcgi://127.0.0.1:9000", "127.0.0.1:9000"),
            ("proxy:unix:/var/run/none/a.sock|fcgi://localhost", "/run/none/a.sock"),
        ] {
            assert_eq!(
                of_handler(&view, handler.as_bytes()),
                of_listen(&view, listen.as_bytes()),
                "{handler} {listen}"
            );
        }
        assert_eq!(of_pass(&view, b"unix:/run/none/a.sock"), of_listen(&view, b"/run/none/a.sock"));
        assert_eq!(of_handler(&view, b"proxy:fcgi://php:9000"), Some(Address::Elsewhere("php:9000".into())));
        assert_eq!(of_handler(&view, b"proxy:http://127.0.0.1:80"), None);
        assert_eq!(of_handler(&view, b"application/x-httpd-php"), None);
    }
}

//! Which server answers (facts ).

use super::server::Server;
use crate::httpd::pattern::glob::{self, Rules};
use crate::httpd::pattern::hash::{HashIndex, hash};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};

/// An address of `<VirtualHost>`; no IP: any; port 0: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub ip: Option<IpAddr>,
    pub port: u16,
}

/// A parsed address of a virtual host.
pub(crate) enum Parsed {
    Address(Address),
    /// A name that would have to be looked up.
    Name(String),
    Wrong,
}

/// One `addr[:port]`.
pub(crate) fn parse(text: &[u8]) -> Parsed {
    let Ok(text) = std::str::from_utf8(text) else { return Parsed::Wrong };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, ""),
            Some((host, port)) if port.starts_with(':') => (host, &port[1..]),
            _ => return Parsed::Wrong,
        },
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" | "*" => 0,
        digits => match digits.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Parsed::Wrong,
        },
    };
    if host == "*" || host == "_default_" {
        return Parsed::Address(Address { ip: None, port });
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Parsed::Address(Address { ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port });
    }
    match host.parse() {
        Ok(ip) => Parsed::Address(Address { ip: Some(ip), port }),
        Err(_) if host.is_empty() => Parsed::Wrong,
        Err(_) => Parsed::Name(host.to_owned()),
    }
}

/// The virtual hosts of one address.
#[derive(Debug, Default)]
struct Set {
    /// In the order of the file.
    hosts: Vec<u32>,
    /// A name's first place in `hosts`, and the host itself.
    names: HashIndex<(u32, u32)>,
    /// The same of further hosts whose names have the same hash.
    others: HashIndex<Vec<(u32, u32)>>,
    /// Wildcard names, with their place in `hosts`.
    wild: Vec<(u32, Box<[u8]>)>,
}

/// All virtual hosts, by address.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    sets: Vec<(Address, Set)>,
    places: HashMap<Address, usize>,
    /// Whether any has an IP of its own: otherwise the address need not be known.
    pub by_ip: bool,
}

impl Hosts {
    pub fn new(servers: &[Server]) -> Self {
        let mut new = Self::default();
        for (number, server) in servers.iter().enumerate().skip(1) {
            for address in &server.addresses {
                new.by_ip |= address.ip.is_some();
                let place = *new.places.entry(*address).or_insert(new.sets.len());
                if place == new.sets.len() {
                    new.sets.push((*address, Set::default()));
                }
                new.sets[place].1.add(number as u32, server);
            }
        }
        new
    }

    /// Most configurations have a few addresses: looking at them all is quicker than a table.
    fn set(&self, address: &Address) -> Option<&Set> {
        let at = match self.sets.len() {
            ..=4 => self.sets.iter().position(|(own, _)| own == address)?,
            _ => *self.places.get(address)?,
        };
        Some(&self.sets[at].1)
    }

    /// The server for an address and a lower-case name; 0: the main one. `has` tells whether a server has a name.
    pub fn find(&self, ip: Option<IpAddr>, port: u16, name: Option<&[u8]>, has: impl Fn(u32, &[u8]) -> bool) -> u32 {
        let own = [Address { ip, port }, Address { ip, port: 0 }];
        let any = [Address { ip: None, port }, Address { ip: None, port: 0 }];
        let own = own.iter().filter(|address| address.ip.is_some() && self.by_ip);
        let set = own.chain(&any).find_map(|address| self.set(address));
        let Some(set) = set else { return 0 };
        let named = name.and_then(|name| set.find(name, has));
        named.or_else(|| set.hosts.first().copied()).unwrap_or(0)
    }
}

impl Set {
    fn add(&mut self, number: u32, server: &Server) {
        if self.hosts.last() == Some(&number) {
            return;
        }
        let place = self.hosts.len() as u32;
        self.hosts.push(number);
        for name in server.names() {
            let name = name.to_ascii_lowercase();
            if server.own_name().is_some_and(|own| own.eq_ignore_ascii_case(&name)) || !has_wildcard(&name) {
                let key = hash(&name);
                match self.names.entry(key) {
                    Entry::Vacant(free) => {
                        free.insert((place, number));
                    }
                    Entry::Occupied(_) => self.others.entry(key).or_default().push((place, number)),
                }
            } else {
                self.wild.push((place, name.into()));
            }
        }
    }

    /// The first host of the file that has the name, wildcards and plain names alike.
    fn find(&self, name: &[u8], has: impl Fn(u32, &[u8]) -> bool) -> Option<u32> {
        let key = hash(name);
        let has = |&(_, host): &(u32, u32)| has(host, name);
        let first = self.names.get(&key).copied();
        let exact = first.filter(has).or_else(|| {
            // Needed only where the first host's name has the same hash and is another name.
            first.and_then(|_| self.others.get(&key)?.iter().copied().find(has))
        });
        if self.wild.is_empty() {
            return exact.map(|(_, host)| host);
        }
        let before = |place: u32| exact.is_none_or(|(exact, _)| place < exact);
        let mut wild = self.wild.iter().take_while(|(place, _)| before(*place));
        let wild = wild.find(|(_, pattern)| glob::matches(pattern, name, Rules::default()));
        wild.map(|(place, _)| self.hosts[*place as usize]).or(exact.map(|(_, host)| host))
    }
}

fn has_wildcard(name: &[u8]) -> bool {
    memchr::memchr2(b'*', b'?', name).is_some()
}

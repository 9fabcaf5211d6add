//! Which server answers (facts ).

use super::server::Server;
use crate::httpd::pattern::glob::{self, Rules};
use crate::httpd::pattern::hash::{hash, hash_lower};
use std::collections::HashMap;
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
    /// The first one of the file.
    first: u32,
    /// The one that was added last.
    last: u32,
    names: Names,
    /// Wildcard names, with their hosts.
    wild: Vec<(u32, Box<[u8]>)>,
}

/// Names by their hashes, each with the first host of the file that has it: a table with open addresses, at least half of it free. A place
/// has the lower half of the hash, and the host; 0: it is free. The name itself is the host's: a table of thousands of hosts stays small
/// enough for the processor's cache.
#[derive(Debug, Default)]
struct Names {
    places: Vec<(u32, u32)>,
}

impl Names {
    fn with_capacity(count: usize) -> Self {
        Self { places: vec![(0, 0); (2 * count).next_power_of_two().max(2)] }
    }

    /// The places where a name may be, in the order in which they are taken, up to the first free one.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.places.len().wrapping_sub(1);
        let first = (hash >> 32) as usize;
        (0..self.places.len()).map(move |step| first.wrapping_add(step) & mask)
    }

    /// The host of a name; `has` tells whether a host has it.
    fn find(&self, hash: u64, has: impl Fn(u32) -> bool) -> Option<u32> {
        for at in self.places(hash) {
            match self.places[at] {
                (_, 0) => return None,
                (half, host) if half == hash as u32 && has(host) => return Some(host),
                _ => {}
            }
        }
        None
    }

    /// Gives a name to a host, unless one before it has the name.
    fn add(&mut self, hash: u64, host: u32, has: impl Fn(u32) -> bool) {
        for at in self.places(hash) {
            match self.places[at] {
                (_, 0) => {
                    self.places[at] = (hash as u32, host);
                    return;
                }
                (half, before) if half == hash as u32 && has(before) => return,
                _ => {}
            }
        }
    }
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
    pub fn new(servers: &[Box<Server>]) -> Self {
        let mut new = Self::default();
        // How many names each set has: then its table is made once.
        let mut counts = Vec::new();
        for server in servers.iter().skip(1) {
            for address in &server.addresses {
                new.by_ip |= address.ip.is_some();
                let place = new.place(address);
                if place == new.sets.len() {
                    new.places.insert(*address, place);
                    new.sets.push((*address, Set::default()));
                    counts.push(0);
                }
                counts[place] += server.names().count();
            }
        }
        for ((_, set), count) in new.sets.iter_mut().zip(counts) {
            set.names = Names::with_capacity(count);
        }
        for (number, server) in servers.iter().enumerate().skip(1) {
            for address in &server.addresses {
                let place = new.place(address);
                new.sets[place].1.add(number as u32, server, servers);
            }
        }
        new
    }

    /// The set of an address, or the place of the next one. Most configurations have a few: looking at them all is quicker than a table.
    fn place(&self, address: &Address) -> usize {
        let found = match self.sets.len() {
            ..=4 => self.sets.iter().position(|(own, _)| own == address),
            _ => self.places.get(address).copied(),
        };
        found.unwrap_or(self.sets.len())
    }

    /// The hosts that an address leads to.
    fn set(&self, ip: Option<IpAddr>, port: u16) -> Option<&Set> {
        let at = |ip| [port, 0].into_iter().find_map(|port| self.sets.get(self.place(&Address { ip, port })));
        let own = ip.filter(|_| self.by_ip).and_then(|ip| at(Some(ip)));
        own.or_else(|| at(None)).map(|(_, set)| set)
    }

    /// The server for an address and a lower-case name. `has` tells whether a server has a name. Where the address is not known, it is this
    /// machine's own, or else any at which a host has the name.
    pub fn choose(
        &self,
        ip: Option<IpAddr>,
        port: u16,
        name: Option<&[u8]>,
        has: impl Fn(u32, &[u8]) -> bool + Copy,
    ) -> Chosen {
        let assumed = ip.or_else(|| self.by_ip.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let set = self.set(assumed, port);
        if let Some(name) = name {
            if let Some(server) = set.and_then(|set| set.find(name, has)) {
                return Chosen { server, is_one_of_several: false };
            }
            if ip.is_none()
                && self.by_ip
                && let Some(chosen) = self.named(port, name, &has)
            {
                return chosen;
            }
        }
        Chosen { server: set.map_or(0, |set| set.first), is_one_of_several: false }
    }

    /// The first host of that name at any address.
    #[cold] // and so the search for the usual address is compiled into its caller
    fn named(&self, port: u16, name: &[u8], has: &dyn Fn(u32, &[u8]) -> bool) -> Option<Chosen> {
        let sets = self.sets.iter().filter(|(address, _)| address.port == port || address.port == 0);
        let hosts = || sets.clone().filter_map(|(_, set)| set.find(name, has));
        let server = hosts().min()?;
        Some(Chosen { server, is_one_of_several: hosts().any(|other| other != server) })
    }
}

/// A server that was chosen.
#[derive(Clone, Copy)]
pub(crate) struct Chosen {
    /// Its number; 0: the main one.
    pub server: u32,
    /// Hosts at several addresses have the name, and the address is not known.
    pub is_one_of_several: bool,
}

impl Set {
    fn add(&mut self, number: u32, server: &Server, servers: &[Box<Server>]) {
        if self.last == number {
            return;
        }
        self.last = number;
        if self.first == 0 {
            self.first = number;
        }
        let mut is_own = server.own_name().is_some();
        for name in server.names() {
            if is_own || !has_wildcard(name) {
                self.names.add(hash_lower(name), number, |host| servers[host as usize].has_name(name));
            } else {
                self.wild.push((number, name.to_ascii_lowercase().into()));
            }
            is_own = false;
        }
    }

    /// The first host of the file that has the name, wildcards and plain names alike.
    fn find(&self, name: &[u8], has: impl Fn(u32, &[u8]) -> bool) -> Option<u32> {
        let exact = self.names.find(hash(name), |host| has(host, name));
        if self.wild.is_empty() {
            return exact;
        }
        let before = |host: u32| exact.is_none_or(|exact| host < exact);
        let mut wild = self.wild.iter().take_while(|(host, _)| before(*host));
        let wild = wild.find(|(_, pattern)| glob::matches(pattern, name, Rules::default()));
        wild.map(|(host, _)| *host).or(exact)
    }
}

fn has_wildcard(name: &[u8]) -> bool {
    memchr::memchr2(b'*', b'?', name).is_some()
}

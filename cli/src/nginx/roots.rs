//! The directories that servers of nginx serve files from, and how to ask for these.

use super::tree::Directive;
use super::{Nginx, listen, location};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A directory of a server, by `root` or `alias`.
#[derive(Debug, PartialEq, Eq)]
pub struct Root {
    pub dir: Vec<u8>,
    /// What URLs of its files begin with, without a slash at its end.
    pub uri: Vec<u8>,
    /// A name that the server is asked by.
    pub name: String,
    /// Where it listens.
    pub doors: Vec<Door>,
}

/// An address that a server takes requests at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub scheme: &'static str,
    pub port: u16,
    /// None: every one of the machine.
    pub address: Option<String>,
}

impl Nginx {
    /// The directories of its servers and their locations, as far as they are plain paths: each once for each server.
    pub fn roots(&self) -> Vec<Root> {
        let mut all: Vec<Root> = Vec::new();
        for server in listen::servers(&self.http) {
            let Some(name) = server.names.iter().find_map(|name| listen::example(name)) else { continue };
            let has_ssl = server.block.iter().any(|one| one.name == b"ssl" && one.arg(0) == b"on");
            let doors: Vec<Door> = server
                .listens
                .iter()
                .map(|listen| Door {
                    scheme: if listen.is_tls || has_ssl { "https" } else { "http" },
                    port: listen.port,
                    address: (!listen.address.is_empty()).then(|| crate::text::shown(&listen.address)),
                })
                .collect();
            let mut dirs = Vec::new();
            below(server.block, b"", &mut dirs);
            if !server.block.iter().any(|one| one.name == b"root") {
                // Inherited.
                dirs.extend(
                    self.http.iter().filter(|one| one.name == b"root").map(|one| (one.arg(0).to_vec(), &b""[..])),
                );
            }
            for (dir, uri) in dirs {
                let dir = match &self.prefix {
                    _ if dir.starts_with(b"/") => dir,
                    Some(prefix) => prefix.join(OsStr::from_bytes(&dir)).into_os_string().into_encoded_bytes(),
                    None => continue,
                };
                let dir = dir.strip_suffix(b"/").filter(|dir| !dir.is_empty()).unwrap_or(&dir).to_vec();
                let one = Root { dir, uri: uri.to_vec(), name: name.clone(), doors: doors.clone() };
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        all
    }
}

/// What the lines of a block name: a directory, and the beginning of its URLs. `uri`: the beginning of those that the block is for.
fn below<'c>(block: &'c [Directive], uri: &'c [u8], out: &mut Vec<(Vec<u8>, &'c [u8])>) {
    for one in block {
        let is_plain = !one.arg(0).contains(&b'$');
        match &*one.name {
            b"root" if is_plain => {
                let dir = one.arg(0).strip_suffix(b"/").unwrap_or(one.arg(0));
                // `/a` is the beginning of `/ab` as well.
                let uri = &uri[..uri.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
                out.push(([dir, uri].concat(), uri));
            }
            b"alias" if is_plain => out.push((one.arg(0).to_vec(), uri.strip_suffix(b"/").unwrap_or(uri))),
            b"location" => {
                let own = match location::kind(one) {
                    location::Kind::Prefix(own) | location::Kind::Final(own) => own,
                    _ => uri,
                };
                below(one.inside(), own, out);
            }
            _ => {}
        }
    }
}

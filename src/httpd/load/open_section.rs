//! A section that is open while the second pass goes through it.

use super::arguments_place::Place;
use crate::httpd::model::access::Requirement;
use crate::httpd::model::methods::Methods;
use crate::httpd::model::section::Section;
use crate::httpd::model::server::Server;
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::tree::Piece;
use crate::origin::Origin;

/// What a place in the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Server,
    Host,
    Directory,
    Location,
    Files,
    If,
    Limit,
    Proxy,
    Require,
    Htaccess,
    Other,
}

/// What a place is in, all sections around it taken together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Within {
    pub place: Place,
    /// In a section of `Require` lines.
    pub require: bool,
    /// In a section other than a server's.
    pub section: bool,
}

impl Within {
    /// In a section of this kind inside of it.
    pub fn and(mut self, kind: Kind, name: &[u8]) -> Self {
        let place = &mut self.place;
        match kind {
            Kind::Host => place.host = true,
            Kind::Directory | Kind::Htaccess => place.directory = true,
            Kind::Location => place.location = true,
            Kind::Files => place.files = true,
            Kind::If => place.conditional = true,
            Kind::Proxy => place.proxy = true,
            Kind::Other => place.domain_set |= name.eq_ignore_ascii_case(b"<MDomainSet"),
            Kind::Require => self.require = true,
            Kind::Server | Kind::Limit => {}
        }
        self.section |= !matches!(kind, Kind::Host | Kind::Other);
        self
    }
}

/// One open section.
pub(crate) struct Context {
    pub kind: Kind,
    pub end: u32,
    pub(super) within: Within,
    /// The section that values go to; `None`: the enclosing one.
    pub section: Option<Section>,
    /// Where its values begin among the open ones.
    pub values: usize,
    pub server: Option<Box<Server>>,
    pub requires: Vec<Requirement>,
    /// The methods that the current lines apply to.
    pub limit: Methods,
    pub act: Act,
    /// Its name as written, with its `<`.
    pub name: Piece,
    /// Where it opens.
    pub origin: Origin,
}

//! What one request adds to the configuration: sections, containers, `.user.ini`.

use super::core::{Assignment, Core, Source};
use super::directive_state::Authority;
use super::layer::Layer;
use super::text::Text;
use crate::diagnostic::Diagnostic;
use crate::httpd::{Container, DirConfig, DirValue};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Ini texts of one request, as they were read: the `.user.ini` files of a script's directory, or what FastCGI hands over.
#[derive(Debug, Default)]
pub(super) struct UserIni {
    /// The files' texts, by which two readings are compared, and a hash of them.
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) hash: u64,
    pub(super) assignments: Vec<Assignment>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl UserIni {
    /// Notes the hash of the texts, once they are all there.
    pub(super) fn rehash(&mut self) {
        let mut hasher = DefaultHasher::new();
        self.sources.hash(&mut hasher);
        self.hash = hasher.finish();
    }
}

/// Something that applies to a request.
#[derive(Clone, Debug)]
pub(super) enum Contribution {
    /// A `[HOST=…]` or `[PATH=…]` section, by its place in the configuration.
    Section(usize),
    /// httpd's containers, weakest first.
    Containers(Box<[Container]>),
    /// What a host that parsed its own configuration handed over.
    Server(DirConfig),
    /// FastCGI's `PHP_VALUE` and `PHP_ADMIN_VALUE`, or `.user.ini`.
    UserIni(Arc<UserIni>),
}

impl Contribution {
    /// Every assignment to a directive that there is, in order.
    pub(super) fn each(&self, core: &Core, visit: &mut dyn FnMut(u32, Authority, &Text)) {
        match self {
            Self::Section(at) => assignments(&core.sections[*at].assignments, visit),
            Self::UserIni(user) => assignments(&user.assignments, visit),
            // Kept although they have no effect, so that `explain` can say so.
            Self::Containers(_) if !core.sapi.has_containers() => {}
            Self::Containers(containers) => values(&merged(containers), core, visit),
            Self::Server(server) => values(server, core, visit),
        }
    }

    /// Whether it is `PHP_VALUE` or `PHP_ADMIN_VALUE`, which a web server hands over before the request begins.
    pub(super) fn is_handed_over(&self) -> bool {
        matches!(self, Self::UserIni(user) if user.sources.iter().any(|source| source.layer == Layer::FastCgi))
    }

    /// Whether both are the same, text for text.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Section(one), Self::Section(two)) => one == two,
            (Self::UserIni(one), Self::UserIni(two)) => Arc::ptr_eq(one, two) || one.sources == two.sources,
            (Self::Server(one), Self::Server(two)) => one.iter().eq(two.iter()),
            (Self::Containers(one), Self::Containers(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same_container(one, two))
            }
            _ => false,
        }
    }

    /// Feeds what [`Contribution::same`] compares.
    pub(super) fn hash(&self, state: &mut impl Hasher) {
        match self {
            Self::Section(at) => at.hash(state),
            Self::UserIni(user) => user.hash.hash(state),
            Self::Server(values) => hash_values(values, state),
            Self::Containers(containers) => {
                for container in containers {
                    container.layer.hash(state);
                    hash_values(&container.values, state);
                }
            }
        }
    }
}

fn same_container(one: &Container, two: &Container) -> bool {
    one.layer == two.layer
        && one.origin == two.origin
        && (Arc::ptr_eq(&one.values, &two.values) || one.values.iter().eq(two.values.iter()))
}

fn hash_values(values: &DirConfig, state: &mut impl Hasher) {
    for value in values.iter() {
        (&value.name, &value.value, value.kind).hash(state);
    }
}

/// The power of mod_php's four directives.
pub(super) fn power(value: &DirValue) -> Authority {
    if value.kind.is_admin() { Authority::Admin } else { Authority::PerDir }
}

/// mod_php merges first and applies the result, so a value that lost is never even tried.
pub(super) fn merged(containers: &[Container]) -> DirConfig {
    containers.iter().fold(DirConfig::new(), |sum, next| DirConfig::merge(&sum, &next.values))
}

fn values(list: &DirConfig, core: &Core, visit: &mut dyn FnMut(u32, Authority, &Text)) {
    for value in list.iter() {
        if let Some(at) = core.find(&value.name) {
            visit(at as u32, power(value), &Text::new(&value.value));
        }
    }
}

fn assignments(list: &[Assignment], visit: &mut dyn FnMut(u32, Authority, &Text)) {
    for assignment in list {
        visit(assignment.directive, assignment.power, &assignment.value);
    }
}

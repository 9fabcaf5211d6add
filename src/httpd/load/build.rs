//! The second pass: from the tree to servers and sections (facts ).

use super::open_section::{Context, Kind, Within};
use super::rules::Ruled;
use crate::diagnostic::{Diagnosis, Severity};
use crate::error::{Code, Error, Result};
use crate::httpd::model::access::{Requirement, Rule};
use crate::httpd::model::answer::ServerLayer;
use crate::httpd::model::dir_config::{DirConfig, ValueKind};
use crate::httpd::model::methods::{self, Methods, Registered};
use crate::httpd::model::section::{Section, Values};
use crate::httpd::model::server::{Server, Servers};
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::messages::{lossy, not_allowed, push};
use crate::httpd::syntax::modules::{Directive, place};
use crate::httpd::syntax::not_acted::influence;
use crate::httpd::syntax::reader::Reader;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::tree::{Node, Piece, Tree, UNKNOWN};
use crate::origin::Origin;
use std::path::PathBuf;
use std::sync::Arc;

/// Sections inside sections.
const MAX_NESTING: usize = 200;

/// Directives with a pattern or an expression, each of which takes ten microseconds: of the server's files, and of an `.htaccess`.
const MAX_PATTERNS: usize = 100_000;
const MAX_PATTERNS_BELOW: usize = 20_000;

/// Whether a directive's pattern or expression is compiled.
fn compiles(act: Act, args: &[u8]) -> bool {
    match act {
        Act::Directory | Act::Location | Act::Files | Act::Proxy => args.first() == Some(&b'~'),
        Act::DirectoryMatch | Act::LocationMatch | Act::FilesMatch | Act::ProxyMatch | Act::If | Act::ElseIf => true,
        Act::AliasMatch | Act::ScriptAliasMatch | Act::RedirectMatch | Act::ProxyPassMatch => true,
        Act::RewriteCond | Act::RewriteRule | Act::Header | Act::RequestHeader | Act::ProxyFcgiSetEnvIf => true,
        Act::SetEnvIf | Act::SetEnvIfNoCase | Act::SetEnvIfExpr | Act::BrowserMatch | Act::BrowserMatchNoCase => true,
        _ => false,
    }
}

/// The result of building.
pub(crate) struct Builder<'r, 'f> {
    pub reader: &'r mut Reader<'f>,
    pub stack: Vec<Context>,
    pub servers: Servers,
    pub php_ini_dir: Option<(PathBuf, Origin)>,
    /// Directives that are kept but not acted on: their nodes.
    pub kept: Vec<u32>,
    /// The lines that set values, by closed sections: their nodes.
    pub values: Vec<u32>,
    /// Those of the sections that are open.
    pub open_values: Vec<u32>,
    /// Directives that no rule is about, by their numbers: their names need not be looked up again.
    unruled: [u64; 16],
    /// The methods that `<Limit>` may name.
    pub methods: Registered,
    /// The document root that was looked for last, and whether it is a directory: hosts for http and https share theirs.
    pub last_root: Option<(PathBuf, bool)>,
    /// `TypesConfig`, and where.
    pub types_config: Option<(PathBuf, Origin)>,
    /// How many directives had a pattern.
    pub patterns: usize,
    /// How many sections set values.
    pub ids: u32,
}

impl Builder<'_, '_> {
    /// Goes through the tree once, with its own stack.
    pub fn run(&mut self) -> Result<()> {
        let mut at = 0u32;
        loop {
            while self.stack.last().is_some_and(|context| context.end <= at) {
                self.leave().or_else(|error| self.reader.keep_refusal(error))?;
            }
            let Some(node) = self.reader.tree.nodes.get(at as usize).copied() else { break };
            at = match self.node(at, &node) {
                Ok(next) => next,
                Err(error) => self.reader.keep_refusal(error).map(|()| node.end.max(at + 1))?,
            };
        }
        while self.stack.len() > 1 {
            self.leave().or_else(|error| self.reader.keep_refusal(error))?;
        }
        Ok(())
    }

    /// Handles a node; the answer is the next one to look at.
    fn node(&mut self, at: u32, node: &Node) -> Result<u32> {
        let skip = node.end.max(at + 1);
        let mut number = node.directive;
        if number == UNKNOWN {
            match self.reader.registry.find(self.reader.tree.name(node)) {
                Some(found) => number = found,
                None => return self.stranger(at, node).map(|()| skip),
            }
        }
        let directive = *self.reader.registry.directive(number);
        if !self.may_stand(node, &directive)? {
            return Ok(skip);
        }
        if compiles(directive.act, self.reader.tree.args(node)) {
            self.patterns += 1;
            let most = if self.reader.allowed.is_some() { MAX_PATTERNS_BELOW } else { MAX_PATTERNS };
            if self.patterns > most {
                let text = format!(
                    "More than {most} directives have a pattern or an expression: split the file, or use a RewriteMap"
                );
                return Err(Error { code: Code::TooLarge, ..self.fail(node, text) });
            }
        }
        if directive.name.starts_with('<') {
            self.open(node, &directive).map_err(|text| self.fail(node, text))?;
            return Ok(at + 1);
        }
        if directive.act == Act::Keep {
            if let Some(wrong) = directive.arity.complaint(directive.name, self.reader.tree.args(node)) {
                return Err(self.fail(node, wrong));
            }
            self.check_arguments(node, number, &directive).map_err(|text| self.fail(node, text))?;
            self.kept.push(at);
        } else {
            self.apply(at, node, number, &directive).map_err(|text| self.fail(node, text))?;
        }
        if directive.influences
            && let Some(what) = influence(directive.name, self.reader.tree.args(node))
        {
            self.not_evaluated(node, directive.name, what);
        }
        Ok(skip)
    }

    /// Checks a directive's arguments, and registers the names that later lines may use.
    pub(crate) fn check_arguments(
        &mut self,
        node: &Node,
        number: u16,
        directive: &Directive,
    ) -> std::result::Result<(), String> {
        let (word, bit) = (usize::from(number / 64), 1 << (number % 64));
        if self.unruled.get(word).is_some_and(|bits| bits & bit != 0) {
            return Ok(());
        }
        let args = self.reader.tree.args(node);
        let words: Vec<_> = tokens::Tokens::new(args).collect();
        let mut ruled = Ruled::default();
        super::arguments::check(directive.name, args, &words, &self.reader.registry, &mut ruled)?;
        super::arguments_place::check(directive.name, &words, self.within_all().place, &mut ruled)?;
        let named = match directive.name {
            "ExtFilterDefine" | "LuaInputFilter" | "LuaOutputFilter" | "FilterDeclare" | "FilterProvider" => 0,
            "AuthnzFcgiDefineProvider" => 1,
            _ => {
                if let Some(bits) = self.unruled.get_mut(word).filter(|_| !ruled.is_ruled()) {
                    *bits |= bit;
                }
                return Ok(());
            }
        };
        if let Some(name) = words.get(named).map(|word| word.to_vec()) {
            Arc::make_mut(&mut self.reader.registry).add_alias(&name);
        }
        Ok(())
    }

    /// What is open.
    fn within_all(&self) -> Within {
        self.stack.last().map(|context| context.within).unwrap_or_default()
    }

    pub fn fail(&self, node: &Node, mut text: String) -> Error {
        if let Some(note) = self.reader.tree.macro_note(node.source) {
            text.push_str(&format!(" (in {note})"));
        }
        Error::new(Code::Refused, text).at(self.reader.tree.node_origin(node))
    }

    pub fn warn(&mut self, node: &Node, code: Diagnosis, text: String) {
        let origin = self.reader.tree.node_origin(node);
        push(&mut self.reader.diagnostics, Severity::Warning, code, origin, text);
    }

    /// A name that no loaded module knows: refused, unless a module is loaded whose directives are not known.
    fn stranger(&mut self, at: u32, node: &Node) -> Result<()> {
        let name = lossy(self.reader.tree.name(node)).into_owned();
        if self.reader.allowed.is_some_and(|allowed| allowed.nonfatal_unknown) {
            return Ok(());
        }
        if self.reader.registry.strangers().is_empty() {
            let hint = match name.to_ascii_lowercase().starts_with("php_") {
                true => ". No LoadModule line loads mod_php before this",
                false => "",
            };
            let text = format!(
                "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server \
                 configuration{hint}"
            );
            return Err(self.fail(node, text));
        }
        self.kept.push(at);
        let text = format!("'{name}' is taken for a directive of a module that is not known here; check its spelling");
        self.warn(node, Diagnosis::UnknownDirective, text);
        Ok(())
    }

    /// Whether a directive may stand here. False: it may not, and that is no error.
    fn may_stand(&mut self, node: &Node, directive: &Directive) -> Result<bool> {
        let within = self.within_all();
        let tree = &self.reader.tree;
        let parent = || tree.nodes.get(node.parent as usize).map(|parent| tree.name(parent));
        if within.require {
            // `<RequireAny>` and its relatives hold `Require` lines only.
            if directive.place & place::AUTH_CONFIG != 0 {
                return Ok(true);
            }
            let text = not_allowed(directive.name, parent());
            return Err(self.fail(node, text));
        }
        if let Some(allowed) = self.reader.allowed {
            if allowed.has(directive.place, directive.name) {
                return Ok(true);
            }
            if allowed.nonfatal_override {
                return Ok(false);
            }
            let text = not_allowed(directive.name, parent());
            return Err(self.fail(node, text));
        }
        let bits = match within.section {
            true if within.place.proxy => place::SECTION | place::ALL | place::PROXY,
            true => place::SECTION | place::ALL,
            false => place::SERVER | place::ALL & !(place::AUTH_CONFIG | place::LIMIT),
        };
        if directive.place & bits != 0 {
            return Ok(true);
        }
        let text = not_allowed(directive.name, parent());
        Err(self.fail(node, text))
    }

    /// The innermost section.
    pub fn section(&mut self) -> Option<&mut Section> {
        self.stack.iter_mut().rev().find_map(|context| match &mut context.server {
            Some(server) => Some(&mut server.section),
            None => context.section.as_mut(),
        })
    }

    /// The server that is being read.
    pub fn server(&mut self) -> Option<&mut Server> {
        self.stack.iter_mut().rev().find_map(|context| context.server.as_deref_mut())
    }

    /// The methods that the current lines apply to.
    pub fn limit(&self) -> Methods {
        self.stack.last().map_or(methods::ALL, |context| context.limit)
    }

    pub fn within(&self, kinds: &[Kind]) -> Option<&Context> {
        self.stack.iter().rev().find(|context| kinds.contains(&context.kind))
    }

    /// Whether a section other than a server is open.
    pub fn in_directory(&self) -> bool {
        self.within(&[Kind::Directory, Kind::Location, Kind::Files, Kind::If, Kind::Proxy, Kind::Htaccess]).is_some()
    }

    pub fn in_host(&self) -> bool {
        self.within(&[Kind::Host]).is_some()
    }

    /// Ends the innermost section and adds it to the one around it, or to its server.
    fn leave(&mut self) -> Result<()> {
        let Some(context) = self.stack.pop() else { return Ok(()) };
        if let Some(mut server) = context.server {
            self.finish(&mut server.section, context.requires, context.values);
            self.servers.push(server);
            return Ok(());
        }
        if context.kind == Kind::Require {
            return self.leave_require(context);
        }
        let Some(mut section) = context.section else {
            if let Some(outer) = self.stack.last_mut() {
                outer.requires.extend(context.requires);
            }
            return Ok(());
        };
        self.finish(&mut section, context.requires, context.values);
        match context.kind {
            Kind::Directory => self.server().map(|server| add(&mut server.dirs, section)),
            Kind::Location => self.server().map(|server| add(&mut server.locations, section)),
            Kind::Files => self.section().map(|outer| outer.files.push(Arc::new(section))),
            Kind::If => self.section().map(|outer| outer.ifs.push(Arc::new(section))),
            _ => None,
        };
        Ok(())
    }

    /// Gives a section what was kept until its end, and a number if it sets values.
    fn finish(&mut self, section: &mut Section, requires: Vec<Requirement>, values: usize) {
        if !requires.is_empty() {
            section.core_mut().requires = Some(Box::new(Requirement::container(Rule::Any, requires)));
        }
        if values >= self.open_values.len() {
            return;
        }
        let from = self.values.len();
        self.values.extend(self.open_values.drain(values..));
        section.values = Values::new(from as u32..self.values.len() as u32);
        self.ids += 1;
        section.id = self.ids;
        // The text of an access file is not kept.
        if self.reader.allowed.is_some() {
            section.values.get(|lines| values_of(&self.reader.tree, &self.values[lines]));
        }
    }

    fn leave_require(&mut self, context: Context) -> Result<()> {
        let name = lossy(self.reader.tree.slice(context.name)).into_owned();
        let fail = |text: String| Err(Error::new(Code::Refused, text).at(context.origin.clone()));
        if context.requires.is_empty() {
            return fail(format!("{name}> directive contains no authorization directives"));
        }
        let around = match self.stack.last().map(|outer| outer.act) {
            Some(Act::RequireAll) => None,
            Some(Act::RequireNone) => Some("<RequireNone>"),
            _ => Some("<RequireAny>"),
        };
        if let (Act::RequireNone, Some(around)) = (context.act, around) {
            return fail(format!("{name}> directive has no effect in {around} directive"));
        }
        // httpd checks this in a server's own files only; in an `.htaccess` such a section lets nobody in.
        let only_negative = context.act == Act::RequireAll && context.requires.iter().all(Requirement::is_negative);
        if only_negative && self.reader.allowed.is_none() {
            return fail(format!("{name}> directive contains only negative authorization directives"));
        }
        let rule = match context.act {
            Act::RequireAll => Rule::All,
            Act::RequireNone => Rule::None,
            _ => Rule::Any,
        };
        if let Some(outer) = self.stack.last_mut() {
            outer.requires.push(Requirement::container(rule, context.requires));
        }
        Ok(())
    }

    pub fn push_context(
        &mut self,
        kind: Kind,
        act: Act,
        node: &Node,
        section: Option<Section>,
    ) -> std::result::Result<(), String> {
        if self.stack.len() > MAX_NESTING {
            return Err(format!("Sections are nested more than {MAX_NESTING} deep"));
        }
        let (end, name) = (node.end, Tree::name_piece(node));
        let within = self.within_all().and(kind, self.reader.tree.slice(name));
        let values = self.open_values.len();
        let limit = self.limit();
        // Sections of `Require` lines are checked when they end.
        let origin = if kind == Kind::Require { self.reader.tree.node_origin(node) } else { Origin::default() };
        self.stack.push(Context {
            kind,
            end,
            within,
            section,
            values,
            server: None,
            requires: Vec::new(),
            limit,
            act,
            name,
            origin,
        });
        Ok(())
    }
}

/// Adds a section. Sections are large, and most virtual hosts have one of a kind: no room is taken for more before there are.
fn add(list: &mut Vec<Section>, section: Section) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(section);
}

/// The values that lines set.
pub(crate) fn values_of(tree: &Tree, lines: &[u32]) -> DirConfig {
    let mut all = DirConfig::new();
    for &at in lines {
        let node = &tree.nodes[at as usize];
        if let Some(kind) = ValueKind::of(tree.name(node)) {
            let mut words = tokens::Tokens::new(tree.args(node));
            all.set(kind, &words.word(), &words.word(), tree.node_origin(node));
        }
    }
    all
}

impl<'r, 'f> Builder<'r, 'f> {
    fn new(reader: &'r mut Reader<'f>, context: Context) -> Self {
        let (servers, kept, stack) = (Vec::new(), Vec::new(), vec![context]);
        Self {
            reader,
            stack,
            servers,
            php_ini_dir: None,
            kept,
            values: Vec::new(),
            open_values: Vec::new(),
            unruled: [0; 16],
            methods: Registered::default(),
            last_root: None,
            types_config: None,
            patterns: 0,
            ids: 0,
        }
    }
}

/// A builder for an `.htaccess`.
pub(crate) fn htaccess<'r, 'f>(reader: &'r mut Reader<'f>, section: Section) -> Builder<'r, 'f> {
    let context = Context {
        kind: Kind::Htaccess,
        end: u32::MAX,
        within: Within { section: false, ..Within::default().and(Kind::Htaccess, b"") },
        section: Some(section),
        values: 0,
        server: None,
        requires: Vec::new(),
        limit: methods::ALL,
        act: Act::Keep,
        name: Piece::default(),
        origin: Origin::default(),
    };
    Builder::new(reader, context)
}

/// The section that was built for an `.htaccess`.
pub(crate) fn finish_htaccess(mut builder: Builder<'_, '_>) -> Option<Section> {
    let context = builder.stack.pop()?;
    let mut section = context.section?;
    builder.finish(&mut section, context.requires, context.values);
    Some(section)
}

/// A builder for a server's files.
pub(crate) fn server<'r, 'f>(reader: &'r mut Reader<'f>) -> Builder<'r, 'f> {
    let main = Server::new(ServerLayer::Server, Origin::default());
    let context = Context {
        kind: Kind::Server,
        end: u32::MAX,
        within: Within::default(),
        section: None,
        values: 0,
        server: Some(Box::new(main)),
        requires: Vec::new(),
        limit: methods::ALL,
        act: Act::Keep,
        name: Piece::default(),
        origin: Origin::default(),
    };
    Builder::new(reader, context)
}

/// The servers that were built, the main one first.
pub(crate) fn finish_server(builder: &mut Builder<'_, '_>) -> Servers {
    let hosts = std::mem::take(&mut builder.servers);
    let mut all = Vec::with_capacity(hosts.len() + 1);
    if let Some(context) = builder.stack.pop()
        && let Some(mut main) = context.server
    {
        builder.finish(&mut main.section, context.requires, context.values);
        all.push(main);
    }
    let main = all.first().and_then(|main| main.name.clone());
    for mut host in hosts {
        host.derive_name(main.as_deref());
        all.push(host);
    }
    all.iter_mut().for_each(|server| server.finish());
    all
}

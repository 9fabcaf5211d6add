//! The first pass: files, macros and `If` containers become one tree (facts ).

use super::allowed::Allowed;
use super::conditions::Verdict;
use super::defines::{Defines, Expanded};
use super::directives::Act;
use super::lines::Lines;
use super::macros::{Macro, Macros};
use super::messages::{lossy, not_allowed, push};
use super::modules::{Registry, place};
use super::options::Options;
use super::tokens::{next_token, same_name};
use super::tree::{Dead, NONE, Node, Source, Tree, UNKNOWN};
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::{Code, Error, Result};
use crate::files::Files;
use crate::find;
use crate::origin::Origin;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Nested includes; Apache stops at a recursion too.
const MAX_DEPTH: usize = 128;
/// Limits for all uses of macros together: bytes of text, and number of uses, each of which keeps its origin. Only a configuration
/// that doubles at every step exceeds them.
const MAX_MADE: u64 = 64 << 20;
const MAX_USES: u64 = 200_000;
/// Lines read in all, repeated ones included.
const MAX_LINES: u64 = 20_000_000;
/// Files read in all, repeated ones included.
const MAX_READ: usize = 120_000;

/// Refusals that are kept.
const MAX_REFUSALS: usize = 1000;

/// A section or container that is open in one text.
enum Open {
    Section(u32),
    /// A true `<If…>` container, with its closing line.
    Block(Box<[u8]>),
}

/// One text that is being read.
struct Frame {
    lines: Lines,
    source: u32,
    parent: u32,
    open: Vec<Open>,
    /// While a false container is skipped: the sections that are open in it, and the line where it began.
    skipped: Vec<Box<[u8]>>,
    skipped_line: u32,
    /// Where the text behind that line begins, if the container is meant for another PHP, and that line.
    dead: Option<(usize, Box<[u8]>)>,
    /// The macro that is being defined.
    body: Option<Macro>,
    /// Files still to be read at the same place, last first.
    queue: Vec<Result<PathBuf>>,
    /// The macro whose body this text is.
    uses: Option<Box<[u8]>>,
}

/// The state of reading, and its results.
pub(crate) struct Reader<'f> {
    pub files: &'f dyn Files,
    pub registry: Arc<Registry>,
    pub defines: Arc<Defines>,
    pub macros: Arc<Macros>,
    pub root: PathBuf,
    /// The file that the first `LoadModule` of mod_php names, and where.
    pub php_module: Option<(PathBuf, Origin)>,
    /// What the first `LoadModule` of mod_outlive names.
    pub outlive_module: Option<PathBuf>,
    /// Set for `.htaccess`.
    pub allowed: Option<Allowed<'f>>,
    /// The options that `AllowOverride Options=` permits.
    pub allowed_options: Option<u16>,
    pub version: (u32, u32, u32),
    pub tree: Tree,
    pub diagnostics: Vec<Diagnostic>,
    /// The result depends on other files: `<IfFile>`.
    pub asks: bool,
    /// The result depends on the loaded modules, in another way than through directives that act while they are read.
    pub asks_modules: bool,
    /// Set: lines that are refused are put here, and reading goes on behind them.
    pub refusals: Option<Vec<Error>>,
    /// What `Include`s have looked at, and how many files were opened.
    pub include_looks: usize,
    files_read: usize,
    lines_read: u64,
    macro_bytes: u64,
    macro_uses: u64,
}

/// What follows a line.
enum Step {
    Next,
    Enter(Box<Frame>),
}

impl<'f> Reader<'f> {
    pub fn new(files: &'f dyn Files, root: PathBuf, options: &Options, registry: Registry) -> Self {
        Self::again(files, root, options.version, Arc::new(registry), Arc::new(Defines::new(options)), Arc::default())
    }

    /// A reader with the modules, definitions and macros of another one.
    pub fn again(
        files: &'f dyn Files,
        root: PathBuf,
        version: (u32, u32, u32),
        registry: Arc<Registry>,
        defines: Arc<Defines>,
        macros: Arc<Macros>,
    ) -> Self {
        Self {
            files,
            registry,
            defines,
            macros,
            root,
            php_module: None,
            outlive_module: None,
            allowed: None,
            allowed_options: None,
            version,
            tree: Tree::default(),
            diagnostics: Vec::new(),
            asks: false,
            asks_modules: false,
            refusals: None,
            include_looks: 0,
            files_read: 0,
            lines_read: 0,
            macro_bytes: 0,
            macro_uses: 0,
        }
    }

    /// Reads the main file; a directory stands for the files in it.
    pub fn read_main(&mut self, path: &Path) -> Result<()> {
        let queue = vec![Ok(path.to_path_buf())];
        self.run(Frame::list(queue, NONE))
    }

    /// Reads one text.
    pub fn read_text(&mut self, text: &[u8], file: Option<Arc<[u8]>>) -> Result<()> {
        let lines = Lines::new(text.into());
        let source = self.tree.add_source(Source { file, text: Arc::clone(lines.text()), macro_lines: None })?;
        self.run(Frame::text(lines, source, NONE))
    }

    fn run(&mut self, first: Frame) -> Result<()> {
        let mut stack = vec![first];
        while let Some(mut frame) = stack.pop() {
            match self.frame(&mut frame, &stack) {
                Ok(Step::Next) => {}
                Ok(Step::Enter(inner)) => {
                    stack.push(frame);
                    stack.push(*inner);
                    if stack.len() > 2 * MAX_DEPTH {
                        let text =
                            format!("Exceeded maximum include depth of {MAX_DEPTH}, There appears to be a recursion.");
                        return Err(Error::new(Code::TooLarge, text).at(self.last_origin(&stack)));
                    }
                }
                Err(error) => return Err(self.with_chain(error, &stack)),
            }
        }
        Ok(())
    }

    fn last_origin(&self, stack: &[Frame]) -> crate::origin::Origin {
        let frame = stack.iter().rev().find(|frame| frame.source != NONE);
        frame.map(|frame| self.tree.origin(frame.source, frame.lines.number)).unwrap_or_default()
    }

    /// Adds the lines that led to the text in which an error is.
    fn with_chain(&self, mut error: Error, stack: &[Frame]) -> Error {
        for frame in stack.iter().rev().filter(|frame| frame.source != NONE).take(8) {
            let from = self.tree.origin(frame.source, frame.lines.number);
            if from.file.is_some() {
                error.message.push_str(&format!(" (read from {from})"));
            }
        }
        error
    }

    fn frame(&mut self, frame: &mut Frame, stack: &[Frame]) -> Result<Step> {
        if let Some(next) = frame.queue.pop() {
            return match next.and_then(|path| self.open_file(&path, frame.parent)) {
                Ok(inner) => Ok(Step::Enter(Box::new(inner))),
                Err(error) => {
                    let error = if error.origin.file.is_none() { error.at(self.last_origin(stack)) } else { error };
                    self.go_on(error, stack).map(|()| Step::Enter(Box::new(Frame::list(Vec::new(), frame.parent))))
                }
            };
        }
        let text = Arc::clone(frame.lines.text());
        while let Some(line) = frame.lines.next_line(&text) {
            self.lines_read += 1;
            if self.lines_read > MAX_LINES {
                return Err(self.error(
                    frame,
                    frame.lines.number,
                    "More than 20 million lines: check macros and includes",
                    Code::TooLarge,
                ));
            }
            match self.line(frame, &line, stack) {
                Ok(Step::Next) => {}
                Ok(enter) => return Ok(enter),
                Err(error) => {
                    self.go_on(error, stack)?;
                    // What a container holds that was not opened is not known.
                    let name = next_token(&line).0;
                    if name.starts_with(b"<") && !name.starts_with(b"</") && frame.skipped.is_empty() {
                        frame.start_skipping(&lossy(name.strip_suffix(b">").unwrap_or(&name)));
                    }
                }
            }
        }
        if let Err(error) = self.end(frame) {
            self.go_on(error, stack)?;
        }
        Ok(Step::Next)
    }

    /// Keeps a refusal where all of them are asked for.
    fn go_on(&mut self, error: Error, stack: &[Frame]) -> Result<()> {
        match self.refusals {
            None => Err(error),
            Some(_) => {
                let error = self.with_chain(error, stack);
                self.keep_refusal(error)
            }
        }
    }

    /// The same for what the second pass refuses.
    pub fn keep_refusal(&mut self, error: Error) -> Result<()> {
        match &mut self.refusals {
            Some(all) if error.code != Code::TooLarge && all.len() < MAX_REFUSALS => {
                all.push(error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn open_file(&mut self, path: &Path, parent: u32) -> Result<Frame> {
        use std::os::unix::ffi::OsStrExt;
        self.files_read += 1;
        if self.files_read > MAX_READ {
            let text = "More than 120,000 files are read: look for files that are included again and again";
            return Err(Error::new(Code::TooLarge, text));
        }
        // What stands for nothing may be named.
        if path == Path::new("/dev/null") {
            return Ok(Frame::list(Vec::new(), parent));
        }
        let bytes = self.files.read(path).map_err(|error| {
            let text = format!("Could not open configuration file {}: {error}", path.display());
            Error::new(Code::Io, text)
        })?;
        let lines = Lines::new(bytes);
        let file = Some(path.as_os_str().as_bytes().into());
        let source = self.tree.add_source(Source { file, text: Arc::clone(lines.text()), macro_lines: None })?;
        Ok(Frame::text(lines, source, parent))
    }

    fn line(&mut self, frame: &mut Frame, line: &[u8], stack: &[Frame]) -> Result<Step> {
        if frame.body.is_some() {
            self.macro_line(frame, line)?;
            return Ok(Step::Next);
        }
        if !frame.skipped.is_empty() {
            self.skip(frame, line)?;
            return Ok(Step::Next);
        }
        if line.is_empty() || line[0] == b'#' {
            return Ok(Step::Next);
        }
        if let Some(Open::Block(close)) = frame.open.last()
            && line.eq_ignore_ascii_case(close)
        {
            frame.open.pop();
            return Ok(Step::Next);
        }
        let line = self.expand(frame, line)?;
        let (name, args) = next_token(&line);
        if name.is_empty() {
            return Ok(Step::Next);
        }
        if name.starts_with(b"</") {
            self.close(frame, &name)?;
            return Ok(Step::Next);
        }
        let (name, args) = opened(&name, args);
        self.directive(frame, name, args, stack)
    }

    fn expand<'l>(&mut self, frame: &Frame, line: &'l [u8]) -> Result<Cow<'l, [u8]>> {
        if !frame.lines.has_dollar || find::one(b'$', line).is_none() {
            return Ok(Cow::Borrowed(line));
        }
        let origin = self.tree.origin(frame.source, frame.lines.number);
        let diagnostics = &mut self.diagnostics;
        let expanded = self.defines.expand(line, |name| {
            let message = format!("Config variable ${{{}}} is not defined", String::from_utf8_lossy(name));
            push(diagnostics, Severity::Warning, Diagnosis::UndefinedVariable, origin.clone(), message);
        });
        match expanded {
            Expanded::Line(line) => Ok(line),
            Expanded::TooLong => Err(self.error(frame, frame.lines.number, "Line too long", Code::TooLarge)),
        }
    }

    fn directive(&mut self, frame: &mut Frame, name: &[u8], args: &[u8], stack: &[Frame]) -> Result<Step> {
        let number = self.registry.find(name).unwrap_or(UNKNOWN);
        if number != UNKNOWN && self.registry.directive(number).place & place::ON_READ != 0 {
            let directive = *self.registry.directive(number);
            if let Some(allowed) = self.allowed.filter(|allowed| !allowed.has(directive.place, directive.name)) {
                return self.forbidden(frame, allowed, directive.name);
            }
            if let Some(wrong) = directive.arity.complaint(directive.name, args) {
                return Err(self.refused(frame, wrong));
            }
            return self.act(frame, directive.act, directive.name, args, stack);
        }
        let node = Node::new(number, frame.source, frame.lines.number, frame.section());
        let pushed = self.tree.push(name, args, node);
        let at = pushed.map_err(|e| e.at(self.tree.origin(frame.source, frame.lines.number)))?;
        if name.first() == Some(&b'<') {
            frame.open.push(Open::Section(at));
        } else {
            self.tree.nodes[at as usize].end = at + 1;
        }
        Ok(Step::Next)
    }

    /// A line of an `.htaccess` that `AllowOverride` does not allow.
    fn forbidden(&mut self, frame: &mut Frame, allowed: Allowed<'_>, name: &str) -> Result<Step> {
        if !allowed.nonfatal_override {
            let parent = self.tree.nodes.get(frame.section() as usize).map(|node| self.tree.name(node));
            return Err(self.refused(frame, not_allowed(name, parent)));
        }
        // Only the line is skipped; the end of a container then has nothing to end.
        Ok(Step::Next)
    }

    /// Directives that act while they are read.
    fn act(&mut self, frame: &mut Frame, act: Act, name: &str, args: &[u8], stack: &[Frame]) -> Result<Step> {
        match act {
            Act::Skip => frame.start_skipping(name),
            Act::Define | Act::UnDefine => self.define(frame, act, args)?,
            Act::Include | Act::IncludeOptional => {
                let (path, _) = next_token(args);
                let queue = self.include_list(&path, act == Act::IncludeOptional);
                let queue: Vec<_> = queue.into_iter().map(|r| r.map_err(|e| e.at(self.here(frame)))).rev().collect();
                return Ok(Step::Enter(Box::new(Frame::list(queue, frame.section()))));
            }
            Act::LoadModule => self.load_module(frame, args)?,
            Act::ServerRoot => self.server_root(frame, args)?,
            Act::Macro => {
                let body = self.macros.begin(args, self.here(frame)).map_err(|text| self.refused(frame, text))?;
                frame.body = Some(body);
            }
            Act::Use => return self.use_macro(frame, args, stack),
            Act::UndefMacro => {
                Arc::make_mut(&mut self.macros).remove(&next_token(args).0).map_err(|text| self.refused(frame, text))?
            }
            Act::IfModule | Act::IfDefine | Act::IfVersion | Act::IfFile | Act::IfDirective | Act::IfSection => {
                self.asks |= act == Act::IfFile;
                self.asks_modules |= matches!(act, Act::IfModule | Act::IfDirective | Act::IfSection);
                match self.condition(act, args) {
                    Verdict::Holds => frame.open.push(Open::Block(closing(name))),
                    Verdict::Fails => {
                        if self.note_skipped_php(act, args, self.here(frame)) {
                            frame.dead = Some((frame.lines.at, [name.as_bytes(), b" ", args].concat().into()));
                        }
                        frame.start_skipping(name);
                    }
                    Verdict::Wrong(text) => return Err(self.refused(frame, text)),
                }
            }
            _ => {}
        }
        Ok(Step::Next)
    }

    fn define(&mut self, frame: &Frame, act: Act, args: &[u8]) -> Result<()> {
        let mut words = super::tokens::Tokens::new(args);
        let name = words.word();
        if memchr::memchr(b':', &name).is_some() {
            return Err(self.refused(frame, "Variable name must not contain ':'".into()));
        }
        if act == Act::Define {
            Arc::make_mut(&mut self.defines).define(&name, words.next().as_deref());
        } else {
            Arc::make_mut(&mut self.defines).undefine(&name);
        }
        Ok(())
    }

    fn load_module(&mut self, frame: &Frame, args: &[u8]) -> Result<()> {
        let (identifier, file) = next_token(args);
        if super::modules::is_mod_php(&identifier) && self.php_module.is_none() {
            let origin = self.here(frame);
            self.php_module = Some((self.absolute(&next_token(file).0), origin));
        }
        if *identifier == *b"outlive_module" && self.outlive_module.is_none() {
            self.outlive_module = Some(self.absolute(&next_token(file).0));
        }
        let known = Arc::make_mut(&mut self.registry).load(&identifier).map_err(|e| e.at(self.here(frame)))?;
        if !known {
            let message = format!(
                "Module {} is not one of the stock modules: its directives are kept, but not checked",
                String::from_utf8_lossy(&identifier)
            );
            let origin = self.here(frame);
            push(&mut self.diagnostics, Severity::Note, Diagnosis::UnknownModule, origin, message);
        }
        Ok(())
    }

    fn server_root(&mut self, frame: &Frame, args: &[u8]) -> Result<()> {
        let (path, _) = next_token(args);
        let path = self.absolute(&path);
        match self.files.kind(&path) {
            Ok(crate::files::Kind::Directory) => self.root = path,
            _ => return Err(self.refused(frame, "ServerRoot must be a valid directory".into())),
        }
        Ok(())
    }

    fn use_macro(&mut self, frame: &Frame, args: &[u8], stack: &[Frame]) -> Result<Step> {
        let active = |name: &[u8]| {
            let mut frames = stack.iter().chain(std::iter::once(frame));
            frames.any(|frame| frame.uses.as_deref() == Some(name))
        };
        let used = self.macros.instance(args, &self.here(frame), active).map_err(|text| self.refused(frame, text))?;
        self.macro_bytes += used.text.len() as u64;
        self.macro_uses += 1;
        if self.macro_bytes > MAX_MADE || self.macro_uses > MAX_USES {
            let text = "Macros make more than 64 MiB of text or are used more than 200,000 times in all: check those that use others";
            return Err(self.error(frame, frame.lines.number, text, Code::TooLarge));
        }
        let lines = Lines::new(used.text);
        let source = Source { file: used.file, text: Arc::clone(lines.text()), macro_lines: Some(used.lines) };
        let source = self.tree.add_source(source).map_err(|error| error.at(self.here(frame)))?;
        let mut inner = Frame::text(lines, source, frame.section());
        inner.uses = Some(used.name);
        Ok(Step::Enter(Box::new(inner)))
    }

    fn macro_line(&mut self, frame: &mut Frame, line: &[u8]) -> Result<()> {
        let Some(body) = frame.body.as_mut() else { return Ok(()) };
        if body.take(line, frame.lines.number).map_err(|text| self.refused(frame, text))?
            && let Some(body) = frame.body.take()
        {
            Arc::make_mut(&mut self.macros).insert(body, |text, origin| {
                push(&mut self.diagnostics, Severity::Warning, Diagnosis::Macro, origin, text);
            });
        }
        Ok(())
    }

    /// Inside a false container only what looks like a section matters.
    fn skip(&mut self, frame: &mut Frame, line: &[u8]) -> Result<()> {
        if line.first() != Some(&b'<') && !matches!(line.first(), Some(b'"' | b'\'')) {
            return Ok(());
        }
        let (name, args) = next_token(line);
        if !name.starts_with(b"<") {
            return Ok(());
        }
        let Some(open) = frame.skipped.last() else { return Ok(()) };
        if let Some(closed) = name.strip_prefix(b"</") {
            let closed = &closed[..closed.len().saturating_sub(1)];
            if !closed.eq_ignore_ascii_case(&open[1..]) {
                let text = format!("Expected </{}> but saw </{}>", lossy(&open[1..]), lossy(closed));
                return Err(self.error(frame, frame.skipped_line, &text, Code::Refused));
            }
            frame.skipped.pop();
            if let Some((from, opening)) = frame.dead.take_if(|_| frame.skipped.is_empty()) {
                let inside = Tree::part(frame.source, from, frame.lines.at);
                self.tree.dead.push(Dead { source: frame.source, line: frame.skipped_line, opening, inside });
            }
            return Ok(());
        }
        let bare = if args.is_empty() { name.strip_suffix(b">").unwrap_or(&name) } else { &name };
        frame.skipped.push(bare.into());
        Ok(())
    }

    fn close(&mut self, frame: &mut Frame, name: &[u8]) -> Result<()> {
        let Some(&Open::Section(at)) = frame.open.last() else {
            let text = format!("{} without matching <{} section", lossy(name), lossy(&name[2..]));
            return Err(self.refused(frame, text));
        };
        let Some(bare) = name.strip_suffix(b">") else {
            return Err(self.refused(frame, format!("{}> directive missing closing '>'", lossy(name))));
        };
        let open = self.tree.name(&self.tree.nodes[at as usize]);
        if !same_name(&bare[2..], &open[1..]) {
            let text = format!("Expected </{}> but saw {}>", lossy(&open[1..]), lossy(bare));
            return Err(self.refused(frame, text));
        }
        self.tree.nodes[at as usize].end = self.tree.nodes.len() as u32;
        frame.open.pop();
        Ok(())
    }

    /// The end of a text: everything opened in it must be closed, unless a true container swallowed the end.
    fn end(&mut self, frame: &mut Frame) -> Result<()> {
        if let Some(open) = frame.skipped.first() {
            let text = format!("Expected </{}> before end of configuration", lossy(&open[1..]));
            return Err(self.error(frame, frame.skipped_line, &text, Code::Refused));
        }
        if let Some(body) = &frame.body {
            return Err(Error::new(Code::Refused, body.not_closed()).at(body.origin.clone()));
        }
        let block = frame.open.iter().position(|open| matches!(open, Open::Block(_)));
        let (outer, swallowed) = frame.open.split_at(block.unwrap_or(frame.open.len()));
        if let Some(Open::Section(last)) = outer.last() {
            let node = self.tree.nodes[*last as usize];
            let text = format!("{}> was not closed.", lossy(self.tree.name(&node)));
            return Err(Error::new(Code::Refused, text).at(self.tree.node_origin(&node)));
        }
        for open in swallowed {
            if let Open::Section(at) = open {
                self.tree.nodes[*at as usize].end = self.tree.nodes.len() as u32;
            }
        }
        Ok(())
    }

    fn here(&self, frame: &Frame) -> crate::origin::Origin {
        self.tree.origin(frame.source, frame.lines.number)
    }

    fn refused(&self, frame: &Frame, text: String) -> Error {
        self.error(frame, frame.lines.number, &text, Code::Refused)
    }

    fn error(&self, frame: &Frame, line: u32, text: &str, code: Code) -> Error {
        let mut text = text.to_owned();
        if let Some(note) = self.tree.macro_note(frame.source) {
            text.push_str(&format!(" (in {note})"));
        }
        Error::new(code, text).at(self.tree.origin(frame.source, line))
    }
}

impl Frame {
    fn text(lines: Lines, source: u32, parent: u32) -> Self {
        let (open, skipped, queue) = (Vec::new(), Vec::new(), Vec::new());
        Self { lines, source, parent, open, skipped, skipped_line: 0, dead: None, body: None, queue, uses: None }
    }

    fn list(queue: Vec<Result<PathBuf>>, parent: u32) -> Self {
        let mut new = Self::text(Lines::new(Vec::new()), NONE, parent);
        new.queue = queue;
        new
    }

    /// The section that a directive would be in.
    fn section(&self) -> u32 {
        let inner = self.open.iter().rev().find_map(|open| match open {
            Open::Section(at) => Some(*at),
            Open::Block(_) => None,
        });
        inner.unwrap_or(self.parent)
    }

    fn start_skipping(&mut self, name: &str) {
        self.skipped_line = self.lines.number;
        self.skipped.push(name.as_bytes().into());
    }
}

/// An opening tag's `>` that stands at its name goes to the arguments, where every section expects it.
fn opened<'a>(name: &'a [u8], args: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let bare = name.strip_suffix(b">").unwrap_or(name);
    if bare.first() == Some(&b'<') && args.is_empty() {
        return (bare, b">");
    }
    (bare, args)
}

fn closing(name: &str) -> Box<[u8]> {
    format!("</{}>", &name[1..]).into_bytes().into()
}

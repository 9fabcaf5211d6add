//! Where a value was written.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration text. Cheap to clone: the file's name is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named when it was opened, bytes as the system gave them; `None` where a value has no file
    /// (a built-in default, the command line, run time).
    pub file: Option<Arc<[u8]>>,
    /// Line, counted from 1; 0 where there is none.
    pub line: u32,
}

impl Origin {
    /// The place `file:line`.
    pub fn new(file: &Arc<[u8]>, line: u32) -> Self {
        Self { file: Some(Arc::clone(file)), line }
    }

    /// The file's name for people; bytes that are not UTF-8 are replaced.
    pub fn file_text(&self) -> Option<String> {
        self.file.as_deref().map(|file| String::from_utf8_lossy(file).into_owned())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file_text() {
            Some(file) if self.line > 0 => write!(f, "{file}:{}", self.line),
            Some(file) => f.write_str(&file),
            None => f.write_str("(no file)"),
        }
    }
}

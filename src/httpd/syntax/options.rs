//! The command line of httpd.

use std::path::PathBuf;

/// The options that httpd would be started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-d`: the directory that relative paths start from; none: `ServerRoot`, else the main file's directory.
    pub server_root: Option<PathBuf>,
    /// `-D NAME`, or `Define NAME VALUE` before the first line.
    pub defines: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// `-C`: directives before the main file.
    pub before: Vec<Vec<u8>>,
    /// `-c`: directives after it.
    pub after: Vec<Vec<u8>>,
    /// The environment, which `${NAME}` falls back to.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// httpd's version, for `<IfVersion>`.
    pub version: (u32, u32, u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_root: None,
            defines: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            env: Vec::new(),
            version: (2, 4, 71),
        }
    }
}

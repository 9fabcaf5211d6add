//! JSON as the library writes it.

pub use outlive::engine::render::writer::{Object, list, maybe, string};

/// A line number; 0 is none.
pub fn line(line: u32) -> String {
    if line > 0 { line.to_string() } else { "null".to_owned() }
}

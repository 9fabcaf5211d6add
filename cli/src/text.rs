//! Bytes as people see them.

pub use outlive::engine::render::shown::shown;

/// A value that may be empty.
pub fn value(bytes: &[u8]) -> String {
    if bytes.is_empty() { "(empty)".to_owned() } else { shown(bytes) }
}

//! Writing JSON: values are bytes, and a byte that is no valid UTF-8 becomes a lone surrogate, as Python's `surrogateescape` has it. No
//! crate writes that.

use std::fmt::Write;

/// Appends a string.
pub fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                control if control.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                other => out.push(other),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\udc{byte:02x}");
        }
    }
    out.push('"');
}

/// Appends a string, or null.
pub fn maybe(out: &mut String, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.push_str("null"),
    }
}

/// An object under construction.
pub struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens it.
    pub fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Begins a member; the value follows.
    pub fn key(&mut self, name: &[u8]) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.out.push_str(", ");
        }
        string(self.out, name);
        self.out.push_str(": ");
        self.out
    }

    /// A text member.
    pub fn text(&mut self, name: &str, value: &[u8]) {
        string(self.key(name.as_bytes()), value);
    }

    /// A text member, or null.
    pub fn maybe(&mut self, name: &str, value: Option<&[u8]>) {
        maybe(self.key(name.as_bytes()), value);
    }

    /// A number, a boolean or null.
    pub fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.key(name.as_bytes()), "{value}");
    }

    /// Closes it.
    pub fn end(self) {
        self.out.push('}');
    }
}

/// Appends a list.
pub fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut String, T)) {
    out.push('[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        each(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_surrogates() {
        let mut out = String::new();
        string(&mut out, b"a\"\\\n\x01\xff\xc3(\xc3\xa9");
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001\\udcff\\udcc3(\u{e9}\"");
    }

    #[test]
    fn objects_and_lists() {
        let mut out = String::new();
        let mut object = Object::new(&mut out);
        object.text("a", b"1");
        object.maybe("b", None);
        list(object.key(b"c"), [1, 2], |out, number| out.push_str(&number.to_string()));
        object.end();
        assert_eq!(out, r#"{"a": "1", "b": null, "c": [1, 2]}"#);
    }
}

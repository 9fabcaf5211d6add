//! `TypesConfig`: which extensions have which media type.

use crate::files::Files;
use std::collections::HashMap;
use std::path::Path;

/// Media types by extension, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Types(HashMap<Box<[u8]>, Box<[u8]>>);

impl Types {
    /// None: the file cannot be read.
    pub fn read(files: &dyn Files, path: &Path) -> Option<Self> {
        let text = files.read(path).ok()?;
        let mut new = Self::default();
        for line in text.split(|&b| b == b'\n').filter(|line| line.first() != Some(&b'#')) {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let Some(media) = words.next() else { continue };
            for extension in words {
                new.0.insert(extension.to_ascii_lowercase().into(), media.into());
            }
        }
        Some(new)
    }

    pub fn get(&self, extension: &[u8]) -> Option<&[u8]> {
        self.0.get(extension).map(|media| &**media)
    }
}

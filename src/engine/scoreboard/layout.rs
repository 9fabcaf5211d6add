//! The layout of the file, and how its head is written and checked.
//!
//! Everything is a 64-bit word in the byte order of the machine. Offsets in bytes:
//!
//! | from | what |
//! | --- | --- |
//! | 0 | head: magic, byte order, layout, row size and rows per block, number of blocks |
//! | 64 | a hint: the first block that may be free |
//! | 72 | how many pages were ever used |
//! | 4,096 | the block table, 40 bytes for each block: owner, boot, namespace, clock, page |
//! | a multiple of 4,096 | the pages, 4,096 bytes each: the first is everybody's, each other one a process's |
//! | behind them | the blocks, 5,248 bytes each: 16 rows of 320 bytes, then a cancel word for each |
//!
//! See [`super::row`] for a row, [`super::page`] for a page, [`super::process`] for an owner.

use super::super::sys::{self, files::Turn};
use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the head, and of a page of counters.
pub const PAGE: usize = 4096;
/// Words of a row.
pub const ROW: usize = 40;
/// Rows of a block.
pub const ROWS: usize = 16;
/// Bytes of a block: its rows, and a cancel word for each.
pub const BLOCK: usize = ROWS * 8 * (ROW + 1);
/// Words of an entry of the block table.
pub const ENTRY: usize = 5;
/// The default number of rows of a new file: 23 MiB, of which only the used part takes disk space.
pub const DEFAULT_ROWS: u32 = 65_536;
/// Rows that any file may have.
pub const MOST_ROWS: u32 = 4 << 20;
/// Pages that any file may have, beside the one that is everybody's.
const MOST_PAGES: u32 = 4095;
/// Where the hint stands, in words.
pub const HINT: usize = 8;
/// The place of the number of pages ever used, in words.
pub const USED_PAGES: usize = 9;

/// The number of this layout.
pub const VERSION: u64 = 2;
const MAGIC: [u8; 8] = *b"OUTLIVES";
const BYTE_ORDER: u64 = 0x0102_0304_0506_0708;
const SHAPE: u64 = (8 * ROW as u64) << 32 | ROWS as u64;
/// Words of the head that never change.
const FIXED: usize = 5;

/// The sizes of a file, never larger than the file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub blocks: u32,
}

impl Layout {
    /// A file for at least so many rows.
    pub fn of_rows(rows: u32) -> Self {
        Self { blocks: rows.clamp(1, MOST_ROWS).div_ceil(ROWS as u32) }
    }

    /// Where the pages begin.
    pub fn table_end(self) -> usize {
        PAGE + (self.blocks as usize * ENTRY * 8).next_multiple_of(PAGE)
    }

    /// How many pages there are.
    pub fn pages(self) -> u32 {
        self.blocks.min(MOST_PAGES) + 1
    }

    /// Where a page begins.
    pub fn page(self, number: u32) -> usize {
        self.table_end() + number as usize * PAGE
    }

    /// Where a block begins.
    pub fn block(self, number: u32) -> usize {
        self.page(self.pages()) + number as usize * BLOCK
    }

    /// Bytes of the whole file.
    pub fn bytes(self) -> usize {
        self.block(self.blocks).next_multiple_of(PAGE)
    }

    /// The fixed words of the head.
    fn head(self) -> [u8; 8 * FIXED] {
        let words = [u64::from_ne_bytes(MAGIC), BYTE_ORDER, VERSION, SHAPE, u64::from(self.blocks)];
        let mut bytes = [0; 8 * FIXED];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A scoreboard.
    Ready(Layout),
    /// Empty, or its creation was interrupted before its head was written.
    Unmade,
    /// A scoreboard of another layout.
    Other(u64),
}

/// Examines an open file; nothing in it is trusted before it was checked.
pub fn judge(path: &Path, file: &File) -> Result<Found> {
    let size = file.metadata().map_err(|error| unusable(path, &error))?.len();
    if size == 0 {
        return Ok(Found::Unmade);
    }
    let mut head = [0; PAGE];
    if size < PAGE as u64 {
        return Err(refused(path, Code::Io, "this is no scoreboard: it is shorter than the head of one"));
    }
    file.read_exact_at(&mut head, 0).map_err(|error| unusable(path, &error))?;
    let word = |number: usize| u64::from_ne_bytes(std::array::from_fn(|byte| head[8 * number + byte]));
    if head == [0; PAGE] && is_size_of_one(size) {
        return Ok(Found::Unmade);
    }
    if head[..8] != MAGIC {
        return Err(refused(path, Code::Io, "this is no scoreboard: it begins otherwise"));
    }
    if word(1) != BYTE_ORDER {
        let text = if word(1) == BYTE_ORDER.swap_bytes() {
            "this scoreboard was written by a machine with another byte order; it can only be read on such a one"
        } else {
            "this scoreboard is damaged: its byte order mark is wrong; delete it when no server uses it"
        };
        return Err(refused(path, Code::Unsupported, text));
    }
    if word(2) != VERSION || word(3) != SHAPE {
        return Ok(Found::Other(word(2)));
    }
    let blocks = u32::try_from(word(4)).ok().filter(|&blocks| blocks > 0 && blocks <= MOST_ROWS / ROWS as u32);
    let Some(layout) = blocks.map(|blocks| Layout { blocks }) else {
        return Err(refused(path, Code::Io, "this scoreboard is damaged: it cannot have so many blocks"));
    };
    if size < layout.bytes() as u64 {
        let text = format!("this scoreboard is damaged: it has {size} bytes and should have {}", layout.bytes());
        return Err(refused(path, Code::Io, &text));
    }
    Ok(Found::Ready(layout))
}

/// Whether a scoreboard can have this size.
fn is_size_of_one(size: u64) -> bool {
    let bytes = |blocks: u32| Layout { blocks }.bytes() as u64;
    let (mut low, mut high) = (1, MOST_ROWS / ROWS as u32);
    while low < high {
        let middle = low + (high - low) / 2;
        if bytes(middle) < size { low = middle + 1 } else { high = middle }
    }
    bytes(low) == size
}

/// For whoever only reads: the layout of the file; `None`: it is still empty.
pub fn readable(path: &Path, file: &File) -> Result<Option<Layout>> {
    match judge(path, file)? {
        Found::Ready(layout) => Ok(Some(layout)),
        Found::Unmade => Ok(None),
        Found::Other(version) => {
            let text = format!(
                "this scoreboard has layout {version}, and this is outlive {} with layout {VERSION}: read it with the outlive that made it; the \
                 first server of this version puts it aside",
                env!("CARGO_PKG_VERSION")
            );
            Err(refused(path, Code::Unsupported, &text))
        }
    }
}

/// Makes an empty file a scoreboard, and returns its kind afterwards, because another process may have been quicker. One process at a time:
/// the maker sets the file's length, which must not be shorter than another process was told.
pub fn make(path: &Path, file: &File, layout: Layout) -> Result<Found> {
    let failed = |error: io::Error| unusable(path, &error);
    let Some(_turn) = Turn::wait(file) else {
        return Err(refused(path, Code::Io, "another process is making this scoreboard, and does not get on with it"));
    };
    match judge(path, file)? {
        Found::Unmade => {}
        made => return Ok(made),
    }
    file.set_len(layout.bytes() as u64).map_err(failed)?;
    sys::reserve(file, 0, layout.page(1) as u64).map_err(failed)?;
    file.write_all_at(&layout.head(), 0).map_err(failed)?;
    Ok(Found::Ready(layout))
}

/// An error of the system.
pub fn unusable(path: &Path, error: &io::Error) -> Error {
    let text = match error.kind() {
        _ if sys::is_link_error(error) => {
            "the scoreboard is a symbolic link, which is not followed: name the file itself".into()
        }
        io::ErrorKind::NotFound => "there is no such scoreboard".into(),
        io::ErrorKind::PermissionDenied => {
            format!("the scoreboard cannot be opened ({error}): its owner and mode say who may use it")
        }
        _ => format!("the scoreboard cannot be used ({error})"),
    };
    refused(path, Code::Io, &text)
}

/// An error about this file.
pub fn refused(path: &Path, code: Code, text: &str) -> Error {
    let file = Arc::from(path.as_os_str().as_encoded_bytes());
    Error::new(code, text).at(Origin { file: Some(file), line: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_as_large_as_their_rows_ask() {
        assert_eq!(Layout::of_rows(DEFAULT_ROWS).blocks, 4096);
        assert_eq!((Layout::of_rows(0).blocks, Layout::of_rows(17).blocks), (1, 2));
        assert_eq!(Layout::of_rows(u32::MAX).blocks, MOST_ROWS / 16);
        for blocks in [1, 2, 4095, 4096, 62_500, MOST_ROWS / 16] {
            let layout = Layout { blocks };
            assert!(is_size_of_one(layout.bytes() as u64) && layout.bytes().is_multiple_of(PAGE));
        }
        assert!(!is_size_of_one(PAGE as u64) && !is_size_of_one(1 << 20) && !is_size_of_one(u64::MAX));
    }
}

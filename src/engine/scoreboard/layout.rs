//! Where what stands in the file, and how its head is written and judged.
//!
//! Everything is a 64-bit word in the byte order of the machine. Offsets in bytes:
//!
//! | from | what |
//! | --- | --- |
//! | 0 | head: magic, byte order, version, row size and rows per block, number of blocks |
//! | 64 | requests that were not shown because there was no room |
//! | 4,096 | the block table, 32 bytes for each block: owner, boot, namespace, clock |
//! | behind it | the gauges, 8 bytes for each block: detached requests that its owner counts there |
//! | a multiple of 4,096 | the blocks, 4,096 bytes each: 16 rows of 256 bytes |
//!
//! See [`super::row`] for a row, [`super::process`] for an owner.

use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the head, and of a block.
pub const PAGE: usize = 4096;
/// Words of a row.
pub const ROW: usize = 32;
/// Rows of a block.
pub const ROWS: usize = PAGE / (8 * ROW);
/// Words of an entry of the block table.
pub const ENTRY: usize = 4;
/// Blocks of a file that is made here: 65,536 rows, 16 MiB of which only what was used takes room.
pub const BLOCKS: u32 = 4096;
/// Blocks that any file may have.
const MOST_BLOCKS: u64 = 1 << 18;
/// Where the number of requests that were not shown stands, in words.
pub const NOT_SHOWN: usize = 8;

const MAGIC: [u8; 8] = *b"OUTLIVES";
const BYTE_ORDER: u64 = 0x0102_0304_0506_0708;
const VERSION: u64 = 2;
const ROW_SHAPE: u64 = (8 * ROW as u64) << 32 | ROWS as u64;
/// Words of the head that never change.
const FIXED: usize = 5;

/// A file's measures. Never more than what the file was seen to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub blocks: u32,
}

impl Layout {
    /// Bytes of the head and the block table.
    pub fn table_end(self) -> usize {
        PAGE + (self.blocks as usize * (ENTRY + 1) * 8).next_multiple_of(PAGE)
    }

    /// Where the gauges begin.
    pub fn gauges(self) -> usize {
        PAGE + self.blocks as usize * ENTRY * 8
    }

    /// Where a block begins.
    pub fn block(self, number: u32) -> usize {
        self.table_end() + number as usize * PAGE
    }

    /// Bytes of the whole file.
    pub fn bytes(self) -> usize {
        self.block(self.blocks)
    }

    /// The fixed words of the head.
    fn head(self) -> [u8; 8 * FIXED] {
        let words = [u64::from_ne_bytes(MAGIC), BYTE_ORDER, VERSION, ROW_SHAPE, u64::from(self.blocks)];
        let mut bytes = [0; 8 * FIXED];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A scoreboard.
    Ready(Layout),
    /// Empty, or the making of it was interrupted before its head was written.
    Unmade,
}

/// Looks at an open file; nothing in it is believed before it was checked.
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
    if head == [0; PAGE] && size == (Layout { blocks: BLOCKS }).bytes() as u64 {
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
    if word(2) != VERSION || word(3) != ROW_SHAPE {
        let text = format!(
            "this scoreboard has layout version {}, and this is outlive {} with version {VERSION}: use the outlive that \
             made it, or delete the file when no server uses it",
            word(2),
            env!("CARGO_PKG_VERSION")
        );
        return Err(refused(path, Code::Unsupported, &text));
    }
    let blocks = u32::try_from(word(4)).ok().filter(|&blocks| blocks > 0 && u64::from(blocks) <= MOST_BLOCKS);
    let Some(layout) = blocks.map(|blocks| Layout { blocks }) else {
        return Err(refused(path, Code::Io, "this scoreboard is damaged: it cannot have so many blocks"));
    };
    if size < layout.bytes() as u64 {
        let text = format!("this scoreboard was cut off: {size} bytes where {} belong", layout.bytes());
        return Err(refused(path, Code::Io, &text));
    }
    Ok(Found::Ready(layout))
}

/// Makes an empty file a scoreboard. Several processes may do so at once: each writes the same.
pub fn make(file: &File, layout: Layout) -> io::Result<()> {
    file.set_len(layout.bytes() as u64)?;
    super::super::sys::reserve(file, 0, layout.table_end() as u64)?;
    file.write_all_at(&layout.head(), 0)
}

/// The system would not.
pub fn unusable(path: &Path, error: &io::Error) -> Error {
    let text = match error.kind() {
        _ if super::super::sys::is_link_error(error) => {
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

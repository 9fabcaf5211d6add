//! The changes that processes other than a row's owner may make: clearing what dead processes left, and cancelling a request.

use super::layout::{self, BLOCK, Layout, ROW, ROWS};
use super::page;
use super::process::{Owner, World};
use super::reader;
use super::row::{RowCopy, RowWriter};
use super::table::Table;
use crate::engine::annex;
use crate::engine::sys::Mapping;
use crate::error::{Code, Result};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Which unfinished requests to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those with this key.
    Key(&'a [u8]),
    /// Those of the process with this number.
    Process(u32),
}

/// Clears the unfinished requests of dead processes; returns how many there were. Requests of living processes are not
/// touched.
pub fn clear(path: &Path, which: Which<'_>) -> Result<usize> {
    let file = reader::open(path, OpenOptions::new().read(true).write(true))?;
    let Some(layout) = layout::readable(path, &file)? else { return Ok(0) };
    // Rows are read from the file. They are mapped only where some rows of a block are cleared and others stay.
    let bytes = if let Which::Key(_) = which { layout.bytes() } else { layout.table_end() };
    let map = Mapping::new(&file, bytes).map_err(|error| layout::unusable(path, &error))?;
    let clearing = Clearing { file: &file, layout, table: Table::new(&map, layout), here: World::this() };
    let blocks = clearing.table.blocks();
    Ok(match which {
        Which::All => blocks.map(|block| clearing.clear(block)).sum(),
        Which::Process(process) => {
            let is_of = |&block: &u32| clearing.table.owner(block).process() == process;
            blocks.filter(is_of).map(|block| clearing.clear(block)).sum()
        }
        Which::Key(key) => {
            let key = annex::kept(key);
            blocks.map(|block| clearing.clear_key(block, &key)).sum()
        }
    })
}

struct Clearing<'a> {
    file: &'a File,
    layout: Layout,
    table: Table<'a>,
    here: World,
}

impl Clearing<'_> {
    fn dead_owner(&self, block: u32) -> Option<Owner> {
        let owner = self.table.owner(block);
        self.table.is_dead(self.file, block, owner, self.here).then_some(owner)
    }

    fn copy(&self, block: u32) -> Option<[u8; BLOCK]> {
        reader::copy_of(self.file, self.layout, block).ok()
    }

    /// A whole block.
    fn clear(&self, block: u32) -> usize {
        let this = Owner::this().cleaning();
        let Some(owner) = self.dead_owner(block).filter(|&owner| self.table.pass(block, owner, this)) else { return 0 };
        let copy = if owner.is_cleaning() { None } else { self.copy(block) };
        let count = copy.map_or(0, |copy| reader::rows(&copy).filter(|row| row.is_live()).count());
        self.table.free(block, this);
        count
    }

    /// Clears the rows with this key. A row's count never repeats, so a row that has a new request meanwhile is not touched.
    fn clear_key(&self, block: u32, key: &[u8]) -> usize {
        let has_key = |row: &RowCopy<'_>| row.is_live() && row.columns().key == key;
        let Some(owner) = self.dead_owner(block).filter(|owner| !owner.is_cleaning()) else { return 0 };
        let Some(copy) = self.copy(block).filter(|copy| reader::rows(copy).any(|row| has_key(&row))) else { return 0 };
        let rows = (0..).zip(reader::rows(&copy)).filter(|(_, row)| has_key(row));
        let count = rows.filter(|(place, row)| RowWriter::of(self.table.block(block), *place).forget(*row)).count();
        if self.copy(block).is_some_and(|copy| !reader::rows(&copy).any(RowCopy::is_live)) {
            self.table.free(block, owner);
        }
        count
    }
}

/// Asks the process that works on a request to cancel it, by the request's number and count; it does so within a quarter of a second, at
/// a safe point. `false`: the request is over, or its process has died.
pub fn cancel(path: &Path, row: u32, count: u64) -> Result<bool> {
    let file = reader::open(path, OpenOptions::new().read(true).write(true))?;
    let Some(layout) = layout::readable(path, &file)? else { return Ok(false) };
    let failed = |error: std::io::Error| layout::unusable(path, &error);
    if count == 0 || !reader::is_there(&file, layout, row, count).map_err(failed)? {
        return Ok(false);
    }
    let (block, place) = (row / ROWS as u32, row as usize % ROWS);
    let at = layout.block(block) + 8 * (ROWS * ROW + place);
    file.write_all_at(&count.to_ne_bytes(), at as u64).map_err(failed)?;
    let entry = reader::entry_at(&file, block).map_err(failed)?;
    page::ask(&file, layout, entry.own_page(layout).unwrap_or(page::COMMON)).map_err(failed)?;
    Ok(true)
}

/// The row and the count of a request from its ID, ROW.COUNT.
pub fn parse_id(text: &str) -> Result<(u32, u64)> {
    let parts = text.split_once('.').and_then(|(row, count)| Some((row.parse().ok()?, count.parse().ok()?)));
    parts.ok_or_else(|| {
        crate::error::Error::new(
            Code::Argument,
            "a request of a scoreboard is named by ROW.COUNT, such as 17.4; outlive status shows them",
        )
    })
}

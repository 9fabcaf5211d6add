//! What a scoreboard's file says, read from outside.
//!
//! The file is read and not mapped, so that whoever cuts it off meanwhile harms no reader. A row is whole when its state was
//! the same in a copy made before and in one made after the copy that its columns are taken from. Whether a
//! process lives is asked before its rows are read, and whether the block is still its own afterwards: what is called
//! unfinished is what a dead process left.

use super::layout::{self, ENTRY, Found, Layout, NOT_SHOWN, PAGE, ROW, ROWS};
use super::process::{Owner, World};
use super::row::{CPU_LEFT, Columns, NO_LIMIT, RowCopy, facts};
use super::writer::Table;
use crate::engine::sys::{self, Mapping};
use crate::engine::{Row, Watching};
use crate::error::{Code, Result};
use crate::request::Stage;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A request in a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreboardRow {
    /// Its process.
    pub process: u32,
    /// Its process has died: what it had begun and not ended. Its ages are those of now, as if it had lived on.
    pub unfinished: bool,
    /// When it began, milliseconds since 1970.
    pub began_unix_ms: u64,
    /// As in the process's own live table.
    pub request: Row,
}

/// A scoreboard at about one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By process, in no particular order within.
    pub rows: Vec<ScoreboardRow>,
    /// Requests that were ever left out because there was no room.
    pub not_shown: u64,
}

/// Times that a row which changes all the time is looked at again.
const TRIES: usize = 8;

/// Reads a scoreboard. A file that is still empty has no rows.
pub fn read(path: &Path) -> Result<Snapshot> {
    let file = open(path, OpenOptions::new().read(true))?;
    let Found::Ready(layout) = layout::judge(path, &file)? else { return Ok(Snapshot::default()) };
    Reader { file, layout, here: World::this(), lives: HashMap::new() }
        .read()
        .map_err(|error| layout::unusable(path, &error))
}

/// Forgets what dead processes left; how many unfinished requests that were. Those of living processes are not touched.
pub fn clear(path: &Path) -> Result<usize> {
    let file = open(path, OpenOptions::new().read(true).write(true))?;
    let Found::Ready(layout) = layout::judge(path, &file)? else { return Ok(0) };
    let failed = |error: io::Error| layout::unusable(path, &error);
    // Only the table: rows are read, not mapped.
    let map = Mapping::new(&file, layout.table_end()).map_err(failed)?;
    let (table, here, this) = (Table::new(&map, layout), World::this(), Owner::this().cleaning());
    let mut cleared = 0;
    for block in table.blocks() {
        let owner = table.owner(block);
        if !table.is_dead(block, owner, here) || !table.pass(block, owner, this) {
            continue;
        }
        if !owner.is_cleaning() {
            let mut page = [0; PAGE];
            if file.read_exact_at(&mut page, layout.block(block) as u64).is_ok() {
                cleared += rows(&page).filter(|row| row.is_live()).count();
            }
        }
        table.pass(block, this, Owner::NOBODY);
    }
    Ok(cleared)
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
    // Looked at before it is opened, because opening a device may do something; and again afterwards.
    let is_other = |facts: &std::fs::Metadata| !facts.is_file() && !facts.file_type().is_symlink();
    if std::fs::symlink_metadata(path).is_ok_and(|facts| is_other(&facts)) {
        return Err(layout::refused(path, Code::Io, "this is no scoreboard: it is not a regular file"));
    }
    let file = sys::open_warily(path, options).map_err(|error| layout::unusable(path, &error))?;
    match file.metadata() {
        Ok(facts) if facts.is_file() => Ok(file),
        Ok(_) => Err(layout::refused(path, Code::Io, "this is no scoreboard: it is not a regular file")),
        Err(error) => Err(layout::unusable(path, &error)),
    }
}

fn rows(page: &[u8; PAGE]) -> impl Iterator<Item = RowCopy<'_>> {
    page.chunks_exact(8 * ROW).map(RowCopy)
}

/// What the block table says of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    owner: Owner,
    world: World,
    clock: u64,
}

impl Entry {
    fn of(bytes: &[u8]) -> Self {
        let word = |number: usize| {
            let bytes = bytes.get(8 * number..8 * number + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_ne_bytes)
        };
        Self { owner: Owner(word(0)), world: World { boot: word(1), namespace: word(2) }, clock: word(3) }
    }

    fn has_rows(self) -> bool {
        self.owner != Owner::NOBODY && !self.owner.is_cleaning()
    }
}

struct Reader {
    file: File,
    layout: Layout,
    here: World,
    lives: HashMap<(Owner, u64, u64), bool>,
}

impl Reader {
    fn read(mut self) -> io::Result<Snapshot> {
        let mut head = vec![0; self.layout.table_end()];
        self.file.read_exact_at(&mut head, 0)?;
        let mut snapshot = Snapshot { rows: Vec::new(), not_shown: Entry::of(&head[8 * NOT_SHOWN..]).owner.0 };
        for block in 0..self.layout.blocks {
            let at = PAGE + block as usize * ENTRY * 8;
            let entry = Entry::of(&head[at..at + ENTRY * 8]);
            if entry.has_rows() {
                self.read_block(block, &mut snapshot.rows)?;
            }
        }
        snapshot.rows.sort_by_key(|row| row.process);
        Ok(snapshot)
    }

    fn entry(&self, block: u32) -> io::Result<Entry> {
        let mut bytes = [0; ENTRY * 8];
        self.file.read_exact_at(&mut bytes, (PAGE + block as usize * ENTRY * 8) as u64)?;
        Ok(Entry::of(&bytes))
    }

    fn read_block(&mut self, block: u32, found: &mut Vec<ScoreboardRow>) -> io::Result<()> {
        for _ in 0..TRIES {
            let entry = self.entry(block)?;
            if !entry.has_rows() {
                return Ok(());
            }
            let lives = self.lives(entry);
            let columns = self.columns(block)?;
            if self.entry(block)? == entry {
                found.extend(columns.into_iter().map(|columns| self.row(entry, !lives, columns)));
                return Ok(());
            }
        }
        Ok(())
    }

    /// A process that lived when it was first asked about may have died since, and is then shown as living; one that was
    /// dead stays so.
    fn lives(&mut self, entry: Entry) -> bool {
        let Entry { owner, world, .. } = entry;
        let here = self.here;
        *self.lives.entry((owner, world.boot, world.namespace)).or_insert_with(|| here.lives(world, owner))
    }

    fn columns(&self, block: u32) -> io::Result<Vec<Columns>> {
        let copy = || {
            let mut page = [0; PAGE];
            self.file.read_exact_at(&mut page, self.layout.block(block) as u64).map(|()| page)
        };
        let mut found: [Option<Columns>; ROWS] = std::array::from_fn(|_| None);
        let mut before = copy()?;
        for _ in 0..TRIES {
            if rows(&before).zip(&found).all(|(row, found)| found.is_some() || !row.is_live()) {
                break;
            }
            let (during, after) = (copy()?, copy()?);
            for (((before, during), after), found) in rows(&before).zip(rows(&during)).zip(rows(&after)).zip(&mut found)
            {
                let same = before.state() == during.state() && before.state() == after.state();
                if found.is_none() && before.is_live() && same {
                    *found = Some(during.columns());
                }
            }
            before = after;
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn row(&self, entry: Entry, unfinished: bool, columns: Columns) -> ScoreboardRow {
        let began_unix_ms = columns.began.wrapping_add(entry.clock);
        // The clock of another boot is behind its own time of day.
        let now = match entry.world.boot == self.here.boot {
            true => sys::now_ms(),
            false => sys::now_ms().wrapping_add(super::process::clock_offset()).wrapping_sub(entry.clock),
        };
        let since = |then: u64| u64::try_from(now.wrapping_sub(then) as i64).unwrap_or(0);
        let has = |bit: u64| columns.facts & bit != 0;
        let time_left_ms = match columns.left {
            NO_LIMIT => None,
            left if left & CPU_LEFT != 0 => Some((left & !CPU_LEFT).min(u64::from(columns.limit) * 1_000)),
            due => Some(due.saturating_sub(now).min(u64::from(columns.limit) * 1_000)),
        };
        let request = Row {
            id: 0,
            key: Vec::new(),
            accepted: false,
            resumed: false,
            age_ms: since(columns.began),
            stage: Stage::of_number((columns.facts & facts::STAGE) as u32),
            status: (columns.facts >> facts::STATUS_SHIFT & 3) as u8,
            gone_ms: columns.gone.map(since),
            held: has(facts::HELD),
            ignores_abort: has(facts::IGNORES),
            finished: has(facts::FINISHED),
            time_limit: columns.limit,
            time_left_ms,
            written: columns.written,
            thread: columns.thread,
            watching: if has(facts::WATCHED) { Watching::Socket } else { Watching::No },
            label: columns.label,
            method: columns.method,
        };
        ScoreboardRow { process: entry.owner.process(), unfinished, began_unix_ms, request }
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    /// A directory of a test's own, gone when the test is over.
    struct Place(std::path::PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("outlive-board-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&place);
            std::fs::create_dir_all(&place).unwrap();
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn change(path: &Path, at: usize, word: u64) {
        let file = OpenOptions::new().write(true).mode(0o600).open(path).unwrap();
        file.write_all_at(&word.to_ne_bytes(), at as u64).unwrap();
    }

    #[test]
    fn a_full_file_is_no_ones_fault_and_room_comes_back() {
        let place = Place::new("full");
        let path = place.0.join("board");
        let small = Layout { blocks: 2 };
        let one = Writer::open_or_make(&path, small).unwrap();
        let other = Writer::open_or_make(&path, Layout { blocks: 9 }).unwrap();
        assert_eq!((one.most(), other.most()), (32, 32), "the file that is there says how large it is");
        assert!(one.row_or_claim(0, 0).is_some() && one.row_or_claim(31, 0).is_some());
        assert!(one.row_or_claim(32, 0).is_none(), "no such row");
        assert!(other.row_or_claim(0, 0).is_none());
        other.count_not_shown();
        assert_eq!(read(&path).unwrap().not_shown, 1);
        assert_eq!((one.not_shown(), other.not_shown()), (0, 1));
        one.release();
        assert!(other.row_or_claim(0, 999).is_none(), "it does not look all the time");
        assert!(other.row_or_claim(0, 1_000).is_some());
    }

    #[test]
    fn what_another_boot_left_is_unfinished_and_what_another_namespace_does_is_not() {
        let place = Place::new("worlds");
        let path = place.0.join("board");
        let layout = Layout { blocks: 2 };
        let writer = Writer::open_or_make(&path, layout).unwrap();
        let row = writer.row_or_claim(0, 0).unwrap();
        let label = [std::sync::atomic::AtomicU64::new(u64::from_ne_bytes(*b"label\0\0\0"))];
        let (began, first) = (
            sys::now_ms(),
            super::super::row::First {
                began: sys::now_ms(),
                limit: 30,
                thread: 1,
                left: NO_LIMIT,
                facts: 1,
                method: 0,
                label: &label,
            },
        );
        row.begin(&first);
        let seen = || read(&path).unwrap().rows;
        assert!(seen().len() == 1 && !seen()[0].unfinished && seen()[0].request.label == b"label");
        assert!(seen()[0].request.age_ms <= sys::now_ms() - began && seen()[0].request.time_left_ms.is_none());

        let here = World::this();
        change(&path, PAGE + 8, here.boot + 1);
        assert!(seen()[0].unfinished, "the machine has been restarted since");
        assert!(seen()[0].request.age_ms < 600_000, "ages are those of the clock on the wall then");
        change(&path, PAGE + 8, here.boot);
        change(&path, PAGE, 4_194_303);
        assert!(seen()[0].unfinished, "there is no such process");
        change(&path, PAGE + 16, here.namespace + 1);
        assert!(!seen()[0].unfinished, "a process of another namespace cannot be judged");
        assert_eq!(clear(&path).unwrap(), 0);
        change(&path, PAGE + 16, here.namespace);
        assert_eq!(clear(&path).unwrap(), 1);
        assert_eq!(seen(), []);
    }

    /// Whatever stands in a file: an answer or an error.
    #[test]
    fn nothing_in_a_file_is_believed() {
        let place = Place::new("noise");
        let path = place.0.join("board");
        let layout = Layout { blocks: 3 };
        let mut noise = 1u64;
        let mut random = || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise
        };
        let (mut answers, mut errors) = (0, 0);
        for _ in 0..400 {
            let _ = std::fs::remove_file(&path);
            let writer = Writer::open_or_make(&path, layout).unwrap();
            let _ = writer.row_or_claim(20, 0);
            for _ in 0..200 {
                // Mostly where the owners are and behind the head, now and then the head itself.
                let words = (layout.bytes() / 8) as u64;
                let at = match random() % 4 {
                    0 => PAGE as u64 / 8 + random() % 12,
                    1 if random() % 300 == 0 => random() % 6,
                    _ => 8 + random() % (words - 8),
                };
                let word = match random() % 3 {
                    0 => random(),
                    1 => u64::MAX,
                    _ => random() % 8,
                };
                change(&path, 8 * at as usize, word);
            }
            if let Some(row) = writer.row(20) {
                row.set_label(&[]);
                row.set_gone(7, || true);
                row.end();
            }
            match read(&path) {
                Ok(_) => answers += 1,
                Err(_) => errors += 1,
            }
            let _ = Writer::open(&path).map(|other| other.row_or_claim(0, 0).is_some());
            assert_eq!(clear(&path).is_ok(), read(&path).is_ok());
        }
        assert!(answers > 0 && errors > 0, "{answers} {errors}");
    }
}

//! Reads a scoreboard's file from outside the engines that write it.
//!
//! The file is read, not mapped, so that truncating it harms no reader. A row is consistent if its state was the same in a
//! copy made before and in one made after the copy of its columns. Whether a process lives is checked before its rows are
//! read, and whether the block is still its own afterwards: so only a dead process's rows are called unfinished.

use super::layout::{self, BLOCK, ENTRY, Layout, PAGE, ROW, ROWS};
use super::process::{Owner, World};
use super::row::{CPU_LEFT, Columns, NO_LIMIT, RowCopy, state};
use super::table::Entry;
use super::totals::{self, Totals};
use crate::engine::sys;
use crate::engine::{Row, Watching};
use crate::error::{Code, Result};
use crate::request::Stage;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A request in a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreboardRow {
    /// Which row of the file.
    pub row: u32,
    /// Which request of that row. Both together name one request for as long as the file lives.
    pub count: u64,
    /// Its process.
    pub process: u32,
    /// Its process has died before it ended. Ages go on counting, as if the process lived.
    pub unfinished: bool,
    /// Its process is unresponsive: it lives, as far as can be seen, and has had no heartbeat for seconds.
    pub unresponsive: bool,
    /// When it began, milliseconds since 1970.
    pub began_unix_ms: u64,
    /// As in the process's own live table.
    pub request: Row,
}

/// The state of a request for people, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its process died before it ended.
    Unfinished,
    /// Its process is unresponsive: it lives, as far as can be seen, and has no heartbeat.
    Unresponsive,
    /// Its client has gone, the work goes on.
    Detached,
    /// Its client is there, as far as is known.
    InFlight,
}

impl State {
    /// The word that people and programs see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Unresponsive => "unresponsive",
            Self::Detached => "detached",
            Self::InFlight => "in flight",
        }
    }
}

impl ScoreboardRow {
    /// Its most urgent state.
    pub fn state(&self) -> State {
        match () {
            () if self.unfinished => State::Unfinished,
            () if self.unresponsive => State::Unresponsive,
            () if self.request.gone_ms.is_some() => State::Detached,
            () => State::InFlight,
        }
    }

    /// The sort key for people: rows that need attention first, the oldest of each kind on top.
    pub fn order(&self) -> impl Ord + use<> {
        (self.state(), self.began_unix_ms, self.process)
    }

    /// Its ID, ROW.COUNT; `None`: it is in no file.
    pub fn id(&self) -> Option<String> {
        (self.count > 0).then(|| format!("{}.{}", self.row, self.count))
    }
}

impl Snapshot {
    /// In the [order](ScoreboardRow::order) that people see.
    pub fn sort(&mut self) {
        self.rows.sort_by_key(ScoreboardRow::order);
    }
}

/// A scoreboard at about one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By process, in no particular order within.
    pub rows: Vec<ScoreboardRow>,
    /// What all processes have counted.
    pub totals: Totals,
}

/// How often a row that keeps changing is read again.
const TRIES: usize = 8;

/// Reads a scoreboard. A file that is still empty has no rows.
///
/// ```no_run
/// let board = outlive::engine::scoreboard::read("/run/app/scoreboard".as_ref())?;
/// let unfinished = board.rows.iter().filter(|row| row.unfinished).count();
/// println!("{unfinished} requests were unfinished when their process died");
/// # Ok::<(), outlive::Error>(())
/// ```
pub fn read(path: &Path) -> Result<Snapshot> {
    let file = open(path, OpenOptions::new().read(true))?;
    let Some(layout) = layout::readable(path, &file)? else { return Ok(Snapshot::default()) };
    read_open(&file, layout).map_err(|error| layout::unusable(path, &error))
}

/// Reads only the counts; the saving grows with the number of requests.
pub fn totals(path: &Path) -> Result<Totals> {
    let file = open(path, OpenOptions::new().read(true))?;
    let Some(layout) = layout::readable(path, &file)? else { return Ok(Totals::default()) };
    totals_of_open(&file, layout).map_err(|error| layout::unusable(path, &error))
}

/// As [`read`], of an open file.
pub(super) fn read_open(file: &File, layout: Layout) -> io::Result<Snapshot> {
    let here = World::this();
    let entries = entries(file, layout)?;
    let mut totals = totals::read(file, layout, here, &entries)?;
    let mut reader = Reader { file, layout, here, lives: HashMap::new() };
    let mut rows = Vec::new();
    for (block, entry) in entries {
        let first = rows.len();
        let owner = reader.read_block(block, entry, &mut rows)?;
        let page = owner.and_then(|entry| entry.own_page(layout));
        // By the page: equal numbers may be those of two processes, in different PID namespaces.
        if totals.unresponsive.iter().any(|process| Some(process.page) == page) {
            rows[first..].iter_mut().for_each(|row| row.unresponsive = !row.unfinished);
        }
    }
    totals.unfinished = rows.iter().filter(|row| row.unfinished).count() as u64;
    rows.sort_by_key(|row| row.process);
    Ok(Snapshot { rows, totals })
}

/// As [`totals()`], of an open file.
pub(super) fn totals_of_open(file: &File, layout: Layout) -> io::Result<Totals> {
    let here = World::this();
    let entries = entries(file, layout)?;
    let mut totals = totals::read(file, layout, here, &entries)?;
    let mut reader = Reader { file, layout, here, lives: HashMap::new() };
    let mut rows = Vec::new();
    for (block, entry) in entries {
        if !reader.lives(entry) {
            reader.read_block(block, entry, &mut rows)?;
        }
    }
    totals.unfinished = rows.iter().filter(|row| row.unfinished).count() as u64;
    Ok(totals)
}

/// The renamed scoreboards of other layouts, with their layouts: processes that were started before an update may still use them.
pub fn put_aside(path: &Path) -> Vec<(PathBuf, u64)> {
    let name = |layout: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".layout{layout}"));
        PathBuf::from(name)
    };
    let all = (1..=layout::VERSION + 8).map(|layout| (name(layout), layout));
    all.filter(|(path, _)| std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())).collect()
}

/// A request of a scoreboard by its row and count, in order to cancel it; `None`: it is over, or there never was one.
pub(super) fn is_there(file: &File, layout: Layout, row: u32, count: u64) -> io::Result<bool> {
    let (block, place) = (row / ROWS as u32, row as usize % ROWS);
    if block >= layout.blocks {
        return Ok(false);
    }
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, (layout.block(block) + 8 * ROW * place) as u64)?;
    let row = RowCopy(&bytes);
    let entry = entry_at(file, block)?;
    Ok(row.is_live() && row.count() == count && entry.has_rows() && entry.lives(file, layout, World::this()))
}

/// Opens a file for reading that other users may have replaced.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
    // Checked before it is opened, because opening a device may have effects, and again afterwards.
    let is_other = |metadata: &std::fs::Metadata| !metadata.is_file() && !metadata.file_type().is_symlink();
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| is_other(&metadata)) {
        return Err(layout::refused(path, Code::Io, "this is no scoreboard: it is not a regular file"));
    }
    let opened = if is_descriptor(path) { options.open(path) } else { sys::open_warily(path, options) };
    let file = opened.map_err(|error| layout::unusable(path, &error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(layout::refused(path, Code::Io, "this is no scoreboard: it is not a regular file")),
        Err(error) => Err(layout::unusable(path, &error)),
    }
}

/// Whether it is an open file of a process, /proc/PID/fd/N, which is the only name that a scoreboard of memory alone has. These are links of
/// the kernel's.
fn is_descriptor(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    matches!(parts[..], ["/", "proc", process, "fd", number]
        if (process == "self" || process.parse::<u32>().is_ok()) && number.parse::<u32>().is_ok())
        && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// The blocks that have rows.
pub(super) fn entries(file: &File, layout: Layout) -> io::Result<Vec<(u32, Entry)>> {
    let mut table = vec![0; layout.table_end() - PAGE];
    file.read_exact_at(&mut table, PAGE as u64)?;
    let all = table.chunks_exact(8 * ENTRY).take(layout.blocks as usize).map(Entry::of_bytes);
    Ok((0..).zip(all).filter(|(_, entry)| entry.has_rows()).collect())
}

/// The rows of a copied block.
pub(super) fn rows(block: &[u8; BLOCK]) -> impl Iterator<Item = RowCopy<'_>> {
    block.chunks_exact(8 * ROW).take(ROWS).map(RowCopy)
}

pub(super) fn copy_of(file: &File, layout: Layout, block: u32) -> io::Result<[u8; BLOCK]> {
    let mut copy = [0; BLOCK];
    file.read_exact_at(&mut copy, layout.block(block) as u64).map(|()| copy)
}

pub(super) fn entry_at(file: &File, block: u32) -> io::Result<Entry> {
    let mut bytes = [0; ENTRY * 8];
    file.read_exact_at(&mut bytes, (PAGE + block as usize * ENTRY * 8) as u64)?;
    Ok(Entry::of_bytes(&bytes))
}

struct Reader<'a> {
    file: &'a File,
    layout: Layout,
    here: World,
    lives: HashMap<(Owner, u64, u64, u64), bool>,
}

impl Reader<'_> {
    /// Whose rows were found; `None`: nobody's.
    fn read_block(
        &mut self,
        block: u32,
        mut entry: Entry,
        found: &mut Vec<ScoreboardRow>,
    ) -> io::Result<Option<Entry>> {
        for _ in 0..TRIES {
            let lives = self.lives(entry);
            let columns = self.columns(block)?;
            let now = entry_at(self.file, block)?;
            if now == entry {
                found.extend(columns.into_iter().map(|(place, columns)| {
                    let number = block * ROWS as u32 + place as u32;
                    self.row(entry, number, !lives, columns)
                }));
                return Ok(Some(entry));
            }
            if !now.has_rows() {
                return Ok(None);
            }
            entry = now;
        }
        Ok(None)
    }

    /// A process that lived at the first check may have died since, and is then shown as living; a dead one stays dead.
    fn lives(&mut self, entry: Entry) -> bool {
        let Entry { owner, world, page, .. } = entry;
        let (here, file, layout) = (self.here, self.file, self.layout);
        *self.lives.entry((owner, world.boot, world.namespace, page)).or_insert_with(|| entry.lives(file, layout, here))
    }

    fn columns(&self, block: u32) -> io::Result<Vec<(usize, Columns)>> {
        let copy = || copy_of(self.file, self.layout, block);
        let mut found: [Option<Columns>; ROWS] = std::array::from_fn(|_| None);
        let mut before = copy()?;
        for _ in 0..TRIES {
            if rows(&before).zip(&found).all(|(row, found)| found.is_some() || !row.is_live()) {
                break;
            }
            let (during, after) = (copy()?, copy()?);
            for (((before, during), after), found) in rows(&before).zip(rows(&during)).zip(rows(&after)).zip(&mut found)
            {
                let same = before.sequence() == during.sequence() && before.sequence() == after.sequence();
                if found.is_none() && before.is_live() && same {
                    *found = Some(during.columns());
                }
            }
            before = after;
        }
        Ok(found.into_iter().enumerate().filter_map(|(place, columns)| Some((place, columns?))).collect())
    }

    fn row(&self, entry: Entry, number: u32, unfinished: bool, columns: Columns) -> ScoreboardRow {
        let began_unix_ms = columns.began.wrapping_add(entry.clock);
        // The clock of another boot is behind its own time of day.
        let now = match entry.world.boot == self.here.boot {
            true => sys::now_ms(),
            false => sys::now_ms().wrapping_add(super::process::clock_offset()).wrapping_sub(entry.clock),
        };
        let since = |then: u64| u64::try_from(now.wrapping_sub(then) as i64).unwrap_or(0);
        let has = |bit: u64| columns.state & bit != 0;
        let time_left_ms = match columns.left {
            NO_LIMIT => None,
            left if left & CPU_LEFT != 0 => Some((left & !CPU_LEFT).min(u64::from(columns.limit) * 1_000)),
            due => Some(due.saturating_sub(now).min(u64::from(columns.limit) * 1_000)),
        };
        let request = Row {
            id: 0,
            key: columns.key,
            accepted: has(state::ACCEPTED),
            resumed: has(state::RESUMED),
            age_ms: since(columns.began),
            stage: Stage::of_number((columns.state & state::STAGE) as u32).min(Stage::FinalFlush),
            status: (columns.state >> state::STATUS_SHIFT & 3) as u8,
            gone_ms: columns.gone.map(since),
            held: has(state::HELD),
            ignores_abort: has(state::IGNORES),
            finished: has(state::FINISHED),
            time_limit: columns.limit,
            time_left_ms,
            written: columns.written,
            thread: columns.thread,
            watching: if has(state::WATCHED) { Watching::Socket } else { Watching::No },
            label: columns.label,
            method: columns.method,
        };
        ScoreboardRow {
            row: number,
            count: columns.count,
            process: entry.owner.process(),
            unfinished,
            unresponsive: false,
            began_unix_ms,
            request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{Which, cancel, clear};
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
        let one = Writer::open(&path, 32).unwrap();
        let other = Writer::open(&path, 9 * 16).unwrap();
        assert_eq!((one.most(), other.most()), (32, 32), "the file that is there says how large it is");
        assert!(one.row_or_claim(0, 0).is_some() && one.row_or_claim(31, 0).is_some());
        assert!(one.row_or_claim(32, 0).is_none(), "no such row");
        assert!(other.row_or_claim(0, 0).is_none());
        other.count_not_shown();
        assert_eq!((one.not_shown(), other.not_shown()), (0, 1));
        one.release();
        assert!(other.row_or_claim(0, 999).is_none(), "it does not look all the time");
        assert!(other.row_or_claim(0, 1_000).is_some());
    }

    #[test]
    fn what_another_boot_left_is_unfinished_and_what_another_namespace_does_is_not() {
        let place = Place::new("worlds");
        let path = place.0.join("board");
        let writer = Writer::open(&path, 32).unwrap();
        let row = writer.row_or_claim(0, 0).unwrap();
        let label = [std::sync::atomic::AtomicU64::new(u64::from_ne_bytes(*b"label\0\0\0"))];
        let (began, first) = (
            sys::now_ms(),
            super::super::row::First {
                began: sys::now_ms(),
                limit: 30,
                thread: 1,
                left: NO_LIMIT,
                state: 1,
                method: 0,
                label: &label,
                key: b"a key",
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
        // Its page is not its own any more, as far as the number of its owner says.
        assert!(seen()[0].unfinished);
        change(&path, PAGE, Owner::this().0);
        change(&path, Layout::of_rows(32).page(1) + 16, here.namespace + 1);
        assert!(!seen()[0].unfinished, "a process of another namespace is judged by its lock");
        assert_eq!(clear(&path, Which::All).unwrap(), 0);
        let (number, count) = (seen()[0].row, seen()[0].count);
        assert!(!row.is_cancelled() && cancel(&path, number, count).unwrap() && row.is_cancelled());
        assert!(!cancel(&path, number, count + 1).unwrap() && !cancel(&path, 99, 1).unwrap());
        drop(writer);
        assert!(seen()[0].unfinished, "the kernel has taken the lock back");
        change(&path, PAGE, 4_194_303);
        change(&path, PAGE + 16, here.namespace);
        assert_eq!(clear(&path, Which::Key(b"another")).unwrap(), 0);
        assert_eq!(clear(&path, Which::Process(7)).unwrap(), 0);
        assert_eq!(clear(&path, Which::Key(b"a key")).unwrap(), 1);
        assert_eq!(seen(), []);
    }

    /// Any content of a file gives an answer or an error, never a panic.
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
            let writer = Writer::open(&path, 48).unwrap();
            let _ = writer.row_or_claim(20, 0);
            for _ in 0..200 {
                // Mostly where the owners are and behind the head, now and then the head itself.
                let words = (layout.bytes() / 8) as u64;
                let at = match random() % 4 {
                    0 => PAGE as u64 / 8 + random() % 15,
                    2 => layout.page(0) as u64 / 8 + random() % (4 * 512),
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
            let _ = Writer::open(&path, 48).map(|other| other.row_or_claim(0, 0).is_some());
            assert_eq!(clear(&path, Which::All).is_ok(), read(&path).is_ok());
        }
        assert!(answers > 0 && errors > 0, "{answers} {errors}");
    }
}

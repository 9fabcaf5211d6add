//! A scoreboard's file with hostile bytes: read, cleared, and used by an engine, also while somebody changes it or cuts it off. Whatever
//! stands in it, the answer is one, or an error with a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlive::config::{Builder, Settings};
use outlive::engine::scoreboard::{self, Which};
use outlive::engine::{Engine, EngineOptions, NoClient, Options};
use outlive::files::Memory;
use outlive::target::Target;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Bytes of the head, and of a page; of a row; of a block of 16 with their cancel words; of an entry of the block table.
const PAGE: usize = 4096;
const ROW: usize = 320;
const BLOCK: usize = 16 * (ROW + 8);
const ENTRY: usize = 40;

/// Where the pages begin, and where the blocks do.
fn pages(blocks: usize) -> usize {
    PAGE + (blocks * ENTRY).next_multiple_of(PAGE)
}

fn first_block(blocks: usize) -> usize {
    pages(blocks) + (blocks + 1) * PAGE
}

/// In a memory file system, as a scoreboard should be.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let place = directory.join(format!("outlive-fuzz-{}", std::process::id()));
    fs::create_dir_all(&place).expect("a directory of its own");
    // Its inputs are many, and what ends the process need not come back here.
    extern "C" fn leave() {
        let _ = fs::remove_dir_all(&*PLACE);
    }
    // Safety: the function takes nothing, and is there to the end.
    unsafe { atexit(leave) };
    place
});

unsafe extern "C" {
    fn atexit(function: extern "C" fn()) -> i32;
}

/// The head as this library writes it, so that inputs reach what is behind it.
static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = PLACE.join("head");
    drop(engine(&path).expect("a new scoreboard"));
    let mut head = vec![0; 40];
    File::open(&path).unwrap().read_exact_at(&mut head, 0).unwrap();
    let _ = fs::remove_file(&path);
    // If the layout becomes another one, this target has to follow, and says so.
    fs::write(&path, whole(&head, 2)).unwrap();
    assert_eq!(scoreboard::read(&path).expect("the layout that this target knows").rows, []);
    head
});

/// An empty scoreboard.
fn whole(head: &[u8], blocks: usize) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes[32..40].copy_from_slice(&(blocks as u64).to_ne_bytes());
    bytes.resize((first_block(blocks) + blocks * BLOCK).next_multiple_of(PAGE), 0);
    bytes
}

fn engine(path: &Path) -> outlive::Result<Engine<NoClient>> {
    Engine::new(EngineOptions { scoreboard: Some(path.to_owned()), ..EngineOptions::default() })
}

static SETTINGS: LazyLock<Arc<Settings>> = LazyLock::new(|| {
    let mut builder = Builder::new(Arc::new(Memory::new()));
    builder.set(b"outlive.max_detached_total", Some(b"2")).unwrap();
    builder.set(b"ignore_user_abort", Some(b"1")).unwrap();
    builder.build().unwrap().resolve(&Target::default()).unwrap()
});

/// One word at one place.
struct Edit {
    at: u64,
    word: [u8; 8],
}

/// Three bytes each: where, mostly at what is looked at most, and what.
fn edits(script: &[u8], blocks: usize, size: usize) -> Vec<Edit> {
    let this = u64::from(std::process::id());
    let of = |bytes: &[u8]| {
        let [where_, which, what] = [bytes[0], bytes[1], bytes[2]].map(usize::from);
        let at = match where_ & 3 {
            0 => PAGE + which % (blocks * ENTRY / 8) * 8,
            1 if where_ & 4 != 0 => pages(blocks) + (where_ >> 3) % (blocks + 1) * PAGE + which % 128 * 8,
            1 => first_block(blocks) + (where_ >> 3) % blocks * BLOCK + which % (BLOCK / 8) * 8,
            2 => which % 10 * 8,
            _ => (where_ >> 2 | which << 6) * 8,
        };
        let word = match what & 7 {
            0 => what as u64 >> 3,
            1 => u64::MAX >> (what >> 3),
            2 => 1 << (what >> 3 | which & 0x20),
            3 => this << (what >> 3),
            4 => (what as u64).wrapping_mul(0x0101_0101_0101_0101),
            5 => this | (what as u64) << 32,
            6 => 4_194_000 + (what as u64) | (which as u64) << 32,
            _ => u64::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[0], bytes[1], bytes[2], bytes[0], bytes[1]]),
        };
        Edit { at: (at % (size - 8).max(1)) as u64, word: word.to_ne_bytes() }
    };
    script.as_chunks::<3>().0.iter().map(|bytes| of(bytes)).collect()
}

fn change(file: &File, edits: &[Edit]) {
    for edit in edits {
        file.write_all_at(&edit.word, edit.at).unwrap();
    }
}

/// What is read has to be what rows can say.
fn look(path: &Path) -> bool {
    match scoreboard::read(path) {
        Ok(seen) => {
            assert!(!outlive::engine::render::metrics::text(&seen.totals).is_empty());
            for row in seen.rows {
                let request = row.request;
                assert!(request.label.len() <= 96 && request.method.len() <= 8, "{request:?}");
                assert!(request.status <= 3 && !format!("{:?}", request.stage).is_empty());
                let most = u64::from(request.time_limit) * 1_000;
                assert!(request.time_left_ms.is_none_or(|left| left <= most), "{request:?}");
            }
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// An engine on the file: its requests run as any other, whether there is room for them or not.
fn run(path: &Path) {
    let Ok(engine) = engine(path) else { return };
    let begin = |label: &'static [u8]| {
        let options = Options { label, method: b"GET", ..Options::new(()) };
        engine.begin(&SETTINGS, options).expect("an engine with room")
    };
    let (one, two) = (begin(b"one"), begin(b"two"));
    let _ = two.client_gone();
    look(path);
    let _ = scoreboard::clear(path, Which::Process(std::process::id()));
    let _ = scoreboard::cancel(path, 0, 1);
    assert!(one.end(|_, _| false).is_ok() && two.end(|_, _| false).is_ok());
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else { return };
    let has = |bit: u8| choice & bit != 0;
    let blocks = usize::from(choice >> 5) % 4 + 1;
    let path = PLACE.join("board");
    let head = &*HEAD;
    let _ = fs::remove_file(&path);
    // The whole file is the input, or a proper one is changed.
    let (bytes, script) = if has(1) { (rest.to_vec(), &[][..]) } else { (whole(head, blocks), rest) };
    fs::write(&path, &bytes).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let edits = edits(script, blocks, bytes.len().max(16));
    let (first, later) = edits.split_at(if has(2) { edits.len() / 2 } else { edits.len() });
    change(&file, first);
    if later.is_empty() {
        let could = look(&path);
        assert_eq!(scoreboard::clear(&path, Which::All).is_ok(), could, "who reads it can clear it");
        assert!(!could || scoreboard::clear(&path, Which::All).unwrap() == 0, "nothing is cleared twice");
    }
    // Whoever may write the file can end the processes that have it mapped by cutting it off: there are none then.
    let cuts = has(4) && !has(8);
    std::thread::scope(|scope| {
        if !later.is_empty() {
            let (file, size) = (&file, bytes.len() as u64);
            scope.spawn(move || {
                for (turn, edit) in later.iter().cycle().take(64.max(later.len())).enumerate() {
                    if cuts && turn % 16 == 7 {
                        file.set_len(edit.at).unwrap();
                        file.set_len(size).unwrap();
                    }
                    change(file, std::slice::from_ref(edit));
                }
            });
        }
        look(&path);
        if has(8) {
            run(&path);
        } else if !cuts {
            let _ = scoreboard::clear(&path, Which::Key(b"k"));
        }
        look(&path);
    });
});

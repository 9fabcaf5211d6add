//! Who owns a block, and whether that process still lives.
//!
//! A process is known by its number and by when it started, in clock ticks since the boot, so that a reused number is not taken for the
//! process that died. Both fit one word, which is claimed with one compare-and-swap. The boot and the PID namespace of the number are
//! stored with it: after a restart of the machine all earlier owners are dead, and an owner in another namespace (a container that shares
//! the file) cannot be judged by its number. Such an owner is judged by the lock on its page ([`super::page`]), which the kernel releases
//! when the owner dies. An owner that could not take a lock counts as living, and as unresponsive once its heartbeat stops.
//!
//! Without /proc there is no starting time, boot or namespace: then a process counts as living while its number is in
//! use, and a scoreboard should not be kept over a restart.

use super::super::sys;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

const PID_BITS: u32 = 22;
const CLEANING: u64 = 1 << PID_BITS;
const START_SHIFT: u32 = PID_BITS + 1;

/// A block's owner; 0: nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

impl Owner {
    pub const NOBODY: Owner = Owner(0);

    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        let start = stat(pid).map_or(0, |stat| stat.start);
        Self(start << START_SHIFT | u64::from(pid) & (CLEANING - 1))
    }

    pub fn process(self) -> u32 {
        (self.0 & (CLEANING - 1)) as u32
    }

    /// When it started, in ticks since the boot; 0: unknown.
    pub fn start(self) -> u64 {
        self.0 >> START_SHIFT
    }

    /// The same owner while it takes over the block: the content is not valid yet.
    pub fn cleaning(self) -> Self {
        Self(self.0 | CLEANING)
    }

    pub fn is_cleaning(self) -> bool {
        self.0 & CLEANING != 0
    }
}

/// The boot and the PID namespace that process numbers and clocks belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// A number that differs from boot to boot; 0: unknown.
    pub boot: u64,
    /// The PID namespace; 0: unknown.
    pub namespace: u64,
}

impl World {
    /// This process's.
    pub fn this() -> Self {
        let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits = id.iter().filter_map(|&byte| char::from(byte).to_digit(16));
        let boot = digits.take(16).fold(0, |number, digit| number << 4 | u64::from(digit));
        Self { boot, namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()) }
    }

    /// Whether an owner from `other` can be judged by its number from here; `Some(false)`: it is dead; `None`: not by its number.
    pub fn judges(self, other: World) -> Option<bool> {
        match () {
            () if other.boot != self.boot => Some(false),
            () if other.namespace == self.namespace => Some(true),
            () => None,
        }
    }
}

/// The offset from the engine's clock to milliseconds since 1970.
pub fn clock_offset() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (unix.as_millis() as u64).wrapping_sub(sys::now_ms())
}

/// Whether this very process lives; a zombie does not.
pub fn lives(owner: Owner) -> bool {
    if !sys::process_exists(owner.process()) {
        return false;
    }
    // A process that /proc hides (hidepid) counts as living.
    let Some(stat) = stat(owner.process()) else { return true };
    !stat.is_over && (owner.start() == 0 || stat.start == 0 || stat.start == owner.start())
}

struct Stat {
    start: u64,
    is_over: bool,
}

fn stat(process: u32) -> Option<Stat> {
    of_stat(&fs::read(format!("/proc/{process}/stat")).ok()?)
}

/// The program's name stands in brackets and may hold anything, so what follows is counted from the last one.
fn of_stat(text: &[u8]) -> Option<Stat> {
    let behind = text.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = text[behind..].split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let state = fields.next()?;
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.trim_end().parse::<u64>().ok();
    let threads = number(fields.nth(16)?)?;
    let start = number(fields.nth(1)?)?;
    // A process whose first thread has ended still runs with its other threads.
    Some(Stat { start, is_over: matches!(state, b"Z" | b"X" | b"x") && threads <= 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_that_started_otherwise_does_not() {
        let this = Owner::this();
        assert_eq!(this.process(), std::process::id());
        assert!(lives(this) && this.start() > 0 && !this.is_cleaning());
        assert!(!lives(Owner(this.0 + (1 << START_SHIFT))));
        assert_eq!(this.cleaning().process(), this.process());
        assert!(!lives(Owner(4_194_303)), "numbers end before that");
        let world = World::this();
        assert!(world.boot != 0 && world.namespace != 0);
        assert_eq!(world.judges(world), Some(true));
        assert_eq!(world.judges(World { boot: world.boot + 1, ..world }), Some(false));
        assert_eq!(world.judges(World { namespace: world.namespace + 1, ..world }), None);
    }

    #[test]
    fn odd_program_names_do_not_confuse() {
        let line = |state: &str, threads: u32| {
            format!("7 (a) R (b) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 12345 9 9\n")
        };
        let stat = of_stat(line("S", 1).as_bytes()).unwrap();
        assert!(stat.start == 12345 && !stat.is_over);
        assert!(of_stat(line("Z", 1).as_bytes()).unwrap().is_over);
        assert!(!of_stat(line("Z", 3).as_bytes()).unwrap().is_over, "only its first thread has ended");
        assert!(of_stat(b"7 (x").is_none() && of_stat(b"7 (x) S 1").is_none());
    }
}

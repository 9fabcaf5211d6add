//! The words of the machine: status, stage, ending, events, verdict.

/// `connection_status()`: bits (fact C-001).
pub mod status {
    /// The client is there, time is left.
    pub const NORMAL: u8 = 0;
    /// The client has gone, and it was noticed.
    pub const ABORTED: u8 = 1;
    /// The time limit was exceeded.
    pub const TIMEOUT: u8 = 2;
}

/// The answer of a safe point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Go on.
    Go,
    /// The request should end now.
    Stop,
}

/// The result of an early finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Finish {
    /// The response is complete.
    Done,
    /// It was complete before.
    Already,
    /// The request should end now instead.
    Stop,
}

/// The stage that a request is in. A stop ends its own stage; later stages still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// The request is being read.
    Input = 0,
    /// The program runs.
    #[default]
    Running = 1,
    /// The shutdown functions run.
    Shutdown = 2,
    /// The rest of the buffered output is sent.
    FinalFlush = 3,
    /// Over.
    Ended = 4,
}

impl Stage {
    /// The stage of a number; any other number counts as [`Stage::Ended`].
    pub(crate) fn of_number(number: u32) -> Self {
        match number {
            0 => Self::Input,
            1 => Self::Running,
            2 => Self::Shutdown,
            3 => Self::FinalFlush,
            _ => Self::Ended,
        }
    }
}

macro_rules! endings {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal;)*) => {
        /// Why a request ended. The first cause wins.
        ///
        /// The one table of endings: C, C++, Python, the command and the status pages use these words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Ending {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Ending {
            /// Every ending.
            pub const ALL: [Ending; [$($number),*].len()] = [$(Self::$variant,)*];

            /// The word that people see, with a NUL behind it.
            pub(crate) fn word_nul(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($word, "\0"),)*
                }
            }
        }
    };
}

endings! {
    /// It ran to its end.
    Completed = 1, "completed";
    /// It ran to its end after it had finished its response early.
    Finished = 2, "finished";
    /// The client went, or the cap on detached requests was reached.
    Aborted = 3, "aborted";
    /// The time limit.
    TimeLimit = 4, "time limit";
    /// The forced stage: no safe point came for `hard_timeout` seconds after the limit.
    Forced = 5, "forced";
    /// The engine drained.
    Shutdown = 6, "shutdown";
    /// The host said that it failed.
    HostError = 7, "host error";
    /// Somebody cancelled it.
    Cancelled = 8, "cancelled";
    /// It was accepted, and a cap or a drain stopped it: the journal gives it to another worker.
    HandedBack = 9, "handed back";
}

impl Ending {
    /// Places in an array by ending, the unused 0 included.
    pub const PLACES: usize = Self::ALL.len() + 1;

    /// The ending of a number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| *ending as i32 == number)
    }

    /// The word that people see.
    pub fn word(self) -> &'static str {
        self.word_nul().trim_end_matches('\0')
    }
}

/// What happened outside since the owner's last call: a set of bits that other threads add to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(pub u32);

impl Events {
    /// The time limit has passed.
    pub const TIME_UP: Events = Events(1);
    /// The client has gone: said by the host, or seen by the watcher.
    pub const GONE: Events = Events(2);
    /// Too many detached requests, or detached for too long.
    pub const CAP: Events = Events(4);
    /// The engine drains and has waited long enough.
    pub const DRAIN: Events = Events(8);
    /// The forced stage has come.
    pub const FORCED: Events = Events(16);
    /// Not an event: this stage has been told to stop, so that every further safe point looks.
    pub const STOPPED: Events = Events(32);
    /// Somebody cancelled the request.
    pub const CANCEL: Events = Events(64);

    /// Nothing.
    pub const NONE: Events = Events(0);

    /// Whether any bit of `other` is set.
    pub fn has(self, other: Events) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub fn with(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }

    /// Without the bits of `other`.
    #[must_use]
    pub fn without(self, other: Events) -> Events {
        Events(self.0 & !other.0)
    }
}

/// What is known when a request begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// It begins in the input stage; [`run`](super::Machine::run) ends that.
    pub reading_input: bool,
    /// The method is HEAD: output is disabled after the first (C-040).
    pub head: bool,
    /// The method is safe (GET, HEAD, OPTIONS, TRACE): what `outlive.disconnect = auto` asks.
    pub safe_method: bool,
    /// It resumes a submission that was accepted before: there is no client and no response.
    pub resumed: bool,
}

impl Begin {
    /// From a method. Unknown methods count as unsafe: a request that may have written should be finished.
    #[inline] // most methods are not given, and then it is little
    pub fn of_method(method: &[u8], reading_input: bool) -> Self {
        Self {
            resumed: false,
            reading_input,
            head: method == b"HEAD",
            safe_method: matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE"),
        }
    }

    /// The whole value in four bits.
    pub fn bits(self) -> u32 {
        u32::from(self.reading_input)
            | u32::from(self.head) << 1
            | u32::from(self.safe_method) << 2
            | u32::from(self.resumed) << 3
    }

    /// The value that has these four bits.
    pub fn from_bits(bits: u32) -> Self {
        let bit = |at: u32| bits >> at & 1 != 0;
        Self { reading_input: bit(0), head: bit(1), safe_method: bit(2), resumed: bit(3) }
    }
}

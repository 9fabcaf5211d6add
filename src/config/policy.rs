//! The directives that the connection machine acts on, converted once per settings.

use super::settings::Settings;
use super::value_rule::whole_number;

/// `outlive.disconnect`: who decides when the client goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disconnect {
    /// `ignore_user_abort`
    #[default]
    Php,
    /// The work always goes on.
    Finish,
    /// The work always stops.
    Stop,
    /// By method: GET, HEAD, OPTIONS and TRACE stop, others finish.
    Auto,
}

impl Disconnect {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"php" => Some(Self::Php),
            b"finish" => Some(Self::Finish),
            b"stop" => Some(Self::Stop),
            b"auto" => Some(Self::Auto),
            _ => None,
        }
    }
}

/// `outlive.detect`: how a client that has gone is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detect {
    /// At the next output, as PHP.
    #[default]
    Write,
    /// By watching the socket.
    Watch,
}

impl Detect {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"write" => Some(Self::Write),
            b"watch" => Some(Self::Watch),
            _ => None,
        }
    }
}

/// `outlive.half_close`: what the end of the client's sending side means to the watcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfClose {
    /// The client has gone.
    #[default]
    Gone,
    /// The client only finished sending.
    Open,
}

impl HalfClose {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"gone" => Some(Self::Gone),
            b"open" => Some(Self::Open),
            _ => None,
        }
    }
}

/// `outlive.clock`: what `max_execution_time` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// CPU time of the request's thread.
    #[default]
    Cpu,
    /// Elapsed time.
    Wall,
}

impl Clock {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"cpu" => Some(Self::Cpu),
            b"wall" => Some(Self::Wall),
            _ => None,
        }
    }
}

/// `outlive.after_finish`: what output after an early finish does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFinish {
    /// Nothing.
    #[default]
    Discard,
    /// What it does under PHP-FPM: an abort event (facts C-192, C-193).
    Abort,
}

impl AfterFinish {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"discard" => Some(Self::Discard),
            b"abort" => Some(Self::Abort),
            _ => None,
        }
    }
}

/// `outlive.shutdown`: what happens to the rest of the shutdown functions when one is stopped or asks to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShutdownMode {
    /// They are skipped.
    #[default]
    Php,
    /// They still run.
    All,
}

impl ShutdownMode {
    /// From the directive's text; `None`: not one of its words.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"php" => Some(Self::Php),
            b"all" => Some(Self::All),
            _ => None,
        }
    }
}

/// The settings that the connection machine acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `ignore_user_abort`, as fact C-083 reads it.
    pub ignore_user_abort: bool,
    /// `ignore_user_abort` is locked.
    pub ignore_user_abort_locked: bool,
    /// `max_execution_time` in seconds; 0 or less, or more than 999,999,999: none (C-145).
    pub max_execution_time: i64,
    /// `max_execution_time` is locked.
    pub max_execution_time_locked: bool,
    /// `max_input_time` in seconds; negative: `max_execution_time` covers the input stage too (C-163).
    pub max_input_time: i64,
    /// `hard_timeout` in seconds; 0 or less: none (C-155).
    pub hard_timeout: i64,
    /// `output_buffering`: `None` off; `Some(0)` on without a limit; `Some(n)` handed down when n bytes are held.
    pub output_buffering: Option<usize>,
    /// `implicit_flush`
    pub implicit_flush: bool,
    /// `outlive.disconnect`
    pub disconnect: Disconnect,
    /// `outlive.disconnect` is locked: run time cannot change `ignore_user_abort` either.
    pub disconnect_locked: bool,
    /// `outlive.detect`
    pub detect: Detect,
    /// `outlive.half_close`
    pub half_close: HalfClose,
    /// `outlive.clock`
    pub clock: Clock,
    /// `outlive.max_detached`; 0: no cap.
    pub max_detached: u32,
    /// `outlive.max_detached_time` in seconds; 0: no cap.
    pub max_detached_time: u32,
    /// `outlive.max_detached_total`, over all processes that share a scoreboard; 0: no cap.
    pub max_detached_total: u32,
    /// `outlive.shutdown_time` in seconds; `None`: as PHP.
    pub shutdown_time: Option<u32>,
    /// `outlive.after_finish`
    pub after_finish: AfterFinish,
    /// `outlive.shutdown`
    pub shutdown: ShutdownMode,
    /// `outlive.scoreboard` is set; the path is its text.
    pub has_scoreboard: bool,
    /// `outlive.scoreboard_rows`
    pub scoreboard_rows: u32,
}

impl Policy {
    /// Whether the number of detached requests is capped.
    pub fn caps_number(&self) -> bool {
        self.max_detached > 0
    }
}

impl Default for Policy {
    /// PHP's built-in defaults for a web server.
    fn default() -> Self {
        Self {
            ignore_user_abort: false,
            ignore_user_abort_locked: false,
            max_execution_time: 30,
            max_execution_time_locked: false,
            max_input_time: -1,
            hard_timeout: 2,
            output_buffering: None,
            implicit_flush: false,
            disconnect: Disconnect::default(),
            disconnect_locked: false,
            detect: Detect::default(),
            half_close: HalfClose::default(),
            clock: Clock::default(),
            max_detached: 0,
            max_detached_time: 0,
            max_detached_total: 0,
            shutdown_time: None,
            after_finish: AfterFinish::default(),
            shutdown: ShutdownMode::default(),
            has_scoreboard: false,
            scoreboard_rows: 65_536,
        }
    }
}

/// The policy that these values make.
pub(super) fn of(settings: &Settings) -> Policy {
    let int = |name: &str| settings.get_int(name.as_bytes()).unwrap_or_default();
    let quantity = |name: &str| settings.get_quantity(name.as_bytes()).unwrap_or_default();
    let flag = |name: &str| settings.get_bool(name.as_bytes()).unwrap_or_default();
    let locked = |name: &str| settings.entry(name.as_bytes()).is_some_and(|entry| entry.locked);
    let is = |name: &str, word: &str| {
        settings.get(name.as_bytes()).is_some_and(|value| value.eq_ignore_ascii_case(word.as_bytes()))
    };
    let number = |name: &str| settings.get(name.as_bytes()).and_then(whole_number);
    Policy {
        ignore_user_abort: flag("ignore_user_abort"),
        ignore_user_abort_locked: locked("ignore_user_abort"),
        max_execution_time: int("max_execution_time"),
        max_execution_time_locked: locked("max_execution_time"),
        max_input_time: quantity("max_input_time"),
        hard_timeout: quantity("hard_timeout"),
        output_buffering: buffering(quantity("output_buffering")),
        implicit_flush: flag("implicit_flush"),
        disconnect_locked: locked("outlive.disconnect"),
        disconnect: match () {
            () if is("outlive.disconnect", "finish") => Disconnect::Finish,
            () if is("outlive.disconnect", "stop") => Disconnect::Stop,
            () if is("outlive.disconnect", "auto") => Disconnect::Auto,
            () => Disconnect::Php,
        },
        detect: if is("outlive.detect", "watch") { Detect::Watch } else { Detect::Write },
        half_close: if is("outlive.half_close", "open") { HalfClose::Open } else { HalfClose::Gone },
        clock: if is("outlive.clock", "wall") { Clock::Wall } else { Clock::Cpu },
        max_detached: number("outlive.max_detached").unwrap_or_default(),
        max_detached_time: number("outlive.max_detached_time").unwrap_or_default(),
        max_detached_total: number("outlive.max_detached_total").unwrap_or_default(),
        shutdown_time: number("outlive.shutdown_time"),
        after_finish: if is("outlive.after_finish", "abort") { AfterFinish::Abort } else { AfterFinish::Discard },
        shutdown: if is("outlive.shutdown", "all") { ShutdownMode::All } else { ShutdownMode::Php },
        scoreboard_rows: number("outlive.scoreboard_rows").unwrap_or(65_536),
        has_scoreboard: settings.get(b"outlive.scoreboard").is_some_and(|path| !path.is_empty()),
    }
}

/// Anything but zero turns buffering on; more than one is the size at which it is handed down (I-174).
fn buffering(quantity: i64) -> Option<usize> {
    match quantity {
        0 => None,
        size if size > 1 => Some(usize::try_from(size).unwrap_or(usize::MAX)),
        _ => Some(0),
    }
}

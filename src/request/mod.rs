//! The connection-handling machine: what PHP does when a client goes, when time is up and when a request ends.
//!
//! [`Machine`] is pure: it has no clock, no thread and no socket. Events go in (output to be written, the client has gone,
//! time is up, the host ends), decisions come out ([`Verdict`], [`Timer`], the next shutdown function). The two effects
//! it needs on the way, a write and a flush, are asked of an [`Output`] that the caller brings along, so that a
//! million traces can be replayed in memory. Numbers such as C-063 are facts observed on real PHP.
//!
//! | who calls | when | answer |
//! | --- | --- | --- |
//! | [`Machine::check`], [`write`](Machine::write), [`flush`](Machine::flush), [`finish`](Machine::finish), [`release`](Machine::release) | safe points | [`Verdict`] |
//! | [`Machine::begin_shutdown`], [`next_function`](Machine::next_function), [`function_returned`](Machine::function_returned), [`end_output`](Machine::end_output) | the endings, in this order | what runs next |
//!
//! ```
//! use outlive::config::Policy;
//! use outlive::request::{Begin, Ending, Events, Machine, Output, Verdict};
//!
//! /// A client that is there for so many writes.
//! struct Client(u32);
//! impl Output for Client {
//!     fn write(&mut self, _: &[u8]) -> bool {
//!         self.0 = self.0.saturating_sub(1);
//!         self.0 > 0
//!     }
//!     fn flush(&mut self) -> bool {
//!         self.0 > 0
//!     }
//! }
//!
//! let (mut request, mut events, mut client) = (Machine::default(), Events::NONE, Client(2));
//! request.begin(&Policy::default(), Begin::default());
//! request.register();
//! assert_eq!(request.write(b"table A", &mut client, &mut events), Verdict::Go);
//! request.hold(); // B and C belong together
//! assert_eq!(request.write(b"table B", &mut client, &mut events), Verdict::Go);
//! assert_eq!(request.write(b"table C", &mut client, &mut events), Verdict::Go);
//! assert_eq!(request.release(&mut events), Some(Verdict::Stop)); // the client went at B
//!
//! request.begin_shutdown(None, &mut events);
//! while let Some(function) = request.next_function() {
//!     assert_eq!((function, request.ending()), (0, Some(Ending::Aborted)));
//!     request.function_returned(false);
//! }
//! request.end_output(&mut client);
//! ```
#![forbid(unsafe_code)]

mod limit;
mod machine;
mod output;
mod run_time;
mod vocabulary;

pub use limit::{Timer, effective_limit};
pub use machine::Machine;
pub use output::Output;
pub use run_time::{Change, RunTime};
pub use vocabulary::{Begin, Ending, Events, Finish, Stage, Verdict, status};

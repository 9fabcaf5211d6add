//! The constants of the C header. The compiler checks that each equals its Rust value.
#![allow(dead_code)] // read by C through the header

use crate::config::Access;
use crate::engine::StopKind;
use crate::error::Code;
use crate::request::{Ending, Stage, status};
use std::ffi::c_int;

/// Done.
pub const OUTLIVE_OK: c_int = 0;
/// The request should end now.
pub const OUTLIVE_STOP: c_int = 1;
/// It had been done before (`finish`, `cancel`).
pub const OUTLIVE_ALREADY: c_int = 2;
/// An argument is NULL, too long, or not one of the values it may have.
pub const OUTLIVE_ERROR_ARGUMENT: c_int = -1;
/// No directive, pool, function or request of that name.
pub const OUTLIVE_ERROR_NOT_FOUND: c_int = -2;
/// A file could not be read.
pub const OUTLIVE_ERROR_IO: c_int = -3;
/// A text or file is larger than what is accepted, or nested too deeply.
pub const OUTLIVE_ERROR_TOO_LARGE: c_int = -4;
/// A text breaks the rules of its language.
pub const OUTLIVE_ERROR_SYNTAX: c_int = -5;
/// Apache, or FPM, would refuse to start with this configuration.
pub const OUTLIVE_ERROR_REFUSED: c_int = -6;
/// The server itself would answer this request (an error status or a redirect); no settings are in force.
pub const OUTLIVE_ERROR_NOT_SERVED: c_int = -7;
/// An admin layer has locked the directive.
pub const OUTLIVE_ERROR_LOCKED: c_int = -8;
/// The directive cannot be changed from here.
pub const OUTLIVE_ERROR_ACCESS: c_int = -9;
/// The directive does not take this value.
pub const OUTLIVE_ERROR_VALUE: c_int = -10;
/// The call does not fit the stage that the request is in.
pub const OUTLIVE_ERROR_STAGE: c_int = -11;
/// The request has ended; the handle names nothing any more.
pub const OUTLIVE_ERROR_ENDED: c_int = -12;
/// Another thread is inside a call on this request, or a callback called back where it may not.
pub const OUTLIVE_ERROR_BUSY: c_int = -13;
/// The engine was made in the parent of this process.
pub const OUTLIVE_ERROR_FORKED: c_int = -14;
/// The engine takes no new requests.
pub const OUTLIVE_ERROR_DRAINING: c_int = -15;
/// More requests, or registered functions, than can be held.
pub const OUTLIVE_ERROR_FULL: c_int = -16;
/// The system refused a thread, a descriptor or memory.
pub const OUTLIVE_ERROR_SYSTEM: c_int = -17;
/// Time ran out before the work was done (`drain`).
pub const OUTLIVE_ERROR_TIMEOUT: c_int = -18;
/// A defect in outlive; the call did nothing that can be relied on.
pub const OUTLIVE_ERROR_PANIC: c_int = -19;
/// A visitor asked for no more.
pub const OUTLIVE_ERROR_INTERRUPTED: c_int = -20;
/// This build or system cannot do that.
pub const OUTLIVE_ERROR_UNSUPPORTED: c_int = -21;

/// Nothing has ended the request yet.
pub const OUTLIVE_ENDING_NONE: c_int = 0;
/// It ran to its end.
pub const OUTLIVE_ENDING_COMPLETED: c_int = 1;
/// It ran to its end after it had finished its response early.
pub const OUTLIVE_ENDING_FINISHED: c_int = 2;
/// The client went, or a cap on detached requests was reached.
pub const OUTLIVE_ENDING_ABORTED: c_int = 3;
/// The time limit.
pub const OUTLIVE_ENDING_TIME_LIMIT: c_int = 4;
/// The forced stage.
pub const OUTLIVE_ENDING_FORCED: c_int = 5;
/// The engine drained.
pub const OUTLIVE_ENDING_SHUTDOWN: c_int = 6;
/// The host said that it failed.
pub const OUTLIVE_ENDING_HOST_ERROR: c_int = 7;
/// It was cancelled: outlive_request_cancel, outlive_engine_cancel.
pub const OUTLIVE_ENDING_CANCELLED: c_int = 8;
/// It was accepted (outlive_request_set_accepted), and a cap or a drain stopped it: the journal gives it to another worker.
pub const OUTLIVE_ENDING_HANDED_BACK: c_int = 9;

/// No limit, where milliseconds are meant.
pub const OUTLIVE_NO_LIMIT: i64 = i64::MAX;

/// An outlive_stop's kind: a stop is due at the request's next safe point.
pub const OUTLIVE_STOP_DUE: c_int = 0;
/// The forced stage has come.
pub const OUTLIVE_STOP_FORCED: c_int = 1;
/// The engine has drained: no request is left, and it may be freed.
pub const OUTLIVE_STOP_DRAINED: c_int = 2;

/// connection_status: the client is there, time is left.
pub const OUTLIVE_CONNECTION_NORMAL: c_int = 0;
/// The client has gone, and that was noticed.
pub const OUTLIVE_CONNECTION_ABORTED: c_int = 1;
/// The time limit was exceeded.
pub const OUTLIVE_CONNECTION_TIMEOUT: c_int = 2;

/// A request's stage: it is being read.
pub const OUTLIVE_STAGE_INPUT: c_int = 0;
/// The program runs.
pub const OUTLIVE_STAGE_RUNNING: c_int = 1;
/// The shutdown functions run.
pub const OUTLIVE_STAGE_SHUTDOWN: c_int = 2;
/// The remaining buffered output is sent.
pub const OUTLIVE_STAGE_FINAL_FLUSH: c_int = 3;

/// Who may change a directive: a running program.
pub const OUTLIVE_ACCESS_USER: c_int = 1;
/// .htaccess, .user.ini, php_value.
pub const OUTLIVE_ACCESS_PERDIR: c_int = 2;
/// php.ini, and admin layers.
pub const OUTLIVE_ACCESS_SYSTEM: c_int = 4;
/// Everybody.
pub const OUTLIVE_ACCESS_ALL: c_int = 7;

/// The fate of a layer's value: it is in force.
pub const OUTLIVE_FATE_IN_FORCE: c_int = 0;
/// A later layer set another one.
pub const OUTLIVE_FATE_OVERRIDDEN: c_int = 1;
/// It was refused.
pub const OUTLIVE_FATE_REFUSED: c_int = 2;

/// How bad a diagnostic is: worth knowing.
pub const OUTLIVE_SEVERITY_NOTE: c_int = 0;
/// Probably a mistake.
pub const OUTLIVE_SEVERITY_WARNING: c_int = 1;
/// A mistake: what the line says is not in force.
pub const OUTLIVE_SEVERITY_ERROR: c_int = 2;

/// A line of a container: php_value
pub const OUTLIVE_PHP_VALUE_VALUE: c_int = 0;
/// php_flag
pub const OUTLIVE_PHP_VALUE_FLAG: c_int = 1;
/// php_admin_value
pub const OUTLIVE_PHP_VALUE_ADMIN_VALUE: c_int = 2;
/// php_admin_flag
pub const OUTLIVE_PHP_VALUE_ADMIN_FLAG: c_int = 3;

/// How ini values are read: constants, operators and ${} are dealt with; every value is text.
pub const OUTLIVE_INI_NORMAL: c_int = 0;
/// Values as they stand.
pub const OUTLIVE_INI_RAW: c_int = 1;
/// As normal, with booleans, null and numbers typed.
pub const OUTLIVE_INI_TYPED: c_int = 2;

/// An ini statement: [name]
pub const OUTLIVE_INI_SECTION: c_int = 0;
/// key = value
pub const OUTLIVE_INI_ENTRY: c_int = 1;
/// key[offset] = value
pub const OUTLIVE_INI_ARRAY_ENTRY: c_int = 2;
/// A key without =, which PHP ignores.
pub const OUTLIVE_INI_BARE: c_int = 3;

/// An ini value's type: text
pub const OUTLIVE_INI_TEXT: c_int = 0;
/// true or false
pub const OUTLIVE_INI_BOOL: c_int = 1;
/// null
pub const OUTLIVE_INI_NULL: c_int = 2;
/// An integer.
pub const OUTLIVE_INI_INT: c_int = 3;
/// A decimal number.
pub const OUTLIVE_INI_FLOAT: c_int = 4;

/// Whether a constant is the number of a Rust value.
const fn same(constant: c_int, number: i32) -> bool {
    constant == number
}

const _: () = {
    assert!(same(OUTLIVE_OK, Code::Ok as i32));
    assert!(same(OUTLIVE_STOP, Code::Stop as i32));
    assert!(same(OUTLIVE_ALREADY, Code::Already as i32));
    assert!(same(OUTLIVE_ERROR_ARGUMENT, Code::Argument as i32));
    assert!(same(OUTLIVE_ERROR_NOT_FOUND, Code::NotFound as i32));
    assert!(same(OUTLIVE_ERROR_IO, Code::Io as i32));
    assert!(same(OUTLIVE_ERROR_TOO_LARGE, Code::TooLarge as i32));
    assert!(same(OUTLIVE_ERROR_SYNTAX, Code::Syntax as i32));
    assert!(same(OUTLIVE_ERROR_REFUSED, Code::Refused as i32));
    assert!(same(OUTLIVE_ERROR_NOT_SERVED, Code::NotServed as i32));
    assert!(same(OUTLIVE_ERROR_LOCKED, Code::Locked as i32));
    assert!(same(OUTLIVE_ERROR_ACCESS, Code::Access as i32));
    assert!(same(OUTLIVE_ERROR_VALUE, Code::Value as i32));
    assert!(same(OUTLIVE_ERROR_STAGE, Code::Stage as i32));
    assert!(same(OUTLIVE_ERROR_ENDED, Code::Ended as i32));
    assert!(same(OUTLIVE_ERROR_BUSY, Code::Busy as i32));
    assert!(same(OUTLIVE_ERROR_FORKED, Code::Forked as i32));
    assert!(same(OUTLIVE_ERROR_DRAINING, Code::Draining as i32));
    assert!(same(OUTLIVE_ERROR_FULL, Code::Full as i32));
    assert!(same(OUTLIVE_ERROR_SYSTEM, Code::System as i32));
    assert!(same(OUTLIVE_ERROR_TIMEOUT, Code::Timeout as i32));
    assert!(same(OUTLIVE_ERROR_PANIC, Code::Panic as i32));
    assert!(same(OUTLIVE_ERROR_INTERRUPTED, Code::Interrupted as i32));
    assert!(same(OUTLIVE_ERROR_UNSUPPORTED, Code::Unsupported as i32));
    assert!(same(OUTLIVE_ENDING_COMPLETED, Ending::Completed as i32));
    assert!(same(OUTLIVE_ENDING_FINISHED, Ending::Finished as i32));
    assert!(same(OUTLIVE_ENDING_ABORTED, Ending::Aborted as i32));
    assert!(same(OUTLIVE_ENDING_TIME_LIMIT, Ending::TimeLimit as i32));
    assert!(same(OUTLIVE_ENDING_FORCED, Ending::Forced as i32));
    assert!(same(OUTLIVE_ENDING_SHUTDOWN, Ending::Shutdown as i32));
    assert!(same(OUTLIVE_ENDING_HOST_ERROR, Ending::HostError as i32));
    assert!(same(OUTLIVE_ENDING_CANCELLED, Ending::Cancelled as i32));
    assert!(same(OUTLIVE_ENDING_HANDED_BACK, Ending::HandedBack as i32));
    assert!(same(OUTLIVE_STOP_DUE, StopKind::Due as i32));
    assert!(same(OUTLIVE_STOP_FORCED, StopKind::Forced as i32));
    assert!(same(OUTLIVE_STOP_DRAINED, StopKind::Drained as i32));
    assert!(same(OUTLIVE_STAGE_INPUT, Stage::Input as i32));
    assert!(same(OUTLIVE_STAGE_RUNNING, Stage::Running as i32));
    assert!(same(OUTLIVE_STAGE_SHUTDOWN, Stage::Shutdown as i32));
    assert!(same(OUTLIVE_STAGE_FINAL_FLUSH, Stage::FinalFlush as i32));
    assert!(same(OUTLIVE_CONNECTION_NORMAL, status::NORMAL as i32));
    assert!(same(OUTLIVE_CONNECTION_ABORTED, status::ABORTED as i32));
    assert!(same(OUTLIVE_CONNECTION_TIMEOUT, status::TIMEOUT as i32));
    assert!(same(OUTLIVE_ACCESS_USER, Access::USER.0 as i32));
    assert!(same(OUTLIVE_ACCESS_PERDIR, Access::PERDIR.0 as i32));
    assert!(same(OUTLIVE_ACCESS_SYSTEM, Access::SYSTEM.0 as i32));
    assert!(same(OUTLIVE_ACCESS_ALL, Access::ALL.0 as i32));
};

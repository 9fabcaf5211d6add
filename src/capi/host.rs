//! A C host behind the engine's [`Host`].

use super::request::{outlive_request, outlive_request_options};
use crate::engine::Host;
use crate::request::Ending;
use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// Writes all of buf. 0: everything was written. Anything else: the client has gone.
/// May call outlive_request_client_gone and outlive_request_is_gone; any other call on the request is answered with
/// OUTLIVE_ERROR_BUSY. Must not throw or longjmp.
pub type outlive_write_function =
    Option<unsafe extern "C" fn(userdata: *mut c_void, buf: *const c_void, len: usize) -> c_int>;

/// Sends what the host still buffers. 0: flushed. Anything else: the client has gone.
/// May call the same functions as outlive_write_function. Must not throw or longjmp.
pub type outlive_flush_function = Option<unsafe extern "C" fn(userdata: *mut c_void) -> c_int>;

/// Tells the host that a stop is due at the next safe point, or that the forced stage has come. Called from the engine's thread:
/// never after outlive_request_end has returned, but possibly before outlive_request_begin has. May call
/// outlive_request_client_gone and outlive_request_is_gone. Must not throw or longjmp, and should return soon, because all time
/// limits wait for it.
pub type outlive_notice_function = Option<unsafe extern "C" fn(userdata: *mut c_void, ending: c_int)>;

/// A shutdown function: registered code that runs when the request ends, once, in the order of registration. `ending`
/// says why it ends. OUTLIVE_OK: the next one runs; OUTLIVE_STOP: the pass ends here, as PHP's exit does it. May call
/// everything but outlive_request_end. Must not throw or longjmp.
pub type outlive_shutdown_function =
    Option<unsafe extern "C" fn(request: *mut outlive_request, ending: c_int, userdata: *mut c_void) -> c_int>;

/// Frees userdata. Must not throw or longjmp.
pub type outlive_destroy_function = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// The host's options, borrowed during the begin.
#[derive(Clone, Copy)]
pub struct Callbacks(*const outlive_request_options);

impl Callbacks {
    /// # Safety
    /// The options outlive the begin that they are handed to.
    pub(super) unsafe fn of(options: &outlive_request_options) -> Self {
        Self(options)
    }
}

/// A host's callbacks, in a slot. Atomics, because the quick path of a write reads them without a lock, and a host that
/// breaks the rules must not cause undefined behaviour.
#[derive(Default)]
#[repr(C)] // what a write needs comes first
pub struct CHost {
    write: AtomicPtr<()>,
    userdata: AtomicPtr<c_void>,
    flush: AtomicPtr<()>,
}

/// Its callbacks for notices.
#[derive(Default)]
pub struct CNotices {
    on_stop: AtomicPtr<()>,
    on_forced: AtomicPtr<()>,
}

fn address<T>(function: Option<T>) -> *mut () {
    const { assert!(size_of::<Option<T>>() == size_of::<*mut ()>()) };
    // SAFETY: an optional function pointer is an address, or NULL.
    unsafe { std::mem::transmute_copy::<Option<T>, *mut ()>(&std::mem::ManuallyDrop::new(function)) }
}

// SAFETY: the pointers are only handed back to the host, which said where they may be used.
unsafe impl Send for Callbacks {}

impl Host for CHost {
    type Callbacks = Callbacks;
    type Function = Function;
    type OnEnded = Ended;
    type Notices = CNotices;

    #[inline]
    fn wants_notice(callbacks: &Callbacks) -> bool {
        // SAFETY: as `of` was promised.
        let callbacks = unsafe { &*callbacks.0 };
        callbacks.on_stop.is_some() || callbacks.on_forced.is_some()
    }

    #[inline]
    fn attach(&self, callbacks: Callbacks, notices: Option<&CNotices>) {
        // SAFETY: as `of` was promised.
        let callbacks = unsafe { &*callbacks.0 };
        self.write.store(address(callbacks.write), Relaxed);
        self.flush.store(address(callbacks.flush), Relaxed);
        self.userdata.store(callbacks.userdata, Relaxed);
        if let Some(notices) = notices {
            notices.on_stop.store(address(callbacks.on_stop), Relaxed);
            notices.on_forced.store(address(callbacks.on_forced), Relaxed);
        }
    }

    fn write(&self, bytes: &[u8]) -> bool {
        // SAFETY: stored by `attach` from a function of this type; NULL is None.
        let function = unsafe { transmute::<*mut (), outlive_write_function>(self.write.load(Relaxed)) };
        match function {
            // SAFETY: the host's function with the host's userdata, and bytes that live through the call.
            Some(write) => unsafe { write(self.userdata.load(Relaxed), bytes.as_ptr().cast(), bytes.len()) == 0 },
            None => true,
        }
    }

    fn flush(&self) -> bool {
        // SAFETY: as in `write`.
        let function = unsafe { transmute::<*mut (), outlive_flush_function>(self.flush.load(Relaxed)) };
        // SAFETY: as in `write`.
        function.is_none_or(|flush| unsafe { flush(self.userdata.load(Relaxed)) } == 0)
    }

    fn has_flush(&self) -> bool {
        !self.flush.load(Relaxed).is_null()
    }

    fn on_stop(&self, notices: &CNotices, ending: Ending) {
        self.tell(&notices.on_stop, ending);
    }

    fn on_forced(&self, notices: &CNotices, ending: Ending) {
        self.tell(&notices.on_forced, ending);
    }

    fn ended(&self, on_ended: Ended, ending: Ending) {
        // SAFETY: the host's function with the host's userdata, on the thread that ends the request.
        unsafe { on_ended(self.userdata.load(Relaxed), ending as c_int) };
    }
}

/// Called once a request has ended. May call anything but outlive_engine_free; a call on this request is answered with
/// OUTLIVE_ERROR_BUSY. Must not throw or longjmp.
pub type outlive_ended_function = Option<unsafe extern "C" fn(userdata: *mut c_void, ending: c_int)>;

/// The same, where it is not NULL.
pub type Ended = unsafe extern "C" fn(*mut c_void, c_int);

impl CHost {
    pub(super) fn userdata(&self) -> *mut c_void {
        self.userdata.load(Relaxed)
    }

    fn tell(&self, function: &AtomicPtr<()>, ending: Ending) {
        // SAFETY: stored by `attach` from a function of this type; NULL is None.
        let function = unsafe { transmute::<*mut (), outlive_notice_function>(function.load(Relaxed)) };
        if let Some(tell) = function {
            // SAFETY: the host's function with the host's userdata; the request cannot end meanwhile.
            unsafe { tell(self.userdata.load(Relaxed), ending as c_int) };
        }
    }
}

/// A registered shutdown function with its userdata, which is destroyed with it.
pub struct Function {
    pub(super) call: unsafe extern "C" fn(*mut outlive_request, c_int, *mut c_void) -> c_int,
    pub(super) userdata: *mut c_void,
    pub(super) destroy: outlive_destroy_function,
}

// SAFETY: run and destroyed on the thread that ends the request, as the header says; the host gave it away.
unsafe impl Send for Function {}
// SAFETY: never used from two threads at once: only the call that has the request's owned part touches it.
unsafe impl Sync for Function {}

impl Drop for Function {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host's function with the host's userdata, once.
            unsafe { destroy(self.userdata) };
        }
    }
}

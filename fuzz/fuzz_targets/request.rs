//! Random calls through the C ABI, in any order and stage, on a few requests at once: each answer is a known code, each shutdown
//! function runs at most once and not after its request, and what was begun can be ended.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlive as _;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

/// `outlive_request_options`
#[repr(C)]
struct Options {
    size: usize,
    label: *const c_char,
    method: *const c_char,
    socket: c_int,
    reading_input: c_int,
    write: Option<extern "C" fn(*mut c_void, *const c_void, usize) -> c_int>,
    flush: Option<extern "C" fn(*mut c_void) -> c_int>,
    on_stop: Option<extern "C" fn(*mut c_void, c_int)>,
    on_forced: Option<extern "C" fn(*mut c_void, c_int)>,
    userdata: *mut c_void,
}

type Handle = *mut c_void;
type Function = extern "C" fn(Handle, c_int, *mut c_void) -> c_int;

unsafe extern "C" {
    fn outlive_config_builder_new() -> Handle;
    fn outlive_config_builder_set(
        b: Handle,
        name: *const u8,
        len: usize,
        value: *const u8,
        value_len: usize,
        error: Handle,
    ) -> c_int;
    fn outlive_config_builder_build(b: Handle, out: *mut Handle, error: Handle) -> c_int;
    fn outlive_config_builder_free(b: Handle);
    fn outlive_config_resolve(config: Handle, target: *const c_void, out: *mut Handle, error: Handle) -> c_int;
    fn outlive_config_free(config: Handle);
    fn outlive_settings_free(settings: Handle);
    fn outlive_engine_new(options: *const c_void, out: *mut Handle, error: Handle) -> c_int;
    fn outlive_engine_free(engine: Handle);
    fn outlive_request_begin(
        engine: Handle,
        settings: Handle,
        options: *const Options,
        out: *mut Handle,
        error: Handle,
    ) -> c_int;
    fn outlive_request_run(request: Handle) -> c_int;
    fn outlive_request_write(request: Handle, buf: *const u8, len: usize) -> c_int;
    fn outlive_request_flush(request: Handle) -> c_int;
    fn outlive_request_check(request: Handle) -> c_int;
    fn outlive_request_client_gone(request: Handle) -> c_int;
    fn outlive_request_is_gone(request: Handle) -> c_int;
    fn outlive_request_connection_status(request: Handle) -> c_int;
    fn outlive_request_ignore_user_abort(request: Handle, enable: c_int) -> c_int;
    fn outlive_request_set_time_limit(request: Handle, seconds: i64) -> c_int;
    fn outlive_request_register_shutdown_function(
        request: Handle,
        f: Option<Function>,
        u: *mut c_void,
        d: Option<extern "C" fn(*mut c_void)>,
    ) -> c_int;
    fn outlive_request_hold(request: Handle) -> c_int;
    fn outlive_request_release(request: Handle) -> c_int;
    fn outlive_request_suspend(request: Handle) -> c_int;
    fn outlive_request_resume(request: Handle) -> c_int;
    fn outlive_request_finish(request: Handle) -> c_int;
    fn outlive_request_ini_set(
        request: Handle,
        name: *const u8,
        len: usize,
        value: *const u8,
        value_len: usize,
        previous: Handle,
    ) -> c_int;
    fn outlive_request_ini_restore(request: Handle, name: *const u8, len: usize) -> c_int;
    fn outlive_request_ending(request: Handle) -> c_int;
    fn outlive_request_exit(request: Handle, ending: c_int) -> c_int;
    fn outlive_request_end(request: Handle, error: Handle) -> c_int;
}

/// What the callbacks of one request see: the rest of the input says what they do.
struct World {
    script: Vec<u8>,
    at: usize,
    registered: u32,
    run: u32,
    destroyed: u32,
    ended: bool,
}

impl World {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.script.get(self.at - 1).copied().unwrap_or(0)
    }
}

fn world<'a>(userdata: *mut c_void) -> &'a mut World {
    // Safety: each request's userdata is its own World, which outlives it; one thread.
    unsafe { &mut *userdata.cast::<World>() }
}

extern "C" fn write(userdata: *mut c_void, _: *const c_void, _: usize) -> c_int {
    c_int::from(world(userdata).byte() > 200)
}

extern "C" fn flush(userdata: *mut c_void) -> c_int {
    c_int::from(world(userdata).byte() > 200)
}

extern "C" fn function(request: Handle, ending: c_int, userdata: *mut c_void) -> c_int {
    assert!((1..=9).contains(&ending), "ending {ending}");
    let world = world(userdata);
    assert!(!world.ended);
    world.run += 1;
    assert!(world.run <= world.registered);
    for _ in 0..world.byte() % 4 {
        call(request, world);
    }
    c_int::from(world.byte() > 220)
}

extern "C" fn destroy(userdata: *mut c_void) {
    world(userdata).destroyed += 1;
}

/// One call, chosen by the script.
fn call(request: Handle, world: &mut World) {
    let userdata: *mut c_void = std::ptr::from_mut(world).cast();
    let (what, how) = (world.byte(), world.byte());
    let names = [
        &b"ignore_user_abort"[..],
        b"max_execution_time",
        b"output_buffering",
        b"implicit_flush",
        b"precision",
        b"no.such",
    ];
    let name = names[usize::from(how) % names.len()];
    // Safety: `request` is one that begin gave, ended or not: the engine lives.
    let answer = unsafe {
        match what % 20 {
            0 => outlive_request_run(request),
            1 | 2 => outlive_request_write(request, world.script.as_ptr(), usize::from(how).min(world.script.len())),
            3 => outlive_request_flush(request),
            4 | 5 => outlive_request_check(request),
            6 => outlive_request_client_gone(request),
            7 => outlive_request_is_gone(request),
            8 => outlive_request_connection_status(request),
            9 => outlive_request_ignore_user_abort(request, c_int::from(how % 3) - 1),
            10 => outlive_request_set_time_limit(request, i64::from(how as i8) * 100),
            11 => {
                world.registered += 1;
                let answer =
                    outlive_request_register_shutdown_function(request, Some(function), userdata, Some(destroy));
                world.registered -= u32::from(answer != 0);
                answer
            }
            12 => outlive_request_hold(request),
            13 => outlive_request_release(request),
            14 => outlive_request_suspend(request),
            15 => outlive_request_resume(request),
            16 => outlive_request_finish(request),
            17 => outlive_request_ini_set(request, name.as_ptr(), name.len(), [how].as_ptr(), 1, null_mut()),
            18 => outlive_request_ini_restore(request, name.as_ptr(), name.len()),
            _ => outlive_request_exit(request, c_int::from(how % 10)),
        }
    };
    assert!((-21..=3).contains(&answer) && answer != -19, "{what} {how}: {answer}");
}

/// Settings with the values that change what requests do.
fn settings(choice: u8) -> Handle {
    let set = |name: &str, value: &str, builder| {
        // Safety: the builder is ours; texts are given with their lengths.
        let answer = unsafe {
            outlive_config_builder_set(builder, name.as_ptr(), name.len(), value.as_ptr(), value.len(), null_mut())
        };
        assert_eq!(answer, 0);
    };
    // Safety: handles are used as the header says.
    unsafe {
        let builder = outlive_config_builder_new();
        set("ignore_user_abort", ["0", "1"][usize::from(choice & 1)], builder);
        set("output_buffering", ["0", "16"][usize::from(choice >> 1 & 1)], builder);
        set("implicit_flush", ["0", "1"][usize::from(choice >> 2 & 1)], builder);
        set("outlive.disconnect", ["php", "finish", "stop", "auto"][usize::from(choice >> 3 & 3)], builder);
        set("outlive.shutdown", ["php", "all"][usize::from(choice >> 5 & 1)], builder);
        set("outlive.after_finish", ["discard", "abort"][usize::from(choice >> 6 & 1)], builder);
        let (mut config, mut settings) = (null_mut(), null_mut());
        assert_eq!(outlive_config_builder_build(builder, &mut config, null_mut()), 0);
        assert_eq!(outlive_config_resolve(config, null(), &mut settings, null_mut()), 0);
        outlive_config_builder_free(builder);
        outlive_config_free(config);
        settings
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, script)) = data.split_first() else { return };
    let settings = settings(choice);
    let mut engine = null_mut();
    // Safety: handles are used as the header says.
    assert_eq!(unsafe { outlive_engine_new(null(), &mut engine, null_mut()) }, 0);
    let mut worlds: Vec<Box<World>> = script
        .chunks(64)
        .take(3)
        .map(|script| {
            Box::new(World { script: script.to_vec(), at: 0, registered: 0, run: 0, destroyed: 0, ended: false })
        })
        .collect();
    for world in &mut worlds {
        let how = world.byte();
        let options = Options {
            size: size_of::<Options>(),
            label: c"fuzz".as_ptr(),
            method: [null(), c"GET".as_ptr(), c"HEAD".as_ptr(), c"POST".as_ptr()][usize::from(how & 3)],
            socket: -1,
            reading_input: c_int::from(how & 4),
            write: (how & 8 == 0).then_some(write as _),
            flush: (how & 16 == 0).then_some(flush as _),
            on_stop: None,
            on_forced: None,
            userdata: std::ptr::from_mut(&mut **world).cast(),
        };
        let mut request = null_mut();
        // Safety: as above; the world lives longer than its request.
        assert_eq!(unsafe { outlive_request_begin(engine, settings, &options, &mut request, null_mut()) }, 0);
        while world.at < world.script.len() {
            call(request, world);
        }
        // Safety: as above. The second end is a mistake that the library has to answer.
        unsafe {
            assert_eq!(outlive_request_end(request, null_mut()), 0);
            world.ended = true;
            assert_eq!(outlive_request_end(request, null_mut()), -12);
            assert_eq!(outlive_request_ending(request), -12);
        }
        assert_eq!(world.destroyed, world.registered, "each function's userdata is freed once");
    }
    // Safety: as above.
    unsafe {
        outlive_engine_free(engine);
        outlive_settings_free(settings);
    }
});

//! The C functions for hosts that parse their own configuration (`outlive_dir_config_*`): fed with the containers that take part in a
//! request of a recorded layout, they give what the file reader gives, and what the real server answered.
#![cfg(unix)]

mod httpd_support;

use httpd_support::{Layout, layouts, merged, runs, work_directory};
use outlive::config::Builder;
use outlive::files::Memory;
use outlive::httpd::{Run, ValueKind};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;

#[repr(C)]
struct Text {
    ptr: *const c_char,
    len: usize,
}

unsafe extern "C" {
    fn outlive_dir_config_new() -> *mut c_void;
    fn outlive_dir_config_set(
        dir_config: *mut c_void,
        kind: c_int,
        name: *const c_char,
        len: usize,
        value: *const c_char,
        value_len: usize,
        origin_file: *const c_char,
        line: u32,
        from_htaccess: c_int,
        error: *mut c_void,
    ) -> c_int;
    fn outlive_dir_config_merge(base: *const c_void, add: *const c_void) -> *mut c_void;
    fn outlive_dir_config_free(dir_config: *mut c_void);
    fn outlive_config_builder_new() -> *mut c_void;
    fn outlive_config_builder_set_sapi(
        builder: *mut c_void,
        name: *const c_char,
        len: usize,
        error: *mut c_void,
    ) -> c_int;
    fn outlive_config_builder_build(builder: *mut c_void, out: *mut *mut c_void, error: *mut c_void) -> c_int;
    fn outlive_config_builder_free(builder: *mut c_void);
    fn outlive_config_resolve_dir(
        config: *const c_void,
        dir_config: *const c_void,
        out: *mut *const c_void,
        error: *mut c_void,
    ) -> c_int;
    fn outlive_config_free(config: *const c_void);
    fn outlive_settings_get(settings: *const c_void, name: *const c_char, len: usize, out: *mut Text) -> c_int;
    fn outlive_settings_free(settings: *const c_void);
}

/// What the C functions make of the containers of a request, merged one by one.
struct Resolved(*const c_void);

impl Resolved {
    fn new(config: *const c_void, run: &Run) -> Self {
        // Safety: every handle is made here and freed once; texts are given with their lengths.
        unsafe {
            let mut all = outlive_dir_config_new();
            for container in &run.containers {
                let own = outlive_dir_config_new();
                let htaccess = c_int::from(container.layer == outlive::httpd::ServerLayer::Htaccess);
                for value in container.values.iter() {
                    let kind = match value.kind {
                        ValueKind::Value => 0,
                        ValueKind::Flag => 1,
                        ValueKind::AdminValue => 2,
                        ValueKind::AdminFlag => 3,
                    };
                    let (name, raw) = (&value.name, &value.raw);
                    let line = value.origin.line;
                    let done = outlive_dir_config_set(
                        own,
                        kind,
                        name.as_ptr().cast(),
                        name.len(),
                        raw.as_ptr().cast(),
                        raw.len(),
                        null(),
                        line,
                        htaccess,
                        null_mut(),
                    );
                    assert_eq!(done, 0, "{}", String::from_utf8_lossy(name));
                }
                let merged = outlive_dir_config_merge(all, own);
                outlive_dir_config_free(all);
                outlive_dir_config_free(own);
                all = merged;
            }
            let mut settings = null();
            assert_eq!(outlive_config_resolve_dir(config, all, &mut settings, null_mut()), 0);
            outlive_dir_config_free(all);
            Self(settings)
        }
    }

    fn get(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut text = Text { ptr: null(), len: 0 };
        // Safety: the settings live as long as this, and the text as long as they.
        unsafe {
            let found = outlive_settings_get(self.0, name.as_ptr().cast(), name.len(), &mut text) == 0;
            found.then(|| std::slice::from_raw_parts(text.ptr.cast(), text.len).to_vec())
        }
    }
}

impl Drop for Resolved {
    fn drop(&mut self) {
        // Safety: made by outlive_config_resolve_dir.
        unsafe { outlive_settings_free(self.0) };
    }
}

fn c_config() -> *const c_void {
    let mut config = null_mut();
    // Safety: handles of our own.
    unsafe {
        let builder = outlive_config_builder_new();
        assert_eq!(outlive_config_builder_set_sapi(builder, c"apache2handler".as_ptr(), 14, null_mut()), 0);
        assert_eq!(outlive_config_builder_build(builder, &mut config, null_mut()), 0);
        outlive_config_builder_free(builder);
    }
    config
}

#[test]
fn the_c_functions_answer_as_the_file_reader_and_as_apache() {
    let preamble = httpd_support::preamble();
    let config = c_config();
    let mut builder = Builder::new(Arc::new(Memory::new()));
    builder.set_sapi(b"apache2handler").expect("known");
    let reader = builder.build().expect("builds");
    let names: Vec<Vec<u8>> = reader.directives().iter().map(|directive| directive.name().to_vec()).collect();
    let (mut requests, mut same, mut as_apache) = (0, 0, 0);
    for file in ["layouts.jsonl", "found.jsonl"] {
        for layout in layouts(file) {
            let layout = Layout::new(layout);
            let place = work_directory(&layout.name);
            layout.place(&place);
            runs(&layout, &place, &preamble, |run, recorded| {
                requests += 1;
                let through_c = Resolved::new(config, run);
                let settings = reader.resolve_dir(&merged(run, None)).expect("resolves");
                for name in &names {
                    let (own, read) = (through_c.get(name), settings.get(name));
                    assert_eq!(own.as_deref(), read, "{} in {}", String::from_utf8_lossy(name), layout.name);
                    same += 1;
                }
                for (name, value) in recorded {
                    let own = through_c.get(name.as_bytes()).unwrap_or_default();
                    let wanted = value.as_deref().unwrap_or_default();
                    let latin: String = own.iter().map(|&byte| char::from(byte)).collect();
                    assert!(
                        String::from_utf8_lossy(&own) == wanted || latin == wanted,
                        "{name} in {}: {latin:?}, Apache has {wanted:?}",
                        layout.name
                    );
                    as_apache += 1;
                }
            });
            let _ = std::fs::remove_dir_all(&place);
        }
    }
    // Safety: made above.
    unsafe { outlive_config_free(config) };
    println!("{requests} requests: {same} values as the file reader's, {as_apache} as Apache's");
    assert!(requests > 1_500 && as_apache > 4_000, "{requests} {as_apache}");
}

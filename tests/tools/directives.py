#!/usr/bin/env python3
"""Writes src/config/directives.tsv from the recorded answers of real PHP.

    python3 tests/tools/directives.py

Access levels, defaults and presence come from tests/conformance/php/directives.json; tests/config_defaults.rs holds
the written file against it. The rule for its values is not in that file: it is written down here, as phpinfo() shows it
(On and Off: a boolean) and as facts I-100 ... I-183 have it.
"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/conformance"
OUT = ROOT / "src/config"

BOOL = """
allow_url_fopen allow_url_include assert.active assert.bail assert.exception assert.quiet_eval assert.warning
auto_detect_line_endings auto_globals_jit cgi.check_shebang_line cgi.discard_path cgi.fix_pathinfo cgi.force_redirect
cgi.nph cgi.rfc2616_headers display_startup_errors enable_dl enable_post_data_reading engine expose_php
fastcgi.logging fatal_error_backtraces file_uploads gd.jpeg_ignore_warning html_errors ignore_repeated_errors
ignore_repeated_source ignore_user_abort imagick.allow_zero_dimension_images imagick.locale_fix
imagick.progress_monitor imagick.set_single_thread imagick.skip_version_check implicit_flush last_modified log_errors
mail.add_x_header mail.mixed_lf_and_crlf mbstring.encoding_translation mbstring.strict_detection
mysqli.allow_local_infile mysqli.allow_persistent mysqli.reconnect mysqli.rollback_on_cached_plink
mysqlnd.collect_memory_statistics mysqlnd.collect_statistics mysqlnd.fetch_data_copy opcache.dups_fix opcache.enable
opcache.enable_cli opcache.enable_file_override opcache.file_cache_consistency_checks opcache.file_cache_only
opcache.file_cache_read_only opcache.huge_code_pages opcache.protect_memory opcache.record_warnings
opcache.revalidate_path opcache.save_comments opcache.use_cwd opcache.validate_permission opcache.validate_root
opcache.validate_timestamps pcre.jit phar.readonly phar.require_hash register_argc_argv report_memleaks
report_zend_debug session.auto_start session.cookie_httponly session.cookie_partitioned session.cookie_secure
session.lazy_write session.upload_progress.cleanup session.upload_progress.enabled session.use_cookies
session.use_only_cookies session.use_strict_mode session.use_trans_sid short_open_tag soap.wsdl_cache_enabled
sqlite3.defensive track_errors xbithack xmlrpc_errors zend.detect_unicode zend.enable_gc zend.exception_ignore_args
zend.multibyte zend.signal_check
""".split()

QUANTITY = """
default_socket_timeout error_log_mode fiber.stack_size hard_timeout log_errors_max_len
max_input_nesting_level max_input_time max_input_vars pcre.backtrack_limit
pcre.recursion_limit post_max_size realpath_cache_size realpath_cache_ttl session.cache_expire session.cookie_lifetime
session.gc_divisor session.gc_maxlifetime session.gc_probability unserialize_max_depth upload_max_filesize
user_ini.cache_ttl xmlrpc_error_number zend.max_allowed_stack_size zend.reserved_stack_size
zlib.output_compression_level mbstring.regex_retry_limit mbstring.regex_stack_limit opcache.file_update_protection
opcache.force_restart_timeout opcache.jit_bisect_limit opcache.jit_buffer_size opcache.jit_debug
opcache.jit_max_exit_counters opcache.jit_max_polymorphic_calls opcache.jit_max_root_traces
opcache.jit_max_side_traces opcache.log_verbosity_level opcache.max_file_size opcache.opt_debug_level
opcache.optimization_level opcache.revalidate_freq
""".split()

# Numbers that opcache refuses out of their range.
BETWEEN = {
    "opcache.max_accelerated_files": "opcache_files", "opcache.max_wasted_percentage": "opcache_wasted",
    "opcache.memory_consumption": "opcache_megabytes", "opcache.consistency_checks": "opcache_checks",
    "opcache.interned_strings_buffer": "opcache_strings",
    **{"opcache.jit_" + name: "jit_counter"
       for name in ["blacklist_root_trace", "blacklist_side_trace", "hot_func", "hot_loop", "hot_return", "hot_side_exit"]},
    "opcache.jit_max_loop_unrolls": "jit_unrolls", "opcache.jit_max_recursive_calls": "jit_calls",
    "opcache.jit_max_recursive_returns": "jit_returns", "opcache.jit_max_trace_length": "jit_trace",
}

# Quantities that a native 8.2 refuses when they are negative.
COUNT = "fiber.stack_size max_input_nesting_level max_input_vars session.cookie_lifetime".split()

KIND = {
    "memory_limit": "memory", "max_memory_limit": "memory", "zend.assertions": "assertions",
    "output_buffering": "buffering", "zlib.output_compression": "switch", "display_errors": "display",
    "precision": "precision", "serialize_precision": "precision",
    "arg_separator.input": "filled", "arg_separator.output": "filled", "include_path": "filled",
    "variables_order": "filled", "session.name": "name", "session.sid_length": "sid_length",
    "session.sid_bits_per_character": "sid_bits", "syslog.filter": "syslog_filter",
    "zend.exception_string_param_max_len": "natural",
    "error_reporting": "int", "opcache.jit": "jit", "syslog.facility": "facility", "date.timezone": "zone",
    **dict.fromkeys(["iconv.input_encoding", "iconv.internal_encoding", "iconv.output_encoding"], "charset"),
    **dict.fromkeys(BOOL, "bool"), **dict.fromkeys(QUANTITY, "quantity"),
    **dict.fromkeys(COUNT, "count"), "session.cookie_lifetime": "lifetime", "session.upload_progress.freq": "progress",
    **BETWEEN, "opcache.enable": "off_later", "default_charset": "line", "default_mimetype": "line", "mail.force_extra_parameters": "not_by_users",
}

# Directives of the web SAPIs themselves, with access and default as the native 8.2 programs show them.
SAPI = [
    ("cgi.check_shebang_line", "sapi/php-cgi", 4, "1"), ("cgi.discard_path", "sapi/cgi", 4, "0"),
    ("cgi.fix_pathinfo", "sapi/cgi", 4, "1"), ("cgi.force_redirect", "sapi/cgi", 4, "1"),
    ("cgi.nph", "sapi/cgi", 7, "0"), ("cgi.redirect_status_env", "sapi/cgi", 4, None),
    ("cgi.rfc2616_headers", "sapi/cgi", 7, "0"), ("fastcgi.logging", "sapi/cgi", 4, "1"),
    ("fastcgi.error_header", "sapi/fpm", 4, None), ("fpm.config", "sapi/fpm", 4, None),
    ("engine", "sapi/apache", 7, "1"), ("last_modified", "sapi/apache", 7, "0"), ("xbithack", "sapi/apache", 7, "0"),
]

# What the native 8.2 has besides; the recorded builds had no readline, FFI or just-in-time compiler. The number is
# the first version, as the place in the list of versions. A default that changed has a list, by first version; the
# manual says what those of 8.4 and 8.5 are. Debian's own configuration sets opcache.jit.
NATIVE = [
    ("cli.pager", "readline", 7, "", 0), ("cli.prompt", "readline", 7, "\\b \\> ", 0),
    ("ffi.enable", "ffi", 4, "preload", 0), ("ffi.preload", "ffi", 4, None, 0),
    ("opcache.huge_code_pages", "Zend OPcache", 4, "0", 0), ("opcache.jit", "Zend OPcache", 7, {1: "tracing", 5: "disable"}, 1),
    *[("opcache.jit_" + name, "Zend OPcache", access, default, 1) for name, access, default in [
        ("bisect_limit", 7, "0"), ("blacklist_root_trace", 7, "16"), ("blacklist_side_trace", 7, "8"),
        ("buffer_size", 4, {1: "0", 5: "64M"}), ("debug", 7, "0"), ("hot_func", 4, "127"), ("hot_loop", 4, {1: "64", 6: "61"}),
        ("hot_return", 4, "8"), ("hot_side_exit", 7, "8"), ("max_exit_counters", 4, "8192"),
        ("max_loop_unrolls", 7, "8"), ("max_polymorphic_calls", 7, "2"), ("max_recursive_calls", 7, "2"),
        ("max_recursive_returns", 7, "2"), ("max_root_traces", 4, "1024"), ("max_side_traces", 4, "128"),
        ("prof_threshold", 7, "0.005")]],
    ("opcache.jit_max_trace_length", "Zend OPcache", 7, "1024", 4),
]

# The recorded builds were started with values of their own for these; the native build's are the defaults.
STARTED_WITH = {
    "opcache.file_cache": None, "opcache.file_cache_only": "0", "opcache.max_accelerated_files": "10000",
    "opcache.memory_consumption": "128",
}


def cell(entry):
    if entry is None:
        return "-"
    access, default = entry
    if default is None:
        return str(access)
    assert not set("\t\n\r\0") & set(default), default
    return f"{access}:{default}"


def kind(name, cells):
    if name in KIND:
        return KIND[name]
    defaults = [default for entry in cells if entry for default in [entry[1]] if default]
    return "int" if defaults and all(d.lstrip("-").isdigit() for d in defaults) else "text"


def write(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write(header)
        for row in rows:
            # A cell that repeats its left neighbour is left empty.
            lead, cells = row[:-1], row[-1]
            short = [c if i == 0 or c != cells[i - 1] else "" for i, c in enumerate(cells)]
            out.write("\t".join([*lead, *short]) + "\n")


def directives():
    versions = json.loads((DATA / "php/directives.json").read_text())["versions"]
    rows = {}
    for name in sorted({n for v in versions.values() for n in v["directives"]}):
        found = [v["directives"].get(name) for v in versions.values()]
        entries = [(e["access"], STARTED_WITH.get(name, e["default"])) if e else None for e in found]
        extension = next((e["extension"] for e in found if e and "extension" in e), "core")
        rows[name] = (name, extension, kind(name, entries), [cell(e) for e in entries])
    for name, extension, access, default in SAPI:
        entries = [(access, default)] * len(versions)
        rows[name] = (name, extension, kind(name, entries), [cell(e) for e in entries])
    for name, extension, access, default, since in NATIVE:
        of = lambda at: default if not isinstance(default, dict) else default[max(v for v in default if v <= at)]
        entries = [None] * since + [(access, of(at)) for at in range(since, len(versions))]
        rows[name] = (name, extension, kind(name, entries), [cell(e) for e in entries])
    header = "# Written by tests/tools/directives.py: name, extension, rule for its values, then access:default for 7.4 ... 8.5.\n"
    write(OUT / "directives.tsv", header, [rows[name] for name in sorted(rows, key=str.encode)])


directives()

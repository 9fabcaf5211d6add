"""Every function of outlive.h with its C types: the one place that says how the library is called.

A test compares this table with the header and with what the library exports.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Callable, Dict, Tuple

from . import _structs as s

# Callback types. All of them are called on the thread that called the library: none from the engine's thread, which
# must never have to wait for the interpreter.
Visitor = CFUNCTYPE(c_int, c_void_p, c_void_p)
WriteFunction = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
FlushFunction = CFUNCTYPE(c_int, c_void_p)
EndedFunction = CFUNCTYPE(None, c_void_p, c_int)
ShutdownFunction = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
DestroyFunction = CFUNCTYPE(None, c_void_p)

_error = POINTER(s.ErrorRecord)
_out = POINTER(c_void_p)
_text = (c_char_p, c_size_t)

# name: (result type, argument types)
FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "outlive_result_name": (s.Str, (c_int,)),
    "outlive_result_cname": (c_char_p, (c_int,)),
    "outlive_result_ctext": (c_char_p, (c_int,)),
    "outlive_result_text": (s.Str, (c_int,)),
    "outlive_ending_name": (s.Str, (c_int,)),
    "outlive_version": (c_char_p, ()),
    "outlive_ini_parse": (c_int, (*_text, POINTER(s.IniOptions), Visitor, c_void_p, _error)),
    "outlive_config_builder_new": (c_void_p, ()),
    "outlive_config_builder_free": (None, (c_void_p,)),
    "outlive_config_builder_set_php_version": (c_int, (c_void_p, c_uint32, _error)),
    "outlive_config_builder_set_sapi": (c_int, (c_void_p, *_text, _error)),
    "outlive_config_builder_set_env": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_use_process_env": (c_int, (c_void_p,)),
    "outlive_config_builder_set": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_set_compiled_in": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_set_binary_dir": (c_int, (c_void_p, *_text, _error)),
    "outlive_config_builder_set_scan_dirs": (c_int, (c_void_p, *_text, _error)),
    "outlive_config_builder_add_fastcgi_param": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_load_php_ini": (c_int, (c_void_p, *_text, _error)),
    "outlive_config_builder_load_httpd_conf": (c_int, (c_void_p, *_text, _error)),
    "outlive_config_builder_load_fpm_pool": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_define": (c_int, (c_void_p, *_text, *_text, _error)),
    "outlive_config_builder_register": (c_int, (c_void_p, POINTER(s.Directive), _error)),
    "outlive_config_builder_build": (c_int, (c_void_p, _out, _error)),
    "outlive_config_ref": (c_void_p, (c_void_p,)),
    "outlive_config_free": (None, (c_void_p,)),
    "outlive_config_diagnostics": (c_int, (c_void_p, Visitor, c_void_p)),
    "outlive_config_resolve": (c_int, (c_void_p, POINTER(s.Target), _out, _error)),
    "outlive_config_status": (c_int, (c_void_p, POINTER(s.Target), POINTER(c_int), _error)),
    "outlive_config_refresh": (None, (c_void_p,)),
    "outlive_dir_config_new": (c_void_p, ()),
    "outlive_dir_config_set": (c_int, (c_void_p, c_int, *_text, *_text, c_char_p, c_uint32, c_int, _error)),
    "outlive_dir_config_merge": (c_void_p, (c_void_p, c_void_p)),
    "outlive_config_resolve_dir": (c_int, (c_void_p, c_void_p, _out, _error)),
    "outlive_dir_config_free": (None, (c_void_p,)),
    "outlive_settings_ref": (c_void_p, (c_void_p,)),
    "outlive_settings_free": (None, (c_void_p,)),
    "outlive_settings_get": (c_int, (c_void_p, *_text, POINTER(s.Str))),
    "outlive_settings_get_int": (c_int, (c_void_p, *_text, POINTER(c_int64))),
    "outlive_settings_get_bool": (c_int, (c_void_p, *_text, POINTER(c_int))),
    "outlive_settings_get_quantity": (c_int, (c_void_p, *_text, POINTER(c_int64))),
    "outlive_settings_fingerprint": (c_uint64, (c_void_p,)),
    "outlive_holds_secret": (c_int, (*_text, *_text)),
    "outlive_settings_explain": (c_int, (c_void_p, *_text, Visitor, c_void_p)),
    "outlive_settings_each": (c_int, (c_void_p, Visitor, c_void_p)),
    "outlive_engine_new": (c_int, (POINTER(s.EngineOptions), _out, _error)),
    "outlive_engine_drain": (c_int, (c_void_p, c_int64)),
    "outlive_engine_begin_drain": (c_int, (c_void_p, c_int64)),
    "outlive_engine_is_drained": (c_int, (c_void_p,)),
    "outlive_engine_stop_fd": (c_int, (c_void_p, c_uint32)),
    "outlive_engine_next_stop": (c_int, (c_void_p, c_uint32, POINTER(s.StopEntry))),
    "outlive_engine_cancel": (c_int, (c_void_p, c_uint64)),
    "outlive_engine_requests": (c_int, (c_void_p, Visitor, c_void_p)),
    "outlive_engine_metrics": (c_int, (c_void_p, c_char_p, c_size_t, POINTER(c_size_t))),
    "outlive_engine_render": (c_int, (c_void_p, c_int, POINTER(s.RenderOptions), WriteFunction, c_void_p, _error)),
    "outlive_engine_count": (c_int, (c_void_p, c_int, c_int64)),
    "outlive_engine_set_policy": (c_int, (c_void_p, c_void_p)),
    "outlive_engine_free": (None, (c_void_p,)),
    "outlive_scoreboard_read": (c_int, (*_text, Visitor, c_void_p, _error)),
    "outlive_scoreboard_clear": (c_int, (*_text, POINTER(c_size_t), _error)),
    "outlive_scoreboard_clear_key": (c_int, (*_text, *_text, POINTER(c_size_t), _error)),
    "outlive_scoreboard_clear_process": (c_int, (*_text, c_int64, POINTER(c_size_t), _error)),
    "outlive_scoreboard_cancel": (c_int, (*_text, c_uint32, c_uint64, _error)),
    "outlive_scoreboard_render": (c_int, (*_text, c_int, POINTER(s.RenderOptions), WriteFunction, c_void_p, _error)),
    "outlive_render_content_type": (c_char_p, (c_int,)),
    "outlive_scoreboard_prepare": (c_int, (*_text, c_uint32, c_uint32, _error)),
    "outlive_engine_scoreboard": (c_int, (c_void_p, _error)),
    "outlive_request_begin": (c_int, (c_void_p, c_void_p, POINTER(s.RequestOptions), _out, _error)),
    "outlive_request_run": (c_int, (c_void_p,)),
    "outlive_request_write": (c_int, (c_void_p, c_char_p, c_size_t)),
    "outlive_request_flush": (c_int, (c_void_p,)),
    "outlive_request_check": (c_int, (c_void_p,)),
    "outlive_request_client_gone": (c_int, (c_void_p,)),
    "outlive_request_is_gone": (c_int, (c_void_p,)),
    "outlive_request_connection_status": (c_int, (c_void_p,)),
    "outlive_request_ignore_user_abort": (c_int, (c_void_p, c_int)),
    "outlive_request_set_time_limit": (c_int, (c_void_p, c_int64)),
    "outlive_request_set_time_limit_ms": (c_int, (c_void_p, c_int64)),
    "outlive_request_time_left": (c_int64, (c_void_p,)),
    "outlive_request_id": (c_uint64, (c_void_p,)),
    "outlive_request_userdata": (c_void_p, (c_void_p,)),
    "outlive_request_cancel": (c_int, (c_void_p,)),
    "outlive_request_register_shutdown_function": (c_int, (c_void_p, ShutdownFunction, c_void_p, DestroyFunction)),
    "outlive_request_set_label": (c_int, (c_void_p, c_char_p)),
    "outlive_request_is_forced": (c_int, (c_void_p,)),
    "outlive_request_hold": (c_int, (c_void_p,)),
    "outlive_request_release": (c_int, (c_void_p,)),
    "outlive_request_suspend": (c_int, (c_void_p,)),
    "outlive_request_resume": (c_int, (c_void_p,)),
    "outlive_request_finish": (c_int, (c_void_p,)),
    "outlive_request_ini_get": (c_int, (c_void_p, *_text, POINTER(s.Str))),
    "outlive_request_ini_set": (c_int, (c_void_p, *_text, *_text, POINTER(s.Str))),
    "outlive_request_ini_restore": (c_int, (c_void_p, *_text)),
    "outlive_request_ending": (c_int, (c_void_p,)),
    "outlive_request_exit": (c_int, (c_void_p, c_int)),
    "outlive_request_set_accepted": (c_int, (c_void_p,)),
    "outlive_request_shut_down": (c_int, (c_void_p, POINTER(c_int), _error)),
    "outlive_request_end": (c_int, (c_void_p, _error)),
    "outlive_request_flags": (c_void_p, (c_void_p,)),
}

# These may take long (files, waiting, a thread to join): the interpreter is let go meanwhile. The others take well under a
# microsecond, or call back; they keep it, which is faster, and lets no two threads be inside one request at the same time.
SLOW = frozenset({
    "outlive_config_builder_load_php_ini", "outlive_config_builder_load_httpd_conf", "outlive_config_builder_load_fpm_pool",
    "outlive_config_builder_build", "outlive_config_resolve", "outlive_config_resolve_dir", "outlive_config_status",
    "outlive_engine_drain", "outlive_engine_free", "outlive_scoreboard_read", "outlive_scoreboard_clear",
    "outlive_scoreboard_prepare", "outlive_scoreboard_clear_key", "outlive_scoreboard_clear_process", "outlive_scoreboard_cancel",
    "outlive_scoreboard_render", "outlive_engine_render", "outlive_engine_metrics",
})

# Called for every request: bound a second time, as NAME_by_address, taking each pointer as a number, which ctypes need not look at.
BY_ADDRESS = ("outlive_request_begin", "outlive_request_end")

Function = Callable[..., Any]


def bind(path: str) -> Dict[str, Function]:
    """The library's functions by their names without "outlive_". Raises OSError, or AttributeError for one it lacks."""
    slow, quick = ctypes.CDLL(path), ctypes.PyDLL(path)
    bound: Dict[str, Function] = {}
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(slow if name in SLOW else quick, name)
        function.restype, function.argtypes = result, arguments
        bound[name[len("outlive_"):]] = function
    for name in BY_ADDRESS:
        function = quick[name]
        function.restype, function.argtypes = c_int, [c_void_p] * len(FUNCTIONS[name][1])
        bound[name[len("outlive_"):] + "_by_address"] = function
    return bound

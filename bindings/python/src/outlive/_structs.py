"""The C structs of outlive.h, field by field."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p


class Str(Structure):
    """outlive_str: a view of text that belongs to the library."""

    _fields_ = [("ptr", c_void_p), ("len", c_size_t)]

    def text(self) -> str:
        """A copy, as Python text; bytes that are not UTF-8 become surrogates."""
        return self.data().decode("utf-8", "surrogateescape")

    def data(self) -> bytes:
        """A copy of the bytes."""
        return ctypes.string_at(self.ptr, self.len) if self.ptr else b""


class ErrorRecord(Structure):
    """outlive_error"""

    _fields_ = [("code", c_int), ("line", c_uint32), ("column", c_uint32), ("file", c_char * 1024), ("message", c_char * 1024)]


class IniOptions(Structure):
    """outlive_ini_options"""

    _fields_ = [
        ("size", c_size_t), ("mode", c_int), ("php_version", c_uint32), ("file", c_char_p), ("stop_at_nul", c_int),
        ("variable", c_void_p), ("constant", c_void_p), ("lookup_userdata", c_void_p),
    ]


class IniEvent(Structure):
    """outlive_ini_event"""

    _fields_ = [
        ("size", c_size_t), ("kind", c_int), ("line", c_uint32), ("key", Str), ("offset", Str), ("value_type", c_int),
        ("text", Str), ("integer", c_int64), ("real", c_double),
    ]


class Directive(Structure):
    """outlive_directive"""

    _fields_ = [
        ("size", c_size_t), ("name", c_char_p), ("access", c_int), ("default_value", c_char_p), ("check", c_void_p),
        ("userdata", c_void_p), ("destroy", c_void_p),
    ]


class Diagnostic(Structure):
    """outlive_diagnostic"""

    _fields_ = [("size", c_size_t), ("file", Str), ("line", c_uint32), ("severity", c_int), ("code", Str), ("text", Str)]


class Header(Structure):
    """outlive_header"""

    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class Target(Structure):
    """outlive_target"""

    _fields_ = [
        ("size", c_size_t), ("server_name", c_char_p), ("server_address", c_char_p), ("port", c_int), ("scheme", c_char_p),
        ("method", c_char_p), ("uri", c_char_p), ("filename", c_char_p), ("document_root", c_char_p), ("protocol", c_char_p),
        ("client_address", c_char_p), ("headers", POINTER(Header)), ("header_count", c_size_t),
    ]


class Origin(Structure):
    """outlive_origin"""

    _fields_ = [
        ("size", c_size_t), ("layer", Str), ("file", Str), ("line", c_uint32), ("raw", Str), ("value", Str), ("access", c_int),
        ("locks", c_int), ("fate", c_int), ("because", Str),
    ]


class Setting(Structure):
    """outlive_setting"""

    _fields_ = [
        ("size", c_size_t), ("name", Str), ("value", Str), ("global_value", Str), ("access", c_int), ("locked", c_int),
    ]


class EngineOptions(Structure):
    """outlive_engine_options"""

    _fields_ = [
        ("size", c_size_t), ("max_requests", c_uint32), ("scoreboard", c_char_p), ("scoreboard_rows", c_uint32), ("scoreboard_fd", c_int),
        ("stop_queues", c_uint32), ("no_thread", c_int), ("loop_time", c_void_p),
    ]


class StopEntry(Structure):
    """outlive_stop"""

    _fields_ = [("size", c_size_t), ("kind", c_int), ("ending", c_int), ("id", c_uint64), ("userdata", c_void_p)]


class RequestRow(Structure):
    """outlive_request_row"""

    _fields_ = [
        ("size", c_size_t), ("label", Str), ("method", Str), ("age_ms", c_int64), ("gone_ms", c_int64), ("stage", c_int),
        ("connection_status", c_int), ("held", c_int), ("ignores_abort", c_int), ("finished", c_int), ("watched", c_int),
        ("time_limit", c_uint32), ("thread", c_uint32), ("written", c_uint64), ("time_left_ms", c_int64), ("id", c_uint64),
        ("key", Str), ("accepted", c_int), ("resumed", c_int),
    ]


class ScoreboardRow(Structure):
    """outlive_scoreboard_row"""

    _fields_ = [
        ("size", c_size_t), ("process", c_int64), ("unfinished", c_int), ("began_unix_ms", c_uint64), ("unresponsive", c_int),
        ("row", c_uint32), ("count", c_uint64), ("request", RequestRow),
    ]


class RequestOptions(Structure):
    """outlive_request_options"""

    _fields_ = [
        ("size", c_size_t), ("label", c_char_p), ("method", c_char_p), ("socket", c_int), ("reading_input", c_int),
        ("write", c_void_p), ("flush", c_void_p), ("on_stop", c_void_p), ("on_forced", c_void_p), ("userdata", c_void_p), ("on_ended", c_void_p),
        ("key", c_void_p), ("key_len", c_size_t), ("resumed", c_int), ("stop_queue", c_uint32),
        ("label_len", c_size_t), ("method_len", c_size_t),
    ]


class RenderOptions(Structure):
    """outlive_render_options"""

    _fields_ = [("size", c_size_t), ("title", c_char_p), ("notes", c_char_p)]


TARGET_SIZE = ctypes.sizeof(Target)

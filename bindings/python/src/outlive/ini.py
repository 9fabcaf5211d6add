"""Texts in PHP's ini language, read as parse_ini_string() and parse_ini_file() read them."""

from __future__ import annotations

import os
import re
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_size_t, c_void_p, cast, create_string_buffer, sizeof, string_at
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Union

from . import _structs as s
from ._library import c
from ._text import Path, Text, to_bytes
from .config import visit
from .enums import IniKind, IniMode

__all__ = ["IniArray", "IniEntry", "IniScalar", "IniValue", "ini_entries", "parse_ini", "parse_ini_file"]

IniScalar = Union[str, bool, int, float, None]
"""A value: text; in TYPED mode also a bool, None, an int or a float."""
IniArray = Dict[Union[int, str], IniScalar]
"""What `key[] = value` and `key[offset] = value` make."""
IniValue = Union[IniScalar, Dict[Union[int, str], Any]]

_Lookup = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, POINTER(s.Str))


@dataclass(frozen=True)
class IniEntry:
    """One statement, as it stands in the text."""

    kind: IniKind
    line: int
    """Counted from 1."""
    key: str
    """The key, or the section's name."""
    offset: str
    """What stands between the brackets of an ARRAY_ENTRY; empty: append."""
    value: IniScalar


def ini_entries(
    text: Text,
    *,
    mode: IniMode = IniMode.NORMAL,
    php_version: int = 0,
    file: Optional[Path] = None,
    variables: Union[None, bool, Mapping[str, str]] = None,
    constants: Optional[Mapping[str, str]] = None,
    stop_at_nul: bool = True,
) -> List[IniEntry]:
    """Every statement of a text, in order.

    mode: NORMAL, constants and ${NAME} are dealt with and every value is text; RAW, values as they stand; TYPED, as NORMAL, and true, null, 12 and
    1.5 become bool, None, int and float. php_version: the PHP that is the model, such as 70400; 0: 8.2. file: the text's name for
    messages. variables: the variables for ${NAME}; True: the process's environment. constants: the known constants; None: those of PHP's core.
    stop_at_nul: the text ends at its first NUL, as for parse_ini_string().

    ConfigError: the text breaks the language's rules; with PHP's own message, and the line.
    """
    given = s.IniOptions(sizeof(s.IniOptions), int(mode), php_version, None if file is None else os.fsencode(file), int(stop_at_nul))
    looked_up = [_lookup(os.environ if variables is True else variables or {}), None if constants is None else _lookup(constants)]
    given.variable, given.constant = (None if one is None else cast(one, c_void_p).value for one in looked_up)
    found: List[IniEntry] = []

    def see(at: Any) -> None:
        found.append(IniEntry(IniKind(at.kind), at.line, at.key.text(), at.offset.text(), _value(at)))

    source = to_bytes(text)
    visit(c.ini_parse, source, len(source), byref(given), struct=s.IniEvent, see=see, record=s.ErrorRecord())
    return found


def parse_ini(
    text: Text,
    *,
    sections: bool = False,
    mode: IniMode = IniMode.NORMAL,
    php_version: int = 0,
    file: Optional[Path] = None,
    variables: Union[None, bool, Mapping[str, str]] = None,
    constants: Optional[Mapping[str, str]] = None,
    stop_at_nul: bool = True,
) -> Dict[Union[int, str], IniValue]:
    """As PHP's parse_ini_string(). Keys that are decimal integers are ints, as in PHP's arrays.

    sections: each section is a dictionary under its name; else their headers are ignored. For the rest see `ini_entries`.
    """
    entries = ini_entries(
        text, mode=mode, php_version=php_version, file=file, variables=variables, constants=constants, stop_at_nul=stop_at_nul
    )
    version = php_version or 80200
    root: Dict[Union[int, str], IniValue] = {}
    current: Any = root
    lists: Dict[int, _List] = {}
    for entry in entries:
        if entry.kind == IniKind.SECTION and sections:
            current = root[_symbol(entry.key)] = {}
        elif entry.kind == IniKind.ENTRY:
            current[_symbol(entry.key)] = entry.value
        elif entry.kind == IniKind.ARRAY_ENTRY:
            key = _array_key(entry.key, version)
            array = current.get(key)
            if not isinstance(array, dict):
                array = current[key] = {}
            numbered = lists.get(id(array))
            if numbered is None:
                numbered = lists[id(array)] = _List(array, version)
            numbered.put(entry.offset, entry.value)
    return root


def parse_ini_file(
    path: Path,
    *,
    sections: bool = False,
    mode: IniMode = IniMode.NORMAL,
    php_version: int = 0,
    variables: Union[None, bool, Mapping[str, str]] = None,
    constants: Optional[Mapping[str, str]] = None,
) -> Dict[Union[int, str], IniValue]:
    """As PHP's parse_ini_file(); see `parse_ini`. OSError: the file cannot be read. ConfigError: with file and line."""
    with open(path, "rb") as file:
        text = file.read()
    return parse_ini(
        text, sections=sections, mode=mode, php_version=php_version, file=path, variables=variables, constants=constants,
        stop_at_nul=False,
    )


def _lookup(texts: Mapping[str, str]) -> Any:
    kept: List[Any] = []  # the library reads it until it calls again

    def look(_: Any, name: Any, length: int, value: Any) -> int:
        found = texts.get(string_at(name, length).decode("utf-8", "surrogateescape"))
        if found is None:
            return 0
        text = to_bytes(found)
        kept[:] = [create_string_buffer(text)]
        value.contents.ptr, value.contents.len = cast(kept[0], c_void_p).value, len(text)
        return 1

    return _Lookup(look)


def _value(at: Any) -> IniScalar:
    if at.value_type == 0:
        return str(at.text.text())
    if at.value_type == 1:
        return bool(at.integer)
    if at.value_type == 2:
        return None
    return int(at.integer) if at.value_type == 3 else float(at.real)


class _List:
    """An array, and where it goes on counting: behind the largest number so far, or at 0."""

    __slots__ = ("array", "version", "next")

    def __init__(self, array: Dict[Union[int, str], Any], version: int) -> None:
        self.array, self.version = array, version  # keeping it keeps its id
        self.next: Optional[int] = None

    def put(self, offset: str, value: IniScalar) -> None:
        key = _symbol(offset) if offset else self.next or 0
        if isinstance(key, int):
            if key == 2**63:
                return  # there is no such number: it is lost, as by PHP
            # A list that begins below zero goes on from there since 8.0.
            if key >= (0 if self.version < 80000 and self.next is None else -(2**63) if self.next is None else self.next):
                self.next = key + 1
        self.array[key] = value


def _symbol(text: str) -> Union[int, str]:
    """A key as PHP's arrays take it: a text that is exactly a decimal integer is one."""
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) and -(2**63) <= int(text) < 2**63 else text


def _array_key(text: str, version: int) -> Union[int, str]:
    """The key in front of an offset: any numeric text is an integer, one with a 0 in front an octal one."""
    if len(text) > 1 and text[0] == "0":
        return text
    white = " \t\n\v\f\r"
    number = re.fullmatch(r"([-+]?)([0-9]+)", text.strip(white) if version >= 80000 else text.lstrip(white), re.ASCII)
    if number is None or not -(2**63) <= int(number.group(0)) < 2**63:
        return text
    sign, digits = number.groups()
    if digits[0] != "0":
        return int(sign + digits)
    octal = re.match("[0-7]*", digits)
    value = int(octal.group(0) or "0", 8) if octal else 0
    return -value if sign == "-" else value

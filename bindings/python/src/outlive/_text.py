"""Text, paths and values as the library takes them: bytes."""

from __future__ import annotations

import os
from typing import List, Sequence, Tuple, Union

from .errors import ArgumentError

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Text = Union[str, bytes]
Value = Union[str, bytes, int, float, bool]


def to_bytes(text: Text) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)


def written(name: str, value: Value) -> Text:
    """A value as in a line of php.ini. ArgumentError: a fraction, or no value at all."""
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):  # booleans too
        return str(int(value))
    takes = "it takes whole numbers" if isinstance(value, float) else "text, numbers and booleans are values"
    raise ArgumentError(-1, f"{name} = {value!r}: {takes}")


def path_bytes(path: Path) -> bytes:
    return os.fsencode(path)


def paths_bytes(paths: Union[None, Path, Sequence[Path]]) -> List[bytes]:
    if paths is None:
        return []
    if isinstance(paths, (str, bytes, os.PathLike)):
        return [path_bytes(paths)]
    return [path_bytes(path) for path in paths]


def name_and_value(name: str, value: Text) -> Tuple[bytes, int, bytes, int]:
    if not isinstance(value, (str, bytes)):
        raise ArgumentError(-1, f"the value of {name} has to be text, not {value!r}")
    left, right = to_bytes(name), to_bytes(value)
    return left, len(left), right, len(right)

"""Finds the native library, makes sure that it is the right one, and holds its functions as `c`."""

from __future__ import annotations

import ctypes
import os
import sys
from types import SimpleNamespace

from . import _prototypes

VERSION = "0.1.0"
"""The version of this package, and of the library that it needs."""


def path() -> str:
    """The library: OUTLIVE_LIBRARY of the environment, else the one inside the package, else the system's."""
    chosen = os.environ.get("OUTLIVE_LIBRARY")
    if chosen:
        return chosen
    bundled = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_lib", "liboutlive.so")
    return bundled if os.path.exists(bundled) else "liboutlive.so." + ".".join(VERSION.split(".")[:2])


def _refuse_other_pythons() -> None:
    """While it calls the library, CPython keeps its global lock, so no two threads are inside one request."""
    name = sys.implementation.name
    if name != "cpython":
        raise ImportError(f"outlive works on CPython only, and this is {name}: its ctypes lets two threads into one request at the same time.")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise ImportError("outlive needs CPython's global interpreter lock, and this one runs without: start it with PYTHON_GIL=1.")


def _refuse_sub_interpreter() -> None:
    api = ctypes.pythonapi
    api.PyInterpreterState_Get.restype = ctypes.c_void_p
    api.PyInterpreterState_GetID.restype = ctypes.c_int64
    api.PyInterpreterState_GetID.argtypes = [ctypes.c_void_p]
    if api.PyInterpreterState_GetID(api.PyInterpreterState_Get()) != 0:
        raise ImportError(
            "outlive works in a process's main interpreter only, and this is a sub-interpreter. Under mod_wsgi, say "
            "WSGIApplicationGroup %{GLOBAL}; elsewhere, use processes or threads."
        )


def _load() -> SimpleNamespace:
    _refuse_other_pythons()
    _refuse_sub_interpreter()
    where = path()
    try:
        functions = _prototypes.bind(where)
    except (OSError, AttributeError) as why:
        raise ImportError(
            f"outlive's native library cannot be used: {why}. Install the package with its library inside (a wheel, or pip "
            "install with cargo at hand), or name one of version " + VERSION + " in OUTLIVE_LIBRARY."
        ) from why
    has = functions["version"]().decode()
    # As Cargo has it: with major version 0, the minor version says what fits.
    if has.split(".")[:2] != VERSION.split(".")[:2]:
        raise ImportError(f"{where} is outlive {has}, but this package is {VERSION}: install both from one release.")
    return SimpleNamespace(**functions)


c = _load()

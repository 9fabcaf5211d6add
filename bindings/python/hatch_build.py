"""Puts the native library and the command into the wheel: those that OUTLIVE_LIBRARY and OUTLIVE_COMMAND name, else ones that cargo builds;
with cargo-zigbuild (pip install cargo-zigbuild ziglang) and OUTLIVE_GLIBC=2.17, say, for a glibc as old as that. And native/quick.c, compiled
where a C compiler is.

The wheel's file name says which glibc the library needs, by the versions of the symbols in it: manylinux_2_17_x86_64.
OUTLIVE_WHEEL_PLATFORM names another platform.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """For hatchling."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if sys.implementation.name != "cpython":
            raise RuntimeError(f"outlive works on CPython only, and this is {sys.implementation.name}")
        built = self.built()
        library, program = self.stripped(built), self.stripped(self.command(built))
        inside = {library: "outlive/_lib/liboutlive.so", program: "outlive/_lib/outlive"}
        quick = self.quick()
        if quick is not None:
            inside[self.stripped(quick)] = "outlive/_quick.abi3.so"
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + (os.environ.get("OUTLIVE_WHEEL_PLATFORM") or platform(*map(pathlib.Path, inside)))
        build_data["force_include"].update(inside)

    def quick(self) -> pathlib.Path | None:
        """The module of the calls that every request makes, for any CPython. None: there is no compiler, or none of Python's headers; the
        package works without it, and its requests cost more."""
        headers, compiler = sysconfig.get_path("include"), os.environ.get("CC") or "cc"
        built = pathlib.Path(tempfile.mkdtemp(prefix="outlive-")) / "_quick.abi3.so"
        if not os.path.exists(os.path.join(headers, "Python.h")) or shutil.which(shlex.split(compiler)[0]) is None:
            print(f"outlive: requests will cost more, as native/quick.c needs a C compiler ({compiler}) and {headers}/Python.h (python3-dev)", file=sys.stderr)
            return None
        options = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-I", headers, "-o", str(built)]
        run_seen([*shlex.split(compiler), *options, str(pathlib.Path(self.root) / "native/quick.c")], pathlib.Path(self.root))
        return built

    def built(self) -> pathlib.Path:
        """The library's path."""
        ready = os.environ.get("OUTLIVE_LIBRARY")
        built = pathlib.Path(ready) if ready else self.build()
        if not built.is_file():
            raise FileNotFoundError(f"{built}: no such library")
        return built

    @staticmethod
    def command(library: pathlib.Path) -> pathlib.Path:
        """The program of `python -m outlive`: the one that OUTLIVE_COMMAND names, else the one beside the library."""
        ready = os.environ.get("OUTLIVE_COMMAND")
        built = pathlib.Path(ready) if ready else library.parent / "outlive"
        if not built.is_file():
            raise FileNotFoundError(f"{built}: no such program: name the outlive command that belongs to the library in OUTLIVE_COMMAND")
        return built

    @staticmethod
    def stripped(built: pathlib.Path) -> str:
        """Its path, stripped of what only debuggers read where strip is at hand."""
        stripped = pathlib.Path(tempfile.mkdtemp(prefix="outlive-")) / built.name
        try:
            subprocess.run(["strip", "--strip-unneeded", "-o", str(stripped), str(built)], check=True)
        except (OSError, subprocess.CalledProcessError):
            return str(built)
        return str(stripped)

    def build(self) -> pathlib.Path:
        """Runs cargo on the source distribution's copy, or on the repository."""
        here = pathlib.Path(self.root)
        source = next((at for at in (here / "rust", here.parent.parent) if (at / "src" / "capi").is_dir()), None)
        if source is None:
            raise FileNotFoundError("outlive's Rust source is not here: build from a source distribution or the repository")
        built = source / os.environ.get("CARGO_TARGET_DIR", "target")
        options = ["--release", "--locked", "--package", "outlive", "--package", "outlive-cli", "--lib", "--bins"]
        glibc = os.environ.get("OUTLIVE_GLIBC")
        if glibc:
            target = f"{machine()}-unknown-linux-gnu"
            command, built = ["cargo", "zigbuild", *options, "--target", f"{target}.{glibc}"], built / target
        else:
            command = ["cargo", "build", *options]
        try:
            run_seen(command, source)
        except OSError as why:
            raise RuntimeError(f"cargo is needed to build outlive's library: {why}; or name a built one in OUTLIVE_LIBRARY") from why
        return built / "release" / "liboutlive.so"


def run_seen(command: list[str], where: pathlib.Path) -> None:
    """Runs it; what it says of its progress goes to the terminal too where pip keeps stderr to itself for all the time that it takes."""
    with contextlib.ExitStack() as open_files:
        seen = [sys.stderr]
        if not sys.stderr.isatty():
            with contextlib.suppress(OSError):  # there is no terminal
                seen.append(open_files.enter_context(open("/dev/tty", "w")))
        running = open_files.enter_context(subprocess.Popen(command, cwd=where, stderr=subprocess.PIPE, text=True, errors="replace"))
        assert running.stderr is not None
        for line in running.stderr:
            for file in seen:
                print(line, end="", file=file, flush=True)
        if running.wait() != 0:
            raise subprocess.CalledProcessError(running.returncode, command)


def machine() -> str:
    return sysconfig.get_platform().split("-", 1)[1].replace("-", "_").replace(".", "_")


def platform(*files: pathlib.Path) -> str:
    """The wheel's platform, as auditwheel would say it: by the newest glibc that a symbol is asked of. What the files link to is
    on every such system: libc and its parts, and libgcc_s. Without glibc (musl, say), what this Python calls its own platform."""
    found = [pair for file in files for pair in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?=[\0.])", file.read_bytes())]
    asked = [(int(major), int(minor)) for major, minor in found]
    if not asked:
        return "linux_" + machine()
    return "manylinux_%d_%d_%s" % (*max(*asked, (2, 5)), machine())

"""Puts the native library into the wheel: the one that OUTLIVE_LIBRARY names, else one that cargo builds.

OUTLIVE_WHEEL_PLATFORM names another platform for the wheel's file name, such as manylinux_2_34_x86_64.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sysconfig
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """For hatchling."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        platform = os.environ.get("OUTLIVE_WHEEL_PLATFORM") or sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][self.library()] = "outlive/_lib/liboutlive.so"

    def library(self) -> str:
        """The library's path, stripped of what only debuggers read where strip is at hand."""
        ready = os.environ.get("OUTLIVE_LIBRARY")
        built = pathlib.Path(ready) if ready else self.build()
        if not built.is_file():
            raise FileNotFoundError(f"{built}: no such library")
        stripped = pathlib.Path(tempfile.mkdtemp(prefix="outlive-")) / "liboutlive.so"
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
        try:
            subprocess.run(["cargo", "build", "--release", "--locked", "--package", "outlive", "--lib"], cwd=source, check=True)
        except OSError as why:
            raise RuntimeError(f"cargo is needed to build outlive's library: {why}; or name a built one in OUTLIVE_LIBRARY") from why
        return source / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "liboutlive.so"

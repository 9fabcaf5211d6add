"""`python -m outlive`: the whole `outlive` command, whose program is inside the package."""

from __future__ import annotations

import os
import sys
from typing import List

HERE = os.path.dirname(os.path.abspath(__file__))


def program() -> str:
    """OUTLIVE_COMMAND of the environment, else the program inside the package, else the one on the PATH."""
    chosen = os.environ.get("OUTLIVE_COMMAND")
    if chosen:
        return chosen
    bundled = os.path.join(HERE, "_lib", "outlive")
    if os.path.exists(bundled):
        return bundled if os.access(bundled, os.X_OK) else _copied(bundled)
    return "outlive"


def _copied(path: str) -> str:
    """For packages that were unpacked without their files' modes, into a place that may not be writable."""
    fd = os.memfd_create("outlive", 0)
    with open(path, "rb") as file:
        data = file.read()
    while data:
        data = data[os.write(fd, data):]
    return f"/proc/self/fd/{fd}"


def main() -> None:
    """Becomes the command."""
    arguments: List[str] = ["outlive", *sys.argv[1:]]
    try:
        os.execvp(program(), arguments)
    except OSError as why:
        sys.exit(f"outlive: the command's program cannot be run: {why}; install the package from a wheel, or name one in OUTLIVE_COMMAND")


if __name__ == "__main__":
    main()

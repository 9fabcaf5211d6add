"""The demo's story, as a reader would run it, and what keeps its tables."""

import os
import subprocess

from lib import BUILD, ROOT


def test_store(tmp_path):
    program = tmp_path / "store"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude", "tests/demo/store.c",
                    "examples/formsave/store.c", "-o", program, "-lsqlite3"], cwd=ROOT, check=True)
    subprocess.run([program, tmp_path], check=True)


def test_story():
    subprocess.run([ROOT / "tests/demo/story.sh", BUILD], check=True)

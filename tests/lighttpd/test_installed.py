"""`make install-lighttpd`: the module finds the library where it is installed. A build that fails leaves nothing beside it."""

import subprocess

from server import ROOT


def test_installed(tmp_path):
    subprocess.run(["make", "-s", "install-lighttpd", f"DESTDIR={tmp_path}", "PREFIX=/opt/outlive"], cwd=ROOT, check=True)
    said = subprocess.run(["readelf", "-d", tmp_path / "usr/lib/lighttpd/mod_outlive.so"], check=True, capture_output=True, text=True).stdout
    assert any("PATH" in line and "/opt/outlive/lib" in line for line in said.splitlines()), said


def test_failed_build(tmp_path):
    compiler, build = tmp_path / "cc", tmp_path / "build"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho half > "$2"\nexit 1\n')
    compiler.chmod(0o755)
    done = subprocess.run(["make", "-s", "lighttpd-module", f"CC={compiler}", f"LIGHTTPD_BUILD={build}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and list(build.iterdir()) == [], done.stderr

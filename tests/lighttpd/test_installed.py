"""`make install-lighttpd`: the module finds the library where it is installed."""

import subprocess

from server import ROOT


def test_installed(tmp_path):
    subprocess.run(["make", "-s", "install-lighttpd", f"DESTDIR={tmp_path}", "PREFIX=/opt/outlive"], cwd=ROOT, check=True)
    said = subprocess.run(["readelf", "-d", tmp_path / "usr/lib/lighttpd/mod_outlive.so"], check=True, capture_output=True, text=True).stdout
    assert any("PATH" in line and "/opt/outlive/lib" in line for line in said.splitlines()), said

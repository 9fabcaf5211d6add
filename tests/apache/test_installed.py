"""`make install install-apache`, as a user would."""

import subprocess

from lib import ROOT


def test_installed():
    subprocess.run([ROOT / "tests/apache/installed"], check=True)

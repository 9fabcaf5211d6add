"""`make install-nginx`, as a user would."""

import subprocess

from server import ROOT


def test_installed():
    subprocess.run([ROOT / "tests/nginx/installed"], check=True)

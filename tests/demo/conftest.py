"""The example server is built once before its tests; a test that fails shows what it said."""

import os
import subprocess

import pytest
from lib import ROOT, Server
from shown import shows


@pytest.fixture(scope="session", autouse=True)
def built():
    if "DEMO_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "demo-build"], cwd=ROOT, check=True)


pytest_runtest_makereport = shows("formsave", Server.running)

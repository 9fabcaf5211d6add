"""mod_outlive is built once before its tests; a test that fails shows what its servers said."""

import os
import subprocess

import pytest
from server import ROOT, Fpm, Lighttpd, backend
from shown import shows


@pytest.fixture(scope="session", autouse=True)
def built():
    if "LIGHTTPD_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "lighttpd-source"], cwd=ROOT, check=True)
        subprocess.run(["make", "-s", "lighttpd"], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def fpm():
    with Fpm(8) as one:
        yield one


@pytest.fixture
def back():
    """A backend that no other test's requests have reached."""
    with backend() as one:
        yield one


pytest_runtest_makereport = shows("lighttpd", Lighttpd.running)

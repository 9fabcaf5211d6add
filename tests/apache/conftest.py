"""mod_outlive is built once before its tests; a test that fails shows what its servers said."""

import os
import subprocess

import pytest
from lib import ROOT, Httpd, backend
from shown import shows


@pytest.fixture(scope="session", autouse=True)
def built():
    if "APACHE_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "apache", "demo-build"], cwd=ROOT, check=True)


@pytest.fixture
def back(request):
    """A backend that no other server's requests have reached: the test's own, or its server's."""
    if "server" in request.fixturenames:
        yield request.getfixturevalue("server").back
        return
    with backend() as one:
        yield one


pytest_runtest_makereport = shows("httpd", Httpd.running)

"""The module is built once before its tests; a test that fails shows what its servers said."""

import os
import subprocess

import pytest
from server import ROOT, Fpm, Nginx, backend
from shown import shows


@pytest.fixture(scope="session", autouse=True)
def built():
    if "NGINX_MODULE" not in os.environ:
        subprocess.run(["make", "-s", "nginx", "demo-build"], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def fpm():
    with Fpm() as one:
        yield one


@pytest.fixture(scope="module")
def back():
    """Its tests give their requests names of their own."""
    with backend() as one:
        yield one


pytest_runtest_makereport = shows("nginx", Nginx.running)

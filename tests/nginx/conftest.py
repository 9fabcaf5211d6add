"""The module is built once before its tests; a test that fails shows what its servers said."""

import os
import subprocess

import pytest
from server import ROOT, SHOWN, Fpm, Nginx, backend


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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [(f"nginx on port {server.port}", server.said()[-SHOWN:]) for server in Nginx.running]

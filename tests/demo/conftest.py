"""The example server is built once before its tests; a test that fails shows what it said."""

import os
import subprocess

import pytest
from lib import ROOT, Server


@pytest.fixture(scope="session", autouse=True)
def built():
    if "DEMO_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "demo-build"], cwd=ROOT, check=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [(f"formsave on port {server.port}", server.said()[-6000:]) for server in Server.running]

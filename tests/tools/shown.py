"""For conftest.py: a test that fails shows what its servers have written last."""

import pytest

MOST = 6000


def shows(name, running):
    """A hook of pytest; `running` is the list of the servers that run now, each with its `port`, and `said()` for its log."""
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item):
        outcome = yield
        report = outcome.get_result()
        if report.failed:
            report.sections += [(f"{name} on port {server.port}", server.said()[-MOST:]) for server in running]
    return pytest_runtest_makereport

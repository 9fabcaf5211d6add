"""The story with a real tab in headless Chromium: the form is submitted, the tab is closed while it waits for C."""

import pathlib
import shutil
import sys
import tempfile
import time

from servers import Server, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "tests/demo"))
from browser import Browser  # noqa: E402


def main():
    running = Server("gunicorn asgi", "fastapi_app", "async")
    with tempfile.TemporaryDirectory(prefix="outlive-tab-", ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            running.lock_c()
            first = browser.windows()[0]
            tab = browser.do("POST", "/window/new", {"type": "tab"})["handle"]
            browser.switch(tab)
            browser.go("http://127.0.0.1:%d/" % running.port)
            browser.type("input", "milk")
            browser.click("button")
            wait_for("the form waits for C", lambda: running.waits("finish-tab"))
            browser.do("DELETE", "/window")
            browser.switch(first)
            wait_for("the client is seen to have gone", lambda: "finish-tab gone" in running.said())
            time.sleep(4)  # after three seconds, gunicorn cancels
            assert running.endings("finish-tab") == []
            running.unlock_c()
            wait_for("it has ended", lambda: running.endings("finish-tab"))
            assert (running.written("finish-tab"), running.endings("finish-tab")) == ("ABCD", ["completed"])
        except BaseException:
            print(running.said(), file=sys.stderr)
            raise
        finally:
            browser.close()
            running.close()
    print("a tab of %s was closed: ABCD, completed" % shutil.which("chromium"))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Looks at the book in a real browser: look.py DIRECTORY. Every page of the menu fits a telephone's width, in both colour schemes; a search finds."""
import contextlib
import functools
import http.server
import pathlib
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "demo"))

from browser import Browser  # noqa: E402
from lib import wait_for  # noqa: E402

PHONE = 390


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    root = pathlib.Path(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    pages = [page for page in sorted(root.rglob("*.html")) if "sources" not in page.parts and page.name != "404.html"]
    assert len(pages) > 40, pages
    with tempfile.TemporaryDirectory() as profile, contextlib.closing(Browser(profile)) as browser:
        width = lambda pixels: browser.do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": pixels, "height": 844, "deviceScaleFactor": 1, "mobile": pixels == PHONE}})
        width(PHONE)
        for page in pages:
            browser.go(f"{url}/{page.relative_to(root)}")
            wide = browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{page.relative_to(root)} is {wide} pixels wider than a telephone"
        browser.go(f"{url}/index.html")
        colours = {scheme: browser.script(f"document.body.dataset.mdColorScheme = '{scheme}'; return getComputedStyle(document.body).backgroundColor")
                   for scheme in ("default", "slate")}
        assert len(set(colours.values())) == 2, colours
        width(1200)
        browser.go(f"{url}/index.html")
        browser.script("document.querySelector('[data-md-toggle=search]').checked = true; const field = document.querySelector('.md-search__input');"
                       "field.focus(); field.value = 'hard_timeout'; field.dispatchEvent(new Event('keyup', {bubbles: true}));"
                       "field.dispatchEvent(new Event('input', {bubbles: true}))")
        wait_for("the search finds a page", lambda: browser.script("return document.querySelectorAll('.md-search-result__item').length") > 0)
    server.shutdown()
    print(f"{len(pages)} pages fit {PHONE} pixels, in light and dark; the search finds")


main()

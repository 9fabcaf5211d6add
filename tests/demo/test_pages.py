"""The pages in a real browser: lock C, save, close the tab while it waits, and look into the databases.

Needs chromium and chromedriver; Python's standard library otherwise.
"""

import pathlib
import re
import time
import urllib.request

import pytest
from browser import Browser
from lib import Server, wait_for


@pytest.fixture(scope="module")
def server():
    with Server() as one:
        yield one
        for note, ending, calls in one.db.execute("SELECT note, ending, calls FROM journal"):
            assert calls == 1 and ending, f"{note}: its shutdown function ran {calls} times, told {ending}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture(autouse=True)
def no_language_chosen(browser):
    """A test may choose another language than English; the next one begins without."""
    yield
    browser.do("DELETE", "/cookie")


def submit_and_leave(browser, server, policy, note):
    """Locks C, saves in a new tab, and closes that while it waits. The first tab is in front afterwards."""
    first = browser.windows()[0]
    browser.switch(first)
    browser.go(server.url + "/")
    browser.type("#seconds", "300")
    browser.click("#lock button[type=submit]")
    wait_for("the page says that C is locked", lambda: "locked" in browser.text("#locked"))
    browser.type("#note", note)
    browser.click(f"input[value='{policy}']")
    browser.click("#save button[type=submit]")
    tab = wait_for("the new tab", lambda: [window for window in browser.windows() if window != first])[0]
    wait_for("A and B are written", lambda: server.written(note) == "AB")
    browser.switch(tab)
    wait_for("the tab shows how far it is", lambda: "Table B is written" in browser.text("body"))
    assert server.ending(note) is None, f"{note}: it has ended though C is locked: {server.ending(note)}"
    browser.do("DELETE", "/window")
    browser.switch(first)


def unlock(browser, server):
    browser.go(server.url + "/")
    browser.click("#unlock")
    wait_for("the page says that C is free", lambda: "free" in browser.text("#locked"))


def row_of(browser, note):
    """The row of the list on the page, as text in one line."""
    rows = browser.script("return [...document.querySelectorAll('#saved tr')].map(row => row.innerText)")
    found = [re.sub(r"\s+", " ", row) for row in rows if note in row]
    return found[0] if found else ""


def test_speaks(browser, server):
    """The pages are in the language that the browser asks for, or that was chosen; the translations are whole."""
    def fetched(path, **headers):
        with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=30) as answer:
            return answer.read().decode()

    def shape(html):
        return re.sub(r">[^<>]+<", "><", re.sub(r'(lang|value|aria-label)="[^"]*"', r'\1', html))

    for path in ("/", "/live"):
        english = fetched(path)
        assert '<html lang="en">' in english
        for wanted, tag in (("zh-TW,zh;q=0.9,en;q=0.8", "zh-TW"), ("zh-Hant-HK", "zh-TW"), ("fr, zh;q=0.5", "zh-CN"), ("en;q=0.4,zh-CN;q=0.7", "zh-CN"),
                            ("fr-FR", "en"), ("zh;q=0", "en"), (",,;q==,", "en")):
            page = fetched(path, **{"Accept-Language": wanted})
            assert f'<html lang="{tag}">' in page, (wanted, page[:60])
            assert shape(page) == shape(english), f"{path} in {tag} has other parts than in English"
        assert '<html lang="zh-CN">' in fetched(path + "?lang=zh-CN", **{"Accept-Language": "en"})
        assert '<html lang="zh-TW">' in fetched(path, Cookie="a=b; lang=zh-TW")
    saving = fetched("/save/finish?note=x", **{"Accept-Language": "zh-CN"})
    assert '<html lang="zh-CN">' in saving and "D 表已写入。" in saving, saving
    script = (pathlib.Path(__file__).resolve().parents[2] / "examples/site/page.js").read_text()
    table, code = script.split("const language =", 1)
    for words in re.findall(r"'([A-Za-z%][^']*)'", " ".join(re.findall(r"say\(([^()]*(?:\([^()]*\)[^()]*)*)\)", code))):
        assert f"  '{words}': [" in table, f"page.js has no translation of: {words}"
    browser.go(server.url + "/")
    browser.click("a[lang=zh-TW]")
    wait_for("the page speaks it", lambda: browser.text("#locked") == "C 沒有鎖")
    wait_for("its script has noted the choice", lambda: "lang=zh-TW" in browser.script("return document.cookie"))
    browser.go(server.url + "/live")
    wait_for("the choice is kept", lambda: browser.script("return document.documentElement.lang") == "zh-TW" and browser.text("#locked") == "C 沒有鎖")
    browser.click("a[lang=en]")
    wait_for("and English again", lambda: browser.text("#locked") == "C is free")


def test_finishes(browser, server):
    note = "finish: the milk <b>&</b> \"bread\""
    submit_and_leave(browser, server, "post /save/finish", note)
    browser.go(server.url + "/live")
    live = lambda: re.sub(r"\s+", " ", browser.text("#live"))
    wait_for("/live shows the request as gone", lambda: re.search(r"POST /save/finish gone for [\d.]+ s", live()))
    assert browser.text("#gone") == "1", f"/live counts {browser.text('#gone')} detached requests, not 1"
    assert "it finishes" in live(), live()
    # It keeps working: two looks later it is still there, older.
    age = re.search(r"gone for ([\d.]+)", live())[1]
    wait_for("the row's time goes on", lambda: float(re.search(r"gone for ([\d.]+)|$", live())[1] or 0) > float(age))
    assert server.written(note) == "AB", f"C is locked, but {server.written(note)} are written"
    unlock(browser, server)
    wait_for("it has ended", lambda: server.ending(note))
    assert server.written(note) == "ABCD", f"only {server.written(note)} are written"
    assert server.ending(note) == "COMPLETED", server.ending(note)
    wait_for("the list shows it", lambda: "COMPLETED" in row_of(browser, note))
    assert "examples/httpd.conf:" in row_of(browser, note), row_of(browser, note)
    browser.go(server.url + "/live")
    wait_for("/live is empty", lambda: browser.text("#gone") == "0" and "Nothing is in flight" in browser.text("#live"))


def test_stops(browser, server):
    note = "stop: the milk"
    submit_and_leave(browser, server, "post /save/stop", note)
    wait_for("it has ended, while C is still locked", lambda: server.ending(note))
    assert server.live()["locked"] > 0, "C is not locked any more: the test proves nothing"
    assert server.ending(note) == "ABORTED", server.ending(note)
    unlock(browser, server)
    time.sleep(0.5)
    assert server.written(note) == "AB", f"{server.written(note)} are written: C and D should not be"
    wait_for("the list shows it", lambda: "ABORTED" in row_of(browser, note))


def test_asks(browser, server):
    """The method decides: the same URL, by GET."""
    note = "auto: only asking"
    submit_and_leave(browser, server, "get /save/auto", note)
    wait_for("it has ended, while C is still locked", lambda: server.ending(note))
    assert (server.ending(note), server.written(note)) == ("ABORTED", "AB"), (server.ending(note), server.written(note))
    unlock(browser, server)

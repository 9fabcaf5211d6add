"""Chromium, driven by chromedriver: as much of WebDriver as the tests need. Python's standard library otherwise."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

from lib import wait_for

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the WebDriver standard gives to references
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Browser:
    """WebDriver over HTTP, as much of it as is needed."""

    def __init__(self, profile, *flags):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        port = None
        while port is None:
            line = self.driver.stdout.readline().decode()
            if not line:
                raise AssertionError("chromedriver did not start")
            found = re.search(r"successfully on port (\d+)", line)
            port = found and found[1]
        self.base = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, *flags, f"--user-data-dir={profile}"]}
        if shutil.which("chromium"):
            options["binary"] = shutil.which("chromium")
        # A tab that still loads must not hold up the next command: it is loading for as long as C is locked.
        wanted = {"pageLoadStrategy": "none", "goog:chromeOptions": options}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {json.load(error)['value']['message']}") from None

    def do(self, method, path, body=None):
        return self.call(method, self.session + path, body)

    def go(self, url):
        self.do("POST", "/url", {"url": url})
        wait_for(f"{url} is loaded", lambda: self.script("return document.readyState === 'complete'")
                 and self.do("GET", "/url").startswith(url))

    def script(self, text):
        return self.do("POST", "/execute/sync", {"script": text, "args": []})

    def find(self, selector):
        return "/element/" + self.do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.do("POST", self.find(selector) + "/click", {})

    def type(self, selector, text):
        self.do("POST", self.find(selector) + "/clear", {})
        self.do("POST", self.find(selector) + "/value", {"text": text})

    def text(self, selector):
        return self.script(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def windows(self):
        return self.do("GET", "/window/handles")

    def switch(self, window):
        self.do("POST", "/window", {"handle": window})

    def close(self):
        with contextlib.suppress(Exception):
            self.do("DELETE", "")
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()
        self.driver.stdout.close()

"""Runs every Python example of README.md as it stands there, and looks at what it says."""

import asyncio
import contextlib
import io
import os
import pathlib
import re
import sys
import tempfile
import types

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
README = (HERE.parent / "README.md").read_text()
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", README, flags=re.S)


def wsgi_post(app, path):
    import wsgiref.util

    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "SCRIPT_NAME": "", "wsgi.input": io.BytesIO()}
    wsgiref.util.setup_testing_defaults(environ)
    status = []
    result = app(environ, lambda line, headers, exc_info=None: status.append(line) or (lambda data: None))
    try:
        return status[0], b"".join(result)
    finally:
        result.close()


def asgi_post(app, path):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "http_version": "1.1",
             "scheme": "http", "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
             "asgi": {"version": "3.0"}}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def django_project():
    """A settings module and an Apache file, as the examples suppose them."""
    settings = types.ModuleType("settings")
    settings.ROOT_URLCONF, settings.ALLOWED_HOSTS, settings.SECRET_KEY = "urls", ["*"], "x"
    urls = types.ModuleType("urls")
    sys.modules.update(settings=settings, urls=urls)
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    from django.http import HttpResponse
    from django.urls import path

    urls.urlpatterns = [path("save", lambda request: HttpResponse(b"saved"))]


def run(text, expected):
    said = io.StringIO()
    namespace = {"__name__": "__main__"}
    with contextlib.redirect_stdout(said):
        exec(compile(text, "README.md", "exec"), namespace)
        app = namespace.get("application") or namespace.get("app")
        if "outlive.wsgi" not in text and "outlive.asgi" not in text:
            app = None  # settings, and servers of other kinds
        if app is not None:
            is_wsgi = "outlive.wsgi" in text
            answer = wsgi_post(app, "/save") if is_wsgi else asgi_post(app, "/save")
            assert answer[0] in ("200 OK", 200) and b"saved" in answer[1], (text, answer)
    if app is not None and "register_shutdown_function" in text:
        expected = "ended: completed\n"
    assert said.getvalue() == expected, "expected:\n%s\nsaid:\n%s" % (expected, said.getvalue())


def main():
    os.chdir(ROOT)
    django_project()
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        for name in ("apache2.conf", "php.ini"):
            (pathlib.Path(directory) / name).write_text("")
        for at, (kind, text) in enumerate(BLOCKS):
            if kind != "python":
                continue
            follows = BLOCKS[at + 1] if at + 1 < len(BLOCKS) else ("", "")
            text = re.sub(r'"/etc/[^"]*/', '"%s/' % directory, text)
            run(text, follows[1] if follows[0] == "text" else "")
            count += 1
    assert count == len(re.findall("```python", README)) > 5, count
    print("%d examples run as they stand" % count)


if __name__ == "__main__":
    main()

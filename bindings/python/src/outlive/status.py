"""The status page of all processes, as an application to mount: the same page, document and numbers as Apache's, nginx's and the command's."""

from __future__ import annotations

import os
import socket
from http import HTTPStatus
from typing import Any, Callable, Iterable, List, Protocol, Tuple, Union

from ._own_thread import in_own_thread
from ._text import Path
from .engine import content_type, render_scoreboard
from .enums import Rendered
from .errors import Error

__all__ = ["StatusApp", "status_app"]


class Source(Protocol):
    """A middleware, or an engine."""

    def render(self, what: Rendered, *, title: str = "", notes: str = "") -> str:
        """The state of all processes, rendered as text."""


def status_app(source: Union[Source, Path], *, title: str = "") -> StatusApp:
    """An application for WSGI and for ASGI, to be mounted where only operators come: it shows URLs, and guards nothing by itself.

    source: the middleware, or the path of a scoreboard. title: whose requests these are; empty: the host's name. GET / is a page for
    people, ?json a document, ?metrics (or a path that ends in /metrics) numbers for Prometheus.
    """
    return StatusApp(source, title or socket.gethostname())


class StatusApp:
    """See `status_app`."""

    def __init__(self, source: Union[Source, Path], title: str) -> None:
        self.source, self.title = source, title

    def __call__(self, *arguments: Any) -> Any:
        """(environ, start_response), or (scope, receive, send)."""
        return self._wsgi(*arguments) if len(arguments) == 2 else self._asgi(*arguments)

    def _wsgi(self, environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ.get("REQUEST_METHOD", "GET")
        status, headers, body = self.answer(method, environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [] if method == "HEAD" else [body]

    async def _asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("outlive.status_app speaks HTTP only: mount it into an application")
        method, path, query = scope["method"], scope["path"], scope.get("query_string", b"").decode("latin-1")
        # A scoreboard is a file, which may be slow; and who looks at it may do so because all of the loop's threads wait.
        status, headers, body = await in_own_thread(lambda: self.answer(method, path, query), "outlive-status")
        given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    def answer(self, method: str, path: str, query: str) -> Tuple[int, List[Tuple[str, str]], bytes]:
        """Status, headers and body, for other kinds of servers. Reads a file."""
        if method not in ("GET", "HEAD"):
            return 405, [("Allow", "GET, HEAD"), ("Content-Type", "text/plain"), ("Content-Length", "0")], b""
        what = Rendered.PAGE
        if "metrics" in query.split("&") or path.endswith("/metrics"):
            what = Rendered.METRICS
        elif "json" in query.split("&"):
            what = Rendered.JSON
        status, kind = 200, content_type(what)
        try:
            text = self._render(what)
        except Error as why:
            status, kind, text = 503, "text/plain; charset=utf-8", f"{why}\n"
        body = text.encode("utf-8", "replace")
        return status, [
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ], body

    def _render(self, what: Rendered) -> str:
        source = self.source
        if isinstance(source, (str, bytes, os.PathLike)):
            return render_scoreboard(source, what, title=self.title)
        return source.render(what, title=self.title)

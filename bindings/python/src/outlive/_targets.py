"""What a request asks for, as a target: from an ASGI scope, from a WSGI environ."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, Iterable, Optional, Tuple
from urllib.parse import quote

from . import _structs as s


# An application has no file of its own. This is one of which only <Directory /> holds.
_NO_FILE = b"/application"


def _file(root: Optional[bytes], path: str) -> bytes:
    if root is None:
        return _NO_FILE
    return root + posixpath.normpath("/" + path.lstrip("/")).encode("utf-8", "surrogateescape")


def from_scope(scope: Dict[str, Any], name: Optional[bytes], root: Optional[bytes]) -> s.Target:
    """name: the Host header. root: the directory that URLs are files below."""
    raw: Optional[bytes] = scope.get("raw_path")
    path = raw if raw is not None else quote(scope["path"]).encode()
    query: bytes = scope.get("query_string", b"")
    server, client = scope.get("server"), scope.get("client")
    target = s.Target(size=s.TARGET_SIZE)
    target.server_name = name
    if server and server[1] is not None:
        target.server_address, target.port = server[0].encode(), server[1]
    target.scheme = scope.get("scheme", "http").encode()
    target.method = scope["method"].encode()
    target.uri = path + b"?" + query if query else path
    target.filename, target.document_root = _file(root, scope["path"]), root
    target.protocol = b"HTTP/" + scope["http_version"].encode()
    if client:
        target.client_address = client[0].encode()
    _set_headers(target, scope["headers"])
    return target


def from_environ(environ: Dict[str, Any], name: Optional[bytes], root: Optional[bytes]) -> s.Target:
    """name: the Host header, or the server's name. root: the directory that URLs are files below."""
    target = s.Target(size=s.TARGET_SIZE)
    target.server_name = name
    target.server_address = _bytes(environ, "SERVER_ADDR")
    port = str(environ.get("SERVER_PORT", ""))
    target.port = int(port) if port.isdigit() and int(port) < 65536 else 0
    target.scheme = _bytes(environ, "wsgi.url_scheme")
    target.method = _bytes(environ, "REQUEST_METHOD")
    target.uri = _uri(environ)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    target.filename, target.document_root = _file(root, path.encode("latin-1", "replace").decode("utf-8", "surrogateescape")), root
    target.protocol = _bytes(environ, "SERVER_PROTOCOL")
    target.client_address = _bytes(environ, "REMOTE_ADDR")
    _set_headers(target, (
        (key[5:].replace("_", "-").encode("latin-1"), value.encode("latin-1", "replace"))
        for key, value in environ.items() if key.startswith("HTTP_") and isinstance(value, str)
    ))
    return target


def _set_headers(target: s.Target, headers: Iterable[Tuple[bytes, bytes]]) -> None:
    given = [s.Header(name, value) for name, value in headers]
    target.headers = (s.Header * len(given))(*given)
    target.header_count = len(given)


def _bytes(environ: Dict[str, Any], key: str) -> Optional[bytes]:
    value = environ.get(key)
    return str(value).encode("latin-1", "replace") if value else None


def _uri(environ: Dict[str, Any]) -> bytes:
    """The request target as it came, where the server tells it; else put together again."""
    for key in ("REQUEST_URI", "RAW_URI"):
        known = _bytes(environ, key)
        if known:
            return known
    path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")) or "/"
    query = _bytes(environ, "QUERY_STRING")
    return path.encode() + (b"?" + query if query else b"")

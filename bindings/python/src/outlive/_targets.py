"""Makes the target of a request from an ASGI scope or a WSGI environ."""

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


def text(value: Any) -> Optional[bytes]:
    """What a server says where the specification wants text, as bytes; None for nothing, and for what is no text."""
    if isinstance(value, bytes):
        return value or None
    return value.encode("latin-1", "replace") if isinstance(value, str) and value else None


def port(value: Any) -> int:
    """A port as servers give it, number or text; 0: unknown."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    return value if isinstance(value, int) and 0 < value < 65536 else 0


def _address(pair: Any) -> Tuple[Optional[bytes], int]:
    """(host, port) of a scope; a socket's path has no port."""
    if not isinstance(pair, (tuple, list)) or not pair:
        return None, 0
    return text(pair[0]), port(pair[1]) if len(pair) > 1 else 0


def from_scope(scope: Dict[str, Any], name: Optional[bytes], root: Optional[bytes]) -> s.Target:
    """name: the Host header. root: the directory that URLs are files below. What a server leaves out, or gives against the specification, counts as
    unknown."""
    path = scope.get("path")
    if not isinstance(path, str):
        path = "/"
    raw = text(scope.get("raw_path"))
    uri = raw if raw is not None else quote(path.encode("utf-8", "surrogatepass")).encode() or b"/"
    query = text(scope.get("query_string"))
    target = s.Target(size=s.TARGET_SIZE)
    target.server_name = name
    address, number = _address(scope.get("server"))
    if number:
        target.server_address, target.port = address, number
    target.scheme = text(scope.get("scheme")) or b"http"
    target.method = text(scope.get("method")) or b"GET"
    target.uri = uri + b"?" + query if query else uri
    target.filename, target.document_root = _file(root, path), root
    target.protocol = b"HTTP/" + (text(scope.get("http_version")) or b"1.1")
    target.client_address = _address(scope.get("client"))[0]
    headers = ((text(key), text(value) or b"") for key, value in scope.get("headers") or ())
    _set_headers(target, ((key, value) for key, value in headers if key is not None))
    return target


def from_environ(environ: Dict[str, Any], name: Optional[bytes], root: Optional[bytes]) -> s.Target:
    """name: the Host header, or the server's name. root: the directory that URLs are files below."""
    target = s.Target(size=s.TARGET_SIZE)
    target.server_name = name
    target.server_address = _bytes(environ, "SERVER_ADDR")
    target.port = port(environ.get("SERVER_PORT"))
    target.scheme = _bytes(environ, "wsgi.url_scheme")
    target.method = _bytes(environ, "REQUEST_METHOD") or b"GET"
    target.uri = _uri(environ)
    path = path_of(environ)
    target.filename, target.document_root = _file(root, path.encode("latin-1", "replace").decode("utf-8", "surrogateescape")), root
    target.protocol = _bytes(environ, "SERVER_PROTOCOL")
    target.client_address = _bytes(environ, "REMOTE_ADDR")
    _set_headers(target, (
        (key[5:].replace("_", "-").encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for key, value in environ.items() if isinstance(key, str) and key.startswith("HTTP_") and isinstance(value, str)
    ))
    return target


def path_of(environ: Dict[str, Any]) -> str:
    """The path, as WSGI has it: each character a byte. Empty: unknown."""
    script, path = environ.get("SCRIPT_NAME"), environ.get("PATH_INFO")
    if not isinstance(path, str):
        path = ""
    return script + path if isinstance(script, str) else path


def _set_headers(target: s.Target, headers: Iterable[Tuple[bytes, bytes]]) -> None:
    given = [s.Header(name, value) for name, value in headers]
    target.headers = (s.Header * len(given))(*given)
    target.header_count = len(given)


def _bytes(environ: Dict[str, Any], key: str) -> Optional[bytes]:
    value = environ.get(key)
    return str(value).encode("latin-1", "replace") if value else None


def _uri(environ: Dict[str, Any]) -> bytes:
    """The request target as received, if the server gives it; else rebuilt from its parts."""
    for key in ("REQUEST_URI", "RAW_URI"):
        known = _bytes(environ, key)
        if known:
            return known
    path = quote(path_of(environ).encode("latin-1", "replace")) or "/"
    query = _bytes(environ, "QUERY_STRING")
    return path.encode() + (b"?" + query if query else b"")

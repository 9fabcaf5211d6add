"""What servers put into a scope or an environ is checked, never trusted."""

import asyncio
import pathlib
import tempfile
import unittest

import outlive
from asgi_exchange import Server, respond
from outlive import asgi, wsgi

CONF = 'LoadModule php_module modules/libphp.so\n<Location "/save">\nphp_flag ignore_user_abort on\n</Location>\n'
ODD = [None, "", "8000", b"8000", "x", -1, 70000, 2**70, 1.5, [], (), (None, None), ("127.0.0.1", "8000"), ("/run/socket", None), ("only",), object()]


class Odd(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.conf = pathlib.Path(directory.name) / "httpd.conf"
        self.conf.write_text(CONF)

    def serve(self, middleware, scope):
        async def main():
            server = Server(middleware)
            server.scope.update(scope)
            for key, value in scope.items():
                if value is KeyError:
                    del server.scope[key]
            await server.task
            return server.body

        return asyncio.run(main())

    def test_scopes(self):
        async def app(scope, receive, send):
            await respond(send, outlive.ini_get("ignore_user_abort").encode())

        middleware = asgi.OutliveMiddleware(app, httpd_conf=self.conf)
        for key in ("server", "client", "scheme", "method", "http_version", "raw_path", "query_string"):
            for value in [*ODD, KeyError]:
                with self.subTest(key=key, value=value):
                    expected = b"1" if key != "raw_path" or value in (None, "", (), [], KeyError) or not isinstance(value, (str, bytes)) else None
                    got = self.serve(middleware, {key: value})
                    if expected is not None:
                        self.assertEqual(got, expected)
        self.assertEqual(self.serve(middleware, {"headers": [("host", "localhost"), (b"host", "localhost"), (None, 3)]}), b"1")
        middleware._core.engine.now.close()

    def test_environs(self):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [outlive.ini_get("ignore_user_abort").encode()]

        middleware = wsgi.OutliveMiddleware(app, httpd_conf=self.conf)
        for key in ("SERVER_PORT", "SERVER_NAME", "HTTP_HOST", "REMOTE_ADDR", "SERVER_PROTOCOL", "REQUEST_METHOD", "gunicorn.socket",
                    "waitress.client_disconnected", "SCRIPT_NAME", "wsgi.url_scheme"):
            for value in ODD:
                if key == "SCRIPT_NAME" and value in ("8000", "x"):
                    continue
                with self.subTest(key=key, value=value):
                    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/save", "HTTP_HOST": "localhost", key: value}
                    result = middleware(environ, lambda status, headers, exc_info=None: None)
                    # A Host that Apache answers 400 to: what holds for the whole server.
                    self.assertIn(b"".join(result), (b"0", b"1") if key == "HTTP_HOST" else (b"1",))
                    result.close()
        middleware._core.engine.now.close()


if __name__ == "__main__":
    unittest.main()

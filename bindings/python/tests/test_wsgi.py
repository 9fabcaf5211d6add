"""The WSGI middleware: against the validator of the standard library, and against servers that stop writing."""

import logging
import os
import socket
import unittest
import wsgiref.util
import wsgiref.validate

import outlive
from outlive.wsgi import OutliveMiddleware

FINISH = {"outlive.disconnect": "finish"}
STOP = {"outlive.disconnect": "stop", "outlive.detect": "watch"}


class Exchanges(unittest.TestCase):
    def wrap(self, app, values=None, **options):
        self.middleware = OutliveMiddleware(app, values=values, **options)
        self.addCleanup(lambda: self.middleware._core.engine.now and self.middleware._core.engine.now.close())
        return self.middleware

    def serve(self, middleware, method="POST", writes=1000, path="/save", **environ):
        """As a server does it; the client is gone after so many writes. Status and body."""
        environ.update(REQUEST_METHOD=method, SCRIPT_NAME="", PATH_INFO=path, QUERY_STRING="")
        wsgiref.util.setup_testing_defaults(environ)
        self.status, self.written = None, []

        def write(data):
            if len(self.written) >= writes:
                raise BrokenPipeError
            self.written.append(data)

        def start_response(status, headers, exc_info=None):
            self.status = int(status.split()[0])
            return write

        result = middleware(environ, start_response)
        try:
            for chunk in result:
                write(chunk)
        except BrokenPipeError:
            pass
        finally:
            if hasattr(result, "close"):
                result.close()
        return self.status, b"".join(self.written)

    def in_flight(self):
        return self.middleware.requests()

    def test_nothing_happens_to_an_ordinary_request(self):
        told = []

        def app(environ, start_response):
            outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"saved", b" it"]

        checked = wsgiref.validate.validator(self.wrap(wsgiref.validate.validator(app)))
        self.assertEqual(self.serve(checked), (200, b"saved it"))
        self.assertEqual((told, self.in_flight()), ([outlive.Ending.COMPLETED], []))

    def form(self, reached):
        def app(environ, start_response):
            outlive.register_shutdown_function(lambda: reached.append(outlive.ending()))
            start_response("200 OK", [])
            for table in "ABCD":
                reached.append(table)
                yield table.encode()

        return app

    def test_finish_drains_silently(self):
        reached = []
        self.assertEqual(self.serve(self.wrap(self.form(reached), FINISH), writes=1), (200, b"A"))
        self.assertEqual(reached, [*"ABCD", outlive.Ending.COMPLETED])

    def test_stop_closes(self):
        reached = []
        self.serve(self.wrap(self.form(reached)), writes=1)
        self.assertEqual(reached, [*"AB", outlive.Ending.ABORTED])
        self.assertEqual(self.in_flight(), [])

    def test_a_head_is_no_client_that_left(self):
        reached = []

        def app(environ, start_response):
            outlive.register_shutdown_function(lambda: reached.append(outlive.ending()))
            start_response("200 OK", [])
            return iter([b"a", b"b"])

        middleware = self.wrap(app)
        environ = {"REQUEST_METHOD": "HEAD"}
        wsgiref.util.setup_testing_defaults(environ)
        middleware(environ, lambda *_: None).close()
        self.assertEqual(reached, [outlive.Ending.COMPLETED])

    def test_watched_socket(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        reached = []

        def app(environ, start_response):
            outlive.register_shutdown_function(lambda: reached.append(outlive.ending()))
            with outlive.hold():
                theirs.close()
                while not outlive.current().is_gone:
                    pass
                reached.append("C")
            reached.append("D")

        self.serve(self.wrap(app, STOP), **{"gunicorn.socket": ours})
        self.assertEqual(reached, ["C", outlive.Ending.ABORTED])

    def test_who_has_the_whole_answer_has_not_left(self):
        """It closes as soon as it has read the length that was announced, before the server asks for more."""
        for way in ("parts", "write"):
            for announced, ending in ((4, outlive.Ending.COMPLETED), (5, outlive.Ending.ABORTED)):
                with self.subTest(way, announced=announced):
                    ours, theirs = socket.socketpair()
                    self.addCleanup(ours.close)
                    told = []

                    def app(environ, start_response):
                        outlive.register_shutdown_function(lambda: told.append(outlive.ending()))  # noqa: B023
                        write = start_response("200 OK", [("Content-Length", str(announced))])  # noqa: B023
                        if way == "parts":  # noqa: B023
                            return [b"sa", b"ve"]
                        write(b"save")
                        return []

                    def sent(data):
                        written.append(data)  # noqa: B023
                        if sum(map(len, written)) == 4:  # noqa: B023
                            request = next(iter(middleware._core.engine.now._live.values()))  # noqa: B023
                            theirs.close()  # noqa: B023
                            while not request.is_gone:
                                pass

                    middleware, written = self.wrap(app, STOP), []
                    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "gunicorn.socket": ours}
                    result = middleware(environ, lambda status, headers: sent)
                    for chunk in result:
                        sent(chunk)
                    result.close()
                    self.assertEqual((b"".join(written), told), (b"save", [ending]))

    def test_waitress_channel(self):
        """Its socket may be closed while the application works: ours is another descriptor, and is closed at the end."""

        class Channel:
            socket, theirs = socket.socketpair()

            def check_client_disconnected(self):
                raise AssertionError("asked")

        channel, reached = Channel(), []
        self.addCleanup(channel.socket.close)

        def app(environ, start_response):
            with outlive.hold():
                channel.theirs.close()
                while not outlive.current().is_gone:
                    pass
                reached.append("C")
            reached.append("D")

        before = len(os.listdir("/proc/self/fd"))
        self.serve(self.wrap(app, STOP), **{"waitress.client_disconnected": channel.check_client_disconnected})
        self.middleware._core.engine.now.close()
        self.assertEqual(reached, ["C"])
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 1)  # theirs

    def test_write_of_start_response(self):
        reached = []

        def app(environ, start_response):
            write = start_response("200 OK", [])
            for table in "ABC":
                write(table.encode())
                reached.append(table)
            return []

        self.assertEqual(self.serve(self.wrap(app, FINISH), writes=1)[1], b"A")
        self.assertEqual(reached, [*"ABC"])
        reached.clear()
        self.serve(self.wrap(app), writes=1)
        self.assertEqual(reached, [*"A"])

    def test_time_limit(self):
        def app(environ, start_response):
            outlive.set_time_limit(1)
            while True:
                outlive.check()

        self.assertEqual(self.serve(self.wrap(app)), (500, b"stopped: time limit\n"))

    def test_exceptions(self):
        told = []

        def fails(raised, late):
            def app(environ, start_response):
                outlive.register_shutdown_function(lambda: told.append(outlive.ending()))
                if not late:
                    raise raised
                start_response("200 OK", [])
                return self.generate(raised)

            return app

        for raised, ending in (
            (ValueError, outlive.Ending.HOST_ERROR), (KeyboardInterrupt, outlive.Ending.SHUTDOWN), (SystemExit, outlive.Ending.SHUTDOWN)
        ):
            for late in (False, True):
                told.clear()
                with self.assertRaises(raised):
                    self.serve(self.wrap(fails(raised, late)))
                self.assertEqual((told, self.in_flight()), ([ending], []))

    @staticmethod
    def generate(raised):
        yield b"x"
        raise raised

    def test_a_shutdown_function_that_fails(self):
        def app(environ, start_response):
            outlive.register_shutdown_function(lambda: 1 / 0)
            start_response("200 OK", [])
            return [b"saved"]

        with self.assertLogs("outlive", logging.ERROR):
            self.assertEqual(self.serve(self.wrap(app)), (200, b"saved"))
        self.assertEqual(self.in_flight(), [])

    def test_finish_request(self):
        reached = []

        def app(environ, start_response):
            self.assertTrue(outlive.finish_request(b"thanks", status=202))
            self.assertFalse(outlive.finish_request())
            self.assertEqual(b"".join(self.written), b"thanks")
            start_response("200 OK", [])
            reached.append("after")
            return [b"dropped"]

        self.assertEqual(self.serve(self.wrap(app)), (202, b"thanks"))
        self.assertEqual(reached, ["after"])

    def test_the_applications_close_is_called(self):
        closed = []

        class Body:
            def __iter__(self):
                return iter([b"x"])

            def close(self):
                closed.append(outlive.current().ended)

        def app(environ, start_response):
            start_response("200 OK", [])
            return Body()

        self.serve(self.wrap(app))
        self.assertEqual(closed, [False])

    def test_a_file_is_handed_on(self):
        class Wrapper:
            pass

        wrapped = Wrapper()
        middleware = self.wrap(lambda environ, start_response: wrapped)
        environ = {"wsgi.file_wrapper": Wrapper}
        wsgiref.util.setup_testing_defaults(environ)
        self.assertIs(middleware(environ, lambda *_: None), wrapped)
        self.assertEqual(self.in_flight(), [])

    def test_settings_are_those_of_the_url(self):
        import pathlib
        import tempfile

        def app(environ, start_response):
            start_response("200 OK", [])
            return [outlive.ini_get("ignore_user_abort").encode()]

        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "httpd.conf"
            path.write_text(
                'LoadModule php_module modules/libphp.so\n<Location "/save">\nphp_flag ignore_user_abort on\n</Location>\n'
                '<Directory "/srv/site/admin">\nphp_flag ignore_user_abort on\n</Directory>\n'
            )
            middleware = self.wrap(app, httpd_conf=path, root="/srv/site")
        for url, expected in (("/", b"0"), ("/save", b"1"), ("/save/x", b"1"), ("/admin/x", b"1"), ("/admin/../x", b"0")):
            self.assertEqual(self.serve(middleware, path=url)[1] or b"0", expected, url)

    def test_what_makes_no_sense(self):
        with self.assertRaises(TypeError):
            OutliveMiddleware(self.form([]), outlive.Config(), values={})
        with self.assertRaises(outlive.ConfigError):
            OutliveMiddleware(self.form([]), httpd_conf="/no/such/file")


if __name__ == "__main__":
    unittest.main()

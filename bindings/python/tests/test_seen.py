"""The log's lines of clients that have gone."""

import io
import logging
import socket
import threading
import time
import unittest
import wsgiref.util

import outlive
from outlive.wsgi import OutliveMiddleware


class Lines(unittest.TestCase):
    def serve(self, view, level=logging.INFO, **policy):
        ours, theirs = socket.socketpair()

        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "5")])
            view(theirs)
            return [b"saved"]

        said = io.StringIO()
        handler, logger = logging.StreamHandler(said), logging.getLogger("outlive")
        before = logger.level
        logger.setLevel(level)
        logger.addHandler(handler)
        try:
            middleware = OutliveMiddleware(app, **policy)
            environ = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/save", "gunicorn.socket": ours}
            wsgiref.util.setup_testing_defaults(environ)
            result = middleware(environ, lambda *_: None)
            list(result)
            result.close()
            middleware._core.engine.now.close()
            return said.getvalue().splitlines()
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
            ours.close()
            theirs.close()

    def works_on(self, theirs):
        theirs.close()
        until = time.monotonic() + 10
        while outlive.current()._left_at is None and time.monotonic() < until:
            time.sleep(0.01)

    def leaves_late(self, theirs):
        theirs.close()
        while not outlive.current().is_gone:
            time.sleep(0.001)

    def works_until_stopped(self, theirs):
        theirs.close()
        while True:
            outlive.current().check()
            time.sleep(0.01)

    def test_a_cap_is_named(self):
        said = self.serve(self.works_until_stopped, logging.WARNING, disconnect="finish", max_detached=7, max_detached_time=1)
        self.assertEqual(said, ["its client has gone, stopped by a cap: POST /save: outlive.max_detached = 7 or outlive.max_detached_time = 1"])

    def test_who_is_to_stop_is_not_capped(self):
        self.assertEqual(self.serve(self.works_until_stopped, logging.WARNING, disconnect="stop", max_detached_time=1), [])

    def test_one_line_when_it_goes_and_one_when_it_is_over(self):
        first, second = self.serve(self.works_on, disconnect="finish")
        self.assertEqual(first, "its client has gone, the work goes on: POST /save")
        self.assertRegex(second, r"^its client had gone, the work is over, \d+\.\d s later: POST /save, completed$")

    def test_a_client_that_stays_is_not_spoken_of(self):
        self.assertEqual(self.serve(lambda theirs: None, disconnect="finish"), [])

    def test_nobody_reads_it(self):
        before = threading.active_count()
        self.assertEqual(self.serve(self.leaves_late, logging.WARNING, disconnect="finish"), [])
        self.assertEqual(threading.active_count(), before)


if __name__ == "__main__":
    unittest.main()

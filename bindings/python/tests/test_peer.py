"""A WSGI server that gives nobody its sockets: the connection is found by its peer, or it is said that nothing can be watched."""

import logging
import os
import socket
import threading
import time
import unittest
import wsgiref.simple_server

import outlive
from outlive._on_stop import notify_fd
from outlive.wsgi import OutliveMiddleware


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    says_port = True

    def get_environ(self):
        environ = super().get_environ()
        if self.says_port:
            environ["REMOTE_PORT"] = str(self.client_address[1])
        return environ

    def log_message(self, *_):
        pass


class Unsaying(Handler):
    says_port = False


class Peers(unittest.TestCase):
    def watched(self, handler):
        seen = []

        def app(environ, start_response):
            until = time.monotonic() + 20
            if environ["PATH_INFO"] == "/leaves":
                client.close()
                while not outlive.current().is_gone and time.monotonic() < until:
                    time.sleep(0.01)
            seen.append(outlive.current().is_gone)
            start_response("200 OK", [])
            return [b"saved"]

        middleware = OutliveMiddleware(app, values={"outlive.detect": "watch", "outlive.disconnect": "finish"})
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, middleware, handler_class=handler)
        self.addCleanup(server.server_close)
        notify_fd()  # the process's, made once
        before = len(os.listdir("/proc/self/fd"))
        for path in ("/leaves", "/stays") if handler.says_port else ("/stays",):
            client = socket.create_connection(server.server_address)
            client.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
            working = threading.Thread(target=server.handle_request)
            working.start()
            working.join(30)
            client.close()
        middleware._core.engine.now.close()
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)
        return seen

    def test_found(self):
        self.assertEqual(self.watched(Handler), [True, False])

    def test_said_once(self):
        with self.assertLogs("outlive", logging.WARNING) as said:
            self.assertEqual(self.watched(Unsaying), [False])
        self.assertIn("does not hand out its sockets", said.output[0])


if __name__ == "__main__":
    unittest.main()

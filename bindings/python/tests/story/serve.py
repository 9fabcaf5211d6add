"""Servers that applications start themselves: `serve.py Werkzeug|gevent APPLICATION PORT`."""

import importlib
import sys

server, name, port = sys.argv[1:]
if server == "gevent":
    from gevent import monkey

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", int(port)), importlib.import_module(name).application, log=None).serve_forever()
else:
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", int(port), importlib.import_module(name).application, threaded=True)

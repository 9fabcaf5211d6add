"""The story without a framework."""

import store


def save(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        store.save(store.note_of(environ["PATH_INFO"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"saved\n"]


application = store.wsgi(save)

"""The story as a Flask application."""

import flask
import store

app = flask.Flask(__name__)


@app.post("/<path:path>")
def save(path):
    store.save(store.note_of(path))
    return "saved\n"


application = store.wsgi(app)

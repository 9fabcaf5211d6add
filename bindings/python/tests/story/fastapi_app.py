"""The story as a FastAPI application, with a page for people."""

import fastapi
import fastapi.responses
import store

app = fastapi.FastAPI()

PAGE = """<!doctype html><title>Save</title>
<form method="post" action="/finish/tab"><input name="note"><button>Save</button></form>"""


@app.get("/", response_class=fastapi.responses.HTMLResponse)
def page():
    return PAGE


@app.post("/{path:path}")
async def save(path: str):
    await store.asave(store.note_of(path))
    return "saved"


asgi_application = store.asgi(app)

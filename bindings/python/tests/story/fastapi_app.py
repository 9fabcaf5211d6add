"""The story as a FastAPI application, with a page for people."""

import asyncio

import fastapi
import fastapi.responses
import outlive
import store

app = fastapi.FastAPI()

PAGE = """<!doctype html><title>Save</title>
<form method="post" action="/finish/tab"><input name="note"><button>Save</button></form>"""


@app.get("/", response_class=fastapi.responses.HTMLResponse)
def page():
    return PAGE


async def say_when_gone(request: outlive.Request, note: str) -> None:
    while not request.ended and not request.is_gone:
        await asyncio.sleep(0.05)
    print(note, "gone" if not request.ended else "ended", flush=True)


@app.post("/{path:path}")
async def save(path: str):
    if path == "finish/tab":
        app.state.watcher = asyncio.create_task(say_when_gone(outlive.current(), store.note_of(path)))
    await store.asave(store.note_of(path))
    return "saved"


asgi_application = store.asgi(app)

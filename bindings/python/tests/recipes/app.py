"""RECIPES.md's programs behind real servers: /finish and /stop save a note as the recipe does it."""

import os
import pathlib
import re
import sqlite3

import outlive

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "RECIPES.md").read_text()
RECIPE = os.environ["STORY_VIEW"]
NOTES = pathlib.Path(os.environ["NOTES"])


def code():
    return next(block for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.S) if block.startswith("# recipe: %s\n" % RECIPE))


def began(note):
    def told():
        with open(NOTES / note, "a") as file:
            file.write("ended: %s\n" % outlive.ending())

    outlive.register_shutdown_function(told)
    (NOTES / note).write_text("began\n")


space = {"__name__": RECIPE}
if RECIPE in ("asgi psycopg", "asyncpg", "httpx"):
    import fastapi
    from outlive.asgi import OutliveMiddleware

    if RECIPE == "asgi psycopg":
        RECIPE = "psycopg"
    exec(compile(code(), "RECIPES.md", "exec"), space)
    app = fastapi.FastAPI()

    @app.post("/{note}")
    async def save(note: str):
        getattr(outlive, note).apply()
        began(note)
        if RECIPE == "httpx":
            await space["ask"](os.environ["SLOW"])
        elif RECIPE == "asyncpg":
            await space["save"](note)
        else:
            await fastapi.concurrency.run_in_threadpool(space["save"], note)

    asgi_application = OutliveMiddleware(app, disconnect="auto")
elif RECIPE == "django":
    import django
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path

    found = dict(re.findall(r"(\w+)=(\S+)", os.environ["KEYWORDS"]))
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="recipes", MIDDLEWARE=["outlive.django.OutliveMiddleware"],
        OUTLIVE={"disconnect": "auto"}, INSTALLED_APPS=["outlive.django"],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": found["dbname"], "USER": found["user"], "HOST": found["host"], "PORT": found["port"],
        }},
    )
    django.setup()
    exec(compile(code(), "RECIPES.md", "exec"), space)

    def view(request, note):
        getattr(outlive, note).apply()
        began(note)
        space["save"](note)
        return HttpResponse("saved")

    urlpatterns = [path("<str:note>", view)]
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
else:
    import flask
    from outlive.wsgi import OutliveMiddleware

    exec(compile(code(), "RECIPES.md", "exec"), space)
    app = flask.Flask(__name__)

    @app.post("/<note>")
    def save(note):
        getattr(outlive, note).apply()
        began(note)
        if RECIPE == "sqlite3":
            space["count"](sqlite3.connect(":memory:", check_same_thread=False))
        else:
            space["save"](note)
        return "saved"

    application = OutliveMiddleware(app, disconnect="auto")

"""`manage.py check` on settings.OUTLIVE, as Django runs it; and Django's own test clients, which need no server."""

import pathlib
import subprocess
import sys

PROJECT = """
import sys
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], INSTALLED_APPS=["outlive.django"], %s)
from django.core.management import execute_from_command_line
urlpatterns = []
execute_from_command_line(["manage.py", "check"])
"""
FIRST = 'MIDDLEWARE=["outlive.django.OutliveMiddleware", "django.middleware.common.CommonMiddleware"]'
SECOND = 'MIDDLEWARE=["django.middleware.common.CommonMiddleware", "outlive.django.OutliveMiddleware"]'
CASES = [
    (FIRST + ', OUTLIVE={"disconnect": "auto", "time_limit": 30, "drain": 5}', "no issues"),
    (FIRST, "no issues"),
    (FIRST + ', OUTLIVE={"disconect": "auto"}', "outlive.E001) OUTLIVE has no 'disconect': did you mean 'disconnect'?"),
    (FIRST + ', OUTLIVE={"disconnect": "finnish"}', "outlive.E002"),
    (FIRST + ', OUTLIVE={"time_limit": 0.5}', "outlive.E002"),
    (FIRST + ", OUTLIVE=[]", "has to be a dictionary"),
    (FIRST + ', OUTLIVE={"httpd_conf": "/no/such/file"}', "/no/such/file"),
    ("OUTLIVE={}", "outlive.W001"),
    (SECOND + ", OUTLIVE={}", "outlive.W002"),
]

CLIENTS = """
import asyncio, sys
sys.argv = ["django_app"]
import django_app
from django.test import AsyncClient, Client
from work import HERE
for note in ("finish", "stop"):
    (HERE / (note + ".released")).touch()
if django_app.IS_ASYNC:
    answers = [asyncio.run(AsyncClient().post("/" + note)) for note in ("finish", "stop")]
else:
    answers = [Client().post("/" + note) for note in ("finish", "stop")]
assert [answer.content for answer in answers] == [b"saved"] * 2, answers
assert (HERE / "stop").read_text() == "began\\nwritten\\nended: completed\\n", (HERE / "stop").read_text()
"""


def main():
    for settings, said in CASES:
        done = subprocess.run([sys.executable, "-c", PROJECT % settings], capture_output=True, text=True)
        assert said in done.stdout + done.stderr, (settings, done.stdout, done.stderr)
        assert (done.returncode == 1) == ("E00" in said or said[0] in "/h"), (settings, done.returncode)
    print("manage.py check: %d settings" % len(CASES))
    import os
    import tempfile

    for view in ("sync", "async"):
        with tempfile.TemporaryDirectory() as directory:
            env = {**os.environ, "NOTES": directory, "STORY_VIEW": view}
            subprocess.run([sys.executable, "-c", CLIENTS], env=env, check=True, cwd=pathlib.Path(__file__).resolve().parent)
    print("Django's test clients: sync and async")


if __name__ == "__main__":
    main()

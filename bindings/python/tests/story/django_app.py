"""The story as a Django project in one file: a blocking view and an asynchronous one."""

import os

import django
import store
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="story", MIDDLEWARE=[], INSTALLED_APPS=[])
    django.setup()


def save(request, note):
    store.save(store.note_of(request.path))
    return HttpResponse("saved\n")


async def asave(request, note):
    await store.asave(store.note_of(request.path))
    return HttpResponse("saved\n")


urlpatterns = [path("<path:note>", asave if os.environ.get("STORY_VIEW") == "async" else save)]
application = store.wsgi(get_wsgi_application())
asgi_application = store.asgi(get_asgi_application())

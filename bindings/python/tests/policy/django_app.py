"""Django with the class in MIDDLEWARE; STORY_VIEW says whether its views are coroutine functions."""

import os

import django
import outlive
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from work import KEPT, LIMIT, POLICY, awords, awork, words, work

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="policy", INSTALLED_APPS=["outlive.django"],
    MIDDLEWARE=["outlive.django.OutliveMiddleware", "django.middleware.common.CommonMiddleware"], OUTLIVE=POLICY, APPEND_SLASH=False,
)
django.setup()
IS_ASYNC = os.environ.get("STORY_VIEW") == "async"


def doing(note):
    """A view."""
    if IS_ASYNC:

        async def aview(request):
            return HttpResponse(await awork(note.format(request.method)))

        return aview
    return lambda request: HttpResponse(work(note.format(request.method)))


def streaming(note, kind):
    if IS_ASYNC:

        async def aview(request):
            return StreamingHttpResponse(awords(note), content_type=kind)

        return aview
    return lambda request: StreamingHttpResponse(words(note), content_type=kind)


class Classy(View):
    if IS_ASYNC:

        async def post(self, request):
            return HttpResponse(await awork("classy"))
    else:

        def post(self, request):
            return HttpResponse(work("classy"))


@method_decorator(outlive.stop, name="dispatch")
class Below(View):
    def post(self, request):
        return HttpResponse(work("below"))


if IS_ASYNC:
    del Below
urlpatterns = [
    path("finish", outlive.finish(doing("finish"))), path("stop", outlive.stop(doing("stop"))), path("limit", LIMIT(doing("limit"))),
    path("auto", doing("auto-{}")), path("events", streaming("events", "text/event-stream")), path("parts", streaming("parts", "text/plain")),
    path("kept", KEPT(streaming("kept", "text/event-stream"))), path("classy", outlive.stop(Classy).as_view()),
    *([] if IS_ASYNC else [path("below", Below.as_view())]),
]

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line()
else:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    application, asgi_application = get_wsgi_application(), get_asgi_application()

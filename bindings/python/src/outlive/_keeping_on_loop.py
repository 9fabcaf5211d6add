"""How an exchange on an event loop hands its submission to a journal, and then its outcome. Journals that block are called in threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from typing import Any, Awaitable, Callable, Dict, List, Optional

from ._keeping import Keeping, not_told
from ._middleware import MiddlewareCore, keeping_of
from ._notifier import Notifier
from .config import Settings
from .enums import Ending
from .journal import Submission
from .request import Request

log = logging.getLogger("outlive")
Receive = Callable[[], Awaitable[Any]]

# Seconds that a journal may take for an answer, where no time limit says less.
PATIENCE = 10.0


async def keep(keeping: Keeping, request: Request, receive: Receive, notifier: Notifier) -> Receive:
    """Receives the submission and has it kept. Returns the function to use in place of `receive`. Refusal, Replay: the application does not run."""
    journal = keeping.begin(request)
    if journal is None:
        return receive
    messages: List[Dict[str, Any]] = []
    length = 0
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return _replayed(messages, receive)  # it left before it had sent everything
        length += len(message.get("body", b""))
        if length > journal.max_body:
            keeping.too_long(request)
            return _replayed(messages, receive)
        if not message.get("more_body", False):
            break
    submission = keeping.make(b"".join(message.get("body", b"") for message in messages))
    async with request.hold():  # whatever comes meanwhile: what is accepted is known to be
        try:
            known = await _patiently(_asked(journal.accept, notifier, submission), _seconds(request), keeping, submission, notifier)
        except (Exception, asyncio.CancelledError) as why:
            raise keeping.unreachable(why) from None
        keeping.accepted(request, submission, known)
    return _replayed(messages, receive)


def _seconds(request: Request) -> float:
    left = request.time_left
    return PATIENCE if left is None else max(0.0, min(PATIENCE, left))


async def _patiently(asked: asyncio.Future[Any], seconds: float, keeping: Keeping, submission: Submission, notifier: Notifier) -> Any:
    """The journal's answer. If it comes too late, the journal is told to have the work done elsewhere, because the client was not told that it is
    kept."""
    done, _ = await asyncio.wait([asked], timeout=seconds)
    if done:
        return asked.result()

    def late(answered: asyncio.Future[Any]) -> None:
        if answered.cancelled() or answered.exception() is not None or answered.result() is not None:
            return
        keeping.submission = submission
        function, *what = keeping.saying(Ending.HANDED_BACK)
        keeping.submission = None
        notifier.keep(_asked(function, notifier, *what))

    asked.add_done_callback(late)
    notifier.keep(asked)
    raise TimeoutError(f"no answer within {seconds:.1f} s")


async def say_done(keeping: Keeping, request: Request, notifier: Notifier) -> None:
    """Reports the outcome while the request is still shown; then the request ends."""
    function, *what = keeping.saying(request.ending)
    asked = _asked(function, notifier, *what)
    try:
        done, _ = await asyncio.wait([asked], timeout=PATIENCE)
        if done:
            asked.result()
        else:
            notifier.keep(asked)
            raise TimeoutError(f"no answer within {PATIENCE:.1f} s")
    except Exception as why:
        not_told(keeping.method, keeping.path, request.ending, why)
    finally:
        try:
            request.end()
        except Exception:
            log.exception("a shutdown function failed")


def _asked(function: Callable[..., Any], notifier: Notifier, *arguments: Any) -> asyncio.Future[Any]:
    """The journal's function, in a task of nobody's request, or in a thread."""
    loop, context = notifier.loop, contextvars.Context()
    owner = getattr(function, "__self__", None)
    if inspect.iscoroutinefunction(function) or getattr(owner, "is_async", False):
        return context.run(lambda: loop.create_task(_awaited(function(*arguments))))

    async def blocking() -> Any:
        answer = await loop.run_in_executor(notifier.journals(), lambda: context.run(function, *arguments))
        return await answer if inspect.isawaitable(answer) else answer

    return contextvars.Context().run(lambda: loop.create_task(blocking()))


async def _awaited(answer: Any) -> Any:
    return await answer


def _replayed(messages: List[Dict[str, Any]], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replay() -> Any:
        message: Optional[Dict[str, Any]] = next(waiting, None)
        return await receive() if message is None else message

    return replay


def keeping_of_scope(core: MiddlewareCore, settings: Settings, scope: Dict[str, Any], method: str, path: str) -> Keeping:
    """What a request that may be kept is begun with."""
    headers, keys = {}, []
    for name, value in scope.get("headers", ()):
        word, said = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[word] = said
        if word == "idempotency-key":
            keys.append(said)
    query = scope.get("query_string", b"").decode("latin-1")
    return keeping_of(core, settings, headers, keys, method, path + "?" + query if query else path)

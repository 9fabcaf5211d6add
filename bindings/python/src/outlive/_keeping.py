"""What both kinds of middleware share about journals: a submission is handed to the journal before its work begins, and its outcome at the end."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from http import HTTPStatus
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from .enums import Ending
from .journal import Journal, Known, Outcome, Submission, listener
from .request import Request

log = logging.getLogger("outlive")

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# The longest answer that is kept, in bytes.
MOST_ANSWER = 65536
_MOST_KEY = 255
# Seconds after which a client may ask again.
RETRY_AFTER = "2"

Headers = List[Tuple[str, str]]


def accepts(value: str) -> bool:
    """Whether outlive.accept has this value, by which submissions go to a journal: ini texts have 1 for an unquoted on."""
    return value.lower() in ("1", "on") or requires(value)


def requires(value: str) -> bool:
    """Whether it refuses a submission that cannot be kept."""
    return value.lower() == "required"


class Refusal(Exception):
    """The answer in place of the application's."""

    def __init__(self, status: int, detail: str, *, retry: bool = False) -> None:
        self.status = status
        title = HTTPStatus(status).phrase if status != 422 else "Unprocessable Content"
        self.body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
        self.headers: Headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(self.body)))]
        if retry:
            self.headers.append(("Retry-After", RETRY_AFTER))
        super().__init__(detail)


class Replay(Exception):
    """The answer of an earlier submission with the same key."""

    def __init__(self, known: Known) -> None:
        self.status, self.body = known.status or 200, known.answer or b""
        self.headers: Headers = [("Content-Length", str(len(self.body))), ("Idempotency-Replayed", "true")]
        if known.content_type:
            self.headers.insert(0, ("Content-Type", known.content_type))
        super().__init__("it was done before")


def client_key(values: Sequence[str]) -> Optional[str]:
    """The key of the Idempotency-Key headers; None: there is none. Refusal: they are malformed."""
    if not values:
        return None
    if len(values) > 1:
        raise Refusal(400, "there are several Idempotency-Key headers")
    key = values[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > _MOST_KEY or not key.isprintable() or not key.isascii():
        raise Refusal(400, f"an Idempotency-Key is 1 to {_MOST_KEY} printable ASCII characters")
    return key


def scoped(principal: bytes, method: str, path: str, key: Optional[str]) -> bytes:
    """The key of a submission, scoped so that one client's key neither blocks nor reveals another's. Without a client's key it is unique."""
    digest = hashlib.sha256()
    parts = (principal, method.encode(), path.encode("utf-8", "surrogateescape"), secrets.token_bytes(16) if key is None else key.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest().encode()


def not_told(method: str, path: str, ending: Ending, why: BaseException) -> None:
    """Logs that the journal failed to take the outcome. The journal has to retry by itself."""
    log.error("the journal was not told what came of it: %s %s, %s: %s: %s", method, path, ending, type(why).__name__, why)


class Keeping:
    """One request that may be handed to a journal."""

    __slots__ = ("journal", "principal", "keys", "method", "path", "content_type", "request", "key", "submission", "status", "answer_type", "answer")

    def __init__(self, journal: Optional[Journal], principal: bytes, keys: Sequence[str], method: str, path: str, content_type: str) -> None:
        """keys: the Idempotency-Key headers. path: with the query."""
        self.journal, self.principal, self.keys = journal, principal, keys
        self.method, self.path, self.content_type = method, path, content_type
        self.key = b""
        self.submission: Optional[Submission] = None  # once it is accepted
        self.status: Optional[int] = None
        self.answer_type: Optional[str] = None
        self.answer: Optional[List[bytes]] = None

    def make_key(self, duplicates: str) -> bytes:
        """Before the request begins; duplicates: what outlive.duplicates says. A malformed client's key is refused later."""
        try:
            key = client_key(self.keys) if duplicates == "conflict" else None
        except Refusal:
            key = None
        self.key = scoped(self.principal, self.method, self.path, key)
        return self.key

    def begin(self, request: Request) -> Optional[Journal]:
        """The journal for this request; None: it needs none. Refusal: one is required."""
        accept = request.ini_get("outlive.accept")
        if not accepts(accept):
            return None
        if self.journal is None:
            if requires(accept):
                raise Refusal(503, "what is submitted here has to be kept until it is done, and there is no journal", retry=True)
            return None
        if request.ini_get("outlive.duplicates").lower() == "conflict":
            client_key(self.keys)
        return self.journal

    def too_long(self, request: Request) -> None:
        """Refusal: the submission has to be kept, and cannot be."""
        self._not_kept(request, 413, "it is too long")

    def without_length(self, request: Request) -> None:
        """Its body is in chunks that the server leaves to the application. Refusal: the submission has to be kept."""
        self._not_kept(request, 411, "it does not say its length, and this server not where it ends")

    def _not_kept(self, request: Request, status: int, why: str) -> None:
        if requires(request.ini_get("outlive.accept")):
            raise Refusal(status, f"this cannot be kept until it is done: {why}")
        log.warning("not kept by the journal: %s %s: %s", self.method, self.path, why)

    def make(self, body: bytes) -> Submission:
        return Submission(self.key.decode(), self.method, self.path, self.content_type, body, hashlib.sha256(body).hexdigest())

    def unreachable(self, why: BaseException) -> Refusal:
        log.error("the journal did not accept: %s %s: %s: %s", self.method, self.path, type(why).__name__, why)
        return Refusal(503, "it cannot be said whether this was kept: the journal does not answer", retry=True)

    def accepted(self, request: Request, submission: Submission, known: Optional[Known]) -> None:
        """Takes the journal's answer. Refusal, Replay: the submission was there before."""
        if known is None:
            self.submission = submission
            request.set_accepted()
            return
        if known.fingerprint is not None and known.fingerprint != submission.fingerprint:
            raise Refusal(422, "this Idempotency-Key came with another body before")
        if not known.is_done:
            raise Refusal(409, "this is being worked on, or waits for it", retry=True)
        if known.status is None:
            raise Refusal(409, "this has been done before")
        raise Replay(known)

    # ---- what came of it ----

    def started(self, status: int, headers: Iterable[Tuple[Any, Any]]) -> None:
        self.status = status
        if self.submission is not None and self.journal is not None and self.journal.wants_answer:
            self.answer, self.answer_type = [], None
            for name, value in headers:
                if (name.decode("latin-1") if isinstance(name, bytes) else name).lower() == "content-type":
                    self.answer_type = value.decode("latin-1") if isinstance(value, bytes) else value

    def sent(self, message: Any) -> None:
        """A message of ASGI."""
        if message["type"] == "http.response.start":
            self.started(message["status"], message.get("headers", ()))
        elif self.answer is not None:
            self.part(message.get("body", b""))

    def part(self, data: bytes) -> None:
        if self.answer is not None and data:
            self.answer.append(data)
            if sum(map(len, self.answer)) > MOST_ANSWER:
                self.answer = None

    def saying(self, ending: Ending) -> Tuple[Any, Submission, Outcome]:
        """The journal's function to call, and the outcome for it."""
        journal, submission = self.journal, self.submission
        assert journal is not None and submission is not None
        answer = None if self.answer is None else b"".join(self.answer)
        status = self.status if answer is not None or not journal.wants_answer else None
        return listener(journal, ending), submission, Outcome(ending, status, self.answer_type, answer)

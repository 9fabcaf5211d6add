"""Work on a kept submission, in a process that is no server: `with outlive.resumed(key):`."""

from __future__ import annotations

import hashlib
import inspect
import os
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type, Union

from ._keeping import not_told
from ._middleware import ProcessEngine, shut_down
from ._text import Path
from .config import Config, Settings
from .journal import Journal, Outcome, Submission, listener
from .request import Request, _current, ending_of
from .errors import Error, Stop

__all__ = ["drain_resumed", "resumed"]

_engine = ProcessEngine()
_settings: Dict[Tuple[Optional[str], int], Settings] = {}


class resumed:
    """`with outlive.resumed(submission.key, journal=journal) as request:` the work on a submission from the journal: there is no client, so
    nothing is detached and output is dropped; the time limit, cancelling and a drain hold; `outlive status` shows it. The outcome is reported to
    the journal, if one is given, after the shutdown functions: done, failed, or to be done again. A `Stop` ends the block quietly:
    `request.ending` says why. `async with` for journals whose functions are awaited, and for shutdown functions that are.
    """

    def __init__(
        self,
        key: Union[str, bytes, Submission],
        *,
        journal: Optional[Journal] = None,
        method: str = "POST",
        path: str = "",
        time_limit: int = 0,
        scoreboard: Optional[Path] = None,
    ) -> None:
        """key: of the submission, or it itself, which says method and path. time_limit: seconds of elapsed time; 0: none."""
        if isinstance(key, Submission):
            self._submission = key
        else:
            text = key.decode() if isinstance(key, bytes) else key
            self._submission = Submission(text, method, path, "", b"", hashlib.sha256(b"").hexdigest())
        self._journal = journal
        asked = (None if scoreboard is None else os.fsdecode(scoreboard), time_limit)
        settings = _settings.get(asked)
        if settings is None:
            values: Dict[str, Any] = {"outlive.clock": "wall", "max_execution_time": time_limit, "outlive.accept": "on"}
            if asked[0] is not None:
                values["outlive.scoreboard"] = asked[0]
            settings = _settings[asked] = Config(values=values).resolve()
        self._asked = settings
        self.request: Optional[Request] = None

    def __enter__(self) -> Request:
        engine, submission = _engine.get(), self._submission
        self.request = engine.begin(
            self._asked, label=submission.path or None, method=submission.method, key=submission.key.encode(), resumed=True
        )
        self._token = _current.set(self.request)
        return self.request

    def __exit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> bool:
        request = self._over(why)
        try:
            if inspect.isawaitable(self._tell(request)):
                raise TypeError("this journal's functions are to be awaited: say async with outlive.resumed(…)")
        finally:
            request.end()
        return isinstance(why, Stop)

    async def __aenter__(self) -> Request:
        return self.__enter__()

    async def __aexit__(self, kind: Optional[Type[BaseException]], why: Optional[BaseException], where: Optional[TracebackType]) -> bool:
        request = self._over(why)
        try:
            told = self._tell(request)
            if inspect.isawaitable(told):
                await told
        except Exception as failed:
            self._not_told(request, failed)
        finally:
            request.end()
        return isinstance(why, Stop)

    def _over(self, why: Optional[BaseException]) -> Request:
        request = self.request
        assert request is not None
        _current.reset(self._token)
        if why is not None and not isinstance(why, Stop):
            try:
                request.exit(ending_of(why))
            except Error:
                pass
        shut_down(request)
        return request

    def _tell(self, request: Request) -> Any:
        """What the journal's function returns. What it raises is logged, as of every request: the submission has been worked on."""
        if self._journal is None:
            return None
        try:
            return listener(self._journal, request.ending)(self._submission, Outcome(request.ending))
        except Exception as failed:
            self._not_told(request, failed)
            return None

    def _not_told(self, request: Request, why: Exception) -> None:
        not_told(self._submission.method, self._submission.path, request.ending, why)


def drain_resumed(seconds: float) -> bool:
    """For the end of a worker: waits this many seconds for resumed requests, then tells them to stop: they are handed back. Blocks."""
    return _engine.drain(seconds)

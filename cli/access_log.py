"""The access log of a service: a line for each request, written by a thread of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import TYPE_CHECKING, TextIO

from engine.errors import UsageError

if TYPE_CHECKING:
    from server.counted import Answered, Hearer

FORMS = ("json", "text")
# Lines that wait for a terminal or a pipe that takes none; those beyond are counted and left out.
WAITING = 1000
# How long the end waits for what is not written yet.
LAST_SECONDS = 1.0


class AccessLog:
    """Lines to a stream; whoever hands in one never waits for it.

    Parameters
    ----------
    form
        `json` or `text`.
    stream
        Where to.
    waiting
        Lines that may wait.

    Raises
    ------
    UsageError
        There is no such form.
    """

    def __init__(self, form: str, stream: TextIO, waiting: int = WAITING) -> None:
        if form not in FORMS:
            raise UsageError(f"--log {form}", "there is no such form", "Use json or text")
        self._form = form
        self._stream = stream
        self._lines: Queue[str | None] = Queue(waiting)
        self._left_out = 0
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def heard(self, answered: Answered) -> None:
        """Write of a request, soon."""
        line = answered.as_json() if self._form == "json" else answered.as_text()
        try:
            self._lines.put_nowait(line)
        except Full:
            self._left_out += 1

    def close(self) -> int:
        """Write what waits, if that is soon done; return how many lines were left out."""
        with suppress(Full):
            self._lines.put(None, timeout=LAST_SECONDS)
        self._thread.join(LAST_SECONDS)
        return self._left_out

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            # OSError: nobody reads it any more; ValueError: the stream is closed.
            with suppress(OSError, ValueError):
                self._stream.write(f"{line}\n")
                self._stream.flush()


@contextmanager
def access_log(form: str | None) -> Iterator[Hearer | None]:
    """Write each request that is heard of within a `with` block to stderr; None for no log."""
    from cli.render import say

    if form is None:
        yield None
        return
    log = AccessLog(form, sys.stderr)
    try:
        yield log.heard
    finally:
        if left_out := log.close():
            say(f"{left_out} lines of the access log were left out: nobody read them in time")

"""What a job hears of its own work, and how it is made to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock

from engine.progress import Reporter, Stopped
from server.jobs.job import JobProgress

# How often progress is passed on.
SECONDS = 0.1


class JobReporter(Reporter):
    """Passes on what a job says, and ends it where it has been stopped.

    Parameters
    ----------
    said, came
        Hear announcements, and progress now and then.
    stopped
        When set, the next word ends the work.
    """

    def __init__(
        self, said: Callable[[str], None], came: Callable[[JobProgress], None], stopped: Event
    ) -> None:
        self._said, self._came, self._stopped = said, came, stopped
        self._lock = Lock()
        self._last: tuple[str, float] = ("", 0.0)

    def wait(self, seconds: float) -> None:
        """Wait, no longer than until the work is stopped.

        Raises
        ------
        Stopped
            It is.
        """
        self._stopped.wait(seconds)
        self.require_going()

    def require_going(self) -> None:
        """End the work where it has been stopped.

        Raises
        ------
        Stopped
            It has.
        """
        if self._stopped.is_set():
            raise Stopped

    def announce(self, text: str) -> None:
        """Pass it on."""
        self.require_going()
        self._said(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Pass it on, if the last one was a while ago or this is the end of a task."""
        self.require_going()
        with self._lock:
            last, when = self._last
            now = time.monotonic()
            if task == last and done != total and now - when < SECONDS:
                return
            self._last = task, now
        self._came(JobProgress(task, int(done), None if total is None else int(total), unit))

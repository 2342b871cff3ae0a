"""What the engine says while it works; who hears it is up to the caller."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger("engine")


class Stopped(KeyboardInterrupt):
    """Raised by a reporter to end what it is told of, as Ctrl-C would: what is committed stays."""


class Reporter:
    """Hears announcements and progress. This one logs the former and ignores the latter.

    Announcements are for people: a download and its size, a choice made for them. They are
    logged as warnings, which Python shows on stderr unless told otherwise, because nothing may
    be fetched in silence.

    Both methods are called from whichever thread does the work, several at a time; a subclass
    guards what it keeps. What they raise ends the work; `Stopped` is meant for that.
    """

    def announce(self, text: str) -> None:
        """Say something once."""
        _log.warning(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Say how far a task has come.

        Parameters
        ----------
        task
            Its name, by which calls belong together.
        done, total
            In units. At `done == total` the task is over; one that fails, ends early or whose
            total is not known (None) may never say so.
        unit
            Such as `images`; `bytes` are those of a download.
        """

    def took(self, stage: str, seconds: float) -> None:
        """Say how long a stage of a question took.

        Parameters
        ----------
        stage
            `decode` (of one picture, read and resized), `embed` (of pictures together), `search`
            (in the index) or `sql` (rows of the catalog).
        """


@contextmanager
def timed(reporter: Reporter, stage: str) -> Iterator[None]:
    """Tell a reporter how long a `with` block takes, if it ends without an error."""
    began = time.perf_counter()
    yield
    reporter.took(stage, time.perf_counter() - began)


SILENT = Reporter()

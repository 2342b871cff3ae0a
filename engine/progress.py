"""What the engine says while it works; who hears it is up to the caller."""

from __future__ import annotations

import logging

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


SILENT = Reporter()

"""Waiting for a database that is away: what was not committed is tried again, not acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engine.errors import EngineError
from index.errors import (
    CatalogDamagedError,
    CatalogError,
    CatalogVersionError,
    DiskFullError,
    EmbeddingDamagedError,
    ReadOnlyError,
    StoreLockedError,
)

Answer = TypeVar("Answer")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Errors that another attempt does not mend.
_LASTING = (
    CatalogDamagedError,
    CatalogVersionError,
    DiskFullError,
    EmbeddingDamagedError,
    ReadOnlyError,
)


class Patience:
    """How long a database may be away.

    Parameters
    ----------
    seconds
        After so long without an answer the error comes out.
    stopped
        Says whether nobody wants to wait any more.

    Attributes
    ----------
    outages
        How often there was no answer.
    """

    def __init__(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> None:
        self._seconds = seconds
        self._stopped = stopped
        self.outages = 0

    def is_outage(self, error: EngineError) -> bool:
        """Say whether an error may be over by itself: a restart, a lock, a network."""
        passing = isinstance(error, CatalogError | StoreLockedError)
        return passing and not isinstance(error, _LASTING)

    def until_it_answers(self, ask: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, asked again with growing pauses.

        Raises
        ------
        EngineError
            That of the last attempt.
        """
        last, pause = time.monotonic() + self._seconds, FIRST_PAUSE
        while True:
            try:
                return ask()
            except EngineError as error:
                if not self.is_outage(error) or self._stopped() or time.monotonic() > last:
                    raise
                self.outages += 1
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

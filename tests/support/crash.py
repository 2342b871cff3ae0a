"""Moments of another process's work that a test can wait for, instead of sleeping until them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PATIENCE = 120.0


def committed(store: Path) -> int:
    """Return how many embeddings the catalog of a store shows; 0 where there is none yet."""
    try:
        with closing(_reading(store)) as database:
            return int(database.execute("SELECT count(*) FROM embeddings").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


class Commits:
    """Counts the commits to the catalog of a store that it sees, asked often enough.

    Parameters
    ----------
    store
        One with a catalog.
    """

    def __init__(self, store: Path) -> None:
        self._database = _reading(store)
        self._version = self._data_version()
        self.seen = 0

    def look(self) -> int:
        """Return how many there were so far."""
        version = self._data_version()
        self.seen += version != self._version
        self._version = version
        return self.seen

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _data_version(self) -> int:
        # It changes when another connection has committed (https://sqlite.org/pragma.html).
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])


def _reading(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{store / 'catalog.sqlite'}?mode=ro", uri=True)


def wait_for(moment: Callable[[], bool], over: Callable[[], bool]) -> None:
    """Wait until a moment has come, or the work is over."""
    until = time.monotonic() + PATIENCE
    while not moment() and not over():
        assert time.monotonic() < until, "the moment never came"
        time.sleep(0.002)

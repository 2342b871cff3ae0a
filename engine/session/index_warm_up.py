"""Reading an index ahead, so that no search waits for the disk."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.sync import OpenedIndex


class IndexWarmUp:
    """A thread that reads a mapped index, so that no search waits for the disk."""

    def __init__(self) -> None:
        self._opened: OpenedIndex | None = None
        self._thread: Thread | None = None
        self._stopped = Event()

    def has(self, opened: OpenedIndex) -> bool:
        """Say whether it is this index that is read, or was."""
        return self._opened is opened

    def start(self, opened: OpenedIndex) -> None:
        """Read an index, unless that is done or under way; another one is read no further."""
        if self._opened is opened:
            return
        self.stop()
        self._opened, self._stopped = opened, Event()
        read, arguments = opened.vectors.warm_up, (self._stopped.is_set,)
        self._thread = Thread(target=read, args=arguments, name="index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._opened, self._thread = None, None

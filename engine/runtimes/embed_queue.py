"""Pictures of several threads embedded together, for a device that is faster with batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from threading import Condition, Lock
from typing import TYPE_CHECKING

import numpy as np

from engine.pictures.preprocess import Pixels
from index.records import Floats

if TYPE_CHECKING:
    from engine.runtimes import Runtime

# Pictures in a batch, and that wait to be in one.
MOST = 64
# How long a batch waits for more pictures while the device has another one to compute.
PATIENCE_SECONDS = 0.005
# One batch is copied while another is computed.
IN_FLIGHT = 2


class EmbedQueue:
    """A runtime that embeds together what threads hand in at the same time.

    Where nothing is being computed, what is there is computed at once: a picture alone never waits.
    While a batch is in flight the next one waits for more, no longer than `patience`. There is no
    thread of its own: the one whose pictures are first in the queue computes for all in the batch.
    Whole batches, as of an indexing run, pass through.

    What fails together is tried alone, so that nobody gets the error of another's pictures.

    Parameters
    ----------
    runtime
        What computes; several threads may call it.
    most
        Pictures in a batch, and in the queue: more wait until there is room.
    patience
        Seconds.
    in_flight
        Batches at a time.
    """

    def __init__(
        self,
        runtime: Runtime,
        most: int = MOST,
        patience: float = PATIENCE_SECONDS,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._runtime = runtime
        self._most = most
        self._patience = patience
        self._most_in_flight = in_flight
        self._lock = Lock()
        self._room = Condition(self._lock)
        self._queue: deque[_Request] = deque()
        self._queued = 0
        self._in_flight = 0

    @property
    def name(self) -> str:
        """As of the runtime."""
        return self._runtime.name

    @property
    def batch(self) -> int:
        """As of the runtime."""
        return self._runtime.batch

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""
        if not 0 < len(pixels) < self._most:
            return self._runtime.embed(pixels)
        request = _Request(pixels, Condition(self._lock))
        with self._lock:
            batch = self._turn(request)
        if batch:
            self._compute(batch)
        if request.embeddings is None:
            return self._runtime.embed(pixels)
        return request.embeddings

    def _turn(self, request: _Request) -> list[_Request]:
        """Wait; return what this thread shall compute, nothing where another thread has done it."""
        while self._queued and self._queued + len(request.pixels) > self._most:
            self._room.wait()
        request.came = time.monotonic()
        self._queue.append(request)
        self._queued += len(request.pixels)
        # Whoever is first may have waited for these to fill the batch.
        self._queue[0].changed.notify()
        try:
            while not request.is_done:
                if self._queue and self._queue[0] is request:
                    seconds = self._seconds_to_wait()
                    if seconds == 0:
                        return self._taken()
                    request.changed.wait(seconds)
                else:
                    request.changed.wait()
        except BaseException:
            self._leave(request)
            raise
        return []

    def _seconds_to_wait(self) -> float | None:
        """Return how long the first in the queue waits; None until something has ended."""
        if self._in_flight == 0:
            return 0
        if self._in_flight >= self._most_in_flight:
            return None
        if self._queued >= self._most:
            return 0
        return max(0.0, self._queue[0].came + self._patience - time.monotonic())

    def _taken(self) -> list[_Request]:
        batch = [self._queue.popleft()]
        size = len(batch[0].pixels)
        while self._queue and size + len(self._queue[0].pixels) <= self._most:
            size += len(self._queue[0].pixels)
            batch.append(self._queue.popleft())
        self._queued -= size
        self._in_flight += 1
        self._wake()
        return batch

    def _leave(self, request: _Request) -> None:
        """Take a request back whose thread was interrupted."""
        if request in self._queue:
            self._queue.remove(request)
            self._queued -= len(request.pixels)
        self._wake()

    def _wake(self) -> None:
        self._room.notify_all()
        if self._queue:
            self._queue[0].changed.notify()

    def _compute(self, batch: Sequence[_Request]) -> None:
        parts: list[Floats | None] = [None] * len(batch)
        try:
            pixels = [request.pixels for request in batch]
            computed = self._runtime.embed(np.concatenate(pixels))
            ends = np.cumsum([len(each) for each in pixels])
            parts = [np.array(each) for each in np.split(computed, ends[:-1])]
        except Exception:
            # Each thread tries its own pictures alone, and gets its own error.
            pass
        finally:
            with self._lock:
                self._in_flight -= 1
                for request, part in zip(batch, parts, strict=True):
                    request.embeddings, request.is_done = part, True
                    request.changed.notify()
                self._wake()


class _Request:
    """Pictures of one thread, and what became of them."""

    __slots__ = ("came", "changed", "embeddings", "is_done", "pixels")

    def __init__(self, pixels: Pixels, changed: Condition) -> None:
        self.pixels = pixels
        self.changed = changed
        self.came = 0.0
        self.is_done = False
        self.embeddings: Floats | None = None

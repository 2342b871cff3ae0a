"""Pictures of several threads embedded together, by one thread that the device knows.

cuDNN plans how to compute a network anew in every thread: the first picture of one takes 1.7 s on
an H100, where the next take 3 ms, and four threads that begin at once wait 6 s. So one thread
computes for all others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore
from typing import TYPE_CHECKING

import numpy as np

from engine.pictures.preprocess import Pixels
from index.records import Floats

if TYPE_CHECKING:
    from engine.runtimes import Runtime

# Pictures in a batch, and requests that wait to be in one.
MOST = 64


class EmbedQueue:
    """A runtime that one thread calls, with all that the others have handed in by then.

    Where nothing is being computed a picture is computed at once and alone; what comes while a
    batch is in flight is the next one. Whoever comes when `most` requests wait, waits for room.

    What fails together is tried alone, so that nobody gets the error of another's pictures.

    Parameters
    ----------
    runtime
        What computes.
    most
        Pictures in a batch of several requests; one request may have more.
    """

    def __init__(self, runtime: Runtime, most: int = MOST) -> None:
        self._runtime = runtime
        self._most = most
        self._room = Semaphore(most)
        # The thread alone takes from it.
        self._waiting: deque[_Request] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")

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
        with self._room:
            request = _Request(pixels)
            self._waiting.append(request)
            # One call for each request; those that find nothing left return at once.
            self._thread.submit(self._compute)
            return request.embeddings.result()

    def _compute(self) -> None:
        """Compute what waits, as much of it as makes a batch."""
        batch = self._taken()
        if len(batch) > 1:
            try:
                found = self._together(batch)
            except Exception:
                found = None
            if found is not None:
                for request, part in zip(batch, found, strict=True):
                    request.embeddings.set_result(part)
                return
        for request in batch:
            try:
                request.embeddings.set_result(self._runtime.embed(request.pixels))
            except BaseException as error:
                request.embeddings.set_exception(error)

    def _taken(self) -> list[_Request]:
        batch: list[_Request] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].pixels) <= self._most):
            batch.append(self._waiting.popleft())
            size += len(batch[-1].pixels)
        return batch

    def _together(self, batch: Sequence[_Request]) -> list[Floats]:
        pixels = [request.pixels for request in batch]
        ends = np.cumsum([len(each) for each in pixels])
        computed = self._runtime.embed(np.concatenate(pixels))
        return [np.array(part) for part in np.split(computed, ends[:-1])]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """Pictures of one thread, and what becomes of them."""

    pixels: Pixels
    embeddings: Future[Floats] = field(default_factory=Future)

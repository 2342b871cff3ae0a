"""Work that takes a thread, so much at a time and no more waiting than is soon done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from server.responses.problems import busy

Result = TypeVar("Result")


class WorkQueue:
    """Threads for the requests of one kind.

    All methods but `close` are called on the event loop.

    Parameters
    ----------
    name
        Of its threads, and of what is measured.
    threads
        Pieces of work that are done at a time.
    waiting
        Pieces of work that wait; one more is refused.
    retry_seconds
        When to try again.
    """

    def __init__(self, name: str, threads: int, waiting: int, retry_seconds: int = 1) -> None:
        self.name = name
        self.taken = 0
        self._most = threads + waiting
        self._retry_seconds = retry_seconds
        self._begun: set[Future[Any]] = set()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"serve-{name}")

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what some work returns.

        What is cancelled before it has begun is left out.

        Raises
        ------
        RefusedError
            Too much waits.
        """
        if self.taken >= self._most:
            reason = f"{self.taken} requests are being answered or wait"
            raise busy(self.name, reason, self._retry_seconds)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Result] = loop.create_future()
        # What is cancelled stays in the pool until a thread comes to it: without its work, which
        # may hold a large body.
        box = [work]
        del work
        future = self._pool.submit(lambda: box.pop()())
        self.taken += 1
        self._begun.add(future)

        def ended(future: Future[Result]) -> None:
            self._begun.discard(future)
            # The loop is woken once for all there is to do. Where it has ended nobody waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._give_back, future, answered)

        future.add_done_callback(ended)
        try:
            return await answered
        except asyncio.CancelledError:
            if future.cancel():
                box.clear()
            raise

    def close(self, seconds: float = 0.0) -> bool:
        """Begin nothing more; return whether what has begun ended within so many seconds."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not wait(list(self._begun), seconds).not_done

    def _give_back(self, future: Future[Result], answered: asyncio.Future[Result]) -> None:
        self.taken -= 1
        if answered.done():
            return
        if future.cancelled():
            answered.cancel()
        elif (error := future.exception()) is not None:
            answered.set_exception(error)
        else:
            answered.set_result(future.result())

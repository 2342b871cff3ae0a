"""Work that takes a thread, so much at a time and no more waiting than is soon done."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from server.responses.problems import busy

Result = TypeVar("Result")

# A thread tells what it has done when nothing more waits, or after so long: the loop that it wakes
# then works beside it, and each has to wait for the other.
TELL_SECONDS = 0.01


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece of work, and who waits for it.

    Attributes
    ----------
    work
        None once it was begun or left out: it may hold a large body.
    answered
        Of the loop of whoever waits.
    result, error
        What came of it.
    """

    work: Callable[[], Any] | None
    answered: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def do(self) -> None:
        work, self.work = self.work, None
        assert work is not None
        try:
            self.result = work()
        except BaseException as error:
            self.error = error

    def tell(self) -> None:
        if self.answered.done():
            return
        if self.error is not None:
            self.answered.set_exception(self.error)
        else:
            self.answered.set_result(self.result)


class WorkQueue:
    """Threads for the requests of one kind.

    All methods but `close` are called on an event loop.

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
    patience
        Seconds that what waits is left to the threads at work before another one helps. Small
        pieces are done sooner by one thread than by several that hand Python's lock to and fro.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        waiting: int,
        retry_seconds: int = 1,
        *,
        patience: float = 0.0,
    ) -> None:
        self.name = name
        self.taken = 0
        self._threads = threads
        self._most = threads + waiting
        self._retry_seconds = retry_seconds
        self._patience = patience
        self._lock = Lock()
        self._waiting: deque[_Piece] = deque()
        # Of each turn of a thread, when it began with its last piece.
        self._begun: dict[object, float] = {}
        self._looked_at = 0.0
        self._turns: set[Future[None]] = set()
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
        piece = _Piece(work, answered)
        del work
        with self._lock:
            self.taken += 1
            self._waiting.append(piece)
            if not self._begun or (not self._patience and len(self._begun) < self._threads):
                self._begin_turn()
        self._look_later(loop)
        try:
            return await answered
        except asyncio.CancelledError:
            self._leave_out(piece)
            raise

    def close(self, seconds: float = 0.0) -> bool:
        """Begin nothing more; return whether what has begun ended within so many seconds."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
            turns = list(self._turns)
        for piece in left:
            piece.work = None
            loop = piece.answered.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(piece.answered.cancel)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not wait(turns, seconds).not_done

    def _begin_turn(self) -> None:
        """Let one more thread do what waits, until nothing does. With the lock held."""
        turn = object()
        self._begun[turn] = time.monotonic()
        future = self._pool.submit(self._work, turn)
        self._turns.add(future)
        future.add_done_callback(self._turns.discard)

    def _work(self, turn: object) -> None:
        done: list[_Piece] = []
        since = time.monotonic()
        while (piece := self._next(turn)) is not None:
            piece.do()
            done.append(piece)
            del piece
            if time.monotonic() - since >= TELL_SECONDS:
                self._tell(done)
                done, since = [], time.monotonic()
        self._tell(done)
        self._look_again()

    def _next(self, turn: object) -> _Piece | None:
        """Return what to do next; None where the turn has ended."""
        with self._lock:
            now = time.monotonic()
            del self._begun[turn]
            helped = any(now - begun < self._patience for begun in self._begun.values())
            if not self._waiting or helped:
                return None
            self._begun[turn] = now
            return self._waiting.popleft()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that nothing waits for what takes long, as long as there are threads."""
        if not self._patience or not self._waiting:
            return
        with self._lock:
            now = time.monotonic()
            # A loop may end before it has looked.
            if now < self._looked_at or len(self._begun) >= self._threads:
                return
            self._looked_at = now + 2 * self._patience
        loop.call_later(self._patience, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._looked_at = 0.0
            latest = max(self._begun.values(), default=0.0)
            late = time.monotonic() - latest >= self._patience
            if self._waiting and late and len(self._begun) < self._threads:
                self._begin_turn()
        self._look_later(loop)

    def _look_again(self) -> None:
        """Have a loop look, where a turn ends though something waits: no look may be due."""
        with self._lock:
            loop = self._waiting[0].answered.get_loop() if self._waiting else None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look_later, loop)

    def _leave_out(self, piece: _Piece) -> None:
        with self._lock:
            if piece in self._waiting:
                self._waiting.remove(piece)
                piece.work = None
                self.taken -= 1

    def _tell(self, done: list[_Piece]) -> None:
        """Wake the loops of all who wait, each once."""
        for loop in {piece.answered.get_loop() for piece in done}:
            own = [piece for piece in done if piece.answered.get_loop() is loop]
            # Where it has ended nobody waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._answer, own)

    def _answer(self, done: list[_Piece]) -> None:
        with self._lock:
            self.taken -= len(done)
        for piece in done:
            piece.tell()

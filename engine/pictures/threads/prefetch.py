"""Prefetching: threads work ahead of the reader, and none of them can hold it up for ever."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from engine.pictures.threads.deadline import Deadline, Task, take

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often the reader looks whether the image that it waits for is late.
LOOK_SECONDS = 0.1
# How long a reader that stops waits for threads that are at work.
CLOSE_SECONDS = 2.0
# What the names of the threads begin with.
NAME = "decode"


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, window: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, computed by threads ahead of the reader.

    Never more than `window` results are finished or in progress, so memory stays bounded however
    slow the reader is. When the reader stops early, what has not begun is dropped: to end the
    threads at once, also where it fails, it closes this (`contextlib.closing`).

    Where an image that `function` opens within a turn of `ImageMemory` is late, and its decoder
    does not let its thread give up, the thread is left to itself. Another one takes its place and
    calls `function(item)` again, in which the turn of this image raises its `ImageError` at once.

    Parameters
    ----------
    workers
        How many threads.
    window
        How many items they may be ahead.
    """
    threads = _Threads(function, workers)
    waiting: deque[_Job[Item, Result]] = deque()
    try:
        for item in items:
            waiting.append(threads.submit(item))
            if len(waiting) >= window:
                yield threads.result(waiting.popleft())
        while waiting:
            yield threads.result(waiting.popleft())
    finally:
        threads.close()


def any_left() -> bool:
    """Say whether a thread is still at work for which nobody waits, or will."""
    return any(each.name.startswith(NAME) and each.daemon for each in threading.enumerate())


class _Job(Generic[Item, Result]):
    """An item, and what becomes of it."""

    __slots__ = ("done", "error", "item", "late", "result", "task")

    def __init__(self, item: Item, task: Task) -> None:
        self.item = item
        self.task = task
        self.done = threading.Event()
        self.late: Deadline | None = None
        self.result: Result
        self.error: BaseException | None = None


class _Threads(Generic[Item, Result]):
    """Daemon threads, so that the end of the process waits for none of them.

    Those of `concurrent.futures` are joined when Python ends, whatever they do.
    """

    def __init__(self, function: Callable[[Item], Result], most: int) -> None:
        self._function = function
        self._most = most
        self._jobs: SimpleQueue[_Job[Item, Result] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        # Those that were not left, and what each of them does.
        self._at_work: dict[threading.Thread, _Job[Item, Result] | None] = {}

    def submit(self, item: Item) -> _Job[Item, Result]:
        """Give an item to a thread, to the first that has time."""
        job: _Job[Item, Result] = _Job(item, Task())
        if self._idle.acquire(blocking=False) or len(self._at_work) >= self._most:
            self._jobs.put(job)
        else:
            self._start(job)
        return job

    def result(self, job: _Job[Item, Result]) -> Result:
        """Wait for what becomes of an item, as long as it is not late."""
        while not job.done.wait(LOOK_SECONDS):
            job = self._in_time(job)
        if job.error is None:
            return job.result
        error, job.error = job.error, None
        try:
            raise error
        finally:
            # Its traceback holds this frame, which must not hold it.
            del error

    def close(self) -> None:
        """End all threads; those that are at work for long are left."""
        while True:
            try:
                self._jobs.get_nowait()
            except Empty:
                break
        with self._lock:
            for job in self._at_work.values():
                if job is not None:
                    job.task.left = True
            threads = list(self._at_work)
        for _ in threads:
            self._jobs.put(None)
        until = time.monotonic() + CLOSE_SECONDS
        for thread in threads:
            if thread.ident is not None:  # an interrupt may come before it has started
                thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            for job in self._at_work.values():
                if job is not None:
                    self._leave(job)

    def _start(self, job: _Job[Item, Result]) -> None:
        thread = threading.Thread(target=self._serve, args=(job,), name=NAME, daemon=True)
        with self._lock:
            self._at_work[thread] = job
        try:
            thread.start()
        except RuntimeError:
            del self._at_work[thread]
            raise

    def _serve(self, job: _Job[Item, Result] | None) -> None:
        thread = threading.current_thread()
        while job is not None:
            with self._lock:
                self._at_work[thread] = job
            self._do(job)
            with self._lock:
                late = job.late
                if late is None:
                    self._at_work[thread] = None
                job.done.set()
            if late is not None:
                late.ended()
                return
            # While it waits it must not hold what it has done.
            job = None
            self._idle.release()
            job = self._jobs.get()

    def _do(self, job: _Job[Item, Result]) -> None:
        take(job.task)
        try:
            job.result = self._function(job.item)
        except BaseException as error:
            job.error = error

    def _in_time(self, job: _Job[Item, Result]) -> _Job[Item, Result]:
        """Return a job, or where it is late another one in its place."""
        clock = job.task.clock
        if clock is None or not clock.hopeless:
            return job
        with self._lock:
            if job.done.is_set():
                return job
            self._leave(job)
            self._at_work = {
                thread: each for thread, each in self._at_work.items() if each is not job
            }
        again: _Job[Item, Result] = _Job(job.item, Task(job.task.refused | {clock.name}))
        self._start(again)
        return again

    def _leave(self, job: _Job[Item, Result]) -> None:
        """Leave the thread that is at work on a job; with the lock held."""
        job.task.left = True
        clock = job.task.clock
        if clock is not None:
            job.late = clock.deadline
            job.late.left()

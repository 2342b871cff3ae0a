"""How long an image may take to be decoded. No thread can be ended: one that is late is left.

A turn of `ImageMemory` has a clock, which belongs to the thread. It runs from the beginning of
`decode` to the end of the turn, and stands while the thread waits for memory: to read a file, or to
wait for others, may take as long as it likes. The thread itself looks at it wherever a decoder
lets it, and gives up. Where a decoder does not, whoever waits for the image (`prefetch`) goes on
without the thread.
"""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import ImageError

# How much longer a thread has to give up by itself before it is left: a share, and seconds at most.
MORE, MOST_MORE = 0.1, 1.0


class Deadline:
    """How long each image may take, and how many threads may be late at a time.

    While as many are late, no image is begun.

    Parameters
    ----------
    seconds
        Of decoding and preprocessing, for each image.
    most
        How many threads.

    Attributes
    ----------
    seconds
        As given.
    """

    def __init__(self, seconds: float = math.inf, most: int = 1) -> None:
        self.seconds = seconds
        self._most = most
        self._late = 0
        self._changed = threading.Condition()

    @property
    def late(self) -> int:
        """How many threads are late now: nobody waits for their images any more."""
        with self._changed:
            return self._late

    def wait_for_room(self) -> None:
        """Wait while as many threads are late as may be."""
        with self._changed:
            self._changed.wait_for(lambda: self._late < self._most)

    def left(self) -> None:
        """Count a thread as late."""
        with self._changed:
            self._late += 1

    def ended(self) -> None:
        """Count a thread no longer as late."""
        with self._changed:
            self._late -= 1
            self._changed.notify_all()


class Clock:
    """The time that one image takes; it stands until it is started.

    Written by the thread that decodes the image, read by others, too.

    Parameters
    ----------
    name
        What to call the image in an error.
    deadline
        How long it may take.
    """

    def __init__(self, name: str, deadline: Deadline) -> None:
        self.name = name
        self.deadline = deadline
        self._spent = 0.0
        self._since: float | None = None

    def start(self) -> None:
        """Count time from here."""
        if self._since is None:
            self._since = time.monotonic()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Count no time, for the length of a `with` block."""
        since = self._since
        if since is None:
            yield
            return
        # In this order others may see too little for a moment, and never too much.
        self._since = None
        self._spent += time.monotonic() - since
        try:
            yield
        finally:
            self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time that was counted."""
        since = self._since
        return self._spent + (0.0 if since is None else time.monotonic() - since)

    @property
    def hopeless(self) -> bool:
        """Whether the thread is late and has had the time to give up by itself."""
        limit = self.deadline.seconds
        return self.seconds > limit + min(MORE * limit, MOST_MORE)

    def too_slow(self) -> ImageError:
        """Return the error of the image that is late."""
        return ImageError(
            self.name,
            f"it took longer than {self.deadline.seconds:g} s to open",
            "If it is to be trusted, raise the limit with --decode-seconds "
            "(decode_seconds in Python)",
        )


@dataclass(slots=True, eq=False)
class Task:
    """What a thread does that may be left, image after image.

    Attributes
    ----------
    refused
        Images that were late before: they are not begun again.
    clock
        That of the image whose turn it is.
    left
        Nobody waits for it any more.
    """

    refused: frozenset[str] = frozenset()
    clock: Clock | None = None
    left: bool = False

    def begin(self, name: str, deadline: Deadline) -> None:
        """Begin an image.

        Raises
        ------
        ImageError
            It was late before, or nobody waits for it any more.
        """
        clock = Clock(name, deadline)
        if name not in self.refused:
            deadline.wait_for_room()
        if self.left or name in self.refused:
            raise clock.too_slow()
        self.clock = clock

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count no time, for the length of a `with` block."""
        if self.clock is None:
            yield
        else:
            with self.clock.stopped():
                yield
        self.check()

    def check(self) -> None:
        """Give up where the image is late, or where nobody waits for it.

        Raises
        ------
        ImageError
            So it is.
        """
        clock = self.clock
        if clock is not None and (self.left or clock.seconds > clock.deadline.seconds):
            raise clock.too_slow()


class _Here(threading.local):
    """What this thread does; a thread that nobody can leave has a task, too."""

    def __init__(self) -> None:
        self.task = Task()


_here = _Here()


def take(task: Task) -> None:
    """Make a task that of this thread."""
    _here.task = task


def this_task() -> Task:
    """Return the task of this thread."""
    return _here.task


def start_clock() -> None:
    """Count the time of this thread's image from here; without a turn there is nothing to count."""
    if (clock := _here.task.clock) is not None:
        clock.start()


def check_clock() -> None:
    """Give up where this thread's image is late.

    Raises
    ------
    ImageError
        It is.
    """
    _here.task.check()


class Pieces(io.BytesIO):
    """The bytes of a file, for decoders that read it piece by piece: each looks at the clock."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        check_clock()
        return super().read(size)

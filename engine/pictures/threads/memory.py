"""Memory for images that are read and decoded: bounded, and handed out in turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import Self, TypeVar

from engine.config import Config
from engine.errors import EngineError, ImageError
from engine.pictures.threads.deadline import Deadline, this_task

Result = TypeVar("Result")
Reserve = Callable[[int], None]


class ImageMemory:
    """Bytes that images may hold while they are read and decoded, all threads together.

    A thread takes a turn for each image and reserves bytes in it, as often as it learns that it
    needs more; they are released when the turn ends, by an error too. Reservations are granted in
    the order in which the turns began, so a large image is not overtaken for ever. One that goes
    beyond the limit waits until every other turn has ended or waits itself, and is granted then:
    an image larger than the limit is decoded alone, and turns cannot wait for each other.

    Parameters
    ----------
    limit
        How many bytes.
    deadline
        How long each image may take; for ever where there is none.
    """

    def __init__(self, limit: int, deadline: Deadline | None = None) -> None:
        self._limit = limit
        self._deadline = deadline or Deadline()
        self._changed = threading.Condition()
        self._numbers = count()
        self._reserved: dict[int, int] = {}
        self._waiting: set[int] = set()

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return memory with the limits of a configuration."""
        return cls(config.decode_bytes, Deadline(config.decode_seconds, config.decoders))

    @property
    def late(self) -> int:
        """How many threads are late now, each of which holds what it has reserved."""
        return self._deadline.late

    @property
    def reserved(self) -> int:
        """Bytes that are reserved now."""
        with self._changed:
            return sum(self._reserved.values())

    def turn(self, name: str, work: Callable[[Reserve], Result]) -> Result:
        """Return `work(reserve)`, called within a turn of this thread.

        Parameters
        ----------
        name
            What to call the image in an error.
        work
            Reads and decodes the image, and calls `reserve` with a number of bytes before it takes
            them. It takes no other turn. A function, so that its variables, which hold the image,
            are gone when the turn ends.

        Raises
        ------
        ImageError
            `work` raised it, memory or time ran out, or anything else went wrong: whatever the
            file of an image makes of a decoder, or of us, is said of this image alone.
        EngineError
            `work` raised it: about something else, such as the catalog.
        """
        task = this_task()
        task.begin(name, self._deadline)
        with self._changed:
            turn = next(self._numbers)
            self._reserved[turn] = 0
        try:
            return work(lambda size: self._reserve(turn, size))
        except MemoryError:
            failure = no_memory(name)
        except ImageError as error:
            # The variables of its traceback and of its cause would hold the image, too.
            failure = error.with_traceback(None)
            failure.__context__ = None
        except (EngineError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # decoders written in Rust panic with one of their own
            failure = unexpected(name, error)
        finally:
            task.clock = None
            with self._changed:
                del self._reserved[turn]
                if self._waiting:
                    self._changed.notify_all()
        raise failure

    def _reserve(self, turn: int, size: int) -> None:
        with self._changed:
            if self._waiting or not self._fits(size):
                with this_task().waiting():
                    self._wait(turn, size)
            self._reserved[turn] += size

    def _wait(self, turn: int, size: int) -> None:
        self._waiting.add(turn)
        try:
            # Whoever waits is idle to the others.
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_go_on(turn, size))
        finally:
            self._waiting.remove(turn)
            self._changed.notify_all()

    def _may_go_on(self, turn: int, size: int) -> bool:
        if turn != min(self._waiting):
            return False
        return self._fits(size) or len(self._waiting) == len(self._reserved)

    def _fits(self, size: int) -> bool:
        return sum(self._reserved.values()) + size <= self._limit


def unexpected(name: str, error: BaseException) -> ImageError:
    """Return the error of an image with which something went wrong that nobody has foreseen."""
    return ImageError(
        name,
        f"it could not be opened ({in_words(error)})",
        "Open it in a viewer and save it anew. If it is a good picture, please report this",
    )


def in_words(error: BaseException) -> str:
    """Return the type of an error that is not of our own, and the first line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:160]}" if said else type(error).__name__


def no_memory(name: str) -> ImageError:
    """Return the error of an image for which memory ran out."""
    return ImageError(
        name,
        "there is not enough memory to open it",
        "Close other programs, or open it on a machine with more memory",
    )

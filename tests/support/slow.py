"""Pictures whose decoders take long: real files, and one that goes on until it is told."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from engine.pictures.threads.deadline import start_clock
from engine.pictures.threads.memory import ImageMemory, Reserve

PATIENCE = 60.0
# As many as a JPEG may have; each goes over all of its pixels.
SCANS = 190


def slow_jpeg(path: Path, side: int = 5000) -> Path:
    """Write a JPEG of one colour that takes seconds: all of it is read in a piece or two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_with_scans(Image.new("L", (side, side), 128)))
    return path


def slow_jpeg_of_pieces(side: int = 800) -> bytes:
    """Return a JPEG of noise that takes a second or so, and is read in hundreds of pieces."""
    noise = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    return _with_scans(Image.fromarray(noise))


def _with_scans(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + (SCANS - data.count(b"\xff\xda")) * last + b"\xff\xd9"


class Endless:
    """Opens images by number: some are decoded until they are let go, and look at no clock.

    Parameters
    ----------
    memory
        In which they take a turn.
    endless
        The numbers of those.
    """

    def __init__(self, memory: ImageMemory, *endless: int) -> None:
        self._memory = memory
        self._go = {number: threading.Event() for number in endless}
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, number: int) -> int | Exception:
        """Return the number of an image, or what is wrong with it."""
        from engine.errors import ImageError

        try:
            return self._memory.turn(str(number), lambda reserve: self._work(number, reserve))
        except ImageError as error:
            return error

    def _work(self, number: int, reserve: Reserve) -> int:
        reserve(10)
        start_clock()
        self.begun.append(number)
        self.threads.append(threading.current_thread())
        if number in self._go:
            assert self._go[number].wait(PATIENCE)
        self.ended.append(number)
        return number

    def let_go(self, *numbers: int) -> None:
        """Let their decoders end, all of them where none is named."""
        for number in numbers or self._go:
            self._go[number].set()

    def join(self) -> None:
        """Wait until all threads have ended."""
        self.let_go()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other threads do."""
    import time

    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)

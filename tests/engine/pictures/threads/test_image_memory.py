"""Memory for images that are read and decoded: bounded, in turns, and never a deadlock."""

from __future__ import annotations

import io
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.pictures.decode import decode
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.pictures.threads.prefetch import prefetch

PATIENCE = 30.0


@pytest.fixture
def threads() -> Iterator[Callable[[Callable[[], None]], threading.Thread]]:
    """Start a function in a thread; all of them must have ended with the test."""
    started: list[threading.Thread] = []

    def start(function: Callable[[], None]) -> threading.Thread:
        started.append(threading.Thread(target=function, daemon=True))
        started[-1].start()
        return started[-1]

    yield start
    for thread in started:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other threads do."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Holder:
    """A thread that takes a turn and reserves, step by step as it is told."""

    def __init__(self, memory: ImageMemory, *sizes: int) -> None:
        self._memory, self._sizes = memory, sizes
        self._go = [threading.Event() for _ in (*sizes, None)]
        self.begun = threading.Event()
        self.granted = 0

    def __call__(self) -> None:
        """Take the turn."""
        self._memory.turn("a picture", self._work)

    def _work(self, reserve: Reserve) -> None:
        self.begun.set()
        for size, go in zip(self._sizes, self._go, strict=False):
            assert go.wait(PATIENCE)
            reserve(size)
            self.granted += 1
        assert self._go[-1].wait(PATIENCE)

    def reserve(self, number: int = 0) -> None:
        """Let it ask for its next bytes."""
        self._go[number].set()

    def leave(self) -> None:
        """Let it end its turn."""
        self._go[-1].set()


def test_what_is_reserved_is_held_until_the_turn_ends() -> None:
    memory = ImageMemory(100)

    def work(reserve: Reserve) -> int:
        reserve(30)
        reserve(50)
        return memory.reserved

    assert memory.turn("a picture", work) == 80
    assert memory.reserved == 0


def test_an_error_ends_the_turn() -> None:
    memory = ImageMemory(100)

    def work(reserve: Reserve) -> NoReturn:
        reserve(100)
        raise ValueError("broken")

    with pytest.raises(ImageError, match="ValueError: broken"):
        memory.turn("a picture", work)
    assert memory.reserved == 0


def test_memory_that_runs_out_is_an_error_of_the_image() -> None:
    memory = ImageMemory(100)

    def work(reserve: Reserve) -> NoReturn:
        reserve(100)
        raise MemoryError

    with pytest.raises(ImageError, match="not enough memory") as caught:
        memory.turn("a.jpg", work)
    assert (caught.value.thing, memory.reserved) == ("a.jpg", 0)
    assert caught.value.remedy


class Noted:
    """Something that can be seen to be gone."""


@pytest.mark.parametrize("fails", [None, MemoryError, ImageError])
def test_nothing_of_an_image_is_left_when_its_turn_ends(fails: type[Exception] | None) -> None:
    memory = ImageMemory(100)
    seen: list[weakref.ref[Noted]] = []
    left: list[Noted | None] = []

    def work(reserve: Reserve) -> None:
        image = Noted()
        seen.append(weakref.ref(image))
        if fails is not None:
            try:
                raise KeyError("a cause that holds the image, too")
            except KeyError:
                raise fails("a.jpg", "broken", "Mend it")  # noqa: B904

    failure: ImageError | None = None
    try:
        memory.turn("a.jpg", work)
    except ImageError as error:
        failure = error
        left.append(seen[0]())
    left.append(seen[0]())
    assert left == [None] * len(left)
    assert (failure is None) == (fails is None)


def test_what_does_not_fit_waits_for_another_turn_to_end(
    threads: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    memory = ImageMemory(100)
    first, second = Holder(memory, 60), Holder(memory, 60)
    threads(first)
    first.reserve()
    until(lambda: first.granted == 1)
    threads(second)
    second.reserve()
    until(lambda: len(memory._waiting) == 1)
    assert (second.granted, memory.reserved) == (0, 60)
    first.leave()
    until(lambda: second.granted == 1)
    assert memory.reserved == 60
    second.leave()


def test_a_small_image_does_not_overtake_a_large_one_that_waits(
    threads: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    memory = ImageMemory(100)
    first, large, small = Holder(memory, 60), Holder(memory, 90), Holder(memory, 10)
    for number, holder in enumerate((first, large, small)):
        threads(holder)
        assert holder.begun.wait(PATIENCE)
        holder.reserve()
        until(lambda: first.granted == 1)
        until(lambda number=number: len(memory._waiting) == number)  # type: ignore[misc]
    assert (large.granted, small.granted) == (0, 0), "ten bytes would fit"
    first.leave()
    until(lambda: large.granted == small.granted == 1)
    large.leave()
    small.leave()


def test_an_image_larger_than_the_limit_is_alone(
    threads: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    memory = ImageMemory(100)
    first, large, last = Holder(memory, 20), Holder(memory, 500), Holder(memory, 20)
    threads(first)
    first.reserve()
    until(lambda: first.granted == 1)
    threads(large)
    large.reserve()
    until(lambda: len(memory._waiting) == 1)
    assert large.granted == 0
    first.leave()
    until(lambda: large.granted == 1)
    threads(last)
    last.reserve()
    until(lambda: len(memory._waiting) == 1)
    assert (memory.reserved, last.granted) == (500, 0)
    large.leave()
    until(lambda: last.granted == 1)
    last.leave()


def test_turns_that_hold_all_and_want_more_do_not_wait_for_each_other(
    threads: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    memory = ImageMemory(100)
    holders = [Holder(memory, 50, 40), Holder(memory, 50, 40)]
    for holder in holders:
        threads(holder)
        assert holder.begun.wait(PATIENCE)
        holder.reserve(0)
    until(lambda: memory.reserved == 100)
    for holder in holders[::-1]:
        holder.reserve(1)
    until(lambda: holders[0].granted == 2)
    assert holders[1].granted == 1, "the one that began first goes first"
    holders[0].leave()
    until(lambda: holders[1].granted == 2)
    holders[1].leave()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 50, 1000])
def test_very_many_turns_of_any_size_all_end(limit: int) -> None:
    memory, rng = ImageMemory(limit), random.Random(limit)
    sizes = [[rng.choice([0, 1, 10, 70, 400]) for _ in range(3)] for _ in range(400)]

    def work(steps: list[int], reserve: Reserve) -> int:
        for step in steps:
            reserve(step)
            time.sleep(0)
        if steps[0] == 70:
            raise KeyError
        return sum(steps)

    with ThreadPoolExecutor(16) as pool:
        done = [pool.submit(memory.turn, "a picture", partial(work, steps)) for steps in sizes]
        for future, steps in zip(done, sizes, strict=True):
            if steps[0] == 70:
                with pytest.raises(ImageError, match="KeyError"):
                    future.result(PATIENCE)
            else:
                assert future.result(PATIENCE) == sum(steps)
    assert memory.reserved == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "at_once"), [(3, 3), (1.5, 1), (0.5, 1)], ids=["three", "one", "not even one"]
)
def test_so_many_images_are_decoded_at_once_as_fit(images: float, at_once: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((2000, 1000)).save(buffer, "PNG")
    needed: list[int] = []
    decode(buffer.getvalue(), "a picture", 10**8, reserve=needed.append)
    memory = ImageMemory(int(images * needed[0]))
    held: list[int] = []

    def work(reserve: Reserve) -> tuple[int, int]:
        image = decode(buffer.getvalue(), "a picture", 10**8, reserve=reserve)
        held.append(memory.reserved)
        return image.pixels.size

    turns = prefetch(partial(memory.turn, "a picture"), [work] * 24, workers=8, window=24)
    assert set(turns) == {(2000, 1000)}
    assert max(held) <= at_once * needed[0]
    assert memory.reserved == 0

"""Pictures of several threads embedded together: as one by one, soon, and by one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsFile
from engine.pictures.preprocess import Pixels
from engine.runtimes.embed_queue import EmbedQueue
from engine.testing import FakeRuntime
from index.records import Floats

PATIENCE = 60.0
ODD = 255


class Recorded(FakeRuntime):
    """Computes when it may, and knows how many pictures came, and where; of odd ones it fails."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[int] = set()
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.waits = False

    def embed(self, pixels: Pixels) -> Floats:
        self.sizes.append(len(pixels))
        self.threads.add(threading.get_ident())
        self.begun.release()
        if self.waits:
            assert self.may_end.acquire(timeout=PATIENCE)
        if (pixels == ODD).all(axis=(1, 2, 3)).any():
            raise ArithmeticError("an odd picture")
        return super().embed(pixels)


def images(count: int, value: int = 0) -> Pixels:
    rng = np.random.default_rng(value)
    return rng.integers(0, 200, (count, 16, 16, 3), np.uint8)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def runtime() -> Recorded:
    return Recorded()


def test_a_picture_alone_is_computed_alone(runtime: Recorded) -> None:
    queue = EmbedQueue(runtime)
    for count in (1, 3, 0, 100):
        assert np.array_equal(queue.embed(images(count)), FakeRuntime().embed(images(count)))
    assert runtime.sizes == [1, 3, 0, 100]


def test_one_thread_computes_for_all(runtime: Recorded) -> None:
    queue = EmbedQueue(runtime)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: queue.embed(images(1, number)), range(64)))
    assert len(runtime.threads) == 1
    assert threading.get_ident() not in runtime.threads


def test_what_comes_meanwhile_is_embedded_together(runtime: Recorded) -> None:
    queue, runtime.waits = EmbedQueue(runtime), True
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(queue.embed, images(1))
        runtime.begun.acquire()
        others = [pool.submit(queue.embed, images(number % 2 + 1, number)) for number in range(5)]
        until(lambda: len(queue._waiting) == 5)
        runtime.may_end.release(2)
        assert len(first.result(PATIENCE)) == 1
        for number, each in enumerate(others):
            alone = FakeRuntime().embed(images(number % 2 + 1, number))
            assert np.array_equal(each.result(PATIENCE), alone)
    assert runtime.sizes == [1, 7]


def test_no_batch_is_larger_and_no_more_waits_than_there_is_room_for(runtime: Recorded) -> None:
    queue = EmbedQueue(runtime, most=5)
    most = 0
    with ThreadPoolExecutor(20) as pool:
        answers: list[Future[Floats]] = []
        for number in range(300):
            answers.append(pool.submit(queue.embed, images(number % 4 + 1, number)))
            most = max(most, len(queue._waiting))
        for number, each in enumerate(answers):
            alone = FakeRuntime().embed(images(number % 4 + 1, number))
            assert np.array_equal(each.result(PATIENCE), alone)
    assert max(runtime.sizes) <= 5
    assert most <= 5
    assert not queue._waiting


def test_nobody_gets_the_error_of_another_s_pictures(runtime: Recorded) -> None:
    queue, runtime.waits = EmbedQueue(runtime), True
    odd = np.full((1, 16, 16, 3), ODD, np.uint8)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(queue.embed, images(1))
        runtime.begun.acquire()
        others = [pool.submit(queue.embed, each) for each in (images(1, 1), odd, images(1, 2))]
        until(lambda: len(queue._waiting) == 3)
        runtime.may_end.release(10)
        assert len(first.result(PATIENCE)) == 1
        assert np.array_equal(others[0].result(PATIENCE), FakeRuntime().embed(images(1, 1)))
        assert np.array_equal(others[2].result(PATIENCE), FakeRuntime().embed(images(1, 2)))
        with pytest.raises(ArithmeticError):
            others[1].result(PATIENCE)
    assert queue.embed(images(1)).shape == (1, 48)


@pytest.mark.slow
def test_the_embeddings_are_those_of_one_by_one(weights: WeightsFile, renders: Pixels) -> None:
    from engine.runtimes.pytorch import TorchRuntime

    torch = TorchRuntime(backbone_named("efficientnet_lite0"), weights.path, "fp32", "cpu")
    queue, pictures = EmbedQueue(torch, most=8), renders[:24]
    alone = np.concatenate([torch.embed(pictures[each : each + 1]) for each in range(24)])
    with ThreadPoolExecutor(12) as pool:
        together = pool.map(lambda each: queue.embed(pictures[each : each + 1]), range(24))
        found = np.concatenate(list(together))
    cosines = (alone * found).sum(1) / np.linalg.norm(alone, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.99999
    assert np.allclose(alone, found, rtol=1e-3, atol=1e-4)
    assert (queue.name, queue.batch) == ("torch cpu fp32", torch.batch)

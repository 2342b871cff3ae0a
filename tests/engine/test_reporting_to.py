"""One engine, of whose work several hear: each of its own, and what one ends goes on for others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine, Reporter, TrainOptions
from engine.progress import Stopped
from engine.testing import FakeEmbedder
from tests.support.shop import NotingReporter

PATIENCE = 60.0


class Stopping(Reporter):
    """Ends what it hears of, once it has heard so much of a task."""

    def __init__(self, task: str, calls: int = 1) -> None:
        self.left = calls
        self.task = task

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Count it."""
        self.left -= task == self.task
        if self.left <= 0:
            raise Stopped


def test_each_reporter_hears_of_its_own_work(drawn: Path, tmp_path: Path) -> None:
    config, opener, other = Config.at(tmp_path / "store"), NotingReporter(), NotingReporter()
    with Engine(config, opener, embedder=FakeEmbedder(config)) as engine:
        engine.reporting_to(other).index([drawn])
        assert not opener.told
        assert ("indexing", 60, 60, "images") in other.told
        other.told.clear()
        engine.index([drawn])
        assert opener.told
        assert not other.told


def test_what_is_open_is_open_for_both(fake_engine: Engine, drawn: Path) -> None:
    fake_engine.index([drawn])
    other = fake_engine.reporting_to(NotingReporter())
    mine, others = fake_engine._session, other._session
    assert others.catalog() is mine.catalog()
    assert others.embedder()._runtime is mine.embedder()._runtime
    assert others.index().in_step(others.catalog()) is mine.index().in_step(mine.catalog())


def test_what_one_ends_goes_on_for_another(fake_engine: Engine, drawn: Path) -> None:
    first = next(drawn.rglob("*.jpg"))
    fake_engine.index([drawn / "bed"])
    within, ended = Event(), Event()

    class Waiting(Reporter):
        def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
            within.set()
            assert ended.wait(PATIENCE)
            raise Stopped

    with ThreadPoolExecutor(1) as pool:
        index = pool.submit(fake_engine.reporting_to(Waiting()).index, [drawn])
        assert within.wait(PATIENCE)
        several = [first.read_bytes()] * 40
        searched = fake_engine.search(several, k=1)
        ended.set()
        with pytest.raises(Stopped):
            index.result(PATIENCE)
    assert searched.results
    assert fake_engine.search(several, k=1).results == searched.results


@pytest.mark.parametrize("calls", [1, 30, 59])
def test_an_index_that_is_ended_keeps_what_is_finished(
    fake_engine: Engine, drawn: Path, calls: int
) -> None:
    with pytest.raises(Stopped):
        fake_engine.reporting_to(Stopping("indexing", calls)).index([drawn], label="parent")
    status = fake_engine.status()
    assert (status.consistent, status.images, status.writer) == (True, calls, None)
    assert fake_engine.search(ids=[1], k=1).results
    assert fake_engine.index([drawn], label="parent").images == 60
    assert fake_engine.status().consistent


QUICK = TrainOptions(fast=True)
Work = Callable[[Engine, Path], object]
WORK: dict[str, tuple[str, Work]] = {
    "index": ("looking", lambda engine, folder: engine.index([folder])),
    "select": ("selecting", lambda engine, _: engine.train(head="x", from_labels=True)),
    "train": (
        "training",
        lambda engine, _: engine.train(head="x", from_labels=True, options=QUICK),
    ),
    "classify": (
        "classifying",
        lambda engine, _: engine.train(head="x", from_labels=True, options=QUICK),
    ),
    "suspects": ("judging", lambda engine, _: engine.suspects()),
    "neighbours": ("searching", lambda engine, _: engine.duplicates(level="copy")),
    "pixels": ("comparing", lambda engine, _: engine.duplicates(level="copy")),
}


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Pictures of three categories, of which no two are copies."""
    rng = np.random.default_rng(5)
    for number in range(48):
        file = tmp_path / "noise" / "abc"[number % 3] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cells = 255 * rng.integers(0, 2, (4, 4, 3), np.uint8)
        Image.fromarray(cells.repeat(4, 0).repeat(4, 1)).save(file)
    return tmp_path / "noise"


@pytest.mark.parametrize("what", WORK)
def test_whatever_is_ended_leaves_the_store_as_it_was(
    fake_engine: Engine, noise: Path, what: str
) -> None:
    fake_engine.index([noise], label="parent")
    task, work = WORK[what]
    before = fake_engine.status()
    with pytest.raises(Stopped):
        work(fake_engine.reporting_to(Stopping(task)), noise)
    assert fake_engine.status() == before
    assert not list(fake_engine.heads)

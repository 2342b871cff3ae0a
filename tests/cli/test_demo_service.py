"""The served demo as it fills: labels that a person sets, and a store that another job writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import pytest

from cli.demo_service import WAITS, Filling
from engine import Engine

PATIENCE = 60.0
ENDED = "the demo's catalog"


class Told(list[str]):
    """What a filling says; `ended` and `waits` are set when it does."""

    def __init__(self) -> None:
        self.ended, self.waits = Event(), Event()

    def hear(self, text: str) -> None:
        """Remember it."""
        self.append(text)
        (self.ended if text.startswith(ENDED) else self.waits).set()


@pytest.fixture
def demo(images: Path, fake_engine: Engine) -> Path:
    """The folder of a demo that is drawn and not in the catalog yet."""
    for part in ("catalog", "train"):
        shutil.copytree(images, images.parent / "demo" / part)
        (images.parent / "demo" / part / ".seed-0").touch()
    empty = images.parent / "empty"
    empty.mkdir()
    fake_engine.index([empty])
    fake_engine._session.patience_seconds = 0.05
    return images.parent / "demo"


def filled(engine: Engine, folder: Path) -> None:
    told = Told()
    filling = Filling(engine, folder, 0, told.hear)
    filling.start()
    assert told.ended.wait(PATIENCE)
    assert filling.stop(PATIENCE) and told == ["the demo's catalog is whole"]


@pytest.mark.slow
def test_a_label_that_a_person_has_set_stays(fake_engine: Engine, demo: Path) -> None:
    late = demo / "catalog" / "lamp"
    late.rename(demo / "late")
    filled(fake_engine, demo)
    first, second, *_ = fake_engine.images.page().images
    assert first.label == second.label == "bed"
    fake_engine.images.relabel(first.id, "cot")
    fake_engine.images.relabel(second.id, None)
    (demo / "late").rename(late)
    filled(fake_engine, demo)
    labels = [each.label for each in fake_engine.images.page().images]
    assert labels == ["cot", None, "bed", "bed", *["chair"] * 4, *["lamp"] * 4]


@pytest.mark.slow
def test_it_goes_on_when_another_job_has_written(fake_engine: Engine, demo: Path) -> None:
    told = Told()
    filling = Filling(fake_engine, demo, 0, told.hear)
    with fake_engine.config.store.writer_lock():
        filling.start()
        assert told.waits.wait(PATIENCE)
    assert told.ended.wait(PATIENCE)
    assert told == [WAITS, "the demo's catalog is whole"]
    assert len(fake_engine.images.page().images) == 12


def test_it_does_not_wait_for_ever(fake_engine: Engine, demo: Path) -> None:
    told = Told()
    filling = Filling(fake_engine, demo, 0, told.hear, locked_seconds=0)
    with fake_engine.config.store.writer_lock():
        filling.start()
        assert told.ended.wait(PATIENCE)
    (said,) = told
    assert said.startswith("the demo's catalog stays as it is")

"""A catalog in int8: made with its own pictures, used without a word, mixed with nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine, TrainOptions
from engine.errors import BackboneMismatchError, HeadMismatchError, UsageError
from engine.progress import Reporter
from index.catalog.catalog import Catalog
from index.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in int8 with the drawn pictures; not to be changed."""
    folder = tmp_path_factory.mktemp("int8") / "store"
    with Engine.open(folder, precision="int8") as engine:
        report = engine.index([drawn], label="parent")
    assert (report.added, report.precision) == (60, "int8")
    return folder


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a copy of it, with no precision named."""
    store = shutil.copytree(made, tmp_path / "store")
    with Engine.open(store) as opened:
        yield opened


def test_the_catalog_records_its_precision_and_a_fingerprint_of_its_own(
    engine: Engine, tmp_path: Path, drawn: Path
) -> None:
    status = engine.status()
    assert (status.precision, status.consistent) == ("int8", True)
    with Engine.open(tmp_path / "other", precision="fp32") as other:
        other.index([drawn / "bed"])
        assert other.status().fingerprint != status.fingerprint


def test_searching_needs_no_precision(engine: Engine, drawn: Path) -> None:
    image = drawn / "chair" / "chair-0003.jpg"
    best = engine.search(image, k=1)[0]
    assert best.path == str(image)
    assert best.score == pytest.approx(1, abs=1e-3)


def test_classifying_needs_no_precision(engine: Engine, drawn: Path) -> None:
    (answer,) = engine.classify(drawn / "chair" / "chair-0003.jpg", k=3)
    assert len(answer.predictions) == 3


def test_a_head_learns_from_the_catalog_and_belongs_to_it(
    engine: Engine, drawn: Path, tmp_path: Path
) -> None:
    engine.train(drawn, head="furniture", options=TrainOptions(fast=True))
    assert engine.evaluate(drawn, head="furniture").accuracy >= 0.9
    engine.heads.export("furniture", tmp_path / "furniture.safetensors")
    with Engine.open(tmp_path / "fp32", precision="fp32") as other:
        other.index([drawn / "bed"])
        with pytest.raises(HeadMismatchError):
            other.heads.add(tmp_path / "furniture.safetensors")


def test_new_images_are_embedded_by_the_same_network(
    engine: Engine, drawn: Path, tmp_path: Path
) -> None:
    before = engine.status().fingerprint
    (tmp_path / "more").mkdir()
    shutil.copy2(drawn / "bed" / "bed-0001.jpg", tmp_path / "more" / "copy.jpg")
    report = engine.index([tmp_path / "more"])
    assert (report.added, report.precision) == (1, "int8")
    assert engine.status().fingerprint == before


class Listener(Reporter):
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def announce(self, text: str) -> None:
        self.heard.append(text)


def test_asking_for_int8_again_quantizes_nothing(made: Path, drawn: Path, tmp_path: Path) -> None:
    store, listener = shutil.copytree(made, tmp_path / "store"), Listener()
    with Engine.open(store, precision="int8", reporter=listener) as engine:
        assert engine.index([drawn]).unchanged == 60
    assert listener.heard == []


def test_a_cache_that_was_lost_loses_nothing(
    made: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / "empty"))
    store = shutil.copytree(made, tmp_path / "store")
    image = drawn / "lamp" / "lamp-0002.jpg"
    with Engine.open(store) as engine:
        hit = engine.search(image, k=1)[0]
        assert engine.classify(image, k=1)
    assert (hit.path, round(hit.score, 3)) == (str(image), 1.0)
    # The network is complete by itself: nothing was exported from weights for it.
    assert len(list((tmp_path / "empty" / "models").iterdir())) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_another_precision_is_refused(made: Path, drawn: Path, precision: str) -> None:
    with (
        Engine.open(made, precision=precision) as engine,
        pytest.raises(BackboneMismatchError, match="made in int8"),
    ):
        engine.search(drawn / "bed" / "bed-0001.jpg")


def test_int8_is_refused_by_a_catalog_in_another_precision(tmp_path: Path, drawn: Path) -> None:
    with Engine.open(tmp_path / "store", precision="fp32") as engine:
        engine.index([drawn / "bed"])
    with (
        Engine.open(tmp_path / "store", precision="int8") as engine,
        pytest.raises(BackboneMismatchError, match="made in fp32"),
    ):
        engine.index([drawn])


def test_classifying_in_int8_without_a_catalog_is_refused(tmp_path: Path, drawn: Path) -> None:
    with (
        Engine(Config(store=Store(tmp_path / "store"), precision="int8")) as engine,
        pytest.raises(UsageError, match="engine index FOLDER --precision int8"),
    ):
        engine.classify(drawn / "bed" / "bed-0001.jpg")


def test_pytorch_is_refused(made: Path, drawn: Path) -> None:
    with (
        Engine.open(made, runtime="torch") as engine,
        pytest.raises(UsageError, match="OpenVINO alone"),
    ):
        engine.search(drawn / "bed" / "bed-0001.jpg")


def test_too_few_images_leave_no_store_behind(tmp_path: Path, drawn: Path) -> None:
    with (
        Engine.open(tmp_path / "store", precision="int8") as engine,
        pytest.raises(UsageError, match="20 pictures at least"),
    ):
        engine.index([drawn / "bed"])
    assert not (tmp_path / "store").exists()


def test_training_can_make_the_catalog(tmp_path: Path, drawn: Path) -> None:
    with Engine(Config(store=Store(tmp_path / "store"), precision="int8")) as engine:
        engine.train(drawn, head="furniture", options=TrainOptions(fast=True))
        assert engine.status().precision == "int8"


class AnotherProcess(Reporter):
    """Makes the catalog while this process quantizes for it."""

    def __init__(self, made: Path, store: Path) -> None:
        self._made, self._store = made, store

    def announce(self, text: str) -> None:
        assert text.startswith("quantizing")
        shutil.copytree(self._made, self._store)


def test_a_catalog_that_another_process_makes_meanwhile_is_used(
    made: Path, drawn: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    other = AnotherProcess(made, store)
    with Engine.open(store, precision="int8", reporter=other) as engine:
        # Of other pictures than the catalog's, so that it is another network.
        assert engine.index([drawn / "bed", drawn / "chair"]).unchanged == 24
    assert fingerprint_in(store) == fingerprint_in(made)


def fingerprint_in(store: Path) -> str:
    with Catalog.open(store / "catalog.sqlite") as catalog:
        return catalog.identity.fingerprint


def test_embeddings_are_close_to_those_in_fp32(made: Path, drawn: Path, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "fp32", precision="fp32") as engine:
        engine.index([drawn])
        engine.export(tmp_path / "fp32.npy")
    with Engine.open(shutil.copytree(made, tmp_path / "int8")) as engine:
        engine.export(tmp_path / "int8.npy")
    cosines = (np.load(tmp_path / "fp32.npy") * np.load(tmp_path / "int8.npy")).sum(axis=1)
    assert cosines.mean() >= 0.99

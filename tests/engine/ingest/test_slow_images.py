"""Pictures that take too long to decode: skipped by name wherever pictures are opened."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Config, Engine, Skipped, TrainOptions
from engine.embedding.int8_calibration import calibration_images
from engine.errors import ImageError
from engine.testing import FakeEmbedder
from tests.support.shop import put
from tests.support.slow import slow_jpeg, until

pytestmark = pytest.mark.slow

SECONDS, SIDE = 0.2, 4000
LATE = f"it took longer than {SECONDS} s to open"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG that takes two seconds; not to be changed."""
    path = slow_jpeg(tmp_path_factory.mktemp("slow") / "slow.jpg", SIDE)
    assert path.stat().st_size < 1 << 18
    return path


@pytest.fixture
def embedder(tmp_path: Path) -> FakeEmbedder:
    """An embedder with a limit of a moment."""
    return FakeEmbedder(Config.at(tmp_path / "store", decode_seconds=SECONDS, decoders=2))


@pytest.fixture
def engine(embedder: FakeEmbedder) -> Iterator[Engine]:
    """An engine with that embedder; what was late in it has ended with the test."""
    with Engine(embedder.config, embedder=embedder) as engine:
        yield engine
    until(lambda: embedder.memory.late == 0)


@pytest.fixture
def pictures(drawn: Path, slow: Path, tmp_path: Path) -> Path:
    """Beds and lamps, and in each folder a slow one that is neither first nor last."""
    for name in ("bed", "lamp"):
        shutil.copytree(drawn / name, tmp_path / "pictures" / name)
        copy = tmp_path / "pictures" / name / f"{name}-0004-slow.jpg"
        # Bytes after a JPEG's end are no part of the picture, but of the content.
        copy.write_bytes(slow.read_bytes() + name.encode())
    return tmp_path / "pictures"


def named(skipped: list[Skipped] | tuple[Skipped, ...]) -> list[str]:
    """Return the names of what was skipped, all of it for the same reason."""
    assert {skip.reason for skip in skipped} == {LATE}
    assert all("--decode-seconds" in skip.hint for skip in skipped)
    return sorted(Path(skip.path).name for skip in skipped)


SLOW = ["bed-0004-slow.jpg", "lamp-0004-slow.jpg"]


def test_what_is_late_is_skipped_and_the_others_are_indexed(engine: Engine, pictures: Path) -> None:
    report = engine.index([pictures])
    assert (report.added, named(report.skipped)) == (24, SLOW)


def test_a_run_ends_while_what_was_late_goes_on(
    engine: Engine, embedder: FakeEmbedder, pictures: Path
) -> None:
    before = set(threading.enumerate())
    engine.index([pictures])
    late = set(threading.enumerate()) - before
    assert embedder.memory.late == len(late) > 0
    assert embedder.memory.reserved > SIDE * SIDE * len(late)
    engine.close()
    assert all(thread.is_alive() and thread.daemon for thread in late)
    until(lambda: not any(thread.is_alive() for thread in late))
    assert (embedder.memory.late, embedder.memory.reserved) == (0, 0)


def test_an_image_that_was_late_is_tried_again_by_the_next_run(
    engine: Engine, pictures: Path, tmp_path: Path
) -> None:
    engine.index([pictures])
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as patient:
        report = patient.index([pictures])
    assert (report.added, report.skipped) == (2, [])


@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_a_query_that_is_late_is_refused(
    engine: Engine, slow: Path, tmp_path: Path, kind: str
) -> None:
    engine.index([put(tmp_path / "shop" / "1.bmp", 1)])
    query = slow if kind == "path" else slow.read_bytes()
    for verb in (engine.search, engine.classify):
        began = time.monotonic()
        with pytest.raises(ImageError, match=LATE):
            verb(query)
        assert time.monotonic() - began < 30


def test_of_several_queries_the_late_one_is_skipped(
    engine: Engine, slow: Path, tmp_path: Path
) -> None:
    good = [put(tmp_path / "shop" / f"{number}.bmp", number) for number in range(3)]
    engine.index([tmp_path / "shop"])
    skipped: list[Skipped] = []
    answers = engine.classify([good[0], slow, *good[1:]], k=1, skipped=skipped)
    assert [answer.image for answer in answers] == list(map(str, good))
    assert named(skipped) == ["slow.jpg"]


def test_a_training_and_an_evaluation_skip_what_is_late(
    engine: Engine, pictures: Path, tmp_path: Path
) -> None:
    engine.index([put(tmp_path / "shop" / "1.bmp", 1)])
    options: Any = TrainOptions(epochs=3)
    trained = engine.train(pictures, head="rooms", options=options)
    assert named(trained.skipped) == SLOW
    assert named(engine.evaluate(pictures, head="rooms").skipped) == SLOW


def test_a_calibration_leaves_out_what_is_late(embedder: FakeEmbedder, pictures: Path) -> None:
    assert len(calibration_images(embedder, [str(pictures)])) == 24
    until(lambda: embedder.memory.late == 0)

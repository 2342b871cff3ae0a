"""What is asked of the index: remembered by the catalog, followed, and told by status."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import current_thread
from typing import Any

import pytest

from engine import Config, Engine, UsageError
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.settings import read_preference
from index.state import Preference
from index.vectors.faiss_index import FaissIndex
from tests.support.indexes import flip_bit, manifest_in, segment_in

MakeEngine = Callable[..., Engine]

pytestmark = pytest.mark.slow


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeEngine]:
    """Open an engine on the same store, with other settings."""
    made: list[Engine] = []

    def make(**settings: Any) -> Engine:
        config = Config.at(tmp_path / "store", **settings)
        made.append(Engine(config, embedder=FakeEmbedder(config)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def _asked(store: Path) -> Preference:
    with Catalog.open(store / "catalog.sqlite") as catalog, catalog.database.reading() as reading:
        return read_preference(reading)


def test_nobody_asks_for_anything_at_first(
    make_engine: MakeEngine, drawn: Path, tmp_path: Path
) -> None:
    make_engine().index([drawn])
    assert _asked(tmp_path / "store") == Preference("auto", None)


def test_the_catalog_remembers_what_was_asked(
    make_engine: MakeEngine, drawn: Path, tmp_path: Path
) -> None:
    make_engine(index="exact").index([drawn])
    assert _asked(tmp_path / "store") == Preference("exact", None)
    make_engine(memory=10**9).index([drawn])
    assert _asked(tmp_path / "store") == Preference("exact", 10**9)
    make_engine().index([drawn])
    assert _asked(tmp_path / "store") == Preference("exact", 10**9)
    make_engine(index="auto", memory=5).index([drawn])
    assert _asked(tmp_path / "store") == Preference("auto", 5)
    make_engine(memory=0).index([drawn])
    assert _asked(tmp_path / "store") == Preference("auto", None)


def test_status_tells_of_exact_search(make_engine: MakeEngine, drawn: Path) -> None:
    engine = make_engine()
    engine.index([drawn])
    status = engine.status()
    assert (status.index, status.index_recall) == ("exact float16", 1.0)


def test_a_catalog_that_would_not_fit_is_compressed(make_engine: MakeEngine, drawn: Path) -> None:
    engine = make_engine(memory=1)
    engine.index([drawn])
    status = engine.status()
    assert (status.index, status.index_state) == ("IVF16, PQ24x4fs, SQ4", "current")
    assert 0 < status.index_recall <= 1
    assert status.consistent


def test_changing_ones_mind_needs_no_new_images(
    make_engine: MakeEngine, drawn: Path, tmp_path: Path
) -> None:
    kinds = []
    for kind in ("exact", "compressed", "exact"):
        engine = make_engine(index=kind)
        assert engine.index([drawn]).images == 60
        manifest = manifest_in(tmp_path / "store" / "index")
        kinds.append((engine.status().index, manifest.segment is not None))
    exact = ("exact float16", False)
    assert kinds == [exact, ("IVF16, PQ24x4fs, SQ8", True), exact]


def test_a_compressed_catalog_answers_as_an_exact_one(make_engine: MakeEngine, drawn: Path) -> None:
    images = sorted(drawn.rglob("*.jpg"))
    hits = []
    for kind in ("exact", "compressed"):
        engine = make_engine(index=kind)
        engine.index([drawn])
        hits.append([list(engine.search(image, k=60)) for image in images[::12]])
    for exact, compressed in zip(*hits, strict=True):
        assert {hit.path for hit in compressed} == {hit.path for hit in exact}
        assert compressed[0].score == pytest.approx(exact[0].score, abs=0.02)


def test_whoever_searches_again_has_the_index_read_in_the_background_once(
    make_engine: MakeEngine, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_engine(index="compressed").index([drawn])
    engine = make_engine()
    image = next(drawn.rglob("*.jpg"))
    read = Queue[str]()
    monkeypatch.setattr(FaissIndex, "warm_up", lambda *_: read.put(current_thread().name))
    engine.search(image)
    assert read.empty(), "one search alone must not wait for what it does not look at"
    engine.search(image)
    assert read.get(timeout=60) == "index"
    engine.search(image)
    assert read.empty()


def test_status_reads_a_compressed_index_to_the_last_byte(
    make_engine: MakeEngine, drawn: Path, tmp_path: Path
) -> None:
    engine = make_engine(index="compressed")
    engine.index([drawn])
    large = segment_in(tmp_path / "store" / "index")
    before = large.stat()
    assert engine.status().index_bytes > before.st_size
    # As if the disk had done it: nobody has written to the file, and it is opened all the same.
    flip_bit(large, before.st_size - 1)
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
    status = make_engine().status()
    assert not status.consistent
    [problem] = status.problems
    assert problem.startswith(f"{large} is damaged; delete it")
    large.unlink()
    make_engine().index([drawn])
    assert make_engine().status().consistent


def test_status_does_not_build_an_index(
    make_engine: MakeEngine, drawn: Path, tmp_path: Path
) -> None:
    make_engine(index="compressed").index([drawn])
    shutil.rmtree(tmp_path / "store" / "index")
    status = make_engine().status()
    assert status.index == "none yet"
    assert status.index_state == "missing (will be rebuilt)"
    assert status.consistent
    assert not list((tmp_path / "store").glob("index*"))


@pytest.mark.parametrize(("setting", "value"), [("index", "fast"), ("index", ""), ("memory", -1)])
def test_what_cannot_be_asked_is_refused(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Config.at(tmp_path, **{setting: value})
    assert caught.value.thing == setting

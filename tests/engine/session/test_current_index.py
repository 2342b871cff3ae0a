"""The index in step with the catalog: of one state, whoever writes, whoever builds."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, Engine, Reporter
from engine.session.session import Session
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import FileState, ImageFacts, Named
from index.sync import check_index, vectors_of
from index.vectors.index import VectorIndex
from tests.support.sessions import MakeSession, needs_maps, noise, writer_on

pytestmark = pytest.mark.slow


@needs_maps
def test_an_index_that_was_exchanged_is_mapped_no_more(
    make_session: MakeSession, store: Path
) -> None:
    session = make_session()
    for _ in range(2):
        before = session.index().in_step(session.catalog()).state
    with writer_on(store) as writer:
        writer.remove([writer.search(noise(), k=1)[0].path])
    assert session.index().in_step(session.catalog()).state != before
    session.index().in_step(session.catalog())
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "segment" in line]
    assert len({line.split()[-1] for line in lines if str(store) in line}) == 1


def test_the_thread_that_reads_ahead_ends_with_the_session(make_session: MakeSession) -> None:
    session = make_session()
    before = set(threading.enumerate())
    for _ in range(3):
        session.index().in_step(session.catalog())
    session.close()
    assert set(threading.enumerate()) <= before


def test_a_thread_that_reads_ahead_is_told_to_give_up(make_session: MakeSession) -> None:
    session = make_session()
    began, asked = threading.Event(), threading.Event()
    opened = session.index().in_step(session.catalog())

    def read(stopped: Callable[[], bool]) -> None:
        began.set()
        while not stopped():
            pass
        asked.set()

    vectors: Any = opened.vectors
    vectors.warm_up = read
    session.index().in_step(session.catalog())
    assert began.wait(60)
    session.close()
    assert asked.is_set()


def test_a_snapshot_is_of_one_state_whatever_others_commit(
    make_session: MakeSession, store: Path
) -> None:
    session = make_session()
    catalog = session.catalog()
    with session.index().snapshot(catalog) as index:
        state = catalog.state()
        with writer_on(store) as writer:
            gone = [hit.path for hit in writer.search(noise(), k=5)]
            writer.remove(gone)
        assert catalog.state() == state
        assert sorted(index.ids.tolist()) == catalog.embeddings.all()[0].tolist()
        assert len(catalog.images.rows(index.ids.tolist())) == len(index) == 60
    with session.index().snapshot(catalog) as index:
        assert sorted(index.ids.tolist()) == catalog.embeddings.all()[0].tolist()
        assert len(index) == 55


def test_a_snapshot_follows_a_writer_that_never_rests(
    make_session: MakeSession, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, calls = make_session(), 0
    catalog = session.catalog()
    ids = catalog.embeddings.all()[0].tolist()

    current = session.index()
    real = current.in_step

    def overtaken(catalog: Catalog) -> Any:
        nonlocal calls
        opened = real(catalog)
        # Between the opening of the index and the question, another one commits.
        catalog.images.hide(ids[calls : calls + 1])
        calls += 1
        return opened

    monkeypatch.setattr(current, "in_step", overtaken)
    with session.index().snapshot(catalog) as index:
        assert sorted(index.ids.tolist()) == catalog.embeddings.all()[0].tolist()
    assert 60 - len(index) == calls > 1


def _batch(image_id: int, path: Path, embedder: FakeEmbedder) -> Batch:
    """Return what lets an image be the picture at a path from now on."""
    pixels = embedder.pixels(path.read_bytes(), str(path))
    facts = ImageFacts(FileState(f"/{path.name}", 1, 1), 1, path.name, 1, 1, "JPEG", None)
    nothing = Named([("imagenet", "thing")], *(np.zeros(1, kind) for kind in (int, "f", bool)))
    return Batch([image_id], [facts], embedder.embed([pixels]), nothing)


@pytest.mark.parametrize("kind", ["exact", "compressed"])
def test_threads_that_search_beside_a_writer_see_one_state_each(
    store: Path, drawn: Path, kind: str
) -> None:
    """One image is now a bed, now a lamp: never is it found as the one by the other's vector."""
    config = Config.at(store, index=kind)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([drawn])
    bed, lamp = (drawn / name / f"{name}-0001.jpg" for name in ("bed", "lamp"))
    done = threading.Event()
    with Engine(config, embedder=FakeEmbedder(config)) as engine:

        def search(asked: Path) -> int:
            searches = 0
            while not done.is_set():
                own = [hit for hit in engine.search(asked, k=60) if hit.path.count("/") == 1]
                [hit] = own
                assert (hit.score > 0.999) == (hit.path == f"/{asked.name}"), hit
                searches += 1
            return searches

        with Catalog.open(config.store.catalog) as catalog:
            embedder = FakeEmbedder(config)
            [changing] = [catalog.images.known(["/"])[str(bed)].id]
            batches = [_batch(changing, path, embedder) for path in (bed, lamp)]
            catalog.images.store(batches[0])
            with ThreadPoolExecutor(3) as pool:
                searching = [pool.submit(search, path) for path in (bed, lamp, bed)]
                try:
                    for number in range(100):
                        catalog.images.store(batches[number % 2])
                finally:
                    done.set()
                assert sum(each.result() for each in searching) > 0


def test_a_search_saves_what_it_caught_up(make_session: MakeSession, store: Path) -> None:
    session = make_session()
    catalog = session.catalog()
    catalog.images.hide(catalog.embeddings.all()[0].tolist()[:3])
    assert session.index().in_step(catalog).origin == "caught up"
    checked = check_index(catalog, _vectors(session))
    assert (checked.state, checked.problems) == ("current", [])
    assert make_session().index().in_step(catalog).origin == "current"


def _vectors(session: Session) -> VectorIndex:
    return vectors_of(session.catalog(), session.config.store.index)


class Stuck(Reporter):
    """Holds every thread but the one that made it up where it begins to build an index."""

    def __init__(self) -> None:
        self.free = threading.current_thread()
        self.waiting, self.goes_on = threading.Event(), threading.Event()

    def progress(self, activity: str, done: int, total: int | None, unit: str) -> None:
        if activity == "building the index" and threading.current_thread() is not self.free:
            self.waiting.set()
            assert self.goes_on.wait(120)


def test_a_writer_waits_for_no_search_that_builds_the_index(store: Path, drawn: Path) -> None:
    config, reporter = Config.at(store), Stuck()
    picture, others = drawn / "bed" / "bed-0001.jpg", [drawn / "lamp", drawn / "chair"]
    shutil.rmtree(store / "index")
    with (
        Engine(config, reporter, embedder=FakeEmbedder(config)) as engine,
        ThreadPoolExecutor(8) as pool,
    ):
        found = [pool.submit(engine.search, picture, 60) for _ in range(8)]
        try:
            assert reporter.waiting.wait(60)
            written = ThreadPoolExecutor(1).submit(_rounds, engine, others, reporter)
            assert written.result(60) == [24, 24, 24, 24]
        finally:
            reporter.goes_on.set()
        assert {len(each.result(120).results) for each in found} == {60}


def _rounds(engine: Engine, paths: list[Path], reporter: Stuck) -> list[int]:
    reporter.free = threading.current_thread()
    return [
        count
        for _ in range(2)
        for count in (engine.remove(paths).removed, engine.index(paths).added)
    ]


def test_a_search_waits_for_a_writer_that_builds_the_index_it_needs(
    store: Path, drawn: Path
) -> None:
    config, reporter = Config.at(store), Stuck()
    picture = drawn / "bed" / "bed-0001.jpg"
    with Engine(config, reporter, embedder=FakeEmbedder(config)) as engine:
        shutil.rmtree(store / "index")
        with ThreadPoolExecutor(9) as pool:
            writer = pool.submit(engine.index, [drawn])
            assert reporter.waiting.wait(60)
            found = [pool.submit(engine.search, picture, 60) for _ in range(8)]
            reporter.free = threading.current_thread()
            reporter.goes_on.set()
            assert writer.result(120).unchanged == 60
            assert {len(each.result(120).results) for each in found} == {60}


def test_who_asks_an_index_in_step_waits_for_nobody(make_session: MakeSession) -> None:
    session = make_session()
    for _ in range(2):
        assert session.ask(lambda _, index: len(index)) == 60
    with session.index().lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(session.ask, lambda _, index: len(index)).result(60) == 60

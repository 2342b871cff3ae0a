"""What an engine holds open: opened once, exchanged when others write, released at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import Config, TrainOptions
from engine.heads.file import head_to_bytes
from engine.progress import SILENT
from engine.session.session import Session
from engine.testing import FakeEmbedder
from index.errors import StoreLockedError
from index.files.lock import writer_lock
from tests.support.sessions import MakeSession, maps, needs_maps, writer_on
from tests.support.shop import NotingReporter

QUICK = TrainOptions(epochs=5)

pytestmark = pytest.mark.slow


@needs_maps
def test_a_closed_session_has_nothing_of_the_store_mapped(
    make_session: MakeSession, store: Path
) -> None:
    session = make_session()
    opened = session.index().in_step(session.catalog())
    assert maps(store / "index")
    session.close()
    assert not maps(store)
    assert len(opened.vectors) == 0, "who still has it finds it closed"


def test_a_closed_session_opens_again(make_session: MakeSession) -> None:
    session = make_session()
    first = session.index().in_step(session.catalog())
    session.close()
    session.close()
    again = session.index().in_step(session.catalog())
    assert (again.state, again.origin) == (first.state, "current")
    assert len(again.vectors) == 60


def test_a_head_is_parsed_once(make_session: MakeSession, store: Path) -> None:
    with writer_on(store) as writer:
        writer.train(head="one", from_labels=True, options=QUICK)
        writer.train(head="two", from_labels=True, options=QUICK)
    session = make_session()
    first = session.heads()
    again = session.heads()
    assert [head.name for head in first] == ["one", "two"]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_head_that_another_process_replaced_is_parsed_anew(
    make_session: MakeSession, store: Path
) -> None:
    session = make_session()
    assert session.heads() == []
    with writer_on(store) as writer:
        writer.train(head="one", from_labels=True, options=QUICK)
        writer.train(head="two", from_labels=True, options=QUICK)
        one, two = session.heads()
        writer.train(head="two", from_labels=True, options=TrainOptions(epochs=6))
        again_one, again_two = session.heads()
        assert again_one is one
        assert again_two is not two
        assert head_to_bytes(again_two) != head_to_bytes(two)
        writer.heads.delete("one")
        assert [head.name for head in session.heads()] == ["two"]
        writer.heads.delete("two")
        assert session.heads() == []


def test_threads_that_open_at_once_open_once(make_session: MakeSession) -> None:
    session = make_session()
    with ThreadPoolExecutor(8) as pool:
        catalogs = list(pool.map(lambda _: session.catalog(), range(32)))
        opened = list(pool.map(lambda _: session.index().in_step(session.catalog()), range(32)))
        embedders = list(pool.map(lambda _: session.embedder(), range(32)))
    assert len(set(map(id, catalogs))) == 1
    assert len(set(map(id, opened))) == 1
    assert len(set(map(id, embedders))) == 1


def test_a_writer_waits_for_a_search_that_saves_however_long_that_takes(
    store: Path, drawn: Path
) -> None:
    config = Config.at(store)
    session = Session(config, SILENT, FakeEmbedder(config), patience_seconds=0.0)
    saving = session.index().saving
    with ThreadPoolExecutor(1) as pool, writer_lock(store):
        saving.acquire()
        waiting = pool.submit(_write, session)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        assert not waiting.done()
        saving.release()
        with pytest.raises(StoreLockedError):
            waiting.result(60)
    _write(session)
    session.close()


def test_a_thread_that_writes_goes_on_writing_and_no_other_does(store: Path) -> None:
    config = Config.at(store)
    session = Session(config, SILENT, FakeEmbedder(config), patience_seconds=0.0)
    with ThreadPoolExecutor(1) as other, session.writing(create=False) as catalog:
        with session.reporting_to(NotingReporter()).writing(create=True) as again:
            assert again is catalog
        with pytest.raises(StoreLockedError):
            other.submit(_write, session).result()
    with ThreadPoolExecutor(1) as other:
        other.submit(_write, session).result()
    session.close()


def _write(session: Session) -> None:
    with session.writing(create=False):
        pass

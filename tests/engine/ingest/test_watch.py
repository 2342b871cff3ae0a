"""Folders that are followed: every change is indexed, and nothing but Ctrl-C ends it."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

import pytest

from engine import Engine, IndexReport
from engine.errors import EngineError, UsageError
from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.watch import Watch, WatchLimits, _counts, changes
from engine.pictures.walk_rules import WalkRules
from engine.testing import FakeEmbedder
from index.files import lock
from tests.support.shop import Shop, counts

pytestmark = pytest.mark.slow
QUICK = WatchLimits(quiet_seconds=0.1, patience_seconds=1.0, check_seconds=0.1)
PATIENCE = 60.0


class Watching:
    """A shop that is followed by a thread; its reports come one by one."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.stopped = Event()
        self.reports: Queue[IndexReport] = Queue()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        for report in self.shop.engine.watch(
            [self.shop.folder], limits=QUICK, stopped=self.stopped
        ):
            self.reports.put(report)

    def next(self) -> dict[str, int]:
        """Return the counts of the next run that changed anything."""
        while not (report := self.reports.get(timeout=PATIENCE)).changed:
            pass
        return counts(report)

    def end(self) -> None:
        """Stop it, and wait for that."""
        self.stopped.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def watching(shop: Shop) -> Iterator[Watching]:
    """A shop whose first run is over."""
    made = Watching(shop)
    assert made.next() == {"added": 3, "embedded": 3}
    yield made
    made.end()


def test_a_new_picture_is_added(watching: Watching) -> None:
    watching.shop.put("sub/new.bmp", 7)
    assert watching.next() == {"added": 1, "unchanged": 3, "embedded": 1}


def test_it_says_how_a_cluster_goes_about_each_run(shop: Shop) -> None:
    noted: list[object] = []

    class Noting(Engine):
        def index(self, *paths: Any, **options: Any) -> IndexReport:
            noted.append(options["cluster"])
            return super().index(*paths, **options)

    asked = ClusterOptions(workers=3)
    with Noting(shop.engine.config, embedder=FakeEmbedder(shop.engine.config)) as engine:
        next(engine.watch([shop.folder], cluster=asked, limits=QUICK))
    assert noted == [asked]


def test_a_new_folder_is_followed(watching: Watching) -> None:
    watching.shop.put("deep/down/new.bmp", 7)
    assert watching.next()["added"] == 1
    watching.shop.put("deep/down/newer.bmp", 8)
    assert watching.next()["added"] == 1


def test_a_picture_that_goes_is_removed(watching: Watching) -> None:
    (watching.shop.folder / "a.bmp").unlink()
    assert watching.next() == {"removed": 1, "unchanged": 2}


def test_a_picture_that_is_half_copied_is_added_when_it_is_whole(watching: Watching) -> None:
    whole = watching.shop.put("../new.bmp", 7).read_bytes()
    path = watching.shop.folder / "new.bmp"
    path.write_bytes(whole[:100])
    with path.open("ab") as file:
        file.write(whole[100:])
    assert watching.next()["added"] == 1
    assert watching.shop.shown(7) == {"7": ["new.bmp"]}


def test_a_folder_that_vanishes_and_is_back_loses_nothing(watching: Watching) -> None:
    folder = watching.shop.folder
    away = folder.rename(folder.with_name("unmounted"))
    folder.mkdir()
    folder.rmdir()
    away.rename(folder)
    watching.shop.put("new.bmp", 7)
    assert watching.next()["added"] == 1
    assert len(watching.shop.names()) == 4


def test_a_folder_that_was_replaced_is_followed(watching: Watching) -> None:
    folder = watching.shop.folder
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    copy.rename(folder)
    watching.shop.put("new.bmp", 7)
    assert watching.next()["added"] == 1


def test_another_writer_is_waited_for(watching: Watching) -> None:
    with lock.writer_lock(watching.shop.engine.config.store.folder):
        watching.shop.put("new.bmp", 7)
        with pytest.raises(Empty):
            watching.reports.get(timeout=1.0)
    assert watching.next()["added"] == 1


def test_what_the_store_writes_is_no_change(tmp_path: Path) -> None:
    watch = Watch([str(tmp_path)], str(tmp_path / "store"), WalkRules(), QUICK, Event())
    assert not _counts(watch, str(tmp_path / "store" / "index" / "delta"))
    assert _counts(watch, str(tmp_path / "a.jpg"))
    assert _counts(watch, str(tmp_path / "x.tar"))
    assert _counts(watch, str(tmp_path / "folder"))
    assert not _counts(watch, str(tmp_path / "notes.txt"))


def test_a_first_run_that_cannot_be_done_is_an_error(shop: Shop) -> None:
    with pytest.raises(EngineError):
        next(shop.engine.watch([shop.folder / "typo"]))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    nothing: Any = None
    with pytest.raises(UsageError, match="image-engine\\[watch\\]"):
        changes(nothing)

"""A run by workers comes to the same as one by threads, whatever becomes of the workers."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine import Config, Engine, IndexReport
from engine.errors import CatalogError, ClusterError
from engine.ingest.cluster.job import ShardJob
from index.catalog.catalog import Catalog
from index.catalog.shards import DONE, FAILED, Progress, Run
from index.catalog.tables.folders import ArchiveList
from index.catalog.tables.images import ImageTable
from index.catalog.tables.shards import ShardTable
from index.errors import StoreLockedError
from tests.engine.ingest.cluster.conftest import PICTURES, QUICK, HereLauncher, work_once
from tests.support.catalogs import contents
from tests.support.shop import LONG_AGO, NotingReporter, counts, put

Index = Callable[..., IndexReport]
NewEngine = Callable[[str], Engine]


def _progress(engine: Engine) -> Progress:
    with Catalog.open(engine.config.store.catalog) as catalog:
        run = catalog.shards.run()
        assert run is not None
        progress = catalog.shards.progress(run)
    assert progress is not None
    return progress


def _nothing(job: ShardJob) -> None:
    """Do nothing, as a worker does that is dead from the beginning."""


def _claim_and_die(job: ShardJob) -> None:
    with Catalog.open(job.config.store.catalog) as catalog:
        catalog.shards.claim(job.run, "dead", timedelta(seconds=-5))


@pytest.mark.parametrize("label", [None, "parent"])
def test_it_comes_to_the_same_as_threads(
    index: Index, engine_on: NewEngine, folder: Path, label: str | None
) -> None:
    by_threads = engine_on("other").index([folder], label=label)
    by_workers = index(label=label)
    assert counts(by_workers) == counts(by_threads) == {"added": PICTURES, "embedded": PICTURES}
    assert by_workers.images == PICTURES
    assert contents(engine_on("store")) == contents(engine_on("other"))
    assert _progress(engine_on("store")).shards == {DONE: 4}


def test_a_second_run_opens_nothing(index: Index) -> None:
    index()
    launcher = HereLauncher()
    assert counts(index(launcher)) == {"unchanged": PICTURES}
    assert launcher.job is None, "no worker was started"


def test_what_changed_is_embedded_and_what_is_gone_is_hidden(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    index()
    put(folder / "lamp" / "0.bmp", 99)
    (folder / "lamp" / "2.bmp").unlink()
    put(folder / "new.bmp", 50)
    report = index()
    assert counts(report) == {
        "added": 1,
        "updated": 1,
        "unchanged": PICTURES - 2,
        "removed": 1,
        "embedded": 2,
    }
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


@pytest.mark.slow
def test_a_picture_under_another_path_is_not_embedded_again(index: Index, folder: Path) -> None:
    index()
    (folder / "lamp" / "0.bmp").rename(folder / "moved.bmp")
    report = index()
    assert (report.added, report.removed, report.embedded) == (1, 1, 0)


def test_verify_opens_every_file(index: Index, folder: Path) -> None:
    index()
    launcher = HereLauncher()
    assert counts(index(launcher, verify=True)) == {"unchanged": PICTURES}
    assert launcher.job is not None


def test_what_cannot_be_used_is_told_with_its_reason(index: Index, folder: Path) -> None:
    (folder / "lamp" / "broken.bmp").write_bytes(b"BM no picture")
    report = index()
    [skipped] = report.skipped
    assert skipped.path == str(folder / "lamp" / "broken.bmp")
    assert report.added == PICTURES


@pytest.mark.slow
def test_a_shard_of_a_dead_worker_is_done_by_another(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    launcher = HereLauncher([_claim_and_die, _claim_and_die, work_once])
    assert counts(index(launcher)) == {"added": PICTURES, "embedded": PICTURES}
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


def test_a_shard_that_costs_every_worker_its_life_fails_alone(
    index: Index, engine_on: NewEngine
) -> None:
    launcher = HereLauncher([_claim_and_die, _die_again, _die_again, work_once])
    report = index(launcher)
    assert _progress(engine_on("store")).shards == {DONE: 3, FAILED: 1}
    [skipped] = report.skipped
    assert "3 workers were lost" in skipped.reason
    assert "--retry-failed" in skipped.hint
    assert report.added == PICTURES - 3


def _die_again(job: ShardJob) -> None:
    """Take again what was lost, before what nobody has taken."""
    with Catalog.open(job.config.store.catalog) as catalog, catalog.database.writing() as changes:
        changes.exec_driver_sql("UPDATE shards SET attempt = attempt + 1 WHERE state = 'running'")


def test_what_failed_is_left_until_it_is_asked_for(index: Index, engine_on: NewEngine) -> None:
    def fail_all(job: ShardJob) -> None:
        with Catalog.open(job.config.store.catalog) as catalog:
            while claim := catalog.shards.claim(job.run, "one", job.lease):
                catalog.shards.fail(claim, "no such bucket")

    failed = index(HereLauncher([fail_all]))
    assert (failed.added, len(failed.skipped)) == (0, 4)
    again = index()
    assert (again.added, len(again.skipped)) == (0, 4)
    retried = index(options=replace(QUICK, retry_failed=True))
    assert (retried.added, retried.skipped) == (PICTURES, [])
    assert _progress(engine_on("store")).shards == {DONE: 4}


def test_every_shard_that_failed_is_told(index: Index, folder: Path) -> None:
    def fail_all(job: ShardJob) -> None:
        with Catalog.open(job.config.store.catalog) as catalog:
            while claim := catalog.shards.claim(job.run, "one", job.lease):
                catalog.shards.fail(claim, "no such bucket")

    for number in range(PICTURES, 30):
        put(folder / f"{number}.bmp", number)
    report = index(HereLauncher([fail_all]), options=replace(QUICK, shard_images=1))
    assert len(report.skipped) == 30


def test_a_file_that_failed_and_has_changed_is_tried_again(index: Index, folder: Path) -> None:
    def fail_all(job: ShardJob) -> None:
        with Catalog.open(job.config.store.catalog) as catalog:
            while claim := catalog.shards.claim(job.run, "one", job.lease):
                catalog.shards.fail(claim, "no such bucket")

    index(HereLauncher([fail_all]))
    put(folder / "lamp" / "0.bmp", 77)
    assert index().added == 1


def _tar(folder: Path, *names: str) -> Path:
    """Return an archive of pictures of the shop."""
    path = folder.parent / "shop.tar"
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.add(folder / name, name)
    os.utime(path, (LONG_AGO, LONG_AGO + len(names)))
    return path


def test_an_archive_is_a_shard(index: Index, engine_on: NewEngine, folder: Path) -> None:
    path = _tar(folder, "lamp/0.bmp", "bed/1.bmp", "lamp/2.bmp")
    by_workers = index(root=path, label="parent")
    by_threads = engine_on("other").index([path], label="parent")
    assert counts(by_workers) == counts(by_threads) == {"added": 3, "embedded": 3}
    assert contents(engine_on("store")) == contents(engine_on("other"))
    progress = _progress(engine_on("store"))
    assert (progress.shards, progress.images, progress.done) == ({DONE: 1}, 3, 3)


def test_an_archive_that_is_as_it_was_is_not_opened(index: Index, folder: Path) -> None:
    path = _tar(folder, "lamp/0.bmp", "bed/1.bmp")
    index(root=path)
    launcher = HereLauncher()
    assert counts(index(launcher, root=path)) == {"unchanged": 2}
    assert launcher.job is None


def test_what_is_gone_from_an_archive_is_hidden(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    index(root=_tar(folder, "lamp/0.bmp", "bed/1.bmp", "lamp/2.bmp"))
    path = _tar(folder, "lamp/0.bmp", "lamp/4.bmp")
    report = index(root=path)
    assert (report.added, report.removed, report.images) == (1, 2, 2)
    assert [Path(name).name for name in contents(engine_on("store"))] == ["0.bmp", "4.bmp"]


def test_a_corrupt_archive_loses_none_of_the_others(index: Index, folder: Path) -> None:
    path = _tar(folder, "lamp/0.bmp", "bed/1.bmp", "lamp/2.bmp")
    (folder / "whole.tar").write_bytes(path.read_bytes())
    (folder / "cut.tar").write_bytes(path.read_bytes()[:700])
    report = index(archives=True)
    assert report.added == PICTURES + 3
    assert report.skipped
    assert all("cut.tar" in each.path for each in report.skipped)


def test_a_file_that_changes_after_it_was_listed_is_found_by_the_next_run(
    index: Index, engine_on: NewEngine, folder: Path
) -> None:
    def change_and_work(job: ShardJob) -> None:
        put(folder / "lamp" / "0.bmp", 88)
        (folder / "lamp" / "2.bmp").unlink()
        work_once(job)

    first = index(HereLauncher([change_and_work]))
    assert [Path(each.path).name for each in first.skipped] == ["2.bmp"]
    index()
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


@pytest.mark.slow
def test_two_drivers_at_once_are_one(index: Index) -> None:
    second: list[StoreLockedError] = []

    def index_meanwhile(job: ShardJob) -> None:
        with pytest.raises(StoreLockedError) as refused:
            index()
        second.append(refused.value)
        work_once(job)

    assert index(HereLauncher([index_meanwhile])).added == PICTURES
    [error] = second
    assert "another" in error.reason


def test_progress_is_that_of_the_ledger(index: Index) -> None:
    reporter = NotingReporter()
    index(reporter=reporter)
    told = [(done, total) for task, done, total, _ in reporter.told if task == "indexing"]
    assert told[0] == (0, PICTURES)
    assert told[-1] == (PICTURES, PICTURES)


def test_a_run_that_another_one_has_replaced_ends(index: Index) -> None:
    def another_run(job: ShardJob) -> None:
        with Catalog.open(job.config.store.catalog) as catalog:
            catalog.shards.begin(replace(job.run, token="f" * 32), [], keep=False)

    launcher = HereLauncher([another_run])
    with pytest.raises(ClusterError, match="another run of indexing has taken over"):
        index(launcher)
    assert launcher.stopped


def test_a_database_that_is_busy_when_a_worker_dies_ends_no_run(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(HereLauncher):
        def check(self, *, goes_on: bool) -> list[str]:
            super().check(goes_on=goes_on)
            return ["dead"]

    expire, answers = ShardTable.expire, [StoreLockedError("it", "another is writing", "Wait")]

    def busy(self: ShardTable, run: Run, worker: str) -> None:
        if answers:
            raise answers.pop()
        expire(self, run, worker)

    monkeypatch.setattr(ShardTable, "expire", busy)
    assert index(Dying()).added == PICTURES
    assert not answers


@pytest.mark.slow
def test_after_an_outage_it_looks_again_as_soon_as_ever(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress, sleep, slept = ShardTable.progress, time.sleep, []
    outage = [CatalogError("it", "it cannot be reached", "Wait") for _ in range(3)]

    def away(self: ShardTable, run: Run, **options: int | None) -> Progress | None:
        if outage:
            raise outage.pop()
        return progress(self, run, **options)

    def nap(seconds: float) -> None:
        slept.append(seconds)
        sleep(min(seconds, 0.5))

    monkeypatch.setattr(ShardTable, "progress", away)
    monkeypatch.setattr(time, "sleep", nap)
    assert index().added == PICTURES
    # The outage took 0.7 s, of which the driver must not sleep twenty times as much.
    assert 0.4 in slept
    assert max(slept) < 10


def test_a_run_that_another_one_has_replaced_hides_nothing(index: Index, folder: Path) -> None:
    class Replaced(HereLauncher):
        def stop(self) -> None:
            assert self.job is not None
            with Catalog.open(self.job.config.store.catalog) as catalog:
                catalog.shards.begin(replace(self.job.run, token="f" * 32), [], keep=False)

    index()
    put(folder / "lamp" / "0.bmp", 99)
    (folder / "lamp" / "2.bmp").unlink()
    with pytest.raises(ClusterError, match="another run of indexing has taken over"):
        index(Replaced())
    assert index().removed == 1


@pytest.mark.parametrize(
    ("table", "question"),
    [(ShardTable, "reports"), (ArchiveList, "add"), (ImageTable, "known"), (ImageTable, "hide")],
)
def test_a_database_that_is_away_at_the_end_loses_and_doubles_nothing(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, table: type, question: str
) -> None:
    index()
    _tar(folder, "lamp/0.bmp").rename(folder / "more.tar")
    (folder / "lamp" / "2.bmp").unlink()
    asked, away = getattr(table, question), list[bool]()

    def answer(self: object, *given: object, **named: object) -> object:
        if away:
            away.pop()
            raise CatalogError("it", "it cannot be reached", "Wait")
        return asked(self, *given, **named)

    def work_and_go(job: ShardJob) -> None:
        work_once(job)
        away.append(True)

    monkeypatch.setattr(table, question, answer)
    report = index(HereLauncher([work_and_go]), archives=True)
    assert not away
    assert counts(report) == {"added": 1, "unchanged": PICTURES - 1, "removed": 1}
    assert counts(index(archives=True)) == {"unchanged": PICTURES}


def test_a_run_in_which_nothing_is_finished_ends(index: Index, engine_on: NewEngine) -> None:
    launcher = HereLauncher([_nothing])
    with pytest.raises(ClusterError, match="4 shards are open"):
        index(launcher, options=replace(QUICK, stall_seconds=0.0))
    assert launcher.stopped
    index()
    assert _progress(engine_on("store")).shards == {DONE: 4}


def test_an_interrupt_keeps_what_is_done(index: Index, folder: Path) -> None:
    class Interrupting(NotingReporter):
        def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
            if task == "indexing" and done:
                raise KeyboardInterrupt

    launcher = HereLauncher([work_once])
    with pytest.raises(KeyboardInterrupt):
        index(launcher, reporter=Interrupting())
    assert launcher.stopped
    assert counts(index()) == {"unchanged": PICTURES}


def test_the_configuration_names_the_cluster(tmp_path: Path) -> None:
    config = Config.at(tmp_path / "store", cluster="local")
    assert config.cluster == "local"

"""A worker commits a whole shard or nothing of it, and only as long as it holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from engine import Config, Reporter
from engine.errors import CatalogError, WeightsCorruptError
from engine.ingest.cluster.job import ShardJob
from engine.ingest.cluster.worker import ShardWorker
from engine.pictures.preprocess import Pixels
from engine.pictures.walk import find_images
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.shards import DONE, FAILED, RUNNING, TODO, ListedFile, Run
from index.errors import EmbeddingDamagedError
from index.records import Vectors
from tests.engine.ingest.cluster.conftest import PICTURES, QUICK

RUN = Run("a" * 32, "./shop", datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture
def job(tmp_path: Path, folder: Path) -> ShardJob:
    """The work of a run of two shards of five pictures each."""
    config = Config.at(tmp_path / "store", commit_seconds=0.0)
    config.store.make()
    files = [ListedFile(file) for file in find_images([str(folder)]).files]
    identity = FakeEmbedder(config).identity
    with Catalog.create(config.store.catalog, identity) as catalog:
        catalog.shards.begin(RUN, [files[:5], files[5:]], keep=False)
    return ShardJob(config, RUN, QUICK, make_embedder=FakeEmbedder)


@pytest.fixture
def catalog(job: ShardJob) -> Iterator[Catalog]:
    """The catalog of that work."""
    with Catalog.open(job.config.store.catalog) as opened:
        yield opened


def _states(catalog: Catalog) -> dict[str, int]:
    progress = catalog.shards.progress(RUN)
    assert progress is not None
    return dict(progress.shards)


class Meanwhile(FakeEmbedder):
    """Embeds, and lets something happen before it answers for the first time."""

    happens: Callable[[], object]

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Let it happen, once."""
        happens, type(self).happens = type(self).happens, lambda: None
        happens()
        return super().embed(inputs)


def _while_embedding(job: ShardJob, happens: Callable[[], object]) -> ShardJob:
    class Once(Meanwhile):
        pass

    Once.happens = staticmethod(happens)
    return replace(job, make_embedder=Once)


def test_it_works_until_nothing_is_left(job: ShardJob, catalog: Catalog) -> None:
    assert ShardWorker(job, "one", lambda: False).work() == 2
    assert _states(catalog) == {DONE: 2}
    assert catalog.image_count() == PICTURES


def test_each_shard_is_one_commit(job: ShardJob, catalog: Catalog) -> None:
    before = catalog.state().generation
    ShardWorker(job, "one", lambda: False).work()
    assert catalog.state().generation == before + 2


def test_a_shard_that_takes_long_is_one_commit_all_the_same(
    job: ShardJob, catalog: Catalog, folder: Path
) -> None:
    class OneByOne(FakeEmbedder):
        @property
        def batch(self) -> int:
            return 1

    # A commit is due after every picture, and each is embedded before the next is taken.
    before = catalog.state().generation
    assert ShardWorker(replace(job, make_embedder=OneByOne), "one", lambda: False).work() == 2
    assert catalog.state().generation == before + 2
    assert catalog.image_count() == PICTURES


def test_one_that_is_stopped_gives_its_shard_back_undone(job: ShardJob, catalog: Catalog) -> None:
    asked = count()
    # It asks before the first shard, and after each picture.
    assert ShardWorker(job, "one", lambda: next(asked) > 2).work() == 0
    assert _states(catalog) == {TODO: 2}
    assert catalog.image_count() == 0


def test_one_that_was_taken_for_dead_commits_nothing(job: ShardJob, catalog: Catalog) -> None:
    def another_takes_it() -> None:
        catalog.shards.expire(RUN, "zombie")
        claim = catalog.shards.claim(RUN, "heir", job.lease, after=10**6)
        while claim is not None and claim.attempt == 1:
            claim = catalog.shards.claim(RUN, "heir", job.lease)
        assert claim is not None

    ended: list[bool] = []
    zombie = _while_embedding(job, another_takes_it)
    done = ShardWorker(zombie, "zombie", lambda: len(ended) > 0 or _over(catalog, ended)).work()
    assert done == 0
    assert catalog.image_count() == 0
    assert _states(catalog) == {RUNNING: 2}


def _over(catalog: Catalog, ended: list[bool]) -> bool:
    """Say that a worker is to end where all shards are held by others."""
    progress = catalog.shards.progress(RUN)
    if progress is not None and progress.workers == ["heir", "heir"]:
        ended.append(True)
    return False


def test_pictures_that_cannot_be_used_do_not_fail_a_shard(
    job: ShardJob, catalog: Catalog, folder: Path
) -> None:
    (folder / "bed" / "1.bmp").write_bytes(b"BM no picture")
    ShardWorker(job, "one", lambda: False).work()
    assert _states(catalog) == {DONE: 2}
    assert catalog.image_count() == PICTURES - 1
    assert sum("1.bmp" in report for report in catalog.shards.reports(RUN)) == 1


def test_a_backbone_that_fails_fails_its_shard_with_the_reason(
    job: ShardJob, catalog: Catalog
) -> None:
    def fail() -> None:
        raise WeightsCorruptError("weights", "they compute nothing", "Fetch them again")

    ShardWorker(_while_embedding(job, fail), "one", lambda: False).work()
    assert _states(catalog) == {DONE: 1, FAILED: 1}
    progress = catalog.shards.progress(RUN)
    assert progress is not None
    assert "they compute nothing" in progress.failures[0].error
    assert catalog.image_count() == 5


def test_a_twin_whose_embedding_is_damaged_fails_the_shard_once(
    job: ShardJob, catalog: Catalog
) -> None:
    def damaged() -> None:
        raise EmbeddingDamagedError("a.jpg", "its stored embedding is damaged", "Use --verify")

    ShardWorker(_while_embedding(job, damaged), "one", lambda: False).work()
    assert _states(catalog) == {DONE: 1, FAILED: 1}


def test_a_database_that_was_away_costs_no_image(job: ShardJob, catalog: Catalog) -> None:
    def away() -> None:
        raise CatalogError("the catalog", "the database cannot be reached", "Check the server")

    ShardWorker(_while_embedding(job, away), "one", lambda: False).work()
    assert _states(catalog) == {DONE: 2}
    assert catalog.image_count() == PICTURES


def test_a_catalog_that_never_answers_ends_a_worker(job: ShardJob, tmp_path: Path) -> None:
    impatient = replace(
        job,
        config=Config.at(tmp_path / "nowhere"),
        options=replace(QUICK, outage_seconds=0.0),
    )
    with pytest.raises(Exception, match="no catalog"):
        ShardWorker(impatient, "one", lambda: False).work()


def test_labels_are_those_of_the_listing(job: ShardJob, catalog: Catalog, folder: Path) -> None:
    files = find_images([str(folder)]).files
    listed = [ListedFile(file, "sofa", labelled=True) for file in files]
    catalog.shards.begin(RUN, [listed], keep=False)
    ShardWorker(job, "one", lambda: False).work()
    assert catalog.values.of("label") == ["sofa"]


def test_it_announces_nothing(job: ShardJob, capfd: pytest.CaptureFixture[str]) -> None:
    class Announcing(FakeEmbedder):
        def __init__(self, config: Config, reporter: Reporter) -> None:
            super().__init__(config, reporter)
            reporter.announce("using the embedded backbone")

    ShardWorker(replace(job, make_embedder=Announcing), "one", lambda: False).work()
    assert capfd.readouterr() == ("", "")

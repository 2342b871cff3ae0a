"""What `Engine.status` tells of a run on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import Config
from engine.session.status import shard_status
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.shards import ListedFile, Run
from index.records import FileState

BEGAN = datetime(2026, 11, 27, 10, tzinfo=UTC)
RUN = Run("a" * 32, "/shop", BEGAN)
LEASE = timedelta(minutes=1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalog in which no run has begun."""
    identity = FakeEmbedder(Config.at(tmp_path)).identity
    with Catalog.create(tmp_path / "catalog.sqlite", identity) as made:
        yield made


@pytest.fixture
def begun(catalog: Catalog) -> Catalog:
    """One with a run of four shards of five pictures: one is done, one failed, two are to do."""
    files = [ListedFile(FileState(f"/shop/{n:02}.jpg", n, n)) for n in range(20)]
    catalog.shards.begin(RUN, [files[at : at + 5] for at in range(0, 20, 5)], keep=False)
    done, failed = (catalog.shards.claim(RUN, "one", LEASE) for _ in range(2))
    assert done is not None and failed is not None
    with catalog.database.together():
        catalog.shards.finish(done, "{}")
    catalog.shards.fail(failed, "no such bucket")
    return catalog


def test_nothing_is_told_where_there_was_no_run(catalog: Catalog) -> None:
    assert shard_status(catalog) is None


def test_it_counts_shards_and_images(begun: Catalog) -> None:
    status = shard_status(begun)
    assert status is not None
    assert (status.source, status.started_at) == ("/shop", BEGAN)
    assert (status.todo, status.running, status.done, status.failed) == (2, 0, 1, 1)
    assert (status.images, status.images_done, status.images_failed) == (20, 5, 5)
    [failure] = status.failures
    assert (failure.first, failure.last, failure.error) == (
        "/shop/05.jpg",
        "/shop/09.jpg",
        "no such bucket",
    )


def test_the_time_left_follows_from_the_rate_so_far(begun: Catalog) -> None:
    claim = begun.shards.claim(RUN, "two", LEASE)
    assert claim is not None
    begun.shards.renew(claim, LEASE, 1)
    status = shard_status(begun, BEGAN + timedelta(seconds=3))
    assert status is not None
    assert status.images_per_second == 2.0
    assert status.seconds_left == 4.5
    assert status.workers == ["two"]


def test_a_run_that_is_over_has_no_rate(begun: Catalog) -> None:
    while claim := begun.shards.claim(RUN, "two", LEASE):
        with begun.database.together():
            begun.shards.finish(claim, "{}")
    status = shard_status(begun)
    assert status is not None
    assert (status.images_per_second, status.seconds_left) == (0.0, None)

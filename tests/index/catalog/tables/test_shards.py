"""The ledger: a shard is claimed by one at a time, and finished once, by who claimed it last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import text

from index.catalog.catalog import Catalog
from index.catalog.shards import DONE, FAILED, RUNNING, TODO, Claim, ListedFile, Progress, Run
from index.catalog.tables.images import Batch
from index.errors import LeaseLostError
from index.records import FileState

MakeBatch = Callable[..., Batch]
RUN = Run("a" * 32, "./catalog", datetime(2026, 11, 27, tzinfo=UTC))
OTHER = Run("b" * 32, "./catalog", datetime(2026, 11, 28, tzinfo=UTC))
LEASE, OVER = timedelta(minutes=5), timedelta(minutes=-5)


def _files(*numbers: int) -> list[ListedFile]:
    return [ListedFile(FileState(f"/{n}.jpg", n, 10 * n, 7, None), f"label {n}") for n in numbers]


def _begun(catalog: Catalog, shards: int, run: Run = RUN, *, keep: bool = False) -> None:
    listings = (_files(2 * n, 2 * n + 1) for n in range(shards))
    catalog.shards.begin(run, listings, keep=keep)


def _claimed(catalog: Catalog, lease: timedelta = LEASE, worker: str = "one") -> Claim:
    claim = catalog.shards.claim(RUN, worker, lease)
    assert claim is not None
    return claim


def _progress(catalog: Catalog, run: Run = RUN) -> Progress:
    progress = catalog.shards.progress(run)
    assert progress is not None
    return progress


def _finish(catalog: Catalog, claim: Claim, report: str = "{}") -> None:
    with catalog.database.together():
        catalog.shards.finish(claim, report)


def test_a_claim_names_the_files_as_they_were_listed(catalog: Catalog) -> None:
    listed = [ListedFile(FileState("/a\udcff.jpg", 1, 2, None, 2**62), None, True, True)]
    catalog.shards.begin(RUN, [listed], keep=False)
    assert _claimed(catalog).files == listed


def test_shards_are_claimed_once_each_and_in_order(catalog: Catalog) -> None:
    _begun(catalog, 3)
    assert [_claimed(catalog).files for _ in range(3)] == [
        _files(0, 1),
        _files(2, 3),
        _files(4, 5),
    ]
    assert catalog.shards.claim(RUN, "two", LEASE) is None


def test_what_lies_before_the_last_claim_is_claimed_last(catalog: Catalog) -> None:
    _begun(catalog, 3)
    first = _claimed(catalog)
    second = _claimed(catalog)
    catalog.shards.release(first)
    order = [catalog.shards.claim(RUN, "one", LEASE, after=second.shard) for _ in range(2)]
    assert [claim.files for claim in order if claim] == [_files(4, 5), _files(0, 1)]


def test_workers_at_once_claim_different_shards(catalog: Catalog) -> None:
    _begun(catalog, 12)
    taken: list[int] = []
    together = Barrier(4)

    def work() -> None:
        together.wait()
        while (claim := catalog.shards.claim(RUN, "one", LEASE)) is not None:
            taken.append(claim.shard)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 12


def test_a_lease_that_ran_out_is_taken_by_another_worker(catalog: Catalog) -> None:
    _begun(catalog, 1)
    lost = _claimed(catalog, OVER)
    again = _claimed(catalog, worker="two")
    assert (again.shard, again.attempt, again.files) == (lost.shard, 2, lost.files)
    assert _progress(catalog).workers == ["two"]


def test_a_lease_that_is_renewed_is_not_taken(catalog: Catalog) -> None:
    _begun(catalog, 1)
    claim = _claimed(catalog, OVER)
    assert catalog.shards.renew(claim, LEASE, 1)
    assert catalog.shards.claim(RUN, "two", LEASE) is None
    assert _progress(catalog).done == 1


def test_an_archive_has_at_least_as_many_images_as_are_done(catalog: Catalog) -> None:
    catalog.shards.begin(
        RUN, [[ListedFile(FileState("/a.tar", 1, 2, 3, 4), archive=True)]], keep=False
    )
    assert catalog.shards.renew(_claimed(catalog), LEASE, 30)
    progress = _progress(catalog)
    assert (progress.done, progress.images) == (30, 30)


def test_who_lost_a_shard_can_neither_renew_nor_finish_nor_fail_it(catalog: Catalog) -> None:
    _begun(catalog, 1)
    lost = _claimed(catalog, OVER)
    again = _claimed(catalog)
    assert not catalog.shards.renew(lost, LEASE, 1)
    assert not catalog.shards.release(lost)
    with pytest.raises(LeaseLostError, match="lease ran out"):
        _finish(catalog, lost)
    with pytest.raises(LeaseLostError):
        catalog.shards.fail(lost, "nothing works")
    _finish(catalog, again)
    assert _progress(catalog).shards == {DONE: 1}


def test_images_of_a_lost_shard_are_not_stored(catalog: Catalog, make_batch: MakeBatch) -> None:
    _begun(catalog, 1)
    lost = _claimed(catalog, OVER)
    again = _claimed(catalog)
    with catalog.database.together():
        catalog.shards.finish(again, "{}")
        catalog.images.store(make_batch(["/by attempt 2"]))
    with pytest.raises(LeaseLostError), catalog.database.together():
        catalog.images.store(make_batch(["/by attempt 1"]))
        catalog.shards.finish(lost, "{}")
    assert list(catalog.images.known(["/"])) == ["/by attempt 2"]


def test_a_shard_whose_images_cannot_be_stored_is_not_done(catalog: Catalog) -> None:
    _begun(catalog, 1)
    claim = _claimed(catalog)
    with pytest.raises(ZeroDivisionError), catalog.database.together():
        catalog.shards.finish(claim, "{}")
        raise ZeroDivisionError
    assert _progress(catalog).shards == {RUNNING: 1}
    _finish(catalog, claim)


def test_a_shard_is_finished_once(catalog: Catalog) -> None:
    _begun(catalog, 1)
    claim = _claimed(catalog)
    _finish(catalog, claim, '{"added": 2}')
    with pytest.raises(LeaseLostError):
        _finish(catalog, claim)
    assert list(catalog.shards.reports(RUN)) == ['{"added": 2}']


def test_what_a_shard_listed_is_not_kept_once_it_is_done(catalog: Catalog) -> None:
    _begun(catalog, 2)
    _finish(catalog, _claimed(catalog))
    with catalog.database.reading() as connection:
        query = text("SELECT length(listing) FROM shards ORDER BY id")
        done, todo = connection.execute(query).scalars()
    assert done == 0 < todo


def test_a_reason_may_name_what_is_no_text(catalog: Catalog) -> None:
    _begun(catalog, 1)
    catalog.shards.fail(_claimed(catalog), "/a\udcff\0.jpg is damaged")
    [failure] = _progress(catalog).failures
    assert failure.error == r"/a\udcff\0.jpg is damaged"


def test_files_of_a_damaged_listing_are_files_like_others(catalog: Catalog) -> None:
    _begun(catalog, 2)
    for _ in range(2):
        catalog.shards.fail(_claimed(catalog), "no such bucket")
    with catalog.database.writing() as connection:
        connection.execute(text("UPDATE shards SET listing_hash = 'x' WHERE first LIKE '%/0.jpg'"))
    assert catalog.shards.failed_files() == _files(2, 3)


def test_a_shard_that_is_taken_too_often_has_failed(catalog: Catalog) -> None:
    _begun(catalog, 1)
    for _ in range(3):
        _claimed(catalog, OVER)
    assert catalog.shards.claim(RUN, "four", LEASE) is None
    [failure] = _progress(catalog).failures
    assert (failure.first, failure.last, failure.n) == ("/0.jpg", "/1.jpg", 2)
    assert failure.error == "3 workers were lost while they were at it"


def test_a_damaged_listing_fails_its_shard_alone(catalog: Catalog) -> None:
    _begun(catalog, 2)
    with catalog.database.writing() as connection:
        connection.execute(text("UPDATE shards SET listing_hash = 'x' WHERE first LIKE '%/0.jpg'"))
    assert _claimed(catalog).files == _files(2, 3)
    [failure] = _progress(catalog).failures
    assert "listing of a shard is damaged" in failure.error


def test_progress_counts_shards_and_images(catalog: Catalog) -> None:
    _begun(catalog, 4)
    _finish(catalog, _claimed(catalog))
    catalog.shards.fail(_claimed(catalog), "no such bucket")
    catalog.shards.renew(_claimed(catalog), LEASE, 1)
    progress = _progress(catalog)
    assert progress.run == RUN
    assert progress.shards == {DONE: 1, FAILED: 1, RUNNING: 1, TODO: 1}
    assert (progress.images, progress.done, progress.failed_images, progress.open) == (8, 3, 2, 2)
    assert [failure.error for failure in progress.failures] == ["no such bucket"]


def test_another_run_takes_the_place_of_one_that_was_given_up(catalog: Catalog) -> None:
    _begun(catalog, 2)
    old = _claimed(catalog)
    _begun(catalog, 1, OTHER)
    assert catalog.shards.run() == OTHER
    assert catalog.shards.progress(RUN) is None
    assert catalog.shards.claim(RUN, "one", LEASE) is None
    with pytest.raises(LeaseLostError):
        _finish(catalog, old)
    assert _progress(catalog, OTHER).shards == {TODO: 1}


@pytest.mark.parametrize("keep", [True, False])
def test_failed_shards_stay_where_that_is_asked_for(catalog: Catalog, keep: bool) -> None:
    _begun(catalog, 2)
    catalog.shards.fail(_claimed(catalog), "no such bucket")
    _finish(catalog, _claimed(catalog))
    _begun(catalog, 0, OTHER, keep=keep)
    assert catalog.shards.failed_files() == (_files(0, 1) if keep else [])
    assert _progress(catalog, OTHER).shards == ({FAILED: 1} if keep else {})


def test_a_catalog_without_runs_has_none(catalog: Catalog) -> None:
    assert catalog.shards.run() is None
    assert catalog.shards.progress(RUN) is None


def test_a_transaction_holds_all_that_a_thread_does_in_it(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    with pytest.raises(ZeroDivisionError), catalog.database.together():
        catalog.images.store(make_batch(["/a"]))
        catalog.images.hide([1])
        assert list(catalog.images.known(["/"])) == ["/a"]
        raise ZeroDivisionError
    assert not catalog.images.known(["/"])
    with catalog.database.together():
        [kept] = catalog.images.store(make_batch(["/b"]))
        catalog.images.relabel([(kept, "bed")])
    assert catalog.images.rows([kept])[kept].label == "bed"

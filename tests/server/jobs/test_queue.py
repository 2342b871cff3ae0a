"""Jobs one after the other: begun, told, cancelled, refused, and remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from engine import Engine, SearchReport
from engine.errors import UnknownHeadError
from index.files.lock import writer_lock
from server.jobs.file import MOST
from server.jobs.job import (
    CANCELLED,
    DONE,
    FAILED,
    INTERRUPTED,
    LONGEST_TITLE,
    RUNNING,
    WAITING,
    Job,
    JobProgress,
)
from server.jobs.queue import JobQueue
from server.jobs.work import Work
from server.options import ServerLimits
from server.responses.problems import RefusedError

PATIENCE = 60.0
LIMITS = ServerLimits(jobs_waiting=2)
NewQueue = Callable[[], JobQueue]


@pytest.fixture
def new_queue(indexed: Engine) -> Iterator[NewQueue]:
    """A function that returns a queue on the store, as after a restart."""
    # Each attempt at a store that another one writes.
    indexed._session.patience_seconds = 0.05
    with ExitStack() as opened:

        def new(limits: ServerLimits = LIMITS) -> JobQueue:
            queue = JobQueue(indexed, limits)
            opened.callback(queue.close, PATIENCE)
            return queue

        yield new


@pytest.fixture
def queue(new_queue: NewQueue) -> JobQueue:
    return new_queue()


def work(do: Callable[[Engine], object], *, writes: bool = False) -> Work:
    return Work("suspects", "Look", do, writes=writes)


def over(queue: JobQueue, job: Job) -> Job:
    """Wait until a job is over."""
    changed = Event()
    leave = queue.listen(changed.set)
    # What has not been heard of counts as over.
    assert queue[job.id].id == job.id
    while not queue.is_over(job.id):
        assert changed.wait(PATIENCE)
        changed.clear()
    leave()
    return queue[job.id]


class Held:
    """Work that goes on, saying so, until it is let go or cancelled."""

    def __init__(self) -> None:
        self.begun, self.go = Event(), Event()

    def __call__(self, engine: Engine) -> str:
        reporter = engine._session.reporter
        number = 0
        while not self.go.wait(0.01):
            number += 1
            reporter.progress("holding", number, None, "looks")
            self.begun.set()
        return "let go"


def test_a_job_is_done_and_its_result_is_known(queue: JobQueue) -> None:
    job = queue.submit(work(lambda engine: engine.duplicates(level="exact")))
    assert job.state in (WAITING, RUNNING, DONE)
    done = over(queue, job)
    assert (done.state, done.result, done.problem) == (DONE, "[]", None)
    assert done.created_at <= done.started_at <= done.ended_at  # type: ignore[operator]


def test_what_the_engine_says_is_told(
    queue: JobQueue, indexed: Engine, images: Path, bed: bytes
) -> None:
    # The store was copied, so its files are looked at once more; those just drawn would be again.
    for picture in images.rglob("*.jpg"):
        os.utime(picture, (0, 0))
    indexed.index([images])
    (images / "new.jpg").write_bytes(bed + b"more")
    done = over(queue, queue.submit(work(lambda engine: engine.index([images]).images)))
    assert done.result == "13"
    assert done.progress == JobProgress("indexing", 1, 1, "images")


def test_one_runs_and_the_others_wait_in_turn(queue: JobQueue) -> None:
    held, order = Held(), []
    first = queue.submit(work(held))
    assert held.begun.wait(PATIENCE)
    others = [queue.submit(work(lambda _, n=n: order.append(n))) for n in (1, 2)]  # type: ignore[misc]
    assert [queue[job.id].state for job in (first, *others)] == [RUNNING, WAITING, WAITING]
    with pytest.raises(RefusedError) as refused:
        queue.submit(work(held))
    assert refused.value.status == 503
    held.go.set()
    assert [over(queue, job).state for job in (first, *others)] == [DONE] * 3
    assert order == [1, 2]
    assert [job.id for job in queue.all()] == [job.id for job in (*others[::-1], first)]


def test_a_job_that_fails_says_why(queue: JobQueue) -> None:
    failed = over(queue, queue.submit(work(lambda engine: engine.report("none"))))
    assert failed.state == FAILED
    assert failed.problem is not None
    assert (failed.problem["type"], failed.problem["status"]) == (UnknownHeadError.__name__, 404)


def test_a_job_that_should_not_fail_tells_no_secrets(queue: JobQueue) -> None:
    def fails(_: Engine) -> None:
        raise ZeroDivisionError("a secret")

    failed = over(queue, queue.submit(work(fails)))
    assert failed.problem is not None
    assert failed.problem["type"] == "InternalError"
    assert "secret" not in str(failed.problem)
    assert over(queue, queue.submit(work(lambda _: 1))).state == DONE


def test_a_job_that_runs_is_cancelled_at_its_next_word(queue: JobQueue) -> None:
    held = Held()
    job = queue.submit(work(held))
    assert held.begun.wait(PATIENCE)
    ending = queue.end(job.id)
    assert ending is not None
    assert ending.id == job.id
    assert over(queue, job).state == CANCELLED
    assert over(queue, queue.submit(work(lambda _: 1))).state == DONE


def test_to_cancel_a_job_ends_no_search(
    queue: JobQueue, indexed: Engine, bed: bytes, images: Path
) -> None:
    held, found = Held(), []

    def searches(engine: Engine) -> object:
        held(engine)
        return engine.index([images])

    job = queue.submit(work(searches))
    assert held.begun.wait(PATIENCE)
    queue.end(job.id)
    found.append(indexed.search([bed] * 20, k=1))
    assert over(queue, job).state == CANCELLED
    assert isinstance(found[0], SearchReport)


def test_a_job_that_waits_is_cancelled_at_once(queue: JobQueue) -> None:
    held = Held()
    first = queue.submit(work(held))
    assert held.begun.wait(PATIENCE)
    second = queue.submit(work(lambda _: 1))
    cancelled = queue.end(second.id)
    assert cancelled is not None
    assert cancelled.state == CANCELLED
    held.go.set()
    assert over(queue, first).state == DONE


def test_jobs_that_are_cancelled_while_they_wait_do_not_pile_up(
    queue: JobQueue, new_queue: NewQueue
) -> None:
    held = Held()
    first = queue.submit(work(held))
    assert held.begun.wait(PATIENCE)
    for _ in range(MOST + 5):
        last = queue.submit(work(lambda _: 1))
        assert queue.end(last.id) == queue[last.id]
    found = queue.all()
    assert (len(found), found[0].id, found[-1].id) == (MOST, last.id, first.id)
    assert len(new_queue().all()) == MOST
    held.go.set()


def test_a_title_is_cut(queue: JobQueue) -> None:
    job = queue.submit(Work("index", "é" * 4096, lambda _: 1, writes=False))
    assert queue[job.id].title == "é" * LONGEST_TITLE


def test_whatever_ends_a_job_ends_it_alone(queue: JobQueue) -> None:
    class Panic(BaseException):
        """As compiled code raises it."""

    def fails(_: Engine) -> None:
        raise Panic

    failed = over(queue, queue.submit(work(fails, writes=True)))
    assert failed.problem is not None
    assert (failed.state, failed.problem["thing"]) == (FAILED, "Panic")
    assert queue.writing() is None
    assert over(queue, queue.submit(work(lambda _: 1))).state == DONE


def test_a_job_that_is_over_is_forgotten(queue: JobQueue, new_queue: NewQueue) -> None:
    job = over(queue, queue.submit(work(lambda _: 1)))
    assert queue.end(job.id) is None
    with pytest.raises(RefusedError):
        queue.end(job.id)
    assert new_queue().all() == []


def test_which_job_writes_is_known(queue: JobQueue) -> None:
    for writes in (False, True):
        held = Held()
        job = queue.submit(work(held, writes=writes))
        assert held.begun.wait(PATIENCE)
        writing = queue.writing()
        assert (writing is not None and writing.id == job.id) == writes
        held.go.set()
        over(queue, job)
    assert queue.writing() is None


def test_what_was_done_is_known_after_a_restart(queue: JobQueue, new_queue: NewQueue) -> None:
    done = over(queue, queue.submit(work(lambda _: {"found": 3})))
    held = Held()
    running = queue.submit(work(held))
    assert held.begun.wait(PATIENCE)
    waiting = queue.submit(work(lambda _: 1))
    # As if the process had been killed here: the lock that it holds would be gone.
    queue._shared.leave()
    after = new_queue()
    assert after[done.id] == done
    assert [after[job.id].state for job in (running, waiting)] == [INTERRUPTED] * 2
    held.go.set()


def test_the_end_of_the_service_interrupts_jobs(queue: JobQueue, new_queue: NewQueue) -> None:
    held = Held()
    jobs = [queue.submit(work(held)), queue.submit(work(lambda _: 1))]
    assert held.begun.wait(PATIENCE)
    assert queue.close(PATIENCE)
    assert [queue[job.id].state for job in jobs] == [INTERRUPTED] * 2
    assert [new_queue()[job.id].state for job in jobs] == [INTERRUPTED] * 2
    with pytest.raises(RefusedError):
        queue.submit(work(held))


@pytest.mark.slow
def test_a_job_waits_for_a_writer_elsewhere(queue: JobQueue, indexed: Engine, images: Path) -> None:
    def index(engine: Engine) -> int:
        return engine.index([images]).images

    with writer_lock(indexed.config.store.folder):
        job = queue.submit(work(index, writes=True))
        said = Event()
        leave = queue.listen(lambda: queue[job.id].announcements and said.set())
        assert said.wait(PATIENCE)
        leave()
        assert "it waits: another thread" in queue[job.id].announcements[0]
    assert over(queue, job).state == DONE


@pytest.mark.slow
def test_it_does_not_wait_for_ever(
    new_queue: Callable[[ServerLimits], JobQueue], indexed: Engine, images: Path
) -> None:
    queue = new_queue(replace(LIMITS, lock_seconds=0.0))
    with writer_lock(indexed.config.store.folder):
        job = queue.submit(work(lambda engine: engine.index([images]), writes=True))
        failed = over(queue, job)
    assert failed.problem is not None
    assert (failed.state, failed.problem["type"]) == (FAILED, "StoreLockedError")


def test_while_it_waits_it_can_be_cancelled(queue: JobQueue, indexed: Engine, images: Path) -> None:
    with writer_lock(indexed.config.store.folder):
        job = queue.submit(work(lambda engine: engine.index([images]), writes=True))
        said = Event()
        leave = queue.listen(lambda: queue[job.id].announcements and said.set())
        assert said.wait(PATIENCE)
        leave()
        queue.end(job.id)
        assert over(queue, job).state == CANCELLED


def test_where_jobs_cannot_be_kept_they_are_done_all_the_same(
    queue: JobQueue, indexed: Engine
) -> None:
    # A folder of that name cannot be replaced by a file.
    (indexed.config.store.folder / "jobs.json").mkdir()
    done = over(queue, queue.submit(work(lambda _: 1)))
    assert done.state == DONE
    assert "forgotten" in done.announcements[0]

"""Jobs of several processes that serve one store: one list, one turn, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from engine import Engine
from index.files.atomic_file import write_atomically
from server.jobs.job import (
    CANCELLED,
    DONE,
    INTERRUPTED,
    RUNNING,
    WAITING,
    Claim,
    Job,
    JobProgress,
    now,
)
from server.jobs.ledger import ALIVE, RUNNING_NOW, TURN, Ledger
from server.jobs.queue import ENDING, JobQueue
from server.jobs.work import Work
from server.options import ServerLimits
from server.responses.problems import RefusedError
from tests.server.jobs.test_queue import Held, over, work
from tests.support import REPOSITORY

PATIENCE = 60.0
LIMITS = ServerLimits(jobs_waiting=2, jobs_seconds=0.02)
Two = tuple[JobQueue, JobQueue]


@pytest.fixture
def two(indexed: Engine) -> Iterator[Two]:
    """The queues of two services of one store."""
    with ExitStack() as opened:
        queues = JobQueue(indexed, LIMITS), JobQueue(indexed, LIMITS)
        for queue in queues:
            opened.callback(queue.close, PATIENCE)
        yield queues


def heard(queue: JobQueue, is_so: Callable[[], object]) -> None:
    """Wait until a queue has heard of something."""
    changed = Event()
    leave = queue.listen(changed.set)
    while not is_so():
        assert changed.wait(PATIENCE)
        changed.clear()
    leave()


def held(queue: JobQueue, *, writes: bool = False) -> tuple[Held, Job]:
    """Let a queue do a job that goes on until it is let go."""
    held = Held()
    job = queue.submit(work(held, writes=writes))
    assert held.begun.wait(PATIENCE)
    return held, job


def test_each_process_lists_the_jobs_of_all(two: Two) -> None:
    first, second = two
    jobs = [queue.submit(work(lambda _: 7)) for queue in (first, second)]
    for queue in two:
        ended = [over(queue, job) for job in jobs]
        assert queue.all() == ended[::-1]
        assert [queue[job.id].result for job in jobs] == ["7"] * 2


def test_a_process_that_starts_interrupts_no_job_of_another(two: Two, indexed: Engine) -> None:
    go, job = held(two[0])
    third = JobQueue(indexed, LIMITS)
    assert third[job.id].state == RUNNING
    assert third.close(PATIENCE)
    go.go.set()
    assert over(two[0], job).state == DONE


def test_one_job_runs_at_a_time_whichever_process_does_it(two: Two) -> None:
    (first, second), order = two, list[int]()
    go, running = held(first)
    third = second.submit(work(lambda _: order.append(1)))
    fourth = first.submit(work(lambda _: order.append(2)))
    assert [queue[third.id].state for queue in two] == [WAITING, WAITING]
    # Too many wait, of both together.
    for queue in two:
        with pytest.raises(RefusedError):
            queue.submit(work(lambda _: 1))
    go.go.set()
    assert [over(first, job).state for job in (running, third, fourth)] == [DONE] * 3
    assert order == [1, 2]


def test_a_job_of_another_process_is_cancelled(two: Two) -> None:
    first, second = two
    _, running = held(first)
    waiting = first.submit(work(lambda _: 1))
    cancelled, ending = second.end(waiting.id), second.end(running.id)
    assert cancelled is not None
    assert ending is not None
    assert (cancelled.state, ending.state) == (CANCELLED, RUNNING)
    assert ending.announcements == (ENDING,)
    for queue in two:
        assert [over(queue, job).state for job in (running, waiting)] == [CANCELLED] * 2
    assert over(second, second.submit(work(lambda _: 1))).state == DONE


def test_a_job_of_another_process_is_forgotten(two: Two) -> None:
    first, second = two
    job = first.submit(work(lambda _: 1))
    assert over(second, job).state == DONE
    assert second.end(job.id) is None
    assert first.all() == second.all() == []


def test_how_far_a_job_of_another_process_is_is_told(two: Two) -> None:
    first, second = two
    go, job = held(first)
    heard(second, lambda: second[job.id].progress)
    progress = second[job.id].progress
    assert progress is not None
    assert progress.task == "holding"
    heard(second, lambda: second[job.id].progress != progress)
    go.go.set()
    assert over(second, job).result == '"let go"'


def test_which_job_of_another_process_writes_is_known(two: Two) -> None:
    for writes in (False, True):
        go, job = held(two[0], writes=writes)
        writing = two[1].writing()
        assert (writing is not None and writing.id == job.id) == writes
        go.go.set()
        for queue in two:
            over(queue, job)
    assert two[1].writing() is None


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from server.jobs.job import RUNNING, WAITING, Claim, Job, now
from server.jobs.ledger import Ledger

ledger = Ledger(Path(sys.argv[1]))
claim = Claim(ledger.process, writes=True)
with ledger.turn():
    ledger.join()
    ledger.save([
        Job(f"j{number:012x}", "index", "Index", state, now(), claim=claim)
        for number, state in enumerate((RUNNING, WAITING))
    ])
print("told", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_jobs_of_a_process_that_is_killed_are_interrupted(two: Two, indexed: Engine) -> None:
    folder = indexed.config.store.folder
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"told\n"
        assert [job.state for job in two[0].all()] == [WAITING, RUNNING]
        waiting = two[1].submit(work(lambda _: 1))
        assert two[1][waiting.id].state == WAITING
        process.send_signal(signal.SIGKILL)
    # Each hears of it in its own time.
    for queue in two[::-1]:
        assert over(queue, waiting).state == DONE
        assert [job.state for job in queue.all()] == [DONE, INTERRUPTED, INTERRUPTED]
    assert not list(folder.glob(ALIVE.format(f"{process.pid}-*")))


def test_a_process_that_ends_leaves_nothing_but_the_list(indexed: Engine) -> None:
    queue, folder = JobQueue(indexed, LIMITS), indexed.config.store.folder
    before = {*os.listdir(folder)}
    go, _ = held(queue)
    assert list(folder.glob(ALIVE.format("*")))
    go.go.set()
    assert queue.close(PATIENCE)
    assert {*os.listdir(folder)} - before <= {"jobs.json", TURN, RUNNING_NOW}


def test_who_never_had_a_job_writes_nothing(indexed: Engine) -> None:
    folder = indexed.config.store.folder
    before = {*os.listdir(folder)}
    queue = JobQueue(indexed, LIMITS)
    assert queue.all() == []
    queue.listen(lambda: None)()
    assert queue.close(PATIENCE)
    assert {*os.listdir(folder)} == before


def test_a_list_that_is_damaged_meanwhile_is_made_anew(two: Two, indexed: Engine) -> None:
    first, second = two
    go, job = held(first)
    (indexed.config.store.folder / "jobs.json").write_bytes(b"{")
    # One of both notices; the one that does the job lists it again.
    heard(second, lambda: [each.id for each in second.all()] == [job.id])
    go.go.set()
    for queue in two:
        assert over(queue, job).state == DONE


@pytest.mark.parametrize("name", ["", "../x", "1-0123abcd", "1" * 20])
def test_names_of_processes_that_a_file_makes_up_are_dead(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert not Ledger(tmp_path).lives(name)


def test_the_locks_of_a_store_are_no_links(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (tmp_path / TURN).symlink_to(elsewhere)
    (tmp_path / ALIVE.format("7-0123abcd")).symlink_to(elsewhere)
    ledger = Ledger(tmp_path)
    with ledger.turn() as is_mine:
        assert not is_mine
    assert not ledger.lives("7-0123abcd")
    assert elsewhere.read_bytes() == b"mine"


def test_without_the_turn_nothing_is_written_over(indexed: Engine) -> None:
    folder = indexed.config.store.folder
    (folder / TURN).symlink_to(folder / "elsewhere")
    queue = JobQueue(indexed, LIMITS)
    done = over(queue, queue.submit(work(lambda _: 1)))
    assert done.state == DONE
    assert "forgotten" in done.announcements[0]
    assert not (folder / "jobs.json").exists()
    assert not (folder / "elsewhere").exists()
    assert queue.close(PATIENCE)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[" * 100_000, b"\xff"])
def test_what_is_said_of_a_running_job_may_be_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUNNING_NOW).write_bytes(content)
    assert Ledger(tmp_path).told() is None


def test_progress_is_said_to_others_alone(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    claim = Claim(first.process)
    job = Job("j000000000001", "map", "Map", RUNNING, now(), claim=claim)
    job = replace(job, progress=JobProgress("mapping", 1, None, "images"))
    first.tell(job)
    assert (first.told(), second.told(), second.told()) == (None, job, None)
    assert json.loads((tmp_path / RUNNING_NOW).read_bytes())["claim"]["process"] == first.process
    write_atomically(tmp_path / RUNNING_NOW, replace(job, title="Other").as_record().encode())
    assert first.told() is not None


def test_a_work_that_another_process_cancelled_is_not_begun(two: Two) -> None:
    first, second = two
    go, _ = held(first)
    begun = list[int]()
    waiting = first.submit(Work("map", "Map", lambda _: begun.append(1), writes=False))
    second.end(waiting.id)
    last = first.submit(work(lambda _: 1))
    go.go.set()
    assert over(first, last).state == DONE
    assert begun == []

"""The jobs of a store as a file: read again, bounded, and set aside where it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from server.jobs.file import NAME, TOO_LARGE, JobFile, bounded
from server.jobs.job import DONE, RUNNING, WAITING, Claim, Job, now


def made(number: int, state: str = DONE, result: str | None = None) -> Job:
    return Job(f"j{number:012x}", "suspects", "Look", state, now(), result=result)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = JobFile(tmp_path)
    assert (file.load(), file.state()) == ([], ())
    claimed = replace(made(2, RUNNING), claim=Claim("7-0123abcd", writes=True, is_ending=True))
    jobs = [made(1, DONE, "[1]"), claimed, made(3, WAITING)]
    file.save(jobs)
    assert file.load() == jobs
    before = file.state()
    file.save(jobs[:1])
    assert file.state() != before


def test_a_job_of_an_earlier_release_is_nobody_s(tmp_path: Path) -> None:
    text = made(1, RUNNING).as_json(whole=True)
    (tmp_path / NAME).write_text(f'{{"version":1,"jobs":[{text}]}}')
    found = JobFile(tmp_path).load()
    assert found is not None
    assert found[0].claim == Claim()


GOOD = {"version": 1, "jobs": [json.loads(made(1).as_json(whole=True))]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        json.dumps(GOOD | {"version": 2}).encode(),
        json.dumps(GOOD | {"jobs": {}}).encode(),
        json.dumps(GOOD | {"jobs": [{"id": "x"}]}).encode(),
        json.dumps(GOOD | {"jobs": GOOD["jobs"] * 2}).encode(),  # type: ignore[operator]
        json.dumps(GOOD).encode() + b" " * 30_000_000 + b"x",
    ],
    ids=range(10),
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    file = JobFile(tmp_path)
    assert file.load(set_aside=False) is None
    assert file.load() == []
    assert (tmp_path / f"{NAME}.damaged").read_bytes() == content
    file.save([made(1)])
    assert len(file.load() or []) == 1


def test_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    JobFile(tmp_path).save([made(1)])
    (tmp_path / NAME).rename(elsewhere)
    (tmp_path / NAME).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    file = JobFile(tmp_path)
    assert file.load() is None
    file.save([])
    assert elsewhere.read_bytes() == before


def test_a_file_that_cannot_be_written_is_left_as_it_was(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    file = JobFile(open_folder)
    file.save([made(1)])
    (open_folder / NAME).chmod(0o644)
    open_folder.chmod(0o755)
    with as_nobody():
        assert len(file.load() or []) == 1
        if open_folder.stat().st_uid == 0:
            with pytest.raises(OSError):
                file.save([])
    assert len(file.load() or []) == 1


def test_the_last_jobs_stay_and_all_that_are_not_over() -> None:
    jobs = [made(1, RUNNING), *(made(number) for number in range(2, 8)), made(8, WAITING)]
    assert [int(job.id[1:], 16) for job in bounded(jobs, most=4)] == [1, 6, 7, 8]


def test_jobs_are_dropped_by_how_much_is_known_of_them() -> None:
    long = [made(number).announcing("ä" * 2000) for number in range(1, 6)]
    jobs = [made(0, RUNNING), *long, made(6, WAITING)]
    size = len(long[0].as_json(whole=False))
    found = bounded(jobs, known_bytes=3 * size)
    assert [int(job.id[1:], 16) for job in found] == [0, 4, 5, 6]


def test_results_are_dropped_from_the_oldest_on() -> None:
    jobs = [made(1, DONE, "1" * 60), made(2, DONE, "2" * 60), made(3, DONE, "3" * 30)]
    found = bounded(jobs, result_bytes=100)
    assert [job.result is not None for job in found] == [False, True, True]
    assert found[0].announcements == (TOO_LARGE,)
    assert bounded([made(1, DONE, "1" * 101)], result_bytes=100)[0].result is None

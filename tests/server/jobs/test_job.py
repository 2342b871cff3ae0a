"""A job as a value: what becomes of it, and what of it is read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.jobs.job import DONE, RUNNING, STATES, Job, JobProgress, job_of, now


def job(**changes: Any) -> Job:
    return Job(
        **{"id": "j0123456789ab", "kind": "index", "title": "Index", "created_at": now()}
        | {"state": RUNNING}
        | changes
    )


def test_what_is_written_is_read_again() -> None:
    whole = job(
        started_at=now(),
        ended_at=now(),
        progress=JobProgress("indexing", 3, None, "images"),
        announcements=("a\ud800", "b"),
        result='{"x":[1,2]}',
        problem={"type": "X"},
        state=DONE,
    )
    assert job_of(json.loads(whole.as_json(whole=True))) == whole


def test_a_list_shows_jobs_without_their_results() -> None:
    shown = json.loads(job(result="[1]").as_json(whole=False))
    assert "result" not in shown
    assert json.loads(job().as_json(whole=True))["result"] is None


def test_the_last_announcements_stay() -> None:
    told = job()
    for number in range(30):
        told = told.announcing(f"{number}" + "x" * 10_000)
    assert len(told.announcements) == 20
    assert told.announcements[0].startswith("10x")
    assert max(map(len, told.announcements)) == 2000


WHOLE = json.loads(job(progress=JobProgress("t", 1, 2, "u")).as_json(whole=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "../../etc/passwd"),
        ("id", None),
        ("state", "finished"),
        ("kind", 7),
        ("kind", "ind\udc80ex"),
        ("problem", {"x": float("nan")}),
        ("problem", {"x": [float("inf")]}),
        ("created_at", "yesterday"),
        ("created_at", None),
        ("started_at", "2026-01-01T00:00:00"),
        ("progress", [1]),
        ("progress", {"task": "t", "done": "1", "total": 1, "unit": "u"}),
        ("progress", {"task": "t", "done": 1, "total": 1.5, "unit": "u"}),
        ("announcements", "said"),
        ("announcements", [None]),
        ("problem", "bad"),
        ("result", float("nan")),
    ],
)
def test_what_is_no_job_is_refused(name: str, value: object) -> None:
    assert job_of(WHOLE).state in STATES
    with pytest.raises(ValueError):
        job_of(WHOLE | {name: value})


@pytest.mark.parametrize("value", [None, [], "job", {}])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        job_of(value)

"""A job: what is being done, how far it is, and what has become of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, CANCELLED, INTERRUPTED = ENDED = ("done", "failed", "cancelled", "interrupted")
STATES = (WAITING, RUNNING, *ENDED)
# Of what a job has announced the last ones are remembered, and of each so many characters.
ANNOUNCEMENTS, LONGEST = 20, 2000
LONGEST_TITLE = 300
ID = re.compile(r"j[0-9a-f]{12}")
KIND = re.compile(r"[a-z]{1,40}")


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job's task has come; `total` is None where nobody knows."""

    task: str
    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Which process does a job, of all that serve a store on this machine; clients see none of it.

    Attributes
    ----------
    process
        Its name in the ledger; empty for a job of an earlier release.
    writes
        Whether the job holds the store's writer lock while it runs.
    is_ending
        Whether it was cancelled while it runs.
    """

    process: str = ""
    writes: bool = False
    is_ending: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    id
        `j` and twelve digits.
    kind
        `index`, `train`, `duplicates`, ...
    title
        What it does, for people.
    state
        One of `STATES`.
    created_at, started_at, ended_at
        In UTC; None for what has not come yet.
    progress
        How far it is, or was when it ended; None before it tells.
    announcements
        What it has said, the last texts.
    result
        What its verb has returned, as JSON; None until it is done.
    problem
        Why it failed: problem details.
    claim
        Which process does it.
    """

    id: str
    kind: str
    title: str
    state: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: JobProgress | None = None
    announcements: tuple[str, ...] = ()
    result: str | None = None
    problem: Mapping[str, Any] | None = None
    claim: Claim = Claim()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ENDED

    def announcing(self, text: str) -> Job:
        """Return the job after it has said something more."""
        said = (*self.announcements, text[:LONGEST])
        return replace(self, announcements=said[-ANNOUNCEMENTS:])

    def ended(
        self, state: str, *, result: str | None = None, problem: Mapping[str, Any] | None = None
    ) -> Job:
        """Return the job at its end."""
        return replace(self, state=state, ended_at=now(), result=result, problem=problem)

    def as_json(self, *, whole: bool) -> str:
        """Return it as an object of JSON, with its result where it is wanted whole."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        del shown["result"], shown["claim"]
        for name in ("created_at", "started_at", "ended_at"):
            shown[name] = shown[name] and shown[name].isoformat()
        if self.progress is not None:
            shown["progress"] = {
                each.name: getattr(self.progress, each.name) for each in fields(self.progress)
            }
        text = json.dumps(shown, separators=(",", ":"), allow_nan=False)
        return f'{text[:-1]},"result":{self.result or "null"}}}' if whole else text

    def as_record(self) -> str:
        """Return it as `job_of` reads it again."""
        claim = {each.name: getattr(self.claim, each.name) for each in fields(self.claim)}
        return f'{self.as_json(whole=True)[:-1]},"claim":{json.dumps(claim)}}}'


def now() -> datetime:
    """Return the time, to the millisecond."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def job_of(value: object) -> Job:
    """Return the job that a value of JSON says.

    Raises
    ------
    ValueError
        It says none.
    """
    if not isinstance(value, dict):
        raise ValueError("a job is no object")
    state, problem = _text(value.get("state")), value.get("problem")
    number, kind = _text(value.get("id")), _text(value.get("kind"))
    if state not in STATES or not ID.fullmatch(number) or not KIND.fullmatch(kind):
        raise ValueError("a job has no such id, kind or state")
    if problem is not None and not isinstance(problem, dict):
        raise ValueError("a problem is no object")
    # What is no JSON would be none in every answer.
    json.dumps(problem, allow_nan=False)
    said = _list(value.get("announcements"))
    result = value.get("result")
    return Job(
        number,
        kind,
        _text(value.get("title"))[:LONGEST_TITLE],
        state,
        _time(value.get("created_at")),
        _optional_time(value.get("started_at")),
        _optional_time(value.get("ended_at")),
        _progress(value.get("progress")),
        tuple(_text(each)[:LONGEST] for each in said[-ANNOUNCEMENTS:]),
        None if result is None else json.dumps(result, separators=(",", ":"), allow_nan=False),
        problem,
        _claim(value.get("claim")),
    )


def _claim(value: object) -> Claim:
    if value is None:
        return Claim()
    if not isinstance(value, dict):
        raise ValueError("a claim is no object")
    writes, is_ending = value.get("writes"), value.get("is_ending")
    if not isinstance(writes, bool) or not isinstance(is_ending, bool):
        raise ValueError("a claim is neither true nor false")
    return Claim(_text(value.get("process")), writes, is_ending)


def _progress(value: object) -> JobProgress | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("progress is no object")
    done, total = value.get("done"), value.get("total")
    if type(done) is not int or not (total is None or type(total) is int):
        raise ValueError("progress is no number")
    return JobProgress(_text(value.get("task")), done, total, _text(value.get("unit")))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is none")
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise ValueError("a list is none")
    return value


def _optional_time(value: object) -> datetime | None:
    return None if value is None else _time(value)


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        raise ValueError("a time has no zone")
    return time

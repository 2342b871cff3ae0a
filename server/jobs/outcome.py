"""What becomes of a job that is done with an engine."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import Engine
from engine.errors import EngineError, StoreLockedError
from engine.export.plain import plain
from engine.progress import Stopped
from server.jobs.job import CANCELLED, DONE, FAILED
from server.jobs.reporter import JobReporter
from server.jobs.work import Work
from server.responses.problems import problem_of, refusal_problem, unforeseen

# How often a job that finds the store locked tries again.
AGAIN_SECONDS = 1.0

_log = logging.getLogger("server")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that a job has ended in; its result as JSON, or why it failed."""

    state: str
    result: str | None = None
    problem: Mapping[str, Any] | None = None


def outcome(work: Work, engine: Engine, reporter: JobReporter, lock_seconds: float) -> Outcome:
    """Do some work with an engine, and return what has become of it.

    Parameters
    ----------
    reporter
        Hears of it, and ends it.
    lock_seconds
        How long it waits where another process writes.
    """
    try:
        value = _patiently(work, engine.reporting_to(reporter), reporter, lock_seconds)
        return Outcome(DONE, json.dumps(plain(value), separators=(",", ":")))
    except Stopped:
        return Outcome(CANCELLED)
    except EngineError as error:
        return Outcome(FAILED, problem=problem_of(error))
    except BaseException as error:
        # What else there is, such as a panic in compiled code, ends the job and not its thread.
        _log.exception("a job of kind %s", work.kind)
        return Outcome(FAILED, problem=refusal_problem(unforeseen(error)))


def _patiently(work: Work, engine: Engine, reporter: JobReporter, seconds: float) -> object:
    """Do some work, again and again for a while where another process writes."""
    until = None
    while True:
        try:
            return work.do(engine)
        except StoreLockedError as error:
            if until is None:
                until = time.monotonic() + seconds
                reporter.announce(f"it waits: {error.reason}")
            elif time.monotonic() > until:
                raise
        reporter.wait(AGAIN_SECONDS)

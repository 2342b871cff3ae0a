"""The jobs of a store in a file of it: what was done, and what was not when it was written."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from index.errors import reason_of
from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular
from server.jobs.job import Job, job_of

NAME, VERSION = "jobs.json", 1
# All results together, and beside them what is known of each job.
RESULT_BYTES, OTHER_BYTES = 20_000_000, 4_000_000
# Less than is read: what has not ended is never dropped.
KNOWN_BYTES = 3_000_000
MOST = 50
TOO_LARGE = "the result is too large to be kept with those of later jobs"

_log = logging.getLogger("server")


class JobFile:
    """Jobs as a file.

    Parameters
    ----------
    folder
        The store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def load(self, *, set_aside: bool = True) -> list[Job] | None:
        """Return the jobs, oldest first; None where they cannot be read.

        Parameters
        ----------
        set_aside
            What to do with a file that is damaged: there are no jobs then.
        """
        try:
            with open_regular(self._path) as file:
                data = file.read(RESULT_BYTES + OTHER_BYTES + 1)
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.warning("%s: %s; earlier jobs are not known", self._path, reason_of(error))
            return None
        try:
            return _parsed(data)
        except (ValueError, RecursionError) as error:
            if not set_aside:
                return None
            aside = self._path.with_name(f"{NAME}.damaged")
            _log.warning("%s is damaged (%s) and set aside as %s", self._path, error, aside)
            with suppress(OSError):
                self._path.replace(aside)
            return []

    def state(self) -> tuple[int, ...]:
        """Return what is another one when the file was written anew; empty where there is none."""
        try:
            found = self._path.lstat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def save(self, jobs: Sequence[Job]) -> None:
        """Write all jobs, whole or not at all.

        Raises
        ------
        OSError
            They cannot be written; those that were written before are there.
        """
        texts = ",\n".join(job.as_record() for job in jobs)
        write_atomically(self._path, f'{{"version":{VERSION},"jobs":[\n{texts}\n]}}\n'.encode())


def bounded(
    jobs: Sequence[Job],
    most: int = MOST,
    result_bytes: int = RESULT_BYTES,
    known_bytes: int = KNOWN_BYTES,
) -> list[Job]:
    """Return jobs, oldest first, without those and without the results that are too much.

    What has not ended stays, and of the rest what is younger.
    """
    ended = [job for job in jobs if job.is_over]
    dropped = {job.id for job in ended[: max(0, len(jobs) - most)]}
    found: list[Job] = []
    for job in reversed([job for job in jobs if job.id not in dropped]):
        size = len(job.result or "")
        if size > result_bytes:
            job = replace(job, result=None).announcing(TOO_LARGE)
        else:
            result_bytes -= size
        known_bytes -= len(job.as_json(whole=False))
        if known_bytes >= 0 or not job.is_over:
            found.append(job)
    return found[::-1]


def _parsed(data: bytes) -> list[Job]:
    if len(data) > RESULT_BYTES + OTHER_BYTES:
        raise ValueError("it is too large")
    value = json.loads(data)
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise ValueError("it is of another version")
    jobs = value.get("jobs")
    if not isinstance(jobs, list):
        raise ValueError("it has no jobs")
    found = [job_of(each) for each in jobs]
    if len({job.id for job in found}) < len(found):
        raise ValueError("two jobs have one id")
    return bounded(found)

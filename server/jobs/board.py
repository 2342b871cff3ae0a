"""What a process knows of all jobs, and who is told when one changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from threading import Condition

from server.jobs.file import bounded
from server.jobs.job import WAITING, Job
from server.responses.problems import RefusedError


class JobBoard:
    """Jobs by id, oldest first; all methods may be called by any thread.

    Attributes
    ----------
    changed
        Held by who looks and changes in one step.
    """

    def __init__(self) -> None:
        self.changed = Condition()
        self._jobs: dict[str, Job] = {}
        self._revision = 0
        self._revisions: dict[str, int] = {}
        self._listeners: dict[object, Callable[[], object]] = {}

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self.changed:
            return list(self._jobs.values())

    def __getitem__(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        RefusedError
            There is none.
        """
        with self.changed:
            if job_id not in self._jobs:
                raise _unknown(job_id)
            return self._jobs[job_id]

    def get(self, job_id: str) -> Job | None:
        """Return a job, None where there is none."""
        with self.changed:
            return self._jobs.get(job_id)

    def put(self, job: Job) -> None:
        """Take a job as it is now."""
        with self.changed:
            if self._jobs.get(job.id) == job:
                return
            self._revision += 1
            self._jobs[job.id] = job
            self._revisions[job.id] = self._revision
            self.tell()

    def forget(self, job_id: str) -> None:
        """Leave nothing of a job."""
        with self.changed:
            del self._jobs[job_id], self._revisions[job_id]
            self.tell()

    def drop(self) -> None:
        """Forget what is too much."""
        with self.changed:
            self._jobs = {job.id: job for job in bounded([*self._jobs.values()])}
            self._revisions = {each: self._revisions[each] for each in self._jobs}

    def take(self, found: Sequence[Job], before: Set[str], process: str) -> None:
        """Take jobs as a ledger has them.

        Parameters
        ----------
        before
            What the ledger had: what is in it no more, another process has forgotten.
        process
            Of its own jobs the board knows more than the ledger, until they are over.
        """
        with self.changed:
            gone = before - {job.id for job in found}
            for job in self.all():
                if job.id in gone and (job.is_over or job.claim.process != process):
                    self.forget(job.id)
            for job in found:
                known = self._jobs.get(job.id)
                self.put(job if known is None else _merged(known, job, process))

    def changes(self, since: int) -> tuple[int, list[Job]]:
        """Return the revision that all jobs are in, and those that changed since another one.

        Parameters
        ----------
        since
            A revision, -1 for all jobs.
        """
        with self.changed:
            jobs = [job for job in self._jobs.values() if self._revisions[job.id] > since]
            return self._revision, sorted(jobs, key=lambda job: self._revisions[job.id])

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever a job changes; return what ends that."""
        mark = object()
        with self.changed:
            self._listeners[mark] = told

        def leave() -> None:
            with self.changed:
                self._listeners.pop(mark, None)

        return leave

    def tell(self) -> None:
        """Call all who listen."""
        with self.changed:
            for told in self._listeners.values():
                # A loop that has ended hears nothing.
                with suppress(RuntimeError):
                    told()


def _merged(known: Job, job: Job, process: str) -> Job:
    """Return what is so of a job, of what is known and what the ledger has of it."""
    own = known.claim.process == process
    if known.is_over or job.is_over:
        # Another process may cancel what waits; what runs is ended by the one that does it.
        goes_on = not job.is_over or (own and known.state != WAITING and not known.is_over)
        return known if goes_on else job
    if own:
        is_ending = known.claim.is_ending or job.claim.is_ending
        return replace(known, claim=replace(known.claim, is_ending=is_ending))
    said = max(known.announcements, job.announcements, key=len)
    return replace(job, progress=known.progress or job.progress, announcements=said)


def _unknown(job_id: str) -> RefusedError:
    return RefusedError(
        404, "UnknownJobError", f"job {job_id[:40]}", "there is no such job", "See GET /v1/jobs"
    )

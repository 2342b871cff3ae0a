"""Jobs one after the other, in a thread of their own."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Condition, Event, Lock, Thread

from engine import Engine
from index.errors import reason_of
from server.jobs.file import JobFile, bounded
from server.jobs.job import (
    CANCELLED,
    INTERRUPTED,
    LONGEST_TITLE,
    RUNNING,
    WAITING,
    Job,
    JobProgress,
    now,
)
from server.jobs.outcome import Outcome, outcome
from server.jobs.reporter import JobReporter
from server.jobs.work import Work
from server.options import ServerLimits
from server.responses.problems import RefusedError, busy

ENDING = "it ends as soon as what is finished is kept"

_log = logging.getLogger("server")


class JobQueue:
    """The jobs of one service; all methods may be called by any thread.

    Parameters
    ----------
    engine
        What they ask.
    limits
        `jobs_waiting`, and `lock_seconds`: how long a job waits for a writer elsewhere.
    """

    def __init__(self, engine: Engine, limits: ServerLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._file = JobFile(engine.config.store.folder)
        self._changed, self._saving = Condition(), Lock()
        self._jobs = {job.id: job for job in self._file.load()}
        self._revision = 0
        self._revisions = dict.fromkeys(self._jobs, 0)
        self._work: dict[str, Work] = {}
        self._running: str | None = None
        self._stopped = Event()
        self._listeners: dict[object, Callable[[], object]] = {}
        self._thread: Thread | None = None
        self.is_closing = False

    def submit(self, work: Work) -> Job:
        """Take a job, which is known after a restart, too.

        Raises
        ------
        RefusedError
            Too many wait, or the service ends.
        """
        with self._changed:
            self.require_room()
            title = work.title[:LONGEST_TITLE]
            job = Job(f"j{secrets.token_hex(6)}", work.kind, title, WAITING, now())
            self._work[job.id] = work
            self._put(job)
        self._save(job.id)
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="serve-jobs", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return self._jobs.get(job.id, job)

    def require_room(self) -> None:
        """Insist that one more job may wait.

        Raises
        ------
        RefusedError
            Too many wait, or the service ends.
        """
        with self._changed:
            waiting = len(self._waiting())
            if self.is_closing or waiting >= self._limits.jobs_waiting:
                reason = "the service ends" if self.is_closing else f"{waiting} jobs wait"
                raise busy("jobs", reason, self._limits.retry_seconds)

    def all(self) -> list[Job]:
        """Return all jobs, newest first."""
        with self._changed:
            return list(self._jobs.values())[::-1]

    def __getitem__(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        RefusedError
            There is none.
        """
        with self._changed:
            if job_id not in self._jobs:
                raise _unknown(job_id)
            return self._jobs[job_id]

    def is_over(self, job_id: str) -> bool:
        """Say whether nothing more will become of a job; so it is where there is none."""
        with self._changed:
            return job_id not in self._jobs or self._jobs[job_id].is_over

    def writing(self) -> Job | None:
        """Return the job that runs and holds the store's lock, None where none does."""
        with self._changed:
            running = self._running
            writes = running is not None and self._work[running].writes
            return self._jobs[running] if running is not None and writes else None

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many jobs of each kind are in each state."""
        return Counter((job.kind, job.state) for job in self.all())

    def end(self, job_id: str) -> Job | None:
        """Cancel a job and return it; forget one that has ended, and return None.

        Raises
        ------
        RefusedError
            There is none.
        """
        with self._changed:
            job = self[job_id]
            left: Job | None = None
            if job.is_over:
                del self._jobs[job_id], self._revisions[job_id]
                self._tell()
            elif job_id == self._running:
                self._stopped.set()
                self._put(left := job.announcing(ENDING))
            else:
                del self._work[job_id]
                self._put(left := job.ended(CANCELLED))
                self._drop()
        self._save()
        return left

    def changes(self, since: int) -> tuple[int, list[Job]]:
        """Return the revision that all jobs are in, and those that changed since another one.

        Parameters
        ----------
        since
            A revision, -1 for all jobs.
        """
        with self._changed:
            jobs = [job for job in self._jobs.values() if self._revisions[job.id] > since]
            return self._revision, sorted(jobs, key=lambda job: self._revisions[job.id])

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever a job changes; return what ends that."""
        mark = object()
        with self._changed:
            self._listeners[mark] = told

        def leave() -> None:
            with self._changed:
                self._listeners.pop(mark, None)

        return leave

    def begin_closing(self) -> None:
        """Begin no other job, and stop the one that runs: it keeps what is committed."""
        with self._changed:
            self.is_closing = True
            self._stopped.set()
            self._changed.notify_all()
            self._tell()

    def close(self, seconds: float) -> bool:
        """Begin no other job; return whether the one that runs ended within so many seconds."""
        self.begin_closing()
        if self._thread is not None:
            self._thread.join(seconds)
        with self._changed:
            for job in self._waiting():
                self._put(job.ended(INTERRUPTED))
            ended = self._running is None
        if self._thread is not None:
            self._save()
        return ended

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == WAITING]

    def _serve(self) -> None:
        while (begun := self._next()) is not None:
            job_id, work = begun
            self._save()
            found = self._outcome(job_id, work)
            with self._changed:
                self._running = None
                del self._work[job_id]
                ended = self._jobs[job_id].ended(
                    found.state, result=found.result, problem=found.problem
                )
                self._put(ended)
                self._drop()
            self._save()

    def _next(self) -> tuple[str, Work] | None:
        """Wait for a job and begin it; return None at the end."""
        with self._changed:
            while not self.is_closing:
                if waiting := self._waiting():
                    job = waiting[0]
                    self._stopped.clear()
                    self._running = job.id
                    self._put(replace(job, state=RUNNING, started_at=now()))
                    return job.id, self._work[job.id]
                self._changed.wait()
            return None

    def _outcome(self, job_id: str, work: Work) -> Outcome:
        """Do a job; return what has become of it."""
        reporter = JobReporter(
            lambda text: self._update(job_id, lambda job: job.announcing(text)),
            lambda came: self._update(job_id, lambda job: _at(job, came)),
            self._stopped,
        )
        found = outcome(work, self._engine, reporter, self._limits.lock_seconds)
        interrupted = found.state == CANCELLED and self.is_closing
        return replace(found, state=INTERRUPTED) if interrupted else found

    def _update(self, job_id: str, change: Callable[[Job], Job]) -> None:
        with self._changed:
            if job_id == self._running:
                self._put(change(self._jobs[job_id]))

    def _put(self, job: Job) -> None:
        """Take a job as it is now; with the lock held."""
        self._revision += 1
        self._jobs[job.id] = job
        self._revisions[job.id] = self._revision
        self._tell()

    def _drop(self) -> None:
        """Forget what is too much; with the lock held."""
        self._jobs = {job.id: job for job in bounded([*self._jobs.values()])}
        self._revisions = {each: self._revisions[each] for each in self._jobs}

    def _tell(self) -> None:
        for told in self._listeners.values():
            # A loop that has ended hears nothing.
            with suppress(RuntimeError):
                told()

    def _save(self, new: str | None = None) -> None:
        """Write all jobs; where that cannot be, they go on and the newest says so."""
        with self._saving:
            try:
                self._file.save(self.all()[::-1])
            except OSError as error:
                _log.warning("jobs cannot be kept: %s", reason_of(error))
                if new is not None:
                    said = f"it is forgotten with the service: {reason_of(error)}"
                    with self._changed:
                        self._put(self._jobs[new].announcing(said))


def _at(job: Job, came: JobProgress) -> Job:
    return replace(job, progress=came)


def _unknown(job_id: str) -> RefusedError:
    return RefusedError(
        404, "UnknownJobError", f"job {job_id[:40]}", "there is no such job", "See GET /v1/jobs"
    )

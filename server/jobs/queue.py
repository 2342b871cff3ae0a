"""Jobs one after the other, in a thread of their own, by turns with other processes."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread

from engine import Engine
from server.jobs.job import (
    CANCELLED,
    INTERRUPTED,
    LONGEST_TITLE,
    RUNNING,
    WAITING,
    Claim,
    Job,
    JobProgress,
    now,
)
from server.jobs.outcome import Outcome, outcome
from server.jobs.reporter import JobReporter
from server.jobs.shared import SharedJobs
from server.jobs.work import Work
from server.options import ServerLimits
from server.responses.problems import busy

ENDING = "it ends as soon as what is finished is kept"


class JobQueue:
    """The jobs of one service, and those of others that serve the same store on this machine.

    All methods may be called by any thread; of those that wait for no file it is said. One job runs
    at a time, whichever process does it. Of locks, a process takes first that of its ledger, then
    that of its board.

    Parameters
    ----------
    engine
        What they ask.
    limits
        `jobs_waiting`, `jobs_seconds`, and `lock_seconds`: how long a job waits for a writer
        elsewhere.
    """

    def __init__(self, engine: Engine, limits: ServerLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._shared = SharedJobs(engine.config.store.folder, self._note)
        self._board = self._shared.board
        self._work: dict[str, Work] = {}
        self._running: str | None = None
        self._stopped, self._closed = Event(), Event()
        self._threads: list[Thread] = []
        self.is_closing = False
        self._shared.hear()

    def submit(self, work: Work) -> Job:
        """Take a job, which is known after a restart, too.

        Raises
        ------
        RefusedError
            Too many wait, or the service ends.
        """

        def taken() -> Job:
            self.require_room()
            self._shared.join()
            title = work.title[:LONGEST_TITLE]
            claim = Claim(self._shared.process, work.writes)
            job = Job(f"j{secrets.token_hex(6)}", work.kind, title, WAITING, now(), claim=claim)
            self._work[job.id] = work
            self._board.put(job)
            return job

        job = self._shared.together(taken)
        if not self._shared.has_listed(job.id):
            said = "it is forgotten with the service: its store cannot be written"
            self._board.put(job := job.announcing(said))
        self._start()
        with self._board.changed:
            self._board.changed.notify_all()
            return self._board.get(job.id) or job

    def require_room(self) -> None:
        """Insist that one more job may wait; without waiting for a file.

        Raises
        ------
        RefusedError
            Too many wait, or the service ends.
        """
        waiting = sum(job.state == WAITING for job in self._board.all())
        if self.is_closing or waiting >= self._limits.jobs_waiting:
            reason = "the service ends" if self.is_closing else f"{waiting} jobs wait"
            raise busy("jobs", reason, self._limits.retry_seconds)

    def all(self) -> list[Job]:
        """Return all jobs, newest first."""
        self._shared.hear()
        return self._board.all()[::-1]

    def __getitem__(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        RefusedError
            There is none.
        """
        self._shared.hear()
        return self._board[job_id]

    def is_over(self, job_id: str) -> bool:
        """Say whether nothing more will become of a job; so it is where there is none.

        Without waiting for a file: as far as it was heard.
        """
        job = self._board.get(job_id)
        return job is None or job.is_over

    def writing(self) -> Job | None:
        """Return the job that runs and holds the store's lock, None where none does."""
        running = [job for job in self.all() if job.state == RUNNING and job.claim.writes]
        return running[0] if running else None

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

        def ended() -> Job | None:
            job = self._board[job_id]
            if job.is_over:
                self._board.forget(job_id)
                return None
            if job.state == RUNNING:
                # Another process hears of it.
                job = replace(job.announcing(ENDING), claim=replace(job.claim, is_ending=True))
            else:
                self._work.pop(job_id, None)
                job = job.ended(CANCELLED)
            if job_id == self._running:
                self._stopped.set()
            self._board.put(job)
            return job

        return self._shared.together(ended)

    def changes(self, since: int) -> tuple[int, list[Job]]:
        """Return what `JobBoard.changes` does, without waiting for a file."""
        return self._board.changes(since)

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever a job changes; return what ends that."""
        self._start()
        return self._board.listen(told)

    def begin_closing(self) -> None:
        """Begin no other job, and stop the one that runs: it keeps what is committed."""
        with self._board.changed:
            self.is_closing = True
            self._stopped.set()
            self._board.changed.notify_all()
            self._board.tell()

    def close(self, seconds: float) -> bool:
        """Begin no other job; return whether the one that runs ended within so many seconds."""
        self.begin_closing()
        if not self._threads:
            return True
        self._threads[0].join(seconds)
        self._closed.set()
        self._threads[1].join(seconds)
        ended = self._running is None
        if self._work:
            self._shared.together(self._interrupt)
        if ended:
            self._shared.leave()
        return ended

    def _start(self) -> None:
        """Let threads do jobs and hear of others' from now on."""
        with self._board.changed:
            if not self._threads and not self.is_closing:
                for name, target in ("serve-jobs", self._serve), ("serve-heard", self._watch):
                    self._threads.append(Thread(target=target, name=name, daemon=True))
                    self._threads[-1].start()

    def _serve(self) -> None:
        while (begun := self._next()) is not None:
            job_id, work = begun
            found = self._outcome(job_id, work)

            def over(job_id: str = job_id, found: Outcome = found) -> None:
                self._running = None
                del self._work[job_id]
                job = self._board[job_id]
                self._board.put(job.ended(found.state, result=found.result, problem=found.problem))

            self._shared.together(over)

    def _next(self) -> tuple[str, Work] | None:
        """Wait for a job and its turn, and begin it; return None at the end."""
        changed = self._board.changed
        while True:
            with changed:
                changed.wait_for(lambda: self.is_closing or self._work)
                if self.is_closing:
                    return None
            if (begun := self._shared.together(self._begun)) is not None:
                return begun
            with changed:
                # A process ends its job, or is killed, without a word to this one.
                changed.wait_for(lambda: self.is_closing, self._limits.jobs_seconds)

    def _begun(self) -> tuple[str, Work] | None:
        """Begin the job that waits longest, if it is of this process and none runs anywhere."""
        jobs = [job for job in self._board.all() if not job.is_over]
        if self.is_closing or not jobs or any(job.state == RUNNING for job in jobs):
            return None
        first = jobs[0]
        if first.id not in self._work:
            return None
        self._stopped.clear()
        self._running = first.id
        self._board.put(replace(first, state=RUNNING, started_at=now()))
        return first.id, self._work[first.id]

    def _interrupt(self) -> None:
        for job_id in {*self._work} - {self._running}:
            del self._work[job_id]
            self._board.put(self._board[job_id].ended(INTERRUPTED))

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
        with self._board.changed:
            if job_id == self._running:
                self._board.put(change(self._board[job_id]))

    def _note(self) -> None:
        """Do what another process has asked for; with the board's lock held."""
        for job_id in [*self._work]:
            if self.is_over(job_id):
                del self._work[job_id]
            elif self._board[job_id].claim.is_ending:
                self._stopped.set()

    def _watch(self) -> None:
        """Hear of others' jobs, and let them hear of the one that runs here."""
        while not self._closed.wait(self._limits.jobs_seconds):
            self._shared.hear()
            if (job := self._board.get(self._running or "")) is not None:
                self._shared.tell(job)


def _at(job: Job, came: JobProgress) -> Job:
    return replace(job, progress=came)

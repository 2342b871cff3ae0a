"""What a process knows of the jobs of all processes, in step with their ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

from index.errors import reason_of
from server.jobs.board import JobBoard
from server.jobs.job import INTERRUPTED, RUNNING, Job
from server.jobs.ledger import Ledger

Result = TypeVar("Result")

_log = logging.getLogger("server")


class SharedJobs:
    """A board, a ledger, and what brings both in step.

    Of locks, a process takes first that of its ledger, then that of its board.

    Parameters
    ----------
    folder
        Of the store.
    heard
        Called with the board's lock held when the ledger was read.

    Attributes
    ----------
    board
        As it is known here.
    """

    def __init__(self, folder: Path, heard: Callable[[], None]) -> None:
        self.board = JobBoard()
        self._ledger = Ledger(folder)
        self._lock = Lock()
        self._heard = heard
        self._listed: set[str] = set()  # what the ledger had when it was read or written last
        self._told: Job | None = None

    @property
    def process(self) -> str:
        """The name of this process in the ledger."""
        return self._ledger.process

    def has_listed(self, job_id: str) -> bool:
        """Say whether the ledger has a job, as far as it was read and written."""
        return job_id in self._listed

    def join(self) -> None:
        """Be known to live, from within `together`."""
        self._ledger.join()

    def leave(self) -> None:
        """Be taken for dead from now on."""
        self._ledger.leave()

    def together(self, change: Callable[[], Result]) -> Result:
        """Change jobs in one step with what other processes change, and write them.

        Parameters
        ----------
        change
            Called with the board's lock held; what it returns is returned.
        """
        with self._lock, self._ledger.turn() as is_mine:
            found = self._ledger.load(set_aside=is_mine)
            with self.board.changed:
                self._take(found)
                for job in self._of_dead():
                    self.board.put(job.ended(INTERRUPTED))
                result = change()
                self.board.drop()
                jobs = self.board.all()
            # Without the turn it would be written over what another process writes.
            if is_mine and jobs != (found or []):
                self._save(jobs)
            return result

    def hear(self) -> None:
        """Take what other processes have done with their jobs."""
        if self._ledger.has_changed():
            with self._lock:
                found = self._ledger.load(set_aside=False)
                with self.board.changed:
                    self._take(found)
            if found is None or self._unlisted():
                self.together(_nothing)
        if (told := self._ledger.told()) is not None:
            with self.board.changed:
                job = self.board.get(told.id)
                if job is not None and job.state == RUNNING and job.claim.process != self.process:
                    said = told.progress, told.announcements
                    self.board.put(replace(job, progress=said[0], announcements=said[1]))
        if self._of_dead():
            self.together(_nothing)

    def tell(self, job: Job) -> None:
        """Let other processes hear how far a job of this one is."""
        if job != self._told:
            self._told = job
            self._ledger.tell(job)

    def _take(self, found: Sequence[Job] | None) -> None:
        """Take jobs as the ledger has them; with the board's lock held."""
        if found is not None:
            self.board.take(found, self._listed, self.process)
            self._listed = {job.id for job in found}
        self._heard()

    def _of_dead(self) -> list[Job]:
        """Return the jobs that nobody will end any more."""
        going_on = [job for job in self.board.all() if not job.is_over]
        return [job for job in going_on if not self._ledger.lives(job.claim.process)]

    def _unlisted(self) -> list[Job]:
        """Return own jobs that a ledger does not have which was lost meanwhile."""
        own = [job for job in self.board.all() if job.claim.process == self.process]
        return [job for job in own if not job.is_over and job.id not in self._listed]

    def _save(self, jobs: Sequence[Job]) -> None:
        """Write all jobs; where that cannot be, they go on."""
        try:
            self._ledger.save(jobs)
            self._listed = {job.id for job in jobs}
        except OSError as error:
            _log.warning("jobs cannot be kept: %s", reason_of(error))


def _nothing() -> None:
    pass

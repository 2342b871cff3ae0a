"""The jobs of all processes that serve one store on this machine: one list, and who of them lives.

Each process does the jobs that it was asked for. The list is a file of the store, changed by one
process at a time; who lives is known by locks of the operating system, which go with the process
that holds them, however it ends.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from index.errors import StoreError
from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular, require_regular
from server.jobs.file import JobFile
from server.jobs.job import Job, job_of

# Beside `jobs.json`. Whoever changes that holds the first; the second says how far the job is that
# runs, which changes too often for a file with all results; the third is held by one process.
TURN, RUNNING_NOW, ALIVE = "jobs.lock", "jobs.running.json", "jobs.{}.alive"
PROCESS = re.compile(r"\d{1,10}-[0-9a-f]{8}")
# A process that holds the first lock writes one file.
TURN_SECONDS = 10.0
RUNNING_BYTES = 1_000_000
# What there is instead of a lock: no folder, no permission, a file system without locks, a link.
NO_LOCK = (OSError, NotImplementedError, StoreError)


class Ledger:
    """What processes know of each other's jobs.

    Parameters
    ----------
    folder
        Of the store. Where it cannot be written each process knows its own jobs alone.

    Attributes
    ----------
    process
        The name of this process: of each ledger another one.
    """

    def __init__(self, folder: Path) -> None:
        self.process = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._folder = folder
        self._file = JobFile(folder)
        self._seen: tuple[int, ...] | None = None
        self._told: tuple[int, ...] = ()
        self._mine: FileLock | None = None

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Be the only one who changes the list; yields whether that can be had."""
        with ExitStack() as stack:
            try:
                require_regular(self._folder / TURN)
                lock = FileLock(self._folder / TURN)
                lock.acquire(timeout=TURN_SECONDS)
                stack.callback(lock.release)
                is_mine = True
            except NO_LOCK:
                is_mine = False
            yield is_mine

    def has_changed(self) -> bool:
        """Say whether the list was written since it was loaded or saved here."""
        return self._file.state() != self._seen

    def load(self, *, set_aside: bool) -> list[Job] | None:
        """Return all jobs, oldest first; None where they cannot be read.

        Parameters
        ----------
        set_aside
            Whether a damaged list is; only in one's turn.
        """
        # Before it is read: what is written meanwhile is read the next time.
        self._seen = self._file.state()
        return self._file.load(set_aside=set_aside)

    def save(self, jobs: Sequence[Job]) -> None:
        """Write all jobs, in one's turn.

        Raises
        ------
        OSError
            They cannot be written.
        """
        self._file.save(jobs)
        self._seen = self._file.state()

    def join(self) -> None:
        """Be known to live from now on. In one's turn: nobody asks meanwhile who does."""
        if self._mine is not None:
            return
        # Other threads release it.
        lock = FileLock(self._alive(self.process), thread_local=False)
        with suppress(*NO_LOCK):
            lock.acquire(timeout=0)
            self._mine = lock

    def leave(self) -> None:
        """Be taken for dead from now on: what is not over by now was interrupted."""
        if self._mine is not None:
            self._mine.release()
            self._mine = None
            self._alive(self.process).unlink(missing_ok=True)

    def lives(self, process: str) -> bool:
        """Say whether a process goes on; the lock that it holds is asked."""
        if process == self.process:
            return True
        # A name comes from a file, and becomes a part of a path.
        path = self._alive(process)
        if not PROCESS.fullmatch(process) or not os.path.lexists(path):
            return False
        lock = FileLock(path)
        try:
            require_regular(path)
            lock.acquire(timeout=0)
        except TimeoutError:
            return True
        except NO_LOCK:
            return False
        lock.release()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return False

    def tell(self, job: Job) -> None:
        """Say how far the job of this process is that runs; to others, not to this one."""
        with suppress(OSError):
            write_atomically(self._folder / RUNNING_NOW, job.as_record().encode())
            self._told = _state(self._folder / RUNNING_NOW)

    def told(self) -> Job | None:
        """Return what another process has said of its job since the last time, None for nothing."""
        path = self._folder / RUNNING_NOW
        state = _state(path)
        if not state or state == self._told:
            return None
        self._told = state
        with suppress(OSError, ValueError, RecursionError), open_regular(path) as file:
            return job_of(json.loads(file.read(RUNNING_BYTES)))
        return None

    def _alive(self, process: str) -> Path:
        return self._folder / ALIVE.format(process)


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size

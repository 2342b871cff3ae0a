"""Workers that are processes of this machine, each with its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from engine.config import Config, usable_cores
from engine.errors import ClusterError, EngineError
from engine.ingest.cluster.job import ShardJob
from engine.ingest.cluster.launcher import Losses
from index.errors import reason_of

# A network gains little from more cores than this.
MOST_CORES = 4
# All of them together have so long to end by themselves.
END_SECONDS = 15.0


class LocalLauncher:
    """Starts processes; their catalog is whichever the driver has."""

    def require_reachable(self, config: Config) -> None:
        """Need nothing: whatever the driver reaches they reach, too."""

    def start(self, job: ShardJob) -> LocalWorkers:
        """Start them."""
        return LocalWorkers(job)


class LocalWorkers:
    """Processes that were started for a run.

    Parameters
    ----------
    job
        What they do.
    """

    def __init__(self, job: ShardJob) -> None:
        cores = job.config.threads or usable_cores()
        count = job.options.workers or max(2, cores // MOST_CORES)
        each = max(1, cores // count)
        config = replace(
            job.config,
            threads=each,
            decoders=max(1, job.config.decoders // count),
            decode_bytes=max(1, job.config.decode_bytes // count),
        )
        self._job = replace(job, config=config)
        # A fork would take along this process's threads, and whatever they hold.
        self._context = multiprocessing.get_context("spawn")
        self._losses = Losses(2 * count + 2)
        self._workers: list[tuple[BaseProcess, Connection]] = []
        try:
            for _ in range(count):
                self._workers.append(self._started())
        except BaseException:
            # Nobody else knows of them yet.
            self.stop()
            raise

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [process.pid or 0 for process, _ in self._workers]

    def _started(self) -> tuple[BaseProcess, Connection]:
        try:
            mine, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_work, args=(self._job, os.getpid(), theirs), daemon=True
            )
            with _no_ctrl_c():
                process.start()
        except OSError as error:
            raise ClusterError(
                "the workers",
                f"this machine does not start another process ({reason_of(error)})",
                "Name fewer of them: --workers",
            ) from None
        theirs.close()
        return process, mine

    def check(self, *, goes_on: bool) -> list[str]:
        """Start anew the processes that have died, and return their names.

        Raises
        ------
        ClusterError
            They die again and again.
        """
        if goes_on:
            self._losses.forget()
        dead = []
        for number, (process, pipe) in enumerate(self._workers):
            if process.is_alive() or process.exitcode == 0:
                continue
            dead.append(worker_name(process.pid))
            told = _told(pipe)
            self._losses.add(told or _ended(process), told=bool(told))
            pipe.close()
            self._workers[number] = self._started()
        return dead

    def stop(self) -> None:
        """End them; one that does not end by itself is killed."""
        for process, _ in self._workers:
            if process.is_alive():
                process.terminate()
        until = time.monotonic() + END_SECONDS
        for process, pipe in self._workers:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
            pipe.close()


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for the length of a `with` block, and for good in what is started in it.

    It reaches every process of a terminal, also one that does not ignore it yet.
    """
    # `multiprocessing` starts it by the way, and would unblock Ctrl-C.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _told(pipe: Connection) -> str:
    """Return what a process has said before it ended, if anything."""
    try:
        return str(pipe.recv()) if pipe.poll() else ""
    except (EOFError, OSError):
        return ""


def _ended(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"of signal {-code}" if code < 0 else f"it ended with code {code}"


def _work(job: ShardJob, parent: int, pipe: Any) -> None:
    """Be a worker, in a process of its own."""
    from engine.ingest.cluster.worker import ShardWorker

    ended: list[int] = []
    # Ctrl-C reaches every process of a terminal: the driver says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    name = worker_name(os.getpid())
    try:
        ShardWorker(job, name, lambda: bool(ended) or os.getppid() != parent).work()
    except Exception as error:  # it is told by the driver, once for all workers
        known = isinstance(error, EngineError)
        with suppress(OSError):  # the driver may be gone
            pipe.send(str(error) if known else f"{type(error).__name__}: {error}")
        sys.exit(1)
    if ended:
        # Who was ended has not come to the end: where the driver has not done it, it starts anew.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)


def worker_name(pid: int | None) -> str:
    """Return what the worker in a process of this machine is called."""
    return f"{socket.gethostname()} {pid}"

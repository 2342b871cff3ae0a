"""Several processes on one address: started, started again where one dies, and ended together.

The socket is bound once and handed to all. Each process accepts one connection at a time, so that
the one with more to do gets fewer of them.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket
from typing import NoReturn

from engine.errors import UsageError
from server.options import ServerOptions
from server.processes.run import bound_socket

# What a process does: serve on a socket, say when it can answer, and exit.
Work = Callable[[socket, ServerOptions, Connection], NoReturn]
# How often processes that died are started again, in so many seconds; one more ends the service.
MOST_RESTARTS, RESTART_SECONDS = 5, 60.0
LOOK_SECONDS = 0.5


@dataclass(eq=False)
class Supervisor:
    """Starts processes, and ends them.

    Attributes
    ----------
    processes
        How many.
    options
        Of all together; each process gets its share of what they take on.
    work
        Called in each process, a new interpreter: it can be pickled.
    say
        Told what becomes of processes.
    """

    processes: int
    options: ServerOptions
    work: Work
    say: Callable[[str], object]
    _running: list[BaseProcess] = field(default_factory=list, init=False)
    _restarts: deque[float] = field(default_factory=deque, init=False)
    _is_ending: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self, listening: Callable[[ServerOptions], None]) -> int:
        """Serve until the process is interrupted or terminated; return an exit code.

        Parameters
        ----------
        listening
            Called when all processes can answer, with the port that it is.

        Raises
        ------
        UsageError
            Nothing can listen there.
        """
        with (
            bound_socket(self.options) as bound,
            tempfile.TemporaryDirectory(prefix="engine-serve-") as shared,
            self._ended_by_signals(),
        ):
            options = replace(
                self.options, port=bound.getsockname()[1], shared=prepared(Path(shared))
            )
            each = replace(options, limits=options.limits.of_each(self.processes))
            try:
                code = self._begun(bound, each)
                if code is None:
                    listening(options)
                    code = self._watched(bound, each)
                return code
            finally:
                self._end(options.limits.stop_seconds)

    def _begun(self, bound: socket, options: ServerOptions) -> int | None:
        """Start all; return the exit code of one that could not begin, None where all could."""
        # What is made for the backbone, such as its cache, the first makes for the others.
        for processes in (1, self.processes - 1):
            ready = [self._start(bound, options) for _ in range(processes)]
            for said, process in ready:
                while not wait([said, process.sentinel], LOOK_SECONDS):
                    if self._is_ending.is_set():
                        return 0
                try:
                    said.recv()
                except (EOFError, OSError):
                    process.join()
                    # It has said why.
                    return 0 if self._is_ending.is_set() else process.exitcode or 1
        return None

    def _watched(self, bound: socket, options: ServerOptions) -> int:
        while not self._is_ending.is_set():
            wait([process.sentinel for process in self._running], LOOK_SECONDS)
            dead = [process for process in self._running if not process.is_alive()]
            for process in [] if self._is_ending.is_set() else dead:
                self._running.remove(process)
                what = f"process {process.pid} ended by itself ({_reason(process.exitcode)})"
                if not self._may_restart():
                    self.say(f"error: {what}, as {MOST_RESTARTS} did before: the service ends")
                    return 1
                _, other = self._start(bound, options)
                self.say(f"{what}; process {other.pid} is started in its stead")
                _forget_gauges(process.pid, options.shared)
        return 0

    def _may_restart(self) -> bool:
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > RESTART_SECONDS:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= MOST_RESTARTS

    def _start(self, bound: socket, options: ServerOptions) -> tuple[Connection, BaseProcess]:
        """Start one process; what it has to say ends with it."""
        # Not forked: threads and open connections are no one's in a child.
        context = get_context("spawn")
        ready, said = context.Pipe(duplex=False)
        process = context.Process(target=self.work, args=(bound, options, said), name="serve")
        process.start()
        said.close()
        self._running.append(process)
        return ready, process

    def _end(self, seconds: float) -> None:
        """End all within so many seconds: what was begun is finished first."""
        until = time.monotonic() + seconds
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    @contextmanager
    def _ended_by_signals(self) -> Iterator[None]:
        signals = signal.SIGINT, signal.SIGTERM
        before = [signal.signal(each, lambda *_: self._is_ending.set()) for each in signals]
        try:
            yield
        finally:
            for each, handler in zip(signals, before, strict=True):
                signal.signal(each, handler)


def require_several(processes: int) -> None:
    """Insist that this system can hand a socket to several processes.

    Raises
    ------
    UsageError
        It cannot.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:
        raise UsageError(
            f"--processes {processes}", "this system has no locks for it", "Leave it out"
        ) from None


def prepared(shared: Path) -> Path:
    """Return a folder with what processes of one service share."""
    (shared / "metrics").mkdir()
    (shared / "unused").touch()
    return shared


def _reason(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _forget_gauges(process: int | None, shared: Path | None) -> None:
    """Let what a process that has died held count no more; what it has counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    if process is not None and shared is not None:
        mark_process_dead(process, str(shared / "metrics"))  # type: ignore[no-untyped-call]

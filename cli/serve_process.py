"""One of the processes of `engine serve --processes`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from server.options import ServerOptions


@dataclass(frozen=True, slots=True)
class ServeProcess:
    """What each process does, in an interpreter of its own.

    Attributes
    ----------
    store, settings
        Of `open_engine`.
    log
        Of `access_log`.
    processes
        How many share the cores.
    """

    store: str | None
    settings: dict[str, Any]
    log: str | None
    processes: int

    def __call__(
        self, bound: socket, options: ServerOptions, said: connection.Connection
    ) -> NoReturn:
        """Serve on a socket, say when it answers, and leave with an exit code."""
        # Who presses Ctrl-C ends the one that started this, which ends this.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, args=(options.shared,), daemon=True).start()
        if options.shared is not None:
            # Read when prometheus_client is imported.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(options.shared / "metrics")
        from cli.main import code_of

        sys.exit(code_of(lambda: self._served(bound, options, said)))

    def _served(self, bound: socket, options: ServerOptions, said: connection.Connection) -> int:
        from cli.access_log import access_log
        from cli.commands.serve import end_here
        from cli.options import open_engine
        from engine.config import usable_cores
        from server.processes.run import serve

        def listening(_: ServerOptions) -> None:
            # Where nobody listens it is no matter.
            with suppress(OSError), said:
                said.send(None)

        threads = (self.settings["threads"] or usable_cores()) // self.processes
        settings = self.settings | {"threads": max(1, threads)}
        with open_engine(self.store, **settings) as engine:
            engine.start()
            with access_log(self.log) as heard:
                ended = serve(engine, options, listening, heard, bound)
            if not ended:
                end_here()
        return 0


def _end_with_parent(shared: Path | None) -> None:
    """End this process when the one that started it has gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        if shared is not None:
            # One that was killed has left it.
            shutil.rmtree(shared, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)

"""A service until Ctrl-C, on a socket of this machine."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from engine import Engine
from engine.errors import UsageError
from index.errors import reason_of
from server.app import create_app
from server.connections.bounded import bounded_connection
from server.connections.descriptors import allow_connections
from server.counted import Hearer
from server.options import ServerOptions
from server.service import Service

# Connections that wait to be accepted.
BACKLOG = 512
# How long threads have to end when nobody waits for their answers any more.
LAST_SECONDS = 1.0


def serve(
    engine: Engine,
    options: ServerOptions,
    listening: Callable[[ServerOptions], None],
    heard: Hearer | None = None,
    given: socket.socket | None = None,
) -> bool:
    """Answer until the process is interrupted or terminated, and end what was begun.

    Parameters
    ----------
    engine
        Open; it stays so.
    options
        How to serve it.
    listening
        Called when clients can connect, with the port that it is.
    heard
        Is told of each request when it has been answered; it must not wait.
    given
        A socket that is bound, on which other processes answer, too.

    Returns
    -------
    bool
        Whether all that was begun has ended; else threads are left that use the engine.

    Raises
    ------
    UsageError
        Nothing can listen there.
    """
    allow_connections(options.limits.connections)
    with bound_socket(options) if given is None else given as bound:
        options = replace(options, port=bound.getsockname()[1])
        app = create_app(engine, options, heard)
        config = uvicorn.Config(
            app,
            # How many connections asyncio accepts in a row, too.
            backlog=BACKLOG if given is None else 1,
            http=bounded_connection(options.limits),
            timeout_keep_alive=options.limits.idle_seconds,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=options.limits.stop_seconds,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="off",
        )
        server = _Server(config, app.service)
        with _ended_by_signals(server):
            listening(options)
            server.run(sockets=[bound])
            left = server.stop_by - time.monotonic()
            return app.service.close(LAST_SECONDS, max(LAST_SECONDS, left))


class _Server(uvicorn.Server):
    """Stops jobs, and what tells of them without end, before it waits for what was begun.

    Attributes
    ----------
    stop_by
        When all should have ended, by `time.monotonic`.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._warming: asyncio.Task[None] | None = None
        self.stop_by = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and have ready what the first questions need."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)
        self._warming = asyncio.create_task(self._service.warm_up())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin nothing more, and end what was begun."""
        if self._warming is not None:
            self._warming.cancel()
        self.stop_by = time.monotonic() + self._service.options.limits.stop_seconds
        self._service.begin_closing()
        await super().shutdown(sockets)


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """To be interrupted or terminated is how a service ends, from its first moment to its last.

    While it serves, uvicorn has handlers of its own; when it has ended it raises what came again.
    """
    signals = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(each, server.handle_exit) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def bound_socket(options: ServerOptions) -> socket.socket:
    """Return a socket on which clients are heard from now on.

    Raises
    ------
    UsageError
        Nothing can listen there.
    """
    where = f"{options.host}:{options.port}"
    try:
        found = socket.getaddrinfo(
            options.host.strip("[]"), options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        raise UsageError(
            where, f"nothing can listen there: {reason_of(error)}", "Name another --port or --host"
        ) from None
    return bound

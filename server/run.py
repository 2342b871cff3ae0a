"""A service until Ctrl-C, on a socket of this machine."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from engine import Engine
from engine.errors import UsageError
from index.errors import reason_of
from server.app import create_app
from server.options import ServerOptions


def serve(engine: Engine, options: ServerOptions, listening: Callable[[int], None]) -> None:
    """Answer until the process is interrupted or terminated, and end what was begun.

    Parameters
    ----------
    engine
        Open; it stays so.
    options
        How to serve it.
    listening
        Called with the port when clients can connect.

    Raises
    ------
    UsageError
        Nothing can listen there.
    """
    with _bound(options) as bound:
        port: int = bound.getsockname()[1]
        limits = options.limits
        config = uvicorn.Config(
            create_app(engine, options),
            access_log=False,
            log_level="warning",
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=limits.stop_seconds,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
        )
        listening(port)
        with _ended_by_signals():
            uvicorn.Server(config).run(sockets=[bound])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """To be interrupted or terminated is how a service ends: uvicorn raises both once more."""
    signals = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(each, lambda *_: None) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _bound(options: ServerOptions) -> socket.socket:
    """Return a socket on which clients are heard from now on."""
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
            bound.listen(options.limits.connections)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        raise UsageError(
            where, f"nothing can listen there: {reason_of(error)}", "Name another --port or --host"
        ) from None
    return bound

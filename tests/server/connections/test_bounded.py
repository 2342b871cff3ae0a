"""Connections: no more than there is room for, and none that nobody uses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from server.connections.bounded import bounded_connection
from server.options import ServerLimits

PATIENCE = 30.0
LARGE = 64 << 20
Started = Callable[[ServerLimits], int]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a few bytes, or with very many."""
    size = LARGE if scope["path"] == "/large" else 2
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for start in range(0, size, 1 << 20):
        piece = bytes(min(1 << 20, size - start))
        more = start + len(piece) < size
        await send({"type": "http.response.body", "body": piece, "more_body": more})


@pytest.fixture
def start() -> Iterator[Started]:
    """A function that serves within limits, and returns the port."""
    with ExitStack() as servers:

        def started(limits: ServerLimits) -> int:
            bound = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(
                app,
                http=bounded_connection(limits),
                timeout_keep_alive=limits.idle_seconds,
                log_level="critical",
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
            thread.start()

            def end() -> None:
                server.should_exit = True
                thread.join(PATIENCE)
                bound.close()

            servers.callback(end)
            return int(bound.getsockname()[1])

        yield started


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def ended(client: socket.socket) -> bool:
    """Wait until the service has closed a connection."""
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def ask(client: socket.socket, path: str = "/") -> bytes:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client.recv(12)


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "]
)
def test_who_does_not_finish_a_head_is_closed(start: Started, sent: bytes) -> None:
    port = start(ServerLimits(head_seconds=0.2))
    with connected(port) as client:
        client.sendall(sent)
        assert ended(client)


def test_a_head_that_trickles_is_closed(start: Started) -> None:
    port = start(ServerLimits(head_seconds=0.3))
    with connected(port) as client, pytest.raises(OSError):
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(1000):
            client.sendall(b"a")
            time.sleep(0.02)


def test_a_second_head_that_trickles_is_closed_too(start: Started) -> None:
    port = start(ServerLimits(head_seconds=0.3))
    with connected(port) as client:
        assert ask(client).endswith(b" 200")
        with pytest.raises(OSError):
            for _ in range(1000):
                client.sendall(b"G")
                time.sleep(0.02)


@pytest.mark.slow
def test_an_idle_connection_is_closed_after_its_answer(start: Started) -> None:
    port = start(ServerLimits(idle_seconds=1, head_seconds=60))
    with connected(port) as client:
        assert ask(client).endswith(b" 200")
        assert ended(client)


@pytest.mark.slow
def test_who_takes_nothing_of_an_answer_is_closed(start: Started) -> None:
    port = start(ServerLimits(answer_seconds=0.2))
    with connected(port) as client:
        assert ask(client, "/large").endswith(b" 200")
        time.sleep(1)
        # What was under way is there, and then it ends.
        size = 0
        try:
            while piece := client.recv(1 << 20):
                size += len(piece)
        except ConnectionError:
            pass
        assert size < LARGE


def test_who_takes_it_slowly_gets_it(start: Started) -> None:
    port = start(ServerLimits(answer_seconds=5, head_seconds=0.2))
    with connected(port) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        size = 0
        while piece := client.recv(1 << 20):
            size += len(piece)
            time.sleep(0.005)
        assert size > LARGE


def test_one_more_than_there_is_room_for_is_closed_at_once(start: Started) -> None:
    port = start(ServerLimits(connections=2))
    with connected(port) as one, connected(port) as other:
        assert ask(one).endswith(b" 200")
        assert ask(other).endswith(b" 200")
        with connected(port) as third:
            assert ended(third)
    assert any(is_answered(port) for _ in range(100))


def is_answered(port: int) -> bool:
    time.sleep(0.02)
    try:
        with connected(port) as client:
            return ask(client).endswith(b" 200")
    except ConnectionError:
        return False

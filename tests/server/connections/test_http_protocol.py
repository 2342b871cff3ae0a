"""What a connection takes of a request's head, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from uvicorn import Config
from uvicorn.server import ServerState

from server.connections.http_protocol import LONGEST_HEAD, BoundedProtocol

Converse = Callable[..., bytes]
START = b"POST /a?b HTTP/1.1\r\nHost: localhost\r\n"


class Wire(asyncio.Transport):
    """What a connection writes to.

    Attributes
    ----------
    written
        All that it wrote.
    """

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written = b""
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@pytest.fixture
def converse() -> Converse:
    """A function that sends pieces until the connection ends; what was answered, and how many."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        heads = sum(len(name) + len(value) for name, value in scope["headers"])
        await PlainTextResponse(f"{len(body + message['body'])} {heads}")(scope, receive, send)

    async def talk(pieces: list[bytes]) -> tuple[bytes, int]:
        config, wire = Config(app, log_level="critical", ws="none", lifespan="off"), Wire()
        protocol = BoundedProtocol(config, ServerState(), {})
        protocol.connection_made(wire)
        sent = 0
        for piece in pieces:
            if wire.is_closing():
                break
            protocol.data_received(piece)
            sent += len(piece)
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written, sent

    return lambda pieces: asyncio.run(talk(pieces))


def _pieces(start: bytes, repeated: bytes, count: int) -> list[bytes]:
    return [start, *[repeated] * count]


def test_a_request_is_answered_however_it_is_cut(converse: Converse) -> None:
    body = b"x" * 300_000
    whole = START + b"X: y\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for size in (1 << 10, 1 << 16, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        written, _ = converse(pieces)
        assert written.startswith(b"HTTP/1.1 200"), written
        assert b"300000 " in written


def test_a_long_body_may_come_in_chunks(converse: Converse) -> None:
    pieces = _pieces(START + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000, 1)
    more = [b"\r\n4000\r\n" + b"x" * 0x4000] * 20
    written, _ = converse([*pieces, *more, b"\r\n0\r\n\r\n"])
    assert b"344064 " in written


def test_requests_after_each_other_have_heads_of_their_own(converse: Converse) -> None:
    request = START + b"X: " + b"y" * (LONGEST_HEAD // 2) + b"\r\nContent-Length: 0\r\n\r\n"
    written, _ = converse([request] * 5)
    assert written.count(b"HTTP/1.1 200") == 5


@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (b"GET /", b"a"),
        (b"GET /?", b"a"),
        (b"", b"A"),
        (START + b"X", b"a"),
        (START + b"X: ", b"a"),
        (START, b"X: y\r\n"),
        (START, b"X:\r\n"),
        (START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (START + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a"),
        (START + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
        (START + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"a"),
    ],
)
@pytest.mark.parametrize("size", [100, 16 << 10])
def test_what_does_not_end_is_ended(
    converse: Converse, start: bytes, repeated: bytes, size: int
) -> None:
    piece = repeated * (size // len(repeated))
    written, sent = converse(_pieces(start, piece, (1 << 20) // len(piece)))
    assert sent <= LONGEST_HEAD + 4 * size + len(start)
    assert b"HTTP/1.1 200" not in written or start.count(b"\r\n\r\n")


def test_a_head_that_is_too_long_is_refused_though_it_ends(converse: Converse) -> None:
    head = START + b"X: " + b"y" * LONGEST_HEAD + b"\r\nContent-Length: 0\r\n\r\n"
    written, _ = converse([head])
    assert written.startswith(b"HTTP/1.1 400"), written


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        START + b"A b: c\r\n\r\n",
        START + b": c\r\n\r\n",
        START + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        START + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(converse: Converse, sent: bytes) -> None:
    written, _ = converse([sent])
    assert written.startswith(b"HTTP/1.1 400"), written

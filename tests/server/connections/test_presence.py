"""Clients that go: what they asked for is not done any more, if it has not begun."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from engine import Engine
from server.app import Application, create_app
from server.connections.presence import Presence
from server.options import ServerLimits, ServerOptions

PATIENCE = 30.0
ONE = ServerOptions(limits=ServerLimits(threads=1, reading_threads=1))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


class Client:
    """A client that has sent its request, and goes when the test says so."""

    def __init__(self, *messages: Message) -> None:
        self.goes = asyncio.Event()
        self.sent: list[Message] = []
        self._messages = list(messages or [{"type": "http.request", "body": b""}])

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self.goes.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def ask(self, app: Any, method: str, path: str, kind: bytes = b"") -> asyncio.Task[None]:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", kind)],
        }
        return asyncio.create_task(app(scope, self.receive, self.send))


@pytest.fixture
def app(indexed: Engine) -> Application:
    return create_app(indexed, ONE)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/search"), ("GET", "/v1/images"), ("GET", "/v1/images/3")]
)
def test_what_waits_is_left_out_when_its_client_goes(
    app: Application, bed: bytes, method: str, path: str
) -> None:
    async def test() -> None:
        gate = threading.Event()
        queue = app.service.pictures if method == "POST" else app.service.reads
        busy = asyncio.create_task(queue.run(gate.wait))
        await until(lambda: queue.taken == 1)
        clients = [Client({"type": "http.request", "body": bed}) for _ in range(3)]
        asked = [each.ask(app, method, path, b"image/jpeg") for each in clients]
        await until(lambda: queue.taken == 4)
        for each in clients[1:]:
            each.goes.set()
        # While the only thread is still busy.
        await asyncio.gather(*asked[1:])
        await until(lambda: queue.taken == 2)
        assert [each.sent[0]["status"] for each in clients[1:]] == [499, 499]
        gate.set()
        await asyncio.gather(busy, asked[0])
        assert clients[0].sent[0]["status"] == 200
        await until(lambda: queue.taken == 0)

    run(test())
    assert 'status="499"} 2.0' in app.service.metrics.text(None).decode()
    assert app.service.close(PATIENCE)


def test_what_has_begun_is_done_though_its_client_has_gone(app: Application) -> None:
    async def test() -> None:
        client = Client({"type": "http.request", "body": b'{"label": "late"}'})
        asked = client.ask(app, "PATCH", "/v1/images/3", b"application/json")
        await until(lambda: app.service.changes.taken == 1)
        client.goes.set()
        await asked
        await until(lambda: app.service.changes.taken == 0)

    run(test())
    assert app.service.engine.images[3].label == "late"
    assert app.service.close(PATIENCE)


def test_nothing_of_a_body_is_lost_to_who_watches() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": True},
        {"type": "http.request", "body": b"c"},
    ]
    read = bytearray()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            # Longer than it takes to be watched.
            await asyncio.sleep(0.01)
            message = await receive()
            read.extend(message["body"])
            more = message.get("more_body", False)
        assert (await receive())["type"] == "http.disconnect"

    async def test() -> None:
        client = Client(*parts)
        asked = client.ask(Presence(app, 0.001), "POST", "/")
        await until(lambda: len(read) == 3)
        client.goes.set()
        await asked

    run(test())
    assert read == b"abc"


def test_who_is_cancelled_by_others_is_cancelled() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(PATIENCE)

    async def test() -> None:
        asked = Client().ask(Presence(app, 0.001), "GET", "/")
        await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    run(test())


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(PATIENCE)

    async def test() -> None:
        client = Client()
        asked = client.ask(Presence(app, 0.001), "GET", "/")
        await until(lambda: bool(client.sent))
        client.goes.set()
        await asked
        assert [each["type"] for each in client.sent] == ["http.response.start"]

    run(test())

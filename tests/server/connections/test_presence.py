"""Clients that go: what they asked for is not done any more, if it has not begun."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from engine import Engine
from engine.image_collection import ImageCollection, ImageInfo
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


def test_what_has_begun_is_done_though_its_client_has_gone(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, gate, relabel = threading.Event(), threading.Event(), ImageCollection.relabel

    def relabelled(images: ImageCollection, image_id: int, label: str | None) -> ImageInfo:
        began.set()
        assert gate.wait(PATIENCE)
        return relabel(images, image_id, label)

    monkeypatch.setattr(ImageCollection, "relabel", relabelled)

    async def test() -> None:
        client = Client({"type": "http.request", "body": b'{"label": "late"}'})
        asked = client.ask(app, "PATCH", "/v1/images/3", b"application/json")
        await until(began.is_set)
        client.goes.set()
        await asked
        assert app.service.changes.taken == 1
        gate.set()
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


class Sender:
    """A client that sends what the test has it send, when it is watched, too."""

    def __init__(self) -> None:
        self.asked = 0
        self._messages: asyncio.Queue[Message] = asyncio.Queue()

    def sends(self, body: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def goes(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        self.asked += 1
        return await self._messages.get()

    def ask(self, app: Any) -> asyncio.Task[None]:
        async def send(message: Message) -> None:
            pass

        return asyncio.create_task(Presence(app, 0.001)({"type": "http"}, self.receive, send))


@pytest.mark.parametrize("more", [True, False])
def test_who_reads_is_woken_by_what_comes_while_it_is_watched(more: bool) -> None:
    async def test() -> None:
        client, read = Sender(), list[bytes]()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            read.append((await receive())["body"])
            # As long as it takes to write a part to a file.
            await until(lambda: client.asked == 2)
            reading = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            client.sends(b"b", more=more)
            read.append((await reading)["body"])

        client.sends(b"a")
        await client.ask(app)
        assert read == [b"a", b"b"]

    run(test())


def test_who_has_sent_a_part_while_it_was_watched_is_watched_again() -> None:
    async def test() -> None:
        client, cancelled = Sender(), asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await until(lambda: client.asked == 2)
            client.sends(b"b")
            await receive()
            client.goes()
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                cancelled.set()

        client.sends(b"a")
        await client.ask(app)
        assert cancelled.is_set()

    run(test())


def test_no_more_than_one_part_is_read_ahead() -> None:
    async def test() -> None:
        client, read = Sender(), bytearray()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            # Many times as long as it takes to be watched.
            await asyncio.sleep(0.03)
            assert client.asked == 2
            for _ in range(3):
                read.extend((await receive())["body"])

        for part in (b"a", b"b", b"c", b"d"):
            client.sends(part)
        await client.ask(app)
        assert read == b"bcd"

    run(test())


@contextmanager
def served(app: Any) -> Iterator[int]:
    """Serve an application, and give the port."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield int(bound.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        thread.join(PATIENCE)
        bound.close()


def test_a_large_form_that_comes_slowly_is_read_whole() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with Request(scope, receive).form() as form:
            size = getattr(form["a"], "size", 0)
        await Response(str(size))(scope, receive, send)

    # What is beyond 1 MiB is written by threads, and the client is watched meanwhile.
    content = bytes(3 << 20)
    head = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    body = head + content + b"\r\n--b--\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n"
    with (
        served(Presence(app, 0.0002)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + kind)
        client.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 1 << 15):
            client.sendall(body[start : start + (1 << 15)])
            time.sleep(0.004)
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.endswith(b"\r\n\r\n%d" % len(content))


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

"""Large answers: piece by piece, no more of them than there is room for, and none is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Message

from engine import Engine
from server.app import create_app
from server.jobs.work import Work
from server.options import ServerLimits, ServerOptions
from server.requests.bodies import BodyBudget
from server.responses.large_answers import LARGE, PIECE, LargeAnswers

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


@pytest.fixture
def bodies() -> BodyBudget:
    """Room for one large answer."""
    return BodyBudget(ServerLimits(all_bodies_bytes=3 * LARGE))


class Client:
    """A client that takes an answer when the test lets it."""

    def __init__(self) -> None:
        self.takes, self.began = asyncio.Event(), asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        # It sends nothing, and stays.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.began.set()
        await self.takes.wait()

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)


def test_an_answer_counts_until_it_is_taken(bodies: BodyBudget) -> None:
    content = bytes(range(256)) * (2 * LARGE // 256) + b"end"
    app = LargeAnswers(Response(content), bodies)

    async def test() -> None:
        first, second = Client(), Client()
        sending = asyncio.create_task(app(SCOPE, first.receive, first.send))
        await first.began.wait()
        assert bodies.taken == len(content)
        second.takes.set()
        await app(SCOPE, second.receive, second.send)
        assert second.sent[0]["status"] == 503
        first.takes.set()
        await sending
        assert (first.sent[0]["status"], first.body) == (200, content)
        assert max(len(each.get("body", b"")) for each in first.sent) == PIECE
        assert [each["more_body"] for each in first.sent[-2:]] == [True, False]

    asyncio.run(test())
    assert bodies.taken == 0


def test_an_answer_whose_client_goes_counts_no_longer(bodies: BodyBudget) -> None:
    async def test() -> None:
        client, app = Client(), LargeAnswers(Response(bytes(2 * LARGE)), bodies)
        sending = asyncio.create_task(app(SCOPE, client.receive, client.send))
        await client.began.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(test())
    assert bodies.taken == 0


def test_what_is_small_or_comes_in_pieces_does_not_count() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(LARGE)

    size = {"content-length": str(4 * LARGE)}
    answers = [Response(bytes(LARGE)), StreamingResponse(pieces(), headers=size)]

    async def test() -> None:
        for answer in answers:
            client, none = Client(), BodyBudget(ServerLimits(all_bodies_bytes=0))
            client.takes.set()
            await LargeAnswers(answer, none)(SCOPE, client.receive, client.send)
            assert client.sent[0]["status"] == 200
            assert len(client.body) in (LARGE, 4 * LARGE)

    asyncio.run(test())


def test_the_result_of_a_job_is_such_an_answer(indexed: Engine) -> None:
    app = create_app(indexed, ServerOptions(limits=ServerLimits(all_bodies_bytes=LARGE)))
    jobs = app.service.jobs
    job = jobs.submit(Work("map", "Much", lambda _: "y" * 2 * LARGE, writes=False))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5000)) as client:
        client.get(f"/v1/jobs/{job.id}/events")
        answer = client.get(f"/v1/jobs/{job.id}")
        assert (answer.status_code, answer.json()["type"]) == (503, "BusyError")
        assert client.get("/v1/jobs").status_code == 200
    app.service.close(60)

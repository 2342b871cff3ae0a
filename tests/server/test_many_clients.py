"""Many clients at once: none changes what another one gets, and what is too much is refused."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.types import Message

from engine import Engine
from engine.export.plain import plain
from engine.pictures.read import NamedBytes
from server.app import Application, create_app
from server.options import ServerLimits, ServerOptions

ASKED: list[dict[str, Any]] = [
    {"k": 1},
    {"k": 12},
    {"k": 5, "rank": "plain"},
    {"k": 5, "where": ["label=bed"]},
    {"k": 5, "where": ["width>=1"], "min_score": 0.9},
    {"k": 3, "crop": "0,0,.5,.5"},
    {"k": 3, "same_category": True},
]


async def post(app: Application, path: str, content: bytes) -> tuple[int, dict[bytes, bytes], Any]:
    """Return status, headers and JSON of an answer."""
    sent: list[Message] = []
    messages = [{"type": "http.request", "body": content}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    kind = [(b"host", b"localhost"), (b"content-type", b"image/jpeg")]
    kind.append((b"content-length", str(len(content)).encode()))
    await app(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query.encode(),
            "headers": kind,
        },
        receive,
        send,
    )
    body = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(body)


def test_no_request_changes_what_another_one_is_answered(indexed: Engine, images: Path) -> None:
    """Whoever asks for more, for less or otherwise does so for himself alone."""
    pictures = [each.read_bytes() for each in sorted(images.rglob("*.jpg"))[:6]]
    questions = [(asked, picture) for asked in ASKED for picture in pictures]
    before = indexed.config
    alone = [
        plain(indexed.search(NamedBytes.of(picture, "picture 1"), **asked))
        for asked, picture in questions
    ]
    app = create_app(indexed, ServerOptions(limits=ServerLimits(threads=8, waiting=500)))

    async def together() -> list[tuple[int, dict[bytes, bytes], Any]]:
        return await asyncio.gather(
            *(
                post(app, f"/v1/search?{urlencode(asked, doseq=True)}", picture)
                for asked, picture in questions * 3
            )
        )

    answers = asyncio.run(together())
    assert [answer for _, _, answer in answers] == alone * 3
    assert indexed.config == before
    assert app.service.close(30)


def test_the_engine_s_settings_cannot_be_set(indexed: Engine) -> None:
    for each in (indexed.config, indexed.config.urls, ServerOptions(), ServerLimits()):
        for field in fields(each):
            with pytest.raises(FrozenInstanceError):
                setattr(each, field.name, None)


def test_a_flood_is_refused_and_what_was_taken_is_answered(indexed: Engine, images: Path) -> None:
    picture = next(images.rglob("*.jpg")).read_bytes()
    limits = ServerLimits(threads=1, waiting=5, retry_seconds=2)
    app = create_app(indexed, ServerOptions(limits=limits))

    async def flood() -> list[tuple[int, dict[bytes, bytes], Any]]:
        return await asyncio.gather(*(post(app, "/v1/search", picture) for _ in range(60)))

    answers = asyncio.run(flood())
    counted = Counter(status for status, _, _ in answers)
    assert set(counted) == {200, 503}
    assert counted[200] >= 6
    for status, headers, told in answers:
        if status == 503:
            assert headers[b"retry-after"] == b"2"
            assert told["type"] == "BusyError"
    # And then there is room again.
    assert asyncio.run(post(app, "/v1/search", picture))[0] == 200
    assert app.service.close(30)

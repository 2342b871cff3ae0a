"""What a client may send: how much of it, how fast, and in which form."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain, repeat
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from server.options import ServerLimits, ServerOptions
from server.requests.asked import asked_about
from server.requests.bodies import json_body
from server.responses.problems import RefusedError
from tests.server.conftest import NewClient

JPEG = {"content-type": "image/jpeg"}
SMALL = ServerOptions(limits=ServerLimits(upload_bytes=20_000, body_bytes=100, pictures=3))


def refused(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == "BodyError"
    assert answer.json()["remedy"]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff" + bytes(300)])
def test_what_is_no_picture_is_told_as_the_engine_tells_it(
    reader: TestClient, content: bytes
) -> None:
    answer = reader.post("/v1/search", content=content, headers=JPEG)
    assert (answer.status_code, answer.json()["type"]) == (422, "ImageError")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "image", "video/mp4"])
def test_other_kinds_of_bodies_are_refused(reader: TestClient, bed: bytes, kind: str) -> None:
    refused(reader.post("/v1/search", content=bed, headers={"content-type": kind}), 415)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b'{"ids": []}', b'{"ids": 3}', b'{"ids": ["3"]}'),
        *(b'{"ids": [true]}', b'{"ids": [1.5]}', b'{"ids": [NaN]}', b"\xff", b"[" * 200_000),
        b'{"ids": [' + b"1," * 100 + b"1]}",
    ],
)
def test_what_are_no_ids_is_refused(reader: TestClient, body: bytes) -> None:
    kind = {"content-type": "application/json"}
    refused(reader.post("/v1/search", content=body, headers=kind), 400)


@pytest.mark.parametrize("number", [0, -3, 2**63, 10**60])
def test_ids_out_of_range_are_named(reader: TestClient, number: int) -> None:
    answer = reader.post("/v1/search", json={"ids": [number]})
    assert (answer.status_code, answer.json()["type"]) == (400, "UsageError")


def test_a_picture_that_is_too_large_is_refused(new_client: NewClient) -> None:
    client = new_client(SMALL)
    refused(client.post("/v1/search", content=bytes(20_001), headers=JPEG), 413)
    refused(client.post("/v1/search", files={"a": bytes(20_001)}), 413)
    assert client.post("/v1/search", content=bytes(20_000), headers=JPEG).status_code == 422


def test_its_size_counts_whatever_it_says_of_it(new_client: NewClient) -> None:
    def parts() -> Iterable[bytes]:
        for _ in range(3):
            yield bytes(9_000)

    refused(new_client(SMALL).post("/v1/search", content=parts(), headers=JPEG), 413)


def test_a_body_without_pictures_is_small(new_client: NewClient) -> None:
    client = new_client(SMALL)
    refused(client.post("/v1/search", json={"ids": [1] * 100}), 413)
    refused(client.patch("/v1/images/3", json={"label": "x" * 100}), 413)


def test_a_form_has_few_pictures(new_client: NewClient, bed: bytes) -> None:
    client = new_client(SMALL)
    refused(client.post("/v1/search", files=[("a", b"x")] * 4), 400)
    refused(client.post("/v1/search", data={"a": "no file"}, files={}), 415)


@pytest.mark.parametrize(
    "content", [b"", b"--b\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"]
)
def test_a_broken_form_is_refused(reader: TestClient, content: bytes) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    refused(reader.post("/v1/search", content=content, headers=kind), 400)
    without_boundary = {"content-type": "multipart/form-data"}
    refused(reader.post("/v1/search", content=content, headers=without_boundary), 400)


@pytest.mark.parametrize("kind", [b"image/jpeg", b"multipart/form-data; boundary=b"])
def test_a_body_that_comes_too_slowly_is_refused(kind: bytes) -> None:
    pieces = chain([b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'], repeat(b"x"))

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": next(pieces), "more_body": True}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    limits = ServerLimits(body_seconds=0.2)
    with pytest.raises(RefusedError) as caught:
        asyncio.run(asked_about(Request(scope, receive), limits))
    assert caught.value.status == 408


def test_json_that_comes_too_slowly_is_refused() -> None:
    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    scope = {"type": "http", "method": "PATCH", "headers": []}
    with pytest.raises(RefusedError) as caught:
        asyncio.run(json_body(Request(scope, receive), ServerLimits(body_seconds=0.05)))
    assert caught.value.status == 408


@pytest.mark.parametrize("codec", ["punycode", "undefined", "idna", "zip", "utf-7", "no-such"])
def test_a_client_chooses_no_codec(reader: TestClient, codec: str) -> None:
    field = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"\xff\xfeb" * 50
    kind = {"content-type": f"multipart/form-data; charset={codec}; boundary=b"}
    answer = reader.post("/v1/search", content=field + b"\r\n--b--\r\n", headers=kind)
    assert answer.status_code == 400


def test_all_clients_together_send_no_more_than_there_is_room_for(
    new_client: NewClient, bed: bytes
) -> None:
    room = len(bed) + 10
    client = new_client(ServerOptions(limits=ServerLimits(all_bodies_bytes=room)))
    for _ in range(3):
        assert client.post("/v1/search", content=bed, headers=JPEG).status_code == 200
    answer = client.post("/v1/search", content=bytes(room + 1), headers=JPEG)
    assert (answer.status_code, answer.json()["type"]) == (503, "BusyError")
    assert answer.headers["retry-after"] == "1"
    # Who does not say how much comes counts as much as may come.
    assert client.post("/v1/search", content=iter([bed]), headers=JPEG).status_code == 503


@pytest.mark.parametrize("path", ["/v1/teach", "/v1/jobs", "/v1/duplicates/resolve"])
def test_room_is_kept_for_what_is_said_as_json_too(new_client: NewClient, path: str) -> None:
    client = new_client(ServerOptions(limits=ServerLimits(all_bodies_bytes=100)))
    assert client.post(path, json={"a": 1}).status_code == 400
    assert client.post(path, json={"a": "b" * 100}).status_code == 503
    # Who does not say how much comes counts as much as may come.
    assert client.post(path, content=iter([b"{}"])).status_code == 503


def test_who_goes_while_sending_is_counted_and_no_fault(client: TestClient) -> None:
    async def gone() -> None:
        messages = iter(
            [
                {"type": "http.request", "body": b"abc", "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive() -> Message:
            return next(messages)

        async def send(_: Message) -> None:
            pass

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/search",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"image/jpeg")],
        }
        await client.app(scope, receive, send)  # type: ignore[operator]

    asyncio.run(gone())
    told = client.get("/metrics").text
    assert 'route="/v1/search",status="499"} 1.0' in told
    assert 'status="500"' not in told

"""Pictures that clients name by URLs: not unless it is allowed, and not from everywhere."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from engine import Engine
from engine.config import UrlLimits
from engine.errors import FetchError
from engine.export.plain import plain
from engine.pictures.read import NamedBytes
from engine.pictures.urls import STRANGERS
from engine.pictures.urls.addresses import Found
from server.app import create_app
from server.options import ServerLimits, ServerOptions
from server.requests.bodies import BodyBudget
from server.requests.fetches import Fetches
from server.work_queue import WorkQueue
from tests.server.conftest import NewClient
from tests.support.hostile_web import HostileServer
from tests.support.web import Site

# This machine, too: where the tests' own servers are.
ANYWHERE = ServerOptions(urls=UrlLimits(allowed=True, seconds=20))
GUARDED = ServerOptions(urls=STRANGERS)


def test_no_url_is_fetched_unless_it_is_allowed(reader: TestClient, site: Site) -> None:
    for route in ("search", "classify"):
        answer = reader.post(f"/v1/{route}", json={"urls": [site.serve("/a.jpg", b"x")]})
        assert (answer.status_code, answer.json()["type"]) == (403, "UrlError")
        assert "--allow-urls" in answer.json()["remedy"]
    assert not site.asked


def test_a_picture_of_the_web_is_searched_for_and_classified(
    new_client: NewClient, indexed: Engine, site: Site, bed: bytes
) -> None:
    client, url = new_client(ANYWHERE), site.serve("/bed.jpg", bed)
    named = NamedBytes.of(bed, url)
    found = client.post("/v1/search", params={"k": 3}, json={"urls": [url]})
    assert found.json() == plain(indexed.search(named, k=3))
    shown = client.post("/v1/classify", json={"urls": [url, url]})
    assert shown.json() == plain(indexed.classify([named, named]))


@pytest.mark.parametrize(
    "body",
    [
        {"urls": []},
        {"urls": "http://a/b"},
        {"urls": [7]},
        {"urls": ["file:///etc/passwd"]},
        {"urls": ["/etc/passwd"]},
        {"urls": ["s3://bucket/x.jpg"]},
        {"urls": ["az://container/x.jpg"]},
        {"urls": ["-"]},
        {"urls": ["http://a/" + "a" * 3000]},
        {"urls": ["http://a/b"] * 17},
        {"urls": ["http://a/b"], "ids": [1]},
    ],
)
def test_what_are_no_urls_is_refused(new_client: NewClient, body: object) -> None:
    answer = new_client(ANYWHERE).post("/v1/search", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_this_machine_and_its_network_are_not_fetched_from(
    new_client: NewClient, hostile: HostileServer, host: str
) -> None:
    # The one thing that is allowed here, so that it is the address that is refused.
    options = ServerOptions(urls=replace(STRANGERS, ports=(hostile.port,)))
    url = f"http://{host}:{hostile.port}/latest/meta-data/"
    answer = new_client(options).post("/v1/search", json={"urls": [url]})
    assert (answer.status_code, answer.json()["type"]) == (422, "FetchError")
    assert not hostile.requests


@pytest.mark.parametrize("port", [22, 8000, 65535])
def test_no_other_ports_are_asked(new_client: NewClient, port: int) -> None:
    url = f"http://pictures.example:{port}/"
    answer = new_client(GUARDED).post("/v1/search", json={"urls": [url]})
    assert (answer.status_code, answer.json()["type"]) == (422, "FetchError")
    assert f"port {port}" in answer.json()["reason"]


def fetched(options: ServerOptions, urls: list[str], **changes: object) -> list[bytes]:
    """Return what the service would fetch."""

    async def test() -> list[bytes]:
        queue = WorkQueue("fetches", 1, 1)
        try:
            fetches = Fetches(options, queue, BodyBudget(options.limits), **changes)  # type: ignore[arg-type]
            return await fetches.images(urls)
        finally:
            queue.close()

    return asyncio.run(test())


def test_a_resolver_that_changes_its_answer_leads_nowhere(hostile: HostileServer) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int, seconds: float) -> list[Found]:
        """Answer with a public address first, and with this machine ever after."""
        asked.append(host)
        return [(2, ("192.0.2.1" if len(asked) == 1 else "127.0.0.1", hostile.port))]

    options = ServerOptions(urls=replace(STRANGERS, seconds=1))
    for _ in range(2):
        # The address that was checked is the one that is connected to: 192.0.2.1 is nobody's.
        with pytest.raises(FetchError):
            fetched(options, ["http://rebinding.example/"], look_up=rebinding)
    assert asked == ["rebinding.example"] * 2
    assert not hostile.requests


def test_each_redirect_is_looked_up_and_checked_anew(hostile: HostileServer) -> None:
    asked: list[tuple[str, int]] = []

    def to_the_server(host: str, port: int, seconds: float) -> list[Found]:
        asked.append((host, port))
        return [(2, ("127.0.0.1", hostile.port))]

    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 302 Found\r\nLocation: http://metadata.example/\r\n\r\n"
    )
    internal_too = ServerOptions(urls=replace(STRANGERS, internal=True))
    with pytest.raises(FetchError, match="leads on more than 3 times"):
        fetched(internal_too, ["http://a.example/"], look_up=to_the_server)
    assert asked == [("a.example", 80)] + [("metadata.example", 80)] * 3
    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 302 Found\r\nLocation: http://metadata.example:6379/\r\n\r\n"
    )
    with pytest.raises(FetchError, match="port 6379"):
        fetched(internal_too, ["http://a.example/"], look_up=to_the_server)


def test_all_urls_of_a_request_bring_no_more_than_an_upload(site: Site) -> None:
    url = site.serve("/a.jpg", bytes(600))
    options = replace(ANYWHERE, limits=ServerLimits(upload_bytes=1000))
    assert fetched(options, [url]) == [bytes(600)]
    with pytest.raises(FetchError, match="larger"):
        fetched(options, [url, url])


def test_all_urls_of_a_request_take_no_longer_than_an_upload(site: Site) -> None:
    slow, quick = site.serve("/slow", b"ab", drip=True), site.serve("/quick", b"ab")
    options = replace(ANYWHERE, limits=ServerLimits(body_seconds=0.2))
    with pytest.raises(FetchError, match="took longer"):
        fetched(options, [quick, slow])


def test_what_was_fetched_counts_until_the_request_is_answered(
    indexed: Engine, site: Site, bed: bytes
) -> None:
    body = json.dumps({"urls": [site.serve("/bed.jpg", bed)] * 3}).encode()
    app = create_app(indexed, ANYWHERE)

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def test() -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with app.service.asked(request) as asked:
            assert asked.images == [bed] * 3
            assert app.service.bodies.taken == len(body) + 3 * len(bed)
        assert app.service.bodies.taken == 0

    asyncio.run(test())
    assert app.service.close(60)

"""Whether a service runs and can answer, what it has, and what it counted."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

from starlette.testclient import TestClient
from starlette.types import Message

from engine import Engine, TrainOptions
from engine.export.plain import plain
from engine.testing import FakeEmbedder
from server.app import create_app
from server.options import ServerLimits, ServerOptions


def test_a_service_that_runs_says_so(reader: TestClient) -> None:
    assert reader.get("/healthz").text == "ok\n"
    assert reader.get("/readyz").json() == {"ready": True}


def test_without_a_catalog_it_is_not_ready(fake_engine: Engine) -> None:
    with TestClient(create_app(fake_engine), base_url="http://localhost") as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (409, "StoreNotFoundError")


def test_who_asks_for_the_state_is_no_more_than_there_is_room_for(indexed: Engine) -> None:
    limits, gate = ServerLimits(state_threads=1, state_waiting=0), threading.Event()
    app = create_app(indexed, ServerOptions(limits=limits))

    async def asked(path: str) -> int:
        status = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
        await app(scope | {"headers": [(b"host", b"localhost")]}, receive, send)
        return status

    async def test() -> None:
        busy = asyncio.create_task(app.service.state.run(gate.wait))
        await asyncio.sleep(0)
        assert [await asked(path) for path in ("/readyz", "/metrics")] == [503, 503]
        busy.cancel()

    # The end of the loop does not wait for it, and the end of the service says that it goes on.
    asyncio.run(test())
    assert not app.service.close(0)
    gate.set()
    assert app.service.close(60)


def test_heads_are_listed_told_and_deleted(
    client: TestClient, indexed: Engine, images: Path
) -> None:
    assert client.get("/v1/heads").json() == []
    indexed.train(images, head="rooms", options=TrainOptions(fast=True, epochs=4))
    assert client.get("/v1/heads").json() == plain(list(indexed.heads))
    assert client.get("/v1/heads/rooms").json() == plain(indexed.heads["rooms"])
    assert client.get("/v1/heads/rooms/report").json() == plain(indexed.report("rooms"))
    assert client.get("/v1/categories").json() == indexed.images.categories()
    assert client.delete("/v1/heads/rooms").status_code == 204
    assert client.get("/v1/heads/rooms").status_code == 404


def test_duplicates_are_listed(client: TestClient, indexed: Engine, images: Path) -> None:
    first = sorted((images / "bed").iterdir())[0]
    (images / "bed" / "again.jpg").write_bytes(first.read_bytes())
    indexed.index([images])
    answer = client.get("/v1/duplicates", params={"level": "exact"})
    assert answer.json() == plain(indexed.duplicates(level="exact"))
    assert len(answer.json()) == 1


def test_the_store_s_state_is_told(client: TestClient, indexed: Engine) -> None:
    assert client.get("/v1/status").json() == plain(indexed.status())


def seconds_of(client: TestClient) -> dict[str, float]:
    """Return how often each stage was measured."""
    counted = re.findall(r'stage_seconds_count{stage="(\w+)"} (\S+)', client.get("/metrics").text)
    return {stage: float(count) for stage, count in counted}


def test_the_stages_of_a_question_are_measured(client: TestClient, bed: bytes) -> None:
    assert seconds_of(client) == {}
    assert client.post("/v1/search", json={"ids": [3]}).status_code == 200
    assert seconds_of(client) == {"search": 1, "sql": 1}
    kind = {"content-type": "image/jpeg"}
    asked = {"where": "label=bed"}
    assert client.post("/v1/search", params=asked, content=bed, headers=kind).status_code == 200
    assert seconds_of(client) == {"decode": 1, "embed": 1, "search": 2, "sql": 3}
    files = [("a", bed), ("b", bed)]
    assert client.post("/v1/classify", files=files).status_code == 200
    assert seconds_of(client) == {"decode": 3, "embed": 2, "search": 2, "sql": 3}
    # What cannot be decoded took no time that would say anything of others.
    client.post("/v1/search", content=b"no picture", headers=kind)
    assert seconds_of(client)["decode"] == 3


def test_images_and_the_lag_of_the_index_are_told(
    client: TestClient, indexed: Engine, images: Path
) -> None:
    def figure(name: str) -> str:
        return client.get("/metrics").text.partition(f"\nengine_{name} ")[2].split()[0]

    client.post("/v1/search", json={"ids": [3]})
    assert (figure("images"), figure("index_lag")) == ("12.0", "0.0")
    # Another engine on the same store, as another process is.
    with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as other:
        content = next(images.rglob("*.jpg")).read_bytes()
        for number in range(3):
            (images / f"new-{number}.jpg").write_bytes(content + bytes(number + 1))
        other.index([images])
    assert (figure("images"), figure("index_lag")) == ("15.0", "3.0")
    client.post("/v1/search", json={"ids": [3]})
    assert figure("index_lag") == "0.0"


def test_requests_are_counted_by_route(client: TestClient) -> None:
    for number in (3, 5, 4711):
        client.get(f"/v1/images/{number}")
    client.get("/made/up")
    text = client.get("/metrics").text
    route = 'method="GET",route="/v1/images/{image_id}"'
    assert f'engine_requests_total{{{route},status="200"}} 2.0' in text
    assert f'engine_requests_total{{{route},status="404"}} 1.0' in text
    assert "made" not in text
    assert 'engine_queue_depth{queue="pictures"} 0.0' in text

"""Jobs over HTTP: begun, followed, cancelled, forgotten, refused; what waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from engine import Engine
from engine.export.plain import plain
from server.app import create_app
from server.jobs.kinds import KINDS
from server.jobs.work import Work
from server.options import ServerLimits, ServerOptions
from tests.server.conftest import NewClient

PATIENCE = 60.0
Hold = Callable[..., AbstractContextManager[str]]


def events(client: TestClient, job_id: str) -> list[dict[str, Any]]:
    """Return what is told of a job until it ends."""
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    parts = [part.split("\n") for part in text.split("\n\n") if part]
    return [json.loads(data.removeprefix("data: ")) for event, data in parts]


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    """Wait for a job's end, and return it with its result."""
    events(client, job_id)
    return dict(client.get(f"/v1/jobs/{job_id}").json())


@pytest.fixture
def served(indexed: Engine) -> Iterator[tuple[TestClient, Hold]]:
    """A client, and what holds a job running for the length of a `with` block."""
    app = create_app(indexed, ServerOptions(limits=ServerLimits(jobs_waiting=1)))

    @contextmanager
    def hold(*, writes: bool = True) -> Iterator[str]:
        begun, go = Event(), Event()

        def waits(engine: Engine) -> str:
            while not go.wait(0.01):
                engine._session.reporter.progress("holding", 1, 2, "hands")
                begun.set()
            return "let go"

        job = app.service.jobs.submit(Work("index", "Hold", waits, writes=writes))
        assert begun.wait(PATIENCE)
        try:
            yield job.id
        finally:
            go.set()

    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5000)) as client:
        yield client, hold
    app.service.close(PATIENCE)


def test_a_job_is_begun_and_its_result_is_what_the_route_answers(client: TestClient) -> None:
    begun = client.post("/v1/jobs", json={"kind": "duplicates", "level": "exact"})
    job = begun.json()
    assert (begun.status_code, begun.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert set(job) == {
        "id",
        "kind",
        "title",
        "state",
        "created_at",
        "started_at",
        "ended_at",
        "progress",
        "announcements",
        "problem",
    }
    done = ended(client, job["id"])
    assert (done["state"], done["kind"]) == ("done", "duplicates")
    assert done["result"] == client.get("/v1/duplicates", params={"level": "exact"}).json()


def test_jobs_are_listed_newest_first_and_in_pages(client: TestClient) -> None:
    ids = [client.post("/v1/jobs", json={"kind": "duplicates"}).json()["id"] for _ in range(3)]
    ended(client, ids[-1])
    page = client.get("/v1/jobs").json()
    assert ([job["id"] for job in page["jobs"]], page["cursor"]) == (ids[::-1], None)
    assert "result" not in page["jobs"][0]
    first = client.get("/v1/jobs", params={"limit": 2}).json()
    assert first["cursor"] == ids[1]
    last = client.get("/v1/jobs", params={"limit": 2, "cursor": ids[1]}).json()
    assert ([job["id"] for job in last["jobs"]], last["cursor"]) == ([ids[0]], None)


def test_a_job_is_told_of_until_it_ends(served: tuple[TestClient, Hold]) -> None:
    client, hold = served
    with hold() as job_id:
        assert client.delete(f"/v1/jobs/{job_id}").status_code == 202
        told = events(client, job_id)
    assert (told[0]["id"], told[-1]["state"]) == (job_id, "cancelled")
    assert told[-1]["progress"] == {"task": "holding", "done": 1, "total": 2, "unit": "hands"}


def test_a_job_that_is_over_is_forgotten(client: TestClient) -> None:
    job_id = client.post("/v1/jobs", json={"kind": "duplicates"}).json()["id"]
    ended(client, job_id)
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    for answer in (
        client.delete(f"/v1/jobs/{job_id}"),
        client.get(f"/v1/jobs/{job_id}"),
        client.get(f"/v1/jobs/{job_id}/events"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "UnknownJobError")


def test_a_change_during_a_job_that_writes_names_the_job(
    served: tuple[TestClient, Hold], indexed: Engine
) -> None:
    client, hold = served
    with hold() as job_id:
        for answer in (
            client.patch("/v1/images/1", json={"label": "x"}),
            client.delete("/v1/images/1"),
            client.delete("/v1/heads/rooms"),
        ):
            assert answer.status_code == 409
            assert answer.json()["type"] == "StoreLockedError"
            assert job_id in answer.json()["reason"]
            assert answer.headers["retry-after"]
    assert indexed.images[1].label != "x"


def test_reads_and_other_changes_go_on_during_jobs(
    served: tuple[TestClient, Hold], bed: bytes
) -> None:
    client, hold = served
    raw = {"content-type": "image/jpeg"}
    with hold():
        assert client.post("/v1/search", content=bed, headers=raw).status_code == 200
        assert client.get("/v1/status").status_code == 200
    with hold(writes=False):
        assert client.patch("/v1/images/1", json={"label": "x"}).status_code == 200


def test_too_many_jobs_are_refused(served: tuple[TestClient, Hold]) -> None:
    client, hold = served
    with hold():
        assert client.post("/v1/jobs", json={"kind": "duplicates"}).status_code == 202
        answer = client.post("/v1/jobs", json={"kind": "duplicates"})
        assert (answer.status_code, answer.json()["type"]) == (503, "BusyError")
        assert client.post("/v1/heads", json={"name": "x"}).status_code == 503


def test_jobs_are_counted(served: tuple[TestClient, Hold]) -> None:
    client, hold = served
    with hold():
        assert 'engine_jobs{kind="index",state="running"} 1.0' in client.get("/metrics").text


def test_a_folder_that_was_indexed_is_indexed_anew(
    client: TestClient, indexed: Engine, images: Path, bed: bytes
) -> None:
    (images / "bed" / "new.jpg").write_bytes(bed + b"more")
    body = {"paths": [str(images / "bed")], "label": "parent"}
    done = ended(client, client.post("/v1/index", json=body).json()["id"])
    assert (done["kind"], done["state"], done["result"]["added"]) == ("index", "done", 1)
    done = ended(client, client.post("/v1/index").json()["id"])
    assert (done["state"], done["result"]["images"]) == ("done", 13)
    assert client.post("/v1/index", json={"paths": ["/etc"]}).status_code == 403


def test_a_head_is_trained(client: TestClient, indexed: Engine) -> None:
    begun = client.post("/v1/heads", json={"name": "rooms", "from": "labels", "fast": True})
    done = ended(client, begun.json()["id"])
    assert (begun.status_code, done["kind"], done["state"]) == (202, "train", "done")
    assert done["result"]["head"] == "rooms"
    assert client.get("/v1/heads").json() == plain(list(indexed.heads))
    assert client.post("/v1/heads", json={"name": "imagenet"}).status_code == 400


def test_pictures_that_are_sent_stay(new_client: NewClient, tmp_path: Path, bed: bytes) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    client = new_client(ServerOptions(folder=folder))
    files = [("a", ("../up.jpg", bed + b"1")), ("b", ("up.jpg", bed + b"2"))]
    begun = client.post("/v1/images", files=files)
    done = ended(client, begun.json()["id"])
    assert (begun.status_code, done["state"], done["result"]["added"]) == (202, "done", 2)
    paths = [image["path"] for image in client.get("/v1/images").json()["images"]][-2:]
    assert {Path(path).parent for path in paths} == {folder}
    assert sorted(Path(path).read_bytes() for path in paths) == [bed + b"1", bed + b"2"]
    # What is deleted there is gone from the catalog with the next index of all folders.
    Path(paths[0]).unlink()
    assert ended(client, client.post("/v1/index").json()["id"])["result"]["removed"] == 1


def test_what_is_no_picture_is_not_taken(new_client: NewClient, tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    client = new_client(ServerOptions(folder=folder))
    answer = client.post("/v1/images", files={"a": ("a.jpg", b"no picture")})
    assert (answer.status_code, answer.json()["type"]) == (422, "ImageError")
    answer = client.post("/v1/images", json={"ids": [1]})
    assert answer.status_code == 415
    assert not list(folder.iterdir())
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_without_a_folder_no_picture_is_taken(client: TestClient, bed: bytes) -> None:
    answer = client.post("/v1/images", files={"a": bed})
    assert (answer.status_code, answer.json()["type"]) == (403, "UploadError")
    assert "--folder" in answer.json()["remedy"]


CHANGES = [
    ("POST", "/v1/index", {}),
    ("POST", "/v1/images", {"ids": [1]}),
    ("POST", "/v1/heads", {"name": "x"}),
    *(("POST", "/v1/jobs", {"kind": kind}) for kind in KINDS),
    ("DELETE", "/v1/jobs/j000000000000", None),
    ("PATCH", "/v1/images/1", {"label": "x"}),
    ("DELETE", "/v1/images/1", None),
    ("DELETE", "/v1/heads/rooms", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_service_for_reading_begins_nothing(
    new_client: NewClient, method: str, path: str, body: object
) -> None:
    client = new_client(ServerOptions(read_only=True))
    answer = client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "ReadOnlyError")


def test_a_store_for_reading_is_not_changed(
    fake_embedder_store: Engine, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    engine = fake_embedder_store
    folder = engine.config.store.folder
    app = create_app(engine)
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5000)) as client:
        folder.chmod(0o555)
        with as_nobody():
            for method, path, body in CHANGES:
                answer = client.request(method, path, json=body)
                assert (answer.status_code, answer.json()["type"]) == (403, "ReadOnlyError")
            assert client.get("/v1/images").status_code == 200
        folder.chmod(0o755)
    app.service.close(PATIENCE)


@pytest.fixture
def fake_embedder_store(open_folder: Path, images: Path) -> Iterator[Engine]:
    """An engine on a store that every user reaches."""
    from engine import Config
    from engine.testing import FakeEmbedder

    config = Config.at(open_folder / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([images])
        yield engine


def test_no_more_clients_follow_jobs_than_may_and_each_counts_once(indexed: Engine) -> None:
    app = create_app(indexed, ServerOptions(limits=ServerLimits(listeners=2)))
    scope = {"type": "http", "method": "GET", "path": "/v1/jobs/events", "query_string": b""}
    scope |= {"headers": [(b"host", b"localhost")]}

    async def round_of(clients: int) -> list[int]:
        """Return the statuses of clients that come at once and go when all have been answered."""
        statuses, goes = list[int](), asyncio.Event()

        async def receive() -> Message:
            await goes.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            if len(statuses) == clients:
                goes.set()

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(app(dict(scope), receive, send) for _ in range(clients)))
        return sorted(statuses)

    async def test() -> None:
        for _ in range(2):
            assert await round_of(4) == [200, 200, 503, 503]

    asyncio.run(test())
    assert app.service.close(PATIENCE)

"""Jobs of a service that is a process of its own: beside searches, cancelled, killed, ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.end_to_end.test_serve import PATIENCE, Service, picture, serve
from tests.support.command import Run

pytestmark = pytest.mark.slow
Serve = Callable[..., Service]
MORE = 400

__all__ = ["serve"]


@pytest.fixture
def store(engine: Run, own_cache: Path, tmp_path: Path) -> Path:
    """A store with ten pictures, in whose folder there are many more by now."""
    from demo.catalog import draw_catalog

    pictures = tmp_path / "pictures"
    draw_catalog(pictures, 2)
    done = engine("index", pictures, "--store", tmp_path / "store", "--label", "parent")
    assert done.returncode == 0, done.stderr
    contents = [path.read_bytes() for path in sorted(pictures.rglob("*.jpg"))]
    (pictures / "more").mkdir()
    for number in range(MORE):
        content = contents[number % len(contents)] + b"%d" % number
        (pictures / "more" / f"{number}.jpg").write_bytes(content)
    return tmp_path / "store"


def events(service: Service, path: str) -> Iterator[dict[str, Any]]:
    """Yield what is told of jobs."""
    with urlopen(service.address + path, timeout=PATIENCE) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def begun(service: Service, path: str = "/v1/index", body: object = None) -> str:
    """Begin a job; return its id."""
    data = json.dumps(body or {}).encode()
    status, job = service.ask(path, data, content_type="application/json")
    assert status == 202, job
    return str(job["id"])


def reached(service: Service, job_id: str, least: int) -> dict[str, Any]:
    """Wait until a job has done so much of what it indexes."""
    for job in events(service, f"/v1/jobs/{job_id}/events"):
        progress = job["progress"]
        if progress and progress["task"] == "indexing" and progress["done"] >= least:
            return job
    pytest.fail("it ended before")


def ended(service: Service, job_id: str) -> dict[str, Any]:
    """Wait for a job's end; return it with its result."""
    *_, last = events(service, f"/v1/jobs/{job_id}/events")
    job = service.ask(f"/v1/jobs/{job_id}")[1]
    assert job["state"] == last["state"]
    return dict(job)


def delete(service: Service, job_id: str) -> int:
    request = Request(f"{service.address}/v1/jobs/{job_id}", method="DELETE")
    with urlopen(request, timeout=PATIENCE) as answer:
        return int(answer.status)


def require_order(engine: Run, store: Path) -> dict[str, Any]:
    """Insist that a store is in order; return its status."""
    done = engine("status", "--store", store, "--json")
    status = json.loads(done.stdout)
    assert (status["consistent"], status["problems"], status["writer"]) == (True, [], None)
    return dict(status)


def test_searches_go_on_while_a_job_indexes_and_it_can_be_cancelled(
    serve: Serve, engine: Run, store: Path
) -> None:
    service, data = serve(), picture(store)

    def require_answers() -> None:
        for path, body, kind in (
            ("/v1/search?k=1", data, "image/jpeg"),
            ("/v1/search?k=1", b'{"ids": [1]}', "application/json"),
            ("/v1/classify", data, "image/jpeg"),
        ):
            assert service.ask(path, body, content_type=kind)[0] == 200

    # The first ones wait for the backbone, which may take as long as the job.
    require_answers()
    job_id = begun(service)
    reached(service, job_id, 20)
    require_answers()
    assert service.ask(f"/v1/jobs/{job_id}")[1]["state"] == "running"
    status, problem = service.ask("/v1/heads", b'{"name": "x"}', content_type="application/json")
    assert status == 202, problem
    assert delete(service, problem["id"]) == 202
    assert delete(service, job_id) == 202
    assert ended(service, job_id)["state"] == "cancelled"
    found = require_order(engine, store)["images"]
    assert 10 + 20 - 1 <= found < 10 + MORE
    done = ended(service, begun(service))
    assert (done["state"], done["result"]["images"]) == ("done", 10 + MORE)
    assert done["result"]["added"] == 10 + MORE - found
    require_order(engine, store)


def test_a_change_while_a_job_indexes_names_the_job(serve: Serve, store: Path) -> None:
    service = serve()
    job_id = begun(service)
    reached(service, job_id, 1)
    request = Request(f"{service.address}/v1/images/1", b'{"label": "x"}', method="PATCH")
    with pytest.raises(OSError) as refused:
        urlopen(request, timeout=PATIENCE)
    problem = json.loads(refused.value.read())  # type: ignore[attr-defined]
    assert problem["status"] == 409
    assert job_id in problem["reason"]
    assert "another process" not in problem["detail"]


def test_a_service_that_is_killed_keeps_its_jobs_and_all_that_was_committed(
    serve: Serve, engine: Run, store: Path
) -> None:
    service = serve()
    duplicates = begun(service, "/v1/jobs", {"kind": "duplicates", "level": "exact"})
    before = ended(service, duplicates)
    assert before["state"] == "done"
    indexing, waiting = begun(service), begun(service, "/v1/jobs", {"kind": "suspects"})
    reached(service, indexing, 60)
    committed = len(service.ask("/v1/images?limit=1000")[1]["images"])
    service.process.send_signal(signal.SIGKILL)
    service.process.wait(PATIENCE)

    assert require_order(engine, store)["images"] >= committed
    again = serve()
    assert again.ask(f"/v1/jobs/{duplicates}")[1] == before
    for job_id in (indexing, waiting):
        job = again.ask(f"/v1/jobs/{job_id}")[1]
        assert (job["state"], job["result"]) == ("interrupted", None)
        assert job["ended_at"]
    assert [job["id"] for job in again.ask("/v1/jobs")[1]["jobs"]] == [
        waiting,
        indexing,
        duplicates,
    ]
    assert ended(again, begun(again))["result"]["images"] == 10 + MORE
    require_order(engine, store)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_the_service_stops_its_job_and_those_who_listen(
    serve: Serve, engine: Run, store: Path, by: signal.Signals
) -> None:
    service = serve()
    job_id = begun(service)
    listening = events(service, "/v1/jobs/events")
    next(listening)
    reached(service, job_id, 20)
    code, seconds = service.ended(by)
    assert code == 0
    assert seconds < 20
    assert list(listening)[-1]["id"] == job_id
    assert require_order(engine, store)["images"] >= 10 + 20 - 1
    assert serve().ask(f"/v1/jobs/{job_id}")[1]["state"] == "interrupted"


def test_a_damaged_file_of_jobs_is_set_aside(serve: Serve, store: Path) -> None:
    (store / "jobs.json").write_bytes(b"{")
    assert serve().ask("/v1/jobs")[1]["jobs"] == []
    assert (store / "jobs.json.damaged").read_bytes() == b"{"


def test_pictures_that_are_sent_are_found_when_it_starts_again(
    serve: Serve, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sent"
    folder.mkdir()
    service, data = serve("--folder", folder), picture(store) + b"sent"
    status, job = service.ask("/v1/images", data, content_type="image/jpeg")
    assert status == 202
    assert ended(service, job["id"])["result"]["added"] == 1
    service.process.kill()
    service.process.wait()
    (sent,) = folder.iterdir()
    found = serve().ask("/v1/search?k=1", data, content_type="image/jpeg")[1]["results"]
    assert found[0]["path"] == str(sent) or found[0]["score"] > 0.999


def test_a_folder_that_is_not_there_is_refused(engine: Run, store: Path, tmp_path: Path) -> None:
    done = engine("serve", "--store", store, "--port", "0", "--folder", tmp_path / "none")
    assert done.returncode == 2
    assert b"there is no such folder" in done.stderr

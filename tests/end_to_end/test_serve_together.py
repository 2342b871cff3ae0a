"""Several `engine serve` over one store, a folder or a database: what one does, the others know."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from sqlalchemy import make_url

from index.catalog.sql.urls import name_of
from index.store import find_store
from tests.support.command import Run
from tests.support.service import PATIENCE, Service, running_service

pytestmark = pytest.mark.slow
EACH = 8  # of each of five kinds of furniture
TOKEN = "a-token-of-all-processes"
Two = tuple[Service, Service]


@dataclass(frozen=True)
class Shop:
    """A store of furniture, and this machine's data."""

    store: str
    folder: Path
    pictures: Path

    @property
    def variables(self) -> dict[str, str]:
        """What makes a process one of this machine."""
        return {"ENGINE_DATA": str(self.folder / "data")}

    def running(self) -> AbstractContextManager[Service]:
        """Run one more service of the store, with the token of all."""
        token = self.folder / "token"
        token.write_text(TOKEN)
        given: Any = {"token": TOKEN, "env": self.variables}
        return running_service(self.store, "--token-file", token, **given)


@pytest.fixture(scope="module", params=["folder", "postgresql"])
def shop(
    request: pytest.FixtureRequest,
    engine: Run,
    ready: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    """A store in a folder, or in a database."""
    from demo.catalog import draw_catalog

    folder = tmp_path_factory.mktemp("together")
    store = str(folder / "store")
    if request.param == "postgresql":
        new_schema: Callable[[], str] = request.getfixturevalue("new_schema")
        store = name_of(make_url(new_schema()))
    shop = Shop(store, folder, folder / "pictures")
    draw_catalog(shop.pictures, EACH)
    arguments = "index", shop.pictures, "--store", store, "--label", "parent"
    done = engine(*arguments, env=shop.variables)
    assert done.returncode == 0, done.stderr
    return shop


@pytest.fixture(scope="module")
def two(shop: Shop) -> Iterator[Two]:
    """Two services of the store; the last test kills the first of them."""
    with ExitStack() as stack:
        yield stack.enter_context(shop.running()), stack.enter_context(shop.running())


def of(label: str, service: Service) -> list[int]:
    return [image["id"] for image in service.ask(f"/v1/images?where=label={label}")[1]["images"]]


def over(service: Service, job_id: str) -> dict[str, Any]:
    """Wait for a job's end; return it with its result."""
    *_, last = service.events(f"/v1/jobs/{job_id}/events")
    job = service.ask(f"/v1/jobs/{job_id}")[1]
    assert job["state"] == last["state"]
    return dict(job)


def begun(service: Service, path: str, body: object) -> str:
    status, job = service.ask(path, body)
    assert status == 202, job
    return str(job["id"])


def told(service: Service, job_id: str, is_so: Callable[[dict[str, Any]], object]) -> None:
    """Wait until a process tells something of a job."""
    assert any(is_so(job) for job in service.events(f"/v1/jobs/{job_id}/events"))


class NotFollowed(HTTPRedirectHandler):
    """Answers with the redirect itself."""

    def http_error_303(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Return it."""
        return fp


def test_what_one_process_changes_the_other_answers(two: Two, engine: Run, shop: Shop) -> None:
    first, second = two
    # A browser that was let in by one is let in by the other.
    link = Request(f"{first.address}/?token={TOKEN}")
    with build_opener(NotFollowed).open(link, timeout=PATIENCE) as answer:
        cookie = answer.headers["set-cookie"].partition(";")[0]
    assert second.ask("/v1/images", cookie=cookie)[0] == 200
    assert second.ask("/v1/images", cookie="x=y")[0] == 401

    bed, chair = of("bed", first), of("chair", first)
    data = next((shop.pictures / "bed").iterdir()).read_bytes()
    for service in two:
        assert service.ask("/v1/search?k=1", data)[1]["results"][0]["id"] in bed
        assert service.ask(f"/v1/images/{bed[0]}/thumbnail")[0] == 200

    # A head that one learns is known to the other, and so are the categories that it gives.
    head = begun(first, "/v1/heads", {"name": "shop", "from": "labels", "fast": True})
    assert over(second, head)["state"] == "done"
    assert [each["name"] for each in second.ask("/v1/heads")[1]] == ["shop"]
    assert second.ask("/v1/categories") == first.ask("/v1/categories")

    # A label, and judgements.
    assert first.ask(f"/v1/images/{bed[0]}", {"label": "kept"}, "PATCH")[0] == 200
    assert of("kept", second) == bed[:1]
    judged = {"category": "seat", "yes": chair, "no": bed}
    assert second.ask("/v1/judgements", judged, "PUT")[0] == 200
    told = first.ask("/v1/judgements?category=seat")[1]
    assert {*chair} <= {*json.dumps(told)} | {*_ints(told)}
    lesson = first.ask("/v1/teach", {"category": "seat", "yes": chair, "no": bed, "k": 3})
    assert lesson[0] == 200, lesson

    # Images that a command indexes, and that are forgotten.
    new = shop.pictures / "new.jpg"
    new.write_bytes(data + b"more")
    assert engine("index", new, "--store", shop.store, env=shop.variables).returncode == 0
    ids = []
    for service in two:
        results = service.ask("/v1/search?k=2", new.read_bytes())[1]["results"]
        ids += [hit["id"] for hit in results if hit["path"] == str(new)]
    assert len(ids) == 2
    assert first.ask(f"/v1/images/{ids[0]}", method="DELETE")[0] in (200, 204)
    assert second.ask(f"/v1/images/{ids[0]}/thumbnail")[0] == 404
    found = second.ask("/v1/search?k=5", new.read_bytes())[1]["results"]
    assert ids[0] not in [hit["id"] for hit in found]


def _ints(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _ints(each)
    elif isinstance(value, list):
        for each in value:
            yield from _ints(each)
    elif isinstance(value, int):
        yield value


def test_what_one_process_moves_to_the_trash_the_other_puts_back(
    two: Two, engine: Run, shop: Shop
) -> None:
    first, second = two
    source = next((shop.pictures / "bed").iterdir())
    copy = source.with_name("copy.jpg")
    copy.write_bytes(source.read_bytes())
    assert engine("index", shop.pictures, "--store", shop.store, env=shop.variables).returncode == 0
    [group] = first.ask("/v1/duplicates?level=exact")[1]
    keep, trash = (image["id"] for image in group["images"])
    status, moved = first.ask("/v1/duplicates/resolve", {"trash": [trash], "keep": [keep]})
    assert status == 200, moved
    assert second.ask("/v1/duplicates?level=exact")[1] == []
    assert moved["undo"] in [each["undo"] for each in second.ask("/v1/duplicates/undo")[1]]
    assert second.ask("/v1/duplicates/undo", {"undo": moved["undo"]})[0] == 200
    assert len(first.ask("/v1/duplicates?level=exact")[1]) == 1
    assert source.exists()
    assert copy.exists()


def test_jobs_of_all_processes_are_one_list_also_when_one_is_killed(
    two: Two, engine: Run, shop: Shop
) -> None:
    first, second = two
    (shop.pictures / "more.jpg").write_bytes(
        next((shop.pictures / "bed").iterdir()).read_bytes() + b"more"
    )
    with ExitStack() as stack:
        # A job that runs waits for this: nothing that is looked at ends before.
        writing = stack.enter_context(ExitStack())
        writing.enter_context(find_store(shop.store, data=shop.folder / "data").writer_lock())
        indexing = begun(first, "/v1/index", {})
        told(second, indexing, lambda job: job["announcements"])
        third = stack.enter_context(shop.running())
        waiting = begun(second, "/v1/jobs", {"kind": "duplicates", "level": "exact"})
        for service in (first, second, third):
            states = [(job["id"], job["state"]) for job in service.ask("/v1/jobs")[1]["jobs"]]
            assert states[:2] == [(waiting, "waiting"), (indexing, "running")]
            # A change names the job, wherever that runs.
            status, problem = service.ask("/v1/images/1", {"label": "x"}, "PATCH")
            assert (status, indexing in problem["detail"]) == (409, True), problem
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(PATIENCE)
        for service in (second, third):
            assert over(service, indexing)["state"] == "interrupted"
            assert over(service, waiting)["state"] == "done"
        # It is begun again by a process, and cancelled by another one.
        again = begun(third, "/v1/index", {})
        told(second, again, lambda job: job["announcements"])
        assert second.ask(f"/v1/jobs/{again}", method="DELETE")[0] == 202
        assert over(third, again)["state"] == "cancelled"
        writing.close()
        done = over(third, begun(second, "/v1/index", {}))
        assert (done["state"], done["result"]["images"]) == ("done", 5 * EACH + 3)
        assert third.ask(f"/v1/jobs/{again}", method="DELETE")[0] == 204
        assert again not in [job["id"] for job in second.ask("/v1/jobs")[1]["jobs"]]
    status = engine("status", "--store", shop.store, "--json", env=shop.variables)
    assert json.loads(status.stdout)["consistent"]

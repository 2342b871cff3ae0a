"""Duplicates over HTTP: listed, moved to the trash, remembered as none; all of it undone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from engine import Engine
from engine.export.plain import plain
from engine.pictures.walk_rules import TRASH
from server.app import create_app
from server.options import ServerOptions
from tests.server.conftest import NewClient
from tests.support.aside import Tree, tree
from tests.support.slow import until

SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def doubled(images: Path, indexed: Engine) -> Path:
    """A picture of the catalog that is there twice; the path of the second one."""
    source = sorted((images / "bed").iterdir())[0]
    copy = Path(shutil.copy2(source, images / "zz copy.jpg"))
    indexed.index([images])
    return copy


@pytest.fixture
def group(doubled: Path, client: TestClient) -> dict[str, Any]:
    """The one group of exact duplicates."""
    (found,) = client.get("/v1/duplicates", params={"level": "exact"}).json()
    return dict(found)


def ids(group: dict[str, Any]) -> tuple[int, int]:
    """The image that stays, and the one that may go."""
    by_path = {each["path"]: each["id"] for each in group["images"]}
    return by_path[group["keep"]], by_path[group["removable"][0]]


def shown(images: Path) -> Tree:
    return {name: each for name, each in tree(images).items() if TRASH not in name}


def test_to_list_what_can_be_undone_takes_no_thread_from_those_who_read(indexed: Engine) -> None:
    app = create_app(indexed, ServerOptions())
    with TestClient(app, base_url="http://localhost:8000", client=("127.0.0.1", 5000)) as client:
        app.service.slow.taken = 10_000
        assert client.get("/v1/duplicates/undo").status_code == 503
        assert client.get("/v1/images").status_code == 200
        app.service.slow.taken = 0
        assert client.get("/v1/duplicates/undo").json() == []


def test_groups_say_what_is_known_of_each_image(
    group: dict[str, Any], client: TestClient, indexed: Engine
) -> None:
    assert [group] == plain(indexed.duplicates(level="exact"))
    assert [each["path"] for each in group["images"]] == group["paths"]
    for each in group["images"]:
        image = client.get(f"/v1/images/{each['id']}").json()
        assert {name: image[name] for name in ("path", "width", "height", "label")} == {
            name: each[name] for name in ("path", "width", "height", "label")
        }
        assert each["bytes"] == Path(each["path"]).stat().st_size


def test_a_job_finds_the_same(group: dict[str, Any], client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"kind": "duplicates", "level": "exact"}).json()
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
    assert client.get(f"/v1/jobs/{job['id']}").json()["result"] == [group]


def test_what_goes_to_the_trash_comes_back(
    group: dict[str, Any], client: TestClient, images: Path
) -> None:
    before, (keep, other) = shown(images), ids(group)
    answer = client.post("/v1/duplicates/resolve", json={"trash": [other], "keep": [keep]})
    report = answer.json()
    assert (answer.status_code, report["moved"], report["skipped"]) == (200, 1, [])
    assert set(before) - set(shown(images)) == {Path(group["removable"][0]).name}
    assert client.get("/v1/duplicates", params={"level": "exact"}).json() == []
    (listed,) = client.get("/v1/duplicates/undo").json()
    assert (listed["undo"], listed["kind"], listed["paths"]) == (
        report["undo"],
        "trash",
        group["removable"],
    )
    undone = client.post("/v1/duplicates/undo", json={"undo": report["undo"]})
    assert undone.json() == {"restored": 1, "skipped": []}
    assert shown(images) == before
    assert client.get("/v1/duplicates", params={"level": "exact"}).json() == [group]
    assert client.get("/v1/duplicates/undo").json() == []


def test_it_comes_back_in_another_service(
    group: dict[str, Any], client: TestClient, images: Path, new_client: NewClient
) -> None:
    before, (keep, other) = shown(images), ids(group)
    body = {"trash": [other], "keep": [keep]}
    name = client.post("/v1/duplicates/resolve", json=body).json()["undo"]
    again = new_client(ServerOptions())
    assert again.post("/v1/duplicates/undo", json={"undo": name}).json()["restored"] == 1
    assert shown(images) == before


def test_what_is_no_duplicate_is_not_listed_until_that_is_undone(
    group: dict[str, Any], client: TestClient
) -> None:
    answer = client.post("/v1/duplicates/resolve", json={"distinct": list(ids(group))}).json()
    assert client.get("/v1/duplicates", params={"level": "exact"}).json() == []
    (listed,) = client.get("/v1/duplicates/undo").json()
    assert (listed["undo"], listed["kind"]) == (answer["undo"], "distinct")
    assert client.post("/v1/duplicates/undo", json={"undo": answer["undo"]}).status_code == 200
    assert client.get("/v1/duplicates", params={"level": "exact"}).json() == [group]


def test_nothing_is_moved_where_nothing_alike_would_stay(
    group: dict[str, Any], client: TestClient, images: Path
) -> None:
    before, (keep, other) = shown(images), ids(group)
    for body in ({"trash": [keep, other], "keep": [keep]}, {"trash": [keep], "keep": [4711]}):
        assert client.post("/v1/duplicates/resolve", json=body).status_code in (400, 404)
    assert shown(images) == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        7,
        {"trash": [1]},
        {"trash": [], "keep": [1]},
        {"trash": [1], "keep": []},
        {"trash": [True], "keep": [2]},
        {"trash": ["1"], "keep": [2]},
        {"trash": [1], "keep": [2], "distinct": [1, 2]},
        {"distinct": [1]},
        {"distinct": "12"},
        {"trash": list(range(1, 1002)), "keep": [2]},
    ],
)
def test_what_cannot_be_done_is_refused(reader: TestClient, body: object) -> None:
    answer = reader.post("/v1/duplicates/resolve", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")


@pytest.mark.parametrize(
    "body", [{}, [], {"undo": 7}, {"undo": "a", "more": 1}, {"undo": "a" * 101}]
)
def test_what_is_no_name_is_refused(reader: TestClient, body: object) -> None:
    answer = reader.post("/v1/duplicates/undo", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")


@SHARED
@given(
    name=st.one_of(
        st.text(max_size=100),
        st.sampled_from(
            [
                "../moved-20260131T120000Z",
                "/etc/passwd",
                "moved-20260131T120000Z",
                "moved-20260131T120000Z\0",
                "%2e%2e/moved-20260131T120000Z",
                "distinct-20260131T120000000000Z",
            ]
        ),
    )
)
def test_an_unknown_name_is_not_found(reader: TestClient, name: str) -> None:
    answer = reader.post("/v1/duplicates/undo", json={"undo": name})
    assert (answer.status_code, answer.json()["type"]) == (404, "UnknownUndoError")


def test_a_service_for_reading_moves_nothing(
    group: dict[str, Any], indexed: Engine, images: Path
) -> None:
    app = create_app(indexed, ServerOptions(read_only=True))
    before, (keep, other) = shown(images), ids(group)
    with TestClient(app, base_url="http://localhost:8000", client=("127.0.0.1", 5000)) as client:
        for body in ({"trash": [other], "keep": [keep]}, {"distinct": [keep, other]}):
            assert client.post("/v1/duplicates/resolve", json=body).status_code == 403
        assert client.post("/v1/duplicates/undo", json={"undo": "x"}).status_code == 403
    app.service.close(30)
    assert shown(images) == before

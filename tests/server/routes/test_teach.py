"""Teaching over HTTP: what to judge next, judgements, and a head of all of them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from engine import Engine
from engine.export.plain import plain
from server.app import create_app
from server.options import ServerLimits, ServerOptions
from tests.server.conftest import NewClient

JPEG = {"content-type": "image/jpeg"}
# More than any queue takes.
FULL = 10_000
# The ids of the beds, the chairs and the lamps.
BEDS, OTHERS = [1, 2, 3, 4], [5, 6, 7, 8, 9, 10, 11, 12]


def test_a_lesson_is_the_engine_s(client: TestClient, indexed: Engine) -> None:
    asked = {"category": "bright", "yes": [1, 2], "no": [5, 9], "k": 3}
    answer = client.post("/v1/teach", json=asked)
    assert answer.status_code == 200
    assert answer.json() == plain(indexed.teach("bright", [1, 2], [5, 9], 3))
    assert len(answer.json()["ask"]) == 3


def test_lessons_wait_for_no_picture_nor_pictures_for_lessons(indexed: Engine, bed: bytes) -> None:
    app = create_app(indexed, ServerOptions())
    pictures, lessons = app.service.pictures, app.service.lessons
    asked = {"category": "bright", "yes": [1, 2], "no": [5, 9]}
    with TestClient(app, base_url="http://localhost:8000", client=("127.0.0.1", 5000)) as client:
        pictures.taken = FULL
        assert client.post("/v1/teach", json=asked).status_code == 200
        pictures.taken, lessons.taken = 0, FULL
        assert client.post("/v1/teach", json=asked).status_code == 503
        assert client.post("/v1/search", content=bed, headers=JPEG).status_code == 200
        depth = f'engine_queue_depth{{queue="lessons"}} {FULL:.1f}'
        assert depth in client.get("/metrics").text
        lessons.taken = 0


def test_what_is_judged_is_listed_and_taken_back(client: TestClient) -> None:
    said = {"category": "bed", "yes": [1, 2], "no": [9]}
    assert client.put("/v1/judgements", json=said).json() == said
    client.put("/v1/judgements", json={"category": "Bed", "no": [5], "forget": [2]})
    assert client.get("/v1/judgements", params={"category": "bed"}).json() == {
        "category": "bed",
        "yes": [1],
        "no": [5, 9],
    }
    assert client.get("/v1/judgements").json() == [{"category": "bed", "yes": 1, "no": 2}]


def test_nothing_judged_is_an_answer(reader: TestClient) -> None:
    assert reader.get("/v1/judgements").json() == []
    empty = reader.get("/v1/judgements", params={"category": "bed"}).json()
    assert empty == {"category": "bed", "yes": [], "no": []}


def test_a_saved_lesson_is_a_head_and_classifies_the_catalog(
    client: TestClient, indexed: Engine
) -> None:
    body = {"category": "resting place", "yes": BEDS, "no": OTHERS[:4], "head": "taught"}
    answer = client.post("/v1/teach/save", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["head"]["name"] == "taught"
    assert told["head"]["categories"] == ["resting place"]
    assert told["changed"] == sum(
        each.category == "resting place" for each in indexed.images.page(limit=100).images
    )
    assert told["changed"] >= len(BEDS)
    assert told["categories"]["resting place"] == told["changed"]
    assert told["report"]["images"] == len(BEDS)
    assert client.get("/v1/judgements").json()[0]["yes"] == len(BEDS)


@pytest.mark.parametrize("path", ["/v1/teach", "/v1/teach/save"])
def test_unknown_images_are_named(reader: TestClient, path: str) -> None:
    body = {"category": "bed", "yes": [1, 4711], "no": [4712]}
    body |= {"head": "taught"} if path.endswith("save") else {}
    answer = reader.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "UnknownImageError")
    assert answer.json()["thing"] == "images 4711, 4712"
    assert reader.get("/v1/judgements").json() == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        None,
        {},
        {"category": 7},
        {"category": "bed", "yes": 7},
        {"category": "bed", "yes": [True]},
        {"category": "bed", "yes": ["7"]},
        {"category": "bed", "yes": [0]},
        {"category": "bed", "no": [2**63]},
        {"category": "bed", "k": 0},
        {"category": "bed", "k": 201},
        {"category": "bed", "k": "7"},
        {"category": "bed", "maybe": [7]},
        {"category": "bed", "yes": [1] * 11},
        {"category": "bed", "yes": list(range(1, 7)), "no": list(range(7, 13))},
    ],
)
def test_what_is_no_set_of_answers_is_refused(new_client: NewClient, body: Any) -> None:
    client = new_client(ServerOptions(limits=ServerLimits(judged=10)))
    answer = client.post("/v1/teach", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")
    assert client.put("/v1/judgements", json=body).status_code == 400


@pytest.mark.parametrize("category", ["", "  ", "\u200b", "x" * 201])
def test_what_is_no_category_is_refused(reader: TestClient, category: str) -> None:
    answer = reader.put("/v1/judgements", json={"category": category, "yes": [1]})
    assert (answer.status_code, answer.json()["type"]) == (400, "UsageError")
    assert reader.post("/v1/teach", json={"category": category}).status_code == 400


def test_an_image_has_one_answer(client: TestClient) -> None:
    body = {"category": "bed", "yes": [1, 2], "no": [2]}
    assert client.put("/v1/judgements", json=body).status_code == 400
    assert client.post("/v1/teach", json=body).status_code == 400
    again = {"category": "bed", "yes": [1], "forget": [1]}
    assert client.put("/v1/judgements", json=again).status_code == 400
    assert client.get("/v1/judgements").json() == []


def test_what_cannot_be_learned_stays_remembered(client: TestClient) -> None:
    body = {"category": "bed", "yes": [1], "no": [9], "head": "taught"}
    answer = client.post("/v1/teach/save", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "TrainingError")
    assert client.get("/v1/judgements").json() == [{"category": "bed", "yes": 1, "no": 1}]


def test_a_name_that_no_head_can_have_is_refused_before(reader: TestClient) -> None:
    body = {"category": "bed", "yes": [1], "no": [9], "head": "imagenet"}
    assert reader.post("/v1/teach/save", json=body).status_code == 400
    assert reader.get("/v1/judgements").json() == []


def test_a_service_for_reading_teaches_and_remembers_nothing(new_client: NewClient) -> None:
    client = new_client(ServerOptions(read_only=True))
    body = {"category": "bed", "yes": [1], "no": [9]}
    assert client.post("/v1/teach", json=body).status_code == 200
    assert client.put("/v1/judgements", json=body).status_code == 403
    assert client.post("/v1/teach/save", json={**body, "head": "taught"}).status_code == 403
    assert client.get("/v1/judgements").json() == []

"""Pictures and ids that are asked about: what the engine answers, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine import Engine, TrainOptions
from engine.export.plain import plain
from engine.pictures.read import NamedBytes

JPEG = {"content-type": "image/jpeg"}


def first(content: bytes) -> NamedBytes:
    """Return a picture that was sent without a name."""
    return NamedBytes.of(content, "picture 1")


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "application/octet-stream"])
def test_a_picture_is_searched_for_as_it_is_sent(
    client: TestClient, indexed: Engine, bed: bytes, kind: str
) -> None:
    answer = client.post("/v1/search", params={"k": 3}, content=bed, headers={"content-type": kind})
    assert answer.status_code == 200
    assert answer.json() == plain(indexed.search(first(bed), k=3))


def test_of_several_pictures_the_mean_is_searched_for(
    client: TestClient, indexed: Engine, images: Path
) -> None:
    files = [(each.name, each.read_bytes()) for each in sorted((images / "lamp").iterdir())[:2]]
    answer = client.post("/v1/search", files=[("pictures", each) for each in files])
    named = [NamedBytes.of(content, name) for name, content in files]
    assert answer.json() == plain(indexed.search(named))


def test_ids_are_searched_for(client: TestClient, indexed: Engine) -> None:
    answer = client.post("/v1/search", params={"k": 4}, json={"ids": [3, 5]})
    assert answer.json() == plain(indexed.search(ids=[3, 5], k=4))
    assert answer.json()["results"][0]["id"] in (3, 5)


@pytest.mark.parametrize(
    "asked",
    [
        {"where": ["label=bed", "width>=1"]},
        {"min_score": 0.99},
        {"rank": "plain"},
        {"crop": "0,0,.5,1"},
        {"same_category": True},
    ],
)
def test_every_parameter_is_the_engine_s(
    client: TestClient, indexed: Engine, bed: bytes, asked: dict[str, Any]
) -> None:
    answer = client.post("/v1/search", params=asked, content=bed, headers=JPEG)
    assert answer.json() == plain(indexed.search(first(bed), **asked))


def test_nothing_found_is_an_answer(reader: TestClient, bed: bytes) -> None:
    asked = {"where": ["label=piano"]}
    answer = reader.post("/v1/search", params=asked, content=bed, headers=JPEG)
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert "label=piano" in answer.json()["why_empty"]


def test_what_pictures_show_is_told_of_each(
    client: TestClient, indexed: Engine, images: Path, bed: bytes
) -> None:
    indexed.train(images, head="rooms", options=TrainOptions(fast=True, epochs=4))
    for asked in ({"k": 2}, {"head": "rooms"}, {"crop": "0,0,.5,.5"}):
        files = [("a", ("bed.jpg", bed)), ("b", ("bed.jpg", bed))]
        answer = client.post("/v1/classify", params=asked, files=files)
        named = [NamedBytes.of(bed, "bed.jpg")] * 2
        assert answer.json() == plain(indexed.classify(named, **asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("route", "asked", "status", "kind"),
    [
        ("search", {"k": "0"}, 400, "UsageError"),
        ("search", {"k": "many"}, 400, "UsageError"),
        ("search", {"k": "1001"}, 400, "UsageError"),
        ("search", {"min_score": "nan"}, 400, "UsageError"),
        ("search", {"min_score": "2"}, 400, "UsageError"),
        ("search", {"where": "label"}, 400, "FilterError"),
        ("search", {"where": "colour=red"}, 400, "FilterError"),
        ("search", {"rank": "best"}, 400, "UsageError"),
        ("search", {"crop": "1,2"}, 400, "UsageError"),
        ("search", {"crop": "0,0,99999,2"}, 422, "ImageError"),
        ("search", {"category": "no such thing"}, 404, "UnknownCategoryError"),
        ("classify", {"head": "none"}, 404, "UnknownHeadError"),
        ("classify", {"coverage": "0.9"}, 400, "UsageError"),
        ("classify", {"k": "-1"}, 400, "UsageError"),
    ],
)
def test_a_wrong_parameter_is_named(
    reader: TestClient, bed: bytes, route: str, asked: dict[str, str], status: int, kind: str
) -> None:
    answer = reader.post(f"/v1/{route}", params=asked, content=bed, headers=JPEG)
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(answer.json()[each] for each in ("title", "detail", "reason", "remedy"))


def test_ids_are_not_classified(reader: TestClient) -> None:
    assert reader.post("/v1/classify", json={"ids": [1]}).status_code == 415


def test_an_unknown_id_is_named(reader: TestClient) -> None:
    answer = reader.post("/v1/search", json={"ids": [4711]})
    assert (answer.status_code, answer.json()["thing"]) == (404, "image 4711")

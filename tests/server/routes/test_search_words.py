"""Words over HTTP: the same answers as the engine's, in every form in which they may be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine import Engine
from engine.export.plain import plain
from engine.pictures.read import NamedBytes
from engine.search.text.encoder import TextEncoder

ENCODER = TextEncoder()


@pytest.fixture(autouse=True)
def one_encoder(indexed: Engine) -> None:
    """Load the encoder once for all tests of this file."""
    indexed._recent_tower._encoder = ENCODER


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"text": "thing 3"}, {"text": "thing 3"}),
        ({"text": ["thing 3", "thing 9"]}, {"text": ["thing 3", "thing 9"]}),
        ({"ids": [2], "text": "thing 3"}, {"ids": [2], "text": "thing 3"}),
        ({"ids": [2, 5], "not": 7}, {"ids": [2, 5], "without_ids": [7]}),
        (
            {"ids": [2], "not": ["thing 4", 7]},
            {"ids": [2], "without_ids": [7], "without_text": ["thing 4"]},
        ),
        ({"text": "nevertheless"}, {"text": "nevertheless"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", [[], ["label!=bed"]], ids=str)
def test_an_object_of_words_is_answered_as_by_the_engine(
    client: TestClient,
    indexed: Engine,
    body: dict[str, Any],
    asked: dict[str, Any],
    where: list[str],
) -> None:
    answer = client.post("/v1/search", params={"k": 5, "where": where}, json=body)
    assert answer.status_code == 200, answer.text
    wanted = plain(indexed.search(k=5, where=where, **asked))
    assert answer.json() == wanted
    assert wanted["understood"] or "text" not in body


def test_a_form_has_pictures_as_files_and_words_as_fields(
    client: TestClient, indexed: Engine, images: Path
) -> None:
    bed, lamp = (sorted((images / each).iterdir())[0] for each in ("bed", "lamp"))
    answer = client.post(
        "/v1/search",
        data={"text": ["thing 3", "thing 9"], "not": ["thing 4"]},
        files=[("pictures", ("bed.jpg", bed.read_bytes())), ("not", ("l.jpg", lamp.read_bytes()))],
    )
    wanted = indexed.search(
        NamedBytes.of(bed.read_bytes(), "bed.jpg"),
        text=["thing 3", "thing 9"],
        without=NamedBytes.of(lamp.read_bytes(), "l.jpg"),
        without_text="thing 4",
    )
    assert answer.json() == plain(wanted)


def test_words_alone_may_come_as_a_form(client: TestClient, indexed: Engine) -> None:
    answer = client.post("/v1/search", files={"text": (None, "thing 3")})
    assert answer.json() == plain(indexed.search(text="thing 3"))


@pytest.mark.parametrize(
    "body",
    [
        *({"text": each} for each in (3, [], [3], None, ["x"] * 17, {"a": "b"})),
        *({"ids": [1], "not": each} for each in ([], [1.5], [True], [None], ["x"] * 17)),
        {"not": "wood"},
    ],
    ids=str,
)
def test_what_are_no_words_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/v1/search", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")


@pytest.mark.parametrize("text", ["", " ", "x" * 1001])
def test_words_that_are_none_are_refused_as_the_engine_does(client: TestClient, text: str) -> None:
    answer = client.post("/v1/search", json={"text": text})
    assert (answer.status_code, answer.json()["type"]) == (400, "UsageError")


def test_words_never_name_a_file_of_the_service(client: TestClient, images: Path) -> None:
    path = str(sorted((images / "bed").iterdir())[0])
    answer = client.post("/v1/search", json={"ids": [1], "not": [path]})
    assert answer.json()["without"] == []
    assert answer.json()["understood"][0]["text"] == path


def test_urls_that_are_subtracted_are_fetched_only_where_that_is_allowed(
    client: TestClient,
) -> None:
    body = {"ids": [1], "not": ["https://pictures.example.org/chair.jpg"]}
    answer = client.post("/v1/search", json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "UrlError")


def test_words_are_not_classified(client: TestClient) -> None:
    assert client.post("/v1/classify", json={"text": "sofa"}).status_code == 400

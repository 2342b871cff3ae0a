"""Pictures and words added and subtracted: the order of hits against the arithmetic in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, EmbeddedImages, Engine, ImageError, UsageError
from engine.search.text.encoder import TextEncoder
from engine.testing import CATEGORIES, FakeEmbedder
from index.catalog.tables.filters import Filter
from index.records import Floats, Ids, Vectors

ENCODER = TextEncoder()


@pytest.fixture(scope="module")
def indexed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with sixty pictures, labelled by folder; not to be changed."""
    config = Config.at(tmp_path_factory.mktemp("terms") / "store", dtype="float32")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([drawn], label="parent")
        engine._recent_tower._encoder = ENCODER
        yield engine


@pytest.fixture(scope="module")
def stored(indexed: Engine) -> tuple[Ids, Floats]:
    """The ids of all images, and their unit vectors."""
    ids, vectors = indexed._session.catalog().embeddings.all()
    return ids, vectors.unit


def of_text(engine: Engine, text: str) -> Floats:
    """Return the vector of a text by the formula: ConSE over the names, one by one."""
    weight = engine._session.embedder().built_in.layer.weight
    similarities = ENCODER.embed([text])[0] @ ENCODER.embed(CATEGORIES).T
    for row, name in enumerate(CATEGORIES):
        similarities[row] = 1 if name == text else min(similarities[row], 1)
    total = np.zeros(weight.shape[1])
    for row in np.argsort(-similarities, kind="stable")[:20]:
        centred = weight[row] - weight.mean(axis=0)
        total += np.exp(similarities[row] / 0.05) * centred / np.linalg.norm(centred)
    unit: Floats = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def wanted(engine: Engine, images: list[Floats], query: dict[str, Any], rows: Floats) -> Floats:
    """Return what a query means: the mean of what is added less half of what is subtracted."""
    plus = [*images, *(of_text(engine, each) for each in query.get("text", ()))]
    minus = [rows[each - 1] for each in query.get("without_ids", ())]
    minus += [of_text(engine, each) for each in query.get("without_text", ())]
    vector = np.mean(plus, axis=0) - (0.5 * np.mean(minus, axis=0) if minus else 0)
    unit: Floats = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


QUERIES: list[dict[str, Any]] = [
    {"text": ["thing 3"]},
    {"text": ["thing 3", "some things"]},
    {"text": ["thing 7"], "ids": [5]},
    {"text": ["thing 7"], "ids": [5, 31], "without_text": ["thing 12"]},
    {"ids": [9], "without_ids": [40]},
    {"ids": [9], "without_text": ["thing 0", "thing 1"], "without_ids": [40, 41]},
]
WHERE: list[list[str]] = [[], ["label!=bed"], ["text~lamp"]]


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("where", WHERE, ids=str)
def test_the_order_is_that_of_the_arithmetic(
    indexed: Engine, stored: tuple[Ids, Floats], query: dict[str, Any], where: list[str]
) -> None:
    ids, rows = stored
    assert ids.tolist() == list(range(1, 61))
    images = [rows[each - 1] for each in query.get("ids", ())]
    vector = wanted(indexed, images, query, rows)
    allowed = np.arange(1, 61)
    if where:
        allowed = indexed._session.catalog().images.matching(Filter.parse(where))
    scores = rows[allowed - 1] @ vector
    found = indexed.search(**query, where=where, k=60, rank="plain")
    order = np.argsort(-scores, kind="stable")
    assert [hit.id for hit in found] == allowed[order].tolist()
    assert np.abs([hit.score for hit in found] - scores[order]).max() < 1e-4
    # The order by surroundings is held to its own oracle for a vector as such.
    same = EmbeddedImages(["?"], Vectors.of(vector[None]), indexed._session.embedder().fingerprint)
    fused = indexed.search(**query, where=where, k=7)
    assert [h.id for h in fused] == [h.id for h in indexed.search(same, where=where, k=7)]


def test_pictures_that_are_handed_in_count_as_those_of_the_catalog(
    indexed: Engine, drawn: Path
) -> None:
    bed, lamp = (sorted((drawn / each).iterdir())[0] for each in ("bed", "lamp"))
    [one], [two] = (indexed.search(each, k=1).results for each in (bed, lamp))
    by_path = indexed.search(bed, text="thing 4", without=lamp, k=9)
    by_id = indexed.search(ids=[one.id], text="thing 4", without_ids=[two.id], k=9)
    assert [hit.id for hit in by_path] == [hit.id for hit in by_id]
    assert (by_path.query, by_path.without) == (f"{bed} + thing 4 - {lamp}", [str(lamp)])


def test_what_was_understood_is_told(indexed: Engine) -> None:
    report = indexed.search(text="thing 4", without_text="thing 9", k=3)
    assert [(each.text, each.subtracted) for each in report.understood] == [
        ("thing 4", False),
        ("thing 9", True),
    ]
    assert report.understood[0].categories[0] == "thing 4"
    assert (report.close, report.why_empty, report.images) == (None, None, [])


@pytest.mark.parametrize(
    "query",
    [
        {"text": "nevertheless"},
        {"text": ["thing 4", "nevertheless"]},
        {"ids": [3], "text": "nevertheless"},
        {"ids": [3], "without_text": "nevertheless"},
    ],
)
def test_what_is_not_understood_finds_nothing_and_says_so(
    indexed: Engine, query: dict[str, Any]
) -> None:
    report = indexed.search(**query)
    assert len(report) == 0
    assert "'nevertheless' is not understood" in str(report.why_empty)
    assert [each.text for each in report.understood if not each.categories] == ["nevertheless"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "no picture was named"),
        ({"without_text": "thing 1"}, "only what is subtracted"),
        ({"without_ids": [3]}, "only what is subtracted"),
        ({"text": "thing 1", "crop": "0,0,1,1"}, "no picture to take a part of"),
        ({"text": "thing 1", "same_category": True}, "no picture to classify"),
        ({"text": " "}, "no word in it"),
    ],
)
def test_a_query_that_means_nothing_is_refused(
    indexed: Engine, query: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        indexed.search(**query)


def test_words_for_a_path_are_refused_with_a_hint(indexed: Engine) -> None:
    with pytest.raises(ImageError, match="there is no such file") as caught:
        indexed.search("red sofa")
    assert "--text" in caught.value.remedy
    with pytest.raises(ImageError) as caught:
        indexed.classify("red sofa")
    assert "--text" not in caught.value.remedy, "words are not classified"

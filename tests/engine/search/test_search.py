"""Asking the facade: searching, filtering, and pictures that cannot be used."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine, ImageError, Skipped, UsageError
from engine.errors import FilterError
from engine.session.session import Session
from engine.testing import FakeEmbedder
from tests.support.meanwhile import meanwhile


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


@pytest.fixture
def bed(images: Path) -> Path:
    """One of the pictures."""
    return sorted((images / "bed").iterdir())[0]


def test_the_heads_asked_are_those_of_the_state_that_is_searched(
    indexed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed.train(head="rooms", from_labels=True)
    asked = {"ids": [1], "same_category": True, "k": 3}
    known = indexed.search([], **asked)
    assert known.category in ("bed", "chair", "lamp")
    seen = meanwhile(monkeypatch, Session, "ask", lambda: indexed.heads.delete("rooms").name)
    found = indexed.search([], **asked)
    assert seen == ["rooms"]
    assert found.category != known.category
    assert found == indexed.search([], **asked)


def test_an_image_finds_itself_first(indexed: Engine, images: Path) -> None:
    for path in images.rglob("*.jpg"):
        hit = indexed.search(path, k=1)[0]
        assert (hit.rank, hit.path, hit.label) == (1, str(path), path.parent.name)
        assert hit.score == pytest.approx(1, abs=1e-3)


@pytest.fixture
def measured(images: Path, tmp_path: Path) -> Callable[[float | None], Engine]:
    """A function that opens an engine whose backbone takes such a score for close."""

    def opened(close: float | None) -> Engine:
        config = Config.at(tmp_path / "measured")
        embedder = FakeEmbedder(config)
        embedder.backbone = replace(embedder.backbone, close=close)
        engine = Engine(config, embedder=embedder)
        engine.index([images], label="parent")
        return engine

    return opened


Measured = Callable[[float | None], Engine]


def test_the_most_similar_image_decides_whether_anything_is_close(
    measured: Measured, bed: Path
) -> None:
    with measured(0.9) as engine:
        best = max(hit.score for hit in engine.search(bed, where=["label=lamp"]))
    for close, wanted in ((best - 1e-4, True), (best + 1e-4, False)):
        with measured(close) as engine:
            assert engine.search(bed, where=["label=lamp"]).close is wanted
            assert engine.search(bed).close is True


def test_results_are_shown_though_nothing_is_close(measured: Measured, bed: Path) -> None:
    with measured(1.01) as engine:
        report = engine.search(bed, k=5)
    assert (len(report), report.close, report.why_empty) == (5, False, None)


def test_what_is_close_does_not_depend_on_the_least_score(measured: Measured, bed: Path) -> None:
    with measured(0.5) as engine:
        report = engine.search(bed, where=["label=lamp"], min_score=1)
    assert (len(report), report.close) == (0, True)


def test_where_no_image_fits_nobody_says_what_is_close(measured: Measured, bed: Path) -> None:
    with measured(0.5) as engine:
        assert engine.search(bed, where=["label=boat"]).close is None


def test_with_a_backbone_that_nobody_measured_nothing_is_said(
    measured: Measured, bed: Path
) -> None:
    with measured(None) as engine:
        assert engine.search(bed).close is None


@pytest.mark.parametrize("order", ["fused", "plain"])
def test_hits_come_best_first_with_their_ranks(indexed: Engine, bed: Path, order: str) -> None:
    report = indexed.search(bed, k=12, rank=order)
    assert report.order == order
    assert [hit.rank for hit in report] == list(range(1, 13))
    assert report[0].path == str(bed), "an image finds itself first"
    ranks = [hit.rank_score for hit in report][1:]
    assert ranks == sorted(ranks, reverse=True)


def test_a_plain_order_is_that_of_the_scores(indexed: Engine, bed: Path) -> None:
    report = indexed.search(bed, k=12, rank="plain")
    assert [hit.rank_score for hit in report] == [hit.score for hit in report]


def test_both_orders_are_of_the_same_images_and_scores(indexed: Engine, bed: Path) -> None:
    orders = [indexed.search(bed, k=12, rank=order) for order in ("fused", "plain")]
    one, other = ({hit.path: hit.score for hit in report} for report in orders)
    assert one == pytest.approx(other, abs=1e-6)


def test_there_is_no_third_order(indexed: Engine, bed: Path) -> None:
    with pytest.raises(UsageError, match="'best' is not a choice"):
        indexed.search(bed, rank="best")


def test_asking_for_more_than_there_are_gives_all(indexed: Engine, bed: Path) -> None:
    assert len(indexed.search(bed, k=1000)) == 12


@pytest.mark.parametrize("k", [0, -3, 2.5, math.nan, math.inf, True, "5"])
@pytest.mark.parametrize("verb", ["search", "classify"])
def test_a_number_of_results_that_cannot_be_is_refused(
    indexed: Engine, bed: Path, verb: str, k: Any
) -> None:
    with pytest.raises(UsageError, match="Use a whole number of 1 or more"):
        getattr(indexed, verb)(bed, k)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1.5, -2, "0.5", True])
def test_a_least_score_that_no_image_can_have_is_refused(
    indexed: Engine, bed: Path, score: Any
) -> None:
    with pytest.raises(UsageError, match="Use a number from -1 to 1"):
        indexed.search(bed, min_score=score)
    with pytest.raises(UsageError, match="Use a number from -1 to 1"):
        indexed.duplicates(score)


@pytest.mark.parametrize("score", [-1, 0, 1, np.float32(0.5)])
def test_every_score_that_an_image_can_have_may_be_the_least(
    indexed: Engine, bed: Path, score: float
) -> None:
    hits = indexed.search(bed, k=12, min_score=score)
    assert all(hit.score >= score for hit in hits)
    indexed.duplicates(score)


def test_a_filter_leaves_as_many_as_fit(indexed: Engine, bed: Path) -> None:
    hits = indexed.search(bed, k=4, where=["label=lamp"])
    assert [hit.label for hit in hits] == ["lamp"] * 4
    assert len(indexed.search(bed, where=["label=lamp", "width<100"])) == 0


def test_a_filter_that_cannot_be_understood_is_refused(indexed: Engine, bed: Path) -> None:
    with pytest.raises(FilterError, match="colour"):
        indexed.search(bed, where=["colour=red"])


def test_hits_below_the_least_score_are_left_out(indexed: Engine, bed: Path) -> None:
    scores = [hit.score for hit in indexed.search(bed, k=12, rank="plain")]
    least = (scores[4] + scores[5]) / 2
    assert len(indexed.search(bed, k=12, min_score=least)) == 5


def test_several_images_are_searched_for_by_their_mean(indexed: Engine, images: Path) -> None:
    embedder = FakeEmbedder(indexed.config)
    paths = sorted(images.rglob("*.jpg"))
    unit = embedder.embed([embedder.pixels(path.read_bytes(), "") for path in paths]).unit
    mean = unit[[0, 5, 9]].mean(axis=0)
    stored = unit.astype(np.float16).astype(np.float32)
    scores = stored @ mean / np.linalg.norm(mean)
    hits = indexed.search([paths[0], paths[5], paths[9]], k=12, rank="plain")
    assert [hit.path for hit in hits] == [str(paths[row]) for row in np.argsort(-scores)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True), abs=1e-3)


def test_a_category_narrows_the_search_to_what_the_engine_says(indexed: Engine, bed: Path) -> None:
    said = {str(bed): indexed.classify(bed)[0].category}
    said |= {hit.path: hit.category for hit in indexed.search(bed, k=12)}
    category = said[str(bed)]
    same = {hit.path for hit in indexed.search(bed, k=12, category=category)}
    assert same == {path for path, name in said.items() if name == category}
    report = indexed.search(bed, k=12, same_category=True)
    assert (report.category, {hit.path for hit in report}) == (category, same)


def test_bytes_are_as_good_as_a_path(indexed: Engine, bed: Path) -> None:
    by_bytes, by_path = indexed.search(bed.read_bytes()), indexed.search(bed)
    assert list(by_bytes) == list(by_path)
    assert by_bytes.query == f"<{bed.stat().st_size} bytes>"
    one, other = indexed.classify([bed.read_bytes(), bed])
    assert one.predictions == other.predictions


def test_an_image_that_cannot_be_used_raises(indexed: Engine, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        indexed.search(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match=r"<9 bytes>: this is no picture"):
        indexed.classify(b"not a jpg")


def test_images_that_cannot_be_used_are_noted_where_that_is_asked_for(
    indexed: Engine, bed: Path
) -> None:
    skipped: list[Skipped] = []
    answers = indexed.classify([b"not a jpg", bed], skipped=skipped)
    assert [answer.image for answer in answers] == [str(bed)]
    assert [skip.path for skip in skipped] == ["<9 bytes>"]
    with pytest.raises(ImageError):
        indexed.classify([b"not a jpg"], skipped=skipped)


def test_naming_no_image_is_refused(indexed: Engine) -> None:
    with pytest.raises(UsageError, match="no picture was named"):
        indexed.search([])


def side_by_side(images: Path, *names: str) -> bytes:
    """A picture of several of the pictures in a row."""
    parts = []
    for name in names:
        with Image.open(sorted((images / name).iterdir())[0]) as image:
            parts.append(image.convert("RGB"))
    whole = Image.new("RGB", (sum(part.width for part in parts), parts[0].height))
    for number, part in enumerate(parts):
        whole.paste(part, (number * parts[0].width, 0))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("crop", "first"), [((0, 0, 0.5, 1), "bed"), ("0.5,0,0.5,1", "lamp")])
def test_a_part_of_a_picture_is_searched_for(
    indexed: Engine, images: Path, crop: str | tuple[float, ...], first: str
) -> None:
    both = side_by_side(images, "bed", "lamp")
    hit = indexed.search(both, k=1, crop=crop)[0]
    assert hit.path == str(sorted((images / first).iterdir())[0])
    whole, part = indexed.classify([both]), indexed.classify([both], crop=crop)
    assert whole[0].predictions != part[0].predictions


def test_a_part_beyond_one_picture_leaves_the_others(indexed: Engine, images: Path) -> None:
    skipped: list[Skipped] = []
    both = side_by_side(images, "bed", "lamp")
    bed = sorted((images / "bed").iterdir())[0]
    with Image.open(bed) as image:
        beside = (image.width, 0, image.width, 2)
    answers = indexed.classify([bed, both], crop=beside, skipped=skipped)
    assert (len(answers), [each.path for each in skipped]) == (1, [str(bed)])

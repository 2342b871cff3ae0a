"""An empty answer says what emptied it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine import Engine
from engine.errors import UnknownCategoryError
from engine.testing import CATEGORIES


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


@pytest.fixture
def bed(images: Path) -> Path:
    """One of the pictures."""
    return sorted((images / "bed").iterdir())[0]


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (["label=chiar"], "no image has label=chiar; the nearest is chair"),
        (["label=zebra"], "no image has label=zebra; the labels are bed, chair, lamp"),
        (["format=JPG"], "no image has format=JPG; the nearest is JPEG"),
        (["format!=JPEG"], "every image has format=JPEG"),
        (["label~z*"], "no image has label~z*"),
        (["path=/none"], "no image has path=/none"),
        (["label=lamp", "label=bed"], "4 images fit label=lamp, none of them label=bed"),
        (
            ["format=JPEG", "label=lamp", "label~b*", "width>0"],
            "4 images fit format=JPEG and label=lamp, none of them label~b*",
        ),
        (["label=lamp", "label=chiar"], "no image has label=chiar; the nearest is chair"),
    ],
)
def test_the_condition_that_emptied_an_answer_is_named(
    indexed: Engine, bed: Path, where: list[str], why: str
) -> None:
    assert indexed.search(bed, where=where).why_empty == why


def test_a_number_that_no_image_has_is_told_with_those_they_have(
    indexed: Engine, bed: Path
) -> None:
    why = indexed.search(bed, where=["width>5000"]).why_empty
    assert why is not None
    assert why.startswith("no image has width>5000; they have ")


def test_one_value_of_a_number_is_said_once(indexed: Engine, bed: Path) -> None:
    report = indexed.search(bed, where=["probability>0", "width=1"])
    assert report.why_empty == "no image has width=1; they have 320"


def test_where_one_image_fits_that_is_said_of_one(indexed: Engine, bed: Path) -> None:
    report = indexed.search(bed, where=[f"path={bed}", "label=lamp"])
    assert report.why_empty == f"1 image fits path={bed}, none of them label=lamp"


def test_without_labels_there_is_none_to_name(fake_engine: Engine, images: Path, bed: Path) -> None:
    fake_engine.index([images])
    assert fake_engine.search(bed, where=["label=bed"]).why_empty == "no image has a label"


def test_a_least_score_is_held_against_the_best(indexed: Engine, bed: Path, images: Path) -> None:
    score = max(hit.score for hit in indexed.search(bed, where=["label=lamp"]))
    report = indexed.search(bed, where=["label=lamp"], min_score=1)
    assert report.why_empty == (
        f"the most similar image that fits has a score of {score:.3f}, less than the least score 1"
    )


def test_an_empty_catalog_is_the_reason(indexed: Engine, images: Path, bed: Path) -> None:
    data = bed.read_bytes()
    indexed.remove([images])
    assert indexed.search(data).why_empty == "the catalog shows no images"


def test_an_answer_with_hits_needs_no_reason(indexed: Engine, bed: Path) -> None:
    assert indexed.search(bed).why_empty is None


def test_a_category_that_nothing_has_and_no_head_knows_is_refused(
    indexed: Engine, bed: Path
) -> None:
    with pytest.raises(UnknownCategoryError, match="unicorn: no image has this") as caught:
        indexed.search(bed, category="unicorn")
    assert f"The catalog knows {len(CATEGORIES)} categories" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_category_that_was_mistyped_is_answered_with_the_nearest(
    indexed: Engine, bed: Path
) -> None:
    with pytest.raises(UnknownCategoryError, match="Did you mean thing 1"):
        indexed.search(bed, category="Thing1")


def test_a_category_that_a_head_knows_and_no_image_has_finds_nothing(
    indexed: Engine, bed: Path
) -> None:
    there = {hit.category for hit in indexed.search(bed, k=12)}
    unused = next(name for name in CATEGORIES if name not in there)
    why = indexed.search(bed, category=unused).why_empty
    assert why is not None
    assert why.startswith(f"no image has category={unused}")


def test_a_hit_whose_file_is_gone_says_so(indexed: Engine, images: Path, bed: Path) -> None:
    data = bed.read_bytes()
    shutil.rmtree(images / "lamp")
    hits = list(indexed.search(data, k=12))
    assert {hit.label for hit in hits if hit.missing} == {"lamp"}
    assert sum(hit.missing for hit in hits) == 4

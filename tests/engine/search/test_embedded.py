"""Pictures embedded once: found and classified as if they had been handed in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Config, Engine, ImageError, Skipped, UsageError
from engine.errors import StoreNotFoundError
from engine.testing import FakeEmbedder

CROP = "0,0,0.5,1"


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder, and a head of these labels."""
    fake_engine.index([images], label="parent")
    fake_engine.train(head="rooms", from_labels=True)
    return fake_engine


@pytest.fixture
def beds(images: Path) -> list[Path]:
    return sorted((images / "bed").iterdir())[:2]


@pytest.mark.parametrize("crop", [None, CROP])
def test_they_are_found_as_the_pictures_are(
    indexed: Engine, beds: list[Path], crop: str | None
) -> None:
    embedded = indexed.embed(beds, crop=crop)
    assert embedded.names == [str(path) for path in beds]
    for asked in ({}, {"k": 3, "where": ["label=chair"]}, {"same_category": True}):
        assert indexed.search(embedded, **asked) == indexed.search(beds, crop=crop, **asked)


def test_they_are_classified_as_the_pictures_are(indexed: Engine, beds: list[Path]) -> None:
    embedded = indexed.embed(beds)
    for head in (None, "rooms"):
        assert indexed.classify(embedded, head=head) == indexed.classify(beds, head=head)


def test_one_picture_is_embedded_for_both(
    indexed: Engine, beds: list[Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(beds[0].read_bytes())
    embedded = indexed.embed(copy)
    copy.unlink()
    assert indexed.search(embedded, k=1)[0].path == str(beds[0])
    assert len(indexed.classify(embedded)) == 1


def test_what_cannot_be_used_is_noted(indexed: Engine, beds: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    skipped = list[Skipped]()
    embedded = indexed.embed([*beds, broken], skipped=skipped)
    assert (len(embedded), [each.path for each in skipped]) == (2, [str(broken)])
    with pytest.raises(ImageError):
        indexed.embed(broken)


def test_those_of_another_backbone_are_refused(indexed: Engine, beds: list[Path]) -> None:
    embedded = replace(indexed.embed(beds), fingerprint="0" * 64)
    for verb in (indexed.search, indexed.classify):
        with pytest.raises(UsageError, match="another backbone"):
            verb(embedded)


def test_a_part_of_them_is_chosen_before(indexed: Engine, beds: list[Path]) -> None:
    embedded = indexed.embed(beds)
    for verb in (indexed.search, indexed.classify):
        with pytest.raises(UsageError, match=r"Engine\.embed"):
            verb(embedded, crop=CROP)


def test_ids_are_searched_for_alone(indexed: Engine, beds: list[Path]) -> None:
    with pytest.raises(UsageError, match="as a whole"):
        indexed.search(indexed.embed(beds), ids=[1])


def test_without_the_store_that_was_named_nothing_is_embedded(
    beds: list[Path], tmp_path: Path
) -> None:
    config = Config.at(tmp_path / "none.engine")
    with (
        Engine(config, embedder=FakeEmbedder(config)) as engine,
        pytest.raises(StoreNotFoundError),
    ):
        engine.embed(beds)

"""Levels of duplicates: what each lists, what stays, and what may be removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import DuplicateGroup, Engine
from engine.errors import UsageError

LONG_AGO = 1_600_000_000


def draw(path: Path, content: int, side: int = 16, noise: float = 0.0, grain: int = 0) -> Path:
    """Write a picture of sixteen squares, some of a colour, with some noise, long ago.

    With `grain` each pixel is of another brightness, and the squares remain as bright.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(content)
    squares = drawn.integers(64, 256, (4, 4, 3)).astype(np.float64)
    # The fake backbone sees the colours themselves: few of them, or all pictures look alike.
    squares *= drawn.random((4, 4, 3)) < 0.25
    squares += np.random.default_rng(content + 1000).normal(0, 1, (4, 4, 3)) * noise
    image = Image.fromarray(np.clip(squares, 0, 255).astype(np.uint8))
    image = image.resize((side, side), Image.Resampling.NEAREST)
    if grain:
        brightness = np.random.default_rng(grain).choice([0.0, 2.0], (side, side, 1))
        image = Image.fromarray(np.clip(np.asarray(image) * brightness, 0, 255).astype(np.uint8))
    image.save(path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def older(path: Path) -> Path:
    """Make a file the oldest."""
    os.utime(path, (LONG_AGO - 100, LONG_AGO - 100))
    return path


def kinds(groups: Sequence[DuplicateGroup]) -> list[str]:
    return [group.kind for group in groups]


def names(paths: Sequence[str]) -> list[str]:
    return [os.path.basename(path) for path in paths]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exact copy, a copy and something similar, each of another picture."""
    shop = tmp_path / "shop"
    for content, name in enumerate(("exact", "copy", "similar")):
        draw(shop / f"{name}.bmp", content, side=64, grain=content)
    shutil.copy2(shop / "exact.bmp", shop / "exact too.bmp")
    draw(shop / "copy too.bmp", 1, side=64, noise=5, grain=1)
    draw(shop / "similar too.bmp", 2, side=64, grain=99)
    return shop


@pytest.fixture
def indexed(folder: Path, fake_engine: Engine) -> Engine:
    """An engine that knows them."""
    fake_engine.index([folder])
    return fake_engine


def test_the_same_content_alone_is_exact(indexed: Engine) -> None:
    [group] = indexed.duplicates(level="exact")
    assert names(group.paths) == ["exact too.bmp", "exact.bmp"]


def test_copies_are_listed_after_what_is_exact(indexed: Engine) -> None:
    exact, copy = indexed.duplicates(level="copy")
    assert kinds([exact, copy]) == ["exact", "copy"]
    assert names(copy.paths) == ["copy too.bmp", "copy.bmp"]


def test_what_is_similar_is_listed_last(indexed: Engine) -> None:
    groups = indexed.duplicates(level="similar", min_score=0.9)
    assert kinds(groups) == ["exact", "copy", "similar"]
    assert names(groups[-1].paths) == ["similar too.bmp", "similar.bmp"]


def test_without_a_level_copies_are_listed(indexed: Engine) -> None:
    assert indexed.duplicates() == indexed.duplicates(level="copy")


def test_a_least_score_stands_for_the_level_similar(indexed: Engine) -> None:
    assert indexed.duplicates(0.9) == indexed.duplicates(0.9, level="similar")


def test_without_a_least_score_similar_is_0_9(indexed: Engine) -> None:
    assert indexed.duplicates(level="similar") == indexed.duplicates(0.9)


@pytest.mark.parametrize("level", ["near", "Exact", "all", 1])
def test_a_level_that_there_is_not_is_refused(indexed: Engine, level: Any) -> None:
    with pytest.raises(UsageError, match="Use one of exact, copy, similar"):
        indexed.duplicates(level=level)


@pytest.mark.parametrize("level", ["exact", "copy"])
def test_a_least_score_of_another_level_is_refused(indexed: Engine, level: str) -> None:
    with pytest.raises(UsageError, match="Use the level similar"):
        indexed.duplicates(0.97, level=level)


def test_the_largest_picture_stays_though_it_is_the_youngest(
    tmp_path: Path, fake_engine: Engine
) -> None:
    older(draw(tmp_path / "shop" / "a thumbnail.bmp", 1, side=16))
    draw(tmp_path / "shop" / "original.bmp", 1, side=64)
    fake_engine.index([tmp_path / "shop"])
    [group] = fake_engine.duplicates()
    assert names([group.keep, *group.paths]) == ["original.bmp", "original.bmp", "a thumbnail.bmp"]
    assert names(group.removable) == ["a thumbnail.bmp"]


def test_of_pictures_of_one_size_the_oldest_stays(folder: Path, fake_engine: Engine) -> None:
    older(folder / "exact.bmp")
    fake_engine.index([folder])
    [group] = fake_engine.duplicates(level="exact")
    assert names([group.keep]) == ["exact.bmp"]
    assert names(group.removable) == ["exact too.bmp"]


def test_a_link_is_no_copy_of_its_target(folder: Path, fake_engine: Engine) -> None:
    (folder / "album").mkdir()
    for name in ("copy.bmp", "similar.bmp"):
        (folder / "album" / name).symlink_to(folder / name)
    os.link(folder / "similar.bmp", folder / "album" / "hard link.bmp")
    fake_engine.index([folder])
    [group] = fake_engine.duplicates(level="exact")
    assert names(group.paths) == ["exact too.bmp", "exact.bmp"]


def test_a_link_that_alone_leads_to_a_picture_is_not_named(
    folder: Path, fake_engine: Engine
) -> None:
    target = draw(folder.parent / "elsewhere" / "target.bmp", 1)
    shutil.copyfile(folder / "exact.bmp", target)
    (folder / "a link.bmp").symlink_to(target)
    older(folder / "exact too.bmp")
    fake_engine.index([folder])
    [group] = fake_engine.duplicates(level="exact")
    assert names(group.paths) == ["exact too.bmp", "a link.bmp", "exact.bmp"]
    assert names(group.removable) == ["exact.bmp"]


def test_what_a_linked_folder_shows_may_not_be_removed(tmp_path: Path, fake_engine: Engine) -> None:
    draw(tmp_path / "elsewhere" / "a.bmp", 1)
    older(draw(tmp_path / "shop" / "b.bmp", 1))
    (tmp_path / "shop" / "linked").symlink_to(tmp_path / "elsewhere")
    fake_engine.index([tmp_path / "shop"])
    [group] = fake_engine.duplicates(level="exact")
    assert (names([group.keep]), list(group.removable)) == (["b.bmp"], [])


@pytest.mark.parametrize(("side", "keep"), [(16, "b.bmp"), (64, "a.bmp")])
def test_what_a_link_alone_leads_to_vouches_for_nothing(
    tmp_path: Path, fake_engine: Engine, side: int, keep: str
) -> None:
    older(draw(tmp_path / "elsewhere" / "a.bmp", 1, side))
    draw(tmp_path / "shop" / "b.bmp", 1)
    (tmp_path / "shop" / "linked").symlink_to(tmp_path / "elsewhere")
    fake_engine.index([tmp_path / "shop"])
    [group] = fake_engine.duplicates()
    assert (names([group.keep]), list(group.removable)) == ([keep], [])


@pytest.mark.parametrize("gone", ["exact.bmp", "exact too.bmp"])
def test_the_last_one_that_is_left_may_not_be_removed(
    indexed: Engine, folder: Path, gone: str
) -> None:
    (folder / gone).unlink()
    [group] = indexed.duplicates(level="exact")
    assert names([group.keep]) != [gone]
    assert group.removable == []


def test_what_was_overwritten_since_does_not_vouch_for_its_copy(
    indexed: Engine, folder: Path
) -> None:
    draw(folder / "exact too.bmp", 7)
    [group] = indexed.duplicates(level="exact")
    assert group.removable == []


def test_images_whose_drive_is_not_mounted_are_listed_and_none_may_go(
    indexed: Engine, folder: Path
) -> None:
    before = indexed.duplicates()
    folder.rename(folder.with_name("elsewhere"))
    after = indexed.duplicates()
    # What cannot be looked at counts by its embedding alone.
    assert all(group.paths in [each.paths for each in after] for group in before)
    assert not any(group.removable for group in after)

"""Duplicates: the same content, copies of it, what looks alike, and neither."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import DuplicateGroup, Engine
from engine.errors import StoreNotFoundError
from engine.progress import SILENT
from engine.search.duplicates.find import find_duplicates
from engine.search.duplicates.level import DuplicateLimits, Level
from engine.search.duplicates.pixels import Pixels
from engine.session.session import Session


def put(path: Path, content: int, noise: float = 0.0) -> Path:
    """Write a picture of sixteen squares, some of them of a colour, with some noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(content)
    squares = drawn.integers(64, 256, (4, 4, 3)).astype(np.float64)
    # The fake backbone sees the colours themselves: few of them, or all pictures look alike.
    squares *= drawn.random((4, 4, 3)) < 0.25
    squares += np.random.default_rng(content + 1000).normal(0, 1, (4, 4, 3)) * noise
    image = Image.fromarray(np.clip(squares, 0, 255).astype(np.uint8))
    image.resize((16, 16), Image.Resampling.NEAREST).save(path)
    return path


def named(groups: Sequence[DuplicateGroup]) -> list[tuple[str, list[str]]]:
    return [(group.kind, [os.path.basename(path) for path in group.paths]) for group in groups]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures that are unlike each other."""
    for content in (1, 2, 3):
        put(tmp_path / "shop" / f"{content}.bmp", content)
    return tmp_path / "shop"


def line(folder: Path, steps: Sequence[float]) -> None:
    """Write pictures that change a little from one to the next, as cosines of neighbours say.

    The embedding of a picture follows its colours, so a step along one line is a step in angle.
    """
    for number, step in enumerate(steps):
        pixels = np.full((16, 16, 3), 128.0)
        pixels[:8] += 120 * np.sin(step)
        pixels[8:] += 120 * np.cos(step)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.bmp")


def test_images_that_are_unlike_are_no_duplicates(folder: Path, fake_engine: Engine) -> None:
    fake_engine.index([folder])
    assert fake_engine.duplicates() == []


def test_copies_are_exact_duplicates(folder: Path, fake_engine: Engine) -> None:
    shutil.copy(folder / "1.bmp", folder / "copy.bmp")
    shutil.copy(folder / "1.bmp", folder / "another.bmp")
    fake_engine.index([folder])
    (group,) = fake_engine.duplicates()
    assert named([group]) == [("exact", ["1.bmp", "another.bmp", "copy.bmp"])]
    assert group.score == 1.0


def test_images_that_nearly_agree_are_copies(folder: Path, fake_engine: Engine) -> None:
    put(folder / "noisy.bmp", 2, noise=5)
    fake_engine.index([folder])
    (group,) = fake_engine.duplicates()
    assert named([group]) == [("copy", ["2.bmp", "noisy.bmp"])]
    assert 0.95 <= group.score < 1


def test_the_score_of_a_pair_is_the_one_that_search_gives(
    folder: Path, fake_engine: Engine
) -> None:
    noisy = put(folder / "noisy.bmp", 2, noise=5)
    fake_engine.index([folder])
    (group,) = fake_engine.duplicates()
    hits = {os.path.basename(hit.path): hit.score for hit in fake_engine.search(noisy)}
    assert group.score == pytest.approx(hits["2.bmp"], abs=1e-3)


def test_exact_groups_come_first_and_the_others_by_falling_score(
    folder: Path, fake_engine: Engine
) -> None:
    shutil.copy(folder / "3.bmp", folder / "copy.bmp")
    put(folder / "far.bmp", 1, noise=15)
    put(folder / "near.bmp", 2, noise=2)
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [
        ("exact", ["3.bmp", "copy.bmp"]),
        ("copy", ["2.bmp", "near.bmp"]),
        ("copy", ["1.bmp", "far.bmp"]),
    ]


def test_a_content_stands_in_another_group_once(folder: Path, fake_engine: Engine) -> None:
    shutil.copy(folder / "2.bmp", folder / "copy.bmp")
    put(folder / "near.bmp", 2, noise=2)
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [
        ("exact", ["2.bmp", "copy.bmp"]),
        ("copy", ["2.bmp", "near.bmp"]),
    ]


def test_a_chain_is_parted_where_its_ends_are_unlike(tmp_path: Path, fake_engine: Engine) -> None:
    line(tmp_path / "line", [0.04 * step for step in range(41)])
    fake_engine.index([tmp_path / "line"])
    scores = {
        (str(path), hit.path): hit.score
        for path in (tmp_path / "line").iterdir()
        for hit in fake_engine.search(path, k=41)
    }
    assert min(scores.values()) < 0.9
    groups = fake_engine.duplicates(0.97)
    assert len({path for group in groups for path in group.paths}) == 41
    for group in groups:
        if group.kind == "copy":
            assert min(scores[group.keep, path] for path in group.paths) >= 0.969
            continue
        least = min(scores[pair] for pair in combinations(group.paths, 2))
        assert group.score == pytest.approx(least, abs=1e-3)
        assert group.score >= 0.97


def test_the_score_of_a_group_is_that_of_its_two_ends(tmp_path: Path, fake_engine: Engine) -> None:
    line(tmp_path / "line", [0, 0.3, 0.4])
    fake_engine.index([tmp_path / "line"])
    hits = fake_engine.search(tmp_path / "line" / "0.bmp", k=3)
    by_name = {os.path.basename(hit.path): hit.score for hit in hits}
    (group,) = fake_engine.duplicates(by_name["2.bmp"] - 0.01)
    assert len(group.paths) == 3
    assert group.score == pytest.approx(by_name["2.bmp"], abs=1e-3)


def test_a_copy_of_very_many_is_found_from_its_own_side(
    tmp_path: Path, fake_engine: Engine
) -> None:
    for number in range(30):
        path = put(tmp_path / "shop" / f"{number:02}.bmp", 1)
        path.write_bytes(path.read_bytes() + bytes([number]))
    put(tmp_path / "shop" / "99.bmp", 1, noise=5)
    fake_engine.index([tmp_path / "shop"])
    (group,) = fake_engine.duplicates()
    assert (group.kind, len(group.paths)) == ("copy", 31)


def test_images_with_very_many_copies_each_are_found_to_be_alike(
    tmp_path: Path, fake_engine: Engine
) -> None:
    one, other = put(tmp_path / "shop" / "a.bmp", 1), put(tmp_path / "shop" / "b.bmp", 1, noise=5)
    for number in range(25):
        shutil.copy(one, tmp_path / "shop" / f"a{number}.bmp")
        shutil.copy(other, tmp_path / "shop" / f"b{number}.bmp")
    fake_engine.index([tmp_path / "shop"])
    groups = fake_engine.duplicates()
    assert [(group.kind, len(group.paths)) for group in groups] == [
        ("exact", 26),
        ("exact", 26),
        ("copy", 2),
    ]


def test_only_copies_that_are_in_sight_count(folder: Path, fake_engine: Engine) -> None:
    copies = [Path(shutil.copy(folder / "1.bmp", folder / f"copy{n}.bmp")) for n in range(2)]
    fake_engine.index([folder])
    copies[0].unlink()
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [("exact", ["1.bmp", "copy1.bmp"])]


@pytest.mark.parametrize(
    ("min_score", "kinds"), [(0.9999, []), (0.99, ["copy"]), (0.2, ["copy", "similar"])]
)
def test_the_least_score_decides_what_is_similar(
    folder: Path, fake_engine: Engine, min_score: float, kinds: list[str]
) -> None:
    put(folder / "noisy.bmp", 2, noise=8)
    fake_engine.index([folder])
    assert [group.kind for group in fake_engine.duplicates(min_score)] == kinds


def test_removed_files_are_no_duplicates(folder: Path, fake_engine: Engine) -> None:
    copy = Path(shutil.copy(folder / "1.bmp", folder / "copy.bmp"))
    fake_engine.index([folder])
    copy.unlink()
    fake_engine.index([folder])
    assert fake_engine.duplicates() == []


def test_blocks_change_nothing(tmp_path: Path, fake_engine: Engine) -> None:
    for content in range(10):
        put(tmp_path / "shop" / f"{content}.bmp", content)
        put(tmp_path / "shop" / f"{content}n.bmp", content, noise=5)
    fake_engine.index([tmp_path / "shop"])
    whole = fake_engine.duplicates()
    session = Session(fake_engine.config, SILENT, None)
    catalog = session.catalog()
    index = session.index().in_step(catalog).vectors
    pixels = Pixels(fake_engine.config, SILENT)
    limits = DuplicateLimits(block=3)
    assert find_duplicates(catalog, index, Level(copies=True), pixels, limits) == whole
    session.close()
    assert len(whole) == 10


def test_without_a_catalog_there_is_nothing_to_compare(fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.duplicates()


def test_no_group_is_left_that_a_comparison_of_all_pairs_would_merge(
    tmp_path: Path, fake_engine: Engine
) -> None:
    for content in range(8):
        for noise in (0, 10, 40):
            put(tmp_path / "shop" / f"{content}-{noise}.bmp", content, noise=noise)
    fake_engine.index([tmp_path / "shop"])
    paths = sorted(map(str, (tmp_path / "shop").iterdir()))
    scores = {(one, hit.path): hit.score for one in paths for hit in fake_engine.search(one, k=24)}
    groups = [list(group.paths) for group in fake_engine.duplicates(0.97)]
    assert groups
    alone = set(paths) - {path for group in groups for path in group}
    for one, other in combinations([*groups, *([path] for path in alone)], 2):
        assert min(scores[pair] for pair in product(one, other)) < 0.971

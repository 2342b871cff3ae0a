"""Duplicates: the same content, nearly the same to the eye, and neither."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import DuplicateGroup, Engine
from engine.errors import StoreNotFoundError
from engine.progress import SILENT
from engine.search.duplicates import DuplicateLimits, find_duplicates
from engine.session import Session


def put(path: Path, content: int, noise: float = 0.0) -> Path:
    """Write a picture of sixteen squares of colour, with some noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    squares = np.random.default_rng(content).integers(0, 256, (4, 4, 3)).astype(np.float64)
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


def test_images_that_nearly_agree_are_near_duplicates(folder: Path, fake_engine: Engine) -> None:
    put(folder / "noisy.bmp", 2, noise=5)
    fake_engine.index([folder])
    (group,) = fake_engine.duplicates()
    assert named([group]) == [("near", ["2.bmp", "noisy.bmp"])]
    assert 0.95 <= group.score < 1


def test_the_score_of_a_near_pair_is_the_one_that_search_gives(
    folder: Path, fake_engine: Engine
) -> None:
    noisy = put(folder / "noisy.bmp", 2, noise=5)
    fake_engine.index([folder])
    (group,) = fake_engine.duplicates()
    hits = {os.path.basename(hit.path): hit.score for hit in fake_engine.search(noisy)}
    assert group.score == pytest.approx(hits["2.bmp"], abs=1e-3)


def test_exact_groups_come_first_and_near_ones_by_falling_score(
    folder: Path, fake_engine: Engine
) -> None:
    shutil.copy(folder / "3.bmp", folder / "copy.bmp")
    put(folder / "far.bmp", 1, noise=15)
    put(folder / "near.bmp", 2, noise=2)
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [
        ("exact", ["3.bmp", "copy.bmp"]),
        ("near", ["2.bmp", "near.bmp"]),
        ("near", ["1.bmp", "far.bmp"]),
    ]


def test_exact_copies_stand_in_a_near_group_once(folder: Path, fake_engine: Engine) -> None:
    shutil.copy(folder / "2.bmp", folder / "copy.bmp")
    put(folder / "near.bmp", 2, noise=2)
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [
        ("exact", ["2.bmp", "copy.bmp"]),
        ("near", ["2.bmp", "near.bmp"]),
    ]


def test_a_chain_of_near_duplicates_is_one_group_with_its_weakest_score(
    tmp_path: Path, fake_engine: Engine
) -> None:
    line(tmp_path / "line", [0, 0.3, 0.6, 0.9])
    fake_engine.index([tmp_path / "line"])
    hits = fake_engine.search(tmp_path / "line" / "0.bmp", k=4)
    by_name = {os.path.basename(hit.path): hit.score for hit in hits}
    least = (by_name["1.bmp"] + by_name["3.bmp"]) / 2
    assert by_name["3.bmp"] < least < by_name["1.bmp"]
    (group,) = fake_engine.duplicates(min_score=0.97)
    assert named([group]) == [("near", ["0.bmp", "1.bmp", "2.bmp", "3.bmp"])]
    assert by_name["3.bmp"] < group.score <= by_name["1.bmp"] + 1e-3


def test_the_score_of_a_chain_is_that_of_its_weakest_link(
    tmp_path: Path, fake_engine: Engine
) -> None:
    line(tmp_path / "line", [0, 0.3, 0.4])
    fake_engine.index([tmp_path / "line"])
    hits = fake_engine.search(tmp_path / "line" / "0.bmp", k=3)
    by_name = {os.path.basename(hit.path): hit.score for hit in hits}
    (group,) = fake_engine.duplicates((by_name["1.bmp"] + by_name["2.bmp"]) / 2)
    assert len(group.paths) == 3
    assert group.score == pytest.approx(by_name["1.bmp"], abs=1e-3)


def test_a_near_duplicate_of_very_many_is_found_from_its_own_side(
    tmp_path: Path, fake_engine: Engine
) -> None:
    for number in range(30):
        path = put(tmp_path / "shop" / f"{number:02}.bmp", 1)
        path.write_bytes(path.read_bytes() + bytes([number]))
    put(tmp_path / "shop" / "99.bmp", 1, noise=5)
    fake_engine.index([tmp_path / "shop"])
    (group,) = fake_engine.duplicates()
    assert (group.kind, len(group.paths)) == ("near", 31)


def test_images_with_very_many_copies_each_are_found_to_be_near_each_other(
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
        ("near", 2),
    ]


def test_only_copies_that_are_in_sight_count(folder: Path, fake_engine: Engine) -> None:
    copies = [Path(shutil.copy(folder / "1.bmp", folder / f"copy{n}.bmp")) for n in range(2)]
    fake_engine.index([folder])
    copies[0].unlink()
    fake_engine.index([folder])
    assert named(fake_engine.duplicates()) == [("exact", ["1.bmp", "copy1.bmp"])]


@pytest.mark.parametrize(("min_score", "groups"), [(0.9999, 0), (0.99, 1), (0.2, 1)])
def test_the_least_score_decides_what_is_near(
    folder: Path, fake_engine: Engine, min_score: float, groups: int
) -> None:
    put(folder / "noisy.bmp", 2, noise=8)
    fake_engine.index([folder])
    assert len(fake_engine.duplicates(min_score)) == groups


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
    index = session.index(catalog).vectors
    assert find_duplicates(catalog, index, 0.95, DuplicateLimits(block=3)) == whole
    session.close()
    assert len(whole) == 10


def test_without_a_catalog_there_is_nothing_to_compare(fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.duplicates()


def test_near_duplicates_are_those_of_a_comparison_of_all_pairs(
    tmp_path: Path, fake_engine: Engine
) -> None:
    for content in range(8):
        for noise in (0, 10, 40):
            put(tmp_path / "shop" / f"{content}-{noise}.bmp", content, noise=noise)
    fake_engine.index([tmp_path / "shop"])
    paths = sorted((tmp_path / "shop").iterdir())
    pairs = set()
    for one in paths:
        for hit in fake_engine.search(one, k=24, min_score=0.97):
            pairs.add(frozenset((str(one), hit.path)))
    groups = [{str(path)} for path in paths]
    for pair in pairs:
        joined = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair] + [set().union(*joined)]
    found = fake_engine.duplicates(min_score=0.97)
    assert {tuple(group.paths) for group in found} == {
        tuple(sorted(group)) for group in groups if len(group) > 1
    }
    assert found

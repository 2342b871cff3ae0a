"""Pairs that a person said are no duplicates: no group has both, and the others stay grouped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine import DuplicateGroup, Engine
from engine.search.duplicates.distinct import Distinct
from engine.search.duplicates.linkage import complete_linkage
from engine.testing import FakeEmbedder
from tests.support.shop import NotingReporter

ids = st.integers(0, 9)
pairs = st.lists(st.tuples(ids, ids), max_size=12)


def put(path: Path, content: int, noise: float = 0.0) -> Path:
    """Write a picture of sixteen squares, with some noise that is its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(content)
    squares = drawn.integers(64, 256, (4, 4, 3)) * (drawn.random((4, 4, 3)) < 0.25)
    squares = squares + np.random.default_rng(len(path.name)).normal(0, 1, (4, 4, 3)) * noise
    image = Image.fromarray(np.clip(squares, 0, 255).astype(np.uint8))
    image.resize((16, 16), Image.Resampling.NEAREST).save(path)
    return path


@pytest.fixture
def shop(tmp_path: Path, fake_engine: Engine) -> Path:
    """Four pictures of which each is a copy of the others, one exact copy, and another picture."""
    folder = tmp_path / "shop"
    for length in range(1, 5):
        put(folder / f"{'a' * length}.bmp", 1, noise=length)
    shutil.copy(folder / "a.bmp", folder / "same.bmp")
    put(folder / "other.bmp", 2)
    fake_engine.index([folder])
    return folder


def named(groups: Sequence[DuplicateGroup], kind: str) -> list[set[str]]:
    return [
        {os.path.basename(path) for path in group.paths} for group in groups if group.kind == kind
    ]


def ids_of(engine: Engine, *names: str) -> list[int]:
    by_name = {os.path.basename(each.path): each.id for each in engine.images.page().images}
    return [by_name[f"{name}.bmp"] for name in names]


def test_a_pair_that_is_distinct_is_in_no_group(shop: Path, fake_engine: Engine) -> None:
    (before,) = named(fake_engine.duplicates(), "copy")
    fake_engine.tidying.distinct(ids_of(fake_engine, "aa", "aaa"))
    (after,) = named(fake_engine.duplicates(), "copy")
    assert before - after in ({"aa.bmp"}, {"aaa.bmp"})


def test_of_a_group_that_is_distinct_as_a_whole_nothing_is_listed(
    shop: Path, fake_engine: Engine
) -> None:
    fake_engine.tidying.distinct(ids_of(fake_engine, "a", "aa", "aaa", "aaaa"))
    assert named(fake_engine.duplicates(), "copy") == []
    assert named(fake_engine.duplicates(0.9), "similar") == []
    assert named(fake_engine.duplicates(), "exact") == [{"a.bmp", "same.bmp"}]


def test_what_is_left_is_grouped_anew(shop: Path, fake_engine: Engine) -> None:
    one = ids_of(fake_engine, "a", "aa")
    for other in ids_of(fake_engine, "aaa", "aaaa"):
        for each in one:
            fake_engine.tidying.distinct([each, other])
    groups = named(fake_engine.duplicates(), "copy")
    assert sorted(map(sorted, groups)) == [["a.bmp", "aa.bmp"], ["aaa.bmp", "aaaa.bmp"]]


def test_a_content_may_be_there_several_times(shop: Path, fake_engine: Engine) -> None:
    fake_engine.tidying.distinct(ids_of(fake_engine, "a", "same"))
    assert named(fake_engine.duplicates(level="exact"), "exact") == []


def test_similar_images_are_parted_too(shop: Path, fake_engine: Engine) -> None:
    similar = named(fake_engine.duplicates(-1.0), "similar")
    assert any("other.bmp" in group for group in similar)
    every = {path.stem for path in shop.iterdir()} - {"same"}
    fake_engine.tidying.distinct(ids_of(fake_engine, *sorted(every)))
    assert named(fake_engine.duplicates(-1.0), "similar") == []


def test_a_new_picture_is_no_duplicate_of_what_it_is_distinct_of(
    shop: Path, fake_engine: Engine, tmp_path: Path
) -> None:
    new = Path(shutil.copy(shop / "a.bmp", tmp_path / "new.bmp"))
    fake_engine.tidying.distinct(ids_of(fake_engine, "a", "aa"))
    groups = fake_engine.duplicates(images=[new])
    assert not any("aa.bmp" in names for names in named(groups, "copy"))
    assert named(groups, "exact") == [{"new.bmp", "a.bmp", "same.bmp"}]


def test_nothing_distinct_is_moved(shop: Path, fake_engine: Engine, tmp_path: Path) -> None:
    fake_engine.tidying.distinct(ids_of(fake_engine, "a", "same"))
    report = fake_engine.move_duplicates(tmp_path / "moved", level="exact")
    assert list(report.moved) == []


def test_it_is_said_how_many_pairs_are_left_out(shop: Path, fake_engine: Engine) -> None:
    fake_engine.tidying.distinct(ids_of(fake_engine, "aa", "aaa"))
    reporter, config = NotingReporter(), fake_engine.config
    with Engine(config, reporter, embedder=FakeEmbedder(config)) as engine:
        engine.duplicates()
    assert reporter.announced == [
        "1 pair left out: somebody said that they are no duplicates of each other"
    ]


def test_to_forget_an_image_and_index_it_anew_loses_nothing(
    shop: Path, fake_engine: Engine
) -> None:
    fake_engine.tidying.distinct(ids_of(fake_engine, "a", "same"))
    fake_engine.images.forget(ids_of(fake_engine, "a", "same"))
    fake_engine.index([shop])
    assert named(fake_engine.duplicates(level="exact"), "exact") == []


def test_groups_say_which_images_they_are_of(shop: Path, fake_engine: Engine) -> None:
    for group in fake_engine.duplicates():
        assert [each.path for each in group.images] == list(group.paths)
        for each in group.images:
            image = fake_engine.images[each.id]
            assert (image.path, image.width, image.height) == (each.path, each.width, each.height)
            assert each.bytes == os.path.getsize(each.path)


@given(pairs, st.permutations(range(10)))
def test_no_two_that_are_compatible_are_distinct(
    two: list[tuple[int, int]], order: list[int]
) -> None:
    distinct = Distinct({each: str(each) for each in range(10)}, [(str(a), str(b)) for a, b in two])
    first, *others = order
    found = distinct.compatible([first], others)
    for one, other in combinations([first, *found], 2):
        assert (one, other) not in two and (other, one) not in two
    left_out = set(others) - set(found)
    for each in left_out:
        assert any((each, one) in two or (one, each) in two for one in [first, *found])


@given(pairs)
def test_linkage_brings_no_distinct_rows_together(two: list[tuple[int, int]]) -> None:
    distinct = Distinct({each: str(each) for each in range(10)}, [(str(a), str(b)) for a, b in two])
    every = np.array(list(combinations(range(10), 2)), np.int64)
    found = complete_linkage(np.ones((10, 3), np.float32), every, 0.5, distinct.rows(range(10)))
    for each in found:
        for one, other in combinations(each.rows, 2):
            assert (one, other) not in two and (other, one) not in two
    if not [pair for pair in two if pair[0] != pair[1]]:
        assert [each.rows for each in found] == [list(range(10))]

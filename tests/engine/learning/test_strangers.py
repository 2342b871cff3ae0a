"""Pictures that show nothing known: unknown among all categories, and close to nothing.

`tests/support/strangers.py` has the pictures, `python -m benchmarks.strangers` all figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from demo.catalog import draw_catalog
from engine import Engine
from tests.support.strangers import write_others, write_strangers

BACKBONE = "efficientnet_lite0"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 31 drawn ones."""
    return write_strangers(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def shop(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the drawn furniture, and a head that learned it."""
    store = tmp_path_factory.mktemp("shop") / "store"
    with Engine.open(store, backbone=BACKBONE, precision="fp32") as engine:
        engine.index([drawn], label="parent")
        engine.train(drawn, head="furniture")
        yield engine


@pytest.fixture(scope="module")
def photographs(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with 500 photographs of furniture, and a head that learned them."""
    store = tmp_path_factory.mktemp("photographs") / "store"
    with Engine.open(store, backbone=BACKBONE, precision="fp32") as engine:
        engine.index([real_images / "furniture" / "train"], label="parent")
        engine.train(real_images / "furniture" / "train", head="furniture")
        yield engine


def unknown(engine: Engine, paths: Sequence[Path], head: str | None = None) -> int:
    """Return how many pictures are unknown to all together, or to a head."""
    return sum(answer.unknown for answer in engine.classify(list(paths), k=1, head=head))


def far(engine: Engine, paths: Sequence[Path]) -> int:
    """Return how many pictures are close to nothing in the catalog."""
    return sum(engine.search(path, k=1).close is False for path in paths)


def test_the_strangers_are_always_the_same(strangers: list[Path], tmp_path: Path) -> None:
    again = write_strangers(tmp_path)
    assert [path.name for path in again] == [path.name for path in strangers]
    assert all(
        one.read_bytes() == other.read_bytes() for one, other in zip(again, strangers, strict=True)
    )


def test_no_stranger_served_for_a_threshold(strangers: list[Path], tmp_path: Path) -> None:
    others = {path.read_bytes() for path in write_others(tmp_path)}
    assert not others & {path.read_bytes() for path in strangers}
    assert len(others) == 26


def test_patterns_are_unknown_among_all_categories(shop: Engine, strangers: list[Path]) -> None:
    assert len(strangers) == 31
    found = unknown(shop, strangers)
    assert found >= unknown(shop, strangers, "furniture")
    assert found == 31


def test_patterns_are_unknown_to_the_built_in_categories(
    shop: Engine, strangers: list[Path]
) -> None:
    assert unknown(shop, strangers, "imagenet") == 31


def test_furniture_drawn_anew_is_known(shop: Engine, tmp_path: Path) -> None:
    draw_catalog(tmp_path, per_category=6, seed=99)
    assert unknown(shop, sorted(tmp_path.rglob("*.jpg"))) == 0


def test_what_the_catalog_says_is_what_classify_says(shop: Engine, strangers: list[Path]) -> None:
    shop.index([strangers[0].parent])
    try:
        hits = shop.search(strangers[0], k=100, where=["path~*.png"])
        assert len(hits) == 31
        assert [hit.category for hit in hits] == [None] * 31
    finally:
        shop.remove([strangers[0].parent])


def test_patterns_are_close_to_no_furniture(shop: Engine, strangers: list[Path]) -> None:
    assert far(shop, strangers) == 31


def test_furniture_drawn_anew_is_close_to_furniture(shop: Engine, tmp_path: Path) -> None:
    draw_catalog(tmp_path, per_category=6, seed=99)
    assert far(shop, sorted(tmp_path.rglob("*.jpg"))) == 0


def test_strangers_with_photographs_are_unknown(
    photographs: Engine, strangers: list[Path], real_images: Path, tmp_path: Path
) -> None:
    both = write_strangers(tmp_path, real_images / "catalog")
    assert len(both) == 41
    # The head alone flags all 41. Of ten photographs half resemble something of ImageNet's.
    assert unknown(photographs, both) >= 36
    assert unknown(photographs, strangers) == unknown(photographs, strangers, "furniture") == 31


def test_photographs_of_what_is_known_are_seldom_unknown(
    photographs: Engine, real_images: Path
) -> None:
    # On the other half the threshold was chosen.
    imagenet = sorted((real_images / "imagenet300").iterdir())[1::2]
    assert unknown(photographs, imagenet) <= 0.06 * len(imagenet)
    furniture = sorted((real_images / "furniture" / "test").rglob("*.jpg"))
    assert unknown(photographs, furniture) <= 0.02 * len(furniture)


def test_photographs_of_furniture_are_close_to_furniture(
    photographs: Engine, real_images: Path
) -> None:
    assert far(photographs, sorted((real_images / "furniture" / "test").rglob("*.jpg"))[::3]) <= 2


def test_photographs_of_other_things_are_close_to_no_furniture(
    photographs: Engine, strangers: list[Path], real_images: Path
) -> None:
    others = sorted((real_images / "imagenet300").iterdir())[::3]
    assert far(photographs, others) >= 0.8 * len(others)
    assert far(photographs, strangers) >= 29

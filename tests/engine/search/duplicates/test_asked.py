"""Pictures that are asked about before they are added: what the catalog has of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import DuplicateGroup, Engine
from engine.errors import ImageError, StoreNotFoundError
from engine.skipped import Skipped


def put(path: Path, content: int, side: int = 32) -> Path:
    """Write a picture of sixteen squares, some of them of a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(content)
    squares = drawn.integers(64, 256, (4, 4, 3)) * (drawn.random((4, 4, 3)) < 0.25)
    image = Image.fromarray(squares.astype(np.uint8))
    image.resize((side, side), Image.Resampling.NEAREST).save(path)
    return path


def told(groups: list[DuplicateGroup]) -> list[tuple[str, list[str], list[str]]]:
    """Return the kind of each group, its names, and what may go."""
    return [
        (
            group.kind,
            [os.path.basename(path) for path in group.paths],
            [os.path.basename(path) for path in group.removable],
        )
        for group in groups
    ]


@pytest.fixture
def shop(tmp_path: Path, fake_engine: Engine) -> Path:
    """A folder of four pictures that is in the catalog."""
    for content in range(4):
        put(tmp_path / "shop" / f"{content}.png", content)
    fake_engine.index([tmp_path / "shop"])
    return tmp_path / "shop"


def test_a_picture_that_is_there_under_another_name_is_exact(
    shop: Path, fake_engine: Engine
) -> None:
    new = Path(shutil.copy(shop / "2.png", shop.parent / "new.png"))
    groups = fake_engine.duplicates(images=new)
    assert told(groups) == [("exact", ["2.png", "new.png"], ["new.png"])]
    assert [group.query for group in groups] == [str(new)]


def test_a_picture_that_was_resized_is_a_copy(shop: Path, fake_engine: Engine) -> None:
    new = put(shop.parent / "new.png", 2, side=16)
    assert told(fake_engine.duplicates(images=new)) == [("copy", ["2.png", "new.png"], ["new.png"])]
    assert fake_engine.duplicates(images=new, level="exact") == []


def test_a_larger_picture_should_stay_and_nothing_of_the_catalog_go(
    shop: Path, fake_engine: Engine
) -> None:
    new = put(shop.parent / "new.png", 2, side=128)
    assert told(fake_engine.duplicates(images=new)) == [("copy", ["new.png", "2.png"], [])]


def test_a_picture_that_is_not_there_has_no_duplicates(shop: Path, fake_engine: Engine) -> None:
    new = put(shop.parent / "new.png", 9)
    assert fake_engine.duplicates(images=new) == []


def test_a_picture_of_the_catalog_is_no_duplicate_of_itself(
    shop: Path, fake_engine: Engine
) -> None:
    os.link(shop / "1.png", shop.parent / "linked.png")
    asked = [shop / "0.png", shop.parent / "linked.png"]
    assert fake_engine.duplicates(images=asked) == []


def test_bytes_are_asked_about_too(shop: Path, fake_engine: Engine) -> None:
    [group] = fake_engine.duplicates(images=(shop / "3.png").read_bytes())
    assert (group.kind, list(group.removable)) == ("exact", [])
    assert os.path.basename(group.keep) == "3.png"


def test_pictures_that_come_together_are_compared(shop: Path, fake_engine: Engine) -> None:
    first = put(shop.parent / "first.png", 9)
    second = Path(shutil.copy(first, shop.parent / "second.png"))
    third = put(shop.parent / "third.png", 9, side=16)
    groups = fake_engine.duplicates(images=[first, second, third])
    assert [(kind, sorted(names)) for kind, names, _ in told(groups)] == [
        ("exact", ["first.png", "second.png"]),
        ("copy", ["first.png", "second.png", "third.png"]),
    ]


def test_what_is_similar_is_listed_where_it_is_asked_for(shop: Path, fake_engine: Engine) -> None:
    new = put(shop.parent / "new.png", 9)
    groups = fake_engine.duplicates(-1.0, images=new)
    assert [(kind, len(names)) for kind, names, _ in told(groups)] == [("similar", 5)]


def test_pictures_that_are_gone_do_not_count(shop: Path, fake_engine: Engine) -> None:
    new = Path(shutil.copy(shop / "2.png", shop.parent / "new.png"))
    (shop / "2.png").unlink()
    fake_engine.index([shop])
    assert fake_engine.duplicates(images=new) == []


def test_what_was_overwritten_since_lets_nothing_go(shop: Path, fake_engine: Engine) -> None:
    new = Path(shutil.copy(shop / "2.png", shop.parent / "new.png"))
    put(shop / "2.png", 7)
    groups = fake_engine.duplicates(images=new)
    assert all("new.png" not in may_go for _, _, may_go in told(groups))


def test_pictures_that_cannot_be_read_are_named(shop: Path, fake_engine: Engine) -> None:
    new = Path(shutil.copy(shop / "2.png", shop.parent / "new.png"))
    text = shop.parent / "text.jpg"
    text.write_text("no picture")
    skipped: list[Skipped] = []
    assert len(fake_engine.duplicates(images=[text, new], skipped=skipped)) == 1
    assert [each.path for each in skipped] == [str(text)]
    with pytest.raises(ImageError):
        fake_engine.duplicates(images=[text])


def test_the_catalog_stays_as_it_is(shop: Path, fake_engine: Engine) -> None:
    before = fake_engine.status().images
    fake_engine.duplicates(images=put(shop.parent / "new.png", 9))
    assert fake_engine.status().images == before


def test_without_a_catalog_there_is_nothing_to_ask(tmp_path: Path, fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.duplicates(images=put(tmp_path / "new.png", 9))

"""The images of a store: listed in pages, looked at, labelled, forgotten."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine import Engine, UsageError
from engine.errors import FilterError, ImageError, UnknownImageError
from index.catalog.tables.images import ImageTable
from tests.support.meanwhile import meanwhile


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


def ids(engine: Engine, *where: str) -> list[int]:
    return [image.id for image in engine.images.page(where, limit=1000).images]


def test_pages_together_hold_every_image_once(indexed: Engine) -> None:
    found, after = list[int](), 0
    while True:
        page = indexed.images.page(after=after, limit=5)
        found += [image.id for image in page.images]
        if page.cursor is None:
            break
        after = page.cursor
    assert found == sorted(set(found)) == ids(indexed)
    assert len(found) == 12


@pytest.mark.parametrize("where", [["label=bed"], ["path~*/bed/*"], ["label=bed", "width>=1"]])
def test_a_page_holds_what_meets_all_conditions(indexed: Engine, where: list[str]) -> None:
    page = indexed.images.page(where, limit=3)
    rest = indexed.images.page(where, after=page.cursor or 0, limit=3)
    assert {image.label for image in (*page.images, *rest.images)} == {"bed"}
    assert (len(page.images), len(rest.images), rest.cursor) == (3, 1, None)


def test_a_page_is_of_one_state(indexed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    beds = ids(indexed, "label=bed")
    seen = meanwhile(
        monkeypatch, ImageTable, "rows", lambda: indexed.images.relabel(beds[0], "sofa").label
    )
    page = indexed.images.page(["label=bed"])
    assert seen == ["sofa"]
    assert [(each.id, each.label) for each in page.images] == [(each, "bed") for each in beds]
    assert ids(indexed, "label=bed") == beds[1:]


def test_an_image_is_told_as_the_catalog_has_it(indexed: Engine, images: Path) -> None:
    hit = indexed.search(next(images.rglob("*.jpg")), k=1)[0]
    image = indexed.images[hit.id]
    assert (image.path, image.label, image.missing) == (hit.path, hit.label, False)
    assert (image.format, len(image.content_hash)) == ("JPEG", 64)
    Path(image.path).unlink()
    assert indexed.images[hit.id].missing


def test_a_label_is_set_and_taken_away(indexed: Engine) -> None:
    first = ids(indexed)[0]
    # Written as two characters, it is stored as the one that others write.
    assert indexed.images.relabel(first, " se\u0301jour ").label == "s\u00e9jour"
    assert ids(indexed, "label=s\u00e9jour") == [first]
    assert indexed.images.relabel(first, None).label is None


@pytest.mark.parametrize("label", ["", "  ", "x" * 1001])
def test_what_is_no_label_changes_none(indexed: Engine, label: str) -> None:
    first = ids(indexed)[0]
    with pytest.raises(UsageError, match="label"):
        indexed.images.relabel(first, label)
    assert indexed.images[first].label is not None


def test_a_forgotten_image_keeps_its_file_and_is_found_no_more(indexed: Engine) -> None:
    first, second, *_ = ids(indexed)
    image = indexed.images[first]
    assert indexed.images.forget([first, first, 4711]) == 1
    assert Path(image.path).exists()
    assert first not in {hit.id for hit in indexed.search(ids=[second], k=20)}
    assert indexed.status().consistent


@pytest.mark.parametrize("number", [4711, 2**62])
def test_an_image_that_is_not_there_is_named(indexed: Engine, number: int) -> None:
    for ask in (
        lambda: indexed.images[number],
        lambda: indexed.images.relabel(number, "bed"),
        lambda: indexed.search(ids=[number]),
    ):
        with pytest.raises(UnknownImageError, match=f"image {number}"):
            ask()


@given(st.one_of(st.integers(max_value=0), st.integers(2**63), st.floats(), st.text(), st.none()))
def test_what_is_no_id_is_refused(tmp_path_factory: pytest.TempPathFactory, number: object) -> None:
    engine = Engine.open(tmp_path_factory.getbasetemp() / "none")
    with engine, pytest.raises(UsageError, match="out of range"):
        engine.images[number]  # type: ignore[index]


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 1001}, {"after": -1}, {"limit": 2.5}])
def test_there_is_no_odd_page(indexed: Engine, page: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        indexed.images.page(**page)  # type: ignore[arg-type]
    with pytest.raises(FilterError):
        indexed.images.page(["label"])


def test_an_image_of_the_catalog_finds_what_its_file_finds(indexed: Engine) -> None:
    for number in ids(indexed):
        by_id = indexed.search(ids=[number], k=12)
        by_file = indexed.search(indexed.images[number].path, k=12)
        assert by_id[0].id == number
        assert [hit.id for hit in by_id] == [hit.id for hit in by_file]


def test_of_several_ids_the_mean_is_searched_for(indexed: Engine) -> None:
    first, *_, last = ids(indexed)
    report = indexed.search(ids=[last, first], k=12)
    paths = [indexed.images[each].path for each in (first, last)]
    assert report.images == paths
    assert [hit.id for hit in report] == [hit.id for hit in indexed.search(paths, k=12)]


def test_an_id_is_searched_for_without_a_picture_beside_it(indexed: Engine, images: Path) -> None:
    first = ids(indexed)[0]
    with pytest.raises(UsageError, match="as a whole"):
        indexed.search(images, ids=[first])
    with pytest.raises(UsageError, match="as a whole"):
        indexed.search(ids=[first], crop=(0, 0, 1, 1))


def test_no_file_is_read_for_an_id(indexed: Engine) -> None:
    first = ids(indexed)[0]
    Path(indexed.images[first].path).unlink()
    assert indexed.search(ids=[first], k=1)[0].missing


def test_a_file_is_opened_while_it_is_as_it_was_indexed(indexed: Engine) -> None:
    first = ids(indexed)[0]
    path = Path(indexed.images[first].path)
    content = path.read_bytes()
    with indexed.images.open(first) as file:
        assert file.read() == content
    path.write_bytes(content + b"more")
    with pytest.raises(ImageError, match="something else"):
        indexed.images.open(first)
    path.unlink()
    with pytest.raises(ImageError, match="no such file"):
        indexed.images.open(first)


@pytest.mark.parametrize("side", [1, 40, 4096])
def test_a_thumbnail_fits_into_its_side(indexed: Engine, side: int) -> None:
    first = indexed.images[ids(indexed)[0]]
    with Image.open(io.BytesIO(indexed.images.thumbnail(first.id, side))) as image:
        assert max(image.size) == min(side, max(first.width, first.height))


@pytest.mark.parametrize("side", [0, -1, 4097, 1.5])
def test_a_thumbnail_has_a_side(indexed: Engine, side: int) -> None:
    with pytest.raises(UsageError, match="side"):
        indexed.images.thumbnail(ids(indexed)[0], side)

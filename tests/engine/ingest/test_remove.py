"""Images forgotten on request, whether or not their files still exist."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine import Engine, TrainOptions

QUICK = TrainOptions(epochs=4)
# As it is, and mirrored.
VIEWS_PER_IMAGE = 2


@pytest.fixture
def indexed(fake_engine: Engine, images: Path) -> Engine:
    """An engine whose store holds the twelve images."""
    fake_engine.index([images])
    return fake_engine


def _indexed_paths(engine: Engine, images: Path) -> set[str]:
    query = min((images / "chair").iterdir())
    return {Path(hit.path).name for hit in engine.search(query, k=100)}


def test_a_folder_takes_all_that_lies_below_it_along(indexed: Engine, images: Path) -> None:
    before = _indexed_paths(indexed, images)
    report = indexed.remove([images / "bed"])
    assert (report.removed, report.images, report.not_found) == (4, 8, [])
    assert _indexed_paths(indexed, images) == before - {p.name for p in (images / "bed").iterdir()}


def test_a_folder_whose_name_only_begins_alike_stays(indexed: Engine, images: Path) -> None:
    shutil.copytree(images / "bed", images / "bedroom")
    indexed.index([images])
    assert indexed.remove([images / "bed"]).removed == 4
    assert indexed.status().images == 12


def test_what_is_not_in_the_catalog_is_named(indexed: Engine, images: Path) -> None:
    unknown = [images / "sofa", images / "bed" / "none.jpg"]
    report = indexed.remove([*unknown, images / "lamp"])
    assert report.not_found == [str(path) for path in unknown]
    assert report.removed == 4


def test_a_path_may_be_relative_and_end_in_a_slash(
    indexed: Engine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images)
    report = indexed.remove(["./bed/", "lamp/../lamp"])
    assert (report.removed, report.not_found) == (8, [])


def test_an_image_named_twice_is_removed_once(indexed: Engine, images: Path) -> None:
    bed = min((images / "bed").iterdir())
    report = indexed.remove([bed, images / "bed", bed])
    assert (report.removed, report.not_found) == (4, [])


def test_a_hidden_image_is_forgotten_too(indexed: Engine, images: Path) -> None:
    min((images / "bed").iterdir()).unlink()
    indexed.index([images])
    assert indexed.status().missing == 1
    assert indexed.remove([images / "bed"]).removed == 4
    assert indexed.status().missing == 0


def test_an_image_that_was_removed_can_be_indexed_again(indexed: Engine, images: Path) -> None:
    indexed.remove([images])
    assert indexed.index([images]).added == 12


@pytest.fixture
def trained(fake_engine: Engine, images: Path) -> Engine:
    """An engine with a head that learned from the twelve images before they were indexed."""
    fake_engine.train(images, head="mine", options=QUICK)
    fake_engine.index([images])
    return fake_engine


@pytest.mark.slow
def test_the_embeddings_that_a_head_learned_from_go_with_their_images(
    trained: Engine, images: Path
) -> None:
    assert trained.status().views == 12 * VIEWS_PER_IMAGE
    trained.remove([images / "bed"])
    assert trained.status().views == 8 * VIEWS_PER_IMAGE
    trained.remove([images])
    assert trained.status().views == 0
    assert [head.name for head in trained.heads] == ["mine"]


@pytest.mark.slow
def test_the_embedding_of_a_copy_that_stays_is_still_learned_from(
    trained: Engine, images: Path, tmp_path: Path
) -> None:
    shutil.copytree(images / "bed", tmp_path / "elsewhere")
    trained.index([tmp_path / "elsewhere"])
    trained.remove([images])
    assert trained.status().views == 4 * VIEWS_PER_IMAGE


@pytest.mark.slow
def test_a_head_is_extended_without_the_images_that_were_removed(
    trained: Engine, images: Path, drawn: Path, tmp_path: Path
) -> None:
    bed = min((images / "bed").iterdir())
    trained.remove([bed])
    more = tmp_path / "more" / "sofa"
    more.mkdir(parents=True)
    for path in sorted((drawn / "sofa").iterdir())[:4]:
        shutil.copy2(path, more)
    report = trained.train(more.parent, head="mine", options=QUICK, extend=True)
    assert report.images == 12 - 1 + 4
    assert any(note.startswith("1 of the pictures learned before") for note in report.notes)


@pytest.mark.slow
def test_the_embeddings_that_heads_learned_from_go_with_the_last_head(
    fake_engine: Engine, images: Path
) -> None:
    for name in ("one", "other"):
        fake_engine.train(images, head=name, options=QUICK)
    fake_engine.heads.delete("one")
    assert fake_engine.status().views == 12 * VIEWS_PER_IMAGE
    fake_engine.heads.delete("other")
    assert fake_engine.status().views == 0


def test_a_folder_that_is_removed_is_no_longer_one_that_was_indexed(
    indexed: Engine, images: Path
) -> None:
    folders = indexed._session.catalog().folders
    assert folders.all() == [str(images)]
    indexed.remove([images / "bed"])
    assert folders.all() == [str(images)]
    indexed.remove([images])
    assert folders.all() == []

"""What a file is whose content is known: an image that moved, or a copy; and what that costs."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, Engine
from engine.ingest.same_content import SameContent
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.embeddings import EmbeddingTable
from index.catalog.tables.images import Batch, ImageTable
from index.catalog.tables.predictions import Named
from index.records import FileState, ImageFacts, ImageRow, KnownImage, Vectors
from tests.support.shop import counts, put

Count = Callable[[], int]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalog with the images /0 to /4 of content `h`, and /5 of content `alone`."""
    identity = FakeEmbedder(Config.at(tmp_path / "store")).identity
    with Catalog.create(tmp_path / "catalog.sqlite", identity) as made:
        store(made, [None] * 6, ["h"] * 5 + ["alone"])
        yield made


def store(catalog: Catalog, ids: list[int | None], contents: list[str]) -> None:
    facts = [
        ImageFacts(FileState(f"/{number}", 1, 1), 1, content, 9, 9, "BMP", None)
        for number, content in enumerate(contents)
    ]
    count = len(facts)
    vectors = Vectors(np.ones((count, 48), np.float32), np.ones(count, np.float32))
    zeros = np.zeros(count, np.int64)
    named = Named([("imagenet", "a")], zeros, zeros.astype(np.float32), zeros.astype(bool))
    catalog.images.store(Batch(ids, facts, vectors, named))


def same_content(catalog: Catalog, *left: str) -> SameContent:
    """Take the files at these paths for gone."""
    return SameContent(catalog, lambda image: image.path in left)


def found(match: KnownImage | ImageRow | None) -> tuple[bool, str]:
    """Return whether an image moved, and its path."""
    assert match is not None
    return isinstance(match, KnownImage), match.path


def test_each_image_that_left_is_found_once_and_then_copies(catalog: Catalog) -> None:
    same = same_content(catalog, "/1", "/3")
    answers = [found(same.find("h", "/new", may_move=True)) for _ in range(4)]
    assert answers == [(True, "/1"), (True, "/3"), (False, "/0"), (False, "/0")]


def test_an_image_alone_with_its_content_moves_once(catalog: Catalog) -> None:
    same = same_content(catalog, "/5")
    answers = [found(same.find("alone", "/new", may_move=True)) for _ in range(3)]
    assert answers == [(True, "/5"), (False, "/5"), (False, "/5")]


def test_a_file_at_a_known_path_is_a_copy(catalog: Catalog) -> None:
    same = same_content(catalog, "/1")
    assert found(same.find("h", "/new", may_move=False)) == (False, "/0")
    assert found(same.find("h", "/new", may_move=True)) == (True, "/1")


def test_a_content_that_no_image_has_is_not_found(catalog: Catalog) -> None:
    assert same_content(catalog).find("nothing", "/new", may_move=True) is None


def test_a_copy_is_none_of_an_image_that_has_another_content_now(catalog: Catalog) -> None:
    same = same_content(catalog)
    assert found(same.find("h", "/new", may_move=True)) == (False, "/0")
    store(catalog, [1, 2], ["other", "other"])
    assert found(same.find("h", "/new", may_move=True)) == (False, "/2")


def test_a_content_that_every_image_lost_is_not_found(catalog: Catalog) -> None:
    same = same_content(catalog)
    same.find("h", "/new", may_move=True)
    store(catalog, [1, 2, 3, 4, 5], ["other"] * 5)
    assert same.find("h", "/new", may_move=True) is None


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Count the rows that are read and the paths that are tried from now on."""
    counted: Counter[str] = Counter()

    def counting(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*arguments: Any) -> Any:
            answer = function(*arguments)
            counted[name] += 1 if isinstance(answer, bool) else len(answer)
            return answer

        monkeypatch.setattr(owner, name, call)

    counting(ImageTable, "with_content")
    counting(ImageTable, "rows")
    counting(EmbeddingTable, "of")
    counting(os.path, "lexists")
    return lambda: sum(counted.values())


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[Engine]:
    """An engine that commits as often as it can: each copy is a row before the next comes."""
    config = Config.at(tmp_path / "store", commit_seconds=0.0)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


def copies(folder: Path, count: int) -> list[Path]:
    """Write so many files of one content."""
    original = put(folder / "000.bmp", 1)
    paths = [folder / f"{number:03}.bmp" for number in range(count)]
    for path in paths[1:]:
        shutil.copy2(original, path)
    return paths


# Of the files' square there would be thousands.
FILES = 60
MOST = 6 * FILES


def test_the_work_grows_with_the_copies_that_are_added(
    tmp_path: Path, eager: Engine, work: Count
) -> None:
    copies(tmp_path / "shop", 1)
    eager.index([tmp_path / "shop"])
    copies(tmp_path / "shop", FILES)
    assert counts(eager.index([tmp_path / "shop"])) == {"added": FILES - 1, "unchanged": 1}
    assert FILES < work() < MOST


def test_the_work_grows_with_the_copies_that_were_moved(
    tmp_path: Path, eager: Engine, work: Count
) -> None:
    copies(tmp_path / "shop" / "old", FILES)
    put(tmp_path / "shop" / "stays.bmp", 2)
    eager.index([tmp_path / "shop"])
    before = work()
    (tmp_path / "shop" / "old").rename(tmp_path / "shop" / "new")
    assert counts(eager.index([tmp_path / "shop"])) == {"moved": FILES, "unchanged": 1}
    assert work() - before < MOST


def test_the_work_grows_with_the_files_that_became_copies(
    tmp_path: Path, eager: Engine, work: Count
) -> None:
    for number in range(FILES):
        put(tmp_path / "shop" / f"{number:03}.bmp", number)
    eager.index([tmp_path / "shop"])
    before = work()
    for path in copies(tmp_path / "shop", FILES):
        os.utime(path)
    assert counts(eager.index([tmp_path / "shop"]))["updated"] == FILES - 1
    assert FILES < work() - before < MOST


def test_the_work_grows_with_the_copies_added_to_a_few_of_very_many(
    tmp_path: Path, eager: Engine, work: Count
) -> None:
    copies(tmp_path / "shop", FILES)
    eager.index([tmp_path / "shop"])
    before = work()
    for number in range(5):
        shutil.copy2(tmp_path / "shop" / "000.bmp", tmp_path / "shop" / f"more {number}.bmp")
    assert counts(eager.index([tmp_path / "shop"])) == {"added": 5, "unchanged": FILES}
    assert work() - before < MOST

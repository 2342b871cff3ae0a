"""The facade: every verb, with and without a store."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Config, Engine, EngineError, TrainOptions, UsageError
from engine.errors import (
    BackboneMismatchError,
    HeadFormatError,
    HeadMismatchError,
    StoreLockedError,
    StoreNotFoundError,
    UnknownHeadError,
)
from engine.testing import CATEGORIES, FakeEmbedder
from index.catalog.catalog import Catalog
from index.files.lock import writer_lock
from tests.support.indexes import delta_in, flip_bit

QUICK = TrainOptions(epochs=3)


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a store of its own."""
    config = Config.at(tmp_path / "other")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


@pytest.fixture
def bed(images: Path) -> Path:
    """One of the pictures."""
    return sorted((images / "bed").iterdir())[0]


def test_opening_an_engine_makes_nothing(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "store") as engine:
        assert engine.config.store.folder == tmp_path / "store"
    assert os.listdir(tmp_path) == []


def test_a_setting_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"runtime: 'abacus' is not a choice"):
        Engine.open(tmp_path / "store", runtime="abacus")


def test_what_was_indexed_is_there_when_the_store_is_opened_again(
    indexed: Engine, bed: Path
) -> None:
    indexed.close()
    with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as again:
        assert again.search(bed, k=1)[0].path == str(bed)


def test_a_closed_engine_opens_its_store_again_when_asked(indexed: Engine, bed: Path) -> None:
    indexed.close()
    assert len(indexed.search(bed)) == 10


def test_leaving_the_block_closes_the_catalog(images: Path, tmp_path: Path) -> None:
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([images])
    assert sorted(os.listdir(tmp_path / "store")) == [
        "catalog.sqlite",
        "index",
        "writer.lock",
    ]


@pytest.mark.parametrize(
    "verb",
    [
        lambda engine, image: engine.search(image),
        lambda engine, image: engine.status(),
        lambda engine, image: engine.remove([image]),
        lambda engine, image: engine.duplicates(),
        lambda engine, image: engine.move_duplicates("aside"),
        lambda engine, image: engine.train(head="x", from_labels=True),
        lambda engine, image: engine.heads["x"],
        lambda engine, image: engine.heads.export("x", "x.safetensors"),
        lambda engine, image: engine.heads.delete("x"),
    ],
)
def test_verbs_that_need_a_store_say_how_to_make_one_and_make_none(
    fake_engine: Engine, bed: Path, verb: object
) -> None:
    assert callable(verb)
    with pytest.raises(StoreNotFoundError, match="engine index FOLDER"):
        verb(fake_engine, bed)
    assert not fake_engine.config.store.folder.exists()


def test_training_on_a_store_that_was_named_and_is_not_there_makes_none(
    images: Path, tmp_path: Path
) -> None:
    config = Config.at(tmp_path / "named")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        with pytest.raises(StoreNotFoundError, match="or check --store"):
            engine.train(images, head="rooms")
        assert not config.store.folder.exists()
        engine.index([images])
        assert engine.train(images, head="rooms", options=QUICK).categories


def test_without_a_store_images_are_classified_by_the_built_in_categories(
    fake_engine: Engine, bed: Path
) -> None:
    (answer,) = fake_engine.classify(bed, k=30)
    assert {each.source for each in answer.predictions} == {"imagenet"}
    assert {each.category for each in answer.predictions} == set(CATEGORIES)
    assert list(fake_engine.heads) == []


@pytest.mark.slow
def test_status_says_what_there_is(indexed: Engine, images: Path, bed: Path) -> None:
    bed.unlink()
    indexed.index([images])
    indexed.train(head="rooms", from_labels=True, options=QUICK)
    status = indexed.status()
    assert (status.images, status.missing, status.labelled, status.embeddings) == (11, 1, 11, 12)
    assert (status.backbone, status.dim, status.precision) == ("fake", 48, "fp32")
    assert [head.name for head in status.heads] == ["rooms"]
    assert (status.index_state, status.consistent, status.problems) == ("current", True, [])
    assert status.catalog_bytes > 0 < status.index_bytes
    assert sum(status.categories.values()) <= 11
    assert status.writer is None


def test_an_index_file_that_is_gone_is_missed_and_made_again(indexed: Engine, bed: Path) -> None:
    shutil.rmtree(indexed.config.store.index)
    assert indexed.status().index_state == "missing (will be rebuilt)"
    with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as another:
        assert len(another.search(bed, k=12)) == 12
    assert indexed.status().index_state == "current"


def test_an_index_file_that_is_damaged_is_noticed_and_made_again(
    indexed: Engine, bed: Path
) -> None:
    flip_bit(delta_in(indexed.config.store.index), 100)
    assert indexed.status().index_state == "damaged (will be rebuilt)"
    with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as another:
        assert another.search(bed, k=1)[0].path == str(bed)
    assert indexed.status().index_state == "current"


@pytest.mark.slow
def test_a_second_search_sees_what_was_committed_since_the_first(
    indexed: Engine, drawn: Path, bed: Path
) -> None:
    before = len(indexed.search(bed, k=100))
    with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as writer:
        added = writer.index([drawn / "sofa"]).added
    assert len(indexed.search(bed, k=100)) == before + added > before


def test_removed_images_are_forgotten_and_their_files_stay(
    indexed: Engine, images: Path, bed: Path
) -> None:
    report = indexed.remove([images / "lamp", bed, images / "sofa"])
    assert (report.removed, report.images) == (5, 7)
    assert report.not_found == [str(images / "sofa")]
    assert len(indexed.search(bed, k=12)) == 7
    assert bed.exists()


def test_after_everything_was_removed_a_search_finds_nothing(
    indexed: Engine, images: Path, bed: Path
) -> None:
    indexed.remove([images])
    assert len(indexed.search(bed)) == 0
    assert len(indexed.search(bed, where=["label=bed"])) == 0
    assert indexed.status().consistent


def test_while_another_process_writes_indexing_is_refused_and_search_is_not(
    indexed: Engine, images: Path, bed: Path
) -> None:
    indexed._session.patience_seconds = 0.0
    with writer_lock(indexed.config.store.folder):
        with pytest.raises(StoreLockedError):
            indexed.index([images])
        assert len(indexed.search(bed, k=12)) == 12


def test_other_weights_are_refused(indexed: Engine, images: Path, bed: Path) -> None:
    embedder = FakeEmbedder(indexed.config, weights_sha256="1" * 64)
    with Engine(indexed.config, embedder=embedder) as other:
        with pytest.raises(BackboneMismatchError):
            other.index([images])
        with pytest.raises(BackboneMismatchError):
            other.search(bed)


@pytest.mark.slow
def test_a_head_goes_from_store_to_store(
    indexed: Engine, other: Engine, images: Path, tmp_path: Path, bed: Path
) -> None:
    indexed.train(head="rooms", from_labels=True, options=QUICK)
    exported = indexed.heads.export("rooms", tmp_path / "rooms.safetensors")
    other.index([images])
    imported = other.heads.add(tmp_path / "rooms.safetensors")
    # To the fake backbone all drawn pictures are copies of one, so there is no accuracy.
    infos = (imported, exported, indexed.heads["rooms"])
    one, *others = [replace(info, validation_accuracy=0.0) for info in infos]
    assert others == [one, one]
    assert other.classify(bed) == indexed.classify(bed)
    assert other.status().categories == indexed.status().categories


def test_a_head_can_be_imported_under_another_name(
    indexed: Engine, tmp_path: Path, bed: Path
) -> None:
    indexed.train(head="rooms", from_labels=True, options=QUICK)
    indexed.heads.export("rooms", tmp_path / "rooms.safetensors")
    indexed.heads.add(tmp_path / "rooms.safetensors", name="zimmer")
    assert [head.name for head in list(indexed.heads)] == ["rooms", "zimmer"]
    assert {each.source for each in indexed.classify(bed, head="zimmer")[0].predictions} == {
        "zimmer"
    }


@pytest.mark.slow
def test_a_head_of_another_backbone_is_not_imported(
    indexed: Engine, images: Path, tmp_path: Path
) -> None:
    indexed.train(head="rooms", from_labels=True, options=QUICK)
    indexed.heads.export("rooms", tmp_path / "rooms.safetensors")
    config = Config.at(tmp_path / "other")
    embedder = FakeEmbedder(config, weights_sha256="1" * 64)
    with Engine(config, embedder=embedder) as other:
        other.index([images])
        with pytest.raises(HeadMismatchError, match="Train it again"):
            other.heads.add(tmp_path / "rooms.safetensors")
        assert list(other.heads) == []


def test_a_file_that_is_no_head_is_not_imported(indexed: Engine, bed: Path) -> None:
    with pytest.raises(HeadFormatError):
        indexed.heads.add(bed)
    assert list(indexed.heads) == []


@pytest.mark.parametrize("head", ["nobody", "", "ALL"])
def test_an_unknown_head_is_refused(indexed: Engine, bed: Path, head: str) -> None:
    with pytest.raises(UnknownHeadError):
        indexed.classify(bed, head=head)


def test_every_error_of_the_engine_is_an_engine_error(indexed: Engine, bed: Path) -> None:
    with pytest.raises(EngineError) as caught:
        indexed.heads.delete("nobody")
    assert (caught.value.thing, caught.value.exit_code) == ("nobody", 2)
    assert str(caught.value).startswith("nobody: there is no such head. ")


@pytest.mark.slow
def test_statuses_taken_while_somebody_indexes_are_in_order(indexed: Engine, drawn: Path) -> None:
    problems: list[object] = []
    done = threading.Event()

    def watch() -> None:
        with Engine(indexed.config, embedder=FakeEmbedder(indexed.config)) as watching:
            while not done.is_set():
                status = watching.status()
                problems.extend(status.problems)
                problems.extend([] if status.embeddings == status.images else [status])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for category in ("sofa", "bed", "chair"):
            indexed.index([drawn / category])
            indexed.remove([drawn / category])
    finally:
        done.set()
        watcher.join()
    assert problems == []


def test_a_catalog_put_back_beside_a_stale_index_is_not_called_in_order(
    indexed: Engine, drawn: Path, bed: Path, tmp_path: Path
) -> None:
    store = indexed.config.store
    indexed.close()
    shutil.copy(store.folder / "catalog.sqlite", tmp_path / "backup.sqlite")
    indexed.index([drawn / "sofa" / "sofa-0001.jpg"])
    indexed.close()
    shutil.copy(tmp_path / "backup.sqlite", store.folder / "catalog.sqlite")
    with Catalog.open(store.catalog) as catalog:
        # As many images in as many commits as the index shows, but another one.
        [known] = catalog.images.known([str(bed)]).values()
        catalog.images.hide([known.id])
    status = indexed.status()
    assert not status.consistent
    assert status.index_state == "of another history (will be rebuilt)"
    assert len(status.problems) == 1
    assert str(drawn / "sofa" / "sofa-0001.jpg") not in {
        hit.path for hit in indexed.search(bed, k=99)
    }
    status = indexed.status()
    assert (status.consistent, status.index_state, status.problems) == (True, "current", [])


def test_to_warm_up_opens_the_index(images: Path, fake_engine: Engine) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.warm_up()
    fake_engine.index([images])
    fake_engine.close()
    assert fake_engine.figures().not_in_index is None
    fake_engine.warm_up()
    assert fake_engine.figures().not_in_index == 0

"""Writing pictures: the backbone works behind, a bounded way, and nothing gets lost between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.heads.classifier import Classifier
from engine.ingest.batch_writer import BatchWriter, IngestLimits, KnownHashes
from engine.pictures.preprocess import Pixels
from engine.testing import FAKE, FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch, ImageTable
from index.records import FileState, ImageFacts, Vectors

PATIENCE = 30.0


class Gated(FakeEmbedder):
    """A backbone that waits at a gate before each batch, and may refuse one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.gate = threading.Semaphore(1000)
        self.begun = 0
        self.refused: int | None = None

    @property
    def batch(self) -> int:
        """Four pictures at once."""
        return 4

    def embed(self, inputs: object) -> Vectors:
        """Wait, then embed."""
        self.begun += 1
        number = self.begun
        assert self.gate.acquire(timeout=PATIENCE)
        if number == self.refused:
            raise MemoryError("no room for a batch")
        return super().embed(inputs)  # type: ignore[arg-type]


@pytest.fixture
def embedder(tmp_path: Path) -> Gated:
    """A backbone whose gate is open."""
    return Gated(Config.at(tmp_path / "store", commit_seconds=3600.0))


@pytest.fixture
def catalog(tmp_path: Path, embedder: Gated) -> Iterator[Catalog]:
    """An empty catalog of that backbone."""
    with Catalog.create(tmp_path / "catalog.sqlite", embedder.identity) as made:
        yield made


@pytest.fixture
def known(catalog: Catalog) -> KnownHashes:
    """The hashes of the catalog, held in memory."""
    hashes = KnownHashes(catalog, IngestLimits())
    hashes.expect(1000)
    return hashes


@pytest.fixture
def make_writer(
    catalog: Catalog, embedder: Gated, known: KnownHashes
) -> Iterator[Callable[..., BatchWriter]]:
    """Make a writer that commits when it is flushed, with some limits."""
    made: list[BatchWriter] = []

    def make(**limits: int) -> BatchWriter:
        def classifier() -> Classifier:
            return Classifier(embedder.built_in, [])

        made.append(BatchWriter(catalog, embedder, classifier, known, IngestLimits(**limits)))
        return made[-1]

    yield make
    embedder.gate.release(1000)
    for writer in made:
        writer.close()


@pytest.fixture
def writer(make_writer: Callable[..., BatchWriter]) -> BatchWriter:
    """A writer that commits when it is flushed."""
    return make_writer()


def image(number: int) -> tuple[None, ImageFacts, Pixels]:
    """Return what the writer takes of a picture that no other number gives."""
    facts = ImageFacts(FileState(f"/{number:03}", 1, 1), 1, f"{number:064x}", 9, 9, "BMP", None)
    return None, facts, np.full((16, 16, 3), number, np.uint8)


def paths(catalog: Catalog) -> list[str]:
    ids, _ = catalog.embeddings.all()
    return [row.path for row in catalog.images.rows(ids.tolist()).values()]


def test_images_are_committed_in_the_order_they_came(writer: BatchWriter, catalog: Catalog) -> None:
    for number in range(30):
        writer.add(*image(number))
    writer.flush()
    assert paths(catalog) == [f"/{number:03}" for number in range(30)]
    assert writer.embedded == 30


def test_a_commit_holds_only_so_many_images_however_fast_they_come(
    make_writer: Callable[..., BatchWriter], catalog: Catalog
) -> None:
    writer = make_writer(commit=8)
    for number in range(40):
        writer.add(*image(number))
        assert len(writer._ready) < 8
    # The others wait for more: two batches to be embedded, one to be committed.
    assert catalog.counts().images >= 40 - (IngestLimits().batches + 1) * 4
    writer.flush()
    assert catalog.counts().images == 40


def test_each_image_gets_its_own_embedding(
    writer: BatchWriter, catalog: Catalog, embedder: Gated
) -> None:
    for number in range(30):
        writer.add(*image(number))
    writer.flush()
    _, vectors = catalog.embeddings.all()
    wanted = FakeEmbedder.embed(embedder, [image(number)[2] for number in range(30)])
    assert np.allclose(vectors.raw, wanted.raw, rtol=1e-2)
    assert vectors.unit.shape == (30, FAKE.dim)


def test_no_more_batches_than_agreed_are_in_flight(writer: BatchWriter, embedder: Gated) -> None:
    embedder.gate = threading.Semaphore(0)
    for number in range(4 * IngestLimits().batches + 3):
        writer.add(*image(number))
    more = threading.Thread(target=writer.add, args=image(100))
    more.start()
    more.join(0.2)
    assert more.is_alive()  # a batch too many: it waits for the first
    assert embedder.begun == 1
    embedder.gate.release(1000)
    more.join(PATIENCE)
    assert not more.is_alive()


def test_the_backbone_works_on_while_the_catalog_is_written(
    writer: BatchWriter, embedder: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, two = ImageTable.store, threading.Event()

    def slow(self: ImageTable, batch: Batch) -> list[int]:
        embedder.gate.release(1000)  # the second batch is embedded only from here on
        assert two.wait(PATIENCE)
        return store(self, batch)

    monkeypatch.setattr(ImageTable, "store", slow)
    embedder.gate = threading.Semaphore(1)
    for number in range(8):
        writer.add(*image(number))
    # The first may have been taken over already.
    *first, second = writer._in_flight
    second[1].add_done_callback(lambda future: two.set())
    for _ in first:
        writer._take()
    writer._commit()
    assert two.is_set()


def test_an_error_of_the_backbone_comes_out_where_images_are_handed_in(
    writer: BatchWriter, embedder: Gated
) -> None:
    embedder.refused = 2
    with pytest.raises(MemoryError, match="no room for a batch"):
        for number in range(100):
            writer.add(*image(number))


def test_what_was_embedded_before_an_error_is_kept_by_a_flush(
    writer: BatchWriter, embedder: Gated, catalog: Catalog
) -> None:
    embedder.refused = 3
    with pytest.raises(MemoryError):
        for number in range(100):
            writer.add(*image(number))
    with pytest.raises(MemoryError):
        writer.flush()
    assert paths(catalog) == [f"/{number:03}" for number in range(8)]


def test_hashes_are_known_once_they_are_committed(writer: BatchWriter, known: KnownHashes) -> None:
    # Only the first digits are held, so they must differ.
    hashes = [f"{number:02x}" * 32 for number in range(6)]
    for number, content_hash in enumerate(hashes):
        _, facts, pixels = image(number)
        writer.add(None, replace(facts, content_hash=content_hash), pixels)
    assert not any(content_hash in known for content_hash in hashes)
    writer.flush()
    assert all(content_hash in known for content_hash in hashes)

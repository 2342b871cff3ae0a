"""Small catalogs, made-up pictures, and an eye that reads a FAISS index out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import (
    CatalogIdentity,
    FileState,
    Floats,
    Ids,
    ImageFacts,
    Named,
    Vectors,
)
from index.sync import OpenedIndex
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.ivf.build import BuildLimits, build_segment
from index.vectors.ivf.segment import SearchLimits, Segment
from tests.support.indexes import faiss_of, files_in, open_at, save_at

DIM = 8


def _identity(
    backbone: str = "fake", fingerprint: str = "f" * 64, dim: int = DIM, dtype: str = "float32"
) -> CatalogIdentity:
    return CatalogIdentity(backbone, fingerprint, dim, dtype, "fp32")


def _batch(
    paths: Sequence[str],
    *,
    ids: Sequence[int | None] | None = None,
    seed: int = 0,
    embeddings: Floats | None = None,
    hashes: Sequence[str] | None = None,
    labels: Sequence[str | None] | None = None,
    categories: Sequence[str] | None = None,
    probability: float = 0.5,
    unknown: Sequence[bool] | None = None,
    width: int = 640,
    height: int = 480,
    size: int = 1000,
    kind: str = "JPEG",
) -> Batch:
    count = len(paths)
    if embeddings is None:
        embeddings = np.random.default_rng(seed).normal(0, 3, (count, DIM)).astype(np.float32)
    hashes = hashes or [f"{seed}-{number}" for number in range(count)]
    labels = labels or [None] * count
    names = sorted(set(categories or ["thing"]))
    choice = [names.index(name) for name in categories or ["thing"] * count]
    facts = [
        ImageFacts(FileState(path, size, 2**62), 3, content, width, height, kind, label)
        for path, content, label in zip(paths, hashes, labels, strict=True)
    ]
    named = Named(
        [("imagenet", name) for name in names],
        np.array(choice, np.int64),
        np.full(count, probability, np.float32),
        np.array(unknown or [False] * count, np.bool_),
    )
    return Batch(ids or [None] * count, facts, Vectors.of(embeddings), named)


def _likenesses(count: int, dim: int, seed: int = 0) -> Floats:
    turn, _ = np.linalg.qr(np.random.default_rng(dim).normal(size=(dim, dim)))
    centres = np.random.default_rng(dim + 1).normal(size=(40, dim))
    rng = np.random.default_rng(seed)
    drawn = 0.7 * centres[rng.integers(0, len(centres), count)] + rng.normal(size=(count, dim))
    # Some directions hold much more than others, none of them along a single number.
    drawn = drawn / np.sqrt(1 + np.arange(dim)) @ turn
    return Vectors.of(drawn.astype(np.float32)).unit.astype(np.float16).astype(np.float32)


def _segment(
    ids: Ids,
    unit: Floats,
    *,
    lists: int = 16,
    scan_dim: int | None = None,
    refine: str = "SQ8",
    queries: int = 20,
) -> Segment:
    order = np.random.default_rng(len(ids)).permutation(len(ids))
    plan = Plan(lists, scan_dim or unit.shape[1] + unit.shape[1] % 2, refine)
    parts = np.array_split(np.arange(len(ids)), 3)
    sample, chunks = (ids[order], unit[order]), [(ids[part], unit[part]) for part in parts]
    return build_segment(plan, sample, chunks, limits=BuildLimits(queries))


@pytest.fixture(scope="session")
def likenesses() -> Callable[..., Floats]:
    """Draw unit vectors that lie as embeddings do, rounded as a catalog stores them."""
    return _likenesses


@pytest.fixture(scope="session")
def make_segment() -> Callable[..., Segment]:
    """Build a segment, measured by a few queries."""
    return _segment


@pytest.fixture(scope="session")
def make_identity() -> Callable[..., CatalogIdentity]:
    """Say whose embeddings a catalog holds."""
    return _identity


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Make a batch of pictures at these paths, with embeddings drawn from a seed."""
    return _batch


@pytest.fixture(scope="session")
def new_catalog(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[Catalog]]:
    """Make an empty catalog in a folder of its own, for the length of a `with` block."""

    @contextmanager
    def make(**identity: Any) -> Iterator[Catalog]:
        folder = tmp_path_factory.mktemp("catalog")
        with Catalog.create(folder / "catalog.sqlite", _identity(**identity)) as catalog:
            yield catalog
        shutil.rmtree(folder)

    return make


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog at `tmp_path / "catalog.sqlite"`."""
    with Catalog.create(tmp_path / "catalog.sqlite", _identity()) as made:
        yield made


@pytest.fixture(scope="session")
def contents_of() -> Callable[[FaissIndex], dict[int, list[float]]]:
    """Read all vectors of an index, by id: the score of a unit basis vector is one component."""

    def read(index: FaissIndex) -> dict[int, list[float]]:
        dim = index.delta.dim
        found: dict[int, list[float]] = {int(key): [0.0] * dim for key in index.ids}
        hits = index.search(np.eye(dim, dtype=np.float32), max(len(index), 1))
        for component, (ids, scores) in enumerate(zip(hits.ids, hits.scores, strict=True)):
            for key, score in zip(ids.tolist(), scores.tolist(), strict=True):
                if key >= 0:
                    found[key][component] = score
        return found

    return read


@pytest.fixture
def read_only(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> Callable[[], AbstractContextManager[None]]:
    """Make `open_folder` one that cannot be written, not even by root, inside a `with` block."""

    @contextmanager
    def protected() -> Iterator[None]:
        open_folder.chmod(0o555)
        with as_nobody():
            yield

    return protected


@pytest.fixture(scope="module")
def shared_catalog(
    new_catalog: Callable[..., AbstractContextManager[Catalog]],
) -> Iterator[Catalog]:
    """One catalog for all examples of a property; each example tidies up after itself."""
    with new_catalog() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the index of `catalog` is saved."""
    return tmp_path / "index"


@pytest.fixture
def five(catalog: Catalog) -> list[int]:
    """The ids of five images in `catalog`."""
    return catalog.images.store(_batch([f"/{number}" for number in range(5)]))


@pytest.fixture
def saved(catalog: Catalog, five: list[int], folder: Path) -> dict[str, bytes]:
    """The saved files of an index of those five, by name."""
    save_at(catalog, folder)
    return files_in(folder)


@pytest.fixture(scope="session")
def check(
    contents_of: Callable[[FaissIndex], dict[int, list[float]]],
) -> Callable[[Catalog, Path], OpenedIndex]:
    """Open an index and hold what is in it against the catalog."""

    def checked(catalog: Catalog, folder: Path) -> OpenedIndex:
        opened = open_at(catalog, folder)
        ids, vectors = catalog.embeddings.all()
        assert contents_of(faiss_of(opened)) == dict(
            zip(ids.tolist(), vectors.unit.tolist(), strict=True)
        )
        assert opened.state == catalog.state()
        return opened

    return checked


@pytest.fixture(scope="session")
def large_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of 120 images, ids 1 to 120, and its index with a segment; to be copied."""
    folder = tmp_path_factory.mktemp("large")
    identity = _identity(dim=16, dtype="float16")
    with Catalog.create(folder / "catalog.sqlite", identity) as made:
        made.images.store(_batch([f"/{n}" for n in range(120)], embeddings=_likenesses(120, 16)))
        made.prefer("compressed", None)
        save_at(made, folder / "index")
    return folder


@pytest.fixture(scope="session")
def check_large() -> Callable[[Catalog, OpenedIndex], None]:
    """Hold an index, with a segment or not, against its catalog: each image once, as it is."""

    def checked(catalog: Catalog, opened: OpenedIndex) -> None:
        ids, vectors = catalog.embeddings.all()
        assert sorted(opened.vectors.ids.tolist()) == ids.tolist()
        assert (len(opened.vectors), opened.state) == (len(ids), catalog.state())
        segment = faiss_of(opened).segment
        for few in (1000, 0):
            if segment is not None:
                segment.limits = SearchLimits(few=few)
            hits = opened.vectors.search(vectors.unit, len(ids) + 1)
            assert np.sort(hits.ids)[:, 1:].tolist() == [ids.tolist()] * len(ids)
            own = hits.scores[hits.ids == ids[:, None]]
            # Codes fitted to few vectors err where a component lies beyond all of theirs.
            assert own == pytest.approx(1, abs=0.1)
            assert np.mean(np.abs(own - 1)) < 0.005

    return checked


@pytest.fixture
def large(large_store: Path, tmp_path: Path) -> Iterator[Catalog]:
    """A catalog of 120 images, ids 1 to 120, whose saved index has a segment."""
    shutil.copytree(large_store, tmp_path, dirs_exist_ok=True)
    with Catalog.open(tmp_path / "catalog.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def add() -> Callable[..., None]:
    """Store new images, or new content of those whose ids are given."""

    def store(catalog: Catalog, count: int, *, ids: list[int] | None = None, seed: int = 9) -> None:
        paths = [f"/new/{seed}/{number}" for number in range(count)]
        drawn = _likenesses(count, 16, seed)
        catalog.images.store(_batch(paths, ids=ids, embeddings=drawn, seed=seed))

    return store

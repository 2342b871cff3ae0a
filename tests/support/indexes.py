"""Opening, saving and reading out the index of a catalog that lies in a folder."""

from __future__ import annotations

from pathlib import Path

from index.catalog.catalog import Catalog
from index.sync import (
    CatchUpLimits,
    OpenedIndex,
    check_index,
    open_index,
    save_index,
    settle_index,
)
from index.vectors.choose import FaissLimits
from index.vectors.faiss_index import FaissIndex
from index.vectors.index import Progress
from index.vectors.ivf.segment import Segment
from index.vectors.manifest import Manifest, read_manifest


def faiss_at(catalog: Catalog, folder: Path, limits: FaissLimits | None = None) -> FaissIndex:
    """Return the index of a catalog, not opened yet."""
    return FaissIndex(folder, catalog.identity.dim, catalog.identity.dtype, limits)


def open_at(
    catalog: Catalog,
    folder: Path,
    limits: FaissLimits | None = None,
    *,
    settle: bool = False,
    catch_up: CatchUpLimits | None = None,
    progress: Progress | None = None,
) -> OpenedIndex:
    """Open the index of a catalog, and bring it in step; nothing is saved."""
    vectors = faiss_at(catalog, folder, limits)
    return open_index(catalog, vectors, settle=settle, limits=catch_up, progress=progress)


def save_at(
    catalog: Catalog, folder: Path, limits: FaissLimits | None = None, *, settle: bool = False
) -> OpenedIndex:
    """Open the index of a catalog, and save it where it is not as it was saved."""
    opened = open_at(catalog, folder, limits, settle=settle)
    if opened.origin != "current":
        assert save_index(opened, catalog)
    return opened


def settle_at(
    catalog: Catalog, folder: Path, limits: FaissLimits | None = None
) -> OpenedIndex | None:
    """Leave the index of a catalog as `engine index` does."""
    return settle_index(catalog, faiss_at(catalog, folder, limits))


def checked_at(catalog: Catalog, folder: Path) -> tuple[str, list[str]]:
    """Return the state and the problems that `engine status` tells."""
    checked = check_index(catalog, faiss_at(catalog, folder))
    return checked.state, checked.problems


def faiss_of(opened: OpenedIndex) -> FaissIndex:
    """Return the index behind the protocol."""
    assert isinstance(opened.vectors, FaissIndex)
    return opened.vectors


def segment_of(opened: OpenedIndex | None) -> Segment:
    """Return the segment of an opened index, which must have one."""
    assert opened is not None
    segment = faiss_of(opened).segment
    assert segment is not None
    return segment


def manifest_in(folder: Path) -> Manifest:
    """Return the manifest in a folder, which must be there."""
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def delta_in(folder: Path) -> Path:
    """Return the file of the current delta."""
    return folder / manifest_in(folder).delta.file.name


def segment_in(folder: Path) -> Path:
    """Return the file of the current segment, which must be there."""
    segment = manifest_in(folder).segment
    assert segment is not None
    return folder / segment.file.name


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all files of an index, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip_bit(path: Path, position: int, bit: int = 0) -> None:
    """Damage a file by one bit."""
    with path.open("rb+") as file:
        file.seek(position)
        [byte] = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))

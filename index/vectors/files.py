"""The files of an index: writing them, and reading them where they are whole.

    delta      [ FAISS's bytes of a flat index ][ hidden positions of the segment, int64 ][ images
               that the graph forgets, int64 ]
    segment    [ FAISS's bytes of a refined IVF index ][ zeros ][ ids, int64 ][ hidden positions,
               int64 ][ inverse lengths, float32 ]
    graph      [ ids, int64 ][ lengths, float32 ][ neighbours, int32 ][ cosines, float16 ]

What else is to be known of a file stands in its entry of the manifest.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

import numpy as np

from index.files.atomic_file import atomic_file
from index.files.regular_file import open_regular
from index.records import Ids
from index.state import CatalogState
from index.vectors.faiss_api import faiss
from index.vectors.file_entry import FileEntry
from index.vectors.flat import Flat
from index.vectors.graph import STORED, Arrays, NeighbourGraph
from index.vectors.ivf.segment import SearchLimits, Segment
from index.vectors.manifest import DeltaEntry, GraphEntry, SegmentEntry

_ALIGNED = 64
# A graph of so many bytes, of some 100,000 images, is read whole at every opening.
CHECKED_GRAPH = 16 << 20
# FAISS hands over an array in pieces of so many bytes, and what remains of it.
PIECE = 1 << 20
_NOTHING: Ids = np.zeros(0, np.int64)


class Summed:
    """A file that sums and counts what is written to it, and notes where large arrays lie."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.crc32 = 0
        self.size = 0
        self.arrays: list[tuple[int, int]] = []

    def write(self, data: bytes) -> int:
        self.crc32 = zlib.crc32(data, self.crc32)
        self.size += len(data)
        return self._file.write(data)

    def write_piece(self, data: bytes, whole: int) -> int:
        """Write a piece of what FAISS writes; an array comes in whole pieces and what remains."""
        if len(data) == whole:
            start, size = self.arrays[-1] if self.arrays else (0, -1)
            if start + size == self.size:
                self.arrays[-1] = start, size + whole
            else:
                self.arrays.append((self.size, whole))
        return self.write(data)


def delta_name() -> str:
    """Return a new name for the file of a flat index."""
    return f"delta-{token_hex(16)}.faiss"


def segment_name(key: str) -> str:
    """Return the name of a segment's file."""
    return f"segment-{key}.faiss"


def graph_name(key: str) -> str:
    """Return the name of a graph's file."""
    return f"graph-{key}.bin"


def write_delta(
    folder: Path, delta: Flat, hidden: Ids = _NOTHING, forgotten: Ids = _NOTHING
) -> DeltaEntry:
    """Write a flat index under a new name.

    Parameters
    ----------
    hidden
        Positions of the segment beside it that are hidden, int64.
    forgotten
        Images that the graph beside it forgets, int64.

    Raises
    ------
    OSError, RuntimeError, MemoryError
        It cannot be written; nothing is left of it.
    """

    def write(file: Summed) -> None:
        _write_faiss(file, delta.inner)
        file.write(hidden.tobytes())
        file.write(forgotten.tobytes())

    return DeltaEntry(written(folder, delta_name(), write), len(hidden), len(forgotten))


def read_delta(folder: Path, entry: DeltaEntry) -> tuple[Flat, Ids, Ids] | None:
    """Return a flat index, the hidden positions, and the images that the graph forgets.

    None where the file is not as it was written.

    The file is checked to the last bit first, and FAISS's failures, whatever they are, mean the
    same as a damaged file.
    """
    if not entry.file.is_whole(folder):
        return None
    try:
        # Python opens the file: FAISS itself takes no path with undecodable bytes.
        with open_regular(folder / entry.file.name) as file:
            delta = Flat(faiss.read_index(faiss.PyCallbackIOReader(file.read)))
            file.seek(entry.file.size - 8 * (entry.hidden + entry.forgotten))
            hidden = np.frombuffer(file.read(8 * entry.hidden), np.int64)
            forgotten = np.frombuffer(file.read(8 * entry.forgotten), np.int64)
    except Exception:
        return None
    return delta, hidden, forgotten


def write_segment(
    folder: Path, segment: Segment, state: CatalogState | None, *, piece: int = PIECE
) -> SegmentEntry:
    """Write a segment under the name of its key.

    Parameters
    ----------
    state
        The state of the catalog that it shows by itself, None where images lie beside it.
    piece
        An array of fewer bytes is checked at every opening.

    Raises
    ------
    OSError, RuntimeError, MemoryError
        It cannot be written; nothing is left of it.
    """
    hidden, arrays_at = segment.hidden, 0

    def write(file: Summed) -> None:
        nonlocal arrays_at
        _write_faiss(file, segment.inner, piece)
        file.write(bytes(-file.size % _ALIGNED))
        arrays_at = file.size
        for array in (np.asarray(segment.ids, np.int64), hidden, segment.inverse_lengths):
            file.write(np.ascontiguousarray(array).tobytes())

    file = written(folder, segment_name(segment.key), write)
    return SegmentEntry(
        file,
        state,
        segment.total,
        len(hidden),
        arrays_at,
        segment.trained_on,
        segment.autotuned,
    )


def read_segment(
    folder: Path, entry: SegmentEntry, *, mapped: bool = True, limits: SearchLimits | None = None
) -> Segment | None:
    """Return a segment, None where its file is not as it was written.

    FAISS's failures, whatever they are, mean the same as a damaged file.

    Parameters
    ----------
    mapped
        Leave it on the disk until it is searched. Otherwise it is read, and can be added to.
    limits
        When it is searched in which way.
    """
    sizes = 8 * entry.total, 8 * entry.hidden, 4 * entry.total
    is_whole = entry.file.is_unchanged(folder) and entry.file.is_sound(folder)
    if entry.arrays_at + sum(sizes) != entry.file.size or not is_whole:
        return None
    path = folder / entry.file.name
    starts = np.cumsum([entry.arrays_at, *sizes]).tolist()
    try:
        inner = _read_faiss(path, mapped)
        ids = _mapped_array(path, np.dtype(np.int64), starts[0], entry.total)
        hidden = _mapped_array(path, np.dtype(np.int64), starts[1], entry.hidden)
        inverse = _mapped_array(path, np.dtype(np.float32), starts[2], entry.total)
        refined = inner
        if isinstance(inner, faiss.IndexPreTransform):
            refined = faiss.downcast_index(inner.index)
        if not isinstance(refined, faiss.IndexRefine) or refined.ntotal != entry.total:
            return None
        codes = (inner, ids, inverse, entry.autotuned, entry.trained_on, np.array(hidden))
        key = entry.file.name.removeprefix("segment-").removesuffix(".faiss")
        return Segment(*codes, key=key, limits=limits)
    except Exception:
        return None


def write_graph(folder: Path, graph: NeighbourGraph) -> GraphEntry:
    """Write a graph under the name of its key.

    Raises
    ------
    OSError
        It cannot be written; nothing is left of it.
    """
    arrays = graph.arrays

    def write(file: Summed) -> None:
        for array in (arrays.ids, arrays.lengths, arrays.neighbours, arrays.cosines):
            file.write(np.ascontiguousarray(array).tobytes())

    file = written(folder, graph_name(graph.key), write)
    return GraphEntry(file, len(graph), graph.state)


def read_graph(folder: Path, entry: GraphEntry) -> NeighbourGraph | None:
    """Return a graph, None where its file is not as it was written.

    A large one is checked like the codes of a segment, by size and time: it says in which order
    images come, never what their scores are.
    """
    count, file = entry.count, entry.file
    kinds = ((np.int64, 1), (np.float32, 1), (np.int32, STORED), (np.float16, STORED))
    sizes = [np.dtype(kind).itemsize * width * count for kind, width in kinds]
    if sum(sizes) != file.size:
        return None
    small = file.size <= CHECKED_GRAPH
    if not (file.is_whole(folder) if small else file.is_unchanged(folder)):
        return None
    path, starts = folder / file.name, [0, *np.cumsum(sizes).tolist()]
    try:
        ids, lengths, neighbours, cosines = (
            _mapped_array(path, np.dtype(kind), start, width * count)
            for (kind, width), start in zip(kinds, starts, strict=False)
        )
    except (OSError, ValueError):
        return None
    shape = (count, STORED)
    arrays = Arrays(ids, neighbours.reshape(shape), cosines.reshape(shape), lengths)
    key = file.name.removeprefix("graph-").removesuffix(".bin")
    return NeighbourGraph(arrays, entry.state, key)


def written(folder: Path, name: str, write: Callable[[Summed], None]) -> FileEntry:
    """Write a file under a name, and return what is to be known of it.

    Raises
    ------
    OSError
        It cannot be written; nothing is left of it.
    """
    path = folder / name
    with atomic_file(path) as file:
        summed = Summed(file)
        write(summed)
    entry = FileEntry(name, summed.size, summed.crc32, path.stat().st_mtime_ns)
    return entry.without(folder, max(summed.arrays, key=itemgetter(1), default=None))


def _write_faiss(file: Summed, index: Any, piece: int = PIECE) -> None:
    write = partial(file.write_piece, whole=piece)
    writer = faiss.PyCallbackIOWriter(write, piece)
    faiss.write_index(index, writer)


def _read_faiss(path: Path, mapped: bool) -> Any:
    try:
        name = os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        name = ""
    if mapped and name:
        return faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
    # FAISS takes no path with undecodable bytes; such a file is read instead of mapped.
    with open_regular(path) as file:
        return faiss.read_index(faiss.PyCallbackIOReader(file.read))


def _mapped_array(path: Path, dtype: np.dtype[Any], offset: int, count: int) -> Any:
    if not count:
        return np.zeros(0, dtype)
    # A plain view, which keeps the mapping: each operation on NumPy's own class takes 10 us more.
    return np.asarray(np.memmap(path, dtype, mode="r", offset=offset, shape=(count,)))

"""The file of the nearest neighbours, and what a later state of the catalog makes of it.

[ ids, int64 ][ lengths, float32 ][ neighbours, int32 ][ cosines, float16 ]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from index.records import Ids
from index.vectors.files import Summed, mapped_array, written
from index.vectors.graph import STORED, Arrays, NeighbourGraph
from index.vectors.index import Source
from index.vectors.manifest import GraphEntry

# One of so many bytes, of some 100,000 images, is read whole at every opening.
CHECKED_GRAPH = 16 << 20


def graph_name(key: str) -> str:
    """Return the name of a graph's file."""
    return f"graph-{key}.bin"


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
            mapped_array(path, np.dtype(kind), start, width * count)
            for (kind, width), start in zip(kinds, starts, strict=False)
        )
    except (OSError, ValueError):
        return None
    shape = (count, STORED)
    arrays = Arrays(ids, neighbours.reshape(shape), cosines.reshape(shape), lengths)
    key = file.name.removeprefix("graph-").removesuffix(".bin")
    return NeighbourGraph(arrays, entry.state, key)


def forgotten_since(
    folder: Path, entry: GraphEntry | None, source: Source, share: float
) -> Ids | None:
    """Return the images that a saved graph is to forget, None where it serves no more."""
    if entry is None or not source.was_in(entry.state):
        return None
    changed = np.unique(source.changed(entry.state.generation))
    graph = read_graph(folder, entry)
    if graph is None:
        return None
    graph.forget(changed)
    return graph.forgotten if graph.serves(source.count, share) else None

"""An exact index, written while the catalog is read: in memory is the graph, not the vectors."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from index.files.regular_file import open_regular
from index.records import Ids, Rows
from index.vectors.files import Summed, delta_name, read_graph, write_graph, written
from index.vectors.flat_file import FlatFile, write_rows
from index.vectors.graph import LEAST_ARRANGED, build_graph, told
from index.vectors.index import Progress, Source
from index.vectors.manifest import (
    DeltaEntry,
    GraphEntry,
    Manifest,
    read_manifest,
    tidy,
    write_manifest,
)


class ExactFile:
    """The files of an exact index, and of the neighbours in it, for who holds the writer's lock.

    Parameters
    ----------
    folder
        Where they lie; it need not exist.
    dim, dtype
        Length of a vector, and what its components are stored as.
    graph_share
        The neighbours are found anew when so many images are new, changed or gone.
    """

    def __init__(self, folder: Path, dim: int, dtype: str, graph_share: float) -> None:
        self._folder = folder
        self._dim = dim
        self._dtype = dtype
        self._graph_share = graph_share

    def bring_in_step(
        self, source: Source, manifest: Manifest | None, progress: Progress | None = None
    ) -> None:
        """Write them anew where they do not show the state of a source.

        A disk that is full is no error.

        Parameters
        ----------
        manifest
            What is saved, None where that is of no use.
        """
        graph = manifest.graph if manifest else None
        forgotten = _forgotten_since(self._folder, graph, source, self._graph_share)
        current = manifest and not manifest.segment and manifest.shows(source.state, self._folder)
        if current and (forgotten is not None or source.count < LEAST_ARRANGED):
            return
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            serving = graph if forgotten is not None else None
            write_manifest(self._folder, self._written(source, serving, forgotten, progress))
        tidy(self._folder, read_manifest(self._folder))

    def _written(
        self,
        source: Source,
        graph: GraphEntry | None,
        forgotten: Ids | None,
        progress: Progress | None,
    ) -> Manifest:
        """Write the vectors, and their neighbours where there is no graph that serves."""
        folder, count = self._folder, source.count
        passed = np.zeros(0, np.int64) if forgotten is None else forgotten
        delta = _write_exact(folder, self._dim, self._dtype, count, source.rows(), passed)
        if graph is None and count >= LEAST_ARRANGED:
            with open_regular(folder / delta.file.name) as file:
                flat = FlatFile(file, self._dim, self._dtype, count)
                chunks = told(flat.chunks(), count, progress)
                graph = write_graph(folder, build_graph(flat, chunks, source.state))
        return Manifest(source.state, count, f"exact {self._dtype}", 1.0, delta, graph=graph)


def _write_exact(
    folder: Path,
    dim: int,
    dtype: str,
    count: int,
    rows: Iterable[Rows],
    forgotten: Ids,
) -> DeltaEntry:
    """Write a flat index of rows that are only passed on, as `write_delta` would.

    Raises
    ------
    OSError
        It cannot be written; nothing is left of it.
    ValueError
        The rows are not as many, or not as long, as said.
    """

    def write(file: Summed) -> None:
        write_rows(file.write, dim, dtype, count, rows)
        file.write(forgotten.tobytes())

    return DeltaEntry(written(folder, delta_name(), write), 0, len(forgotten))


def _forgotten_since(
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

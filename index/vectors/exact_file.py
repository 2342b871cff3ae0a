"""An exact index, written while the catalog is read: in memory that does not grow with it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from index.files.regular_file import open_regular
from index.records import Ids
from index.vectors.files import write_exact
from index.vectors.flat_file import FlatFile
from index.vectors.graph import LEAST_ARRANGED, build_graph, told
from index.vectors.graph_file import forgotten_since, write_graph
from index.vectors.index import Progress, Source
from index.vectors.manifest import GraphEntry, Manifest, read_manifest, tidy, write_manifest


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
        forgotten = forgotten_since(self._folder, graph, source, self._graph_share)
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
        delta = write_exact(folder, self._dim, self._dtype, count, source.rows(), passed)
        if graph is None and count >= LEAST_ARRANGED:
            with open_regular(folder / delta.file.name) as file:
                flat = FlatFile(file, self._dim, self._dtype, count)
                chunks = told(flat.chunks(), count, progress)
                graph = write_graph(folder, build_graph(flat, chunks, source.state))
        return Manifest(source.state, count, f"exact {self._dtype}", 1.0, delta, graph=graph)

"""The neighbours of all images, kept on this machine beside a collection that has none."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, cast

from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular
from index.vectors.files import read_graph, write_graph
from index.vectors.flat_file import FlatFile, write_rows
from index.vectors.graph import NeighbourGraph
from index.vectors.index import Source, VisibleImages
from index.vectors.manifest import GraphEntry, decoded_graph

ENTRY = "graph.json"
FORMAT = 1
_GRAPH = re.compile(r"graph-[0-9a-f]{32}\.bin")


class GraphFile:
    """A graph in a folder of its own, whole or not at all; derived, and found anew if lost.

    Parameters
    ----------
    folder
        Where; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, images: VisibleImages) -> NeighbourGraph | None:
        """Return the graph, with all forgotten that has changed since; None where none serves."""
        entry = self._entry()
        if entry is None or not images.was_in(entry.state):
            return None
        graph = read_graph(self._folder, entry)
        if graph is not None:
            graph.forget(images.changed(entry.state.generation))
        return graph

    def save(self, graph: NeighbourGraph) -> None:
        """Write a graph, and remove others; a disk that is full is no error."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            inner = json.loads(json.dumps(asdict(write_graph(self._folder, graph))))
            outer = {"format": FORMAT, "crc32": _checksum(inner), "graph": inner}
            write_atomically(self._folder / ENTRY, json.dumps(outer, indent=1).encode())
        self._tidy()

    def discard(self) -> None:
        """Remove it."""
        with suppress(OSError):
            (self._folder / ENTRY).unlink(missing_ok=True)
        self._tidy()

    def size(self) -> int:
        """Return its bytes on the disk."""
        entry = self._entry()
        return 0 if entry is None else entry.file.size

    def _entry(self) -> GraphEntry | None:
        try:
            with open_regular(self._folder / ENTRY) as file:
                outer = json.loads(file.read())
            if outer["format"] != FORMAT or outer["crc32"] != _checksum(outer["graph"]):
                return None
            entry = decoded_graph(outer["graph"])
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return None
        return entry if _GRAPH.fullmatch(entry.file.name) else None

    def _tidy(self) -> None:
        entry = self._entry()
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                named = entry is not None and path.name == entry.file.name
                if (_GRAPH.fullmatch(path.name) and not named) or path.suffix == ".tmp":
                    path.unlink(missing_ok=True)


@contextmanager
def all_rows(source: Source, dim: int, dtype: str) -> Iterator[FlatFile]:
    """Yield every vector of a source in a temporary file, of which little is in memory.

    Raises
    ------
    ValueError
        Some of them are damaged, which could not be known before.
    """
    count = source.count
    with TemporaryFile() as file:
        write_rows(file.write, dim, dtype, count, source.rows())
        yield FlatFile(cast(Any, file), dim, dtype, count)


def _checksum(inner: object) -> int:
    return zlib.crc32(json.dumps(inner, sort_keys=True, separators=(",", ":")).encode())

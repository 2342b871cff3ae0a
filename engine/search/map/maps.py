"""The maps of one store: looked at at once, or made so that neighbours stay neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import UsageError
from engine.search.map.results import CatalogMap, MapReport

if TYPE_CHECKING:
    from engine.search.duplicates.neighbours import Neighbours
    from engine.search.map.components import RecentComponents
    from engine.search.map.manifold import ManifoldOptions, Nearest
    from engine.search.map.positions import Positions
    from engine.session.session import Session
    from index.catalog.catalog import Catalog
    from index.vectors.index import VectorIndex

PCA, UMAP = METHODS = ("pca", "umap")
CATEGORY, LABEL = COLOURS = ("category", "label")
FILE = "umap.map"
# Fewer images have no neighbours to speak of.
LEAST = 4
# Images whose neighbours are looked at at a time.
BLOCK = 1024


class Maps:
    """The maps of one store.

    Parameters
    ----------
    session
        What the engine holds open.
    recent
        What is remembered between two questions.

    Examples
    --------
    engine.maps.make()
    shown = engine.maps.show()
    """

    def __init__(self, session: Session, recent: RecentComponents) -> None:
        self._session = session
        self._recent = recent

    def show(self, method: str | None = None, *, colours: str = CATEGORY) -> CatalogMap:
        """Return where the images lie.

        Parameters
        ----------
        method
            `pca`, which takes a moment and is always of the catalog as it is; `umap`, which has to
            be made before; by default that, where it was.
        colours
            By what images are told apart: the `category` that the engine sees, or their `label`.

        Raises
        ------
        UsageError
            There is no such method, or no such map was made yet.
        StoreNotFoundError
            There is no catalog.
        """
        if method not in (None, *METHODS):
            raise UsageError("method", f"{method!r} is not a choice", "Use pca or umap")
        if colours not in COLOURS:
            raise UsageError("colours", f"{colours!r} is not a choice", "Use category or label")
        catalog = self._session.catalog()
        made = None if method == PCA else self._made(catalog)
        if made is None and method == UMAP:
            raise UsageError("umap", "no such map was made yet", "Make one with Engine.maps.make()")
        with catalog.database.snapshot():
            positions = made or self._recent.of(self._session)
            return _shown(UMAP if made else PCA, positions, catalog, colours)

    def make(self) -> MapReport:
        """Make a map in which neighbours stay neighbours (UMAP), of the index's own neighbours.

        The same embeddings have the same map. It is a file of the store, and shown until another
        one is made, without images that have gone.

        Raises
        ------
        UsageError
            The extra `map` is not installed, or the catalog has hardly an image.
        EngineError
            It cannot be written.
        """
        from engine.search.map.manifold import ManifoldOptions, laid_out, require_umap
        from engine.search.map.positions import write_positions

        session, options = self._session, ManifoldOptions()
        require_umap()
        start, found = session.ask(lambda catalog, index: self._neighbours(catalog, index, options))
        positions = laid_out(
            start,
            found,
            lambda done, total: session.reporter.progress("laying out", done, total, "rounds"),
            options,
        )
        write_positions(self._file, positions)
        return MapReport(UMAP, len(positions.ids))

    @property
    def _file(self) -> Path:
        return self._session.config.store.folder / FILE

    def _made(self, catalog: Catalog) -> Positions | None:
        """Return the map that was made last; one that is damaged is told of, and none.

        One of another catalog, whose ids are of other images, is none either.
        """
        from engine.search.map.positions import DamagedMapError, read_positions

        try:
            made = read_positions(self._file)
        except DamagedMapError as error:
            self._session.reporter.announce(f"{self._file}: {error}; make the map anew")
            return None
        return made if made and made.state.catalog == catalog.state().catalog else None

    def _neighbours(
        self, catalog: Catalog, index: VectorIndex, options: ManifoldOptions
    ) -> tuple[Positions, Nearest]:
        """Return where images lie at first, and their neighbours, in one state of the catalog."""
        from engine.search.duplicates.neighbours import NeighbourSearch
        from engine.search.map.manifold import nearest

        start = self._recent.of(self._session)
        if len(start.ids) < LEAST:
            raise UsageError("map", f"there are {len(start.ids)} images", "Index some more")
        parts = NeighbourSearch(catalog, index, BLOCK, most_cached=0).without(
            np.empty(0, np.int64), -1.0
        )
        return start, nearest(start.ids, self._told(parts, len(start.ids)), options)

    def _told(self, parts: Iterator[Neighbours], total: int) -> Iterator[Neighbours]:
        """Yield neighbours, and tell of how many images they are known."""
        done = 0
        for part in parts:
            yield part
            done += len(part.ids)
            self._session.reporter.progress("finding neighbours", done, total, "images")


def _shown(method: str, positions: Positions, catalog: Catalog, colours: str) -> CatalogMap:
    """Return a map with the colours of the images that are there now."""
    names = catalog.predictions.shown(labels=colours == LABEL)
    here = np.array([each in names for each in positions.ids.tolist()], bool)
    ids = positions.ids[here].tolist()
    counts: dict[str, int] = {}
    for each in ids:
        if (name := names[each]) is not None:
            counts[name] = counts.get(name, 0) + 1
    categories = sorted(counts, key=lambda name: (-counts[name], name))
    number = {name: position for position, name in enumerate(categories)}
    xy = positions.xy[here].astype(np.float64).round(5)
    return CatalogMap(
        method,
        ids,
        xy[:, 0].tolist(),
        xy[:, 1].tolist(),
        categories,
        [-1 if names[each] is None else number[str(names[each])] for each in ids],
        positions.state != catalog.state(),
    )

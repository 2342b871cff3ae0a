"""Images that are the same: in content, or nearly so to the eye."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.results import DuplicateGroup
from index.catalog.catalog import Catalog
from index.records import Ids
from index.vectors.index import Hits, Mask, VectorIndex


@dataclass(frozen=True, slots=True)
class DuplicateLimits:
    """How much a search for duplicates looks at.

    Attributes
    ----------
    neighbours
        How many of an image's nearest images count.
    block
        Ids whose embeddings are read and searched for at a time.
    """

    neighbours: int = 20
    block: int = 1024


def find_duplicates(
    catalog: Catalog,
    index: VectorIndex,
    min_score: float,
    limits: DuplicateLimits = DuplicateLimits(),
) -> list[DuplicateGroup]:
    """Return groups of duplicates, exact ones first, then near ones by falling score.

    Near duplicates are joined through their nearest neighbours in the index, a block of images at
    a time: no table of all pairs is made, and memory grows with the duplicates that are found, not
    with the catalog. An image with exact copies stands in a near group once.

    Parameters
    ----------
    min_score
        Least cosine similarity of near duplicates, -1 to 1.
    """
    by_content: dict[str, list[int]] = defaultdict(list)
    paths: dict[int, str] = {}
    for content in catalog.images.copies():
        by_content[content.content_hash].append(content.id)
        paths[content.id] = content.path
    exact = [
        DuplicateGroup("exact", 1.0, sorted(paths[image_id] for image_id in ids))
        for ids in by_content.values()
    ]
    exact.sort(key=lambda group: group.paths[0])
    later = [image_id for ids in by_content.values() for image_id in ids[1:]]
    return exact + _near(catalog, index, min_score, np.array(later, np.int64), limits)


def _near(
    catalog: Catalog, index: VectorIndex, min_score: float, later: Ids, limits: DuplicateLimits
) -> list[DuplicateGroup]:
    links = _Links()
    for ids, hits in _neighbours(catalog, index, min_score, later, limits):
        near = (hits.scores >= min_score) & (hits.ids >= 0) & (hits.ids != ids[:, None])
        near &= ~np.isin(hits.ids, later)
        rows, ranks = np.nonzero(near)
        # From either side: where very many are near, only one of two may have the other listed.
        pairs = zip(ids[rows].tolist(), hits.ids[rows, ranks].tolist(), strict=True)
        for (one, other), score in zip(pairs, hits.scores[rows, ranks].tolist(), strict=True):
            links.join(one, other, score)
    found = catalog.images.rows(links.members())
    groups = []
    for ids_of_group, score in links.groups():
        # A writer may have forgotten some between the two looks.
        paths = sorted(found[image_id].path for image_id in ids_of_group if image_id in found)
        if len(paths) > 1:
            groups.append(DuplicateGroup("near", score, paths))
    return sorted(groups, key=lambda group: (-group.score, group.paths[0]))


def _neighbours(
    catalog: Catalog, index: VectorIndex, min_score: float, later: Ids, limits: DuplicateLimits
) -> Iterator[tuple[Ids, Hits]]:
    """Yield the nearest images of all but later copies, some images after the other."""
    only_first: Mask | None = None
    for span in catalog.embeddings.spans(limits.block):
        part = catalog.embeddings.in_span(span, visible=True)
        first = ~np.isin(part.ids, later)
        unit = part.packed[first].vectors.unit
        if not len(unit):
            continue
        hits = index.search(unit, limits.neighbours)
        crowded = np.flatnonzero(hits.scores[:, -1] >= min_score)
        if len(later) and len(crowded):
            # Copies may have crowded out others. They are left out of a second search, not of the
            # first: a filter slows every query down, and few need it.
            only_first = only_first or index.mask(np.setdiff1d(index.ids, later))
            again = index.search(unit[crowded], limits.neighbours, only_first)
            hits.scores[crowded], hits.ids[crowded] = again.scores, again.ids
        yield part.ids[first], hits


class _Links:
    """Images joined pair by pair into groups; each group keeps its weakest score."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._weakest: dict[int, float] = {}

    def join(self, one: int, other: int, score: float) -> None:
        """Put two images into one group."""
        a, b = sorted((self._root(one), self._root(other)))
        self._weakest[a] = min(score, self._weakest.get(a, 1.0), self._weakest.get(b, 1.0))
        self._parent[b] = a

    def members(self) -> list[int]:
        """Return all images that were joined with another."""
        return list(self._parent)

    def groups(self) -> Iterator[tuple[list[int], float]]:
        """Yield each group's images and weakest score."""
        groups: dict[int, list[int]] = defaultdict(list)
        for image_id in self._parent:
            groups[self._root(image_id)].append(image_id)
        for root, ids in groups.items():
            yield ids, self._weakest[root]

    def _root(self, image_id: int) -> int:
        parent = self._parent
        parent.setdefault(image_id, image_id)
        while parent[image_id] != image_id:
            parent[image_id] = parent[parent[image_id]]
            image_id = parent[image_id]
        return image_id

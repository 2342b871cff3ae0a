"""Images that are there more than once: the same content, copies of it, and what looks alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from engine.config import require_number
from engine.errors import UsageError
from engine.search.duplicates.files import Disk, Identity, ImageFile
from engine.search.duplicates.linkage import batches, complete_linkage
from engine.search.results import DuplicateGroup
from index.catalog.catalog import Catalog
from index.records import Ids, ImageFacts
from index.vectors.index import Hits, Mask, VectorIndex

EXACT, COPY, SIMILAR = LEVELS = ("exact", "copy", "similar")
# The least cosine similarity of copies, and of what looks alike where nobody says another.
NEAR_DUPLICATE = 0.95
SIMILAR_IMAGES = 0.9


@dataclass(frozen=True, slots=True)
class DuplicateLimits:
    """How much a search for duplicates compares at a time.

    Attributes
    ----------
    neighbours
        How many of an image's nearest images count.
    block
        Ids whose embeddings are read and searched for at a time; pairs that are grouped at a time.
    rounding
        By how much the index may understate a cosine.
    """

    neighbours: int = 20
    block: int = 1024
    rounding: float = 1e-3


def least_score(level: str | None, min_score: float | None) -> float | None:
    """Return the least cosine similarity that a level lists, None where content alone counts.

    Parameters
    ----------
    level
        `exact`, `copy` or `similar`; None for `copy`, or for `similar` where there is a
        `min_score`.
    min_score
        Of `similar` alone.

    Raises
    ------
    UsageError
        There is no such level or score, or the level does not take one.
    """
    if min_score is not None:
        require_number("min_score", min_score, -1, 1)
    if level is None:
        level = COPY if min_score is None else SIMILAR
    if level not in LEVELS:
        raise UsageError("level", f"{level!r} is not a choice", f"Use one of {', '.join(LEVELS)}")
    if level == SIMILAR:
        return SIMILAR_IMAGES if min_score is None else float(min_score)
    if min_score is not None:
        raise UsageError(
            "min_score", f"the level {level} has a bound of its own", "Use the level similar"
        )
    return NEAR_DUPLICATE if level == COPY else None


def find_duplicates(
    catalog: Catalog,
    index: VectorIndex,
    min_score: float | None,
    limits: DuplicateLimits = DuplicateLimits(),
) -> list[DuplicateGroup]:
    """Return groups of duplicates, exact ones first, then the others by falling score.

    Pairs are found through their nearest neighbours in the index, a block of images at a time: no
    table of all pairs is made, and memory grows with the duplicates that are found, not with the
    catalog. A content stands in one of the other groups once, however many files have it.

    Parameters
    ----------
    min_score
        Least cosine similarity of every two images in a group, -1 to 1; None for exact ones alone.
    """
    disk = Disk(catalog.folders.all())
    copies = _copies(catalog, disk)
    if min_score is None:
        return copies.groups
    pairs = _pairs(catalog, index, min_score, copies.later, limits)
    alike = list(_alike(catalog, disk, pairs, min_score, copies.first, limits))
    return copies.groups + sorted(alike, key=lambda group: (-group.score, group.keep))


@dataclass(frozen=True, slots=True)
class _Copies:
    """Contents that several images have.

    Attributes
    ----------
    groups
        Those that lie in several files.
    first
        The file that stands for a content, by the id of its image.
    later
        Every other image of such a content, int64 `[n]`.
    """

    groups: list[DuplicateGroup]
    first: dict[int, ImageFile]
    later: Ids


def _copies(catalog: Catalog, disk: Disk) -> _Copies:
    by_content: dict[str, dict[int, ImageFacts]] = defaultdict(dict)
    for image_id, facts in catalog.contents.copies().items():
        by_content[facts.content_hash][image_id] = facts
    groups: list[DuplicateGroup] = []
    first: dict[int, ImageFile] = {}
    later: list[int] = []
    for images in by_content.values():
        files = disk.files(images)
        groups += _group(EXACT, 1.0, files)
        first[files[0].id] = files[0]
        later += images.keys() - {files[0].id}
    groups.sort(key=lambda group: group.keep)
    return _Copies(groups, first, np.array(later, np.int64))


def _pairs(
    catalog: Catalog, index: VectorIndex, min_score: float, later: Ids, limits: DuplicateLimits
) -> Ids:
    """Return the pairs of images that may be so similar, each once, int64 `[n, 2]`."""
    found = [np.empty((0, 2), np.int64)]
    for ids, hits in _neighbours(catalog, index, min_score, later, limits):
        alike = (hits.scores >= min_score - limits.rounding) & (hits.ids >= 0)
        alike &= (hits.ids != ids[:, None]) & ~np.isin(hits.ids, later)
        rows, ranks = np.nonzero(alike)
        # From either side: where very many are alike, only one of two may have the other listed.
        pairs = np.stack([ids[rows], hits.ids[rows, ranks]], axis=1)
        found.append(np.unique(np.sort(pairs, axis=1), axis=0))
    return np.unique(np.concatenate(found), axis=0)


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
        crowded = np.flatnonzero(hits.scores[:, -1] >= min_score - limits.rounding)
        if len(later) and len(crowded):
            # Copies may have crowded out others. They are left out of a second search, not of the
            # first: a filter slows every query down, and few need it.
            only_first = only_first or index.mask(np.setdiff1d(index.ids, later))
            again = index.search(unit[crowded], limits.neighbours, only_first)
            hits.scores[crowded], hits.ids[crowded] = again.scores, again.ids
        yield part.ids[first], hits


def _alike(
    catalog: Catalog,
    disk: Disk,
    pairs: Ids,
    min_score: float,
    first: Mapping[int, ImageFile],
    limits: DuplicateLimits,
) -> Iterator[DuplicateGroup]:
    """Yield groups of images of which every two are so similar, some pairs after the other."""
    for part in batches(pairs, limits.block):
        ids, vectors = catalog.embeddings.of(np.unique(part).tolist())
        linked = complete_linkage(vectors.unit, np.searchsorted(ids, part), min_score)
        members = [ids[each.rows].tolist() for each in linked]
        others = [image_id for each in members for image_id in each if image_id not in first]
        facts = catalog.contents.facts(others)
        for each, images in zip(linked, members, strict=True):
            kind = COPY if each.lowest >= NEAR_DUPLICATE else SIMILAR
            known = [first[image_id] for image_id in images if image_id in first]
            alone = {image_id: facts[image_id] for image_id in images if image_id in facts}
            yield from _group(kind, each.lowest, [*known, *disk.files(alone)])


def _group(kind: str, score: float, files: Iterable[ImageFile]) -> list[DuplicateGroup]:
    """Return a group of files in a list, which is empty where they are one and the same file."""
    distinct: dict[Identity, ImageFile] = {}
    for file in sorted(files, key=lambda file: file.rank):
        distinct.setdefault(file.identity, file)
    keep, *others = distinct.values()
    if not others:
        return []
    others.sort(key=lambda file: file.path)
    removable = [file.path for file in others if file.removable and keep.vouches]
    paths = [keep.path, *(file.path for file in others)]
    return [DuplicateGroup(kind, score, paths, keep.path, removable)]

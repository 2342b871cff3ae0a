"""Groups of images that are copies of one of them, by a rule for two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.detail import close_comparison
from engine.search.duplicates.distinct import Distinct
from engine.search.duplicates.linkage import batches
from engine.search.duplicates.neighbours import Neighbours
from engine.search.duplicates.rules import PairRule
from index.catalog.catalog import Catalog
from index.records import Floats, Ids
from index.vectors.graph import STORED

# Pairs whose pixels are in memory at a time: of each image there may be a megabyte. And how often
# what was refused is grouped anew.
AT_A_TIME, ROUNDS = 128, 5


class Reader(Protocol):
    """Reads the pixels of images by their ids; those that cannot be read are left out."""

    def miniatures(self, images: Sequence[int]) -> dict[int, Miniature]:
        """Return small copies."""

    def compares(self) -> None:
        """Hear that two are compared, which may take long."""

    def greys(self, images: Sequence[int]) -> dict[int, Image.Image]:
        """Return them in grey as `detail.small_enough` gives them."""


@dataclass(frozen=True, slots=True)
class Star:
    """Images that are copies of one of them.

    Attributes
    ----------
    centre
        The one with the most copies.
    others
        Its copies, ascending; each is in one star alone.
    blank
        There is hardly anything to see in any of them: it is not known whether they are copies.
    """

    centre: int
    others: tuple[int, ...]
    blank: bool = False


class Backgrounds:
    """The background of every image of a catalog."""

    def __init__(self, ids: Ids, values: Floats) -> None:
        order = np.argsort(ids)
        self._ids, self._values = ids[order], values[order]

    def of(self, ids: Ids) -> Floats:
        """Return those of some images, which are known."""
        return self._values[np.searchsorted(self._ids, ids)]


class Copies:
    """Pairs of a catalog's images that belong together by a rule.

    Parameters
    ----------
    found
        The neighbours of all images that may.
    read
        Gives their pixels.
    rounding
        By how much a neighbour's cosine may be understated.
    distinct
        Which do not, whatever the rule says.
    """

    def __init__(
        self,
        catalog: Catalog,
        found: Iterator[Neighbours],
        read: Reader,
        rule: PairRule,
        rounding: float,
        distinct: Distinct,
    ) -> None:
        self._distinct = distinct
        self._catalog = catalog
        self._read = read
        self._rule = rule
        self._pairs, self._backgrounds = _candidates(found, rule, rounding)

    def stars(self, rank: Callable[[Sequence[int]], dict[int, int]], block: int) -> Iterator[Star]:
        """Yield groups of copies, in no order.

        Parameters
        ----------
        rank
            Says of some images, all those of the groups to come, which comes first where several
            have as many copies.
        block
            How many pairs to look at at a time.
        """
        for pairs in batches(self._pairs, block):
            alike, blank = self._alike(pairs)
            ranks = rank(sorted({image_id for pair in alike for image_id in pair}))
            for _ in range(ROUNDS):
                refused: set[tuple[int, int]] = set()
                found: set[int] = set()
                for centre, others in stars(alike, ranks):
                    same = set(others) if centre in blank else self._closely(centre, others)
                    by_rank = sorted(same, key=ranks.__getitem__)
                    same = set(self._distinct.compatible([centre], by_rank))
                    refused |= {_pair(centre, other) for other in set(others) - same}
                    if same:
                        yield Star(centre, tuple(sorted(same)), centre in blank)
                        found |= {centre, *same}
                alike = [
                    pair for pair in alike if pair not in refused and not found.intersection(pair)
                ]
                if not refused or not alike:
                    break

    def among(self, one: int, others: Sequence[int]) -> set[int]:
        """Return those of some images that belong to one, whatever they are beside it."""
        pairs = np.array([_pair(one, other) for other in others], np.int64).reshape(-1, 2)
        alike, _ = self._alike(pairs)
        return self._closely(one, sorted({each for pair in alike for each in pair} - {one}))

    def _alike(self, pairs: Ids) -> tuple[list[tuple[int, int]], set[int]]:
        """Return those of some pairs that belong together, and which of their images are blank."""
        alike: list[tuple[int, int]] = []
        blank: set[int] = set()
        for start in range(0, len(pairs), AT_A_TIME):
            part = pairs[start : start + AT_A_TIME]
            cosines, one, other = self._compared(part)
            worth = self._rule.may_be(cosines, one, other)
            seen = self._read.miniatures(np.unique(part[worth]).tolist())
            blank |= {image_id for image_id, miniature in seen.items() if miniature.is_blank}
            backgrounds = (one + other)[worth] / 2
            found = zip(
                part[worth].tolist(), cosines[worth].tolist(), backgrounds.tolist(), strict=True
            )
            alike += [
                (first, second)
                for (first, second), cosine, background in found
                if self._are(cosine, background, seen.get(first), seen.get(second))
                and not self._distinct.are(first, second)
            ]
        return alike, blank

    def _closely(self, centre: int, others: Sequence[int]) -> set[int]:
        """Return those of some images that are the same as one from close by."""
        same = set(others)
        for start in range(0, len(others), AT_A_TIME):
            part = others[start : start + AT_A_TIME]
            seen = self._read.miniatures([centre, *part])
            if centre not in seen:
                return same
            self._read.compares()
            comparisons = {
                other: comparison
                for other in part
                if other in seen
                and (comparison := close_comparison(seen[centre], seen[other])) is not None
            }
            greys = self._read.greys([centre, *comparisons]) if comparisons else {}
            same -= {
                other
                for other, comparison in comparisons.items()
                if other in greys
                and centre in greys
                and not comparison.are_same(greys[centre], greys[other])
            }
        return same

    def _are(
        self, cosine: float, background: float, one: Miniature | None, other: Miniature | None
    ) -> bool:
        self._read.compares()
        if one is None or other is None:
            return self._rule.are_unseen(cosine, background)
        if one.is_blank or other.is_blank:
            # Of what shows nothing nobody can say what it is a copy of; it is grouped by itself.
            return one.is_blank and other.is_blank
        return self._rule.are(cosine, background, one, other)

    def _compared(self, pairs: Ids) -> tuple[Floats, Floats, Floats]:
        """Return the cosines of pairs by the vectors that are stored, and both backgrounds."""
        ids, vectors = self._catalog.embeddings.of(np.unique(pairs).tolist())
        unit = vectors.unit
        one, other = np.searchsorted(ids, pairs).T
        cosines = np.einsum("nd,nd->n", unit[one], unit[other])
        of_one, of_other = (self._backgrounds.of(column) for column in pairs.T)
        return cosines, of_one, of_other


def stars(
    pairs: Sequence[tuple[int, int]], rank: dict[int, int]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Part images into centres and their copies: no chain, each image is paired with its centre.

    The image with the most copies that are not in a group yet comes first, of several the first by
    rank; so the groups do not depend on the order of the pairs.
    """
    linked: dict[int, set[int]] = {}
    for one, other in pairs:
        linked.setdefault(one, set()).add(other)
        linked.setdefault(other, set()).add(one)
    waiting = [(-len(others), rank[image_id], image_id) for image_id, others in linked.items()]
    heapify(waiting)
    while waiting:
        negative, ranked, centre = heappop(waiting)
        if centre not in linked or not linked[centre]:
            continue
        if len(linked[centre]) < -negative:
            # It has lost some to another star since.
            heappush(waiting, (-len(linked[centre]), ranked, centre))
            continue
        others = linked.pop(centre)
        for image_id in others:
            for neighbour in linked.pop(image_id):
                if neighbour in linked:
                    linked[neighbour].discard(image_id)
        yield centre, tuple(sorted(others))


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _candidates(
    parts: Iterator[Neighbours], rule: PairRule, rounding: float
) -> tuple[Ids, Backgrounds]:
    """Return pairs that may belong together, int64 `[n, 2]`, and the background of each image."""
    all_ids: list[Ids] = []
    values: list[Floats] = []
    pairs: list[Ids] = [np.empty((0, 2), np.int64)]
    cosines: list[Floats] = []
    lowest = rule.background(np.full((1, STORED), -1, np.float32))
    for part in parts:
        background = rule.background(part.cosines)
        all_ids.append(part.ids)
        values.append(background)
        # The other's background is not known yet.
        worth = rule.may_be(part.cosines, background[:, None], lowest[:, None], rounding)
        rows, columns = np.nonzero(worth & (part.nearest >= 0))
        pairs.append(np.stack([part.ids[rows], part.nearest[rows, columns]], axis=1))
        cosines.append(part.cosines[rows, columns])
    backgrounds = Backgrounds(_joined(all_ids, np.int64), _joined(values, np.float32))
    found, of_found = np.concatenate(pairs), _joined(cosines, np.float32)
    one, other = (backgrounds.of(column) for column in found.T)
    likely = found[rule.may_be(of_found, one, other, rounding)]
    return np.unique(np.sort(likely, axis=1), axis=0), backgrounds


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts])

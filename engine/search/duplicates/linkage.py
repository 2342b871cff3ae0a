"""Groups in which every two vectors are alike: complete linkage over the pairs that may be.

A chain, in which only neighbours are alike, is parted. Pairs are merged from the most alike down
(D. Defays, "An efficient algorithm for a complete link method", The Computer Journal 20, 1977):
two groups become one where all pairs across them pass the bound. What two groups were refused once,
they are refused for good, since groups only grow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids

# Of a cosine; what is beyond depends on the order in which products are summed up.
DIGITS = 6
# Pairs, or rows, whose vectors are multiplied at a time.
PAIRS = 1024
# Of an angle, in radians: more than rounding makes of it.
MARGIN = 1e-3


@dataclass(frozen=True, slots=True)
class Linked:
    """Vectors of which every two are alike.

    Attributes
    ----------
    rows
        Which ones, ascending.
    lowest
        The cosine of the two that are least alike.
    """

    rows: list[int]
    lowest: float


def batches(pairs: Ids, size: int) -> Iterator[Ids]:
    """Yield pairs some at a time, those that hang together all at once.

    Parameters
    ----------
    pairs
        int64 `[n, 2]`.
    size
        How many pairs there should be at a time.
    """
    _, flat = np.unique(pairs, return_inverse=True)
    roots = _roots(flat.reshape(pairs.shape))
    order = np.argsort(roots, kind="stable")
    ends = np.flatnonzero(np.diff(roots[order])) + 1
    wanted = np.searchsorted(ends, np.arange(size, len(pairs), size))
    cuts = np.unique(ends[wanted[wanted < len(ends)]])
    yield from (part for part in np.split(pairs[order], cuts) if len(part))


def _roots(pairs: Ids) -> Ids:
    """Return for each pair of rows the first row of all that hang together with it."""
    one, other = pairs.T
    label = np.arange(pairs.max(initial=-1) + 1)
    while True:
        lower = label.copy()
        least = np.minimum(label[one], label[other])
        np.minimum.at(lower, one, least)
        np.minimum.at(lower, other, least)
        lower = lower[lower]
        if np.array_equal(lower, label):
            roots: Ids = label[one]
            return roots
        label = lower


def complete_linkage(
    vectors: Floats,
    pairs: Ids,
    min_score: float,
    distinct: Mapping[int, Collection[int]] = MappingProxyType({}),
) -> list[Linked]:
    """Group vectors so that every two in a group have at least this cosine.

    Parameters
    ----------
    vectors
        float32 `[n, dim]`, of any length.
    pairs
        int64 `[m, 2]`, rows of two vectors each that may be alike; no pair is missing that is to
        bring two groups together.
    min_score
        The bound, -1 to 1.
    distinct
        Rows that are in no group with others, however alike they are.

    Returns
    -------
    list of Linked
        Groups of two or more, none in common. No two of them that a pair spans could be one.
    """
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(norm, np.finfo(np.float32).tiny)
    scores = _scores(unit, pairs)
    groups = _Groups(unit, min_score, distinct)
    for row in np.lexsort((pairs[:, 1], pairs[:, 0], -scores)).tolist():
        if scores[row] < min_score:
            break
        groups.merge(int(pairs[row, 0]), int(pairs[row, 1]))
    return groups.found()


def _scores(unit: Floats, pairs: Ids) -> npt.NDArray[np.float64]:
    scores = np.empty(len(pairs))
    for start in range(0, len(pairs), PAIRS):
        one, other = pairs[start : start + PAIRS].T
        scores[start : start + PAIRS] = np.einsum("nd,nd->n", unit[one], unit[other])
    return np.round(scores, DIGITS)


class _Groups:
    """Rows merged into groups, each named by one of its rows."""

    def __init__(
        self, unit: Floats, min_score: float, distinct: Mapping[int, Collection[int]]
    ) -> None:
        self._unit = unit
        self._distinct = distinct
        self._min_score = min_score
        self._widest = float(np.arccos(min_score)) - MARGIN
        self._name: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}
        # The largest angle between the row that names a group and another row of it.
        self._radius: dict[int, float] = {}
        self._refused: dict[int, set[int]] = {}

    def merge(self, one: int, other: int) -> None:
        """Make one group of those of two rows, if every pair across them passes the bound."""
        small, large = self._name_of(one), self._name_of(other)
        if small == large or large in self._refused[small]:
            return
        if len(self._rows[small]) > len(self._rows[large]):
            small, large = large, small
        if self._are_distinct(small, large):
            alike = False
        else:
            alike = self._is_surely_alike(small, large) or self._is_alike(small, large)
        if alike:
            self._take(small, large)
        else:
            self._refused[small].add(large)
            self._refused[large].add(small)

    def found(self) -> list[Linked]:
        """Return the groups of more than one row."""
        groups = (sorted(rows) for rows in self._rows.values() if len(rows) > 1)
        return [Linked(rows, self._lowest(rows, rows)) for rows in groups]

    def _name_of(self, row: int) -> int:
        if row not in self._name:
            self._name[row] = row
            self._rows[row], self._radius[row], self._refused[row] = [row], 0.0, set()
        return self._name[row]

    def _are_distinct(self, small: int, large: int) -> bool:
        """Say whether rows of two groups are in no group with each other."""
        if not self._distinct:
            return False
        others = (other for row in self._rows[small] for other in self._distinct.get(row, ()))
        return any(self._name.get(other) == large for other in others)

    def _is_surely_alike(self, small: int, large: int) -> bool:
        """Say whether angles that add up leave no pair too wide.

        Of thousands that are nearly the same each joins the others by one product so, and not by
        one with each of them.
        """
        between = self._angle([small], large)
        return between + self._radius[small] + self._radius[large] <= self._widest

    def _is_alike(self, small: int, large: int) -> bool:
        return self._lowest(self._rows[small], self._rows[large]) >= self._min_score

    def _lowest(self, some: list[int], others: list[int]) -> float:
        """Return the least cosine of one of some rows and one of others."""
        across = self._unit[others].T
        blocks = (some[start : start + PAIRS] for start in range(0, len(some), PAIRS))
        lowest = min(float((self._unit[block] @ across).min()) for block in blocks)
        return min(round(lowest, DIGITS), 1.0)

    def _angle(self, rows: list[int], name: int) -> float:
        """Return the largest angle between a row that names a group and some rows."""
        cosine = float((self._unit[rows] @ self._unit[name]).min())
        return float(np.arccos(np.clip(cosine, -1.0, 1.0)))

    def _take(self, small: int, large: int) -> None:
        """Give the rows of a group, and what it was refused, to another."""
        rows = self._rows.pop(small)
        self._radius[large] = max(self._radius[large], self._angle(rows, large))
        self._rows[large] += rows
        for row in rows:
            self._name[row] = large
        for name in self._refused.pop(small):
            self._refused[name].discard(small)
            self._refused[name].add(large)
            self._refused[large].add(name)

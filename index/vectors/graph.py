"""The nearest neighbours of every image, found once whenever an index is arranged.

With them a vector can stand for its surroundings, too: database augmentation (Turcot and Lowe,
"Better matching with fewer features", 2009; Gordo et al., arXiv 1610.07940) adds to each vector its
nearest ones, each weighted by a power of its cosine. The sums are not stored. Of an augmented
vector its length is, and its product with a query follows from those of the vectors in it.

Images that have come since, and those whose embedding has changed, are unknown to the graph: they
count with their own vector until it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.state import CatalogState

# Neighbours that are stored of each image, and those of them that its augmented vector is made of.
STORED, AUGMENTED = 20, 5
# The weights are not negative, so no augmented vector is shorter than what it is made for, and none
# longer than all of them; a zero embedding has none. Codes may be a little off.
LEAST_LENGTH, MOST_LENGTH = 0.5, 1.0 + AUGMENTED
# Of fewer images no two have neighbours beside each other.
LEAST_ARRANGED = 3
# Images whose neighbours are looked for at a time, and those whose vectors are summed: there may be
# `AUGMENTED` others for each.
BLOCK, PART = 1024, 128


class Neighbours(Protocol):
    """What a graph is made from: an index of the images."""

    @property
    def ids(self) -> Ids:
        """The images in it, int64 `[n]`."""

    def nearest(self, unit: Floats, k: int) -> tuple[Floats, Ids]:
        """Return cosines and ids `[n, k]` of the nearest images, best first, -1 for none."""

    def vectors(self, ids: Ids) -> Floats:
        """Return the vectors of images that are in it, float32 `[n, dim]`."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """The graph of `n` images.

    Attributes
    ----------
    ids
        Ascending, int64 `[n]`.
    neighbours
        Rows of the nearest images, best first, -1 where there are no more, int32 `[n, STORED]`.
    cosines
        Float16 `[n, STORED]`.
    lengths
        Of the augmented vectors, float32 `[n]`.
    """

    ids: Ids
    neighbours: npt.NDArray[np.int32]
    cosines: npt.NDArray[np.float16]
    lengths: Floats


class NeighbourGraph:
    """Nearest neighbours, and products with augmented vectors.

    Parameters
    ----------
    arrays
        They may be mapped from a file, and are never changed.
    state
        The state of the catalog in which it was made.
    key
        128 bits as hex that tell this graph from every other; drawn where it is None.
    """

    def __init__(self, arrays: Arrays, state: CatalogState, key: str | None = None) -> None:
        self.arrays = arrays
        self.state = state
        self.key = key or token_hex(16)
        self._forgotten: Ids = np.zeros(0, np.int64)
        # Where ids have no gaps a row is found by a difference.
        self._first = first_of_all(arrays.ids)

    def __len__(self) -> int:
        return len(self.arrays.ids)

    @property
    def forgotten(self) -> Ids:
        """Images that it knew and was told to forget, ascending, int64."""
        return self._forgotten

    def forget(self, ids: Ids) -> None:
        """Let images count with their own vectors alone, and for no other; unknown ids are none."""
        known = ids[_among(ids, self.arrays.ids)]
        self._forgotten = np.union1d(self._forgotten, known)

    def serves(self, count: int, share: float) -> bool:
        """Say whether it is still good for a catalog of `count` images.

        Parameters
        ----------
        share
            So many of them may be new, changed or gone.
        """
        forgotten = len(self._forgotten)
        unknown = count - (len(self) - forgotten)
        return max(unknown, forgotten) <= share * count

    def rows_of(self, ids: Ids) -> Ids:
        """Return the rows of images, -1 where they are unknown or forgotten."""
        known = self.arrays.ids
        if not len(known):
            return np.full(len(ids), -1, np.int64)
        if self._first is None:
            found = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        else:
            found = np.clip(ids - self._first, 0, len(known) - 1)
        there = known[found] == ids
        if len(self._forgotten):
            there &= ~_among(ids, self._forgotten)
        return np.where(there, found, -1)

    def around(self, ids: Ids, count: int, looked: int | None = None) -> Ids:
        """Return images and the first `count` neighbours of each, ascending, int64.

        Parameters
        ----------
        looked
            Of so many of them, the first ones; None for all.
        """
        rows = self.rows_of(ids[:looked])
        nearest = np.take(self.arrays.neighbours, rows[rows >= 0], axis=0, mode="clip")[:, :count]
        known = self._ids_at(nearest[nearest >= 0])
        if len(self._forgotten):
            known = known[~_among(known, self._forgotten)]
        # Sooner than NumPy's union of so few.
        every = np.concatenate([ids, known])
        every.sort()
        return np.asarray(every[np.append(True, every[1:] != every[:-1])[: len(every)]])

    def weighted(self, ids: Ids) -> tuple[Ids, Floats, Floats]:
        """Return what the augmented vectors of images are made of, beside their own ones.

        Returns
        -------
        neighbours
            Images, int64 `[n, AUGMENTED]`, -1 for none.
        weights
            Of each of them, float32 `[n, AUGMENTED]`, 0 for none.
        lengths
            Of the sums, float32 `[n]`; 1 for an image that is unknown.
        """
        arrays, rows = self.arrays, self.rows_of(ids)
        known = rows >= 0
        # What stands in a file is clipped, not trusted: a damaged row can misplace an image only.
        nearest = np.take(arrays.neighbours, rows, axis=0, mode="clip")[:, :AUGMENTED]
        cosines = np.take(arrays.cosines, rows, axis=0, mode="clip")[:, :AUGMENTED]
        there = known[:, None] & (nearest >= 0)
        neighbours = np.where(there, self._ids_at(nearest), -1)
        if len(self._forgotten):
            there &= ~_among(neighbours, self._forgotten)
        weights = np.where(there, _weights(cosines), 0).astype(np.float32)
        lengths = np.take(arrays.lengths, rows, mode="clip")
        usual = (lengths >= LEAST_LENGTH) & (lengths <= MOST_LENGTH)
        return (
            np.where(there, neighbours, -1),
            weights,
            np.where(known & usual, lengths, 1).astype(np.float32),
        )

    def _ids_at(self, rows: npt.NDArray[np.int32]) -> Ids:
        """Return the images at rows; what stands in a file is clipped."""
        if self._first is None:
            return np.take(self.arrays.ids, rows, mode="clip")
        return self._first + np.clip(rows, 0, len(self) - 1).astype(np.int64)


def first_of_all(ascending: Ids) -> int | None:
    """Return the first of ascending ids without a gap, None where there are gaps."""
    if not len(ascending) or ascending[-1] - ascending[0] != len(ascending) - 1:
        return None
    return int(ascending[0])


def build_graph(
    index: Neighbours, chunks: Iterable[tuple[Ids, Floats]], state: CatalogState
) -> NeighbourGraph:
    """Find the neighbours of every image.

    Parameters
    ----------
    index
        Holds them all.
    chunks
        Their ids and unit vectors float32 `[n, dim]`.
    state
        That of the catalog which the chunks are from.
    """
    all_ids = np.sort(index.ids)
    count, stored = len(all_ids), min(STORED, max(0, len(all_ids) - 1))
    arrays = Arrays(
        all_ids,
        np.full((count, STORED), -1, np.int32),
        np.zeros((count, STORED), np.float16),
        np.ones(count, np.float32),
    )
    for ids, unit in _blocks(chunks):
        rows = np.searchsorted(all_ids, ids)
        cosines, nearest = _without_self(ids, *index.nearest(unit, stored + 1), stored)
        found = np.searchsorted(all_ids, nearest)
        there = nearest >= 0
        arrays.neighbours[rows, :stored] = np.where(there, found, -1)
        arrays.cosines[rows, :stored] = np.where(there, cosines, 0)
        for start in range(0, len(ids), PART):
            part = slice(start, start + PART)
            lengths = _lengths(index, unit[part], nearest[part], cosines[part])
            arrays.lengths[rows[part]] = lengths
    return NeighbourGraph(arrays, state)


def told(
    chunks: Iterable[tuple[Ids, Floats]], count: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[Ids, Floats]]:
    """Pass chunks on, and tell how many images of how many have been seen."""
    done = 0
    for ids, unit in chunks:
        yield ids, unit
        done += len(ids)
        if progress is not None:
            progress(done, count)


def _blocks(chunks: Iterable[tuple[Ids, Floats]]) -> Iterator[tuple[Ids, Floats]]:
    for ids, unit in chunks:
        for start in range(0, len(ids), BLOCK):
            block = slice(start, start + BLOCK)
            yield ids[block], unit[block]


def _without_self(ids: Ids, cosines: Floats, nearest: Ids, stored: int) -> tuple[Floats, Ids]:
    """Return the first `stored` neighbours `[n, stored]` of images, they themselves left out."""
    # Stable: what is the image itself moves to the end, all else stays in order.
    order = np.argsort(nearest == ids[:, None], axis=1, kind="stable")[:, :stored]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(nearest, order, axis=1)


def _lengths(index: Neighbours, unit: Floats, nearest: Ids, cosines: Floats) -> Floats:
    """Return the lengths of augmented vectors, float32 `[n]`."""
    nearest, cosines = nearest[:, :AUGMENTED], cosines[:, :AUGMENTED]
    # As they are stored, and read again.
    rounded = cosines.astype(np.float16).astype(np.float32)
    weights = np.where(nearest >= 0, _weights(rounded), 0).astype(np.float32)
    some, where = np.unique(nearest, return_inverse=True)
    where = where.reshape(nearest.shape)
    vectors = np.zeros((len(some), unit.shape[1]), np.float32)
    there = some >= 0
    vectors[there] = index.vectors(some[there])
    total = unit.astype(np.float32, copy=True)
    for column in range(nearest.shape[1]):
        total += weights[:, column, None] * vectors[where[:, column]]
    lengths: Floats = np.linalg.norm(total, axis=1).astype(np.float32)
    return lengths


def _weights(cosines: npt.NDArray[Any]) -> Floats:
    """Return what neighbours count by their cosines, 0 to 1 whatever stands in a file."""
    # Of NaN and another number these take the other.
    clipped = np.fmin(np.fmax(cosines.astype(np.float32), np.float32(0)), np.float32(1))
    # The third power; NumPy's own takes ten times as long.
    weights: Floats = clipped * clipped * clipped
    return weights


def _among(ids: Ids, ascending: Ids) -> npt.NDArray[np.bool_]:
    """Say of each id whether it is among others, sooner than `numpy.isin` where these are few."""
    if not len(ascending):
        return np.zeros(ids.shape, np.bool_)
    found: Any = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    among: npt.NDArray[np.bool_] = ascending[found] == ids
    return among

"""Images that a person said do not show a category, and of which nobody said what they do show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.learning.data.copies import copy_groups
from index.records import Ids, Vectors

Mask = npt.NDArray[np.bool_]
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Refused:
    """`r` images that do not show some of `k` categories.

    Attributes
    ----------
    hashes
        Content hash of each, `r` of them.
    vectors
        Embeddings, `r` rows.
    barred
        bool `[r, k]`, the categories that each does not show; of each image one at least.
    """

    hashes: tuple[str, ...]
    vectors: Vectors
    barred: Mask

    @property
    def bars(self) -> tuple[Vectors, Mask]:
        """Embeddings, and what they do not show: what a gate needs."""
        return self.vectors, self.barred

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.hashes)

    def __getitem__(self, rows: Mask) -> Refused:
        hashes = tuple(self.hashes[at] for at in np.flatnonzero(rows).tolist())
        return Refused(hashes, self.vectors[rows], self.barred[rows])


class RefusedFolds:
    """Refused images dealt to folds, copies of each other to the same one.

    Parameters
    ----------
    refused
        None where there are none.
    splits
        How many splits there are; each tests on a fold of its own.
    seed
        The same images and seed are dealt alike.
    fewest
        Folds: of a single split one in so many is tested.
    """

    def __init__(
        self, refused: Refused | None, splits: int, seed: int, fewest: int = FOLDS
    ) -> None:
        self.all = refused
        self._fold_of: Ids = np.zeros(0, np.int64)
        if refused is not None:
            groups = copy_groups(refused.hashes, refused.vectors.unit, np.arange(len(refused)))
            first = np.random.default_rng(seed).permutation(np.unique(groups))
            fold_of: Ids = np.zeros(len(refused), np.int64)
            fold_of[first] = np.arange(len(first)) % max(splits, fewest)
            self._fold_of = fold_of[groups]

    def train(self, split: int) -> Refused | None:
        """Return those that a split learns from."""
        return None if self.all is None else self.all[self._fold_of != split]

    def test(self, split: int) -> Refused | None:
        """Return those that a split is tested on."""
        return None if self.all is None else self.all[self._fold_of == split]

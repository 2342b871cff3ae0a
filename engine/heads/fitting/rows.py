"""Which embeddings layers learn from, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a matrix with their labels, chosen without a copy of them.

    Attributes
    ----------
    values
        float32 `[n, dim]`.
    labels
        int64 `[n]`, positions of categories.
    chosen
        int64 `[m]`, which rows to take; None for all.
    scale
        Multiplies the values.
    weights
        float32 `[n]`, what each row counts; None for all alike. Only the exact minimum asks for it.
    """

    values: Floats
    labels: Ids
    chosen: Ids | None = None
    scale: float = 1.0
    weights: Floats | None = None

    @property
    def positions(self) -> Ids:
        """The rows that are taken, int64 `[m]`."""
        return np.arange(len(self.labels)) if self.chosen is None else self.chosen


@dataclass(frozen=True, slots=True)
class Barred:
    """Rows that a gate must keep out of some categories, whatever else they show.

    Attributes
    ----------
    values
        Embeddings with their lengths, float32 `[r, dim]`.
    frozen
        Log-sum-exp of their frozen logits, float32 `[r]`.
    categories
        bool `[r, outputs]`; of each row one at least.
    """

    values: Floats
    frozen: Floats
    categories: Mask


def embedding_scale(dim: int) -> float:
    """Return what unit embeddings are multiplied with before a layer.

    Their values are then about as large whatever the dim: a root mean square of 1/4.
    """
    return float(np.sqrt(dim) / 4)


def class_weights(labels: Ids, outputs: int, weights: Floats | None = None) -> Floats:
    """Return what each category weighs so that rare ones count as much, float32 `[outputs]`.

    Parameters
    ----------
    weights
        What each row counts, float32 `[n]`; None for all alike.
    """
    if weights is None:
        counts = np.bincount(labels, minlength=outputs)
        each = len(labels) / (outputs * np.maximum(counts, 1))
        return each.astype(np.float32)
    sums = np.bincount(labels, weights, minlength=outputs)
    share: Floats = (sums.sum() / (outputs * np.maximum(sums, 1e-6))).astype(np.float32)
    return share


def balanced_sample(labels: Ids, most: int, fewest: int, seed: int) -> Ids:
    """Return positions of at most `most` labels, as many of each category as of any other.

    Parameters
    ----------
    labels
        int64 `[n]`.
    most
        Where there are no more, all are returned.
    fewest
        So many of each category are taken in any case, where there are so many.
    seed
        The same labels and seed give the same sample.

    Returns
    -------
    ndarray
        int64, ascending.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    categories = np.unique(labels)
    share = max(fewest, most // len(categories))
    chosen = [rng.permutation(np.flatnonzero(labels == each))[:share] for each in categories]
    return np.sort(np.concatenate(chosen))

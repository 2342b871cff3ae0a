"""Which embeddings to learn from, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to train on, without a copy of them.

    Attributes
    ----------
    values
        float32 `[n, dim]`.
    labels
        int64 `[n]`.
    chosen
        int64 `[m]`, which of them to take; None for all.
    scale
        Multiplies the values.
    """

    values: Floats
    labels: Ids
    chosen: Ids | None = None
    scale: float = 1.0

    @property
    def places(self) -> Ids:
        """Which rows are taken, int64 `[m]`."""
        return np.arange(len(self.labels)) if self.chosen is None else self.chosen


def class_weights(labels: Ids, outputs: int) -> Floats:
    """Return what each category weighs so that rare ones count as much, float32 `[outputs]`."""
    counts = np.bincount(labels, minlength=outputs)
    weights = len(labels) / (outputs * np.maximum(counts, 1))
    return weights.astype(np.float32)

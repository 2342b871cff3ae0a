"""Convex combination of semantic embeddings (ConSE: Norouzi et al., arXiv 1312.5650).

Which categories a text is like is known by their names, and how these look by the rows of the
classifier. The paper goes from an image by its categories to words; this is the same the other
way about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.records import Floats, Ids


@dataclass(frozen=True, slots=True)
class ConseLimits:
    """What a combination is made of.

    Attributes
    ----------
    nearest
        So many categories, those whose names are most like the text.
    temperature
        Of the softmax over their similarities.
    understood
        Least similarity of the best for the text to be understood; `benchmarks.text` says what it
        was chosen by.
    """

    nearest: int = 20
    temperature: float = 0.05
    understood: float = 0.34


LIMITS = ConseLimits()


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Categories that a text is like, best first.

    Attributes
    ----------
    positions
        Of the categories, int64 `[n]`.
    weights
        Theirs, float32 `[n]`, falling, with a sum of 1.
    similarity
        Of the best, at most 1.
    """

    positions: Ids
    weights: Floats
    similarity: float

    def vector(self, directions: Floats) -> Floats:
        """Return the unit vector of the weighted sum of the categories' directions, `[dim]`.

        Parameters
        ----------
        directions
            Of all categories, unit vectors float32 `[m, dim]`.
        """
        total = self.weights @ directions[self.positions]
        unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return unit


def combination(similarities: Floats, limits: ConseLimits = LIMITS) -> Combination:
    """Return the categories that a text is most like.

    Parameters
    ----------
    similarities
        Of the text and the names of categories, float32 `[m]`.
    """
    positions = np.argsort(-similarities, kind="stable")[: limits.nearest]
    best = similarities[positions]
    weights = np.exp((best - best[0]) / np.float32(limits.temperature))
    return Combination(positions, (weights / weights.sum()).astype(np.float32), float(best[0]))


def directions(rows: Floats, mean: Floats) -> Floats:
    """Return how categories differ from what all have in common, unit vectors `[m, dim]`.

    Parameters
    ----------
    rows
        Of a classifier, one for each category, float32 `[m, dim]`.
    mean
        Of the rows of the built-in classifier, float32 `[dim]`.
    """
    centred = rows - mean
    lengths = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    unit: Floats = (centred / lengths).astype(np.float32)
    return unit

"""What a new category must be told apart from, when nobody has images of everything else.

New rows trained in one softmax beside the built-in thousand, on images of the new categories
alone, learn to say yes to everything: ImageNet accuracy falls from 89 % to 2 %. They need a
*background*. Two are used together.

*Prototypes* need no image at all. The built-in classifier's own rows say in which direction of
the embedding each of its thousand categories lies; a point a little way in that direction, from a
neutral middle, behaves like an embedding of that category. The middle is the mean of the training
images with all evidence for any category taken out by least squares.

*Catalog embeddings* are what the shop really has. Each votes for whatever the built-in categories
make of it. Those that may show a new category themselves (a catalog of beds, when `bed` is
learned) must not vote, and are found first: by the gate trained on prototypes alone, and by
closeness to the training images.

docs/heads.md has the measurements behind the constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.heads.classifier import BuiltIn
from engine.heads.head import Dense
from engine.heads.numerics import log_sum_exp
from index.records import Floats, Vectors

# Ridge of the least squares, as a share of the mean squared length of the classifier's rows.
RIDGE = 1.0
# How far from the middle prototypes lie, in lengths of the middle; small values make hard cases.
DISTANCES = (0.3, 0.6)
# A prototype leans towards a second category by up to this share.
LEANING = 0.5
# Closer to a training image than this share of training images are to each other: suspect.
CLOSE = 0.10
# Closer than this two training images are taken for views of the same one.
SAME = 0.9
# Rows compared at a time.
BLOCK = 2048

Middle = Callable[[Floats], Floats]


class Prototypes:
    """Makes up embeddings of the built-in categories.

    Parameters
    ----------
    built_in
        The backbone's own last layer, `k` categories.
    middle
        Another way to a middle from the mean embedding float32 `[dim]` of training images.
    """

    def __init__(self, built_in: BuiltIn, middle: Middle | None = None) -> None:
        self._layer = built_in.layer
        self._middle = middle or self._without_evidence

    def draw(self, positives: Vectors, seed: int) -> Vectors:
        """Return made-up embeddings, two of each built-in category.

        Parameters
        ----------
        positives
            The training images.
        seed
            Decides which category each prototype leans towards.
        """
        rng = np.random.default_rng(seed)
        middle = self.middle(positives)
        count = len(self._directions)
        parts = []
        for distance in DISTANCES:
            share = rng.uniform(0, LEANING, (count, 1)).astype(np.float32)
            other = self._directions[rng.permutation(count)]
            leaning = _unit((1 - share) * self._directions + share * other)
            step = np.float32(distance * np.linalg.norm(middle))
            parts.append(_as_features(middle + step * leaning, positives))
        return Vectors.of(np.concatenate(parts))

    def middle(self, positives: Vectors) -> Floats:
        """Return the mean embedding without evidence for any built-in category, `[dim]`."""
        mean = positives.norm @ positives.unit / np.float32(len(positives))
        return _as_features(self._middle(mean), positives)

    @cached_property
    def _directions(self) -> Floats:
        """The unit vector towards each category from the mean of all, `[k, dim]`."""
        weight = self._layer.weight
        return _unit(weight - weight.mean(axis=0))

    @cached_property
    def _projection(self) -> Floats:
        """What turns centred logits into the embedding that is to blame for them, `[dim, k]`."""
        weight = self._layer.weight - self._layer.weight.mean(axis=0)
        ridge = RIDGE * float(np.square(weight).sum(axis=1).mean())
        system = weight @ weight.T + ridge * np.eye(len(weight), dtype=np.float32)
        solved: Floats = np.linalg.solve(system, weight)
        return solved.T

    def _without_evidence(self, mean: Floats) -> Floats:
        logits = self._layer.weight @ mean + self._layer.bias
        middle: Floats = mean - self._projection @ (logits - logits.mean())
        return middle


def suspects(
    candidates: Vectors, positives: Vectors, gate: Dense, built_in: BuiltIn, block: int = BLOCK
) -> npt.NDArray[np.bool_]:
    """Say which catalog images may show a new category themselves, bool `[n]`.

    Parameters
    ----------
    gate
        Trained on prototypes alone.
    block
        Rows compared at a time.
    """
    if not len(candidates):
        return np.zeros(0, np.bool_)
    taken = gate(candidates.raw).max(axis=1) >= built_in.logits(candidates).max(axis=1)
    among = [
        _others(scores, start).max(axis=1)
        for start, scores in _similarities(positives.unit, positives.unit, block)
    ]
    nearest = [
        scores.max(axis=1) for _, scores in _similarities(candidates.unit, positives.unit, block)
    ]
    close = np.concatenate(nearest) >= np.quantile(np.concatenate(among), CLOSE)
    result: npt.NDArray[np.bool_] = taken | close
    return result


def _similarities(rows: Floats, columns: Floats, block: int) -> Iterator[tuple[int, Floats]]:
    """Yield the similarities of some rows after the other with all columns."""
    for start in range(0, len(rows), block):
        yield start, rows[start : start + block] @ columns.T


def _others(scores: Floats, start: int) -> Floats:
    """Leave out similarities that say nothing about how close two images are."""
    np.fill_diagonal(scores[:, start:], -1)
    # So near is an image's own mirrored copy.
    scores[scores > SAME] = -1
    return scores


def background_logits(background: Vectors, built_in: BuiltIn) -> Floats:
    """Return the logit that a gate must stay below on each background image, `[n]`."""
    return log_sum_exp(built_in.logits(background))


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _as_features(values: Floats, examples: Vectors) -> Floats:
    # Most backbones end in a ReLU: an embedding below zero cannot occur there.
    floor = 0.0 if examples.unit.min() >= 0 else -np.inf
    return np.maximum(values, floor).astype(np.float32)

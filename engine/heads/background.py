"""What a new category must be told apart from, when nobody has pictures of everything else.

New rows trained in one softmax beside the built-in thousand, on pictures of the new categories
alone, learn to say yes to everything: ImageNet accuracy falls from 89 % to 2 %. They need a
*background*. Two are used together.

*Prototypes* need no picture at all. The built-in classifier's own rows say in which direction of
the embedding each of its thousand categories lies; a point a little way in that direction, from a
neutral middle, behaves like an embedding of that category. The middle is the mean of the training
pictures with all evidence for any category taken out by least squares.

*Catalog embeddings* are what the shop really has. Each votes for whatever the built-in categories
make of it. Those that may show a new category themselves (a catalog of beds, when `bed` is
learned) must not vote, and are found first: by the gate trained on prototypes alone, and by
closeness to the training pictures.

docs/heads.md has the measurements behind the constants.
"""

from __future__ import annotations

from collections.abc import Iterator

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
# Closer to a training picture than this share of training pictures are to each other: suspect.
CLOSE = 0.10
# Closer than this two training pictures are taken for views of the same one.
SAME = 0.9
MOST_FROM_CATALOG = 5000
# Rows compared at a time.
BLOCK = 2048


def neutral_middle(positives: Vectors, built_in: BuiltIn) -> Floats:
    """Return the mean embedding without evidence for any built-in category, float32 `[dim]`."""
    mean = positives.raw.mean(axis=0)
    weight = built_in.layer.weight - built_in.layer.weight.mean(axis=0)
    bias = built_in.layer.bias - built_in.layer.bias.mean()
    ridge = RIDGE * float(np.square(weight).sum(axis=1).mean())
    system = weight @ weight.T + ridge * np.eye(len(weight), dtype=np.float32)
    middle = mean - weight.T @ np.linalg.solve(system, weight @ mean + bias)
    return _as_features(middle, positives)


def prototypes(positives: Vectors, built_in: BuiltIn, seed: int) -> Vectors:
    """Return made-up embeddings, two of each built-in category.

    Parameters
    ----------
    positives
        The training pictures.
    seed
        Decides which category each prototype leans towards.
    """
    rng = np.random.default_rng(seed)
    middle = neutral_middle(positives, built_in)
    weight = built_in.layer.weight
    directions = _unit(weight - weight.mean(axis=0))
    parts = []
    for distance in DISTANCES:
        share = rng.uniform(0, LEANING, (len(weight), 1)).astype(np.float32)
        other = directions[rng.permutation(len(weight))]
        leaning = _unit((1 - share) * directions + share * other)
        step = np.float32(distance * np.linalg.norm(middle))
        parts.append(_as_features(middle + step * leaning, positives))
    return Vectors.of(np.concatenate(parts))


def suspects(
    candidates: Vectors, positives: Vectors, gate: Dense, built_in: BuiltIn
) -> npt.NDArray[np.bool_]:
    """Say which catalog pictures may show a new category themselves, bool `[n]`.

    Parameters
    ----------
    gate
        Trained on prototypes alone.
    """
    if not len(candidates):
        return np.zeros(0, np.bool_)
    taken = gate(candidates.raw).max(axis=1) >= built_in.logits(candidates).max(axis=1)
    among = np.concatenate(
        [
            _others(scores, start).max(axis=1)
            for start, scores in _similarities(positives.unit, positives.unit)
        ]
    )
    near = [scores.max(axis=1) for _, scores in _similarities(candidates.unit, positives.unit)]
    close = np.concatenate(near) >= np.quantile(among, CLOSE)
    result: npt.NDArray[np.bool_] = taken | close
    return result


def _similarities(rows: Floats, columns: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the similarities of some rows after the other with all columns."""
    for start in range(0, len(rows), BLOCK):
        yield start, rows[start : start + BLOCK] @ columns.T


def _others(scores: Floats, start: int) -> Floats:
    """Leave out similarities that say nothing about how close two pictures are."""
    np.fill_diagonal(scores[:, start:], -1)
    # So near is a picture's own mirrored copy.
    scores[scores > SAME] = -1
    return scores


def background_logits(background: Vectors, built_in: BuiltIn) -> Floats:
    """Return the logit that a gate must stay below on each background picture, `[n]`."""
    return log_sum_exp(built_in.logits(background))


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _as_features(values: Floats, examples: Vectors) -> Floats:
    # Most backbones end in a ReLU: an embedding below zero cannot occur there.
    floor = 0.0 if examples.unit.min() >= 0 else -np.inf
    return np.maximum(values, floor).astype(np.float32)

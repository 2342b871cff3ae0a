"""What a head may hold: checked before one is stored, and again whenever one is read.

Within these limits whatever a head computes is finite, so a stranger's head can be wrong, but never
turn the probabilities of others into NaN.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.heads.head import Dense, Head
from engine.heads.numerics import ACTIVATIONS


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How much a head may hold, and how large its numbers are.

    Attributes
    ----------
    layers, categories
        At most so many of them.
    name
        Characters of a category's name.
    weight
        The largest weight or bias, whatever its sign.
    factor
        The largest `scale` and `temperature`; the least is its inverse.
    figure
        The largest metric, whatever its sign.
    """

    layers: int = 64
    categories: int = 100_000
    name: int = 1000
    weight: float = 1e6
    factor: float = 1e6
    figure: float = 1e15


LIMITS = HeadLimits()
# Metrics that count images; they are shown as whole numbers.
COUNTS = ("images", "test_images", "validation_images", "sure_of_catalog", "refused_images")


def check_head(head: Head, limits: HeadLimits = LIMITS) -> None:
    """Refuse a head that cannot be computed with.

    Raises
    ------
    ValueError
        Layers that do not fit each other, a number that is not finite or out of its range, or a
        category's name that none can have.
    """
    if head.activation not in ACTIVATIONS:
        raise ValueError(f"the activation {head.activation!r} is unknown")
    check_categories(head.categories, limits)
    if not 0 < len(head.layers) <= limits.layers:
        raise ValueError(f"it has {len(head.layers)} layers")
    width = head.dim
    for layer in head.layers:
        _check_layer(layer, width, limits)
        width = len(layer.bias)
    _check_layer(head.gate, head.dim, limits)
    if not width == len(head.gate.bias) == len(head.categories):
        raise ValueError("the layers do not fit the categories")
    for name in ("scale", "temperature"):
        if not 1 / limits.factor <= getattr(head, name) <= limits.factor:
            raise ValueError(f"its {name} of {getattr(head, name):g} is out of range")
    if not 0 <= head.accept <= 1:
        raise ValueError("the least share that it accepts is none")
    _check_metrics(head.metrics, limits)


def check_categories(categories: Sequence[str], limits: HeadLimits = LIMITS) -> None:
    """Refuse names of categories that a head cannot have.

    Raises
    ------
    ValueError
        There are none or too many, one is empty, too long or no valid text, or two are the same.
    """
    if not 0 < len(categories) <= limits.categories:
        raise ValueError(f"it has {len(categories):,} categories")
    for name in categories:
        if not name:
            raise ValueError("a category in it has no name")
        if len(name) > limits.name:
            raise ValueError(f"a category's name is longer than {limits.name:,} characters")
        # Half a surrogate pair: no database and no file can hold it as text.
        if any(unicodedata.category(each) == "Cs" for each in name):
            raise ValueError("a category's name is no valid text")
    if len(set(categories)) != len(categories):
        raise ValueError("two categories have one name")


def _check_layer(layer: Dense, inputs: int, limits: HeadLimits) -> None:
    # NumPy would take other shapes and types without a word, and answer something else.
    if layer.bias.ndim != 1 or layer.weight.shape != (len(layer.bias), inputs):
        raise ValueError("the layers do not fit each other")
    if not layer.weight.size:
        raise ValueError("a layer in it is empty")
    for part in (layer.weight, layer.bias):
        if part.dtype != np.float32 or not np.isfinite(part).all():
            raise ValueError("a number in it is not finite")
        if max(part.max(), -part.min()) > limits.weight:
            raise ValueError(f"a weight in it is larger than {limits.weight:g}")


def _check_metrics(metrics: Mapping[str, float], limits: HeadLimits) -> None:
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"its metric {name} is no number")
        # NaN is what was measured of nothing; but nothing can be counted so.
        if abs(value) > limits.figure or (name in COUNTS and not value >= 0):
            raise ValueError(f"its metric {name} is out of range")

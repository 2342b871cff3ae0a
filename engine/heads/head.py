"""A trained head and its name: what it computes is numpy, so that using one needs no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import HeadMismatchError, UnknownHeadError, UsageError
from engine.heads.numerics import ACTIVATIONS, RELU, bounded, log_softmax, log_sum_exp
from engine.heads.record import Record
from engine.heads.results import HeadInfo
from index.catalog.vector_codec import PackedVectors
from index.names import suggestion
from index.records import Floats, Vectors

# Who answers beside heads of the catalog: all together, and the built-in categories alone.
ALL, BUILT_IN = "all", "imagenet"
RESERVED = (ALL, BUILT_IN, "unknown")
_NAME = re.compile(r"[\w][\w .-]{0,99}")


@dataclass(frozen=True, slots=True)
class Dense:
    """One layer: `x @ weight.T + bias`.

    Attributes
    ----------
    weight
        float32 `[outputs, inputs]`.
    bias
        float32 `[outputs]`.
    """

    weight: Floats
    bias: Floats

    def __call__(self, values: Floats) -> Floats:
        result: Floats = values @ self.weight.T + self.bias
        return result


@dataclass(frozen=True, slots=True)
class Head:
    """Categories that people added, and the layers that recognise them.

    Two things are learned. The *layers* tell the head's own categories from each other. The *gate*
    gives the logit with which an image belongs to this head at all, commensurable with those of
    the built-in thousand categories.

    Attributes
    ----------
    name
        Unique in a catalog.
    categories
        Names of the outputs, `k` of them.
    backbone, fingerprint
        Whose embeddings it was trained on.
    layers
        Dense layers with `activation` between them; their input is the unit embedding times
        `scale`.
    scale
        Multiplies unit embeddings before the first layer.
    temperature
        Divides the logits, so that a probability of 0.8 is right four times out of five
        (temperature scaling, Guo et al. 2017).
    gate
        One row per category, on the embedding with its length.
    accept
        Least share of the joint distribution that the head's categories must hold together for
        its own answer not to be `unknown`.
    created_at
        ISO 8601 in UTC.
    metrics
        Figures measured when it was trained, on test images (`engine.learning.measure`).
    activation
        Name of the function between the layers, a key of `numerics.ACTIVATIONS`.
    history
        One row per epoch of one of the trials that were measured: `epoch`, `lr`, `loss`,
        `accuracy` and, where there were validation images, `validation_loss` and
        `validation_accuracy`.
    record
        What a report shows; None in heads of older releases.
    """

    name: str
    categories: tuple[str, ...]
    backbone: str
    fingerprint: str
    layers: tuple[Dense, ...]
    scale: float
    temperature: float
    gate: Dense
    accept: float
    created_at: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    activation: str = RELU
    history: Sequence[Mapping[str, float]] = ()
    record: Record | None = None

    @property
    def dim(self) -> int:
        """Length of the embeddings it takes."""
        return int(self.gate.weight.shape[1])

    def require(self, backbone: str, fingerprint: str, dim: int) -> None:
        """Refuse embeddings of another backbone.

        Raises
        ------
        HeadMismatchError
            The fingerprints differ, or the lengths of embeddings.
        """
        if fingerprint != self.fingerprint:
            raise HeadMismatchError(
                self.name,
                f"this head was trained on embeddings of {self.backbone} "
                f"({self.fingerprint[:12]}), the catalog holds those of {backbone} "
                f"({fingerprint[:12]})",
                "Train it again on this catalog's backbone",
            )
        if dim != self.dim:
            raise HeadMismatchError(
                self.name,
                f"this head takes embeddings of dim {self.dim}, the catalog holds those of {dim}",
                "Train it again on this catalog's backbone",
            )

    def log_probabilities(self, vectors: Vectors | PackedVectors) -> Floats:
        """Return calibrated log-probabilities over the head's own categories, `[n, k]`."""
        logits = layer_logits(self.layers, self.activation, vectors, self.scale)
        return log_softmax(logits / np.float32(self.temperature))

    def belonging(self, vectors: Vectors) -> Floats:
        """Return the logit with which each picture belongs to this head, `[n]`."""
        return log_sum_exp(bounded(self.gate(vectors.raw)))

    def joint_logits(self, vectors: Vectors) -> Floats:
        """Return one logit per category, commensurable with the built-in ones, `[n, k]`.

        The gate decides how much falls to the head, the layers how that is shared out.
        """
        return self.belonging(vectors)[:, None] + self.log_probabilities(vectors)


def layer_logits(
    layers: Sequence[Dense], activation: str, vectors: Vectors | PackedVectors, scale: float
) -> Floats:
    """Return the logits of dense layers on unit embeddings times `scale`, float32 `[n, k]`."""
    first, *others = layers
    # Scaled afterwards, the embeddings need no copy.
    values = bounded(vectors.times(first.weight.T) * np.float32(scale) + first.bias)
    for layer in others:
        values = bounded(layer(ACTIVATIONS[activation](values)))
    return values


def layer_sizes(layers: Sequence[Dense]) -> list[int]:
    """Return the widths from input to output."""
    return [int(layers[0].weight.shape[1]), *(int(layer.weight.shape[0]) for layer in layers)]


def head_info(head: Head) -> HeadInfo:
    """Return what a list of heads shows of one."""
    return HeadInfo(
        head.name,
        head.categories,
        layer_sizes(head.layers),
        int(head.metrics.get("images", 0)),
        head.metrics.get("validation_accuracy", float("nan")),
        head.created_at,
        head.backbone,
    )


def find_head(heads: Sequence[Head], name: str) -> Head:
    """Return the head of a name.

    Raises
    ------
    UnknownHeadError
        There is none; the message lists those there are.
    """
    for head in heads:
        if head.name == name:
            return head
    names = [head.name for head in heads]
    raise UnknownHeadError(
        name,
        "there is no such head",
        f"{suggestion(name, names, 'The catalog has', 'heads')}; "
        f"`engine train FOLDER --head {name}` makes one",
    )


def check_name(name: str) -> None:
    """Refuse names that a head cannot have.

    Raises
    ------
    UsageError
        The name is reserved, or has characters that no name may have.
    """
    if name in RESERVED:
        raise UsageError(name, "this name belongs to the engine", "Choose another for the head")
    if not _NAME.fullmatch(name):
        raise UsageError(
            name or "''",
            "this is no name for a head",
            "Use letters, digits, spaces, dots, dashes and underscores, a hundred at most",
        )

"""A trained head: what it computes, in numpy, so that using one needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import HeadMismatchError
from engine.heads.numerics import ACTIVATIONS, RELU, log_softmax, log_sum_exp
from engine.heads.record import Record
from index.catalog.vector_codec import PackedVectors
from index.records import Floats, Vectors


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

    Two things are learned. The *layers* tell the head's own categories apart. The *gate* says how
    much a picture belongs to this head at all, as a logit that can stand beside those of the
    built-in thousand categories.

    Attributes
    ----------
    name
        What people call it.
    categories
        Names of the outputs.
    backbone, fingerprint
        Whose embeddings it was trained on.
    layers
        Dense layers with `activation` between them; their input is the unit embedding times
        `scale`.
    scale
        See `layers`.
    temperature
        Divides the logits, so that a probability of 0.8 is right four times out of five
        (temperature scaling, Guo et al. 2017).
    gate
        One row per category, on the embedding with its length.
    accept
        Least share of the joint distribution that the head's categories must hold together for
        its own answer not to be `unknown`.
    metrics
        What was measured when it was trained.
    created_at
        When, ISO 8601 in UTC.
    activation
        What stands between the layers, a name of `numerics.ACTIVATIONS`.
    history
        One row per epoch of the training that was measured: `epoch`, `lr`, `loss`, `accuracy`
        and, where pictures were held out, `validation_loss` and `validation_accuracy`.
    record
        How it came to be; None in heads of older releases.
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

    def require(self, backbone: str, fingerprint: str) -> None:
        """Refuse embeddings of another backbone.

        Raises
        ------
        HeadMismatchError
            The fingerprints differ.
        """
        if fingerprint != self.fingerprint:
            raise HeadMismatchError(
                self.name,
                f"this head was trained on embeddings of {self.backbone} "
                f"({self.fingerprint[:12]}), the catalog holds those of {backbone} "
                f"({fingerprint[:12]})",
                "Train it again on this catalog's backbone",
            )

    def log_probabilities(self, vectors: Vectors | PackedVectors) -> Floats:
        """Return calibrated log-probabilities over the head's own categories, `[n, k]`."""
        first, *others = self.layers
        # Scaled afterwards, the embeddings need no copy.
        values = vectors.times(first.weight.T) * np.float32(self.scale) + first.bias
        for layer in others:
            values = layer(ACTIVATIONS[self.activation](values))
        return log_softmax(values / np.float32(self.temperature))

    def belonging(self, vectors: Vectors) -> Floats:
        """Return the logit with which each picture belongs to this head, `[n]`."""
        return log_sum_exp(self.gate(vectors.raw))

    def joint_logits(self, vectors: Vectors) -> Floats:
        """Return one logit per category, commensurable with the built-in ones, `[n, k]`.

        The gate decides how much falls to the head, the layers how that is shared out.
        """
        return self.belonging(vectors)[:, None] + self.log_probabilities(vectors)


def layer_sizes(layers: Sequence[Dense]) -> list[int]:
    """Return the widths from input to output."""
    return [int(layers[0].weight.shape[1]), *(int(layer.weight.shape[0]) for layer in layers)]

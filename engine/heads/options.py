"""How a head is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a head is trained.

    Attributes
    ----------
    hidden
        Widths of hidden layers; none for a linear head.
    dropout
        Share of values dropped before each layer after the first.
    epochs
        At most this many passes over the pictures.
    patience
        Stop after this many epochs without a better validation loss.
    batch
        Rows in one step.
    lr, weight_decay
        Of AdamW.
    validation
        Share of the pictures of each category that is held out.
    seed
        The same seed and pictures give the same head.
    """

    hidden: tuple[int, ...] = ()
    dropout: float = 0.3
    epochs: int = 60
    patience: int = 12
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    validation: float = 0.2
    seed: int = 0

"""How a head is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

# With more rows than this, large batches: a pass over so many is then enough to need few of them.
MANY = 20_000
LARGER_BATCH = 8
# A linear head takes far larger steps than one with hidden layers.
LARGER_LR, LARGER_LR_HIDDEN = 15, 2
# Rows seen in all, over and over where there are fewer; and the least number of passes.
ROWS_SEEN = 600_000
FEWEST_EPOCHS = 3


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
    decay
        Let `lr` fall to nothing by the last epoch, in a straight line.
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
    decay: bool = False
    validation: float = 0.2
    seed: int = 0

    def scaled(self, rows: int) -> Self:
        """Return what these options mean for so many rows: the same, unless they are very many.

        Then steps are taken on larger batches, which keep all cores busy, and are larger
        themselves. The passes are few and their number is settled beforehand, so that the steps
        can shrink towards the end, where they would otherwise circle around the minimum.
        """
        if rows <= MANY:
            return self
        epochs = min(self.epochs, max(FEWEST_EPOCHS, round(ROWS_SEEN / rows)))
        larger = LARGER_LR_HIDDEN if self.hidden else LARGER_LR
        return replace(
            self,
            epochs=epochs,
            patience=epochs,
            batch=self.batch * LARGER_BATCH,
            lr=self.lr * larger,
            decay=True,
        )

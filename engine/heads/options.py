"""How a head is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from engine.errors import UsageError
from engine.heads.numerics import ACTIVATIONS, RELU
from engine.options import require_ranges

# With more rows than this, large batches: a pass over so many is then enough to need few of them.
MANY = 20_000
LARGER_BATCH = 8
# A linear head takes far larger steps than one with hidden layers.
LARGER_LR, LARGER_LR_HIDDEN = 15, 2
# What steps the layers, and how far where nothing else is said.
ADAMW, SGD, LBFGS = "adamw", "sgd", "lbfgs"
OPTIMIZERS = {ADAMW: 2e-3, SGD: 1e-2, LBFGS: 1.0}
# Rows seen in all, over and over where there are fewer; and the least number of passes.
ROWS_SEEN = 600_000
FEWEST_EPOCHS = 3
_RANGES = (
    ("dropout", 0.0, 0.95),
    ("epochs", 1, 1e6),
    ("patience", 1, 1e6),
    ("batch", 1, 1e6),
    ("lr", 1e-8, 1e3),
    ("weight_decay", 0.0, 1e3),
    ("label_smoothing", 0.0, 0.9),
    ("validation", 0.0, 0.9),
    ("seed", 0, 2**63 - 1),
)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a head is trained.

    Attributes
    ----------
    hidden
        Widths of hidden layers; none for a linear head.
    activation
        What stands after each hidden layer: `relu`, `gelu`, `silu` or `tanh`.
    dropout
        Share of values dropped before each layer after the first.
    optimizer
        `adamw`, `sgd` with Nesterov's momentum, or `lbfgs`: a linear head's exact minimum, for
        which `batch`, `patience`, `lr` and `decay` mean nothing.
    epochs
        At most this many passes over the pictures.
    patience
        Stop after this many epochs without a better validation loss.
    batch
        Rows in one step.
    lr
        Size of a step; None for the optimizer's own (`OPTIMIZERS`).
    weight_decay
        Share of `lr` by which weights shrink in each step; for `lbfgs` how much half of their
        squared length weighs against the sum of all pictures' losses.
    label_smoothing
        Share of the certainty that is taken from a picture's label and spread over all
        categories (Szegedy et al. 2016).
    decay
        Let `lr` fall to nothing by the last epoch, in a straight line.
    validation
        Share of the pictures of each category that is held out.
    seed
        The same seed and pictures give the same head.
    """

    hidden: tuple[int, ...] = ()
    activation: str = RELU
    dropout: float = 0.3
    optimizer: str = ADAMW
    epochs: int = 60
    patience: int = 12
    batch: int = 64
    lr: float | None = None
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    decay: bool = False
    validation: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with.

        Raises
        ------
        UsageError
            A number is out of its range, or a name is unknown.
        """
        for name, known in (("activation", ACTIVATIONS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"{name} {getattr(self, name)!r}", "it is unknown", f"Use {', '.join(known)}"
                )
        require_ranges(self, _RANGES)
        if not all(width >= 1 for width in self.hidden):
            raise UsageError(f"hidden {self.hidden}", "a layer needs a width", "Use 1 or more")
        if self.hidden and self.optimizer == LBFGS:
            raise UsageError(
                f"optimizer {LBFGS}",
                "it is for linear heads, and there are hidden layers",
                f"Leave out the hidden layers, or take {ADAMW} or {SGD}",
            )

    @property
    def rate(self) -> float:
        """Size of a step."""
        return OPTIMIZERS[self.optimizer] if self.lr is None else self.lr

    def scaled(self, rows: int) -> Self:
        """Return what these options mean for so many rows: the same, unless they are very many.

        Then steps are taken on larger batches, which keep all cores busy, and are larger
        themselves. The passes are few and their number is settled beforehand, so that the steps
        can shrink towards the end, where they would otherwise circle around the minimum.
        """
        if rows <= MANY or self.optimizer == LBFGS:
            return self
        epochs = min(self.epochs, max(FEWEST_EPOCHS, round(ROWS_SEEN / rows)))
        larger = LARGER_LR_HIDDEN if self.hidden else LARGER_LR
        return replace(
            self,
            epochs=epochs,
            patience=epochs,
            batch=self.batch * LARGER_BATCH,
            lr=self.rate * larger,
            decay=True,
        )

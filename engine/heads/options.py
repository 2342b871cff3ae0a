"""How a head is trained."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Self

from engine.errors import UsageError
from engine.options import SECONDS, Option, check_options

# With more rows than this, large batches: an epoch over so many is then enough to need few of them.
MANY = 20_000
LARGER_BATCH = 8
# A linear head takes a far larger learning rate than one with hidden layers.
LARGER_LR, LARGER_LR_HIDDEN = 15, 2
# What updates the layers, and the learning rate where nothing else is said.
ADAMW, SGD, LBFGS = "adamw", "sgd", "lbfgs"
OPTIMIZERS = {ADAMW: 2e-3, SGD: 1e-2, LBFGS: 1.0}
# `numerics.ACTIVATIONS` computes them; that needs NumPy, which `--help` does not wait for.
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
# Rows seen in all, over and over where there are fewer; and the least number of epochs.
ROWS_SEEN = 600_000
FEWEST_EPOCHS = 3
# Seconds within which a training without options chooses how to train.
BUDGET = 15.0
# What says nothing of how layers are fitted.
BESIDE_FITTING = ("validation", "seed", "budget", "fast", "unlabelled", "given")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a head is trained.

    Notes
    -----
    `optimizer` may be `lbfgs`: a linear head's exact minimum, for which `epochs` is the number of
    iterations, and `patience`, `batch`, `lr` and `decay` mean nothing. `sgd` has Nesterov's
    momentum.

    `lr` is None for the optimizer's own (`OPTIMIZERS`). With `decay` it falls to nothing by the
    last epoch, in a straight line.

    `weight_decay` is the share of `lr` by which weights shrink in each step; for `lbfgs` how much
    half of their squared length weighs against the sum of all images' losses.

    `budget` is wall time: see `engine.learning.choice`. Nothing is chosen with `fast`, nor where
    any option says how layers are fitted (`says_how`): then one training is done, as told.

    `given` names fields that somebody set though their value may be the default, as the command
    line knows: model selection leaves them alone, as it does what differs from the defaults.

    `views` is how many views of each image layers learn from, of those there are; None for all.

    `label_smoothing` spreads what it takes from an image's label over all categories (Szegedy et
    al. 2016, "Rethinking the Inception architecture for computer vision", section 7).

    Raises
    ------
    UsageError
        A number is out of its range, or a name is unknown.
    """

    hidden: Annotated[
        tuple[int, ...],
        Option(
            "Widths of hidden layers; 0 for a linear head.",
            minimum=1,
            metavar="N,N,...",
            written="0",
        ),
    ] = ()
    activation: Annotated[
        str, Option("With --hidden: relu, gelu, silu or tanh.", choices=ACTIVATIONS)
    ] = "relu"
    dropout: Annotated[float, Option("With --hidden: dropout.", minimum=0.0, maximum=0.95)] = 0.3
    epochs: Annotated[int, Option("At most so many epochs.", minimum=1)] = 60
    patience: Annotated[
        int, Option("Stop after so many epochs without a better validation loss.", minimum=1)
    ] = 12
    batch: Annotated[int, Option("Embeddings in one step.", minimum=1)] = 64
    optimizer: Annotated[
        str, Option("adamw, sgd, or lbfgs for linear heads.", choices=tuple(OPTIMIZERS))
    ] = ADAMW
    lr: Annotated[
        float | None,
        Option(
            "Learning rate.",
            minimum=1e-8,
            maximum=1e3,
            names=("--learning-rate",),
            shown=f"{OPTIMIZERS[ADAMW]:g} for adamw, {OPTIMIZERS[SGD]:g} for sgd",
        ),
    ] = None
    weight_decay: Annotated[float, Option("How fast weights shrink.", minimum=0.0, maximum=1e3)] = (
        0.05
    )
    label_smoothing: Annotated[
        float, Option("Share of certainty taken from labels.", minimum=0.0, maximum=0.9)
    ] = 0.0
    decay: Annotated[bool, Option()] = False
    validation: Annotated[
        float, Option("Share of pictures for validation.", minimum=0.0, maximum=0.9)
    ] = 0.2
    seed: Annotated[int, Option("The same seed: the same head.", minimum=0, maximum=2**63 - 1)] = 0
    budget: Annotated[
        float,
        Option(
            "Where no option says how to train: choose within so much time, embedding included.",
            minimum=0.0,
            metavar="TIME",
            unit=SECONDS,
            written=f"{BUDGET:g}s",
        ),
    ] = BUDGET
    fast: Annotated[bool, Option("Train once, by the defaults of these options.")] = False
    unlabelled: Annotated[
        bool,
        Option(
            "Where categories have fewer than 8 pictures, and no option says how to train: also "
            "learn from the catalog's pictures without a label, as far as they look alike."
        ),
    ] = True
    given: Annotated[tuple[str, ...], Option()] = ()
    views: Annotated[int | None, Option(minimum=1)] = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        check_options(self)
        if self.hidden and self.optimizer == LBFGS:
            raise UsageError(
                f"optimizer {LBFGS}",
                "it is for linear heads, and there are hidden layers",
                f"Leave out the hidden layers, or take {ADAMW} or {SGD}",
            )

    @property
    def wished(self) -> frozenset[str]:
        """Names of the fields that were given, or differ from the defaults."""
        different = (each.name for each in fields(self) if getattr(self, each.name) != each.default)
        return frozenset((*self.given, *different))

    @property
    def says_how(self) -> bool:
        """Whether somebody wished for some way to fit layers."""
        return bool(self.wished.difference(BESIDE_FITTING))

    @property
    def rate(self) -> float:
        """The learning rate: `lr`, or the optimizer's own."""
        return OPTIMIZERS[self.optimizer] if self.lr is None else self.lr

    def rows_seen(self, rows: int) -> int:
        """Return how many rows a training on so many goes over at most, again and again."""
        return rows * self.scaled(rows).epochs

    def scaled(self, rows: int) -> Self:
        """Return what these options mean for so many rows: the same, unless they are very many.

        Then batches are larger, which keeps all cores busy, and so is the learning rate. The
        epochs are few and their number is settled beforehand, so that the learning rate can fall
        towards the end, where the weights would otherwise circle around the minimum.
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

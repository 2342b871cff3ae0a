"""How a backbone is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass

from engine.options import require_ranges

_RANGES = (
    ("epochs", 1, 10_000),
    ("batch", 2, 4096),
    ("lr", 1e-8, 10.0),
    ("falling", 0.01, 1.0),
    ("weight_decay", 0.0, 10.0),
    ("label_smoothing", 0.0, 0.9),
    ("validation", 0.01, 0.9),
    ("seed", 0, 2**31 - 1),
)


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """How a backbone is fine-tuned.

    Attributes
    ----------
    block
        The first block that is trained; those before it stay as they are.
    epochs
        Passes over the pictures.
    batch
        Pictures in one step.
    lr
        The largest step of the last block; steps follow one cycle (Smith & Topin 2018).
    falling
        Each block before another takes steps smaller by this factor (discriminative learning
        rates, Howard & Ruder 2018).
    weight_decay
        Of AdamW.
    label_smoothing
        Share of the certainty that is taken from labels.
    augment
        Show each picture in another part, mirrored and recoloured, in every pass. Without it
        what comes before the block is computed once.
    adapt_norms
        Let the BatchNorms of trained blocks take on the means and deviations of these pictures.
        Batches of a few dozen tell them badly: on 12 pictures the held-out loss rose from 0.12 to
        0.88 in three epochs, where it fell to 0.01 with the statistics of pretraining.
    validation
        Share of the pictures of each category that is held out.
    seed
        The same seed and pictures give the same backbone.
    """

    block: str
    epochs: int = 3
    batch: int = 32
    lr: float = 3e-4
    falling: float = 0.5
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    augment: bool = True
    adapt_norms: bool = False
    validation: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers out of their range.

        Raises
        ------
        UsageError
            One is.
        """
        require_ranges(self, _RANGES)

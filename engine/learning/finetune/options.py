"""How a backbone is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from engine.options import Option, check_options


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """How a backbone is fine-tuned.

    Notes
    -----
    `lr` is the largest learning rate of the last block; it follows one cycle (Smith & Topin 2018,
    "Super-convergence"). Each block before another has that block's learning rate times
    `layer_decay` (discriminative learning rates; Howard & Ruder 2018, "Universal language model
    fine-tuning for text classification", section 3.2). `weight_decay` is AdamW's.

    `validation` and `test` are shares of each category. Test images are set aside first: the
    accuracy that is reported is measured on them, and they serve for nothing else. Of the others
    the validation images choose the epoch.

    With `adapt_norms` the BatchNorms of trained blocks take on the means and deviations of these
    images. Batches of a few dozen tell them badly: on 12 images the validation loss rose from
    0.12 to 0.88 in three epochs, where it fell to 0.01 with the statistics of pretraining.

    Raises
    ------
    UsageError
        A number is out of its range.
    """

    block: Annotated[
        str,
        Option(
            "The first block to train, such as layer4, block5 or top; a wrong name lists all.",
            names=("--from",),
            metavar="BLOCK",
        ),
    ]
    epochs: Annotated[int, Option("Epochs over the pictures.", minimum=1, maximum=10_000)] = 3
    batch: Annotated[int, Option("Pictures in one step.", minimum=2, maximum=4096)] = 32
    lr: Annotated[
        float,
        Option(
            "Largest learning rate of the last block.",
            minimum=1e-8,
            maximum=10.0,
            names=("--learning-rate",),
        ),
    ] = 3e-4
    layer_decay: Annotated[
        float,
        Option(
            "The learning rate of each block before, as a share of the next one's.",
            minimum=0.01,
            maximum=1.0,
            names=("--layer-decay", "--falling"),
        ),
    ] = 0.5
    weight_decay: Annotated[
        float, Option("How fast weights shrink.", minimum=0.0, maximum=10.0)
    ] = 0.02
    label_smoothing: Annotated[
        float, Option("Share of certainty taken from labels.", minimum=0.0, maximum=0.9)
    ] = 0.1
    augment: Annotated[
        bool,
        Option(
            "Show each picture in another part and other colours in every epoch. Without it what "
            "comes before BLOCK is computed once."
        ),
    ] = True
    adapt_norms: Annotated[
        bool,
        Option("Let BatchNorms take on the statistics of these pictures: for thousands of them."),
    ] = False
    validation: Annotated[
        float, Option("Share of pictures for validation.", minimum=0.01, maximum=0.9)
    ] = 0.2
    test: Annotated[float, Option("Share of pictures to test on.", minimum=0.01, maximum=0.9)] = 0.2
    seed: Annotated[
        int, Option("The same seed: the same backbone.", minimum=0, maximum=2**31 - 1)
    ] = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        check_options(self)

"""What is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from engine.options import SECONDS, Option, check_options


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared, and for how long.

    Notes
    -----
    `budget` is in seconds. A comparison ends with the round in which it is spent, so that all
    methods have learned from equally many splits.

    Raises
    ------
    UsageError
        A number is out of its range.
    """

    repeats: Annotated[int, Option("Splits that every method learns from.", minimum=1)] = 3
    budget: Annotated[
        float | None,
        Option(
            "About how long it may take, such as 90s, 5m or 1h.",
            minimum=0.0,
            metavar="TIME",
            shown="as long as it takes",
            unit=SECONDS,
        ),
    ] = None
    backbones: Annotated[
        tuple[str, ...],
        Option(
            "Frozen backbones to compare.",
            metavar="NAME,...",
            shown="all whose weights are on this machine",
        ),
    ] = ()
    block: Annotated[
        str | None,
        Option(
            "Also fine-tune the first of the backbones from this block on.",
            names=("--finetune-from",),
            metavar="BLOCK",
            shown="nothing is fine-tuned",
        ),
    ] = None
    test: Annotated[float, Option("Share of pictures to test on.", minimum=0.05, maximum=0.9)] = (
        0.25
    )
    scratch_epochs: Annotated[int, Option("Epochs of the networks from scratch.", minimum=1)] = 20
    seed: Annotated[
        int, Option("The same seed: the same splits.", minimum=0, maximum=2**31 - 1)
    ] = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        check_options(self)

"""What is compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared, and for how long.

    Attributes
    ----------
    repeats
        Rounds, each with another split.
    test
        Share of the pictures of each category that is only asked about.
    budget
        Seconds, about; None for as long as it takes.
    backbones
        Names; none for all whose weights are on this machine.
    block
        Fine-tune the first of them from this block on, too; None to leave that out.
    scratch_epochs
        Passes of the networks from scratch.
    seed
        The same seed and pictures give the same splits.
    """

    repeats: int = 3
    test: float = 0.25
    budget: float | None = None
    backbones: tuple[str, ...] = ()
    block: str | None = None
    scratch_epochs: int = 20
    seed: int = 0

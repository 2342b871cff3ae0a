"""What every method of learning that is compared has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.heads.fitting.epochs import History
from engine.learning.data.split import Split


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of learning from one split.

    Attributes
    ----------
    accuracy
        On its test images.
    history
        One row per epoch; what is called validation there is of its validation images.
    seconds
        What training took.
    parameters
        How many parameters were trained.
    """

    accuracy: float
    history: History
    seconds: float
    parameters: int


@dataclass(frozen=True, slots=True)
class Method:
    """A method of learning.

    Attributes
    ----------
    name
        For people.
    kind
        `frozen`, `fine-tuned` or `scratch`.
    learn
        Learns from a split: with this seed, and with no epoch begun after this time by
        `time.monotonic`, but for the first.
    embed_seconds
        What embedding all images took, once for all splits.
    """

    name: str
    kind: str
    learn: Callable[[Split, int, float], Learned]
    embed_seconds: float = 0.0

"""What heads answer, and how they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer to "what is this?"; `source` is the head it comes from."""

    category: str
    probability: float
    source: str


@dataclass(frozen=True, slots=True)
class Classification:
    """What one picture shows, best first; `unknown` where nothing is convincing.

    `set` and `coverage` are there where a coverage was asked for: the smallest set of categories,
    likeliest first, that holds the right one for so large a share of pictures.
    """

    image: str
    predictions: Sequence[Prediction]
    unknown: bool
    set: Sequence[str] | None = None
    coverage: float | None = None

    @property
    def category(self) -> str | None:
        """The best category, None where nothing is convincing."""
        return None if self.unknown or not self.predictions else self.predictions[0].category


@dataclass(frozen=True, slots=True)
class HeadInfo:
    """What identifies a head, and how good it is.

    `changed_labels` is of how many images, whose labels in the catalog it learned, the label is
    another now.
    """

    name: str
    categories: Sequence[str]
    layers: Sequence[int]
    images: int
    validation_accuracy: float
    created_at: str
    backbone: str
    changed_labels: int = 0

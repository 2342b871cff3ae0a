"""What a query is made of: pictures and texts that are added and subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.search.results import Understood
from index.records import Floats, Vectors

if TYPE_CHECKING:
    # A search by pictures alone needs nothing that understands text.
    from engine.search.text.words import TextVector

# The share of what is subtracted, where what is added has 1 (docs/search.md).
SUBTRACTED = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The terms of a query.

    Attributes
    ----------
    names, vectors
        Pictures that are added: what to call them, and their embeddings.
    without, without_vectors
        Pictures that are subtracted, likewise.
    texts, without_texts
        Texts that are added, and subtracted.
    """

    names: Sequence[str]
    vectors: Vectors
    without: Sequence[str] = ()
    without_vectors: Vectors | None = None
    texts: Sequence[TextVector] = ()
    without_texts: Sequence[TextVector] = ()

    @property
    def unit(self) -> Floats:
        """The unit vector that is searched for, float32 `[dim]`.

        The mean of what is added less `SUBTRACTED` times the mean of what is subtracted, each of
        them a unit vector. All texts must have been understood.
        """
        taken = () if self.without_vectors is None else self.without_vectors.unit
        plus = _rows(self.vectors.unit, self.texts)
        minus = _rows(taken, self.without_texts)
        total = plus.mean(axis=0, keepdims=True)
        if len(minus):
            total = total - np.float32(SUBTRACTED) * minus.mean(axis=0, keepdims=True)
        unit: Floats = Vectors.of(total).unit[0]
        return unit

    @property
    def is_plain(self) -> bool:
        """Whether there are only pictures that are added."""
        return not (self.texts or self.without or self.without_texts)

    @property
    def understood(self) -> tuple[Understood, ...]:
        """What each text was taken for, those that are added first."""
        taken = (replace(each.understood, subtracted=True) for each in self.without_texts)
        return (*(each.understood for each in self.texts), *taken)

    @property
    def not_understood(self) -> list[str]:
        """The texts that were not."""
        return [each.text for each in self.understood if not each.categories]

    def __str__(self) -> str:
        plus = (*self.names, *(each.understood.text for each in self.texts))
        minus = (*self.without, *(each.understood.text for each in self.without_texts))
        return " - ".join((" + ".join(plus), *minus))


def _rows(unit: Floats | tuple[()], texts: Sequence[TextVector]) -> Floats:
    """Return the vectors of pictures and of texts, float32 `[n, dim]`."""
    vectors = [each.unit for each in texts if each.unit is not None]
    return np.array([*unit, *vectors], np.float32)

"""What is listed as a duplicate, and how much is compared at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.config import require_number
from engine.errors import UsageError
from engine.search.duplicates.rules import Edited, SamePixels

EXACT, COPY, SIMILAR = LEVELS = ("exact", "copy", "similar")
# Of pictures in which there is hardly anything to see: nobody can say whether they are copies.
BLANK = "blank"
# The least cosine similarity of what looks alike where nobody says another.
SIMILAR_IMAGES = 0.9


@dataclass(frozen=True, slots=True)
class Level:
    """What is listed: the same content always.

    Attributes
    ----------
    copies
        Copies, too.
    min_score
        The least cosine similarity, -1 to 1, of what is similar; None where it is not listed.
    least_copy
        That of every copy to the one that stays, where a person asked for it.
    """

    copies: bool
    min_score: float | None = None
    least_copy: float = -1.0

    @classmethod
    def of(cls, name: str | None, min_score: float | None) -> Level:
        """Return a level by its name.

        Parameters
        ----------
        name
            `exact`, `copy` or `similar`; None for `copy`, or for `similar` where there is a
            `min_score`.
        min_score
            Of `similar` alone.

        Raises
        ------
        UsageError
            There is no such level or score, or the level does not take one.
        """
        if min_score is not None:
            require_number("min_score", min_score, -1, 1)
        if name is None:
            name = COPY if min_score is None else SIMILAR
        if name not in LEVELS:
            raise UsageError(
                "level", f"{name!r} is not a choice", f"Use one of {', '.join(LEVELS)}"
            )
        if name == SIMILAR:
            if min_score is None:
                return cls(True, SIMILAR_IMAGES)
            return cls(True, float(min_score), float(min_score))
        if min_score is not None:
            raise UsageError(
                "min_score", f"the level {name} has a bound of its own", "Use the level similar"
            )
        return cls(name == COPY)


@dataclass(frozen=True, slots=True)
class DuplicateLimits:
    """How much a search for duplicates compares at a time, and when two images are copies.

    Attributes
    ----------
    block
        Images whose neighbours are looked at at a time; pairs that are grouped at a time.
    rounding, coarse
        By how much the index may understate a cosine, as it is and where its codes are coarse.
    same, edited
        When two images are copies.
    """

    block: int = 1024
    rounding: float = 1e-3
    coarse: float = 0.1
    same: SamePixels = field(default_factory=SamePixels)
    edited: Edited = field(default_factory=Edited)

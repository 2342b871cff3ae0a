"""What remains of an error that cost a single file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from index.errors import EngineError


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be used: where, why, and what to do about it.

    `format` is set where it is a picture of a kind that this installation cannot read.
    """

    path: str
    reason: str
    hint: str
    format: str | None = None

    @classmethod
    def of(cls, path: str, error: EngineError) -> Self:
        """Return what an error means for a file."""
        return cls(path, error.reason, error.remedy, getattr(error, "format", None))

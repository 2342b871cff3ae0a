"""What `Engine.export` returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `Engine.export` wrote."""

    file: str
    images: int
    dim: int

"""Numbers that people choose, held to what can be worked with."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import UsageError


def require_ranges(options: object, ranges: Sequence[tuple[str, float, float]]) -> None:
    """Insist that attributes lie within `(name, least, most)`; None is no number, and is let be.

    Raises
    ------
    UsageError
        One does not, or is not a number at all.
    """
    for name, least, most in ranges:
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            raise UsageError(f"{name} {value}", "it is out of range", f"Use {least:g} to {most:g}")

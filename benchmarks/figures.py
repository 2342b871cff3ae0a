"""A figure: something measured several times, and what it must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Self

AT_LEAST = ">="
AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    Attributes
    ----------
    section, name
        Where it belongs, and what was measured.
    value
        The median of the runs.
    unit
        `images/s`, `s`, `x` (a ratio), ...
    bound, sense
        What the value must be at least (`>=`) or at most (`<=`); no bound where it is None.
    runs
        The raw values, in the order they were taken.
    note
        What a reader should know beside it.
    """

    section: str
    name: str
    value: float
    unit: str
    bound: float | None = None
    sense: str = AT_LEAST
    runs: Sequence[float] = ()
    note: str = ""

    @classmethod
    def of(
        cls,
        section: str,
        name: str,
        runs: Sequence[float],
        unit: str,
        bound: float | None = None,
        sense: str = AT_LEAST,
        note: str = "",
    ) -> Self:
        """Return the figure that is the median of `runs`."""
        values = tuple(float(run) for run in runs)
        return cls(section, name, float(median(values)), unit, bound, sense, values, note)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Return the figure that `to_dict` wrote."""
        return cls(**{name: value for name, value in facts.items() if name != "holds"})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self) | {"holds": self.holds}

    @property
    def holds(self) -> bool | None:
        """Whether the value keeps its bound, None where it has none."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.sense == AT_LEAST else self.value <= self.bound

    @property
    def verdict(self) -> str:
        """The same for people: `holds`, `MISSED` or `-`."""
        return {None: "-", True: "holds", False: "MISSED"}[self.holds]


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divide run by run: what disturbs the machine disturbs both of a pair."""
    return [a / b for a, b in zip(above, below, strict=True)]

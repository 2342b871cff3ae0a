"""Drawn views where nobody said how many: as many as may pay and fit the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.learning.data.collector import OutOfTimeError
from engine.learning.data.examples import Examples

Collect = Callable[[int, float], Examples]


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How many views are drawn where it is left open.

    Attributes
    ----------
    count
        Of each image; more gain little and take as much time again.
    each
        With fewer images of a category, on average, they help no head: docs/heads.md.
    """

    count: int = 4
    each: int = 10


def with_views(
    examples: Examples, collect: Collect, deadline: float, options: ViewOptions
) -> tuple[Examples, str]:
    """Return examples with drawn views, or as they are; and what there was no time for.

    Parameters
    ----------
    collect
        Returns the examples with so many drawn views, or raises `OutOfTimeError` where that takes
        more than so many seconds.
    deadline
        By `time.monotonic`.
    """
    categories = len(examples.categories)
    if categories < 2 or len(examples) < options.each * categories:
        return examples, ""
    try:
        return collect(options.count, deadline - time.monotonic()), ""
    except OutOfTimeError:
        return examples, f"left out for want of time: {options.count} drawn views of each picture"

"""What categories must be like before anything is learned about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from engine.errors import TrainingError

FEWEST = 2


def require_enough(thing: str, wanted: set[str], labels: Sequence[str]) -> None:
    """Insist on pictures of every category.

    Parameters
    ----------
    thing
        What to name in an error.
    wanted
        All categories there should be.
    labels
        The category of each usable picture.

    Raises
    ------
    TrainingError
        A category has too few, or two differ in case alone.
    """
    _refuse_case_twins(thing, wanted)
    counts = Counter(labels)
    for name in sorted(wanted):
        if counts[name] < FEWEST:
            raise TrainingError(
                thing,
                f"the category {name!r} has {counts[name]} usable pictures",
                f"Give each category at least {FEWEST}, better twenty or more",
            )
    if not wanted:
        raise TrainingError(
            thing,
            "no image in the catalog has a label",
            "Give labels with `engine index PATH --label parent`",
        )


def _refuse_case_twins(thing: str, names: Collection[str]) -> None:
    """Refuse `Bed` beside `bed`: nobody means them to be told apart."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise TrainingError(
                thing,
                f"the categories {other!r} and {name!r} differ in case alone",
                "Put their pictures together, or rename one",
            )

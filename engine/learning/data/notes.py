"""What people should know of a data set before they believe its figures, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.errors import TrainingError
from engine.learning.data.examples import Examples
from index.records import Ids

# So many names are told in a sentence.
NAMED = 10


def count(number: int, thing: str, several: str = "") -> str:
    """Return a number of things, in the plural where it is not one."""
    return f"{number:,} {thing if number == 1 else several or f'{thing}s'}"


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return names in a row, those beyond `most` as a number."""
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most:,} more"


def copy_notes(examples: Examples) -> list[str]:
    """Return what copies among the images mean: for splits, for labels, and for what is tested."""
    groups, labels, notes = examples.groups, examples.labels, []
    copies = len(groups) - len(np.unique(groups))
    if copies:
        notes.append(
            f"{copies:,} of {count(len(groups), 'picture')} are copies of others, exact or nearly "
            "so: copies are on the same side of every split"
        )
    others = np.flatnonzero(labels != labels[groups])
    if len(others):
        one, other = int(groups[others[0]]), int(others[0])
        names = [f"{examples.paths[at]} ({examples.categories[labels[at]]})" for at in (one, other)]
        notes.append(
            f"of another category than what they are copies of: {count(len(others), 'picture')}, "
            f"such as {names[1]}, a copy of {names[0]}"
        )
    untested = np.setdiff1d(labels, labels[testable(examples)])
    if len(untested):
        names = [examples.categories[at] for at in untested.tolist()]
        notes.append(
            f"not tested: {listed(names)}, all of whose pictures are copies of one picture; "
            "add pictures that differ"
        )
    return notes


def testable(examples: Examples) -> Ids:
    """Return the images that can be in a test part, because something else is learned from."""
    first = examples.labels[examples.groups]
    several = np.bincount(examples.labels[np.unique(examples.groups)]) > 1
    return np.flatnonzero(several[first])


def require_testable(dataset: str, examples: Examples) -> None:
    """Insist that something can be tested on.

    Raises
    ------
    TrainingError
        All images of each category are copies of one.
    """
    if not len(testable(examples)):
        raise TrainingError(
            dataset,
            "nothing can be tested: all pictures of each category are copies of one picture, exact "
            "or nearly so",
            "Add pictures that differ",
        )

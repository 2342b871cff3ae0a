"""What people should know of a data set before they believe its figures, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.errors import TrainingError
from engine.learning.data.examples import Examples
from engine.learning.data.phrases import count, listed
from index.records import Ids

# Categories with fewer images are told of, and those with so many times as many as another.
FEW, UNEQUAL = 10, 10


def data_notes(examples: Examples) -> list[str]:
    """Return all there is to say of the images that are learned from."""
    return [*examples.notes, *size_notes(examples), *copy_notes(examples)]


def refusal_notes(metrics: Mapping[str, float]) -> list[str]:
    """Return how a head, by its metrics, answers on pictures that show none of its categories."""
    if "refused" not in metrics:
        return []
    tested = int(metrics["refused_images"])
    passed = round(metrics["refused"] * tested)
    return [
        f"of {count(tested, 'picture')} said to show none of these, each asked about by a gate "
        f"that had not seen it, {passed} {'is' if passed == 1 else 'are'} taken for none of them"
    ]


def size_notes(examples: Examples) -> list[str]:
    """Return what few images, or very unequal numbers of them, mean."""
    sizes = np.bincount(examples.labels).tolist()
    rows = sorted(zip(sizes, examples.categories, strict=True))
    few, notes = [f"{name} ({size})" for size, name in rows if size < FEW], []
    if few:
        notes.append(
            f"fewer than {FEW} pictures: {listed(few)}; their figures are rough, and more pictures "
            "make better answers"
        )
    (least, rare), (most, common) = rows[0], rows[-1]
    if most >= UNEQUAL * least:
        notes.append(
            f"very unequal: {common} has {count(most, 'picture')}, {rare} {least}; each category "
            "weighs the same in training, so see balanced accuracy beside accuracy"
        )
    return notes


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
    untested = np.setdiff1d(labels, labels[images_to_test(examples)])
    if len(untested):
        names = [examples.categories[at] for at in untested.tolist()]
        notes.append(
            f"not tested: {listed(names)}, all of whose pictures are copies of one picture; "
            "add pictures that differ"
        )
    return notes


def images_to_test(examples: Examples) -> Ids:
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
    if not len(images_to_test(examples)):
        raise TrainingError(
            dataset,
            "nothing can be tested: all pictures of each category are copies of one picture, exact "
            "or nearly so",
            "Add pictures that differ",
        )

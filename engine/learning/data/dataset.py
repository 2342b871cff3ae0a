"""A labelled data set: a folder with a folder per label, what is in it, and whether it will do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from engine.errors import TrainingError, UsageError
from engine.ingest.labels import Labels, label_text
from engine.pictures.walk import find_images
from engine.pictures.walk_rules import is_junk
from engine.results import Skipped
from index.records import FileState

FEWEST = 2
Labelled = tuple[FileState, str]


def require_folder(dataset: str) -> None:
    """Insist that a data set is a folder.

    Raises
    ------
    UsageError
        It is not.
    """
    if not os.path.isdir(dataset):
        raise UsageError(dataset, "there is no such folder", "Name a folder with one per label")


def require_enough(
    thing: str, wanted: set[str], labels: Iterable[str], fewest: int = FEWEST
) -> None:
    """Insist on enough images of every category.

    Parameters
    ----------
    thing
        What to name in an error.
    wanted
        All categories there should be.
    labels
        The category of each usable image, copies counted once.

    Raises
    ------
    TrainingError
        A category has too few, or two differ in case alone.
    """
    seen: dict[str, str] = {}
    for name in sorted(wanted):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            # Nobody means `Bed` and `bed` to be told apart.
            raise TrainingError(
                thing,
                f"the categories {other!r} and {name!r} differ in case alone",
                "Put their pictures together, or rename one",
            )
    counts = Counter(labels)
    for name in sorted(wanted):
        if counts[name] < fewest:
            raise TrainingError(
                thing,
                f"the category {name!r} has {counts[name]} usable pictures",
                f"Give each category at least {fewest} that differ, better twenty or more",
            )
    if not wanted:
        raise TrainingError(
            thing,
            "no image in the catalog has a label",
            "Give labels with `engine index PATH --label parent`",
        )


def find_labelled(
    dataset: str, labels: Labels | None = None
) -> tuple[list[Labelled], list[Skipped]]:
    """Return the files of a data set with their labels, in order of label and path, and skips.

    Raises
    ------
    UsageError
        It is no folder, or nothing in it has a label.
    TrainingError
        Two folders have the same name as text.
    """
    require_folder(dataset)
    if labels is None:
        label_folders(dataset)
    root = os.path.abspath(dataset)
    found = find_images([root])
    files: list[Labelled] = []
    for file in found.files:
        if labels is not None:
            label = labels.of(file.path, None)
        else:
            inside = os.path.relpath(file.path, root).split(os.sep)
            label = label_text(inside[0]) if len(inside) > 1 else None
        if label:
            files.append((file, label))
    if not files:
        raise UsageError(
            dataset,
            "no picture in it has a label",
            "Put the pictures into folders named by what they show: DATASET/bed/1.jpg",
        )
    return sorted(files, key=lambda each: (each[1], each[0].path)), found.skipped


def label_folders(dataset: str) -> set[str]:
    """Return the names of a data set's folders as text, those without an image included.

    Raises
    ------
    TrainingError
        Two folders have the same name as text.
    """
    with os.scandir(dataset) as entries:
        names = [each.name for each in entries if each.is_dir() and not is_junk(each.name)]
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(label_text(name), name)
        if other != name:
            raise TrainingError(
                dataset,
                f"the folders {os.fsencode(other)!r} and {os.fsencode(name)!r} are both called "
                f"{label_text(name)!r} as text",
                "Rename one of them; names should be UTF-8 without control characters",
            )
    return set(seen)

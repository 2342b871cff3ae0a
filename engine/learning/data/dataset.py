"""A labelled data set: a folder with a folder per label, what is in it, and whether it will do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from engine.errors import TrainingError, UsageError
from engine.ingest.label_text import Spelling, label_text
from engine.ingest.labels import Labels
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
        A category has too few.
    """
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
    """
    require_folder(dataset)
    of_folder = label_folders(dataset)
    root = os.path.abspath(dataset)
    found = find_images([root])
    files: list[Labelled] = []
    if labels is not None:
        labels.expect([file.path for file in found.files])
    for file in found.files:
        if labels is not None:
            label = labels.of(file.path, None)
        else:
            inside = os.path.relpath(file.path, root).split(os.sep)
            label = of_folder.get(inside[0]) if len(inside) > 1 else None
        if label:
            files.append((file, label))
    if not files:
        raise UsageError(
            dataset,
            "no picture in it has a label",
            "Put the pictures into folders named by what they show: DATASET/bed/1.jpg",
        )
    return sorted(files, key=lambda each: (each[1], each[0].path)), found.skipped


def label_folders(dataset: str) -> dict[str, str]:
    """Return the label of each folder of a data set, those without an image included.

    Folders whose names differ in case, in outer spaces, or in how Unicode writes them have one
    label (docs/catalog.md).
    """
    with os.scandir(dataset) as entries:
        names = [each.name for each in entries if each.is_dir() and not is_junk(each.name)]
    spelling = Spelling()
    labels = {name: label_text(name) for name in sorted(names)}
    return {name: spelling.of(label) for name, label in labels.items() if label}

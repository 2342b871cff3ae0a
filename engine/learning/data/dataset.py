"""A labelled data set: a folder with a folder per label, which folders these are, what is in them.

People unpack archives into a folder of their own, and sort the pictures of a category into further
folders. What can be read in one way only is read so, and a note says how; what can be read in two
ways is refused, with both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UsageError
from engine.ingest.labels.label_text import Spelling, label_text
from engine.ingest.labels.labels import Labels
from engine.learning.data.phrases import count, listed
from engine.learning.data.requirements import Problem
from engine.pictures.sources.paths import is_crushed, is_remote
from engine.pictures.sources.table import archive_kind
from engine.pictures.walk import find_images
from engine.pictures.walk_rules import is_junk
from engine.skipped import Skipped
from index.records import FileState

Labelled = tuple[FileState, str]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found in a data set.

    Attributes
    ----------
    root
        The folder whose folders are the categories: the one that was named, or one inside it.
    files
        Files with their labels, in order of label and path.
    categories
        Names of all categories, those without an image included.
    skipped
        What could not be looked at.
    problems
        Why it cannot be read, where it cannot.
    notes
        How it was read, where that is not a matter of course.
    """

    root: str
    files: Sequence[Labelled]
    categories: frozenset[str]
    skipped: Sequence[Skipped]
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()


def require_folder(dataset: str) -> None:
    """Insist that a data set is a folder.

    Raises
    ------
    UsageError
        It is not.
    """
    if os.path.isdir(dataset):
        return
    if is_remote(dataset) or is_crushed(dataset) or archive_kind(dataset) is not None:
        raise UsageError(
            dataset,
            "a data set is a folder of this machine",
            "Index this with --label, then learn from the catalog with --from-labels",
        )
    raise UsageError(dataset, "there is no such folder", "Name a folder with one per label")


def find_labelled(dataset: str, labels: Labels | None = None) -> Dataset:
    """Return the files of a data set with their labels.

    Parameters
    ----------
    labels
        Another rule for labels, whatever the folders.

    Raises
    ------
    UsageError
        It is no folder, or nothing in it has a label.
    """
    require_folder(dataset)
    top = os.path.abspath(dataset)
    found = find_images([top])
    root = _root(top, {os.path.dirname(file.path) for file in found.files})
    inside = [_inside(file.path, root) for file in found.files]
    of_folder, spelled = _labels_of(root)
    if labels is None:
        names = [of_folder.get(each[0]) if len(each) > 1 else None for each in inside]
    else:
        labels.expect([file.path for file in found.files])
        names = [labels.of(file.path, None) for file in found.files]
    files = [(file, name) for file, name in zip(found.files, names, strict=True) if name]
    if not files:
        raise UsageError(
            dataset,
            "no picture in it has a label",
            "Put the pictures into folders named by what they show: DATASET/bed/1.jpg",
        )
    files.sort(key=lambda each: (each[1], each[0].path))
    without = len(found.files) - len(files)
    notes = [f"left out: {count(without, 'picture')} without a category"] if without else []
    if labels is not None:
        named = frozenset(label for _, label in files)
        return Dataset(top, files, named, found.skipped, notes=notes)
    problems, note = _deeper([each for each in inside if len(each) > 1])
    categories = frozenset(of_folder.values())
    return Dataset(root, files, categories, found.skipped, problems, [*notes, *spelled, *note])


def _labels_of(root: str) -> tuple[dict[str, str], list[str]]:
    """Return the label of each folder of a data set, and a note where several have one label.

    Folders whose names differ in case, in outer spaces, or in how Unicode writes them have one
    label (docs/catalog.md).
    """
    spelling = Spelling()
    texts = {name: label_text(name) for name in subfolders(root)}
    return {name: spelling.of(text) for name, text in texts.items() if text}, spelling.notes()


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder, in order, but for those of systems and tools."""
    with os.scandir(folder) as entries:
        return sorted(each.name for each in entries if each.is_dir() and not is_junk(each.name))


def _root(folder: str, with_images: set[str]) -> str:
    """Return the folder whose folders are the categories.

    A folder that holds nothing but one folder, which holds no image itself, is what an archive
    leaves that was unpacked into a folder of its own.
    """
    while len(names := subfolders(folder)) == 1:
        inner = os.path.join(folder, names[0])
        if inner in with_images or not subfolders(inner):
            break
        folder = inner
    return folder


def _inside(path: str, root: str) -> list[str]:
    """Return the folders from a root to a file, and the file's name; nothing if it is outside."""
    start = os.path.join(root, "")
    return path.removeprefix(start).split(os.sep) if path.startswith(start) else []


def _deeper(files: Sequence[Sequence[str]]) -> tuple[list[Problem], list[str]]:
    """Return a problem, or else a note, where images lie deeper than in a category's folder.

    The outer folders are the categories where one of them holds an image itself, and where none
    holds several folders. Else the inner ones may be: `train/bed`, `test/bed`.

    Parameters
    ----------
    files
        Folders and name of each image, from the root on.
    """
    deeper = [each for each in files if len(each) > 2]
    if not deeper:
        return [], []
    example = label_text(os.path.join(*deeper[0]))
    inner: dict[str, set[str]] = {}
    for first, second, *_ in deeper:
        inner.setdefault(first, set()).add(second)
    if len(deeper) < len(files) or all(len(names) == 1 for names in inner.values()):
        note = "in folders inside a category's folder, and of that category, too"
        return [], [f"{note}: {count(len(deeper), 'picture')}, such as {example}"]
    outer = sorted(map(label_text, inner))
    inmost = sorted({label_text(name) for names in inner.values() for name in names})
    reason = (
        f"its pictures lie two folders deep ({example}), and either the outer folders may be the "
        f"categories ({listed(outer)}) or the inner ones ({listed(inmost)})"
    )
    remedy = (
        "Name the folder whose folders are the categories, such as DATASET/"
        f"{outer[0]}, or put all pictures of a category into its own folder"
    )
    return [Problem(reason, remedy)], []

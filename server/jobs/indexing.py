"""Jobs that index: folders that are known, and pictures that were sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeGuard

from engine.ingest.options import IngestOptions
from engine.pictures.sources.paths import is_local_file
from engine.pictures.sources.table import archive_kind
from engine.pictures.walk_rules import WalkRules
from index.catalog.paths import at_or_above
from server.jobs.work import Work
from server.responses.problems import RefusedError

# How many, and how long each may be, in characters.
MOST_PATHS, LONGEST_PATH = 100, 4096
MOST_PATTERNS, LONGEST_PATTERN = 100, 256
LABELS = ("parent", None)


def indexing(body: object, folders: Sequence[str]) -> Work:
    """Return what a request's body asks to be indexed.

    Parameters
    ----------
    folders
        What may be: these, and what lies below them.

    Raises
    ------
    RefusedError
        It is none of it, or no such wish can be.
    """
    if not isinstance(body, dict) or not set(body) <= {"paths", "label", "exclude"}:
        example = (
            'Send {"paths": [...], "label": "parent", "exclude": [...]}, or nothing for all folders'
        )
        raise _refused("the request's body", "it is no wish for an index", example)
    label = body.get("label")
    if label not in LABELS:
        raise _refused("label", "there is no such rule", "Use parent, or leave it out")
    exclude = body.get("exclude", [])
    if not _are_texts(exclude, MOST_PATTERNS, LONGEST_PATTERN):
        reason = (
            f"these are not up to {MOST_PATTERNS} patterns of up to {LONGEST_PATTERN} characters"
        )
        raise _refused("exclude", reason, "Send those of `engine index --exclude`")
    paths = body.get("paths")
    if paths is None:
        paths = list(folders)
    elif not _are_paths(paths):
        raise _refused("paths", f"these are not 1 to {MOST_PATHS} absolute paths", "Name folders")
    else:
        paths = [_allowed(path, folders) for path in paths]
    if not paths:
        raise _refused("paths", "no folder was indexed so far", "Use `engine index FOLDER` first")
    return index_work(paths, _title(paths, len(exclude)), label, tuple(exclude))


def index_work(
    paths: Sequence[str], title: str, label: str | None = None, exclude: tuple[str, ...] = ()
) -> Work:
    """Return the work of indexing paths, without what patterns name."""
    options = IngestOptions(exclude)
    return Work(
        "index",
        title,
        lambda engine: engine.index(paths, label=label, options=options),
        writes=True,
    )


def _are_paths(paths: object) -> TypeGuard[list[str]]:
    return (
        _are_texts(paths, MOST_PATHS, LONGEST_PATH)
        and bool(paths)
        and all(os.path.isabs(path) for path in paths)
    )


def _are_texts(value: object, most: int, longest: int) -> TypeGuard[list[str]]:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(
            isinstance(text, str) and len(text) <= longest and "\0" not in text for text in value
        )
    )


def _allowed(path: str, folders: Sequence[str]) -> str:
    """Return a path without what leads up from it, if it is where it may be.

    What a walk leaves out for its name, such as a hidden folder, is no part of a folder that was
    indexed. What lies elsewhere is refused alike, whether it is there or not: nobody learns what
    else there is on this machine.
    """
    inside = os.path.normpath(path)
    try:
        real = os.path.realpath(inside)
        known = _is_shown(inside, frozenset(folders))
        known = known and _is_shown(real, frozenset(map(os.path.realpath, folders)))
    except (OSError, ValueError):
        known = False
    if not known:
        raise RefusedError(
            403,
            "FolderError",
            path[:200],
            "it lies in no folder that was indexed",
            "Ask who runs the service to index it: `engine index FOLDER`",
        )
    if not is_local_file(inside) or (archive_kind(inside) and not os.path.isdir(inside)):
        # It may lead to URLs, which nobody may make the service ask.
        raise RefusedError(
            403,
            "FolderError",
            path[:200],
            "archives are not opened for clients",
            "Ask who runs the service to index it: `engine index ARCHIVE`",
        )
    return inside


def _is_shown(path: str, folders: frozenset[str]) -> bool:
    """Say whether a path is one of the folders, or a walk of one would come by."""
    above = next((each for each in at_or_above(path) if each in folders), None)
    if above is None:
        return False
    parts = os.path.relpath(path, above).split(os.sep)
    return path == above or not any(map(WalkRules().folder_is_hidden, parts))


def _title(paths: Sequence[str], patterns: int) -> str:
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    without = f" without {patterns} pattern{'s' if patterns > 1 else ''}" if patterns else ""
    return f"Index {paths[0]}{others}{without}"


def _refused(thing: str, reason: str, remedy: str) -> RefusedError:
    return RefusedError(400, "BodyError", thing, reason, remedy)

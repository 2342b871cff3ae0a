"""Which files and folders below a named one are looked at, and which are left out unasked."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from engine.errors import UsageError
from engine.pictures.formats import EXTENSIONS, RAW_EXTENSIONS, extension_of
from engine.pictures.sources.paths import is_remote, real, relative
from engine.pictures.sources.table import archive_kind
from index.catalog.paths import at_or_above

# Folders that operating systems, network drives and tools make for themselves, in small letters.
JUNK = frozenset(
    (
        "__macosx",
        "$recycle.bin",
        "recycler",
        "recycled",
        "#recycle",
        "@recycle",
        "@eadir",
        "@tmp",
        "@recently-snapshot",
        "system volume information",
        "lost+found",
        "node_modules",
        "__pycache__",
        "site-packages",
    )
)
# Where files go that were tidied away by hand: never an image again before they are put back.
TRASH = ".engine-trash"
_FOUND = re.compile(r"found\.\d{3}")


@dataclass(frozen=True, slots=True)
class WalkRules:
    """What a walk leaves out.

    Attributes
    ----------
    exclude
        Patterns as a shell has them, in which case matters. One without a slash is held against
        the name of every file and folder; one with a slash against paths below the named folder.
    include_hidden
        Look at hidden files and folders, and at those of systems and tools, too.
    archives
        Look into archives that are found, and not only into those that are named.
    """

    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    archives: bool = False

    def folder_is_hidden(self, name: str) -> bool:
        """Say whether a folder is left out for its name alone."""
        return name == TRASH or (not self.include_hidden and is_junk(name))

    def is_image(self, name: str) -> bool:
        """Say whether a file's name is one of an image that is looked at."""
        if extension_of(name) not in EXTENSIONS:
            return False
        # What macOS writes beside each file on foreign drives is named like it, and no picture.
        return not name.startswith("._" if self.include_hidden else ".")

    def is_archive(self, name: str) -> bool:
        """Say whether a file's name is one of an archive that may be looked into."""
        return archive_kind(name) is not None and not name.startswith(".")

    def excludes(self, path: str, root: str) -> bool:
        """Say whether a file or folder below a root, or a folder that it lies in, is excluded."""
        if not self.exclude:
            return False
        parts = relative(path, root).split(os.sep)
        below = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        return any(
            fnmatchcase(text, pattern.strip("/"))
            for pattern in self.exclude
            for text in (below if "/" in pattern.strip("/") else parts)
        )

    def excludes_below(self, path: str, roots: Container[str]) -> bool:
        """Say whether a path is excluded below one of some roots; make many roots a set."""
        return bool(self.exclude) and any(
            self.excludes(path, above) for above in at_or_above(path) if above in roots
        )

    def overlooks(self, path: str, roots: Container[str]) -> bool:
        """Say whether a walk of the roots would pass a file by for a name, and none excludes it."""
        around = [above for above in at_or_above(path) if above in roots and above != path]
        return bool(around) and not any(
            self._is_looked_at(path, root) or self.excludes(path, root) for root in around
        )

    def _is_looked_at(self, path: str, root: str) -> bool:
        *folders, name = relative(path, root).split(os.sep)
        return self.is_image(name) and not any(map(self.folder_is_hidden, folders))


def in_trash(path: str) -> bool:
    """Say whether a path lies in a trash folder, or is one."""
    return TRASH in path.lower().split(os.sep)


def refuse_trash(paths: Iterable[str]) -> None:
    """Refuse paths that lie in a trash folder, through links as well.

    Raises
    ------
    UsageError
        One does.
    """
    for path in paths:
        try:
            tidied = in_trash(path if is_remote(path) else os.path.abspath(path))
            tidied = tidied or in_trash(real(path))
        except (OSError, ValueError):
            continue  # nothing has such a name
        if tidied:
            raise UsageError(
                path, "what lies in the trash is not indexed", "Undo what has put it there first"
            )


def is_junk(name: str) -> bool:
    """Say whether a file or folder is hidden, or one that a system or tool made for itself."""
    small = name.lower()
    return name.startswith(".") or small in JUNK or _FOUND.fullmatch(small) is not None


def without_twins(names: list[str]) -> list[str]:
    """Leave out raw files of a camera beside which there is a JPEG of the same name."""
    jpegs = {_stem(name) for name in names if extension_of(name) in ("jpg", "jpeg")}
    return [
        name
        for name in names
        if extension_of(name) not in RAW_EXTENSIONS or _stem(name) not in jpegs
    ]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()

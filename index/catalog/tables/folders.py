"""The settings `folders` and `archives`: what was indexed, and in which state archives were."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from index.catalog.paths import as_folder, at_or_above, is_below
from index.catalog.sql.database import Database
from index.catalog.tables.settings import read_setting, write_setting

KEY, ARCHIVES = "folders", "archives"
# More than that are forgotten, those first that were not indexed for the longest time.
MOST, MOST_ARCHIVES = 1000, 100_000


class FolderList:
    """The folders that were indexed, the last one first, none of them in another.

    Those below the folder that the store lies in, and that folder, move with the store, as paths of
    images do. A catalog of a release that did not record them has none until it is indexed again.
    """

    def __init__(self, database: Database, most: int = MOST) -> None:
        self._database = database
        self._most = most

    def all(self) -> list[str]:
        """Return the absolute path of each."""
        with self._database.reading() as connection:
            texts: list[str] = json.loads(read_setting(connection, KEY) or "[]")
        decode = self._database.paths.decode
        return [decode(text).rstrip(os.sep) or os.sep for text in texts]

    def add(self, folders: Sequence[str]) -> None:
        """Record folders that are indexed, by their absolute paths."""
        every = dict.fromkeys([*folders, *self.all()])
        outer = [
            each for each in every if not any(up in every for up in at_or_above(each) if up != each)
        ]
        self._put(outer[: self._most])

    def forget(self, paths: Sequence[str]) -> None:
        """Forget the folders at or below paths."""
        wanted = frozenset(paths)
        self._put([each for each in self.all() if not is_below(each, wanted)])

    def _put(self, folders: list[str]) -> None:
        if folders != self.all():
            # With a slash at its end the store's own folder is stored relative, too.
            texts = [self._database.paths.encode(as_folder(each)) for each in folders]
            with self._database.writing() as connection:
                write_setting(connection, KEY, json.dumps(texts))


@dataclass(frozen=True, slots=True)
class KnownArchive:
    """What is remembered of an archive all of whose images are in the catalog.

    Attributes
    ----------
    version
        What changes with the archive, and with what was asked of it; an int of 63 bits.
    images
        How many there were in it.
    """

    version: int
    images: int


class ArchiveList:
    """The archives that were indexed whole: one that has not changed need not be opened again."""

    def __init__(self, database: Database, most: int = MOST_ARCHIVES) -> None:
        self._database = database
        self._most = most

    def all(self) -> dict[str, KnownArchive]:
        """Return what is remembered of each, by its path or URL."""
        with self._database.reading() as connection:
            found: dict[str, list[int]] = json.loads(read_setting(connection, ARCHIVES) or "{}")
        decode = self._database.paths.decode
        return {decode(text): KnownArchive(*each) for text, each in found.items()}

    def add(self, archives: Mapping[str, KnownArchive]) -> None:
        """Remember archives."""
        if archives:
            every = {**archives, **{k: v for k, v in self.all().items() if k not in archives}}
            self._put(dict(list(every.items())[: self._most]))

    def forget(self, paths: Sequence[str]) -> None:
        """Forget the archives at, below or above paths: not all of their images are there."""
        known, wanted = self.all(), frozenset(paths)
        left = {
            path: each
            for path, each in known.items()
            if not is_below(path, wanted) and not any(is_below(one, (path,)) for one in wanted)
        }
        if len(left) < len(known):
            self._put(left)

    def _put(self, archives: Mapping[str, KnownArchive]) -> None:
        encode = self._database.paths.encode
        texts = {encode(path): [each.version, each.images] for path, each in archives.items()}
        with self._database.writing() as connection:
            write_setting(connection, ARCHIVES, json.dumps(texts))

"""The setting `folders`: which folders were indexed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from index.catalog.paths import as_folder, at_or_above, is_below
from index.catalog.sql.database import Database
from index.catalog.tables.settings import read_setting, write_setting

KEY = "folders"
# More than that are forgotten, those first that were not indexed for the longest time.
MOST = 1000


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

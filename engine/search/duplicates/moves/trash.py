"""Where chosen files are moved to, and which of these moves can be undone.

Each indexed folder has a trash folder of its own, hidden in it: files stay on their file system,
and are there as long as the others of their drive are. What was indexed without its folder goes to
one beside the store. The manifests of one act have one name, in as many trash folders as it takes:
that name is what undoes it. No part of a name that a client sends reaches the disk: it is one of
those that were found there, or nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import EngineError, UnknownUndoError
from engine.pictures.walk_rules import TRASH
from engine.search.duplicates.moves.reader import Manifest, read_manifest
from engine.search.duplicates.moves.records import Move
from engine.search.results import DuplicateGroup
from index.catalog.paths import at_or_above, is_below
from index.files.regular_file import open_regular
from index.store import Store

_NAME = re.compile(r"moved-(\d{8}T\d{6}Z)(-\d{1,6})?")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class TrashLimits:
    """How much is looked through.

    Attributes
    ----------
    manifests
        The last so many of each folder can be undone by name.
    """

    manifests: int = 200


@dataclass(frozen=True, slots=True)
class TrashedFiles:
    """What one act has moved and lies in the trash still.

    Attributes
    ----------
    name
        That of its manifests.
    at
        When it was.
    moves
        Each with the path at which the file lies now.
    """

    name: str
    at: datetime
    moves: Sequence[tuple[Move, str]]


class Trash:
    """The trash folders of one store.

    Parameters
    ----------
    roots
        The folders that were indexed.
    store
        Whose they are.
    """

    def __init__(
        self, roots: Sequence[str], store: Store, limits: TrashLimits = TrashLimits()
    ) -> None:
        self._store = store
        self._limits = limits
        self._roots = dict.fromkeys(roots)
        self._beside = os.path.join(os.path.dirname(os.path.realpath(store.folder)), TRASH)

    def parts(self, groups: Sequence[DuplicateGroup]) -> dict[str, list[DuplicateGroup]]:
        """Part groups, of which one file is to go each, by the trash folder that it goes to."""
        parts: dict[str, list[DuplicateGroup]] = {}
        for group in groups:
            above = at_or_above(group.removable[0])
            root = next((each for each in above if each in self._roots), None)
            folder = self._beside if root is None else os.path.join(root, TRASH)
            parts.setdefault(folder, []).append(group)
        return parts

    def new_name(self) -> str:
        """Return a name that no manifest has. The caller holds the store's writer lock."""
        taken = {name for folder in self._folders() for name in _names(folder)}
        first = datetime.now(UTC).strftime(f"moved-{_TIME}")
        number = 1
        while (name := first if number == 1 else f"{first}-{number}") in taken:
            number += 1
        return name

    def manifests(self, name: str) -> list[str]:
        """Return the paths of the manifests of one act.

        Raises
        ------
        UnknownUndoError
            There is none of such a name.
        """
        found = [
            os.path.join(folder, f"{known}.jsonl")
            for folder in self._folders()
            for known in _names(folder)
            if known == name and self._read(folder, known) is not None
        ]
        if not found:
            raise UnknownUndoError.of(name)
        return found

    def acts(self) -> list[TrashedFiles]:
        """Return what can be undone, the last first."""
        found: dict[str, list[tuple[Move, str]]] = {}
        for folder in self._folders():
            for name in _names(folder)[: self._limits.manifests]:
                manifest = self._read(folder, name)
                for move in manifest.moves if manifest else ():
                    path = os.path.join(folder, move.destination)
                    if os.path.lexists(path):
                        found.setdefault(name, []).append((move, path))
        names = sorted(found, key=_order, reverse=True)
        return [TrashedFiles(name, _order(name)[0], found[name]) for name in names]

    def _folders(self) -> Iterator[str]:
        """Yield the trash folders that are there, none of them through a link."""
        own = (os.path.join(root, TRASH) for root in self._roots)
        for folder in dict.fromkeys([*own, self._beside]):
            if os.path.isdir(folder) and not os.path.islink(folder):
                yield folder

    def _read(self, folder: str, name: str) -> Manifest | None:
        """Return a manifest that this store has written, None for another.

        It may be anybody's: what it puts back has to lie where this folder's files come from.
        """
        path = os.path.join(folder, f"{name}.jsonl")
        try:
            with closing(open_regular(path)) as file:
                manifest = read_manifest(file, path)
        except (OSError, EngineError):
            return None
        if manifest.header is None or not self._store.is_named(manifest.header.store):
            return None
        root = os.path.dirname(folder)
        sound = folder == self._beside or all(
            is_below(move.source, (root,)) for move in manifest.moves
        )
        return manifest if sound else None


def _names(folder: str) -> list[str]:
    """Return the names of the manifests in a folder, the last first."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    stems = (each.removesuffix(".jsonl") for each in entries if each.endswith(".jsonl"))
    return sorted(filter(_NAME.fullmatch, stems), key=_order, reverse=True)


def _order(name: str) -> tuple[datetime, int]:
    """Return what sorts names by time; those of times that never were come first."""
    match = _NAME.fullmatch(name)
    if match is None:
        return datetime.min.replace(tzinfo=UTC), 0
    try:
        at = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        at = datetime.min.replace(tzinfo=UTC)
    return at, int((match[2] or "-1")[1:])

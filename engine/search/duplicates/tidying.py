"""Tidying up by hand: chosen duplicates go to the trash, others are none; all of it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from engine.config import LARGEST, require_number
from engine.errors import UnknownImageError, UsageError
from engine.skipped import Skipped

if TYPE_CHECKING:
    from engine.search.duplicates.moves.results import MovedFile
    from engine.search.duplicates.moves.trash import Trash
    from engine.session.session import Session
    from index.catalog.catalog import Catalog

# Of what can be undone so many paths are named.
NAMED = 20
# Images of which every two are remembered as no duplicates.
MOST_DISTINCT = 100
_DISTINCT = "distinct-%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class TrashReport:
    """What `Tidying.trash` did.

    Attributes
    ----------
    undo
        What `Tidying.undo` puts it back by; None where nothing was moved.
    moved, bytes
        How many files, and how large they are together.
    skipped
        Those that stayed, and why.
    """

    undo: str | None
    moved: int
    bytes: int
    skipped: Sequence[Skipped]


@dataclass(frozen=True, slots=True)
class DistinctReport:
    """What `Tidying.distinct` did.

    Attributes
    ----------
    undo
        What `Tidying.undo` takes it back by; None where all of it was remembered before.
    pairs
        How many pairs are remembered anew.
    """

    undo: str | None
    pairs: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What `Tidying.undo` did.

    Attributes
    ----------
    restored
        How many files were put back, or how many pairs are duplicates again.
    skipped
        Files that could not be put back, and why.
    """

    restored: int
    skipped: Sequence[Skipped] = ()


@dataclass(frozen=True, slots=True)
class Undoable:
    """Something that can be undone.

    Attributes
    ----------
    undo
        What `Tidying.undo` is asked for.
    kind
        `trash` or `distinct`.
    at
        When it was done, in UTC.
    count
        Files that lie in the trash, or pairs.
    bytes
        Of these files; 0 of pairs.
    paths
        Of the first twenty of the images that it was done to.
    """

    undo: str
    kind: str
    at: datetime
    count: int
    bytes: int
    paths: Sequence[str]


class Tidying:
    """Tidying up one store by hand.

    Parameters
    ----------
    session
        What the engine holds open.

    Examples
    --------
    (group, *_) = engine.duplicates()
    report = engine.tidying.trash([group.images[1].id], keep=[group.images[0].id])
    engine.tidying.undo(report.undo)
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def trash(self, ids: Sequence[int], *, keep: Sequence[int]) -> TrashReport:
        """Move the files of images to a trash folder, as `Engine.move_duplicates` moves copies.

        Each is checked again when its turn comes. Nothing is deleted or written over.

        Parameters
        ----------
        ids
            Which go.
        keep
            Which stay. Each that goes has to be like one of them.

        Raises
        ------
        UnknownImageError
            There is no such image.
        UsageError
            Nothing that is like one of them would stay; nothing was moved.
        EngineError
            A trash folder cannot be written, or is full; what was moved can be undone.
        """
        from engine.search.duplicates.keep import LARGEST_STAYS
        from engine.search.duplicates.moves.chosen import chosen_groups
        from engine.search.duplicates.moves.move import Mover

        ids, keep = list(map(_whole, ids)), list(map(_whole, keep))
        session, store = self._session, self._session.config.store
        moved: list[MovedFile] = []
        skipped: list[Skipped] = []
        with session.writing(create=False) as catalog:
            chosen = chosen_groups(catalog, ids, keep)
            skipped += chosen.skipped
            trash = self._trash(catalog)
            name = trash.new_name()
            try:
                for folder, groups in trash.parts(chosen.groups).items():
                    settings = catalog, folder, store, "chosen", LARGEST_STAYS, session.reporter
                    report = Mover(*settings, name=name).run(groups)
                    moved += report.moved
                    skipped += report.skipped
            finally:
                session.index().settle(catalog)
        size = sum(each.size for each in moved)
        return TrashReport(name if moved else None, len(moved), size, skipped)

    def distinct(self, ids: Sequence[int]) -> DistinctReport:
        """Remember that no two of some images are duplicates of each other.

        What is remembered is their contents: they may be moved, forgotten and indexed again.
        Of images of one content it is remembered that it may be there several times.

        Raises
        ------
        UnknownImageError
            There is no such image.
        UsageError
            They are fewer than two, or too many.
        """
        ids = list(dict.fromkeys(map(_whole, ids)))
        if not 2 <= len(ids) <= MOST_DISTINCT:
            reason = f"{len(ids)} images are no 2 to {MOST_DISTINCT}"
            raise UsageError("distinct", reason, "Name images that are no duplicates of each other")
        with self._session.writing(create=False) as catalog:
            facts = catalog.contents.facts(ids)
            if unknown := [each for each in ids if each not in facts]:
                raise UnknownImageError.of(unknown[0])
            hashes = [facts[each].content_hash for each in ids]
            pairs = {
                (one, other)
                for one, other in combinations_with_replacement(sorted(set(hashes)), 2)
                if one != other or hashes.count(one) > 1
            }
            at = catalog.contents.add_distinct(pairs)
            known = catalog.contents.distinct_pairs()
        count = sum(each == at for each in known.values())
        return DistinctReport(None if at is None else at.strftime(_DISTINCT), count)

    def undo(self, name: str) -> RestoreReport:
        """Take back what `trash` or `distinct` did, at any time; to do it twice is no harm.

        Parameters
        ----------
        name
            `undo` of its report.

        Raises
        ------
        UnknownUndoError
            There is nothing of that name.
        """
        from engine.search.duplicates.moves.undo import undo_moves

        with self._session.writing(create=False) as catalog:
            times = {each.strftime(_DISTINCT): each for each in _times(catalog)}
            if name in times:
                return RestoreReport(catalog.contents.forget_distinct(times[name]))
            restored, skipped = 0, list[Skipped]()
            try:
                for manifest in self._trash(catalog).manifests(name):
                    report = undo_moves(manifest, catalog, self._session.reporter)
                    restored += len(report.restored)
                    skipped += report.skipped
            finally:
                self._session.index().settle(catalog)
        return RestoreReport(restored, skipped)

    def undoable(self) -> list[Undoable]:
        """Return what can be undone, the last first."""
        catalog = self._session.catalog()
        with catalog.database.snapshot():
            trash, pairs = self._trash(catalog), _undoable_pairs(catalog)
        found = [
            Undoable(
                act.name,
                "trash",
                act.at,
                len(act.moves),
                sum(move.size for move, _ in act.moves),
                [move.source for move, _ in act.moves[:NAMED]],
            )
            for act in trash.acts()
        ]
        return sorted([*found, *pairs], key=lambda each: each.at, reverse=True)

    def _trash(self, catalog: Catalog) -> Trash:
        from engine.search.duplicates.moves.trash import Trash

        return Trash(catalog.folders.all(), self._session.config.store)


def _undoable_pairs(catalog: Catalog) -> list[Undoable]:
    by_time: dict[datetime, list[tuple[str, str]]] = {}
    for pair, at in catalog.contents.distinct_pairs().items():
        by_time.setdefault(at, []).append(pair)
    named = {at: sorted({each for pair in pairs for each in pair}) for at, pairs in by_time.items()}
    images = catalog.contents.of_contents(each for some in named.values() for each in some[:NAMED])
    paths: dict[str, list[str]] = {}
    for image_id, facts in catalog.contents.facts([*images]).items():
        paths.setdefault(images[image_id], []).append(facts.file.path)
    return [
        Undoable(
            at.strftime(_DISTINCT),
            "distinct",
            at,
            len(pairs),
            0,
            [path for each in named[at] for path in paths.get(each, [])][:NAMED],
        )
        for at, pairs in by_time.items()
    ]


def _times(catalog: Catalog) -> set[datetime]:
    return set(catalog.contents.distinct_pairs().values())


def _whole(image_id: int) -> int:
    require_number("id", image_id, 1, LARGEST, whole=True)
    return image_id

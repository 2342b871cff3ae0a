"""What the verbs return that change which images a store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.skipped import Skipped

if TYPE_CHECKING:
    from index.catalog.tables.folders import KnownArchive

# What becomes of files, as the fields of `IndexReport`.
Count: TypeAlias = Literal["added", "updated", "moved", "unchanged", "came_back", "relabelled"]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `Engine.index` did.

    The first six counts are of image files: `updated` have new content, `moved` were found under
    another path, `removed` are gone from below the given paths, `came_back` were gone before. Of
    images that were known, whatever else became of them, `relabelled` have another label now, or
    none any more. `images` is how many the catalog shows now, `embedded` for how many the backbone
    ran. `unused_labels` are rows of the table of labels that no image could use.
    `left_out` counts hidden files and folders, and those of systems and tools, that were not looked
    at, `excluded` those that a pattern names.
    """

    added: int
    updated: int
    moved: int
    unchanged: int
    removed: int
    came_back: int
    relabelled: int
    skipped: Sequence[Skipped]
    images: int
    embedded: int
    backbone: str
    precision: str
    seconds: float
    images_per_second: float
    left_out: int = 0
    excluded: int = 0
    notes: Sequence[str] = ()
    unused_labels: Sequence[Skipped] = ()

    @property
    def changed(self) -> bool:
        """Whether the catalog shows anything else than before."""
        return any((self.added, self.updated, self.moved, self.removed, self.came_back))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some of a run's files.

    Attributes
    ----------
    counts
        How many files were added, updated, ...; the names are those of `IndexReport`.
    embedded
        For how many the backbone ran.
    remarks
        What else is to be said, and of which paths.
    archives
        Those of which all images are in the catalog, by path.
    removed
        How many images are gone from archives.
    left_out, excluded, notes
        What else `IndexReport` says of archives.
    """

    counts: Mapping[Count, int]
    embedded: int
    skipped: Sequence[Skipped]
    remarks: Mapping[str, Sequence[str]]
    archives: Mapping[str, KnownArchive] = field(default_factory=dict)
    removed: int = 0
    left_out: int = 0
    excluded: int = 0
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What `Engine.remove` forgot."""

    removed: int
    images: int
    not_found: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RelocateReport:
    """What `Engine.relocate` did: how many images lie elsewhere, and which have no file there."""

    relocated: int
    not_found: Sequence[str]

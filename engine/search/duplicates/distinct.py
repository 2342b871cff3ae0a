"""Pairs that a person said are no duplicates of each other: no group has two of one pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from index.catalog.catalog import Catalog

NOTE = "{count} left out: somebody said that they are no duplicates of each other"


class Distinct:
    """Which images of a catalog are no duplicates of each other, whatever they look like.

    Parameters
    ----------
    hash_of
        The contents of images that are in a pair, by id; of others nothing is known.
    pairs
        Contents of which no group may have both. One that is paired with itself may be there
        several times.
    """

    def __init__(self, hash_of: Mapping[int, str], pairs: Iterable[tuple[str, str]]) -> None:
        self._hash_of = dict(hash_of)
        self._others: dict[str, set[str]] = defaultdict(set)
        self._met: set[tuple[str, ...]] = set()
        for one, other in pairs:
            self._others[one].add(other)
            self._others[other].add(one)

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """Return what a catalog remembers."""
        pairs = catalog.contents.distinct_pairs()
        hashes = {digest for pair in pairs for digest in pair}
        return cls(catalog.contents.of_contents(hashes), pairs)

    def know(self, image_id: int, digest: str) -> None:
        """Add an image that is not in the catalog."""
        self._hash_of[image_id] = digest

    def is_repeated(self, digest: str) -> bool:
        """Say whether a content may be there several times."""
        return self._meet(digest, digest)

    def are(self, one: int, other: int) -> bool:
        """Say whether two images that would be duplicates are none."""
        first, second = self._hash_of.get(one), self._hash_of.get(other)
        return first is not None and second is not None and self._meet(first, second)

    def compatible(self, first: Iterable[int], others: Iterable[int]) -> list[int]:
        """Return those of some images, in their order, that may be in one group with the first."""
        found: list[int] = []
        taken = {self._hash_of[each] for each in first if each in self._hash_of}
        for each in others:
            digest = self._hash_of.get(each)
            if digest is not None:
                if clashes := taken & self._others[digest]:
                    self._met |= {tuple(sorted((digest, clash))) for clash in clashes}
                    continue
                taken.add(digest)
            found.append(each)
        return found

    def rows(self, images: Sequence[int]) -> dict[int, set[int]]:
        """Return for each position of an image in a pair the positions of those it is none of."""
        by_hash: dict[str, set[int]] = defaultdict(set)
        for row, image_id in enumerate(images):
            if image_id in self._hash_of:
                by_hash[self._hash_of[image_id]].add(row)
        return {
            row: {other for each in self._others[digest] for other in by_hash.get(each, ())} - {row}
            for digest, rows in by_hash.items()
            for row in rows
        }

    def tell(self, announce: Callable[[str], None]) -> None:
        """Say how many pairs were met, where there were some."""
        if count := len(self._met):
            announce(NOTE.format(count=f"{count} pair{'' if count == 1 else 's'}"))

    def _meet(self, one: str, other: str) -> bool:
        if other not in self._others.get(one, ()):
            return False
        self._met.add(tuple(sorted((one, other))))
        return True

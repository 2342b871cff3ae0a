"""Images that are there more than once: the same content, copies of it, and what looks alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL.Image import Image

from engine.search.duplicates.copies import Copies, Star
from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.distinct import Distinct
from engine.search.duplicates.files import Disk, Identity, ImageFile, with_images
from engine.search.duplicates.keep import LARGEST_STAYS, Keep
from engine.search.duplicates.level import BLANK, COPY, EXACT, SIMILAR, DuplicateLimits, Level
from engine.search.duplicates.linkage import DIGITS, batches, complete_linkage
from engine.search.duplicates.neighbours import Neighbours, NeighbourSearch
from engine.search.duplicates.pixels import Pixels
from engine.search.duplicates.rules import PairRule
from engine.search.results import DuplicateGroup
from index.catalog.catalog import Catalog
from index.records import Ids, ImageFacts
from index.vectors.index import VectorIndex

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class _Part:
    """Images that belong together, and which of them are known to be copies of the first."""

    images: tuple[int, ...]
    may_go: set[int] = field(default_factory=set)
    blank: bool = False


def find_duplicates(
    catalog: Catalog,
    index: VectorIndex,
    level: Level,
    read: Pixels,
    limits: DuplicateLimits,
    keep: Keep = LARGEST_STAYS,
    announce: Callable[[str], None] = lambda text: None,
) -> list[DuplicateGroup]:
    """Return groups of duplicates: exact ones, copies, blank ones, similar ones, by falling score.

    Pairs are found through their nearest neighbours, a block of images at a time: no table of all
    pairs is made, and memory grows with the duplicates that are found, not with the catalog. A
    content stands in one of the other groups once, however many files have it, and a picture with
    copies in one of those that are similar.

    Parameters
    ----------
    read
        Gives the pixels of files that may be copies.
    keep
        Which file of a group stays.
    announce
        Hears how many pairs were left out that a person said are none.
    """
    distinct = Distinct.of(catalog)
    groups = _Search(catalog, index, read, limits, keep, distinct).groups(level)
    distinct.tell(announce)
    return with_images(groups, catalog)


class _Search:
    """One search for duplicates: which image stands for which others."""

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        read: Pixels,
        limits: DuplicateLimits,
        keep: Keep,
        distinct: Distinct,
    ) -> None:
        self._catalog = catalog
        self._distinct = distinct
        self._neighbour_search = NeighbourSearch(catalog, index, limits.block)
        self._pixels = read
        self._limits = limits
        self._slack = limits.coarse if index.coarse else limits.rounding
        self._disk = Disk(catalog.folders.all(), keep)
        # The file that stands for others, by the id of its image, and all images but these.
        self._first: dict[int, ImageFile] = {}
        self._later: set[int] = set()

    def groups(self, level: Level) -> list[DuplicateGroup]:
        groups = self._exact()
        if level.copies:
            copies = list(self._copies(level.least_copy))
            groups += sorted(
                copies, key=lambda group: (group.kind == BLANK, -group.score, group.keep)
            )
        if level.min_score is not None:
            similar = list(self._similar(level.min_score))
            groups += sorted(similar, key=lambda group: (-group.score, group.keep))
        return groups

    def _exact(self) -> list[DuplicateGroup]:
        by_content: dict[str, dict[int, ImageFacts]] = defaultdict(dict)
        for image_id, facts in self._catalog.contents.copies().items():
            by_content[facts.content_hash][image_id] = facts
        groups: list[DuplicateGroup] = []
        for digest, images in by_content.items():
            files = self._disk.files(images)
            if not self._distinct.is_repeated(digest):
                groups += group_of(EXACT, 1.0, files)
            self._stands_for(files[0], images)
        return sorted(groups, key=lambda group: group.keep)

    def _copies(self, least: float) -> Iterator[DuplicateGroup]:
        """Yield groups of copies, and of what is blank.

        What has the same pixels is one picture by then, or it would be a crowd of its own.
        """
        same: dict[int, _Part] = {}
        pairs = self._pairs_of(self._limits.same)
        for star in self._stars(pairs):
            keep, others, certain = self._around(star, pairs)
            same[keep.id] = _Part((keep.id, *others), certain, star.blank)
            self._stands_for(keep, others)
        pairs = self._pairs_of(self._limits.edited)
        for star in self._stars(pairs):
            keep, others, certain = self._around(star, pairs)
            cosines = self._cosines(keep.id, others)
            others = [each for each in others if cosines[each] >= least]
            if not others:
                continue
            parts = self._parts(same, keep.id, others)
            may_go = certain | parts[0].may_go
            may_go = may_go.union(*(part.may_go for part in parts if part.images[0] in certain))
            images = tuple(each for part in parts for each in part.images)
            yield from self._copied(_Part(images, may_go, star.blank), least)
        for part in same.values():
            yield from self._copied(part, least)

    def _parts(self, same: dict[int, _Part], keep: int, others: Sequence[int]) -> list[_Part]:
        """Take out of `same` what is to be one group; what is distinct of some of it stays there.

        A part without others of its own is not in `same`.
        """
        parts, taken = [], list[int]()
        for each in (keep, *others):
            part = same.get(each, _Part((each,)))
            if len(self._distinct.compatible(taken, part.images)) == len(part.images):
                same.pop(each, None)
                parts.append(part)
                taken += part.images
        return parts

    def _around(self, star: Star, pairs: Copies) -> tuple[ImageFile, list[int], set[int]]:
        """Return the file of a star that stays, the other images, and which are copies of it."""
        images = [star.centre, *star.others]
        keep = self._files(images)[0]
        others = [each for each in images if each != keep.id]
        if star.blank:
            return keep, others, set()
        certain = set(others) if keep.id == star.centre else pairs.among(keep.id, others)
        return keep, others, certain

    def _copied(self, part: _Part, least: float) -> Iterator[DuplicateGroup]:
        """Yield the group of some images, those left out that are less like the one that stays."""
        keep, *others = (file.id for file in self._files(part.images))
        cosines = self._cosines(keep, others)
        members = {keep: 1.0}
        members |= {each: value for each, value in cosines.items() if value >= least}
        self._later -= set(others)
        files = self._files([*members])
        self._stands_for(files[0], members)
        kind = BLANK if part.blank else COPY
        yield from group_of(kind, min(members.values()), files, part.may_go)

    def _pairs_of(self, rule: PairRule) -> Copies:
        found = self._neighbours(rule.least_cosine)
        return Copies(self._catalog, found, self, rule, self._slack, self._distinct)

    def _stars(self, copies: Copies) -> Iterator[Star]:
        return copies.stars(self._ranks, self._limits.block)

    def _similar(self, min_score: float) -> Iterator[DuplicateGroup]:
        """Yield groups of images of which every two are so similar."""
        pairs = self._pairs(min_score)
        for part in batches(pairs, self._limits.block):
            ids, vectors = self._catalog.embeddings.of(np.unique(part).tolist())
            distinct = self._distinct.rows(ids.tolist())
            rows = np.searchsorted(ids, part)
            for each in complete_linkage(vectors.unit, rows, min_score, distinct):
                yield from group_of(SIMILAR, each.lowest, self._files(ids[each.rows].tolist()))

    def _pairs(self, min_score: float) -> Ids:
        """Return the pairs of images that may be so similar, each once, int64 `[n, 2]`."""
        found = [np.empty((0, 2), np.int64)]
        for part in self._neighbours(min_score):
            alike = part.cosines >= min_score - self._slack
            rows, ranks = np.nonzero(alike & (part.nearest >= 0))
            # From either side: where very many are alike, only one of two may have the other
            # listed.
            pairs = np.stack([part.ids[rows], part.nearest[rows, ranks]], axis=1)
            found.append(np.unique(np.sort(pairs, axis=1), axis=0))
        return np.unique(np.concatenate(found), axis=0)

    def _neighbours(self, bound: float) -> Iterator[Neighbours]:
        left_out = np.array(sorted(self._later), np.int64)
        done = 0
        for part in self._neighbour_search.without(left_out, bound - self._slack):
            yield part
            done += len(part.ids)
            self._pixels.searched(done)
        self._pixels.searched(done, over=True)

    def _stands_for(self, file: ImageFile, images: Iterable[int]) -> None:
        self._first[file.id] = file
        self._later |= set(images) - {file.id}

    def _files(self, images: Sequence[int]) -> list[ImageFile]:
        """Return the files of images, each once, the one that should stay first."""
        known = [self._first[image_id] for image_id in images if image_id in self._first]
        facts = self._catalog.contents.facts(
            [image_id for image_id in images if image_id not in self._first]
        )
        return sorted([*known, *self._disk.files(facts)], key=lambda file: file.rank)

    def _ranks(self, images: Sequence[int]) -> dict[int, int]:
        files = self._files(images)
        ranks = {file.id: rank for rank, file in enumerate(files)}
        # Another name of a file that was changed meanwhile.
        return {image_id: ranks.get(image_id, len(files)) for image_id in images}

    def miniatures(self, images: Sequence[int]) -> dict[int, Miniature]:
        """See `copies.Reader`."""
        return self._read(images, self._pixels.miniatures)

    def compares(self) -> None:
        """See `copies.Reader`."""
        self._pixels.compares()

    def greys(self, images: Sequence[int]) -> dict[int, Image]:
        """See `copies.Reader`."""
        return self._read(images, self._pixels.greys)

    def _read(
        self, images: Sequence[int], read: Callable[[Sequence[str]], Sequence[Read | None]]
    ) -> dict[int, Read]:
        facts = self._catalog.contents.facts(images)
        seen = zip(facts, read([each.file.path for each in facts.values()]), strict=True)
        return {image_id: each for image_id, each in seen if each is not None}

    def _cosines(self, keep: int, others: Sequence[int]) -> dict[int, float]:
        """Return the cosine of one image and each of some others."""
        ids, vectors = self._catalog.embeddings.of([keep, *others])
        products = vectors.unit @ vectors.unit[np.searchsorted(ids, keep)]
        rounded = np.minimum(np.round(products.astype(np.float64), DIGITS), 1.0)
        return {
            each: value
            for each, value in zip(ids.tolist(), rounded.tolist(), strict=True)
            if each != keep
        }


def group_of(
    kind: str, score: float, files: Iterable[ImageFile], removable: Container[int] | None = None
) -> list[DuplicateGroup]:
    """Return a group of files in a list, which is empty where they are one and the same file.

    Parameters
    ----------
    removable
        Images of which alone others may go; None for any.
    """
    distinct: dict[Identity, ImageFile] = {}
    for file in sorted(files, key=lambda file: file.rank):
        distinct.setdefault(file.identity, file)
    keep, *others = distinct.values()
    if not others:
        return []
    others.sort(key=lambda file: file.path)
    may_go = [
        file.path
        for file in others
        if file.removable and keep.vouches and (removable is None or file.id in removable)
    ]
    paths = [keep.path, *(file.path for file in others)]
    return [DuplicateGroup(kind, score, paths, keep.path, may_go)]

"""Whether pictures are in a catalog already, before they are added to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL.Image import Image

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.pictures.read import content_hash
from engine.pictures.sources.paths import is_local_file
from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.detail import close_comparison
from engine.search.duplicates.distinct import Distinct
from engine.search.duplicates.files import Disk, ImageFile, ranked, with_images
from engine.search.duplicates.find import group_of
from engine.search.duplicates.keep import LARGEST_STAYS, Keep
from engine.search.duplicates.level import BLANK, COPY, EXACT, SIMILAR, DuplicateLimits, Level
from engine.search.duplicates.linkage import DIGITS
from engine.search.duplicates.neighbours import searched
from engine.search.duplicates.pixels import Pixels
from engine.search.duplicates.rules import PairRule
from engine.search.queries import STDIN, ImageLike, read_source, source_name
from engine.search.results import DuplicateGroup
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.records import Floats, Ids
from index.vectors.index import Mask, VectorIndex


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture that somebody asks about.

    Attributes
    ----------
    name
        Its path, or what to call it.
    digest
        The hash of its content.
    file
        It, as if it were a file of the catalog; its id is negative.
    unit
        Its embedding, float32 `[dim]`.
    miniature, grey
        Its pixels, small: see `correlation.py` and `detail.py`.
    """

    name: str
    digest: str
    file: ImageFile
    unit: Floats
    miniature: Miniature
    grey: Image


def read_asked(
    images: Sequence[ImageLike], embedder: Embedder, pixels: Pixels, skipped: list[Skipped] | None
) -> list[Asked]:
    """Return pictures that were handed in.

    Parameters
    ----------
    skipped
        Pictures that cannot be used are added here; where it is None, the first one raises.

    Raises
    ------
    ImageError
        One cannot be used and `skipped` is None, or none of them can.
    """
    asked: list[Asked] = []
    for number, image in enumerate(images, start=1):
        try:
            asked.append(_read(image, -number, embedder, pixels))
        except ImageError as error:
            if skipped is None or (number == len(images) and not asked):
                raise
            skipped.append(Skipped.of(source_name(image), error))
        embedder.reporter.progress("embedding", number, len(images), "images")
    return asked


def _read(image: ImageLike, number: int, embedder: Embedder, pixels: Pixels) -> Asked:
    name = source_name(image)
    data = read_source(image, embedder.config, embedder.reporter.announce)
    small = pixels.of(data, name)
    network = embedder.memory.turn(name, lambda reserve: embedder.pixels(data, name, reserve))
    fetched = isinstance(image, bytes) or image == STDIN or not is_local_file(name)
    path = name if fetched else os.path.abspath(name)
    state = None if fetched else _state(path)
    removable = state is not None and os.path.realpath(path) == path
    file = ImageFile(
        id=number,
        path=path,
        identity=(state.st_dev, state.st_ino) if state is not None else path,
        pixels=small.pixels,
        mtime_ns=state.st_mtime_ns if state is not None else 0,
        direct=removable,
        unchanged=state is not None,
        removable=removable,
    )
    unit = embedder.embed([network]).unit[0]
    return Asked(path, content_hash(data), file, unit, small.miniature, small.grey)


def _state(path: str) -> os.stat_result | None:
    """Return the state of a file, None where it has gone since it was read."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def duplicates_of(
    asked: Sequence[Asked],
    catalog: Catalog,
    index: VectorIndex,
    level: Level,
    pixels: Pixels,
    limits: DuplicateLimits,
    keep: Keep = LARGEST_STAYS,
    announce: Callable[[str], None] = lambda text: None,
) -> list[DuplicateGroup]:
    """Return for each picture its groups: what is the same, a copy, or similar.

    Every image of a group is so of the picture; it is the last of its paths unless it should stay.
    A picture that is in the catalog is no duplicate of itself, and of the others that were asked
    about those before it count, too.
    """
    disk, distinct = Disk(catalog.folders.all(), keep), Distinct.of(catalog)
    asked = [replace(one, file=ranked(one.file, keep, [one.file.path])) for one in asked]
    backgrounds: dict[int, float] = {}
    groups: list[DuplicateGroup] = []
    for number, each in enumerate(asked):
        distinct.know(each.file.id, each.digest)
        found = _Found(each, asked[:number], catalog, index, limits, distinct)
        backgrounds[each.file.id] = found.background
        groups += found.groups(level, pixels, disk, backgrounds)
    distinct.tell(announce)
    return with_images(groups, catalog)


class _Found:
    """What is found of one picture: images by their ids, and pictures before it by theirs.

    Parameters
    ----------
    before
        Pictures that were asked about, too.
    """

    def __init__(
        self,
        each: Asked,
        before: Sequence[Asked],
        catalog: Catalog,
        index: VectorIndex,
        limits: DuplicateLimits,
        distinct: Distinct,
    ) -> None:
        self._each = each
        self._distinct = distinct
        self._before = {one.file.id: one for one in before}
        self._catalog = catalog
        self._rules = limits.same, limits.edited
        known = catalog.images.with_content(each.digest)
        self._same = {one.id for one in known if not one.missing}
        own = {one.id for one in catalog.images.known([each.file.path]).values()}
        mask = index.mask(np.setdiff1d(index.ids, sorted(self._same | own)))
        self._hits = searched(index, np.array([each.file.id]), each.unit[None], mask)
        self.background = float(limits.edited.background(self._hits.cosines)[0])
        slack = limits.coarse if index.coarse else limits.rounding
        likely = self._hits.nearest[self._hits.cosines >= limits.edited.least_cosine - slack]
        self._backgrounds = self._backgrounds_of(likely, index, mask, limits)

    def groups(
        self, level: Level, pixels: Pixels, disk: Disk, before: dict[int, float]
    ) -> Iterator[DuplicateGroup]:
        """Yield its groups, what is the same first."""
        same = {one for one, each in self._before.items() if each.digest == self._each.digest}
        yield from self._group(EXACT, dict.fromkeys(self._same | same, 1.0), disk)
        if not level.copies:
            return
        cosines = self._cosines(same)
        copies = {
            one: cosine
            for one, cosine in cosines.items()
            if cosine >= level.least_copy and self._is_copy(one, cosine, pixels, before)
        }
        kind = BLANK if self._each.miniature.is_blank else COPY
        yield from self._group(kind, copies, disk)
        if level.min_score is not None:
            similar = {
                one: cosine
                for one, cosine in cosines.items()
                if cosine >= level.min_score and one not in copies
            }
            yield from self._group(SIMILAR, similar, disk)

    def _group(self, kind: str, cosines: Mapping[int, float], disk: Disk) -> list[DuplicateGroup]:
        """Return the group of the picture and what was found, in a list that may be empty."""
        own = self._each.file.id
        cosines = {one: each for one, each in cosines.items() if not self._distinct.are(own, one)}
        if not cosines:
            return []
        in_catalog = [one for one in cosines if one >= 0]
        files = disk.files(self._catalog.contents.facts(in_catalog))
        files += [self._before[one].file for one in cosines if one in self._before]
        # Nothing of the catalog may go because of a picture that may never be added to it.
        removable = set() if kind == BLANK else {self._each.file.id}
        groups = group_of(kind, min(cosines.values()), [self._each.file, *files], removable)
        return [replace(group, query=self._each.name) for group in groups]

    def _cosines(self, same: Container[int]) -> dict[int, float]:
        """Return the cosines of what is nearest, of no image that is the same."""
        ids, vectors = self._catalog.embeddings.of([one for one in self._nearest() if one >= 0])
        cosines = vectors.unit @ self._each.unit
        found = dict(zip(ids.tolist(), cosines.tolist(), strict=True))
        for one, before in self._before.items():
            if one not in same:
                found[one] = float(before.unit @ self._each.unit)
        return {one: min(round(cosine, DIGITS), 1.0) for one, cosine in found.items()}

    def _nearest(self) -> list[int]:
        nearest: list[int] = self._hits.nearest[0].tolist()
        return nearest

    def _backgrounds_of(
        self, images: Ids, index: VectorIndex, mask: Mask, limits: DuplicateLimits
    ) -> dict[int, float]:
        if not len(images):
            return {}
        ids, vectors = self._catalog.embeddings.of(images.tolist())
        around = searched(index, ids, vectors.unit, mask)
        values = limits.edited.background(around.cosines)
        return dict(zip(ids.tolist(), values.tolist(), strict=True))

    def _is_copy(self, one: int, cosine: float, pixels: Pixels, before: dict[int, float]) -> bool:
        background = self._backgrounds.get(one, before.get(one))
        if background is None:
            return False
        mean = (background + self.background) / 2
        rules = [rule for rule in self._rules if _may_be(rule, cosine, mean)]
        if not rules:
            return False
        path = self._path(one)
        other = self._before[one].miniature if one in self._before else pixels.miniatures([path])[0]
        mine = self._each.miniature
        if other is None:
            return any(rule.are_unseen(cosine, mean) for rule in rules)
        if mine.is_blank or other.is_blank:
            return mine.is_blank and other.is_blank
        if not any(rule.are(cosine, mean, mine, other) for rule in rules):
            return False
        comparison = close_comparison(mine, other)
        if comparison is None:
            return True
        grey = self._before[one].grey if one in self._before else pixels.greys([path])[0]
        return grey is None or comparison.are_same(self._each.grey, grey)

    def _path(self, one: int) -> str:
        facts = self._catalog.contents.facts([one])
        return facts[one].file.path if one in facts else ""


def _may_be(rule: PairRule, cosine: float, background: float) -> bool:
    one = np.array([background], np.float32)
    return bool(rule.may_be(np.array([cosine], np.float32), one, one)[0])

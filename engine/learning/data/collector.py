"""Images of a data set on their way to examples: looked at, and embedded at most once."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import ImageError
from engine.ingest.comparison import looks_same
from engine.learning.data.dataset import Labelled
from engine.learning.data.examples import Examples, label_positions
from engine.learning.data.requirements import CategorySize
from engine.pictures.augment import ORIGINAL, view_pixels
from engine.pictures.preprocess import Pixels
from engine.pictures.read import content_hash, read_file
from engine.pictures.threads.memory import Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.records import FileState, Vectors

BATCH = 32
# Images after which it can be told how long all of them take.
TELLING = 64


class OutOfTimeError(Exception):
    """Collecting would not be over in time.

    Attributes
    ----------
    seconds
        That it would take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it would take {seconds:.1f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class _Image:
    """An image that was read: its embeddings at hand, a `Vectors` of one row for each view."""

    path: str
    label: str
    digest: str
    views: dict[str, Vectors]


@dataclass(slots=True)
class Collector:
    """Finds embeddings in the catalog, among its views, or makes them.

    Attributes
    ----------
    catalog, embedder, wanted, keep_views, open_indexed
        As of `collect.collect`; `wanted` are the names of the views.
    indexed
        Hash and embedding of the files that the catalog knows unchanged, by path.
    images, skipped, embedded
        What was collected, what cannot be read, and for how many images the backbone ran.
    unreadable
        What was found to be so while sizes were looked for.
    seconds
        Give up where `run` would take longer.
    """

    catalog: Catalog | None
    embedder: Embedder
    wanted: tuple[str, ...]
    keep_views: bool
    open_indexed: bool
    indexed: dict[str, tuple[str, dict[str, Vectors]]] = field(default_factory=dict)
    images: list[_Image] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unreadable: list[Skipped] = field(default_factory=list)
    embedded: int = 0
    seconds: float = math.inf

    def sizes(self, files: Sequence[Labelled], enough: int) -> dict[str, CategorySize]:
        """Return how many images each label has; nothing is embedded.

        Of each label files are opened until `enough` were found that can be read and differ.
        """
        by_label: dict[str, list[FileState]] = {}
        for file, label in files:
            by_label.setdefault(label, []).append(file)
        sizes = prefetch(
            lambda some: self._size(some, enough),
            by_label.values(),
            workers=self.embedder.config.decoders,
            window=2 * BATCH,
        )
        return dict(zip(by_label, sizes, strict=True))

    def run(self, files: Sequence[Labelled]) -> None:
        """Collect all files, embedding in batches what is not at hand.

        Raises
        ------
        OutOfTimeError
            It takes more than `seconds`, or will. What was embedded until then is stored.
        """
        started = time.monotonic()
        pending: list[tuple[_Image, str, Pixels]] = []
        opened = prefetch(
            lambda each: self._open(each, self.indexed.get(each[0].path)),
            files,
            workers=self.embedder.config.decoders,
            window=2 * BATCH,
        )
        for number, ((file, _), result) in enumerate(zip(files, opened, strict=True), start=1):
            if isinstance(result, ImageError):
                self.skipped.append(Skipped.of(file.path, result))
                continue
            image, missing = result
            self.images.append(image)
            self.embedded += bool(missing)
            pending += [(image, view, pixels) for view, pixels in missing.items()]
            if len(pending) >= BATCH:
                self._embed(pending)
            self.embedder.reporter.progress("embedding", number, len(files), "images")
            if number % TELLING == 0:
                # Of files that take much longer than others it can only be told when they did.
                expected = (time.monotonic() - started) * len(files) / number
                if expected > self.seconds:
                    self.embedder.reporter.progress("embedding", len(files), len(files), "images")
                    raise OutOfTimeError(expected)
        self._embed(pending)

    def examples(self, skipped: Sequence[Skipped], notes: Sequence[str]) -> Examples:
        """Return what was collected; `skipped` is what was not even found."""
        rows = [
            (image, view)
            for view, name in enumerate(self.wanted)
            for image, each in enumerate(self.images)
            if name in each.views
        ]
        categories, labels = label_positions([each.label for each in self.images])
        image, view = np.array(rows, np.int64).T
        return Examples(
            hashes=tuple(each.digest for each in self.images),
            paths=tuple(each.path for each in self.images),
            categories=categories,
            labels=labels,
            vectors=Vectors.concatenate(
                [self.images[image].views[self.wanted[view]] for image, view in rows]
            ),
            image=image,
            view=view,
            views=self.wanted,
            skipped=(*skipped, *self.skipped),
            notes=tuple(notes),
            embedded=self.embedded,
        )

    def ask_catalog(self, dataset: str, files: Sequence[Labelled]) -> None:
        """Find the files that the catalog knows unchanged."""
        if self.catalog is None:
            return
        known = self.catalog.images.known([os.path.abspath(dataset)])
        rows = {
            known[file.path].id: known[file.path]
            for file, _ in files
            if file.path in known and looks_same(file, known[file.path])
        }
        ids, vectors = self.catalog.embeddings.of(list(rows))
        self.indexed = {
            rows[image_id].path: (rows[image_id].content_hash, {ORIGINAL: vectors[row : row + 1]})
            for row, image_id in enumerate(ids.tolist())
        }

    def _size(self, files: Sequence[FileState], enough: int) -> CategorySize:
        """Return how many of a label's files are of use, as far as it takes to know of `enough`."""
        contents: set[str] = set()
        opened, trouble = 0, ""
        for file in files:
            if len(contents) >= enough:
                break
            opened += 1
            known = self.indexed.get(file.path)
            try:
                turn = self.embedder.memory.turn
                contents.add(
                    known[0] if known else turn(file.path, partial(self._check, file.path))
                )
            except ImageError as error:
                self.unreadable.append(Skipped.of(file.path, error))
                trouble = trouble or f"{os.path.basename(file.path)}: {error.reason}"
        return CategorySize(len(contents) + len(files) - opened, len(files), trouble)

    def _check(self, path: str, reserve: Reserve) -> str:
        """Return the content hash of a file that can be read."""
        data = read_file(
            path, self.embedder.config.max_file_bytes, reserve, urls=self.embedder.config.urls
        )
        digest = content_hash(data)
        if ORIGINAL not in self._at_hand(digest)[0]:
            self.embedder.image(data, path, reserve)
        return digest

    def _open(
        self, each: Labelled, indexed: tuple[str, dict[str, Vectors]] | None
    ) -> tuple[_Image, dict[str, Pixels]] | ImageError:
        """Return a file with the views at hand, and the pixels of those that must be embedded."""
        file, label = each
        if indexed is not None and not (self.open_indexed and len(self.wanted) > 1):
            return _Image(file.path, label, *indexed), {}
        try:
            return self.embedder.memory.turn(file.path, partial(self._read, file.path, label))
        except ImageError as error:
            return error

    def _read(self, path: str, label: str, reserve: Reserve) -> tuple[_Image, dict[str, Pixels]]:
        data = read_file(
            path, self.embedder.config.max_file_bytes, reserve, urls=self.embedder.config.urls
        )
        digest = content_hash(data)
        views, in_catalog = self._at_hand(digest)
        wanted = self.wanted if self.open_indexed or not in_catalog else (ORIGINAL,)
        image = _Image(path, label, digest, {view: views[view] for view in wanted if view in views})
        missing = [view for view in wanted if view not in views]
        if not missing:
            return image, {}
        pixels = self.embedder.image(data, path, reserve).pixels
        preprocessing = self.embedder.backbone.preprocessing
        return image, {view: view_pixels(pixels, preprocessing, view, digest) for view in missing}

    def _at_hand(self, digest: str) -> tuple[dict[str, Vectors], bool]:
        """Return the stored embeddings of a content by view, and whether an image has it."""
        if self.catalog is None:
            return {}, False
        views = {view: vectors for (_, view), vectors in self.catalog.views.get([digest]).items()}
        first = self.catalog.contents.first(digest)
        if first is not None:
            views[ORIGINAL] = self.catalog.embeddings.of([first])[1]
        return views, first is not None

    def _embed(self, pending: list[tuple[_Image, str, Pixels]]) -> None:
        if not pending:
            return
        vectors = self.embedder.embed([pixels for _, _, pixels in pending])
        if self.catalog is not None:
            # Training again starts from the stored values: they must be the same now.
            vectors = self.catalog.embeddings.as_stored(vectors)
        for row, (image, view, _) in enumerate(pending):
            image.views[view] = vectors[row : row + 1]
        if self.keep_views and self.catalog is not None:
            self.catalog.views.put([(image.digest, view) for image, view, _ in pending], vectors)
        pending.clear()

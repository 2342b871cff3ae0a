"""From a labelled data set to examples: found, checked, and embedded at most once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import EngineError, ImageError, UsageError
from engine.ingest.comparison import looks_same
from engine.ingest.label_text import Spelling
from engine.ingest.labels import Labels
from engine.learning.data.dataset import (
    FEWEST,
    Labelled,
    find_labelled,
    label_folders,
    require_enough,
)
from engine.learning.data.examples import Examples, label_positions
from engine.pictures.augment import ORIGINAL, view_pixels
from engine.pictures.prefetch import Reserve, prefetch
from engine.pictures.preprocess import Pixels
from engine.pictures.read import content_hash, read_file
from engine.results import Skipped
from index.catalog.catalog import Catalog
from index.records import Vectors

BATCH = 32


def collect(
    dataset: str,
    embedder: Embedder,
    catalog: Catalog | None = None,
    *,
    views: Sequence[str] = (ORIGINAL,),
    labels: Labels | None = None,
    fewest: int = FEWEST,
    keep_views: bool = False,
    open_indexed: bool = False,
) -> Examples:
    """Return the images of a data set with their labels and embeddings.

    What cannot be read is in `Examples.skipped`. Rows are ordered by view, then by image; images
    by label, then by path.

    Parameters
    ----------
    dataset
        A folder with one folder per label; images beside those folders have none.
    embedder
        Embeds what the catalog does not hold.
    catalog
        Where known embeddings are.
    views
        Names of the views to embed; the first is `ORIGINAL`.
    labels
        Another rule for labels, whatever the folders.
    fewest
        Insist on so many different images of each label; 0 to take what there is.
    keep_views
        Store new embeddings as views; the caller then holds the store's writer lock.
    open_indexed
        Open images whose own embedding is in the catalog, too, to embed further views.

    Raises
    ------
    UsageError
        There is no such folder, nothing in it has a label, or nothing can be read.
    TrainingError
        A label has fewer than `fewest` images.
    """
    files, skipped = find_labelled(dataset, labels)
    wanted = {label for _, label in files} | set(label_folders(dataset).values() if fewest else ())
    if fewest:
        # Before anything is embedded, and again once it is known what can be read.
        require_enough(dataset, wanted, (label for _, label in files), fewest)
    collector = _Collector(catalog, embedder, tuple(views), keep_views, open_indexed)
    collector.run(dataset, files)
    try:
        if fewest:
            different = {(one.digest, one.label) for one in collector.images}
            require_enough(dataset, wanted, (label for _, label in different), fewest)
        if not collector.images:
            raise UsageError(dataset, "none of its pictures can be read", "See the list of skips")
    except EngineError as error:
        # Without them nobody could tell why there is too little.
        error.skipped = (*skipped, *collector.skipped)
        raise
    return collector.examples(skipped)


def collect_labelled(catalog: Catalog, fewest: int = FEWEST) -> Examples:
    """Return the catalog's images that have a label; no file is opened.

    Raises
    ------
    TrainingError
        There are no labels, or one has fewer than `fewest` different images.
    """
    spelling = Spelling()
    contents = {each.id: each for each in catalog.images.contents() if each.label}
    label_of = {key: spelling.of(str(each.label)) for key, each in contents.items()}
    different = {(each.content_hash, label_of[key]) for key, each in contents.items()}
    labels = [label for _, label in different]
    require_enough("--from-labels", set(labels), labels, fewest)
    ids, vectors = catalog.embeddings.of(list(contents))
    images = [contents[image_id] for image_id in ids.tolist()]
    categories, positions = label_positions([label_of[each.id] for each in images])
    return Examples(
        hashes=tuple(each.content_hash for each in images),
        paths=tuple(each.path for each in images),
        categories=categories,
        labels=positions,
        vectors=vectors,
        image=np.arange(len(images)),
        view=np.zeros(len(images), np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Image:
    """An image that was read: its embeddings at hand, a `Vectors` of one row for each view."""

    path: str
    label: str
    digest: str
    views: dict[str, Vectors]


@dataclass(slots=True)
class _Collector:
    """Finds embeddings in the catalog, among its views, or makes them."""

    catalog: Catalog | None
    embedder: Embedder
    wanted: tuple[str, ...]
    keep_views: bool
    open_indexed: bool
    images: list[_Image] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    embedded: int = 0

    def run(self, dataset: str, files: Sequence[Labelled]) -> None:
        """Collect all files, embedding in batches what is not at hand."""
        indexed = self._indexed(dataset, files)
        pending: list[tuple[_Image, str, Pixels]] = []
        opened = prefetch(
            lambda each: self._open(each, indexed.get(each[0].path)),
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
        self._embed(pending)

    def examples(self, skipped: Sequence[Skipped]) -> Examples:
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
            embedded=self.embedded,
        )

    def _indexed(
        self, dataset: str, files: Sequence[Labelled]
    ) -> dict[str, tuple[str, dict[str, Vectors]]]:
        """Return hash and embedding of the files that the catalog knows unchanged, by path."""
        if self.catalog is None:
            return {}
        known = self.catalog.images.known([os.path.abspath(dataset)])
        rows = {
            known[file.path].id: known[file.path]
            for file, _ in files
            if file.path in known and looks_same(file, known[file.path])
        }
        ids, vectors = self.catalog.embeddings.of(list(rows))
        return {
            rows[image_id].path: (rows[image_id].content_hash, {ORIGINAL: vectors[row : row + 1]})
            for row, image_id in enumerate(ids.tolist())
        }

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
        data = read_file(path, self.embedder.config.max_file_bytes, reserve)
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

"""Labelled pictures on their way to training or measuring: found, and embedded at most once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import ImageError, UsageError
from engine.ingest.indexer import looks_same
from engine.ingest.labels import Labels
from engine.pictures.augment import ORIGINAL, view_pixels
from engine.pictures.decode import content_hash, read_file
from engine.pictures.prefetch import Reserve, prefetch
from engine.pictures.preprocess import Pixels
from engine.pictures.walk import find_images, is_junk
from engine.results import Skipped
from index.catalog.catalog import Catalog
from index.records import FileState, Ids, Vectors

BATCH = 32


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A picture file and what a person says it is."""

    file: FileState
    label: str


@dataclass(slots=True)
class Collected:
    """Embedded pictures of a data set, in order.

    `views[i]` holds the embeddings of `files[i]` by view, each a `Vectors` of one row.
    """

    files: list[LabelledFile] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    views: list[dict[str, Vectors]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    embedded: int = 0

    def vectors(self, view: str = ORIGINAL) -> Vectors:
        """Return one view of every picture, `n` rows."""
        return Vectors.concatenate([views[view] for views in self.views])


def require_folder(dataset: str) -> None:
    """Insist that a data set is a folder.

    Raises
    ------
    UsageError
        It is not.
    """
    if not os.path.isdir(dataset):
        raise UsageError(dataset, "there is no such folder", "Name a folder with one per label")


def find_labelled(
    dataset: str, labels: Labels | None = None
) -> tuple[list[LabelledFile], list[Skipped]]:
    """Return the pictures of a data set with their labels, in order of label and path.

    Parameters
    ----------
    dataset
        A folder with one folder per label; pictures beside those folders have none.
    labels
        Another rule for labels, whatever the folders.

    Raises
    ------
    UsageError
        It is no folder, or nothing in it has a label.
    """
    require_folder(dataset)
    root = os.path.abspath(dataset)
    found = find_images([root])
    files = []
    for file in found.files:
        if labels is not None:
            label = labels.of(file.path, None)
        else:
            inside = os.path.relpath(file.path, root).split(os.sep)
            label = inside[0] if len(inside) > 1 else None
        if label:
            files.append(LabelledFile(file, label))
    if not files:
        raise UsageError(
            dataset,
            "no picture in it has a label",
            "Put the pictures into folders named by what they show: DATASET/bed/1.jpg",
        )
    return sorted(files, key=lambda each: (each.label, each.file.path)), found.skipped


def category_folders(dataset: str) -> set[str]:
    """Return the names of a data set's folders, those without a picture included."""
    with os.scandir(dataset) as entries:
        return {entry.name for entry in entries if entry.is_dir() and not is_junk(entry.name)}


class Collector:
    """Finds embeddings of files in the catalog, in the cache of views, or makes them.

    Parameters
    ----------
    catalog
        Where known embeddings are; None where there is no catalog.
    embedder
        Makes the others.
    keep
        Store new embeddings as views; the caller then holds the store's writer lock.
    """

    def __init__(
        self,
        catalog: Catalog | None,
        embedder: Embedder,
        *,
        keep: bool,
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._keep = keep

    def collect(
        self,
        dataset: str,
        files: Sequence[LabelledFile],
        *,
        views: Sequence[str] = (ORIGINAL,),
        open_indexed: bool = False,
    ) -> Collected:
        """Return the embeddings of files of a data set; what cannot be read is skipped.

        Parameters
        ----------
        views
            Which views are wanted, by name.
        open_indexed
            Also of pictures whose own embedding is in the catalog, which must be opened for it.
        """
        indexed = self._indexed(dataset, files)
        result = Collected()
        pending: list[tuple[int, str, Pixels]] = []
        opened = prefetch(
            lambda each: self._open(each, indexed, set(views), open_indexed),
            files,
            workers=self._embedder.config.decoders,
            window=2 * BATCH,
        )
        for number, (each, (digest, at_hand, wanted)) in enumerate(
            zip(files, opened, strict=True), start=1
        ):
            if isinstance(wanted, ImageError):
                result.skipped.append(Skipped(each.file.path, wanted.reason, wanted.remedy))
                continue
            result.files.append(each)
            result.hashes.append(digest)
            result.views.append(at_hand)
            result.embedded += bool(wanted)
            pending += [(len(result.views) - 1, view, pixels) for view, pixels in wanted.items()]
            if len(pending) >= BATCH:
                self._embed(pending, result)
            self._embedder.reporter.progress("embedding", number, len(files), "images")
        self._embed(pending, result)
        return result

    def _indexed(
        self, dataset: str, files: Sequence[LabelledFile]
    ) -> dict[str, tuple[str, Vectors]]:
        """Return hash and embedding of the files that the catalog knows unchanged, by path."""
        if self._catalog is None:
            return {}
        known = self._catalog.images.known([os.path.abspath(dataset)])
        rows = {
            known[each.file.path].id: known[each.file.path]
            for each in files
            if each.file.path in known and looks_same(each.file, known[each.file.path])
        }
        ids, vectors = self._catalog.embeddings.of(list(rows))
        return {
            rows[image_id].path: (rows[image_id].content_hash, vectors[row : row + 1])
            for row, image_id in enumerate(ids.tolist())
        }

    def _open(
        self,
        each: LabelledFile,
        indexed: dict[str, tuple[str, Vectors]],
        wanted: set[str],
        open_indexed: bool,
    ) -> tuple[str, dict[str, Vectors], dict[str, Pixels] | ImageError]:
        """Return a file's hash, the views at hand, and the pixels of those that are wanted."""
        path = each.file.path
        if path in indexed and not (open_indexed and wanted - {ORIGINAL}):
            return indexed[path][0], {ORIGINAL: indexed[path][1]}, {}
        try:
            read = partial(self._read, path, wanted, open_indexed)
            return self._embedder.memory.turn(path, read)
        except ImageError as error:
            return "", {}, error

    def _read(
        self, path: str, wanted: set[str], open_indexed: bool, reserve: Reserve
    ) -> tuple[str, dict[str, Vectors], dict[str, Pixels]]:
        data = read_file(path, self._embedder.config.max_file_bytes, reserve)
        digest = content_hash(data)
        views, in_catalog = self._at_hand(digest)
        if in_catalog and not open_indexed:
            wanted = {ORIGINAL}
        missing = sorted(wanted - set(views))
        if not missing:
            return digest, {view: views[view] for view in wanted}, {}
        image = self._embedder.image(data, path, reserve).pixels
        preprocessing = self._embedder.backbone.preprocessing
        made = {view: view_pixels(image, preprocessing, view, digest) for view in missing}
        return digest, {view: views[view] for view in wanted & set(views)}, made

    def _at_hand(self, digest: str) -> tuple[dict[str, Vectors], bool]:
        if self._catalog is None:
            return {}, False
        views = {view: vectors for (_, view), vectors in self._catalog.views.get([digest]).items()}
        twins = self._catalog.images.with_content(digest)
        if twins:
            views[ORIGINAL] = self._catalog.embeddings.of([twins[0].id])[1]
        return views, bool(twins)

    def _embed(self, pending: list[tuple[int, str, Pixels]], result: Collected) -> None:
        if not pending:
            return
        vectors = self._embedder.embed([pixels for _, _, pixels in pending])
        if self._catalog is not None:
            # What is learned now must be what is learned later from the stored numbers.
            vectors = self._catalog.embeddings.as_stored(vectors)
        for row, (place, view, _) in enumerate(pending):
            result.views[place][view] = vectors[row : row + 1]
        if self._keep and self._catalog is not None:
            keys = [(result.hashes[place], view) for place, view, _ in pending]
            self._catalog.views.put(keys, vectors)
        pending.clear()


def label_numbers(labels: Sequence[str]) -> tuple[tuple[str, ...], Ids]:
    """Return the different labels in order, and each label's number, int64 `[n]`."""
    names = tuple(sorted(set(labels)))
    number = {name: place for place, name in enumerate(names)}
    return names, np.array([number[label] for label in labels], np.int64)

"""Writing images to the catalog: embedded in batches, committed every few seconds or hundreds.

The backbone runs in a thread of its own, so that it works on while the catalog is written. All
else happens in the caller's thread; there an error of the backbone comes out, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from engine.embedding.embedder import Embedder
from engine.heads.classifier import Classifier
from engine.heads.numerics import one_blas_thread
from engine.pictures.preprocess import Pixels
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import FileState, ImageFacts, Vectors

DIGITS = 16  # of a hash's 64: an int of 8 bytes


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """How much a run of indexing holds and does at once.

    Attributes
    ----------
    prefetch
        Images decoded before the backbone asks for them; each takes 150 KB.
    readers
        Threads that read and decode where images lie behind URLs, if not more: they wait for
        servers most of the time.
    batches
        Batches that are embedded or about to be: one runs while the next is ready.
    commit
        Images in a commit, however fast the backbone: each takes five times its embedding
        meanwhile, and larger commits take no less time an image.
    commit_seconds
        So long it is between commits at least, whatever the configuration says.
    single_hashes
        For so many files the catalog is asked about each hash; for more, all are read once.
    verified
        So many stored embeddings are read and held against their checksums by every run; more
        only where that is asked for. It takes half a second.
    """

    prefetch: int = 64
    readers: int = 8
    batches: int = 2
    commit: int = 512
    commit_seconds: float = 0.0
    single_hashes: int = 64
    verified: int = 100_000
    most_hashes: int = 10_000_000


class KnownHashes:
    """The content hashes of a catalog while a run of indexing adds to them.

    A query for each file would take longer than decoding a small one. Held are the first 64 bits
    of each hash, about 80 MB for a million images. Two files that agree in these and differ later
    are taken for the same until the catalog itself is asked, which happens before anything is
    written.

    Parameters
    ----------
    catalog
        Whose hashes.
    """

    def __init__(self, catalog: Catalog, limits: IngestLimits) -> None:
        self._catalog = catalog
        self._limits = limits
        self._known: set[int] | None = None

    def expect(self, files: int) -> None:
        """Prepare for being asked about so many files."""
        if self._known is not None:
            return
        few = files <= self._limits.single_hashes
        if not few and self._catalog.embeddings.count() <= self._limits.most_hashes:
            self._known = set(map(_shortened, self._catalog.contents.hashes()))

    def __contains__(self, content_hash: str) -> bool:
        """Say whether an image may have this content; any thread may ask."""
        if self._known is None:
            return self._catalog.contents.first(content_hash) is not None
        return _shortened(content_hash) in self._known

    def add(self, content_hashes: Iterable[str]) -> None:
        """Take note of contents that were committed."""
        if self._known is not None:
            self._known.update(map(_shortened, content_hashes))


def _shortened(content_hash: str) -> int:
    try:
        return int(content_hash[:DIGITS], 16)
    except (TypeError, ValueError):
        # A disk has changed it in the catalog: no file has it.
        return -1


class BatchWriter:
    """Gathers images until a batch is worth embedding, or a commit is due.

    Parameters
    ----------
    catalog
        Where to.
    embedder, classifier
        Who embeds images and names their categories.
    known
        Hears the content hashes of what was committed.
    transaction
        Holds all that one commit changes; by default a transaction of the catalog.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        classifier: Callable[[], Classifier],
        known: KnownHashes,
        limits: IngestLimits,
        transaction: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._catalog = catalog
        self._transaction = transaction or catalog.database.together
        self._embedder = embedder
        self._make_classifier = classifier
        self._known_hashes = known
        self._limits = limits
        self._seconds = max(embedder.config.commit_seconds, limits.commit_seconds)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._waiting: list[tuple[int | None, ImageFacts, Pixels]] = []
        self._in_flight: list[tuple[list[tuple[int | None, ImageFacts]], Future[Vectors]]] = []
        self._ready: list[tuple[int | None, ImageFacts, Vectors]] = []
        self._unchanged: list[tuple[int, FileState, int]] = []
        self._labels: list[tuple[int, str | None]] = []
        self._back: list[int] = []
        self._last_commit = time.monotonic()
        self.embedded = 0

    @cached_property
    def _classifier(self) -> Classifier:
        return self._make_classifier()

    def add(self, image_id: int | None, facts: ImageFacts, pixels: Pixels) -> None:
        """Take an image that must be embedded."""
        self._waiting.append((image_id, facts, pixels))
        # The backbone is started here, in the thread that may be announced to.
        if len(self._waiting) >= self._embedder.batch:
            self._embed()
        self._commit_if_due()

    def add_embedded(self, image_id: int | None, facts: ImageFacts, vectors: Vectors) -> None:
        """Take an image whose embedding is known."""
        self._ready.append((image_id, facts, vectors))
        self._commit_if_due()

    def add_known(self, image_id: int, file: FileState, scanned_ns: int) -> None:
        """Take a file whose content an image already has, under this path or another."""
        self._unchanged.append((image_id, file, scanned_ns))
        self._commit_if_due()

    def relabel(self, image_id: int, label: str | None) -> None:
        """Take a new label of an image."""
        self._labels.append((image_id, label))

    def settle(
        self,
        unidentified: Sequence[tuple[int, FileState, int]],
        back: Sequence[int],
        labels: Sequence[tuple[int, str | None]],
    ) -> None:
        """Take what is known of images without opening them: files, those to show, and labels."""
        self._unchanged += unidentified
        self._back += back
        self._labels += labels

    def flush(self) -> None:
        """Embed and commit all that was taken; also after an interrupt, wherever it came."""
        if self._ready and self._is_stored(self._ready[0][1]):
            # The interrupt came after a commit and before it was noted here.
            self._ready = []
        try:
            self._embed()
            while self._in_flight:
                self._take()
        finally:
            self._commit()

    def close(self) -> None:
        """Stop the backbone's thread; what was not flushed is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _embed(self) -> None:
        """Hand the images that wait to the backbone's thread."""
        if not self._waiting:
            return
        while len(self._in_flight) >= self._limits.batches:
            self._take()
        rows = [(image_id, facts) for image_id, facts, _ in self._waiting]
        pixels = [pixels for _, _, pixels in self._waiting]
        batch = rows, self._thread.submit(self._embedder.embed, pixels)
        # One statement, so that an interrupt cannot leave an image in both lists.
        self._in_flight, self._waiting = [*self._in_flight, batch], []

    def _take(self) -> None:
        """Take over the batch that was handed in first, as soon as it is embedded."""
        (rows, future), *others = self._in_flight
        vectors = future.result()
        ready = [
            (image_id, facts, vectors[row : row + 1]) for row, (image_id, facts) in enumerate(rows)
        ]
        embedded = self.embedded + len(ready)
        # One statement, for the same reason.
        self._ready, self._in_flight, self.embedded = self._ready + ready, others, embedded

    def _commit_if_due(self) -> None:
        while self._in_flight and self._in_flight[0][1].done():
            self._take()
        late = time.monotonic() - self._last_commit > self._seconds
        if late or len(self._ready) >= self._limits.commit:
            self._commit()

    def _commit(self) -> None:
        batch = self._batch() if self._ready else None
        if batch or self._unchanged or self._labels or self._back:
            with self._transaction():
                self._catalog.images.restat(self._unchanged)
                self._catalog.images.reveal(self._back)
                self._catalog.images.relabel(self._labels)
                if batch is not None:
                    self._catalog.images.store(batch)
        # One statement: an interrupt leaves all to be committed again, or nothing.
        self._unchanged, self._labels, self._back, self._ready = [], [], [], []
        if batch is not None:
            self._known_hashes.add(each.content_hash for each in batch.facts)
        self._last_commit = time.monotonic()

    def _batch(self) -> Batch:
        """Return the images that are embedded, with what is predicted of them."""
        ids, facts, rows = zip(*self._ready, strict=True)
        # What is predicted now must be what a later look at the stored numbers predicts.
        vectors = self._catalog.embeddings.as_stored(Vectors.concatenate(rows))
        # The network, or what decodes for it, has the other cores.
        with one_blas_thread():
            named = self._classifier.best(vectors)
        return Batch(ids, facts, vectors, named)

    def _is_stored(self, facts: ImageFacts) -> bool:
        row = self._catalog.images.known([facts.file.path]).get(facts.file.path)
        return row is not None and row.scanned_ns == facts.scanned_ns

"""Writing pictures to the catalog: embedded in batches, committed every few seconds or hundreds.

The backbone runs in a thread of its own, so that it works on while the catalog is written. All
else happens in the caller's thread; there an error of the backbone comes out, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

from engine.embedding.embedder import Embedder
from engine.heads.classifier import Classifier
from engine.pictures.preprocess import Pixels
from index.catalog.catalog import Catalog
from index.catalog.images import Batch
from index.records import FileState, ImageFacts, Vectors

# Batches that are embedded or about to be: one runs while the next is ready.
UNDER_WAY = 2
# Pictures in a commit, however fast the backbone: each takes five times its embedding meanwhile,
# and larger commits take no less time a picture.
MOST_AT_ONCE = 512


class BatchWriter:
    """Gathers pictures until a batch is worth embedding, or a commit is due.

    Parameters
    ----------
    catalog
        Where to.
    embedder, classifier
        Who embeds pictures and names their categories.
    stored
        Hears the content hashes of what was committed.
    """

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        classifier: Callable[[], Classifier],
        stored: Callable[[Sequence[str]], None],
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._make_classifier = classifier
        self._stored = stored
        self._seconds = embedder.config.commit_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._waiting: list[tuple[int | None, ImageFacts, Pixels]] = []
        self._under_way: list[tuple[list[tuple[int | None, ImageFacts]], Future[Vectors]]] = []
        self._ready: list[tuple[int | None, ImageFacts, Vectors]] = []
        self._known: list[tuple[int, FileState, int]] = []
        self._labels: list[tuple[int, str | None]] = []
        self._last_commit = time.monotonic()
        self.embedded = 0

    @cached_property
    def _classifier(self) -> Classifier:
        return self._make_classifier()

    def add(self, image_id: int | None, facts: ImageFacts, pixels: Pixels) -> None:
        """Take a picture that must be embedded."""
        self._waiting.append((image_id, facts, pixels))
        # The backbone is started here, in the thread that may be announced to.
        if len(self._waiting) >= self._embedder.batch:
            self._embed()
        self._commit_if_due()

    def add_embedded(self, image_id: int | None, facts: ImageFacts, vectors: Vectors) -> None:
        """Take a picture whose embedding is known."""
        self._ready.append((image_id, facts, vectors))
        self._commit_if_due()

    def add_known(self, image_id: int, file: FileState, scanned_ns: int) -> None:
        """Take a file whose content an image already has, under this path or another."""
        self._known.append((image_id, file, scanned_ns))
        self._commit_if_due()

    def relabel(self, image_id: int, label: str | None) -> None:
        """Take a new label of an image."""
        self._labels.append((image_id, label))

    def flush(self) -> None:
        """Embed and commit all that was taken; also after an interrupt, wherever it came."""
        if self._ready and self._is_stored(self._ready[0][1]):
            # The interrupt came after a commit and before it was noted here.
            self._ready = []
        try:
            self._embed()
            while self._under_way:
                self._take()
        finally:
            self._commit()

    def close(self) -> None:
        """Stop the backbone's thread; what was not flushed is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _embed(self) -> None:
        """Hand the pictures that wait to the backbone's thread."""
        if not self._waiting:
            return
        while len(self._under_way) >= UNDER_WAY:
            self._take()
        rows = [(image_id, facts) for image_id, facts, _ in self._waiting]
        pixels = [pixels for _, _, pixels in self._waiting]
        batch = rows, self._thread.submit(self._embedder.embed, pixels)
        # One statement, so that an interrupt cannot leave a picture in both lists.
        self._under_way, self._waiting = [*self._under_way, batch], []

    def _take(self) -> None:
        """Take over the batch that was handed in first, as soon as it is embedded."""
        (rows, future), *others = self._under_way
        vectors = future.result()
        ready = [
            (image_id, facts, vectors[row : row + 1]) for row, (image_id, facts) in enumerate(rows)
        ]
        embedded = self.embedded + len(ready)
        # One statement, for the same reason.
        self._ready, self._under_way, self.embedded = self._ready + ready, others, embedded

    def _commit_if_due(self) -> None:
        while self._under_way and self._under_way[0][1].done():
            self._take()
        late = time.monotonic() - self._last_commit > self._seconds
        if late or len(self._ready) >= MOST_AT_ONCE:
            self._commit()

    def _commit(self) -> None:
        self._catalog.images.restat(self._known)
        self._catalog.images.relabel(self._labels)
        self._known.clear()
        self._labels.clear()
        if self._ready:
            ids, facts, rows = zip(*self._ready, strict=True)
            # What is predicted now must be what a later look at the stored numbers predicts.
            vectors = self._catalog.embeddings.as_stored(Vectors.concatenate(rows))
            named = self._classifier.best(vectors)
            self._catalog.images.store(Batch(ids, facts, vectors, named))
            self._ready = []
            self._stored([each.content_hash for each in facts])
        self._last_commit = time.monotonic()

    def _is_stored(self, facts: ImageFacts) -> bool:
        row = self._catalog.images.known([facts.file.path]).get(facts.file.path)
        return row is not None and row.scanned_ns == facts.scanned_ns

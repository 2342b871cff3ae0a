"""Every image's prediction, brought up to date when the catalog's heads change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.embedding.embedder import Embedder
from engine.heads.classifier import Classifier
from engine.heads.file import head_to_bytes
from engine.heads.head import Head
from engine.heads.numerics import one_blas_thread
from engine.pictures.threads.prefetch import prefetch
from engine.progress import Reporter
from index.catalog.catalog import Catalog
from index.catalog.tables.embeddings import Span
from index.records import Ids, Named

# One thread reads and asks while the caller's writes. SQLite's driver gives Python's lock away and
# wants it back at every row: two threads that read took half as long again as one.
WORKERS = 1
# Ids read and classified at a time: with embeddings of dim 1280 about 10 MB.
SPAN = 2048


def adopt_heads(
    catalog: Catalog,
    embedder: Embedder,
    heads: Sequence[Head],
    *,
    put: Head | None = None,
    delete: str | None = None,
    span: int = SPAN,
) -> None:
    """Change the catalog's heads and, in the same transaction, every image's prediction.

    The predictions come from stored embeddings; no image is opened, and only a few spans of
    embeddings are held at a time. What the built-in categories say of an image is remembered
    beside its prediction, so only the heads are asked.

    Parameters
    ----------
    heads
        All heads there will be afterwards.
    put, delete
        The head to store, or the name of the one to forget.
    span
        How many ids are read and classified at a time.
    """
    classifier = Classifier(embedder.built_in, heads)
    catalog.change_heads(
        put=(put.name, head_to_bytes(put)) if put else None,
        delete=delete,
        names=classifier.names,
        parts=_predictions(catalog, classifier, span, embedder.reporter),
    )


def _predictions(
    catalog: Catalog, classifier: Classifier, size: int, reporter: Reporter
) -> Iterator[tuple[Ids, Named]]:
    embeddings = catalog.embeddings

    def classify(span: Span) -> tuple[Ids, Named]:
        part = embeddings.in_span(span)
        if part.summary.complete:
            return part.ids, classifier.settle(part.packed, part.summary)
        # An older release did not remember what the built-in categories say: once is enough.
        return part.ids, classifier.best(part.packed.vectors)

    # Products so small are not worth sharing out with the core that is writing.
    with one_blas_thread():
        spans = embeddings.spans(size)
        done = 0
        for ids, named in prefetch(classify, spans, workers=WORKERS, window=WORKERS + 1):
            yield ids, named
            done += len(ids)
            reporter.progress("classifying", done, None, "images")
        reporter.progress("classifying", done, done, "images")

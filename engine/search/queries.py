"""The pictures of a question, opened and embedded."""

from __future__ import annotations

from collections.abc import Sequence

from engine.embedding.embedder import Embedder
from engine.errors import ImageError, UsageError
from engine.pictures.prefetch import ahead
from engine.pictures.preprocess import Pixels
from engine.pictures.sources import ImageLike, read_source, source_name
from engine.results import Skipped
from index.records import Vectors

BATCH = 32


def embed_sources(
    embedder: Embedder,
    images: Sequence[ImageLike],
    skipped: list[Skipped] | None,
) -> tuple[list[str], Vectors]:
    """Return names and embeddings of pictures handed in.

    Raises
    ------
    ImageError
        One cannot be used and `skipped` is None, or none of them can.
    """
    if not images:
        raise UsageError("IMAGE", "no picture was named", "Name a path, a URL, or - for stdin")

    def open_one(image: ImageLike) -> Pixels | ImageError:
        name = source_name(image)
        try:
            return embedder.pixels(
                read_source(image, embedder.config, embedder.reporter.announce), name
            )
        except ImageError as error:
            return error

    names: list[str] = []
    parts: list[Vectors] = []
    pending: list[Pixels] = []
    failure: ImageError | None = None
    opened = ahead(open_one, images, workers=embedder.config.decoders, window=2 * BATCH)
    for image, answer in zip(images, opened, strict=True):
        if isinstance(answer, ImageError):
            failure = answer
            if skipped is None:
                raise answer
            skipped.append(Skipped(source_name(image), answer.reason, answer.remedy))
            continue
        names.append(source_name(image))
        pending.append(answer)
        if len(pending) == BATCH:
            parts.append(embedder.embed(pending))
            pending.clear()
        embedder.reporter.progress("looking", len(names), len(images), "images")
    if failure is not None and not names:
        raise failure
    parts.append(embedder.embed(pending))
    return names, Vectors.concatenate(parts)

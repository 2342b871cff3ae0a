"""Images handed in, as a path, a URL, bytes or `-` for standard input: read and embedded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.config import LARGEST, Config, require_number
from engine.embedding.embedder import Embedder
from engine.errors import ImageError, UnknownImageError, UsageError
from engine.pictures.crop import Crop
from engine.pictures.preprocess import Pixels
from engine.pictures.read import NamedBytes, read_file, read_stream
from engine.pictures.sources.paths import exists, is_remote
from engine.pictures.threads.memory import Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.pictures.urls import is_url
from engine.progress import timed
from engine.search.results import EmbeddedImages
from engine.skipped import Skipped
from index.records import Vectors

if TYPE_CHECKING:
    from index.catalog.catalog import Catalog

ImageLike: TypeAlias = str | Path | bytes
Pictures: TypeAlias = ImageLike | Sequence[ImageLike] | EmbeddedImages
STDIN = "-"
# Images embedded at once; twice as many are decoded or in progress.
BATCH = 32


def embedded_images(
    embedder: Embedder,
    images: Pictures,
    skipped: list[Skipped] | None,
    crop: Crop | None = None,
    hint: str | None = None,
) -> EmbeddedImages:
    """Return images embedded, or as they are where they were before.

    Parameters
    ----------
    skipped, crop, hint
        As of `embed_sources`.

    Raises
    ------
    UsageError
        They were embedded by another backbone, or a part of them is asked for that was not.
    ImageError
        As `embed_sources`.
    """
    if not isinstance(images, EmbeddedImages):
        names, vectors = embed_sources(embedder, as_list(images), skipped, crop, hint=hint)
        return EmbeddedImages(names, vectors, embedder.fingerprint)
    if images.fingerprint != embedder.fingerprint:
        raise UsageError(
            "IMAGE",
            "these embeddings are of another backbone than the catalog's",
            "Embed the pictures with this engine",
        )
    if crop is not None:
        raise UsageError("crop", "the pictures are embedded already", "Give it to Engine.embed")
    if not images:
        raise UsageError("IMAGE", "no picture was named", "Name a path, a URL, or - for stdin")
    return images


def embed_sources(
    embedder: Embedder,
    images: Sequence[ImageLike],
    skipped: list[Skipped] | None,
    crop: Crop | None = None,
    batch: int = BATCH,
    hint: str | None = None,
) -> tuple[list[str], Vectors]:
    """Return names and embeddings of images handed in.

    Parameters
    ----------
    skipped
        Images that cannot be used are added here; where it is None, the first one raises.
    crop
        The part of each that is looked at; None for the whole.
    batch
        How many to embed at once.
    hint
        What is added to the remedy where there is no such file.

    Raises
    ------
    UsageError
        No image was named.
    ImageError
        One cannot be used and `skipped` is None, or none of them can.
    """
    if not images:
        raise UsageError("IMAGE", "no picture was named", "Name a path, a URL, or - for stdin")
    for each in map(type, images):
        if not issubclass(each, str | Path | bytes):
            remedy = "Give a path, a URL, - for stdin, or the bytes of a file"
            raise UsageError("IMAGE", f"{each.__name__} is no picture", remedy)

    def open_one(image: ImageLike) -> Pixels | ImageError:
        name = source_name(image)

        def pixels(reserve: Reserve) -> Pixels:
            data = read_source(image, embedder.config, embedder.reporter.announce, reserve)
            with timed(embedder.reporter, "decode"):
                return embedder.pixels(data, name, reserve, crop)

        try:
            return embedder.memory.turn(name, pixels)
        except ImageError as error:
            return error if hint is None else _hinted(error, image, hint)

    def embed(inputs: Sequence[Pixels]) -> Vectors:
        with timed(embedder.reporter, "embed"):
            return embedder.embed(inputs)

    names: list[str] = []
    parts: list[Vectors] = [embedder.embed([])]
    pending: list[Pixels] = []
    failure: ImageError | None = None
    threads = prefetch(open_one, images, workers=embedder.config.decoders, window=2 * batch)
    with closing(threads) as opened:
        for image, answer in zip(images, opened, strict=True):
            if isinstance(answer, ImageError):
                failure = answer
                if skipped is None:
                    raise answer
                skipped.append(Skipped.of(source_name(image), answer))
                continue
            names.append(source_name(image))
            pending.append(answer)
            if len(pending) == batch:
                parts.append(embed(pending))
                pending.clear()
            embedder.reporter.progress("embedding", len(names), len(images), "images")
    if failure is not None and not names:
        raise failure
    if pending:
        parts.append(embed(pending))
    return names, Vectors.concatenate(parts)


def _hinted(error: ImageError, image: ImageLike, hint: str) -> ImageError:
    """Return an error with a hint where an image is a text that no file has for a path."""
    if not isinstance(image, str) or image == STDIN or is_url(image) or exists(image):
        return error
    return ImageError(error.thing, error.reason, f"{error.remedy}{hint}")


def stored_embeddings(
    catalog: Catalog,
    ids: Sequence[int],
    images: Pictures = (),
    crop: Crop | None = None,
) -> tuple[list[str], Vectors]:
    """Return paths and embeddings of images of the catalog, in order of their ids.

    Raises
    ------
    UsageError
        Pictures were named, too, or a part of them.
    UnknownImageError
        There is no image of such an id.
    EmbeddingDamagedError
        One of them is not as it was stored.
    """
    if images or crop is not None:
        raise UsageError(
            "ids", "an image of the catalog is searched for as a whole", "Leave out all else"
        )
    for image_id in ids:
        require_number("id", image_id, 1, LARGEST, whole=True)
    found, vectors = catalog.embeddings.of(ids)
    # Imported here: pictures are embedded without a database, too.
    from index.catalog.tables.shown import shown_images

    rows = shown_images(catalog.database, found.tolist())
    if unknown := sorted(set(ids) - rows.keys()):
        raise UnknownImageError.of(unknown[0])
    return [rows[image_id].path for image_id in found.tolist()], vectors


def as_list(images: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    """Return one or several images as a list."""
    several = isinstance(images, Iterable) and not isinstance(images, str | Path | bytes)
    return list(images) if several else [images]  # type: ignore[list-item, arg-type]


def source_name(image: ImageLike) -> str:
    """Return what to call an image that was handed in."""
    if isinstance(image, NamedBytes):
        return image.name
    if isinstance(image, bytes):
        return f"<{len(image)} bytes>"
    return "<stdin>" if image == STDIN else os.fspath(image)


def read_source(
    image: ImageLike,
    config: Config,
    announce: Callable[[str], None],
    reserve: Reserve | None = None,
) -> bytes:
    """Return the bytes of an image that was handed in.

    Raises
    ------
    ImageError
        It cannot be read, is too large, or is empty.
    FetchError
        It cannot be fetched.
    """
    if isinstance(image, bytes):
        data = image
    elif image == STDIN:
        data = read_stream(sys.stdin.buffer, source_name(image), config.max_file_bytes)
    elif is_url(text := os.fspath(image)):
        from engine.pictures.urls.fetch import fetch_bytes

        announce(f"fetching {text} (at most {config.urls.bytes / 1e6:.0f} MB)")
        data = fetch_bytes(text, config.urls, announce)
    else:
        if is_remote(text):
            announce(f"reading {text}")
        return read_file(text, config.max_file_bytes, reserve, urls=config.urls)
    if not data:
        raise ImageError(source_name(image), "there is nothing in it (0 bytes)", "Send a picture")
    return data

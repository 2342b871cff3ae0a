"""A new catalog in int8: its backbone is quantized with pictures of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from engine.config import FP32, INT8, Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.errors import ImageError, UsageError
from engine.pictures.preprocess import Pixels
from engine.pictures.read import read_file
from engine.pictures.threads.memory import Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.pictures.walk import find_images
from engine.progress import Reporter
from engine.runtimes.int8_archive import fingerprint_of, pack, unpack
from engine.runtimes.precision import refuse_torch


@dataclass(frozen=True, slots=True)
class CalibrationLimits:
    """How many pictures the ranges of activations are measured on.

    Attributes
    ----------
    most
        More change nothing that can be measured: with 300 96 % of the ten nearest stay the same.
    fewest
        Fewer tell too little about what the network computes: with 20 92 % stay the same.
    """

    most: int = 300
    fewest: int = 20


LIMITS = CalibrationLimits()


def quantized_embedder(
    config: Config, paths: Sequence[str], reporter: Reporter
) -> tuple[Embedder, bytes]:
    """Quantize the backbone for a catalog to come.

    Parameters
    ----------
    paths
        Folders of pictures, or pictures: what the catalog will be about.

    Returns
    -------
    The embedder, and the network that the catalog must keep.

    Raises
    ------
    UsageError
        PyTorch was asked for, or there are too few pictures.
    EngineError
        NNCF is not installed.
    """
    from engine.runtimes.int8_quantize import import_nncf

    refuse_torch(config)
    import_nncf()
    base = choose_embedder(replace(config, precision=FP32), None, reporter)
    images = calibration_images(base, paths)
    reporter.announce(
        f"quantizing {base.backbone.name} with {len(images)} of the pictures (once for this "
        "catalog)"
    )
    file = _quantized(base, images)
    fingerprint = fingerprint_of(file)
    export = partial(unpack, base.backbone, fingerprint, config.cache, lambda: file)
    return Embedder(config, base.backbone, fingerprint, export, INT8, reporter), file


def calibration_images(
    embedder: Embedder, paths: Sequence[str], limits: CalibrationLimits = LIMITS
) -> list[Pixels]:
    """Return the backbone's inputs for pictures spread over all that there are.

    Raises
    ------
    UsageError
        Too few can be read.
    """
    files = [file.path for file in find_images(paths, urls=embedder.config.urls).files]
    candidates = _spread(files, limits.most)
    found: list[Pixels] = []
    workers = embedder.config.decoders
    # What cannot be read is made up for by others, and reported when it is indexed.
    while len(found) < limits.most and (some := list(islice(candidates, limits.most - len(found)))):
        opened = prefetch(partial(_pixels, embedder), some, workers=workers, window=2 * workers)
        found += [pixels for pixels in opened if pixels is not None]
    if len(found) < limits.fewest:
        raise UsageError(
            "--precision int8",
            f"it needs {limits.fewest} pictures at least to measure what the network computes of "
            f"them, and {len(found)} can be read",
            "Name a folder with more of them, or take --precision bf16",
        )
    return found


def _spread(files: Sequence[str], most: int) -> Iterator[str]:
    """Yield all files: `most` that are evenly spread, then the others."""
    count = min(most, len(files))
    chosen = [row * len(files) // count for row in range(count)]
    yield from (files[row] for row in chosen)
    others = set(range(len(files))).difference(chosen)
    yield from (files[row] for row in sorted(others))


def _pixels(embedder: Embedder, path: str) -> Pixels | None:
    def opened(reserve: Reserve) -> Pixels:
        data = read_file(path, embedder.config.max_file_bytes, reserve, urls=embedder.config.urls)
        return embedder.pixels(data, path, reserve)

    try:
        return embedder.memory.turn(path, opened)
    except ImageError:
        return None


def _quantized(base: Embedder, images: Sequence[Pixels]) -> bytes:
    from engine.runtimes.int8_quantize import save_quantized

    def progress(done: int) -> None:
        base.reporter.progress("quantizing", min(done, len(images)), len(images), "images")

    with tempfile.TemporaryDirectory(prefix="engine-") as temporary:
        folder = Path(temporary)
        save_quantized(base.exported.model, images, folder / "model.xml", progress)
        shutil.copy2(base.exported.classifier, folder)
        return pack(folder, base.backbone.name, base.fingerprint)

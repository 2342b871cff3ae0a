"""The backbone at work: exported and started when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Self

import numpy as np

from engine.backbones.table import Backbone
from engine.config import Config
from engine.embedding.forks import belongs_here, never_freed
from engine.errors import WeightsCorruptError
from engine.pictures.crop import Crop
from engine.pictures.decode import DecodedImage, decode
from engine.pictures.preprocess import Pixels
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.progress import Reporter
from engine.runtimes import Runtime, open_runtime
from engine.runtimes.hardware import THIS_MACHINE, Hardware
from engine.runtimes.openvino_export import ExportedModel
from index.records import CatalogIdentity, Vectors

if TYPE_CHECKING:
    from engine.heads.classifier import BuiltIn

# Times the shorter side after resizing. A JPEG reduced to no less gives the embedding of the whole
# one (cosine 0.9997 on average, 0.9992 at least), and one of 12 Mpx takes a third of the time.
ENOUGH = 2


class Embedder:
    """From pictures to embeddings.

    Nothing slow happens until something is embedded.

    Parameters
    ----------
    config
        How to work.
    backbone, fingerprint
        What to work with, and the SHA-256 that pins it.
    export
        Returns the backbone's files for a runtime; called when they are needed.
    precision
        `fp32`, `bf16` or `int8`.
    reporter
        Hears what happens.
    hardware
        What there is to run on.

    Attributes
    ----------
    memory
        What images may hold while they are read and decoded for this backbone.
    """

    def __init__(
        self,
        config: Config,
        backbone: Backbone,
        fingerprint: str,
        export: Callable[[], ExportedModel],
        precision: str,
        reporter: Reporter,
        hardware: Hardware = THIS_MACHINE,
    ) -> None:
        self.config = config
        self._export = export
        self._hardware = hardware
        self.reporter = reporter
        self.backbone = backbone
        self.precision = precision
        self.fingerprint = fingerprint
        self.memory = ImageMemory.of(config)
        # Several threads may be the first to need the backbone.
        self._starting = RLock()

    @property
    def identity(self) -> CatalogIdentity:
        """What a new catalog of these embeddings records."""
        return CatalogIdentity(
            self.backbone.name,
            self.fingerprint,
            self.backbone.dim,
            self.config.dtype,
            self.precision,
        )

    @cached_property
    def exported(self) -> ExportedModel:
        """The backbone's files, made on first use."""
        with self._starting:
            made = self.__dict__.get("exported") or self._export()
            # Here and not when this returns: whoever waits begins before that.
            self.__dict__["exported"] = made
            return made

    @cached_property
    def _runtime(self) -> Runtime:
        with self._starting:
            started = self.__dict__.get("_runtime") or self._started()
            self.__dict__["_runtime"] = started
            return started

    def _started(self) -> Runtime:
        runtime = open_runtime(
            self.config.runtime,
            self.backbone,
            self.exported,
            self.precision,
            compiled=self.config.compiled,
            threads=self.config.threads,
            hardware=self._hardware,
        )
        belongs_here(runtime)
        return runtime

    @cached_property
    def built_in(self) -> BuiltIn:
        """The backbone's own categories."""
        from engine.heads.classifier import BuiltIn

        return BuiltIn.read(self.exported.classifier, self.backbone.in_distribution)

    @property
    def maker(self) -> Callable[[Config, Reporter], Embedder] | None:
        """What makes another one like it in another process; None for what a catalog says."""
        return None

    def unstarted(self) -> Self:
        """Return the same embedder as it was before anything was embedded: for a forked child."""
        other = copy(self)
        never_freed(other.__dict__.pop("_runtime", None))
        other.__dict__.pop("_first", None)
        other.memory = ImageMemory.of(self.config)
        other._starting = RLock()
        return other

    def reporting_to(self, reporter: Reporter) -> Embedder:
        """Return the same embedder, whose work another reporter hears."""
        return _Heard(self, reporter)

    def start(self) -> None:
        """Load the backbone now, and not with the first picture."""
        self._runtime  # noqa: B018

    def warm(self) -> None:
        """Compute with the backbone once: on CUDA the first picture takes seconds."""
        self._first  # noqa: B018

    @cached_property
    def _first(self) -> Vectors:
        side = self.backbone.preprocessing.crop
        return self.embed([np.zeros((side, side, 3), np.uint8)])

    def image(
        self, data: bytes, name: str, reserve: Reserve | None = None, crop: Crop | None = None
    ) -> DecodedImage:
        """Decode a picture, a large JPEG at as much of its size as the backbone can tell.

        Parameters
        ----------
        reserve
            Called with the bytes that this takes, within a turn of `memory`.
        crop
            The part that will be looked at, which is not cut out here.

        Raises
        ------
        ImageError
            It cannot be used.
        """
        enough: int | None = ENOUGH * self.backbone.preprocessing.resize
        if crop is not None and enough is not None:
            enough = crop.enough(enough)
        return decode(data, name, self.config.max_pixels, enough, reserve)

    def pixels(
        self, data: bytes, name: str, reserve: Reserve | None = None, crop: Crop | None = None
    ) -> Pixels:
        """Return the backbone's input for a picture or a part of it, uint8 `[crop, crop, 3]`.

        Raises
        ------
        ImageError
            It cannot be used, or the crop reaches beyond it.
        """
        image = self.image(data, name, reserve, crop)
        shown = image.pixels if crop is None else crop.pixels(image, name)
        return self.backbone.preprocessing.pixels(shown)

    @property
    def batch(self) -> int:
        """How many pictures are best embedded at once; asking starts the runtime."""
        return self._runtime.batch

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Return the embeddings of pictures, one row each.

        Raises
        ------
        WeightsCorruptError
            The backbone computes NaN or infinity of one.
        """
        if not inputs:
            return Vectors.empty(self.backbone.dim)
        with np.errstate(all="ignore"):
            vectors = Vectors.of(self._runtime.embed(np.stack(inputs)))
        # A length is finite only where all numbers are, and their squares.
        if not np.isfinite(vectors.norm).all():
            raise WeightsCorruptError(
                self.backbone.name,
                "what it computes of a picture is NaN or infinite",
                "Import or fetch other weights of it, or index with another --backbone",
            )
        return vectors


class _Heard(Embedder):
    """An embedder that has a reporter of its own, and all else in common with another one."""

    def __init__(self, original: Embedder, reporter: Reporter) -> None:
        vars(self).update(vars(original))
        self.reporter = reporter
        self._original = original

    # Data descriptors: what the other one starts later is seen here, too, and started once.
    @property
    def exported(self) -> ExportedModel:
        return self._original.exported

    @property
    def _runtime(self) -> Runtime:
        return self._original._runtime

    @property
    def built_in(self) -> BuiltIn:
        return self._original.built_in

    def reporting_to(self, reporter: Reporter) -> Embedder:
        return self._original.reporting_to(reporter)

    def unstarted(self) -> Self:
        other = copy(self)
        other._original = self._original.unstarted()
        return other

    def image(
        self, data: bytes, name: str, reserve: Reserve | None = None, crop: Crop | None = None
    ) -> DecodedImage:
        return self._original.image(data, name, reserve, crop)

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        return self._original.embed(inputs)

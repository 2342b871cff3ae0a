"""The backbone at work: chosen, prepared, started when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from engine.backbones.finetuned import TunedBackbones
from engine.backbones.table import AUTO, EMBEDDED, REFERENCE, Backbone, backbone_named
from engine.backbones.weights import WeightsCache, WeightsFile, reachable
from engine.config import INT8, Config
from engine.errors import BackboneMismatchError, WeightsError
from engine.pictures.decode import DecodedImage, decode
from engine.pictures.prefetch import ImageMemory, Reserve
from engine.pictures.preprocess import Pixels
from engine.progress import Reporter
from engine.runtimes import Runtime, open_runtime
from engine.runtimes.openvino_export import Converted, convert
from engine.runtimes.precision import choose_precision
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
    prepare
        Returns the backbone's files for a runtime; called when they are needed.
    precision
        `fp32`, `bf16` or `int8`.
    reporter
        Hears what happens.

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
        prepare: Callable[[], Converted],
        precision: str,
        reporter: Reporter,
    ) -> None:
        self.config = config
        self._prepare = prepare
        self.reporter = reporter
        self.backbone = backbone
        self.precision = precision
        self.fingerprint = fingerprint
        self.memory = ImageMemory(config.decode_bytes)

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
    def converted(self) -> Converted:
        """The backbone's files, made on first use."""
        return self._prepare()

    @cached_property
    def _runtime(self) -> Runtime:
        return open_runtime(
            self.config.runtime,
            self.backbone,
            self.converted,
            self.precision,
            compiled=self.config.compiled,
        )

    @cached_property
    def built_in(self) -> BuiltIn:
        """The backbone's own categories."""
        from engine.heads.classifier import BuiltIn

        return BuiltIn.read(self.converted.classifier)

    def start(self) -> None:
        """Load the backbone now, and not with the first picture."""
        self._runtime  # noqa: B018

    def image(self, data: bytes, name: str, reserve: Reserve | None = None) -> DecodedImage:
        """Decode a picture, a large JPEG at as much of its size as the backbone can tell.

        Parameters
        ----------
        reserve
            Called with the bytes that this takes, within a turn of `memory`.

        Raises
        ------
        ImageError
            It cannot be used.
        """
        enough = ENOUGH * self.backbone.preprocessing.resize
        return decode(data, name, self.config.max_pixels, enough, reserve)

    def pixels(self, data: bytes, name: str, reserve: Reserve | None = None) -> Pixels:
        """Return the backbone's input for a picture, uint8 `[crop, crop, 3]`.

        Raises
        ------
        ImageError
            It cannot be used.
        """
        return self.backbone.preprocessing.pixels(self.image(data, name, reserve).pixels)

    @property
    def batch(self) -> int:
        """How many pictures are best embedded at once; asking starts the runtime."""
        return self._runtime.batch

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Return the embeddings of pictures, one row each."""
        if not inputs:
            return Vectors.empty(self.backbone.dim)
        return Vectors.of(self._runtime.embed(np.stack(inputs)))


def choose_embedder(
    config: Config,
    identity: CatalogIdentity | None,
    reporter: Reporter,
    network: Callable[[], bytes] | None = None,
) -> Embedder:
    """Return the embedder for a catalog, or for a new one.

    Parameters
    ----------
    identity
        What the catalog records, None for a new one.
    network
        Returns the network of a catalog in int8; called only where the cache lacks it.

    Raises
    ------
    UnknownBackboneError
        There is no such backbone.
    BackboneMismatchError
        The catalog belongs to another one, or to another precision.
    UsageError
        int8 without a catalog of that precision, or on PyTorch.
    WeightsError
        The weights are not here and cannot be fetched.
    """
    cache = WeightsCache(config.cache)
    backbone = _choose_backbone(config, identity, cache, reporter)
    precision = choose_precision(config, identity)
    if precision == INT8:
        from engine.runtimes.int8_archive import unpacked

        assert identity is not None and network is not None
        fingerprint = identity.fingerprint
        prepare = partial(unpacked, backbone, fingerprint, config.cache, network)
    else:
        weights = _require(cache, backbone, reporter)
        fingerprint = backbone.fingerprint(weights.sha256)
        prepare = partial(convert, backbone, weights, config.cache, reporter.announce)
    return Embedder(config, backbone, fingerprint, prepare, precision, reporter)


def _choose_backbone(
    config: Config, identity: CatalogIdentity | None, cache: WeightsCache, reporter: Reporter
) -> Backbone:
    known = TunedBackbones(config.data)
    wanted = None if config.backbone == AUTO else known.named(config.backbone)
    if identity is not None:
        if wanted is not None and wanted.name != identity.backbone:
            raise BackboneMismatchError(
                config.store.folder,
                f"this catalog was made with {identity.backbone}, not {wanted.name}",
                "Leave --backbone out, or index into another store with --store",
            )
        return known.named(identity.backbone)
    return wanted or _auto(cache, reporter)


def _auto(cache: WeightsCache, reporter: Reporter) -> Backbone:
    """Take the reference backbone where it can be had, else the one that is always here."""
    reference = backbone_named(REFERENCE)
    if cache.find(reference) is not None:
        return reference
    reason = "its weights are not on this machine and cannot be reached"
    if reachable(reference):
        try:
            _require(cache, reference, reporter)
            return reference
        except WeightsError as error:
            reason = error.reason
    reporter.announce(
        f"using the embedded backbone {EMBEDDED}, because {reason}; for {REFERENCE} run "
        f"`engine backbones pull {REFERENCE}` online or `engine backbones import {REFERENCE} FILE`"
    )
    return backbone_named(EMBEDDED)


def _require(cache: WeightsCache, backbone: Backbone, reporter: Reporter) -> WeightsFile:
    def progress(done: int, total: int | None) -> None:
        reporter.progress(f"fetching {backbone.name}", done, total, "bytes")

    return cache.require(backbone, reporter.announce, progress)

"""Which backbone a catalog gets: its own by fingerprint, or for a new one what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.table import AUTO, BACKBONES, EMBEDDED, REFERENCE, Backbone, backbone_named
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.backbones.weights_source import SHORT, reachable
from engine.config import INT8, Config
from engine.embedding.embedder import Embedder
from engine.errors import BackboneMismatchError, WeightsError
from engine.progress import Reporter
from engine.runtimes.hardware import THIS_MACHINE, Hardware
from engine.runtimes.openvino_export import export_openvino
from engine.runtimes.precision import choose_precision
from index.records import CatalogIdentity


def choose_embedder(
    config: Config,
    identity: CatalogIdentity | None,
    reporter: Reporter,
    network: Callable[[], bytes] | None = None,
    hardware: Hardware = THIS_MACHINE,
    *,
    passing: bool = False,
) -> Embedder:
    """Return the embedder for a catalog, or for a new one.

    A catalog's weights are found by its fingerprint, whatever the name of its backbone means now.

    Parameters
    ----------
    identity
        What the catalog records, None for a new one.
    network
        Returns the network of a catalog in int8.
    hardware
        What there is to run on.
    passing
        No catalog will be made: where `auto` was asked for, or nothing, what is on this machine
        serves, and nothing is fetched.

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
    cache, finetuned = WeightsCache(config.cache), FinetunedBackbones(config.data)
    if identity is None:
        backbone, pinned = _backbone_for_new(config, cache, finetuned, reporter, passing), None
        precision = choose_precision(config, None, hardware)
    else:
        _refuse_another(config, identity, cache, finetuned)
        precision = choose_precision(config, identity, hardware)
        if precision == INT8:
            assert network is not None
            return _int8_embedder(config, identity, finetuned, reporter, network, hardware)
        backbone, pinned = _backbone_of(identity, finetuned), identity.fingerprint
    weights = _require(cache, backbone, reporter, pinned)
    fingerprint = backbone.fingerprint(weights.sha256)
    export = partial(export_openvino, backbone, weights, config.cache, reporter.announce)
    return Embedder(config, backbone, fingerprint, export, precision, reporter, hardware)


def _int8_embedder(
    config: Config,
    identity: CatalogIdentity,
    finetuned: FinetunedBackbones,
    reporter: Reporter,
    network: Callable[[], bytes],
    hardware: Hardware,
) -> Embedder:
    """Return the embedder of a catalog that keeps its own network."""
    from engine.runtimes.int8_archive import base_fingerprint, unpack

    if _is_in_table(identity.backbone):
        backbone = backbone_named(identity.backbone)
    else:
        # What the name means now may have another input.
        backbone = finetuned.pinned(identity.backbone, base_fingerprint(network()))
    fingerprint = identity.fingerprint
    export = partial(unpack, backbone, fingerprint, config.cache, network)
    return Embedder(config, backbone, fingerprint, export, INT8, reporter, hardware)


def _backbone_of(identity: CatalogIdentity, finetuned: FinetunedBackbones) -> Backbone:
    """Return the backbone that a catalog was made with."""
    if _is_in_table(identity.backbone):
        return backbone_named(identity.backbone)
    return finetuned.pinned(identity.backbone, identity.fingerprint)


def _is_in_table(name: str) -> bool:
    return any(backbone.name == name for backbone in BACKBONES)


def _refuse_another(
    config: Config, identity: CatalogIdentity, cache: WeightsCache, finetuned: FinetunedBackbones
) -> None:
    """Insist that a backbone that was asked for is the catalog's own.

    Its name is enough where its weights are not on this machine, and for a catalog in int8, whose
    fingerprint is that of its own network.
    """
    if config.backbone in (None, AUTO):
        return
    asked = finetuned.named(config.backbone)
    weights = cache.find(asked) if identity.precision != INT8 else None
    if weights is None and asked.name == identity.backbone:
        return
    fingerprint = asked.fingerprint(weights.sha256) if weights else ""
    if fingerprint == identity.fingerprint:
        return
    reason = (
        f"this catalog was made with {identity.backbone}, not {asked.name}"
        if asked.name != identity.backbone
        else f"this catalog was made with other weights of {asked.name} "
        f"({identity.fingerprint[:SHORT]}) than the name means now ({fingerprint[:SHORT]})"
    )
    raise BackboneMismatchError(
        config.store.name,
        reason,
        "Leave --backbone out, or index into another store with --store",
    )


def _backbone_for_new(
    config: Config,
    cache: WeightsCache,
    finetuned: FinetunedBackbones,
    reporter: Reporter,
    passing: bool,
) -> Backbone:
    """Return the backbone that was asked for, else the default one."""
    asked = config.backbone or config.default_backbone
    return _auto(cache, reporter, passing) if asked == AUTO else finetuned.named(asked)


def _auto(cache: WeightsCache, reporter: Reporter, passing: bool) -> Backbone:
    """Take the reference backbone where it can be had, else the one that is always here."""
    reference = backbone_named(REFERENCE)
    if cache.find(reference) is not None:
        return reference
    reason = "its weights are not on this machine and cannot be reached"
    if passing:
        reason = "its weights are not on this machine, and this is no reason to fetch them"
    elif reachable(reference.weights):
        try:
            _require(cache, reference, reporter, None)
            return reference
        except WeightsError as error:
            reason = error.reason
    reporter.announce(
        f"using the embedded backbone {EMBEDDED}, because {reason}; for {REFERENCE} run "
        f"`engine backbones pull {REFERENCE}` online or `engine backbones import {REFERENCE} FILE`"
    )
    return backbone_named(EMBEDDED)


def _require(
    cache: WeightsCache, backbone: Backbone, reporter: Reporter, fingerprint: str | None
) -> WeightsFile:
    def progress(done: int, total: int | None) -> None:
        reporter.progress(f"fetching {backbone.name}", done, total, "bytes")

    return cache.require(backbone, reporter.announce, progress, fingerprint)

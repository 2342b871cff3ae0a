"""Backbones as people handle them: listed, fetched, imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.table import Backbone, backbone_named
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.backbones.weights_source import Finetuned
from engine.config import cache_folder, data_folder
from engine.progress import Reporter


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """A row of the table of backbones, and whether its weights are at hand.

    `parameters`, `gflops` and `imagenet_top1` (percent) are what the publisher says.
    `fingerprint` is what a new catalog with these weights would record.
    """

    name: str
    dim: int
    input_size: int
    parameters: int
    gflops: float
    imagenet_top1: float
    source: str
    weights: str
    sha256: str | None
    size_mb: float
    fingerprint: str | None


def backbone_infos(cache: Path | None = None, data: Path | None = None) -> list[BackboneInfo]:
    """Return the table of backbones and the fine-tuned ones, and whether their weights are here.

    Fine-tuned ones that no name means any more come last, as `NAME@FINGERPRINT`.
    """
    weights = WeightsCache(cache or cache_folder())
    finetuned = FinetunedBackbones(data or data_folder())
    rows = (*finetuned.all(), *finetuned.superseded())
    return [_info(backbone, weights.find(backbone)) for backbone in rows]


def pull_backbone(
    name: str,
    reporter: Reporter,
    *,
    url: str | None = None,
    sha256: str | None = None,
    cache: Path | None = None,
) -> BackboneInfo:
    """Fetch a backbone's weights, even if there are some already.

    Raises
    ------
    UnknownBackboneError
        There is no such backbone.
    WeightsUnreachableError
        They cannot be fetched.
    WeightsCorruptError
        The hash is not the one expected; nothing was kept.
    """
    backbone = backbone_named(name)

    def progress(done: int, total: int | None) -> None:
        reporter.progress(f"fetching {name}", done, total, "bytes")

    weights = WeightsCache(cache or cache_folder())
    pulled = weights.pull(backbone, reporter.announce, progress, url=url, sha256=sha256)
    return _info(backbone, pulled)


def import_backbone(
    name: str, file: Path, reporter: Reporter, *, cache: Path | None = None
) -> BackboneInfo:
    """Take a backbone's weights from a file.

    Raises
    ------
    UnknownBackboneError
        There is no such backbone.
    WeightsError
        The file is not there, or does not fit.
    """
    backbone = backbone_named(name)
    imported = WeightsCache(cache or cache_folder()).import_file(backbone, file)
    if not imported.sha256.startswith(backbone.weights.sha256):
        reporter.announce(
            f"note: {file} is not the published file of {name} (its SHA-256 begins "
            f"{imported.sha256[:8]}, not {backbone.weights.sha256[:8]}); catalogs made with it "
            "work with it alone"
        )
    return _info(backbone, imported)


def _info(backbone: Backbone, found: WeightsFile | None) -> BackboneInfo:
    weights, published = backbone.weights, backbone.published
    if found is None:
        state = weights.absent
    elif isinstance(weights, Finetuned):
        state = f"fine-tuned from {weights.base}"
    else:
        state = "embedded" if found.origin == "package" else "here"
    return BackboneInfo(
        backbone.name,
        backbone.dim,
        backbone.preprocessing.crop,
        published.parameters,
        published.gflops,
        published.top1,
        found.origin if found else weights.origin,
        state,
        found.sha256 if found else None,
        weights.size / 1e6,
        backbone.fingerprint(found.sha256) if found else None,
    )

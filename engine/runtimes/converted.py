"""A backbone converted once from torch, kept in the cache for every later start.

<cache>/models/<backbone>-<fingerprint>/
    model.xml, model.bin          the network as OpenVINO reads it, without its last layer
    classifier.safetensors        the last layer, and the names of its 1000 rows
    sizes.json                    the bytes of each of these, to know one that was cut off
    compiled/                     OpenVINO's own cache of compiled models
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.backbones import Backbone
from engine.errors import EngineError, WeightsCorruptError
from engine.weights import WeightsFile, file_sha256


@dataclass(frozen=True, slots=True)
class Converted:
    """Where a converted backbone lies."""

    folder: Path
    weights: Path

    @property
    def model(self) -> Path:
        """The network for OpenVINO."""
        return self.folder / "model.xml"

    @property
    def classifier(self) -> Path:
        """The last layer."""
        return self.folder / "classifier.safetensors"

    @property
    def sizes(self) -> Path:
        """How large the files must be."""
        return self.folder / "sizes.json"

    @property
    def compiled(self) -> Path:
        """OpenVINO's cache."""
        return self.folder / "compiled"


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
    if _complete(converted):
        return converted
    announce(f"preparing {backbone.name} for this machine (once)")
    if file_sha256(weights.path) != weights.sha256:
        raise WeightsCorruptError(
            weights.path,
            "the file is not the one that was fetched: its hash has changed",
            f"Fetch it again with `engine backbones pull {backbone.name}`",
        )
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        _write(backbone, weights.path, Converted(temporary, weights.path))
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        # Another process may have been faster; then its files are as good as ours.
        if not _complete(converted):
            raise EngineError(
                folder,
                f"the converted model cannot be kept ({error.strerror})",
                "Free some space, or name another folder in ENGINE_CACHE",
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return converted


def _complete(converted: Converted) -> bool:
    try:
        wanted = json.loads(converted.sizes.read_text(encoding="utf-8"))
        return bool(_sizes(converted) == wanted)
    except (OSError, ValueError):
        return False


def _sizes(converted: Converted) -> dict[str, int]:
    files = (converted.model, converted.model.with_suffix(".bin"), converted.classifier)
    return {path.name: path.stat().st_size for path in files}


def _write(backbone: Backbone, weights: Path, target: Converted) -> None:
    from safetensors.numpy import save_file

    from engine.architectures import load
    from engine.runtimes.openvino import save_model

    loaded = load(backbone, weights)
    save_file(
        {"weight": loaded.classifier_weight, "bias": loaded.classifier_bias},
        target.classifier,
        metadata={"categories": json.dumps(loaded.categories)},
    )
    save_model(loaded.module, backbone.preprocessing.crop, target.model)
    target.sizes.write_text(json.dumps(_sizes(target)), encoding="utf-8")

"""A network that OpenVINO compiles again is held against its checksum, whyever it does."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsFile
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel, export_openvino

LITE0 = backbone_named("efficientnet_lite0")
PAGE = 4096


def quiet(text: str) -> None:
    """Hear nothing."""


def network(exported: ExportedModel, precision: str) -> Path:
    """The network's weights for a precision."""
    folder = exported.folder / "bf16" if precision == "bf16" else exported.folder
    return folder / "model.bin"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cache_that_was_moved_and_damaged_gives_the_same_embeddings(
    tmp_path: Path,
    own_cache: Path,
    exported: ExportedModel,
    weights: WeightsFile,
    renders: Pixels,
    precision: str,
) -> None:
    """What is compiled is found by the network's path: from another one it is of no use."""
    whole = open_runtime("openvino", LITE0, exported, precision).embed(renders[:2])
    shutil.copytree(own_cache / "models", tmp_path / "models")
    moved = export_openvino(LITE0, weights, tmp_path, quiet)
    assert moved.compiled(precision).is_filled
    data = bytearray(network(moved, precision).read_bytes())
    middle = len(data) // 2
    data[middle : middle + PAGE] = bytes(PAGE)
    network(moved, precision).write_bytes(data)
    runtime = open_runtime("openvino", LITE0, moved, precision)
    assert np.array_equal(runtime.embed(renders[:2]), whole)
    assert moved.is_network_sound(precision)


@pytest.mark.slow
def test_a_cache_that_was_moved_whole_is_compiled_again_and_kept(
    tmp_path: Path, own_cache: Path, exported: ExportedModel, weights: WeightsFile, renders: Pixels
) -> None:
    whole = open_runtime("openvino", LITE0, exported, "fp32").embed(renders[:2])
    shutil.copytree(own_cache / "models", tmp_path / "models")
    announced: list[str] = []
    moved = export_openvino(LITE0, weights, tmp_path, announced.append)
    runtime = open_runtime("openvino", LITE0, moved, "fp32")
    assert np.array_equal(runtime.embed(renders[:2]), whole)
    assert announced == []
    assert moved.compiled("fp32").is_filled


@pytest.mark.slow
def test_the_description_of_a_network_in_bf16_is_held_against_its_checksum(
    tmp_path: Path, own_cache: Path, exported: ExportedModel, weights: WeightsFile, renders: Pixels
) -> None:
    whole = open_runtime("openvino", LITE0, exported, "bf16").embed(renders[:2])
    shutil.copytree(own_cache / "models", tmp_path / "models")
    moved = export_openvino(LITE0, weights, tmp_path, quiet)
    description = moved.folder / "bf16" / "model.xml"
    description.write_bytes(bytes(description.stat().st_size))
    runtime = open_runtime("openvino", LITE0, moved, "bf16")
    assert np.array_equal(runtime.embed(renders[:2]), whole)

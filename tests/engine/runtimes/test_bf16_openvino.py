"""In bf16 embeddings stay close to those in fp32, for every picture, and find the same ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.backbones.table import backbone_named
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.bf16_openvino import convolutions
from engine.runtimes.openvino import import_openvino
from engine.runtimes.openvino_export import ExportedModel
from index.files.atomic_file import temporary_name
from index.records import Floats

LITE0 = backbone_named("efficientnet_lite0")
LEAST = 0.997
Cosines = Callable[[Floats, Floats], Floats]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(real_images: Path) -> Pixels:
    """The embedded backbone's inputs for real photographs, uint8 `[600, 224, 224, 3]`."""
    paths = sorted((real_images / "catalog").rglob("*.jpg"))
    return np.stack(
        [
            LITE0.preprocessing.pixels(decode(path.read_bytes(), str(path), 10**8).pixels)
            for path in paths
        ]
    )


@pytest.fixture(scope="module")
def in_both(exported: ExportedModel, photos: Pixels) -> tuple[Floats, Floats]:
    """The photographs' embeddings in bf16 and in fp32."""
    bf16, fp32 = (
        open_runtime("openvino", LITE0, exported, precision).embed(photos)
        for precision in ("bf16", "fp32")
    )
    return bf16, fp32


@pytest.fixture
def copy(tmp_path: Path, exported: ExportedModel) -> ExportedModel:
    """The exported model in a folder of the test's own, with nothing made from it yet."""
    folder = tmp_path / "model"
    shutil.copytree(
        exported.folder, folder, ignore=shutil.ignore_patterns("compiled", "bf16", "*.tmp")
    )
    return ExportedModel(folder, exported.weights)


def ten_nearest(embeddings: Floats) -> list[set[int]]:
    """Return each row's ten nearest other rows by cosine."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit.T - 9 * np.eye(len(unit))), axis=1, kind="stable")
    return [set(row) for row in order[:, :10].tolist()]


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_drawn_image_s_embedding_stays_close_to_fp32(
    exported: ExportedModel, renders: Pixels, cosines: Cosines
) -> None:
    reference = open_runtime("torch", LITE0, exported, "fp32").embed(renders)
    found = open_runtime("openvino", LITE0, exported, "bf16").embed(renders)
    assert cosines(found, reference).min() >= LEAST


def test_a_photograph_s_embedding_stays_close_to_fp32(
    in_both: tuple[Floats, Floats], cosines: Cosines
) -> None:
    assert cosines(*in_both).min() >= LEAST


def test_photographs_find_the_same_ones_as_in_fp32(in_both: tuple[Floats, Floats]) -> None:
    pairs = zip(*map(ten_nearest, in_both), strict=True)
    assert np.mean([len(found & wanted) / 10 for found, wanted in pairs]) >= 0.97


def test_every_convolution_s_weights_are_exact_in_bf16(copy: ExportedModel) -> None:
    network = import_openvino().Core().read_model(str(copy.network("bf16")))
    layers = convolutions(network)
    assert len(layers) == 49
    for layer in layers:
        weights = np.array(layer.input_value(1).get_node().data, np.float32)
        assert not (weights.view(np.uint32) & 0xFFFF).any()


def test_the_network_in_fp32_stays_as_it_is(copy: ExportedModel) -> None:
    before = files_below(copy.folder)
    copy.network("bf16")
    assert files_below(copy.folder) == before


def test_weights_are_rounded_once(copy: ExportedModel) -> None:
    first = copy.network("bf16")
    made = first.stat().st_mtime_ns
    assert copy.network("bf16") == first
    assert first.stat().st_mtime_ns == made


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "checksums.json"])
def test_a_rounded_network_that_was_cut_off_is_made_again(copy: ExportedModel, name: str) -> None:
    folder = copy.network("bf16").parent
    good = files_below(folder)
    (folder / name).write_bytes(good[name][:10])
    copy.network("bf16")
    assert files_below(folder) == good


def test_a_cache_that_cannot_be_written_costs_time_only(
    copy: ExportedModel,
) -> None:
    good = copy.network("bf16").read_bytes()
    shutil.rmtree(copy.folder / "bf16")
    # A file where the folder is to be written, which stops root, too.
    temporary_name(copy.folder / "bf16").touch()
    found = copy.network("bf16")
    assert found.read_bytes() == good
    assert found.parent != copy.folder / "bf16"

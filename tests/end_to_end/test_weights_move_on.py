"""A catalog keeps the weights that it was made with, whatever their name means later."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save

from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.networks import load_state
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache, WeightsFile

Run = Callable[..., subprocess.CompletedProcess[bytes]]
LITE0 = backbone_named("efficientnet_lite0")


@dataclass(frozen=True)
class Shop:
    """A catalog made with the first `shop`, when the name has moved on to a second one."""

    store: Path
    data: Path
    first: str
    second: str


@pytest.fixture(scope="module")
def images(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four renders in each of three categories."""
    folder = tmp_path_factory.mktemp("pictures")
    for category in ("bed", "chair", "lamp"):
        (folder / category).mkdir()
        for source in sorted((drawn / category).iterdir())[:4]:
            shutil.copy2(source, folder / category / source.name)
    return folder


def keep(data: Path, weights: WeightsFile, factor: float) -> str:
    """Keep weights as `shop`, as fine-tuning does; return the fingerprint."""
    state = load_state(LITE0, weights.path)
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    content = save(tensors | {"conv_head.weight": tensors["conv_head.weight"] * factor})
    sha256 = hashlib.sha256(content).hexdigest()
    return FinetunedBackbones(data).keep("shop", LITE0, content, sha256, {}).fingerprint(sha256)


@pytest.fixture(scope="module")
def moved(engine: Run, ready: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Fine-tune, index, and fine-tune under the same name once more."""
    store, data = (tmp_path_factory.mktemp("shop") / name for name in ("store", "data"))
    weights = WeightsCache(ready).find(LITE0)
    assert weights is not None
    first = keep(data, weights, 1.1)
    line = ("index", images, "--backbone", "shop", "--store", store, "--label", "parent")
    done = engine(*line, env={"ENGINE_DATA": str(data)})
    assert done.returncode == 0, done.stderr
    return Shop(store, data, first, keep(data, weights, 1.2))


@pytest.fixture
def ask(moved: Shop, quick: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a copy of the store."""
    store = shutil.copytree(moved.store, tmp_path / "store")
    monkeypatch.setenv("ENGINE_DATA", str(moved.data))
    monkeypatch.setenv("ENGINE_STORE", str(store))
    return quick


def answer(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    return line


def test_index_goes_on_with_the_catalog_s_weights(
    ask: Run, moved: Shop, images: Path, drawn: Path
) -> None:
    report = answer(ask("index", drawn / "bed", images, "--json"))
    assert (report["backbone"], report["added"], report["images"]) == ("shop", 12, 24)
    assert answer(ask("status", "--json"))["fingerprint"] == moved.first


def test_search_goes_on_with_the_catalog_s_weights(ask: Run, images: Path) -> None:
    image = images / "bed" / "bed-0002.jpg"
    ((best, *_),) = (found["results"] for found in answer(ask("search", image, "--json")))
    assert (best["path"], round(best["score"], 2)) == (str(image), 1.0)


def test_classify_and_train_go_on_with_the_catalog_s_weights(ask: Run, images: Path) -> None:
    image = images / "bed" / "bed-0002.jpg"
    assert answer(ask("classify", image, "--json"))
    assert answer(ask("train", images, "--head", "three", "--json"))["images"] == 12
    assert answer(ask("classify", image, "--head", "three", "--json"))


def test_the_name_is_refused_where_it_means_something_else(
    ask: Run, moved: Shop, images: Path
) -> None:
    image = images / "bed" / "bed-0002.jpg"
    line = refusal(ask("classify", image, "--backbone", "shop"))
    assert f"made with other weights of shop ({moved.first[:12]})" in line
    assert ask("classify", image, "--backbone", f"shop@{moved.first[:12]}").returncode == 0


def test_the_list_shows_both(ask: Run, moved: Shop) -> None:
    rows = {row["name"]: row for row in answer(ask("backbones", "list", "--json"))}
    assert rows["shop"]["fingerprint"] == moved.second
    assert rows[f"shop@{moved.first[:12]}"]["fingerprint"] == moved.first


def test_weights_that_are_gone_are_copied_back_as_the_error_says(
    ask: Run, moved: Shop, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images / "bed" / "bed-0002.jpg"
    monkeypatch.setenv("ENGINE_DATA", str(tmp_path / "data"))
    line = refusal(ask("search", image))
    backup, folder = moved.data / "backbones", tmp_path / "data" / "backbones"
    assert f"{moved.first[:12]} are gone" in line
    assert f"Copy shop-*.safetensors back into {folder}" in line
    folder.mkdir(parents=True)
    for file in backup.glob("shop-*.safetensors"):
        shutil.copy(file, folder)
    assert ask("search", image).returncode == 0
    assert answer(ask("status", "--json"))["fingerprint"] == moved.first


def test_a_store_says_by_itself_which_backbone_it_wants(
    ask: Run, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_BACKBONE", "efficientnet_lite0")
    image = images / "bed" / "bed-0002.jpg"
    for command in ("index", "search", "classify"):
        assert ask(command, image).returncode == 0

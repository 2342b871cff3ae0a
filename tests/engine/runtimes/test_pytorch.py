"""PyTorch: the network folded and in bfloat16 gives the embedding of the one that was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.backbones.networks import load
from engine.backbones.table import Backbone, backbone_named
from engine.backbones.weights import WeightsFile
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes.cuda_transfer import PlainLane
from engine.runtimes.pytorch import BATCH, MOST, TorchRuntime, _batch
from index.records import Floats

LITE0, RESNET50 = backbone_named("efficientnet_lite0"), backbone_named("resnet50")
PRECISIONS = ("fp32", "bf16")
Cosines = Callable[[Floats, Floats], Floats]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(weights: WeightsFile, renders: Pixels) -> Floats:
    """All renders by the network as timm builds it, in fp32."""
    return eager(LITE0, weights.path, renders)


@pytest.fixture(scope="module")
def runtimes(weights: WeightsFile) -> dict[str, TorchRuntime]:
    """The embedded backbone on the CPU, by precision."""
    return {each: TorchRuntime(LITE0, weights.path, each, "cpu") for each in PRECISIONS}


def eager(backbone: Backbone, path: Path, pixels: Pixels) -> Floats:
    with torch.inference_mode():
        answer: Floats = load(backbone, path).module(torch.from_numpy(pixels)).numpy()
    return answer


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("bf16", 0.997)])
def test_torch_gives_the_embedding_of_the_network_as_it_was_built(
    runtimes: dict[str, TorchRuntime],
    renders: Pixels,
    reference: Floats,
    cosines: Cosines,
    precision: str,
    least: float,
) -> None:
    found = runtimes[precision].embed(renders)
    near = cosines(found, reference)
    print(f"torch {precision} to fp32: mean cosine {near.mean():.5f}, least {near.min():.5f}")
    assert near.min() >= least
    lengths = np.linalg.norm(found, axis=1) / np.linalg.norm(reference, axis=1)
    assert np.abs(lengths - 1).max() <= 0.03


@pytest.mark.parametrize("precision", PRECISIONS)
def test_photographs_keep_their_embedding_in_either_precision(
    runtimes: dict[str, TorchRuntime],
    real_images: Path,
    weights: WeightsFile,
    cosines: Cosines,
    precision: str,
) -> None:
    paths = sorted((real_images / "catalog").rglob("*.jpg"))[::40]
    pixels = np.stack(
        [LITE0.preprocessing.pixels(decode(p.read_bytes(), str(p), 10**8).pixels) for p in paths]
    )
    near = cosines(runtimes[precision].embed(pixels), eager(LITE0, weights.path, pixels))
    assert near.min() >= {"fp32": 0.9999, "bf16": 0.997}[precision]


def test_resnet50_folded_gives_the_embedding_of_torchvision(
    resnet50_file: Path, renders: Pixels, cosines: Cosines
) -> None:
    found = TorchRuntime(RESNET50, resnet50_file, "fp32", "cpu").embed(renders[:4])
    wanted = eager(RESNET50, resnet50_file, renders[:4])
    assert cosines(found, wanted).min() >= 0.9999
    # Weights at random say nearly the same of all pictures; what differs must agree, too.
    middle = wanted.mean(axis=0)
    assert cosines(found - middle, wanted - middle).min() >= 0.999


@pytest.mark.parametrize("backbone", [LITE0, RESNET50], ids=lambda each: each.name)
def test_no_batch_norm_is_left_to_compute(
    backbone: Backbone, weights: WeightsFile, resnet50_file: Path
) -> None:
    path = weights.path if backbone is LITE0 else resnet50_file
    network = TorchRuntime(backbone, path, "bf16", "cpu")._network
    assert not [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    assert {each.weight.dtype for each in convolutions} == {torch.bfloat16}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_size_of_a_batch_changes_nothing(
    runtimes: dict[str, TorchRuntime],
    renders: Pixels,
    cosines: Cosines,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
) -> None:
    runtime, pixels = runtimes[precision], renders[np.arange(64) % len(renders)]
    whole = runtime.embed(pixels)
    for size in (1, 3):
        monkeypatch.setattr(runtime, "batch", size)
        assert cosines(runtime.embed(pixels[:7]), whole[:7]).min() >= 0.9999


def test_nothing_gives_no_embeddings_of_the_right_width(
    runtimes: dict[str, TorchRuntime],
) -> None:
    assert runtimes["fp32"].embed(np.zeros((0, 224, 224, 3), np.uint8)).shape == (0, 1280)


def test_pixels_may_be_read_only_and_lie_in_any_order(
    runtimes: dict[str, TorchRuntime], renders: Pixels, cosines: Cosines
) -> None:
    backwards = renders[3::-1]
    backwards.flags.writeable = False
    found = runtimes["fp32"].embed(backwards)
    assert cosines(found, runtimes["fp32"].embed(renders[:4])[::-1]).min() >= 0.99999


class Watched(PlainLane):
    """Remembers what was sent, and what was waited for."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.seen: list[str] = []
        self._sent = self._fetched = 0

    def send(self, pixels: Pixels) -> torch.Tensor:
        self.seen.append(f"send {self._sent}")
        self._sent += 1
        return super().send(pixels)

    def fetch(self, answer: torch.Tensor) -> Callable[[], Floats]:
        number, here = self._fetched, super().fetch(answer)
        self._fetched += 1

        def wait() -> Floats:
            self.seen.append(f"wait {number}")
            return here()

        return wait


def test_the_next_batch_is_sent_before_the_last_is_waited_for(
    runtimes: dict[str, TorchRuntime], renders: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, lane = runtimes["fp32"], Watched()
    monkeypatch.setattr(runtime, "batch", 2)
    monkeypatch.setattr(runtime, "_lane", lane)
    runtime.embed(renders[:8])
    assert lane.seen == [
        *("send 0", "send 1", "wait 0", "send 2", "wait 1", "send 3", "wait 2", "wait 3"),
    ]


def test_what_was_compiled_is_for_whole_batches_alone(
    runtimes: dict[str, TorchRuntime], renders: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, sizes = runtimes["fp32"], []

    def compiled(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        answer: torch.Tensor = runtime._network(batch)
        return answer

    monkeypatch.setattr(runtime, "batch", 4)
    monkeypatch.setattr(runtime, "_whole_batch", compiled)
    runtime.embed(renders[:11])
    runtime.embed(renders[:1])
    assert sizes == [4, 4]


def test_nothing_is_compiled_for_a_cpu(
    weights: WeightsFile, renders: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    runtime = TorchRuntime(LITE0, weights.path, "fp32", "cpu", compiled=True)
    monkeypatch.setattr(runtime, "batch", 1)
    assert len(runtime.embed(renders[:2])) == 2


@pytest.mark.parametrize(
    ("free", "size"), [(10**11, MOST), (4 * 2**30, 21), (10**7, 1)], ids=["much", "some", "little"]
)
def test_a_batch_fits_into_what_the_card_has_free(
    monkeypatch: pytest.MonkeyPatch, free: int, size: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    assert _batch(torch.device("cuda")) == size
    assert _batch(torch.device("cpu")) == BATCH


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.9999), ("bf16", 0.997)])
def test_a_gpu_gives_the_embeddings_of_the_cpu(
    weights: WeightsFile,
    renders: Pixels,
    reference: Floats,
    cosines: Cosines,
    precision: str,
    least: float,
    compiled: bool,
) -> None:
    runtime = TorchRuntime(LITE0, weights.path, precision, "cuda", compiled=compiled)
    runtime.batch = 16
    assert cosines(runtime.embed(renders), reference).min() >= least

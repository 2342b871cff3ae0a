"""PyTorch: the network folded and in bfloat16 gives the embedding of the one that was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.backbones.networks import load
from engine.backbones.table import Backbone, backbone_named
from engine.backbones.weights import WeightsFile
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes.cuda_transfer import BlockingTransfer
from engine.runtimes.pytorch import BatchLimits, TorchRuntime, filled_up
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
    cosine = cosines(found, reference)
    print(f"torch {precision} to fp32: mean cosine {cosine.mean():.5f}, least {cosine.min():.5f}")
    assert cosine.min() >= least
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
    cosine = cosines(runtimes[precision].embed(pixels), eager(LITE0, weights.path, pixels))
    assert cosine.min() >= {"fp32": 0.9999, "bf16": 0.997}[precision]


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
    weights: WeightsFile,
    renders: Pixels,
    cosines: Cosines,
    precision: str,
) -> None:
    pixels = renders[np.arange(64) % len(renders)]
    whole = runtimes[precision].embed(pixels)
    for size in (1, 3):
        runtime = TorchRuntime(LITE0, weights.path, precision, "cpu", batch=size)
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


class Watched(BlockingTransfer):
    """Remembers what was copied to the device, and what was waited for."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.seen: list[str] = []
        self._there = self._back = 0

    def to_device(self, pixels: Pixels) -> torch.Tensor:
        self.seen.append(f"copy {self._there}")
        self._there += 1
        return super().to_device(pixels)

    def to_host(self, embeddings: torch.Tensor) -> Callable[[], Floats]:
        number, host = self._back, super().to_host(embeddings)
        self._back += 1

        def wait() -> Floats:
            self.seen.append(f"wait {number}")
            return host()

        return wait


def test_the_next_batch_is_copied_before_the_last_is_waited_for(
    weights: WeightsFile, renders: Pixels
) -> None:
    watched = Watched()
    runtime = TorchRuntime(LITE0, weights.path, "fp32", "cpu", batch=2, transfer=watched)
    runtime.embed(renders[:8])
    assert watched.seen == [
        *("copy 0", "copy 1", "wait 0", "copy 2", "wait 1", "copy 3", "wait 2", "wait 3"),
    ]


def test_what_was_compiled_is_for_whole_batches_alone(
    weights: WeightsFile, renders: Pixels
) -> None:
    runtime = TorchRuntime(LITE0, weights.path, "fp32", "cpu", batch=4)
    sizes: list[int] = []

    def compiled(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        answer: torch.Tensor = runtime._network(batch)
        return answer

    runtime._whole_batch = compiled
    runtime.embed(renders[:11])
    runtime.embed(renders[:1])
    assert sizes == [4, 4]


def test_nothing_is_compiled_for_a_cpu(weights: WeightsFile) -> None:
    runtime = TorchRuntime(LITE0, weights.path, "fp32", "cpu", compiled=True)
    assert runtime._whole_batch is runtime._network


@pytest.mark.parametrize(
    ("free", "size"),
    [(10**11, 256), (4 * 2**30, 21), (10**7, 1), (None, 64)],
    ids=["much", "some", "little", "no card"],
)
def test_a_batch_fits_into_what_the_card_has_free(free: int | None, size: int) -> None:
    assert BatchLimits().size(free) == size


def test_limits_of_a_batch_are_options() -> None:
    limits = BatchLimits(without_gpu=3, most=8, bytes_per_image=2**20)
    assert [limits.size(free) for free in (None, 20 * 2**20, 2**30)] == [3, 5, 8]


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
    runtime = TorchRuntime(LITE0, weights.path, precision, "cuda", compiled=compiled, batch=16)
    assert cosines(runtime.embed(renders), reference).min() >= least


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 4), (4, 4), (5, 16), (17, 17)])
def test_a_batch_is_filled_up_to_the_least_size_that_holds_it(count: int, size: int) -> None:
    pixels = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    filled = filled_up(pixels, (1, 4, 16))
    assert len(filled) == size
    assert np.array_equal(filled[:count], pixels)


def test_what_fills_a_batch_up_is_no_answer(weights: WeightsFile, renders: Pixels) -> None:
    runtime = TorchRuntime(LITE0, weights.path, "fp32", "cpu", batch=4, sizes=(2, 4))
    plain = TorchRuntime(LITE0, weights.path, "fp32", "cpu", batch=4)
    for count in (1, 3, 7):
        found = runtime.embed(renders[:count])
        assert found.shape == (count, LITE0.dim)
        assert np.allclose(found, plain.embed(renders[:count]), rtol=1e-3, atol=1e-4)

"""PyTorch: the runtime for GPUs, and the reference that the others are held to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.backbones.networks import Frozen, load
from engine.backbones.table import Backbone
from engine.pictures.preprocess import Pixels
from engine.runtimes.cuda_transfer import Transfer, open_transfer
from engine.runtimes.fold_batchnorm import fold_batch_norms, to_bfloat16
from engine.runtimes.hardware import torch_gpu
from index.records import Floats

# One batch is computed while the pixels of the next are copied.
IN_FLIGHT = 2
# cuDNN plans anew for each number of pictures, for seconds: other numbers are filled up to these,
# or to a whole batch.
CUDA_SIZES = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How many pictures make a batch.

    Attributes
    ----------
    without_gpu
        Of every network on a CPU and on MPS.
    most
        On CUDA; larger ones make no network here any faster.
    bytes_per_image
        What the widest layers of ResNet50 need in fp32, and as much again. A batch takes at most
        a quarter of the card's free memory.
    """

    without_gpu: int = 64
    most: int = 256
    bytes_per_image: int = 48 * 2**20

    def size(self, free_bytes: int | None) -> int:
        """Return the batch for a card with so much free memory, None for no card."""
        if free_bytes is None:
            return self.without_gpu
        return min(self.most, max(1, free_bytes // 4 // self.bytes_per_image))


class TorchRuntime:
    """A backbone in torch, on CUDA, MPS or the CPU, whichever comes first.

    Parameters
    ----------
    backbone
        A row of the table.
    weights
        Its weights file.
    precision
        `fp32` or `bf16`, in which weights and activations are bfloat16.
    device
        A torch device, to overrule the choice.
    compiled
        On CUDA, let `torch.compile` make the network for whole batches. That takes a minute or
        so at the first one; anything less than a whole batch, a search above all, does without.
    batch
        Pictures in a batch, to overrule the choice.
    transfer
        Copies batches and embeddings, to overrule the choice.
    sizes
        Numbers of pictures, rising, that smaller batches are filled up to, to overrule the choice.
    """

    def __init__(
        self,
        backbone: Backbone,
        weights: Path,
        precision: str,
        device: str | None = None,
        *,
        compiled: bool = False,
        batch: int | None = None,
        transfer: Transfer | None = None,
        sizes: Sequence[int] = (),
    ) -> None:
        self._device = torch.device(device or torch_gpu() or "cpu")
        self._dim = backbone.dim
        module = load(backbone, weights).module
        network = Inference(module, backbone.preprocessing.crop, precision == "bf16")
        self._network = network.eval().to(self._device)
        if self._device.type != "mps":
            self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._whole_batch: Callable[[torch.Tensor], torch.Tensor] = self._network
        if compiled and self._device.type == "cuda":
            self._whole_batch = torch.compile(self._network, dynamic=False)
        self._transfer = transfer or open_transfer(self._device)
        self.batch = batch or BatchLimits().size(_free_bytes(self._device))
        self.name = f"torch {self._device.type} {precision}"
        if self.is_on_cuda and not sizes:
            sizes = [*(each for each in CUDA_SIZES if each < self.batch), self.batch]
        self._sizes = sizes

    @property
    def is_on_cuda(self) -> bool:
        """Whether a card of CUDA computes."""
        return self._device.type == "cuda"

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""
        embeddings = np.empty((len(pixels), self._dim), np.float32)
        in_flight: deque[tuple[int, Callable[[], Floats]]] = deque()

        def collect() -> None:
            start, wait = in_flight.popleft()
            part = wait()
            embeddings[start : start + len(part)] = part

        for start in range(0, len(pixels), self.batch):
            if len(in_flight) == IN_FLIGHT:
                collect()
            part = np.require(pixels[start : start + self.batch], np.uint8, ["C", "W"])
            network = self._whole_batch if len(part) == self.batch else self._network
            with torch.inference_mode():
                filled = self._transfer.to_device(filled_up(part, self._sizes))
                computed = network(filled)[: len(part)]
                in_flight.append((start, self._transfer.to_host(computed)))
        while in_flight:
            collect()
        return embeddings


def filled_up(pixels: Pixels, sizes: Sequence[int]) -> Pixels:
    """Return a batch with its last picture repeated until it has the least of some sizes.

    Parameters
    ----------
    sizes
        Numbers of pictures, rising; a larger batch stays as it is.
    """
    size = next((each for each in sizes if each >= len(pixels)), len(pixels))
    if size == len(pixels):
        return pixels
    return np.concatenate([pixels, np.repeat(pixels[-1:], size - len(pixels), axis=0)])


class Inference(nn.Module):
    """A backbone for running forward only: no BatchNorm left, bfloat16 if wanted.

    Parameters
    ----------
    frozen
        The backbone as it was built; taken over and changed.
    crop
        Side of its input in pixels.
    bfloat16
        Compute in bfloat16; the mean is subtracted in float32 all the same.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, frozen: Frozen, crop: int, bfloat16: bool) -> None:
        super().__init__()
        self.network = frozen.network
        fold_batch_norms(self.network, torch.zeros(1, 3, crop, crop))
        if bfloat16:
            to_bfloat16(self.network)
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self.register_buffer("mean", frozen.mean)
        self.register_buffer("scale", 1 / frozen.std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, height, width, 3]`."""
        # Pixels lie in the order that torch calls channels_last already.
        planes = (pixels.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return torch.flatten(self.network(planes.to(self._dtype)), 1).float()


def _free_bytes(device: torch.device) -> int | None:
    """Return a card's free memory, None for a device that is no CUDA card."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None

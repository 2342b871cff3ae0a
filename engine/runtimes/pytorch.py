"""PyTorch: the runtime for GPUs, and the reference that the others are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine.architectures import load
from engine.backbones import Backbone
from engine.preprocess import Pixels
from index.records import Floats

BATCH = 64


class TorchRuntime:
    """A backbone in torch, on CUDA, MPS or the CPU, whichever comes first.

    Parameters
    ----------
    backbone
        A row of the table.
    weights
        Its weights file.
    precision
        `fp32` or `bf16` (autocast).
    device
        A torch device, to overrule the choice.
    """

    def __init__(
        self, backbone: Backbone, weights: Path, precision: str, device: str | None = None
    ) -> None:
        self._device = torch.device(device or _best_device())
        self._autocast = precision == "bf16"
        self._module = load(backbone, weights).module.to(self._device)
        self.batch = BATCH
        self.name = f"torch {self._device.type} {precision}"

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""
        parts = [self._forward(pixels[start : start + BATCH]) for start in _starts(len(pixels))]
        return np.concatenate(parts)

    def _forward(self, pixels: Pixels) -> Floats:
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast),
        ):
            embeddings: Floats = self._module(batch).float().cpu().numpy()
        return embeddings


def _starts(count: int) -> range:
    return range(0, max(count, 1), BATCH)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

"""Ways of pixels to a device and of embeddings back, while the device computes. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from engine.pictures.preprocess import Pixels
from index.records import Floats


class Lane(Protocol):
    """Carries batches to a device, and answers back."""

    def send(self, pixels: Pixels) -> torch.Tensor:
        """Return pixels on the device, fit for work that is started next."""

    def fetch(self, answer: torch.Tensor) -> Callable[[], Floats]:
        """Start carrying an answer back; the function waits until it is here."""


class PlainLane:
    """For the CPU and MPS: everything waits until it is done.

    Parameters
    ----------
    device
        Where to.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def send(self, pixels: Pixels) -> torch.Tensor:
        """Return pixels on the device."""
        return torch.from_numpy(pixels).to(self._device)

    def fetch(self, answer: torch.Tensor) -> Callable[[], Floats]:
        """Carry an answer back."""
        here: Floats = answer.cpu().numpy()
        return lambda: here


class CudaLane:
    """For CUDA: copies through pinned memory, on a stream beside the one that computes.

    Pinned memory comes from torch's own cache, which reuses a block only after the copies from
    or to it have ended.

    Parameters
    ----------
    device
        Where to.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, pixels: Pixels) -> torch.Tensor:
        """Start copying; what is computed from it waits on the device, not here."""
        pinned = torch.from_numpy(pixels).pin_memory()
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            batch = pinned.to(self._device, non_blocking=True)
        computing.wait_stream(self._copies)
        # Its memory belongs to the stream of copies, and must not be reused while it is read.
        batch.record_stream(computing)
        return batch

    def fetch(self, answer: torch.Tensor) -> Callable[[], Floats]:
        """Start copying back, behind what computes the answer."""
        pinned = torch.empty(answer.shape, dtype=answer.dtype, pin_memory=True)
        pinned.copy_(answer, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(torch.cuda.current_stream(self._device))

        def wait() -> Floats:
            copied.synchronize()
            here: Floats = pinned.numpy()
            return here

        return wait


def open_lane(device: torch.device) -> Lane:
    """Return the way to a device."""
    return CudaLane(device) if device.type == "cuda" else PlainLane(device)

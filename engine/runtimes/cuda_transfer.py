"""Copies of pixels to a device and of embeddings back, while the device computes. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from engine.pictures.preprocess import Pixels
from index.records import Floats


class Transfer(Protocol):
    """Copies batches to a device, and embeddings back."""

    def to_device(self, pixels: Pixels) -> torch.Tensor:
        """Return pixels on the device, fit for work that is started next."""

    def to_host(self, embeddings: torch.Tensor) -> Callable[[], Floats]:
        """Start copying embeddings back; the function waits until they are here."""


class BlockingTransfer:
    """For the CPU and MPS: every copy waits until it is done.

    Parameters
    ----------
    device
        Where to.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def to_device(self, pixels: Pixels) -> torch.Tensor:
        """Return pixels on the device."""
        return torch.from_numpy(pixels).to(self._device)

    def to_host(self, embeddings: torch.Tensor) -> Callable[[], Floats]:
        """Copy embeddings back."""
        host: Floats = embeddings.cpu().numpy()
        return lambda: host


class CudaTransfer:
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

    def to_device(self, pixels: Pixels) -> torch.Tensor:
        """Start copying; what is computed from it waits on the device, not here."""
        pinned = torch.from_numpy(pixels).pin_memory()
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            batch = pinned.to(self._device, non_blocking=True)
        computing.wait_stream(self._copies)
        # Its memory belongs to the stream of copies, and must not be reused while it is read.
        batch.record_stream(computing)
        return batch

    def to_host(self, embeddings: torch.Tensor) -> Callable[[], Floats]:
        """Start copying back, behind what computes the embeddings."""
        pinned = torch.empty(embeddings.shape, dtype=embeddings.dtype, pin_memory=True)
        pinned.copy_(embeddings, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(torch.cuda.current_stream(self._device))

        def wait() -> Floats:
            copied.synchronize()
            host: Floats = pinned.numpy()
            return host

        return wait


def open_transfer(device: torch.device) -> Transfer:
    """Return the copies to and from a device."""
    return CudaTransfer(device) if device.type == "cuda" else BlockingTransfer(device)

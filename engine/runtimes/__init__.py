"""What executes a backbone: OpenVINO on a CPU, PyTorch on a GPU or on request."""

from __future__ import annotations

import platform
import sys
from typing import Protocol

from engine.backbones.table import Backbone
from engine.pictures.preprocess import Pixels
from engine.runtimes.hardware import has_cuda
from engine.runtimes.openvino_export import Converted
from index.records import Floats


class Runtime(Protocol):
    """A frozen backbone, ready to run.

    Invariants, held by tests against torch in fp32:

    1. an embedding does not depend on what else is in the batch, nor on the batch's size;
    2. every runtime gives the same embedding: cosine >= 0.999 in fp32 and >= 0.997 in bf16, for
       every picture. In bf16 that takes weights rounded with care (`bf16_rounding.py`).
    """

    @property
    def name(self) -> str:
        """What executes it, for people: `openvino fp32`, `torch cuda bf16`."""

    @property
    def batch(self) -> int:
        """How many pictures are best handed in at once."""

    def embed(self, pixels: Pixels) -> Floats:
        """Return embeddings float32 `[n, dim]` of pixels uint8 `[n, crop, crop, 3]`."""


def open_runtime(
    kind: str,
    backbone: Backbone,
    converted: Converted,
    precision: str,
    *,
    compiled: bool = False,
) -> Runtime:
    """Start a runtime.

    Parameters
    ----------
    kind
        `openvino`, `torch`, or `auto`: torch where there is a GPU, OpenVINO elsewhere. A network
        in int8 runs on OpenVINO everywhere.
    converted
        The backbone's files as OpenVINO wants them.
    precision
        `fp32`, `bf16` or `int8`.
    compiled
        Let PyTorch compile the network for whole batches, where it runs on CUDA.
    """
    if converted.weights is not None and runs_on_torch(kind):
        from engine.runtimes.pytorch import TorchRuntime

        return TorchRuntime(backbone, converted.weights, precision, compiled=compiled)
    from engine.runtimes.openvino import OpenVINORuntime

    model = converted.rounded() if precision == "bf16" else converted.model
    return OpenVINORuntime(model, converted.compiled, backbone.dim, precision)


def runs_on_torch(kind: str) -> bool:
    """Say whether a runtime of this kind is PyTorch here."""
    return kind == "torch" or (kind == "auto" and _has_gpu())


def _has_gpu() -> bool:
    # Asking torch would cost over a second, and a search on a CPU never imports it.
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return has_cuda()

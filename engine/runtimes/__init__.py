"""What executes a backbone: OpenVINO on a CPU, PyTorch on a GPU or on request.

In: a backbone's exported files, a precision, and pixels uint8 `[n, crop, crop, 3]`. Out: embeddings
float32 `[n, dim]`. Invariants, held by tests against torch in fp32:

1. an embedding does not depend on what else is in the batch, nor on the batch's size;
2. every runtime gives the same embedding: cosine >= 0.999 in fp32 and >= 0.997 in bf16, for every
   picture. In bf16 that takes weights rounded with care (`bf16_rounding.py`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from engine.backbones.table import Backbone
from engine.config import BF16, INT8
from engine.pictures.preprocess import Pixels
from engine.runtimes.hardware import THIS_MACHINE, Hardware, runs_on_torch
from engine.runtimes.openvino_export import ExportedModel
from index.records import Floats

if TYPE_CHECKING:
    from engine.runtimes.compiled_cache import CompiledCache


class Runtime(Protocol):
    """A frozen backbone, ready to run."""

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
    exported: ExportedModel,
    precision: str,
    *,
    compiled: bool = False,
    threads: int | None = None,
    hardware: Hardware = THIS_MACHINE,
) -> Runtime:
    """Start a runtime.

    Parameters
    ----------
    kind
        `openvino`, `torch`, or `auto`: torch where it reaches a GPU, OpenVINO elsewhere. A network
        in int8 runs on OpenVINO everywhere.
    exported
        The backbone's files.
    precision
        `fp32`, `bf16` or `int8`.
    compiled
        Let PyTorch compile the network for whole batches, where it runs on CUDA.
    threads
        Cores to run on; None for all.
    hardware
        What there is to run on.
    """
    if precision != INT8 and runs_on_torch(kind, hardware):
        assert exported.weights is not None  # only a network in int8 has none
        from engine.runtimes.pytorch import TorchRuntime

        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        on_torch = TorchRuntime(backbone, exported.weights, precision, compiled=compiled)
        if not on_torch.is_on_cuda:
            return on_torch
        from engine.runtimes.embed_queue import EmbedQueue

        return EmbedQueue(on_torch)
    from engine.runtimes.openvino import OpenVINORuntime

    # In int8 this is about what is left in floating point.
    bf16 = precision == BF16 or (precision == INT8 and hardware.bf16)

    def start(cache: CompiledCache) -> OpenVINORuntime:
        model = exported.network(precision, cache)
        return OpenVINORuntime(model, cache, backbone.dim, precision, bf16=bf16, threads=threads)

    cache = exported.compiled(precision)
    if not cache.is_filled:
        return start(cache)
    # What is compiled may be of another folder, release or number of threads: then OpenVINO has
    # read the network, which nobody has held against its checksum.
    with suppress(RuntimeError):
        runtime = start(cache)
        if runtime.from_cache or exported.is_network_sound(precision):
            return runtime
    cache.clear()
    return start(exported.compiled(precision))

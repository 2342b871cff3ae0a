"""The PyTorch runtime on a GPU, beside what the card itself could do.

The roofline is the rate at which the card multiplies large bfloat16 matrices, measured here and
now, over the network's floating-point operations. No network reaches it: early layers are bound by
memory, and EfficientNet's depthwise convolutions are bound by little else.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, ratios
from benchmarks.settings import CannotRunError, Settings
from benchmarks.support.weights import NAMES, provide_resnet50

SECTION = "gpu"
PRECISION = "bf16"
MATRIX = 8192
REPEATS = 20
BACKBONES = ("resnet50", "efficientnet_lite0")


def run(settings: Settings, device: str = "cuda") -> list[Figure]:
    """Measure each backbone, as it is and compiled.

    Parameters
    ----------
    device
        Another torch device, to try the section out.

    Raises
    ------
    CannotRunError
        There is no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise CannotRunError("needs a GPU that PyTorch reaches through CUDA")
    provide_resnet50(settings)
    card = torch.cuda.get_device_name() if device == "cuda" else device
    settings.note(f"measured on {card} with torch {torch.__version__}")
    figures: list[Figure] = []
    for name in BACKBONES:
        figures += _backbone(name, settings, device)
    return figures


def _backbone(name: str, settings: Settings, device: str) -> list[Figure]:
    from engine.backbones.table import backbone_named
    from engine.runtimes.pytorch import TorchRuntime

    backbone, weights = backbone_named(name), _weights(name, settings)
    operations = _operations(backbone, weights)
    runtimes = {
        kind: TorchRuntime(backbone, weights, PRECISION, device, compiled=kind == "compiled")
        for kind in ("eager", "compiled")
    }
    pixels = _pixels(backbone.preprocessing.crop, 2048 if device == "cuda" else 8)
    for runtime in runtimes.values():
        _rate(runtime, pixels)  # compiles, and chooses kernels
    rates: dict[str, list[float]] = {kind: [] for kind in (*runtimes, "roofline")}
    for number in range(1, settings.runs + 1):
        for kind, runtime in runtimes.items():
            rates[kind].append(_rate(runtime, pixels))
        rates["roofline"].append(_multiplications(device) / operations)
        text = ", ".join(f"{kind} {runs[-1]:,.0f}" for kind, runs in rates.items())
        settings.say(f"run {number} of {settings.runs}: {name}: {text} images/s")
    note = f"{operations / 1e9:.2f} GFLOP an image, {PRECISION}"
    title = f"{name}: {{}}".format
    figures = [
        Figure.of(SECTION, title(kind), rates[kind], "images/s", note=note) for kind in rates
    ]
    for kind in runtimes:
        shares = ratios(rates[kind], rates["roofline"])
        figures.append(Figure.of(SECTION, title(f"{kind} / roofline"), shares, "x"))
    return figures


def _weights(name: str, settings: Settings) -> Path:
    from engine.backbones.table import backbone_named
    from engine.backbones.weights import WeightsCache

    if name == "resnet50":
        return settings.cache / "torch" / "hub" / "checkpoints" / NAMES[0]
    found = WeightsCache(settings.cache / "engine").find(backbone_named(name))
    if found is None:
        raise CannotRunError(f"needs the weights of {name}")
    return found.path


def _operations(backbone: Any, weights: Path) -> float:
    """Return the floating-point operations of one picture; a multiply-add counts as two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from engine.backbones.networks import load

    crop = backbone.preprocessing.crop
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        load(backbone, weights).module(torch.zeros(1, crop, crop, 3, dtype=torch.uint8))
    return float(counter.get_total_flops())


def _pixels(crop: int, count: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (count, crop, crop, 3), np.uint8)


def _rate(runtime: Any, pixels: Any) -> float:
    """Return images/s from pixels in memory to embeddings in memory."""
    started = time.perf_counter()
    runtime.embed(pixels)
    return len(pixels) / (time.perf_counter() - started)


def _multiplications(device: str) -> float:
    """Return the operations/s of a product of large matrices in bfloat16."""
    import torch

    side = MATRIX if device == "cuda" else 512
    a, b = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
    _finish(a @ b)
    started = time.perf_counter()
    for _ in range(REPEATS):
        product = a @ b
    _finish(product)
    return 2.0 * side**3 * REPEATS / (time.perf_counter() - started)


def _finish(tensor: Any) -> None:
    """Wait until a tensor is computed."""
    tensor[0, 0].item()

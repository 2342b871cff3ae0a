"""Searches side by side on a card: pictures one by one, and those of all threads together.

    python -m benchmarks.embed_queue [--device cuda] [--pictures DIR] [--threads 1 4 16 64]

For each number of threads, each of which embeds one picture after the other: pictures a second, and
how long one takes. Needs no network with the embedded backbone.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.config import cache_folder
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes import Runtime
from engine.runtimes.embed_queue import EmbedQueue
from engine.runtimes.pytorch import TorchRuntime


def main() -> None:
    """Print a line for each number of threads, and all of it as JSON."""
    options = _options()
    backbone = backbone_named(options.backbone)
    weights = WeightsCache(cache_folder()).find(backbone)
    assert weights is not None, f"engine backbones pull {options.backbone}"
    device = options.device or _device()
    torch = TorchRuntime(backbone, weights.path, options.precision, device)
    pixels = _pixels(options.pictures, backbone.preprocessing)
    print(f"{torch.name}, {options.backbone}, {os.cpu_count()} cores, {len(pixels)} pictures")
    rows, queue = [], EmbedQueue(torch)
    for threads in options.threads:
        runtimes = {"each by itself": torch, "together": queue}
        row: dict[str, object] = {"threads": threads}
        for name, runtime in runtimes.items():
            _measure(runtime, pixels, threads, options.seconds / 4)
            rate, p50, p95 = _measure(runtime, pixels, threads, options.seconds)
            row[name] = {"a_second": round(rate), "p50_ms": p50, "p95_ms": p95}
        row["largest_difference"] = _difference(torch, pixels, threads)
        rows.append(row)
        print(json.dumps(row))
    if options.out:
        Path(options.out).write_text(json.dumps({"runtime": torch.name, "rows": rows}, indent=1))


def _measure(
    runtime: Runtime, pixels: Pixels, threads: int, seconds: float
) -> tuple[float, float, float]:
    """Return pictures a second, and the median and the 95th percentile of one's milliseconds."""
    took: list[list[float]] = [[] for _ in range(threads)]
    begin, until = threading.Barrier(threads + 1), [0.0]

    def work(number: int) -> None:
        begin.wait()
        each = number
        while (began := time.perf_counter()) < until[0]:
            each = (each + threads) % len(pixels)
            runtime.embed(pixels[each : each + 1])
            took[number].append(time.perf_counter() - began)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    until[0] = time.perf_counter() + seconds
    begin.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    all_took = np.concatenate([np.asarray(each) for each in took])
    rate = len(all_took) / (time.perf_counter() - began)
    p50, p95 = (round(float(each) * 1e3, 2) for each in np.percentile(all_took, (50, 95)))
    return rate, p50, p95


def _difference(torch: TorchRuntime, pixels: Pixels, threads: int) -> float:
    """Return 1 minus the least cosine between embeddings alone and together."""
    pixels, queue = pixels[: 4 * threads], EmbedQueue(torch)
    found = np.zeros((len(pixels), len(torch.embed(pixels[:1])[0])), np.float32)

    def work(number: int) -> None:
        for each in range(number, len(pixels), threads):
            found[each] = queue.embed(pixels[each : each + 1])[0]

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    alone = np.concatenate([torch.embed(pixels[each : each + 1]) for each in range(len(pixels))])
    norms = np.linalg.norm(alone, axis=1) * np.linalg.norm(found, axis=1)
    return float(1 - ((alone * found).sum(axis=1) / norms).min())


def _pixels(folder: Path | None, preprocessing: object) -> Pixels:
    if folder is None:
        side = preprocessing.crop  # type: ignore[attr-defined]
        return np.random.default_rng(0).integers(0, 256, (256, side, side, 3), np.uint8)
    paths: Sequence[Path] = sorted(folder.rglob("*.jpg"))[:256]
    return np.stack(
        [
            preprocessing.pixels(decode(path.read_bytes(), str(path), 10**8).pixels)  # type: ignore[attr-defined]
            for path in paths
        ]
    )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"))
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="JPEG files; else noise")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=8.0, help="for each row")
    parser.add_argument("--out", metavar="FILE", help="the rows as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()

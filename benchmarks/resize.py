"""What it takes of a core to resize photographs, by Pillow and by what is installed beside it.

    python -m benchmarks.resize [--data FOLDER] [--runs 7]

How far the pixels and the embeddings of the two are apart is printed, too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.settings import find_data
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.config import cache_folder
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.pictures.resize import by_pillow, fastest
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import export_openvino

EMBEDDED = "efficientnet_lite0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resize", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args(arguments)
    data = find_data(given.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    paths = [
        *sorted((data / "imagenet300").rglob("*.*")),
        *sorted((data / "catalog").rglob("*.jpg")),
    ]
    images = [decode(path.read_bytes(), str(path), 10**8).pixels for path in paths]
    kernels = {"Pillow": by_pillow, "what is installed": fastest()}
    for name in (EMBEDDED, "resnet50"):
        preprocessing = backbone_named(name).preprocessing
        plain, fast = (
            _resized(
                f"{name}, {by}", images, given.runs, partial(preprocessing.pixels, resize=resize)
            )
            for by, resize in kernels.items()
        )
        apart = np.abs(plain.astype(np.int16) - fast)
        print(f"  {(apart > 0).mean():.2%} of the values differ, by {apart.max()} levels at most")
        if name == EMBEDDED:
            _compare(plain, fast)
    return 0


def _resized(
    name: str, images: Sequence[Image.Image], runs: int, pixels: Callable[[Image.Image], Pixels]
) -> Pixels:
    """Print how long it takes; return the pixels of all images."""
    spent = []
    for _ in range(runs):
        began = time.process_time()
        made = [pixels(image) for image in images]
        spent.append(1e3 * (time.process_time() - began) / len(images))
    print(f"{name}: {median(spent):.3f} ms of a core for each image, {min(spent):.3f} at least")
    return np.stack(made)


def _compare(plain: Pixels, fast: Pixels) -> None:
    """Print how far embeddings in fp32 are apart."""
    backbone, cache = backbone_named(EMBEDDED), cache_folder()
    weights = WeightsCache(cache).find(backbone)
    if weights is None:
        return
    exported = export_openvino(backbone, weights, cache, print)
    runtime = open_runtime("openvino", backbone, exported, "fp32")
    embeddings = [runtime.embed(pixels) for pixels in (plain, fast)]
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in embeddings)
    cosines = (one * other).sum(axis=1)
    print(f"  cosine of embeddings {cosines.mean():.6f} on average, {cosines.min():.5f} at least")


if __name__ == "__main__":
    sys.exit(main())

"""What one writes by hand to search: torch for the picture, numpy for the nearest embeddings.

    python -m benchmarks.peers.torch_search PHOTO VECTORS.npy PATHS.txt BACKBONE WEIGHTS.pth

The whole process is timed from outside. Only what it needs is imported, and the embeddings are
mapped, not copied: as fast as such a script gets without another runtime or another index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.backbones.torchvision_import import import_torchvision

NEAREST = 10


def resnet50(weights: str) -> tuple[torch.nn.Module, Any]:
    """Return torchvision's ResNet50 without its last layer, and its preset."""
    import_torchvision()
    from torchvision.models import ResNet50_Weights
    from torchvision.models import resnet50 as build

    network = build(weights=None)
    network.load_state_dict(torch.load(weights, weights_only=True, mmap=True))
    network.fc = torch.nn.Identity()
    return network, ResNet50_Weights.IMAGENET1K_V2.transforms()


def efficientnet_lite0(weights: str) -> tuple[torch.nn.Module, Any]:
    """Return timm's EfficientNet-Lite0 without its last layer, and its transforms."""
    import_torchvision()
    import timm
    from torchvision.transforms import v2

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    state = torch.load(weights, weights_only=True)
    # The file's names are those of another implementation; the order is the same.
    named = dict(zip(network.state_dict(), state.values(), strict=True))
    network.load_state_dict(named)
    network.classifier = torch.nn.Identity()
    transform = v2.Compose(
        [
            v2.Resize(256, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(224),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([127 / 255] * 3, [128 / 255] * 3),
        ]
    )
    return network, transform


BACKBONES = {"resnet50": resnet50, "efficientnet_lite0": efficientnet_lite0}


def main(photo: str, vectors: str, paths: str, backbone: str, weights: str) -> None:
    """Print the paths of the ten nearest images, best first."""
    network, transform = BACKBONES[backbone](weights)
    with Image.open(photo) as opened:
        image = transform(opened.convert("RGB"))
    with torch.inference_mode():
        embedding = network.eval()(image[None])[0].numpy()
    known = np.load(vectors, mmap_mode="r")
    scores = known @ (embedding / np.linalg.norm(embedding))
    nearest = np.argpartition(-scores, NEAREST)[:NEAREST]
    names = Path(paths).read_text(encoding="utf-8").splitlines()
    for row in nearest[np.argsort(-scores[nearest])]:
        print(f"{scores[row]:.4f} {names[row]}")


if __name__ == "__main__":
    main(*sys.argv[1:])

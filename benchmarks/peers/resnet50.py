"""ResNet50 without its last layer and its weights' own preset, as torchvision builds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def trunk_and_transform() -> tuple[nn.Module, Callable[[Any], Any]]:
    """Return the network, in evaluation mode, and what turns a picture into its input.

    The weights come from `TORCH_HOME`, where the benchmarks have put a file with the name that
    torchvision looks for.
    """
    from engine.backbones.torchvision_import import import_torchvision

    import_torchvision()
    from torch import nn
    from torchvision.models import ResNet50_Weights, resnet50

    weights = ResNet50_Weights.IMAGENET1K_V2
    network = resnet50(weights=weights).eval()
    network.fc = nn.Identity()
    return network, weights.transforms()

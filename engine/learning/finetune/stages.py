"""A backbone taken apart into stages, one after the other, so that it can be cut between two.

Below the cut nothing is trained: its features can be cached, and its BatchNorms stay as they are.
Libraries nest their networks differently, and do some steps in `forward` alone; here is one
function per family that says what comes after what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from engine.backbones.table import Backbone
from engine.errors import UsageError

Stage = tuple[str, nn.Module]


def stages_of(backbone: Backbone, network: nn.Module) -> list[Stage]:
    """Return the stages of a network whose last layer was taken off, from pixels to embedding.

    They are the network's own modules, not copies: training a stage trains the network.

    Parameters
    ----------
    network
        As `engine.backbones.networks.load` builds it, in `Loaded.module.network`.
    """
    for prefix, stages in _FAMILIES:
        if backbone.architecture.startswith(prefix):
            return list(stages(network))
    raise UsageError(
        backbone.name, "it cannot be taken apart", "Fine-tune another backbone of the table"
    )


def block_names(backbone: Backbone, network: nn.Module) -> tuple[str, ...]:
    """Return the names of the stages that have something to train."""
    stages = stages_of(backbone, network)
    return tuple(name for name, stage in stages if next(stage.parameters(), None) is not None)


def cut(backbone: Backbone, network: nn.Module, block: str) -> tuple[nn.Sequential, list[Stage]]:
    """Return what comes before a block, and the stages from it on.

    Raises
    ------
    UsageError
        There is no such block; the message lists those there are.
    """
    stages = stages_of(backbone, network)
    names = block_names(backbone, network)
    if block not in names:
        raise UsageError(
            block, f"{backbone.name} has no such block", f"Name one of {', '.join(names)}"
        )
    first = [name for name, _ in stages].index(block)
    return nn.Sequential(*(stage for _, stage in stages[:first])), stages[first:]


class _Flatten(nn.Module):
    """Mean over height and width, `[n, channels, height, width]` to `[n, channels]`."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.flatten(nn.functional.adaptive_avg_pool2d(values, (1, 1)), 1)


def _resnet(network: nn.Module) -> Iterator[Stage]:
    parts = ("conv1", "bn1", "relu", "maxpool")
    yield "stem", nn.Sequential(*(network.get_submodule(part) for part in parts))
    for name in ("layer1", "layer2", "layer3", "layer4"):
        yield name, network.get_submodule(name)
    yield "pool", nn.Sequential(network.get_submodule("avgpool"), nn.Flatten())


def _efficientnet(network: nn.Module) -> Iterator[Stage]:
    yield "stem", nn.Sequential(*map(network.get_submodule, ("conv_stem", "bn1")))
    for number, block in enumerate(network.get_submodule("blocks").children()):
        yield f"block{number}", block
    yield "top", nn.Sequential(*map(network.get_submodule, ("conv_head", "bn2")))
    yield "pool", network.get_submodule("global_pool")


def _mobilenet(network: nn.Module) -> Iterator[Stage]:
    for number, block in enumerate(network.get_submodule("features").children()):
        yield f"block{number}", block
    yield "pool", _Flatten()


def _densenet(network: nn.Module) -> Iterator[Stage]:
    features = network.get_submodule("features")
    yield "stem", nn.Sequential(*map(features.get_submodule, ("conv0", "norm0", "relu0", "pool0")))
    for number in range(1, 5):
        yield f"block{number}", features.get_submodule(f"denseblock{number}")
        if number < 4:
            yield f"transition{number}", features.get_submodule(f"transition{number}")
    yield "top", features.get_submodule("norm5")
    yield "pool", nn.Sequential(nn.ReLU(), _Flatten())


def _vgg(network: nn.Module) -> Iterator[Stage]:
    block: list[nn.Module] = []
    number = 1
    for part in network.get_submodule("features").children():
        block.append(part)
        if isinstance(part, nn.MaxPool2d):
            yield f"block{number}", nn.Sequential(*block)
            block, number = [], number + 1
    yield "pool", nn.Sequential(network.get_submodule("avgpool"), nn.Flatten())
    # Without its last layer the classifier is two dense layers, each with ReLU and dropout.
    dense = list(network.get_submodule("classifier").children())
    yield "dense1", nn.Sequential(*dense[:3])
    yield "dense2", nn.Sequential(*dense[3:6])


_FAMILIES: tuple[tuple[str, Callable[[nn.Module], Iterator[Stage]]], ...] = (
    ("resnet", _resnet),
    ("tf_efficientnet_lite", _efficientnet),
    ("mobilenet_v2", _mobilenet),
    ("densenet", _densenet),
    ("vgg", _vgg),
)

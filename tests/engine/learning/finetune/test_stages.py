"""Backbones taken apart: the stages, one after the other, are the network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.backbones.table import BACKBONES, Backbone, backbone_named
from engine.backbones.torchvision_import import import_torchvision
from engine.errors import UsageError
from engine.learning.finetune.stages import block_names, cut, stages_of

EACH = pytest.mark.parametrize("backbone", BACKBONES, ids=lambda each: each.name)
FAMILIES = [
    each
    for each in BACKBONES
    if each.name in ("resnet18", "efficientnet_lite0", "mobilenet_v2", "densenet121", "vgg16")
]
ONE_OF_A_FAMILY = pytest.mark.parametrize("backbone", FAMILIES, ids=lambda each: each.name)


def built(backbone: Backbone, device: str = "cpu") -> nn.Module:
    """The network without its last layer, with random weights."""
    import_torchvision()
    torch.manual_seed(0)
    with torch.device(device):
        network: nn.Module
        if backbone.library == "timm":
            import timm

            network = timm.create_model(backbone.architecture, pretrained=False)
        else:
            from torchvision.models import get_model

            network = get_model(backbone.architecture, weights=None)
    network.set_submodule(backbone.classifier, nn.Identity())
    return network.eval()


@pytest.mark.slow
@ONE_OF_A_FAMILY
def test_the_stages_one_after_the_other_are_the_network(backbone: Backbone) -> None:
    network = built(backbone)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        values = pixels
        for _, stage in stages_of(backbone, network):
            values = stage(values)
        assert torch.equal(torch.flatten(values, 1), torch.flatten(network(pixels), 1))


@EACH
def test_every_parameter_is_in_one_stage(backbone: Backbone) -> None:
    network = built(backbone, "meta")
    stages = stages_of(backbone, network)
    inside = [id(each) for _, stage in stages for each in stage.parameters()]
    assert sorted(inside) == sorted(id(each) for each in network.parameters())
    names = [name for name, _ in stages]
    assert len(set(names)) == len(names)


@EACH
def test_blocks_are_the_stages_with_something_to_train(backbone: Backbone) -> None:
    network = built(backbone, "meta")
    names = block_names(backbone, network)
    assert len(names) >= 5
    assert "pool" not in names


def test_a_cut_leaves_the_rest_on_the_other_side() -> None:
    backbone = backbone_named("resnet18")
    network = built(backbone)
    below, above = cut(backbone, network, "layer4")
    assert [name for name, _ in above] == ["layer4", "pool"]
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert below(pixels).shape == (1, 256, 4, 4)


def test_a_cut_before_everything_leaves_nothing_below() -> None:
    backbone = backbone_named("resnet18")
    below, above = cut(backbone, built(backbone, "meta"), "stem")
    assert len(below) == 0 and len(above) == 6


@pytest.mark.parametrize("wrong", ["", "layer5", "pool", "fc"])
def test_a_block_that_is_not_there_is_refused_with_those_that_are(wrong: str) -> None:
    backbone = backbone_named("resnet18")
    with pytest.raises(UsageError) as caught:
        cut(backbone, built(backbone, "meta"), wrong)
    assert "stem, layer1, layer2, layer3, layer4" in caught.value.remedy

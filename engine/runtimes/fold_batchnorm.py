"""BatchNorm folded into the convolutions in front of it, for networks that only run forward.

At inference a BatchNorm multiplies each channel by a constant and adds another. A convolution
just before it can do both at no cost. Imports torch.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.runtimes.bf16_rounding import sum_preserving_bf16


def fold_batch_norms(network: nn.Module, example: torch.Tensor) -> int:
    """Fold BatchNorms into convolutions, in place; return how many.

    Which convolution stands before which BatchNorm is seen while `example` passes through, so it
    does not matter how a library nests its modules. A pair is left alone where one of both is
    used twice. That nothing else reads the convolution's output is not checked: a library in which
    something does would be wrong by more than rounding, and the tests of every backbone would fail.

    Parameters
    ----------
    network
        In eval mode.
    example
        One input, float32 `[1, 3, height, width]`.
    """
    pairs = _pairs(network, example)
    for convolution_name, norm_name in pairs:
        convolution, norm = map(network.get_submodule, (convolution_name, norm_name))
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        network.set_submodule(convolution_name, fuse_conv_bn_eval(convolution, norm))
        network.set_submodule(norm_name, _without_norm(norm))
    return len(pairs)


def to_bfloat16(network: nn.Module) -> None:
    """Turn a network's weights to bfloat16, in place, each filter keeping its sum."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            rounded = sum_preserving_bf16(module.weight.detach().numpy())
            module.weight.data = torch.from_numpy(rounded)
    network.to(torch.bfloat16)


def _pairs(network: nn.Module, example: torch.Tensor) -> list[tuple[str, str]]:
    """Return the names of each convolution and the BatchNorm that reads its output."""
    # References to the outputs, so that no other tensor can get the `id` of one of them.
    outputs: dict[int, tuple[str, torch.Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    calls: Counter[str] = Counter()
    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):

            def after(_: nn.Module, __: object, output: torch.Tensor, name: str = name) -> None:
                outputs[id(output)] = name, output
                calls[name] += 1

            handles.append(module.register_forward_hook(after))
        elif isinstance(module, nn.BatchNorm2d):

            def before(_: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
                calls[name] += 1
                if id(inputs[0]) in outputs:
                    pairs.append((outputs[id(inputs[0])][0], name))

            handles.append(module.register_forward_pre_hook(before))
    with torch.inference_mode():
        network(example)
    for handle in handles:
        handle.remove()
    return [pair for pair in pairs if calls[pair[0]] == calls[pair[1]] == 1]


def _without_norm(norm: nn.Module) -> nn.Module:
    """Return what a BatchNorm does beside normalizing: timm's have an activation, too."""
    rest = [part for part in norm.children() if not isinstance(part, nn.Identity)]
    return nn.Sequential(*rest) if rest else nn.Identity()

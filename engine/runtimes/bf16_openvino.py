"""An exported network with its weights rounded to bfloat16, filter by filter.

OpenVINO rounds float32 weights to the nearest bfloat16 when it compiles a network in bf16. These
weights are exact in bfloat16 already, so that it finds nothing to round.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.runtimes.bf16_rounding import sum_preserving_bf16
from engine.runtimes.openvino import import_openvino

CONVOLUTIONS = ("Convolution", "GroupConvolution")


def save_bf16(model: Path, target: Path) -> None:
    """Read a network and write it again with the weights of its convolutions rounded."""
    openvino = import_openvino()
    network = openvino.Core().read_model(str(model))
    for convolution in convolutions(network):
        round_weights(convolution)
    openvino.save_model(network, str(target), compress_to_fp16=False)


def convolutions(network: Any) -> list[Any]:
    """Return an OpenVINO model's convolutions in the order in which they are computed."""
    return [node for node in network.get_ordered_ops() if node.get_type_name() in CONVOLUTIONS]


def round_weights(convolution: Any) -> None:
    """Round one convolution's weights in place; those that are computed stay as they are."""
    constant = convolution.input_value(1).get_node()
    if constant.get_type_name() != "Constant":
        return
    weights = np.array(constant.data, np.float32)
    # `[groups, outputs, inputs, ...]` where there are groups, else `[outputs, inputs, ...]`.
    lead = 2 if convolution.get_type_name() == "GroupConvolution" else 1
    filters = weights.reshape(-1, *weights.shape[lead:])
    rounded = sum_preserving_bf16(filters).reshape(weights.shape)
    replacement = import_openvino().op.Constant(rounded)
    replacement.set_friendly_name(constant.get_friendly_name())
    convolution.input(1).replace_source_output(replacement.output(0))

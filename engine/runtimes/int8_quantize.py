"""Quantizing an exported network to int8. Everything here imports NNCF, which is optional.

Post-training quantization: weights and activations get scales from what the network computes of
a few hundred pictures (Jacob et al., 2018, https://arxiv.org/abs/1712.05877), and what the layers
are off by on average goes into their biases (NNCF's fast bias correction). The mixed preset keeps
the signs of activations apart. The first convolutions stay in floating point: they read pixels,
where a step of the scale is a step of brightness in the whole picture, and cost little. With
EfficientNet-Lite0 that raises the mean cosine to fp32 from 0.987 to 0.996.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.pictures.preprocess import Pixels
from engine.runtimes.bf16_openvino import convolutions, round_weights
from engine.runtimes.openvino import import_openvino

FLOATING_CONVOLUTIONS = 3


def import_nncf() -> Any:
    """Return the module `nncf`, imported with its telemetry switched off, as OpenVINO's is.

    Raises
    ------
    EngineError
        It is not installed.
    """
    import_openvino()
    known = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
    except ModuleNotFoundError as error:
        if error.name != "nncf":
            raise
        raise EngineError(
            "--precision int8",
            "it needs NNCF, which is not installed",
            "Install it with `pip install 'image-engine[int8]'`, or take --precision bf16",
        ) from None
    finally:
        if known is not None:
            sys.modules["openvino_telemetry"] = known
    nncf.set_log_level(logging.CRITICAL)  # it logs to stdout, which is for answers
    return nncf


def save_quantized(
    model: Path, images: Sequence[Pixels], target: Path, progress: Callable[[int], None]
) -> None:
    """Quantize a network and write it.

    Parameters
    ----------
    model
        The network in fp32, as `save_model` wrote it.
    images
        Its inputs for typical pictures, each uint8 `[crop, crop, 3]`. The same ones in the same
        order give the same file.
    target
        Where to write it.
    progress
        Called with the number of pictures that have been run.

    Raises
    ------
    EngineError
        NNCF is not installed.
    """
    nncf = import_nncf()
    openvino = import_openvino()
    network = openvino.Core().read_model(str(model))
    # Some names come from counters that run on in a process; the file must not depend on them.
    _number(network)
    floating = convolutions(network)[:FLOATING_CONVOLUTIONS]
    for convolution in floating:
        round_weights(convolution)
    done = 0

    def feed(pixels: Pixels) -> Pixels:
        nonlocal done
        done += 1
        progress(done)
        batch: Pixels = pixels[None]
        return batch

    # NNCF draws bars on stdout, which is for answers.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = nncf.quantize(
            network,
            nncf.Dataset(list(images), feed),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=[each.get_friendly_name() for each in floating]),
        )
    _number(quantized)
    openvino.save_model(quantized, str(target), compress_to_fp16=False)


def _number(network: Any) -> None:
    for number, node in enumerate(network.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")

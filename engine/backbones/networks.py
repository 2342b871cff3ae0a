"""Networks as torch builds them, with the last layer taken off. Everything here imports torch."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.backbones.table import Backbone
from engine.backbones.torchvision_import import import_torchvision
from engine.errors import WeightsCorruptError
from engine.pictures.preprocess import Preprocessing
from index.errors import briefly
from index.records import Floats


@dataclass(frozen=True, slots=True)
class Loaded:
    """A backbone in memory.

    Attributes
    ----------
    module
        From pixels uint8 `[n, crop, crop, 3]` to embeddings float32 `[n, dim]`.
    classifier_weight, classifier_bias
        The layer that was taken off, float32 `[1000, dim]` and `[1000]`.
    categories
        Names of its rows.
    """

    module: Frozen
    classifier_weight: Floats
    classifier_bias: Floats
    categories: tuple[str, ...]


class Frozen(nn.Module):
    """A backbone with its preprocessing's arithmetic in front."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            scaled = torch.tensor(values, dtype=torch.float32).mul(255).reshape(1, 3, 1, 1)
            self.register_buffer(name, scaled)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return embeddings `[n, dim]` of pixels uint8 `[n, height, width, 3]`."""
        planes = pixels.permute(0, 3, 1, 2).to(self.mean.dtype)
        return torch.flatten(self.network((planes - self.mean) / self.std), 1)


def load(backbone: Backbone, path: Path) -> Loaded:
    """Build a backbone and load its weights.

    Raises
    ------
    WeightsCorruptError
        The file does not fit the architecture.
    """
    return _loaded(backbone, load_state(backbone, path))


def check_weights(backbone: Backbone, path: Path) -> None:
    """Insist that a network with these weights gives embeddings and categories that are numbers.

    Two pictures, one plain and one at random, are sent through it: finite weights may still be so
    large that what is computed with them is not.

    Raises
    ------
    WeightsCorruptError
        The file does not fit the architecture, or something in it or computed with it is NaN or
        infinite.
    """
    state = load_state(backbone, path)
    loaded = _loaded(backbone, state)
    side = backbone.preprocessing.crop
    pixels = torch.full((2, side, side, 3), 127, dtype=torch.uint8)
    pixels[1].random_(0, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        vectors = loaded.module(pixels).numpy()
    with np.errstate(all="ignore"):
        logits = vectors @ loaded.classifier_weight.T + loaded.classifier_bias
        lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(logits).all() and np.isfinite(lengths).all()):
        raise _not_finite(path, "what the network computes with them")


def _loaded(backbone: Backbone, state: dict[str, torch.Tensor]) -> Loaded:
    network = build(backbone)
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    classifier = network.get_submodule(backbone.classifier)
    assert isinstance(classifier, nn.Linear)
    network.set_submodule(backbone.classifier, nn.Identity())
    return Loaded(
        Frozen(network, backbone.preprocessing).eval(),
        classifier.weight.numpy().astype(np.float32),
        classifier.bias.numpy().astype(np.float32),
        imagenet_categories(),
    )


def load_state(backbone: Backbone, path: Path) -> dict[str, torch.Tensor]:
    """Read a weights file and check it against the architecture, tensor by tensor.

    Raises
    ------
    WeightsCorruptError
        It cannot be read, names or shapes differ, or a number in it is NaN or infinite.
    """
    state = _read(backbone, path)
    with torch.device("meta"):
        wanted = build(backbone).state_dict()
    if backbone.renamed:
        state = {re.sub(*backbone.renamed, name): tensor for name, tensor in state.items()}
    if backbone.tensors_in_order and len(state) == len(wanted) and set(state) != set(wanted):
        state = dict(zip(wanted, state.values(), strict=True))
    # Files of before 2018 lack them, and nothing that is frozen counts batches.
    counters = [name for name in wanted if name.endswith(".num_batches_tracked")]
    state |= {name: torch.tensor(0) for name in counters if name not in state}
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    shaped = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    for names, what in ((missing, "lacks"), (extra, "has no use for"), (shaped, "resizes")):
        if names:
            raise WeightsCorruptError(
                path,
                f"these are not weights of {backbone.architecture}: the file {what} "
                f"{len(names)} tensors, {briefly(names[0])} for one",
                "Import a file made for this very architecture",
            )
    for name, tensor in state.items():
        # Of 64 bits a number may be finite that of 32 is not.
        if not torch.isfinite(tensor.to(wanted[name].dtype)).all():
            raise _not_finite(path, f"a number in its tensor {name}")
    return state


def _not_finite(path: Path, what: str) -> WeightsCorruptError:
    return WeightsCorruptError(
        path, f"{what} is NaN or infinite", "Fetch or copy it again, or use another file"
    )


def imagenet_categories() -> tuple[str, ...]:
    """Return the 1000 names of ImageNet's categories in the order of the classifier's rows."""
    import_torchvision()
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V2.meta["categories"])


def build(backbone: Backbone) -> nn.Module:
    """Return the network as its library builds it, with random weights and its last layer."""
    import_torchvision()
    return LIBRARIES[backbone.library](backbone.architecture)


def _torchvision(architecture: str) -> nn.Module:
    import torchvision

    network: nn.Module = torchvision.models.get_model(architecture, weights=None)
    return network


def _timm(architecture: str) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(architecture, pretrained=False)
    return network


# Who builds the network of a row.
LIBRARIES: dict[str, Callable[[str], nn.Module]] = {"torchvision": _torchvision, "timm": _timm}


def _read(backbone: Backbone, path: Path) -> dict[str, torch.Tensor]:
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            with warnings.catch_warnings():
                # Of how a file was pickled: if it can be read it does not matter.
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(map(_is_plain, state, state.values())):
            raise ValueError("it holds no plain table of tensors")
        return dict(state)
    except Exception as error:  # torch and zipfile raise many kinds on a broken file
        raise WeightsCorruptError(
            path,
            f"it cannot be read as weights of {backbone.name} "
            f"({str(error).splitlines()[0][:120] if str(error) else type(error).__name__})",
            "Fetch or copy it again; pickled objects other than tensors are never loaded",
        ) from None


def _is_plain(name: object, value: object) -> bool:
    """Say whether this is a named tensor that lies in memory number by number."""
    return (
        isinstance(name, str)
        and isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )

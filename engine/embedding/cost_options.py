"""What is said of a catalog whose cost is asked for; each field is an option of `engine cost`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from engine.backbones.table import backbone_named
from engine.config import DTYPES
from engine.errors import UsageError
from engine.options import Option, check_options

# Images a second and core, from benchmarks/results/REPORT.md: ResNet50 in fp32 on two cores did
# 46.6. The small networks did 261 from small files; 90 leaves room for photographs as they come.
RATES = {"efficientnet_lite0": 90.0, "resnet50": 23.0}


@dataclass(frozen=True, slots=True)
class CostOptions:
    """What is to be embedded and kept, on what machines, at which prices.

    Prices are rounded list prices in US dollars: of a core-hour that of June 2026, of object
    storage those that have been listed for years. Hand in your own.

    Raises
    ------
    UsageError
        A value is one that it cannot have, or no rate is known of the backbone.
    """

    images: Annotated[float, Option("How many images, such as 1e10.", minimum=1, maximum=1e15)]
    backbone: Annotated[
        str, Option("The backbone, which says how long embeddings are.", metavar="NAME")
    ] = "efficientnet_lite0"
    images_per_second_core: Annotated[
        float | None,
        Option(
            "Images that one core embeds in a second, decoding included. `engine index` tells it "
            "of your own.",
            minimum=1e-3,
            maximum=1e6,
            metavar="N",
            shown="90 for efficientnet_lite0, 23 for resnet50",
        ),
    ] = None
    dtype: Annotated[
        str, Option("What embeddings are stored as.", choices=DTYPES, metavar="|".join(DTYPES))
    ] = "float16"
    pca: Annotated[
        int,
        Option("Code vectors of the index on 256 of their directions; 0 for all.", metavar="0|256"),
    ] = 0
    images_per_object: Annotated[
        int,
        Option(
            "Images that one request to object storage brings: 1 for files, thousands for tar and "
            "parquet.",
            minimum=1,
            maximum=10**9,
            metavar="N",
        ),
    ] = 1
    price_core_hour: Annotated[
        float, Option("Of one core for an hour.", minimum=0, maximum=1e6, metavar="DOLLARS")
    ] = 0.04
    price_get: Annotated[
        float, Option("Of a thousand GET requests.", minimum=0, maximum=1e6, metavar="DOLLARS")
    ] = 0.0004
    price_gb_month: Annotated[
        float, Option("Of 1e9 bytes for a month.", minimum=0, maximum=1e6, metavar="DOLLARS")
    ] = 0.023
    cores: Annotated[int, Option("Of one machine.", minimum=1, maximum=10_000, metavar="N")] = 16
    memory_gb: Annotated[
        float, Option("Of one machine, in 1e9 bytes.", minimum=1, maximum=1e6, metavar="GB")
    ] = 64.0
    disk_gb: Annotated[
        float, Option("Of one machine, in 1e9 bytes.", minimum=1, maximum=1e9, metavar="GB")
    ] = 2000.0
    days: Annotated[
        float, Option("In which all is to be embedded.", minimum=0.001, maximum=1e5, metavar="N")
    ] = 7.0

    def __post_init__(self) -> None:
        """Check all values."""
        check_options(self)
        if self.pca not in (0, 256):
            raise UsageError(f"--pca {self.pca}", "it is no such number", "Use 256, or 0 for all")
        if self.images_per_second_core is None and backbone_named(self.backbone).name not in RATES:
            raise UsageError(
                f"--backbone {self.backbone}",
                "how fast it is on a core was not measured",
                "Give --images-per-second-core, as `engine index` tells it",
            )

    @property
    def rate(self) -> float:
        """Images that one core embeds in a second."""
        return self.images_per_second_core or RATES[backbone_named(self.backbone).name]

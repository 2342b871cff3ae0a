"""The furniture of the demo: one builder per category, each a function of a generator."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from demo.furniture.hard import chair, table
from demo.furniture.lamp import lamp
from demo.furniture.soft import bed, sofa
from demo.scene import Scene

__all__ = ["BUILDERS", "bed", "chair", "lamp", "sofa", "table"]

BUILDERS: MappingProxyType[str, Callable[[np.random.Generator], Scene]] = MappingProxyType(
    {"bed": bed, "chair": chair, "lamp": lamp, "sofa": sofa, "table": table}
)

"""The furniture of the demo: one builder per category, each a function of a generator."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from engine.demo.furniture_hard import chair, table
from engine.demo.furniture_lamp import lamp
from engine.demo.furniture_soft import bed, sofa
from engine.demo.scene import Scene

__all__ = ["BUILDERS", "bed", "chair", "lamp", "sofa", "table"]

BUILDERS: MappingProxyType[str, Callable[[np.random.Generator], Scene]] = MappingProxyType(
    {"bed": bed, "chair": chair, "lamp": lamp, "sofa": sofa, "table": table}
)

"""Results as what JSON knows: the same for every program that asks, by whichever way."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any


def plain(value: object) -> Any:
    """Return a result as dictionaries, lists, texts and numbers.

    Paths and times are texts; NaN and infinity, of which JSON knows nothing, are None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return os.fspath(value) if isinstance(value, os.PathLike) else value

"""A machine that tests make up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Hardware whose answers are known."""

    bf16: bool = False
    gpu: str | None = None

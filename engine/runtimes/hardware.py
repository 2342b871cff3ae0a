"""What this machine computes in by itself, found out without starting a runtime."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def has_bf16() -> bool:
    """Say whether this processor computes in bfloat16 by itself.

    OpenVINO could answer everywhere, but importing it takes a fifth of a second, and its list of
    capabilities names BF16 for every AVX-512, on most of which it is emulated and slow.
    """
    if platform.system() == "Linux":
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_linux_flags())
    if platform.system() == "Darwin":
        return False
    from engine.runtimes.openvino import prefers_bf16

    return prefers_bf16()


def has_cuda() -> bool:
    """Say whether there is a GPU of NVIDIA's."""
    return Path("/dev/nvidia0").exists()


def _linux_flags() -> list[str]:
    """Return what the first processor can do, in Linux's words."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            return next((line for line in lines if line.startswith("flags")), "").split()
    except OSError:
        return []

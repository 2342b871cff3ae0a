"""What this machine computes with, found out without starting a runtime.

PyTorch is the last to be asked whether it reaches a GPU: importing it takes over a second, and a
search on a CPU never does.
"""

from __future__ import annotations

import platform
import sys
import warnings
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Protocol

CPUINFO = Path("/proc/cpuinfo")
# The library of NVIDIA's driver, through which PyTorch reaches a GPU on Linux, in containers, in
# WSL2 and on Windows.
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class Hardware(Protocol):
    """What the choice of a runtime and of a precision depends on."""

    @property
    def bf16(self) -> bool:
        """Whether the CPU computes in bfloat16 by itself."""

    @property
    def gpu(self) -> str | None:
        """The torch device of a GPU that PyTorch reaches, `cuda` or `mps`; None for none."""


class ThisMachine:
    """Hardware that is asked when an answer first matters, and once."""

    @cached_property
    def bf16(self) -> bool:
        """Whether the CPU computes in bfloat16 by itself."""
        return native_bf16()

    @cached_property
    def gpu(self) -> str | None:
        """The torch device of a GPU that PyTorch reaches, `cuda` or `mps`; None for none."""
        return reachable_gpu()


THIS_MACHINE = ThisMachine()


def runs_on_torch(kind: str, hardware: Hardware) -> bool:
    """Say whether a runtime of this kind is PyTorch here: on request, or where there is a GPU."""
    return kind == "torch" or (kind == "auto" and hardware.gpu is not None)


def native_bf16(system: str = sys.platform, cpuinfo: Path = CPUINFO) -> bool:
    """Say whether this processor computes in bfloat16 by itself.

    OpenVINO could answer everywhere, but importing it takes a fifth of a second, and its list of
    capabilities names BF16 for every AVX-512, on most of which it is emulated and slow.
    """
    if system == "linux":
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_flags(cpuinfo))
    if system == "darwin":
        return False
    from engine.runtimes.openvino import prefers_bf16

    return prefers_bf16()


def _flags(cpuinfo: Path) -> list[str]:
    """Return what the first processor can do, in Linux's words."""
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            return next((line for line in lines if line.startswith("flags")), "").split()
    except OSError:
        return []


def torch_gpu() -> str | None:
    """Import PyTorch and return the device of the GPU that it reaches, None for none."""
    try:
        import torch
    except ImportError:
        return None
    with warnings.catch_warnings():
        # A driver too old for this build of PyTorch is no GPU, and nothing to warn of.
        warnings.simplefilter("ignore")
        if torch.cuda.is_available():
            return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def built_for_cuda(torch: Path | None = None) -> bool:
    """Say whether the installed PyTorch was built for CUDA, without importing it.

    Its file `version.py` says so and imports nothing. Where it does not tell, PyTorch has to.

    Parameters
    ----------
    torch
        The folder of the package, to overrule the installed one.
    """
    try:
        if torch is None:
            found = find_spec("torch")
            torch = Path(found.origin).parent if found and found.origin else Path()
        spec = spec_from_file_location("_torch_version", torch / "version.py")
        assert spec is not None and spec.loader is not None
        version = module_from_spec(spec)
        spec.loader.exec_module(version)
    except (ImportError, OSError, ValueError):
        return False
    return getattr(version, "cuda", "unknown") is not None


def cuda_devices(driver: str | Path = DRIVER) -> int:
    """Return how many GPUs NVIDIA's driver offers to this process, 0 where there is no driver.

    The driver's own library knows what files in /dev do not tell: which GPUs a container may use,
    those that Windows lends to WSL2, and CUDA_VISIBLE_DEVICES.
    """
    import ctypes

    try:
        cuda = ctypes.CDLL(str(driver))
        count = ctypes.c_int()
        failed = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else count.value


def reachable_gpu(
    system: str = sys.platform,
    machine: str | None = None,
    *,
    devices: Callable[[], int] = cuda_devices,
    built: Callable[[], bool] = built_for_cuda,
    ask_torch: Callable[[], str | None] = torch_gpu,
) -> str | None:
    """Return the torch device of a GPU that PyTorch reaches, None for none.

    Parameters
    ----------
    system, machine
        What runs here, in the words of `sys.platform` and `platform.machine`.
    devices, built, ask_torch
        The questions, from the cheapest to the dearest; the first that denies a GPU is the last.
    """
    if system == "darwin":
        plausible = (machine or platform.machine()) == "arm64"
    else:
        plausible = devices() > 0 and built()
    return ask_torch() if plausible else None

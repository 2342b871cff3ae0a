"""What this machine computes with: the cheap questions first, PyTorch last, each of them once."""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.runtimes.hardware import (
    ThisMachine,
    built_for_cuda,
    cuda_devices,
    native_bf16,
    reachable_gpu,
    runs_on_torch,
    torch_gpu,
)
from tests.support.machine import Machine

CPUINFO = "processor\t: 0\nvendor_id\t: Somebody\nflags\t\t: fpu sse2 {flags}\nbugs\t\t:\n"
DRIVER = """
int cuInit(unsigned int flags) {{ return {status}; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
"""
Compile = Callable[[str], Path]


@pytest.fixture
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """A function that makes a shared library of C.

    It stays until the run ends: the loader takes a file of the same inode for one that it has.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a driver with")

    def make(source: str) -> Path:
        folder = tmp_path_factory.mktemp("driver")
        code, library = folder / "driver.c", folder / "driver.so"
        code.write_text(source)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, code], check=True)
        return library

    return make


@pytest.mark.parametrize("count", [0, 1, 4])
def test_the_driver_says_how_many_gpus_there_are(compiled: Compile, count: int) -> None:
    assert cuda_devices(compiled(DRIVER.format(status=0, count=count))) == count


def test_a_driver_that_cannot_start_offers_no_gpu(compiled: Compile) -> None:
    assert cuda_devices(compiled(DRIVER.format(status=100, count=1))) == 0


def test_without_a_driver_there_is_no_gpu(tmp_path: Path) -> None:
    assert cuda_devices(tmp_path / "libcuda.so.1") == 0


def test_what_is_no_driver_offers_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"no library")
    assert cuda_devices(tmp_path / "libcuda.so.1") == 0
    library = ctypes.util.find_library("c")
    if library is None:
        pytest.skip("no other library is known here")
    assert cuda_devices(library) == 0


def test_this_machine_s_driver_agrees_with_pytorch() -> None:
    if torch.version.cuda is None:
        pytest.skip("this PyTorch was not built for CUDA")
    assert (cuda_devices() > 0) is torch.cuda.is_available()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("from typing import Optional\ncuda: Optional[str] = None\n", False),
        ("cuda = '13.0'\n", True),
        ("__version__ = 'of a release that does not tell'\n", True),
    ],
)
def test_pytorch_s_version_says_whether_it_was_built_for_cuda(
    tmp_path: Path, version: str, expected: bool
) -> None:
    (tmp_path / "version.py").write_text(version)
    assert built_for_cuda(tmp_path) is expected


def test_without_pytorch_nothing_was_built_for_cuda(tmp_path: Path) -> None:
    assert built_for_cuda(tmp_path / "torch") is False


def test_the_installed_pytorch_is_asked_without_importing_it() -> None:
    code = """
import sys
from engine.runtimes.hardware import built_for_cuda
print(built_for_cuda(), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(torch.version.cuda is not None), "False"]


class Questions:
    """Answers of a machine that remember which of them were wanted."""

    def __init__(self, devices: int, built: bool, device: str | None) -> None:
        self.answers = {"devices": devices, "built": built, "ask_torch": device}
        self.asked: list[str] = []

    def gpu(self, system: str, machine: str = "x86_64") -> str | None:
        """What is found with them."""

        def ask(name: str) -> Callable[[], object]:
            return lambda: (self.asked.append(name), self.answers[name])[1]

        questions = {name: ask(name) for name in self.answers}
        return reachable_gpu(system, machine, **questions)  # type: ignore[arg-type]


@pytest.mark.parametrize("system", ["linux", "win32"])
@pytest.mark.parametrize(
    ("devices", "built", "device", "expected", "asked"),
    [
        (0, True, "cuda", None, ["devices"]),
        (1, False, "cuda", None, ["devices", "built"]),
        (1, True, None, None, ["devices", "built", "ask_torch"]),
        (1, True, "cuda", "cuda", ["devices", "built", "ask_torch"]),
    ],
    ids=["no GPU", "PyTorch for CPUs alone", "a driver too old for PyTorch", "a GPU"],
)
def test_pytorch_is_asked_last_and_only_where_there_may_be_a_gpu(
    system: str,
    devices: int,
    built: bool,
    device: str | None,
    expected: str | None,
    asked: list[str],
) -> None:
    questions = Questions(devices, built, device)
    assert questions.gpu(system) == expected
    assert questions.asked == asked


@pytest.mark.parametrize(
    ("machine", "device", "expected"),
    [("arm64", "mps", "mps"), ("arm64", None, None), ("x86_64", "mps", None)],
)
def test_a_mac_has_a_gpu_where_pytorch_reaches_one(
    machine: str, device: str | None, expected: str | None
) -> None:
    assert Questions(0, False, device).gpu("darwin", machine) == expected


def test_pytorch_names_a_device_that_it_has() -> None:
    expected = "mps" if torch.backends.mps.is_available() else None
    assert torch_gpu() == ("cuda" if torch.cuda.is_available() else expected)


@pytest.mark.parametrize(
    ("kind", "gpu", "expected"),
    [
        ("auto", None, False),
        ("auto", "cuda", True),
        ("auto", "mps", True),
        ("openvino", "cuda", False),
        ("torch", None, True),
    ],
)
def test_pytorch_runs_on_request_and_where_there_is_a_gpu(
    kind: str, gpu: str | None, expected: bool
) -> None:
    assert runs_on_torch(kind, Machine(gpu=gpu)) is expected


class Unasked:
    """A machine of which nothing may be asked."""

    @property
    def bf16(self) -> bool:
        """Nobody may know."""
        raise AssertionError("asked")

    gpu = bf16


@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_where_a_runtime_was_asked_for_no_gpu_is_looked_for(kind: str) -> None:
    assert runs_on_torch(kind, Unasked()) is (kind == "torch")  # type: ignore[arg-type]


def test_this_machine_answers_from_memory() -> None:
    here = ThisMachine()
    assert (here.bf16, here.gpu) == (native_bf16(), reachable_gpu())
    assert vars(here) == {"bf16": here.bf16, "gpu": here.gpu}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx512f avx2", False)],
)
def test_linux_says_what_the_processor_can(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags=flags))
    assert native_bf16("linux", tmp_path / "cpuinfo") is expected


def test_where_nothing_can_be_read_about_the_processor_it_has_no_bf16(tmp_path: Path) -> None:
    assert native_bf16("linux", tmp_path / "missing") is False
    (tmp_path / "empty").touch()
    assert native_bf16("linux", tmp_path / "empty") is False


def test_macs_have_no_bf16(tmp_path: Path) -> None:
    assert native_bf16("darwin") is False


def test_elsewhere_openvino_is_asked(tmp_path: Path) -> None:
    from engine.runtimes.openvino import prefers_bf16

    assert native_bf16("win32", tmp_path / "missing") is prefers_bf16()


def test_openvino_agrees_with_linux_about_this_processor() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux is asked by itself")
    assert native_bf16("linux") is native_bf16("win32")

"""Which arithmetic a command works in: asked for, the catalog's, or this processor's best."""

from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import pytest

from engine import Config, Engine
from engine.errors import BackboneMismatchError, UsageError
from engine.runtimes import hardware
from engine.runtimes.precision import choose_precision
from index.records import CatalogIdentity

CPUINFO = "processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu sse2 {flags}\nbugs\t\t:\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that sets what this machine can do."""

    def pretend(*, bf16: bool, cuda: bool = False, on_torch: bool = False) -> None:
        monkeypatch.setattr("engine.runtimes.precision.has_bf16", lambda: bf16)
        monkeypatch.setattr("engine.runtimes.precision.has_cuda", lambda: cuda)
        monkeypatch.setattr("engine.runtimes.precision.runs_on_torch", lambda kind: on_torch)

    return pretend


def identity(precision: str | None) -> CatalogIdentity | None:
    if precision is None:
        return None
    return CatalogIdentity("efficientnet_lite0", "0" * 64, 1280, "float16", precision)


def chosen(folder: Path, asked: str | None, own: str | None, **settings: Any) -> str:
    config = Config.at(folder / "store", precision=asked, **settings)
    return choose_precision(config, identity(own))


@pytest.mark.parametrize(
    ("asked", "own", "expected"),
    [
        (None, None, "bf16"),
        (None, "fp32", "fp32"),
        (None, "bf16", "bf16"),
        (None, "int8", "int8"),
        ("fp32", None, "fp32"),
        ("fp32", "bf16", "fp32"),
        ("bf16", "fp32", "bf16"),
        ("int8", "int8", "int8"),
    ],
)
def test_the_precision_is_the_one_asked_for_else_the_catalog_s_else_bf16(
    tmp_path: Path, machine: Any, asked: str | None, own: str | None, expected: str
) -> None:
    machine(bf16=True)
    assert chosen(tmp_path, asked, own) == expected


@pytest.mark.parametrize(("asked", "own"), [(None, None), (None, "bf16"), ("bf16", None)])
def test_a_processor_without_bf16_works_in_fp32(
    tmp_path: Path, machine: Any, asked: str | None, own: str | None
) -> None:
    machine(bf16=False)
    assert chosen(tmp_path, asked, own) == "fp32"


def test_a_catalog_in_int8_stays_so_without_bf16(tmp_path: Path, machine: Any) -> None:
    machine(bf16=False)
    assert chosen(tmp_path, None, "int8") == "int8"


def test_a_catalog_in_bf16_is_of_use_to_a_machine_without(
    tmp_path: Path, machine: Any, drawn: Path
) -> None:
    machine(bf16=True)
    with Engine.open(tmp_path / "store") as engine:
        assert engine.index([drawn / "bed"]).precision == "bf16"
    machine(bf16=False)
    with Engine.open(tmp_path / "store") as engine:
        hit = engine.search(drawn / "bed" / "bed-0002.jpg", k=1)[0]
        assert (Path(hit.path).name, hit.score > 0.997) == ("bed-0002.jpg", True)
        assert engine.index([drawn / "chair"]).precision == "fp32"
        assert engine.status().precision == "bf16"


def test_a_gpu_computes_in_bf16_whatever_the_processor_can(tmp_path: Path, machine: Any) -> None:
    machine(bf16=False, cuda=True, on_torch=True)
    assert chosen(tmp_path, "bf16", None) == "bf16"


def test_a_new_catalog_on_pytorch_is_in_fp32(tmp_path: Path, machine: Any) -> None:
    machine(bf16=True, cuda=True, on_torch=True)
    assert chosen(tmp_path, None, None) == "fp32"


@pytest.mark.parametrize(
    ("asked", "own"), [("fp32", "int8"), ("bf16", "int8"), ("int8", "fp32"), ("int8", "bf16")]
)
def test_int8_does_not_mix_with_the_others(
    tmp_path: Path, machine: Any, asked: str, own: str
) -> None:
    machine(bf16=True)
    with pytest.raises(BackboneMismatchError) as caught:
        chosen(tmp_path, asked, own)
    assert f"made in {own}, and embeddings in {asked} cannot be compared" in caught.value.reason
    assert "--store" in caught.value.remedy


def test_int8_without_a_catalog_is_refused(tmp_path: Path, machine: Any) -> None:
    machine(bf16=True)
    with pytest.raises(UsageError, match="engine index FOLDER --precision int8"):
        chosen(tmp_path, "int8", None)


def test_int8_on_pytorch_is_refused(tmp_path: Path, machine: Any) -> None:
    machine(bf16=True)
    with pytest.raises(UsageError, match="OpenVINO alone"):
        chosen(tmp_path, None, "int8", runtime="torch")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx512f avx2", False)],
)
def test_linux_says_what_the_processor_can(
    monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    text = CPUINFO.format(vendor="Somebody", flags=flags)
    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(builtins, "open", lambda *arguments, **options: io.StringIO(text))
    assert hardware.has_bf16.__wrapped__() is expected


def test_where_nothing_can_be_read_about_the_processor_it_has_no_bf16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(builtins, "open", refuse)
    assert hardware.has_bf16.__wrapped__() is False


def test_elsewhere_openvino_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.platform, "system", lambda: "Windows")
    monkeypatch.setattr("engine.runtimes.openvino.prefers_bf16", lambda: True)
    assert hardware.has_bf16.__wrapped__() is True


def test_openvino_agrees_with_linux_about_this_processor() -> None:
    from engine.runtimes.openvino import prefers_bf16

    if hardware.platform.system() != "Linux":
        pytest.skip("only Linux is asked by itself")
    assert hardware.has_bf16() is prefers_bf16()

"""Which arithmetic a command works in: asked for, the catalog's, or this processor's best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import Config, Engine
from engine.embedding.choose import choose_embedder
from engine.errors import BackboneMismatchError, UsageError
from engine.progress import SILENT
from engine.runtimes.precision import choose_precision
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity
from tests.support.machine import Machine

BF16 = Machine(bf16=True)


def identity(precision: str | None) -> CatalogIdentity | None:
    if precision is None:
        return None
    return CatalogIdentity("efficientnet_lite0", "0" * 64, 1280, "float16", precision)


def chosen(
    folder: Path, asked: str | None, own: str | None, machine: Machine = BF16, **settings: Any
) -> str:
    config = Config.at(folder / "store", precision=asked, **settings)
    return choose_precision(config, identity(own), machine)


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
    tmp_path: Path, asked: str | None, own: str | None, expected: str
) -> None:
    assert chosen(tmp_path, asked, own) == expected


@pytest.mark.parametrize(("asked", "own"), [(None, None), (None, "bf16"), ("bf16", None)])
def test_a_processor_without_bf16_works_in_fp32(
    tmp_path: Path, asked: str | None, own: str | None
) -> None:
    assert chosen(tmp_path, asked, own, Machine()) == "fp32"


def test_a_catalog_in_int8_stays_so_without_bf16(tmp_path: Path) -> None:
    assert chosen(tmp_path, None, "int8", Machine()) == "int8"


def engine_on(machine: Machine, store: Path) -> Engine:
    """An engine that works with what a machine has."""
    config = Config.at(store)
    own = None
    if config.store.exists():
        with Catalog.open(config.store.catalog) as catalog:
            own = catalog.identity
    return Engine(config, embedder=choose_embedder(config, own, SILENT, hardware=machine))


@pytest.mark.slow
def test_a_catalog_in_bf16_is_of_use_to_a_machine_without(
    tmp_path: Path, drawn: Path, exported: object
) -> None:
    with engine_on(BF16, tmp_path / "store") as engine:
        assert engine.index([drawn / "bed"]).precision == "bf16"
    with engine_on(Machine(), tmp_path / "store") as engine:
        hit = engine.search(drawn / "bed" / "bed-0002.jpg", k=1)[0]
        assert (Path(hit.path).name, hit.score > 0.997) == ("bed-0002.jpg", True)
        assert engine.index([drawn / "chair"]).precision == "fp32"
        assert engine.status().precision == "bf16"


def test_a_gpu_computes_in_bf16_whatever_the_processor_can(tmp_path: Path) -> None:
    assert chosen(tmp_path, "bf16", None, Machine(gpu="cuda")) == "bf16"


def test_a_mac_s_gpu_works_in_fp32(tmp_path: Path) -> None:
    assert chosen(tmp_path, "bf16", None, Machine(gpu="mps")) == "fp32"


def test_a_gpu_that_is_not_to_be_used_does_not_matter(tmp_path: Path) -> None:
    gpu = Machine(gpu="cuda")
    assert chosen(tmp_path, "bf16", None, gpu, runtime="openvino") == "fp32"


def test_a_new_catalog_on_pytorch_is_in_fp32(tmp_path: Path) -> None:
    assert chosen(tmp_path, None, None, Machine(bf16=True, gpu="cuda")) == "fp32"
    assert chosen(tmp_path, None, None, BF16, runtime="torch") == "fp32"


@pytest.mark.parametrize(
    ("asked", "own"), [("fp32", "int8"), ("bf16", "int8"), ("int8", "fp32"), ("int8", "bf16")]
)
def test_int8_does_not_mix_with_the_others(tmp_path: Path, asked: str, own: str) -> None:
    with pytest.raises(BackboneMismatchError) as caught:
        chosen(tmp_path, asked, own)
    assert f"made in {own}, and embeddings in {asked} cannot be compared" in caught.value.reason
    assert "--store" in caught.value.remedy


def test_int8_without_a_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="engine index FOLDER --precision int8"):
        chosen(tmp_path, "int8", None)


def test_int8_on_pytorch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="OpenVINO alone"):
        chosen(tmp_path, None, "int8", runtime="torch")

"""What is imported, and what is not: starting up must cost nothing that is not needed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
HEAVY = {"torch", "torchvision", "timm", "faiss", "openvino", "sqlalchemy", "sklearn", "scipy"}
LEARNING = {"torch", "torchvision", "timm", "sklearn", "scipy"}
# What only a fetch, a conversion, a progress bar, a writer or a plot needs.
ELSEWHERE = {
    "urllib.request",
    "http.client",
    "openvino.tools.ovc",
    "rich",
    "filelock",
    "fsspec",
    "pyarrow",
    "jinja2",
    "matplotlib",
    "pymilvus",
    "grpc",
    "tokenizers",
    "engine.search.text",
}
REPORT = """
import atexit, json, os, sys
modules = lambda: sorted(name for name, module in sys.modules.items() if module)
atexit.register(lambda: open(os.environ["MODULES"], "w").write(json.dumps(modules())))
"""


Imported = Callable[..., set[str]]


@pytest.fixture(scope="module")
def imported(engine: Run, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """Run the real command; return the names of the modules that were imported."""
    # No store is found there.
    folder = tmp_path_factory.mktemp("imported")

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> set[str]:
        file = folder / "modules.json"
        file.unlink(missing_ok=True)
        settings = {"MODULES": str(file)} | dict(env or {})
        done = engine(*arguments, first=REPORT, env=settings, cwd=folder)
        assert done.returncode == 0, done.stderr
        return set(json.loads(file.read_text()))

    return run


@pytest.mark.parametrize("command", ["", "search", "heads", "train", "finetune", "compare"])
def test_help_imports_nothing_heavy(imported: Imported, command: str) -> None:
    assert not imported(*command.split(), "--help") & (HEAVY | {"numpy", "PIL", "fsspec"})


def test_the_version_imports_nothing_heavy(imported: Imported) -> None:
    assert not imported("--version") & HEAVY


def test_backbones_are_listed_without_anything_heavy(imported: Imported) -> None:
    assert not imported("backbones", "list") & (HEAVY - {"sqlalchemy"})


def test_search_imports_nothing_that_learns(imported: Imported, trained: Path, drawn: Path) -> None:
    modules = imported("search", drawn / "bed" / "bed-0001.jpg", "--store", trained)
    assert {"openvino", "faiss"} <= modules, "the test looks at the right process"
    assert not modules & (LEARNING | {"openvino_telemetry"})


def test_search_imports_nothing_that_only_other_work_needs(
    imported: Imported, trained: Path, drawn: Path
) -> None:
    modules = imported("search", drawn / "bed" / "bed-0001.jpg", "--store", trained)
    assert not modules & ELSEWHERE


def test_classify_imports_nothing_that_learns(
    imported: Imported, trained: Path, drawn: Path
) -> None:
    modules = imported("classify", drawn / "bed" / "bed-0001.jpg", "--store", trained)
    assert "openvino" in modules
    assert not modules & (LEARNING | {"openvino_telemetry"})


NO_TORCH = """
import sys
for name in ("torch", "torchvision", "timm", "sklearn", "scipy"):
    sys.modules[name] = None
"""


def test_a_head_is_imported_and_asked_on_a_machine_without_torch(
    engine: Run, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    file, store = tmp_path / "furniture.safetensors", tmp_path / "store"
    image = drawn / "bed" / "bed-0001.jpg"
    for line in (
        ("heads", "export", "furniture", file, "--store", trained),
        ("index", drawn, "--store", store),
    ):
        assert engine(*line).returncode == 0
    done = engine("heads", "import", file, "--store", store, first=NO_TORCH)
    assert done.returncode == 0, done.stderr
    asked = ("classify", image, "--head", "furniture", "--json", "--store", store)
    done = engine(*asked, first=NO_TORCH)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["predictions"][0]["category"] == "bed"


@dataclass(frozen=True, slots=True)
class Quantized:
    """A store in int8, not to be changed; the cache that was made for it, and what that took."""

    store: Path
    env: Mapping[str, str]
    modules: set[str]


@pytest.fixture(scope="module")
def in_int8(imported: Imported, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    """A store in int8 that was made with an empty cache."""
    folder = tmp_path_factory.mktemp("int8")
    env = {"ENGINE_CACHE": str(folder / "cache")}
    line = ("index", drawn, "--precision", "int8", "--store", folder / "store")
    return Quantized(folder / "store", env, imported(*line, env=env))


@pytest.mark.parametrize("command", ["search", "classify"])
def test_a_catalog_in_int8_needs_nothing_that_quantized_it(
    imported: Imported, in_int8: Quantized, drawn: Path, command: str
) -> None:
    line = (command, drawn / "bed" / "bed-0001.jpg", "--store", in_int8.store)
    modules = imported(*line, env=in_int8.env)
    assert "openvino" in modules
    assert not modules & (LEARNING | {"nncf", "networkx", "openvino_telemetry"})


def test_classify_without_a_store_needs_neither_database_nor_index(
    imported: Imported, drawn: Path
) -> None:
    modules = imported("classify", drawn / "bed" / "bed-0001.jpg")
    assert not modules & (LEARNING | ELSEWHERE | {"sqlalchemy", "faiss"})


def test_status_starts_no_backbone(imported: Imported, trained: Path) -> None:
    assert not imported("status", "--store", trained) & (LEARNING | {"openvino"})


def test_a_report_without_a_page_draws_nothing_and_starts_no_backbone(
    imported: Imported, trained: Path
) -> None:
    modules = imported("report", "furniture", "--store", trained)
    assert not modules & (LEARNING | {"openvino", "matplotlib"})


def test_nothing_is_ever_sent_about_the_user(in_int8: Quantized) -> None:
    """Where telemetry would come from is the conversion, which a fresh cache makes anew, and
    what quantizes."""
    assert {"openvino", "torch", "nncf"} <= in_int8.modules
    assert "openvino_telemetry" not in in_int8.modules

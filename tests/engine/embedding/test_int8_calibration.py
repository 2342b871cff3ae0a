"""Quantizing for a new catalog: with pictures of its own, spread over all, always the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.embedding.int8_calibration import (
    LIMITS,
    CalibrationLimits,
    calibration_images,
    quantized_embedder,
)
from engine.errors import EngineError, UsageError
from engine.pictures.preprocess import Pixels
from engine.progress import SILENT
from engine.runtimes.bf16_openvino import convolutions
from engine.runtimes.int8_quantize import import_nncf, save_quantized
from engine.runtimes.openvino import import_openvino
from engine.runtimes.openvino_export import ExportedModel
from engine.testing import FakeEmbedder


@pytest.fixture
def settings(tmp_path: Path, own_cache: Path) -> Config:
    return Config.at(tmp_path / "store", cache=own_cache, precision="int8")


@pytest.fixture
def fake(tmp_path: Path) -> FakeEmbedder:
    return FakeEmbedder(Config.at(tmp_path / "store"))


@pytest.fixture
def without_nncf(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nncf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_NoNNCF(), *sys.meta_path])
    yield


class _NoNNCF:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "nncf":
            raise ModuleNotFoundError("No module named 'nncf'", name="nncf")


@pytest.fixture(scope="module")
def quantized(
    exported: ExportedModel, renders: Pixels, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The embedded backbone, quantized with 20 drawn pictures."""
    target = tmp_path_factory.mktemp("quantized") / "model.xml"
    save_quantized(exported.model, list(renders[::3]), target, lambda seen: None)
    return target


@pytest.mark.slow
def test_images_are_spread_over_all_there_are(fake: FakeEmbedder, drawn: Path) -> None:
    files = sorted(drawn.rglob("*.jpg"))
    found = calibration_images(fake, [str(drawn)], CalibrationLimits(most=20))
    wanted = [fake.pixels(path.read_bytes(), str(path)) for path in files[::3]]
    assert np.array_equal(np.stack(found), np.stack(wanted))


@pytest.mark.slow
def test_images_that_cannot_be_read_are_made_up_for(
    fake: FakeEmbedder, drawn: Path, tmp_path: Path
) -> None:
    for path in sorted(drawn.rglob("*.jpg"))[:30]:
        (tmp_path / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    for number in range(10):
        (tmp_path / f"broken-{number}.jpg").write_bytes(b"no picture")
    limits = CalibrationLimits(most=24)
    assert len(calibration_images(fake, [str(tmp_path)], limits)) == 24


@pytest.mark.slow
def test_fewer_images_than_there_could_be_are_all_taken(fake: FakeEmbedder, drawn: Path) -> None:
    assert len(calibration_images(fake, [str(drawn)])) == 60


@pytest.mark.parametrize("count", [0, 1, LIMITS.fewest - 1])
def test_too_few_images_are_refused(
    fake: FakeEmbedder, drawn: Path, tmp_path: Path, count: int
) -> None:
    files = sorted(drawn.rglob("*.jpg"))[:count]
    with pytest.raises(UsageError, match=f"{count} can be read") as caught:
        calibration_images(fake, [str(path) for path in files] or [str(tmp_path)])
    assert "--precision bf16" in caught.value.remedy


@pytest.mark.usefixtures("without_nncf")
def test_without_nncf_the_way_to_install_it_is_told(settings: Config, drawn: Path) -> None:
    with pytest.raises(EngineError) as caught:
        quantized_embedder(settings, [str(drawn)], SILENT)
    assert "pip install 'image-engine[int8]'" in caught.value.remedy


def test_int8_on_pytorch_is_refused_before_anything_is_read(settings: Config) -> None:
    with pytest.raises(UsageError, match="OpenVINO alone"):
        quantized_embedder(replace(settings, runtime="torch"), ["/nowhere"], SILENT)


def test_nncf_is_imported_without_its_telemetry() -> None:
    import_nncf()
    assert sys.modules.get("openvino_telemetry") is None


@pytest.mark.slow
def test_quantizing_again_gives_the_same_files(
    quantized: Path, exported: ExportedModel, renders: Pixels, tmp_path: Path
) -> None:
    again = tmp_path / "model.xml"
    save_quantized(exported.model, list(renders[::3]), again, lambda seen: None)
    for one, other in ((quantized, again), (quantized.with_suffix(".bin"), tmp_path / "model.bin")):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_quantizing_says_how_far_it_has_come_and_leaves_stdout_alone(
    exported: ExportedModel, renders: Pixels, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    save_quantized(exported.model, list(renders[:20]), tmp_path / "model.xml", seen.append)
    assert seen == list(range(1, 21))
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_the_first_convolutions_alone_stay_in_floating_point(quantized: Path) -> None:
    layers = convolutions(import_openvino().Core().read_model(str(quantized)))
    stored = [layer.input_value(1).get_node().get_type_name() for layer in layers]
    assert stored[:3] == ["Constant"] * 3
    assert "Constant" not in stored[3:]
    assert quantized.with_suffix(".bin").stat().st_size < 5_000_000


@pytest.mark.slow
def test_a_quantized_embedder_has_a_fingerprint_of_its_own(settings: Config, drawn: Path) -> None:
    base = choose_embedder(replace(settings, precision="fp32"), None, SILENT)
    embedder, file = quantized_embedder(settings, [str(drawn)], SILENT)
    assert isinstance(embedder, Embedder) and file
    assert embedder.precision == embedder.identity.precision == "int8"
    assert embedder.fingerprint != base.fingerprint

"""Weights: fetched, imported, found, and never kept when they are not what they should be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.backbones.networks import load_state
from engine.backbones.torchvision_import import import_torchvision
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.backbones.weights_folder import file_sha256
from engine.backbones.weights_source import Download, reachable, source_of
from engine.errors import WeightsCorruptError, WeightsError, WeightsUnreachableError
from tests.support.weights import BODY, LITE0, RESNET50, SHA256, at, files_in, quiet

pytestmark = pytest.mark.usefixtures("no_mirror")

ST = "w.safetensors"


def test_nothing_is_found_in_an_empty_cache(cache: WeightsCache) -> None:
    assert cache.find(RESNET50) is None


def test_the_embedded_weights_are_found_without_a_cache(cache: WeightsCache) -> None:
    found = cache.find(LITE0)
    assert found is not None and found.origin == "package"
    assert file_sha256(found.path) == found.sha256


@pytest.mark.parametrize("digits", [8, 64])
def test_what_was_pulled_is_found_again(site: Any, cache: WeightsCache, digits: int) -> None:
    backbone = at(site.serve("/w.pth", BODY), SHA256[:digits])
    pulled = cache.pull(backbone, quiet, quiet)
    assert pulled.path.read_bytes() == BODY
    assert (pulled.sha256, pulled.origin) == (SHA256, f"{site.url}/w.pth")
    assert cache.find(backbone) == pulled


def test_a_pull_is_announced_with_source_and_size(site: Any, cache: WeightsCache) -> None:
    announced: list[str] = []
    cache.pull(at(site.serve("/w.pth", BODY)), announced.append, quiet)
    (line,) = announced
    assert f"{site.url}/w.pth" in line and "(1 MB)" in line


def test_the_progress_of_a_pull_ends_at_the_total(site: Any, cache: WeightsCache) -> None:
    steps: list[tuple[int, int | None]] = []
    cache.pull(at(site.serve("/w.pth", BODY)), quiet, lambda *step: steps.append(step))
    assert steps[-1] == (len(BODY), len(BODY))


def test_what_is_here_is_not_fetched_again(site: Any, cache: WeightsCache) -> None:
    backbone = at(site.serve("/w.pth", BODY))
    first = cache.require(backbone, quiet, quiet)
    assert cache.require(backbone, quiet, quiet) == first
    assert len(site.asked) == 1


def test_a_broken_pull_goes_on_and_is_checked_whole(site: Any, cache: WeightsCache) -> None:
    url = site.serve("/w.pth", BODY, breaks_after=[400_000])
    assert cache.pull(at(url), quiet, quiet).path.read_bytes() == BODY
    assert len(site.asked) == 2


def test_a_wrong_hash_is_refused_and_nothing_kept(
    site: Any, cache: WeightsCache, tmp_path: Path
) -> None:
    backbone = at(site.serve("/w.pth", b"x" + BODY))
    with pytest.raises(WeightsCorruptError, match=SHA256[:16]):
        cache.pull(backbone, quiet, quiet)
    assert files_in(tmp_path) == []
    assert cache.find(backbone) is None


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_refuses_is_told_with_the_way_to_import(
    site: Any, cache: WeightsCache, status: int
) -> None:
    with pytest.raises(WeightsUnreachableError, match=f"answered {status}") as caught:
        cache.pull(at(site.serve("/w.pth", status=status)), quiet, quiet)
    assert "engine backbones import resnet50 FILE" in caught.value.remedy


def test_a_host_that_does_not_answer_is_told_with_the_way_to_import(
    closed_port: str, cache: WeightsCache
) -> None:
    with pytest.raises(WeightsUnreachableError) as caught:
        cache.require(at(f"{closed_port}/w.pth"), quiet, quiet)
    assert "engine backbones import resnet50 FILE" in caught.value.remedy
    assert "--backbone efficientnet_lite0" in caught.value.remedy


def test_a_mirror_is_asked_in_the_publisher_s_stead(
    site: Any, cache: WeightsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve("/mirror/w.pth", BODY)
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", f"{site.url}/mirror/")
    cache.pull(at("https://publisher.invalid/models/w.pth"), quiet, quiet)
    assert [path for _, path, _ in site.asked] == ["/mirror/w.pth"]


def test_a_url_given_by_hand_comes_before_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", "https://mirror")
    weights = Download("https://publisher/w.pth", SHA256, 1)
    assert source_of(weights, "https://mine/x.pth") == "https://mine/x.pth"
    assert source_of(weights) == "https://mirror/w.pth"


@pytest.mark.slow
def test_weights_of_the_right_shape_can_be_imported(
    cache: WeightsCache, tmp_path: Path, resnet50_file: Path
) -> None:
    imported = cache.import_file(RESNET50, resnet50_file)
    assert imported.sha256 == file_sha256(resnet50_file) == file_sha256(imported.path)
    assert cache.find(RESNET50) == replace(imported, origin=str(resnet50_file))
    stem = f"resnet50-{imported.sha256[:16]}"
    assert files_in(tmp_path) == ["records/" + stem + ".json", stem + ".pth", "resnet50.json"]


@pytest.mark.slow
def test_other_weights_have_another_fingerprint(resnet50_file: Path) -> None:
    published = RESNET50.fingerprint("11ad3fa6" + "0" * 56)
    assert RESNET50.fingerprint(file_sha256(resnet50_file)) != published


def test_an_imported_file_of_safetensors_can_be_loaded_from_the_cache(
    cache: WeightsCache, tmp_path: Path, weights: WeightsFile
) -> None:
    state = load_state(LITE0, weights.path)
    save_file(
        {name: value.contiguous() for name, value in state.items()}, tmp_path / "w.safetensors"
    )
    imported = cache.import_file(LITE0, tmp_path / "w.safetensors")
    found = load_state(LITE0, imported.path)
    assert all(torch.equal(found[name], value) for name, value in state.items())
    assert cache.find(LITE0) == imported


def spoiled(change: str, state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Return weights with which nothing sensible can be computed, though names and shapes fit."""
    name = "blocks.3.1.conv_pw.weight"
    tensor = state[name].clone()
    if change == "NaN":
        tensor[3, 2, 0, 0] = float("nan")
    elif change == "infinite":
        tensor[3, 2, 0, 0] = float("inf")
    elif change == "too large for 32 bits":
        tensor = tensor.double() * 1e300
    elif change == "finite, but not what is computed with it":
        return state | {"classifier.weight": torch.full_like(state["classifier.weight"], 3e38)}
    elif change == "complex":
        tensor = tensor.to(torch.complex64)
    elif change == "sparse":
        tensor = tensor.to_sparse()
    elif change == "nowhere":
        tensor = tensor.to("meta")
    return state | {name: tensor}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "NaN",
        "infinite",
        "too large for 32 bits",
        "finite, but not what is computed with it",
        "complex",
        "sparse",
        "nowhere",
    ],
)
def test_weights_that_give_no_numbers_are_not_imported(
    cache: WeightsCache, tmp_path: Path, weights: WeightsFile, change: str
) -> None:
    state = spoiled(change, load_state(LITE0, weights.path))
    torch.save(state, tmp_path / "w.pth")
    if change not in ("sparse", "nowhere"):
        # Not even a warning comes of it.
        save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / ST)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(WeightsCorruptError):
            cache.import_file(LITE0, path)
    assert not (tmp_path / "cache").exists()


class Trap:
    """An object whose unpickling would copy a file."""

    def __init__(self, source: Path, target: Path) -> None:
        self.paths = (str(source), str(target))

    def __reduce__(self) -> Any:
        return shutil.copyfile, self.paths


def refused(cache: WeightsCache, path: Path, tmp_path: Path) -> WeightsCorruptError:
    with pytest.raises(WeightsCorruptError) as caught:
        cache.import_file(RESNET50, path)
    assert files_in(tmp_path) == []
    assert cache.find(RESNET50) is None
    return caught.value


@pytest.mark.parametrize("data", [b"", b"not a file of weights", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_garbage_is_refused_and_nothing_kept(
    cache: WeightsCache, tmp_path: Path, data: bytes, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert "cannot be read" in refused(cache, tmp_path / name, tmp_path).reason


def test_weights_of_another_architecture_are_refused(
    cache: WeightsCache, tmp_path: Path, weights: WeightsFile
) -> None:
    assert "not weights of resnet50" in refused(cache, weights.path, tmp_path).reason


def test_a_tensor_of_another_size_is_refused(cache: WeightsCache, tmp_path: Path) -> None:
    import_torchvision()
    from torchvision.models import resnet50

    with torch.device("meta"):
        shapes = {name: value.shape for name, value in resnet50().state_dict().items()}
    state = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    torch.save(state | {"fc.weight": torch.zeros(()).expand(10, 2048)}, tmp_path / "w.pth")
    error = refused(cache, tmp_path / "w.pth", tmp_path)
    assert "resizes 1 tensors, fc.weight" in error.reason


def test_a_table_of_something_else_is_refused(cache: WeightsCache, tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    assert "no plain table of tensors" in refused(cache, tmp_path / "w.pth", tmp_path).reason


def test_code_in_a_pickle_is_refused_and_does_not_run(cache: WeightsCache, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    torch.save({"fc.bias": Trap(source, tmp_path / "sprung")}, tmp_path / "w.pth")
    refused(cache, tmp_path / "w.pth", tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_not_there_cannot_be_imported(cache: WeightsCache, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such file"):
        cache.import_file(RESNET50, tmp_path / "missing.pth")


@pytest.mark.parametrize(
    "note",
    [
        b'{"record": "gone"}',
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"path": 1, "sha256": "0", "origin": ""}',
        b'{"path": "w.pth"}',
        json.dumps({"path": "gone.pth", "sha256": SHA256, "origin": "x"}).encode(),
    ],
)
def test_a_broken_label_counts_as_none(cache: WeightsCache, tmp_path: Path, note: bytes) -> None:
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.pth").write_bytes(BODY)
    (folder / "resnet50.json").write_bytes(note)
    assert cache.find(RESNET50) is None


def test_a_host_that_has_the_file_is_reachable(site: Any) -> None:
    assert reachable(at(site.serve("/w.pth", BODY)).weights)
    assert site.asked == [("HEAD", "/w.pth", None)]


@pytest.mark.parametrize("page", [{"status": 404}, {"raw": b"SSH-2.0-OpenSSH_9.6\r\n"}])
def test_a_host_that_does_not_have_the_file_is_not_reachable(
    site: Any, page: dict[str, Any]
) -> None:
    assert not reachable(at(site.serve("/w.pth", **page)).weights)


def test_a_port_where_nobody_answers_is_not_reachable(closed_port: str) -> None:
    assert not reachable(at(f"{closed_port}/w.pth").weights)


def test_a_mirror_that_is_no_address_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", "nonsense")
    assert not reachable(RESNET50.weights)


def test_the_embedded_weights_are_always_reachable() -> None:
    assert reachable(LITE0.weights)

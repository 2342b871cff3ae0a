"""The configuration: defaults, the environment, and values that cannot be."""

from __future__ import annotations

import math
import os
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, UsageError
from engine.config import cache_folder, quarter_of_memory


@pytest.mark.parametrize(
    ("setting", "value"),
    [("runtime", "tensorrt"), ("precision", "int4"), ("dtype", "float64"), ("max_pixels", 0)],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Config.at(tmp_path, **{setting: value})
    assert caught.value.thing == setting


COUNTS = ("max_file_bytes", "decode_bytes", "decoders", "url_bytes")
NUMBERS = ("max_pixels", "commit_seconds", "url_seconds", "memory", *COUNTS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, "1", True, [1]])
@pytest.mark.parametrize("setting", NUMBERS)
def test_what_is_no_number_that_can_be_is_refused(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(UsageError, match="is out of range") as caught:
        Config.at(tmp_path, **{setting: value})
    assert caught.value.thing == setting


@pytest.mark.parametrize("value", [0, 1.5, 2**63])
@pytest.mark.parametrize("setting", COUNTS)
def test_a_count_is_a_whole_number_of_one_or_more(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(UsageError, match="Use a whole number of 1 or more"):
        Config.at(tmp_path, **{setting: value})


def test_numbers_may_be_those_of_numpy(tmp_path: Path) -> None:
    config = Config.at(tmp_path, decoders=np.int64(3), commit_seconds=np.float32(0.5))
    assert (config.decoders, config.commit_seconds) == (3, 0.5)


def test_a_part_of_the_memory_there_is_is_for_images(tmp_path: Path) -> None:
    assert Config.at(tmp_path).decode_bytes == quarter_of_memory()
    assert quarter_of_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def test_a_limit_on_the_memory_of_the_process_counts() -> None:
    resource = pytest.importorskip("resource", reason="this system has no such limit")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (quarter_of_memory() * 3, before[1]))
    try:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        assert quarter_of_memory() == limit // 4
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_refusal_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Use one of fp32, bf16, int8"):
        Config.at(tmp_path, precision="int4")


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("runtime", ("auto", "openvino", "torch")),
        ("precision", (None, "fp32", "bf16", "int8")),
        ("dtype", ("float16", "float32")),
    ],
)
def test_every_choice_is_taken(tmp_path: Path, setting: str, values: tuple[Any, ...]) -> None:
    taken = [getattr(Config.at(tmp_path, **{setting: value}), setting) for value in values]
    assert taken == list(values)


def test_a_hundred_megapixels_are_the_default_limit(tmp_path: Path) -> None:
    assert Config.at(tmp_path).max_pixels == 100_000_000


def test_the_store_is_the_folder_given(tmp_path: Path) -> None:
    assert Config.at(tmp_path / "shop.engine").store.folder == tmp_path / "shop.engine"


def test_the_environment_names_store_cache_and_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGINE_BACKBONE", "resnet50")
    config = Config.at()
    assert config.store.folder == tmp_path / "store"
    assert config.cache == tmp_path / "cache"
    assert config.backbone == "resnet50"


def test_what_is_given_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "other"))
    monkeypatch.setenv("ENGINE_BACKBONE", "resnet50")
    config = Config.at(tmp_path / "mine", backbone="efficientnet_lite0")
    assert (config.store.folder, config.backbone) == (tmp_path / "mine", "efficientnet_lite0")


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_environment_the_backbone_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("ENGINE_BACKBONE")
    if value is not None:
        monkeypatch.setenv("ENGINE_BACKBONE", value)
    assert Config.at(tmp_path).backbone == "auto"


def test_without_an_environment_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_CACHE")
    assert cache_folder().is_absolute()
    assert cache_folder().name == "image-engine"


def test_a_relative_cache_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_CACHE", "cache")
    assert cache_folder() == tmp_path / "cache"


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        Config.at(tmp_path).runtime = "torch"  # type: ignore[misc]

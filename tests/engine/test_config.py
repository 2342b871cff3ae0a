"""The configuration: defaults, the environment, and values that cannot be."""

from __future__ import annotations

import math
import os
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, UsageError
from engine.config import UrlLimits, cache_folder, quarter_of_memory, usable_cores

WHOLE = ("memory", "max_pixels", "decoders")
NUMBERS = (*WHOLE, "commit_seconds", "decode_seconds")


def refusal(folder: Path, setting: str, value: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        Config.at(folder, **{setting: value})
    return caught.value


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("runtime", "tensorrt"),
        ("precision", "int4"),
        ("dtype", "float64"),
        ("index", "fast"),
        ("max_pixels", 0),
        ("decoders", 0),
        ("memory", -1),
        ("commit_seconds", -0.1),
        ("decode_seconds", 0),
        ("decode_seconds", -1),
        ("urls", None),
        ("urls", 20.0),
        ("cache", "a string"),
        ("data", None),
        ("backbone", 50),
        ("default_backbone", None),
        ("compiled", 1),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, setting: str, value: Any) -> None:
    assert refusal(tmp_path, setting, value).thing == setting


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "3", True])
@pytest.mark.parametrize("setting", NUMBERS)
def test_what_is_no_number_is_refused(tmp_path: Path, setting: str, value: Any) -> None:
    error = refusal(tmp_path, setting, value)
    assert error.thing == setting and error.reason == f"{value!r} is out of range"


@pytest.mark.parametrize("setting", ["backbone", "precision", "index", "memory"])
def test_what_nobody_asked_for_is_none(tmp_path: Path, setting: str) -> None:
    config = Config.at(tmp_path, **{setting: None})
    assert config == Config.at(tmp_path) and getattr(config, setting) is None


@pytest.mark.parametrize("setting", ["max_pixels", "runtime", "dtype", "urls"])
def test_where_none_means_nothing_it_is_refused(tmp_path: Path, setting: str) -> None:
    assert refusal(tmp_path, setting, None).thing == setting


@pytest.mark.parametrize("setting", WHOLE)
def test_what_is_counted_is_a_whole_number(tmp_path: Path, setting: str) -> None:
    assert "whole number" in refusal(tmp_path, setting, 2.5).remedy
    assert getattr(Config.at(tmp_path, **{setting: np.int64(3)}), setting) == 3


def test_every_field_is_checked() -> None:
    assert all("check" in each.metadata for each in fields(Config))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "1", True, None])
@pytest.mark.parametrize("limit", ["bytes", "seconds", "redirects", "overhead"])
def test_limits_of_urls_are_numbers(limit: str, value: Any) -> None:
    with pytest.raises(UsageError, match="is out of range"):
        UrlLimits(**{limit: value})


@pytest.mark.parametrize("choice", ["allowed", "internal"])
def test_whether_urls_are_fetched_is_yes_or_no(choice: str) -> None:
    with pytest.raises(UsageError, match=choice):
        UrlLimits(**{choice: "no"})  # type: ignore[arg-type]


def test_a_store_is_a_store(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="store"):
        Config(store=tmp_path)  # type: ignore[arg-type]


COUNTS = ("max_file_bytes", "decode_bytes", "decoders")
NUMBERS = ("max_pixels", "commit_seconds", "memory", *COUNTS)


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


def test_a_minute_is_the_default_limit_of_decoding(tmp_path: Path) -> None:
    assert Config.at(tmp_path).decode_seconds == 60


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
    assert config.default_backbone == "resnet50"


def test_what_is_given_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "other"))
    monkeypatch.setenv("ENGINE_BACKBONE", "resnet50")
    config = Config.at(tmp_path / "mine", default_backbone="vgg16")
    assert (config.store.folder, config.default_backbone) == (tmp_path / "mine", "vgg16")


@pytest.mark.parametrize("name", ["BACKBONE", "PRECISION", "RUNTIME", "DTYPE", "INDEX", "MEMORY"])
def test_the_environment_asks_nothing_of_a_catalog_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = Config.at(tmp_path)
    monkeypatch.setenv(f"ENGINE_{name}", "something else")
    after = replace(Config.at(tmp_path), default_backbone=before.default_backbone)
    assert after == before
    assert before.backbone is None


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_environment_the_backbone_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("ENGINE_BACKBONE")
    if value is not None:
        monkeypatch.setenv("ENGINE_BACKBONE", value)
    assert Config.at(tmp_path).default_backbone == "auto"


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


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 4),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "900000 100000"}, 4),
        ({"cpu.max": "rubbish"}, 4),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({}, 4),
    ],
)
def test_no_more_cores_are_used_than_a_container_leaves(
    files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_so_many_threads_there_cannot_be(threads: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="threads"):
        Config.at(tmp_path, threads=threads)

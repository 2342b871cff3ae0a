"""Head files: what is written is read back, and nothing else is let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from engine.errors import HeadFormatError
from engine.heads.file import FORMAT, KEY, head_from_bytes, head_to_bytes
from engine.heads.head import Head
from index.records import Vectors
from tests.support.heads import packed, tensors_and_header

MakeHead = Callable[..., Head]
# Made by head_to_bytes in release 0.1.0, with a hidden layer of 4 on embeddings of dim 6.
GOLDEN = Path(__file__).with_name("golden_head_v1.safetensors")
# The same with two hidden layers, GELU between them, a history, and how it came to be.
GOLDEN_2 = Path(__file__).with_name("golden_head_v2.safetensors")
GOLDEN_2_OWN = np.array([[0.359916, 0.220655, 0.419429], [0.780554, 0.133221, 0.086225]])
GOLDEN_2_BELONGING = np.array([3.076382, 3.971995])
GOLDEN_INPUT = np.array([[1, 2, 0, -1, 0.5, 3], [0, 0, 4, 1, -2, 0.25]], np.float32)
GOLDEN_OWN = np.array([[0.325745, 0.397828, 0.276427], [0.089484, 0.510112, 0.400404]], np.float32)
GOLDEN_BELONGING = np.array([5.494286, 2.853597], np.float32)


def refused(data: bytes) -> HeadFormatError:
    with pytest.raises(HeadFormatError) as caught:
        head_from_bytes(data, "a.head")
    return caught.value


def header_of(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
    return header


@pytest.mark.parametrize("hidden", [(), (8, 5)])
def test_a_head_is_read_back_as_it_was_written(
    make_head: MakeHead, hidden: tuple[int, ...]
) -> None:
    head = make_head(hidden=hidden)
    back = head_from_bytes(head_to_bytes(head), "a.head")
    assert replace(back, layers=(), gate=head.gate) == replace(head, layers=())
    for one, other in zip((*head.layers, head.gate), (*back.layers, back.gate), strict=True):
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.bias, other.bias)


def test_writing_again_what_was_read_gives_the_same_bytes(make_head: MakeHead) -> None:
    data = head_to_bytes(make_head(hidden=(8,)))
    assert head_to_bytes(head_from_bytes(data, "a.head")) == data


def test_the_file_is_ordinary_safetensors(make_head: MakeHead, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(head_to_bytes(make_head()))
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == {
            "gate.weight",
            "gate.bias",
            "layers.0.weight",
            "layers.0.bias",
        }


def test_a_head_file_of_the_first_release_still_loads() -> None:
    head = head_from_bytes(GOLDEN.read_bytes(), GOLDEN.name)
    assert (head.name, head.categories) == ("golden", ("bed", "sofa", "bücherregal"))
    assert (head.backbone, head.fingerprint) == ("fake", "0123456789abcdef" * 4)
    assert head.metrics == {"images": 42.0, "validation_accuracy": 0.875}


def test_a_head_file_of_the_first_release_still_gives_the_same_answers() -> None:
    head = head_from_bytes(GOLDEN.read_bytes(), GOLDEN.name)
    vectors = Vectors.of(GOLDEN_INPUT)
    np.testing.assert_allclose(np.exp(head.log_probabilities(vectors)), GOLDEN_OWN, atol=1e-5)
    np.testing.assert_allclose(head.belonging(vectors), GOLDEN_BELONGING, atol=1e-4)


def test_a_head_file_of_format_2_still_loads_whole() -> None:
    head = head_from_bytes(GOLDEN_2.read_bytes(), GOLDEN_2.name)
    record = head.record
    assert record is not None and record.answers is not None and record.learned is not None
    assert (head.activation, len(head.layers), len(head.history)) == ("gelu", 3, 2)
    assert (record.data, record.settings["hidden"]) == ("/photos", [5, 4])
    assert record.answers.answers.tolist() == [1, 1, 1, 1, 0, -1]
    assert [each.path[8:] for each in record.answers.mistakes] == [
        "2.jpg",
        "3.jpg",
        "4.jpg",
        "0.jpg",
    ]
    assert record.learned.hexadecimal() == ["ab" * 32, "01" * 32, "ff" * 32]
    # Its answers are on images that had also stopped the training and calibrated it.
    assert record.version == 1


def test_a_head_file_of_format_2_still_gives_the_same_answers() -> None:
    head = head_from_bytes(GOLDEN_2.read_bytes(), GOLDEN_2.name)
    vectors = Vectors.of(GOLDEN_INPUT)
    np.testing.assert_allclose(np.exp(head.log_probabilities(vectors)), GOLDEN_2_OWN, atol=1e-5)
    np.testing.assert_allclose(head.belonging(vectors), GOLDEN_2_BELONGING, atol=1e-4)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"no head at all", b"\x89PNG\r\n\x1a\n" * 9, b"\xff" * 100, b"\0" * 100]
)
def test_garbage_is_no_head(data: bytes) -> None:
    assert "this is no head file" in refused(data).reason


def test_a_file_cut_off_anywhere_is_no_head(make_head: MakeHead) -> None:
    data = head_to_bytes(make_head())
    for length in range(0, len(data), 7):
        refused(data[:length])


def test_safetensors_of_something_else_is_no_head() -> None:
    refused(save({"weight": np.zeros((2, 2), np.float32)}))


def test_a_newer_format_asks_for_a_newer_release(make_head: MakeHead) -> None:
    tensors, header = tensors_and_header(make_head())
    error = refused(packed(tensors, header | {"format": FORMAT + 1}))
    assert f"format {FORMAT + 1}" in error.reason
    assert "Upgrade" in error.remedy


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("tensor", ["layers.0.weight", "layers.0.bias", "gate.weight", "gate.bias"])
def test_a_tensor_that_is_not_finite_is_refused(
    make_head: MakeHead, tensor: str, value: float
) -> None:
    tensors, header = tensors_and_header(make_head())
    tensors[tensor] = tensors[tensor].copy()
    tensors[tensor].flat[0] = value
    refused(packed(tensors, header))


@pytest.mark.parametrize("fact", ["scale", "temperature", "accept"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "warm", None])
def test_a_fact_that_is_no_finite_number_is_refused(
    make_head: MakeHead, fact: str, value: object
) -> None:
    tensors, header = tensors_and_header(make_head())
    refused(packed(tensors, header | {fact: value}))


@pytest.mark.parametrize("temperature", [0, -1.5])
def test_a_temperature_that_is_not_positive_is_refused(
    make_head: MakeHead, temperature: float
) -> None:
    tensors, header = tensors_and_header(make_head())
    refused(packed(tensors, header | {"temperature": temperature}))


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        ("layers.0.weight", (8, 11)),
        ("layers.0.bias", (1,)),
        ("layers.1.weight", (4, 8)),
        ("layers.1.bias", (3, 1)),
        ("gate.weight", (2, 12)),
        ("gate.weight", (12,)),
        ("gate.bias", (1,)),
        ("gate.bias", (3, 1)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    make_head: MakeHead, tensor: str, shape: tuple[int, ...]
) -> None:
    tensors, header = tensors_and_header(make_head(hidden=(8,)))
    refused(packed(tensors | {tensor: np.zeros(shape, np.float32)}, header))


def test_tensors_of_another_type_are_refused(make_head: MakeHead) -> None:
    tensors, header = tensors_and_header(make_head())
    refused(packed(tensors | {"gate.bias": np.zeros(3, np.int32)}, header))


@pytest.mark.parametrize("lacking", ["format", "categories", "temperature", "metrics"])
def test_a_header_that_lacks_a_fact_is_refused(make_head: MakeHead, lacking: str) -> None:
    tensors, header = tensors_and_header(make_head())
    refused(packed(tensors, {name: fact for name, fact in header.items() if name != lacking}))


@pytest.mark.parametrize("header", [[], "text", 1, None, {"format": float("inf")}])
def test_a_header_that_is_no_table_of_facts_is_refused(make_head: MakeHead, header: object) -> None:
    tensors, _ = tensors_and_header(make_head())
    refused(packed(tensors, header))


def test_a_header_nested_without_end_is_refused(make_head: MakeHead) -> None:
    tensors, _ = tensors_and_header(make_head())
    refused(save(tensors, metadata={KEY: "[" * 100_000}))


def test_a_missing_layer_is_refused(make_head: MakeHead) -> None:
    tensors, header = tensors_and_header(make_head(hidden=(8,)))
    del tensors["layers.0.weight"], tensors["layers.0.bias"]
    refused(packed(tensors, header))


def test_the_history_of_a_training_is_kept_with_the_head(make_head: MakeHead) -> None:
    history = ({"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.25})
    head = replace(make_head(), history=history)
    assert head_from_bytes(head_to_bytes(head), "a.head").history == history


def test_a_head_with_relu_can_be_read_by_the_first_release(make_head: MakeHead) -> None:
    assert header_of(head_to_bytes(make_head(hidden=(8,))))["format"] == 1


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh"])
def test_a_head_with_another_activation_is_refused_by_older_releases(
    make_head: MakeHead, activation: str
) -> None:
    head = replace(make_head(hidden=(8,)), activation=activation)
    assert header_of(head_to_bytes(head))["format"] == 2
    assert head_from_bytes(head_to_bytes(head), "a.head").activation == activation


def test_an_unknown_activation_is_no_head(make_head: MakeHead) -> None:
    tensors, header = tensors_and_header(make_head(hidden=(8,)))
    assert "activation" in refused(packed(tensors, header | {"activation": "step"})).reason

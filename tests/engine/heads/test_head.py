"""What a head computes, against torch; and what it may be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.errors import HeadMismatchError, UnknownHeadError, UsageError
from engine.heads.head import Head, check_name, find_head, head_info, layer_sizes
from index.records import Vectors

MakeHead = Callable[..., Head]
MakeVectors = Callable[[int, int], Vectors]


def in_torch(head: Head) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in head.layers:
        outputs, inputs = layer.weight.shape
        linear = nn.Linear(inputs, outputs)
        linear.load_state_dict(
            {"weight": torch.from_numpy(layer.weight), "bias": torch.from_numpy(layer.bias)}
        )
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


@pytest.mark.parametrize("hidden", [(), (8,), (16, 5)])
def test_the_layers_compute_what_torch_computes_with_the_same_weights(
    make_head: MakeHead, make_vectors: MakeVectors, hidden: tuple[int, ...]
) -> None:
    head, vectors = make_head(hidden=hidden), make_vectors(20, 1)
    with torch.no_grad():
        logits = in_torch(head)(torch.from_numpy(vectors.unit * np.float32(head.scale)))
        wanted = torch.log_softmax(logits / head.temperature, dim=1).numpy()
    np.testing.assert_allclose(head.log_probabilities(vectors), wanted, atol=1e-5)


def test_the_gate_reads_the_embedding_with_its_length(
    make_head: MakeHead, make_vectors: MakeVectors
) -> None:
    head, vectors = make_head(), make_vectors(20, 1)
    raw = torch.from_numpy(vectors.raw)
    logits = raw @ torch.from_numpy(head.gate.weight).T + torch.from_numpy(head.gate.bias)
    wanted = torch.logsumexp(logits, dim=1).numpy()
    np.testing.assert_allclose(head.belonging(vectors), wanted, rtol=1e-5, atol=1e-4)


def test_the_joint_logits_share_out_what_belongs_to_the_head(
    make_head: MakeHead, make_vectors: MakeVectors
) -> None:
    head, vectors = make_head(hidden=(8,)), make_vectors(20, 1)
    total = np.logaddexp.reduce(head.joint_logits(vectors).astype(np.float64), axis=1)
    np.testing.assert_allclose(total, head.belonging(vectors), rtol=1e-5, atol=1e-4)


@given(temperature=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_no_temperature_changes_which_category_is_best(
    make_head: MakeHead, make_vectors: MakeVectors, temperature: float, seed: int
) -> None:
    head, vectors = make_head(seed), make_vectors(10, seed)
    plain = replace(head, temperature=1.0).log_probabilities(vectors).argmax(axis=1)
    warm = replace(head, temperature=temperature).log_probabilities(vectors).argmax(axis=1)
    assert np.array_equal(plain, warm)


def test_a_head_of_this_backbone_is_welcome_whatever_the_backbone_is_called(
    make_head: MakeHead,
) -> None:
    make_head().require("another name", "f" * 64, 12)


def test_a_head_of_another_backbone_is_refused_by_both_names(make_head: MakeHead) -> None:
    with pytest.raises(HeadMismatchError, match=r"furniture.*of fake.*those of resnet50"):
        make_head().require("resnet50", "e" * 64, 12)


def test_layer_sizes_run_from_input_to_output(make_head: MakeHead) -> None:
    assert layer_sizes(make_head(hidden=(8, 5)).layers) == [12, 8, 5, 3]


@pytest.mark.parametrize("name", ["furniture", "Möbel 2024", "a", "v1.2_b-c", "x" * 100, "家具"])
def test_ordinary_names_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["all", "imagenet", "unknown"])
def test_names_of_the_engines_own_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="belongs to the engine"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", ".hidden", "-x", "a/b", "a\\b", "a\nb", "a\n", "a\0", "x" * 101, "../up"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a head"):
        check_name(name)


def test_an_unknown_head_is_answered_with_those_there_are(make_head: MakeHead) -> None:
    with pytest.raises(UnknownHeadError, match=r"chairs: .* The catalog has furniture;"):
        find_head([make_head()], "chairs")


def test_a_head_s_name_that_was_mistyped_is_answered_with_the_nearest(
    make_head: MakeHead,
) -> None:
    heads = [make_head(name="furniture"), make_head(name="flowers")]
    with pytest.raises(UnknownHeadError, match=r"Did you mean furniture\?"):
        find_head(heads, "furnitrue")


def test_an_unknown_head_among_none_is_answered_with_how_to_make_one() -> None:
    with pytest.raises(
        UnknownHeadError, match=r"has no heads; `engine train FOLDER --head chairs`"
    ):
        find_head([], "chairs")


def test_a_list_of_heads_shows_what_each_is(make_head: MakeHead) -> None:
    info = head_info(make_head(hidden=(8,)))
    assert (info.name, info.layers, info.images) == ("furniture", [12, 8, 3], 30)
    assert info.validation_accuracy == 0.9

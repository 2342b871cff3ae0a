"""The forward pass in numpy, held against torch's own encoder with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.search.text.transformer import Transformer, TransformerShape

DIM, WIDE, WORDS, TOKENS = 24, 48, 50, 9
SHAPE = TransformerShape(layers=2, heads=4)
# What torch calls the parts of a layer.
PARTS = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}


def _tensors() -> dict[str, Any]:
    """Return the tensors of a small encoder with weights at random."""
    rng = np.random.default_rng(0)

    def made(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32) / 4

    sizes = {"word": WORDS, "position": TOKENS, "token_type": 2}
    tensors = {f"embeddings.{name}_embeddings.weight": made(n, DIM) for name, n in sizes.items()}
    shapes = {"embeddings.LayerNorm": (DIM,)}
    for layer in range(SHAPE.layers):
        name = f"encoder.layer.{layer}"
        shapes |= {
            f"{name}.attention.self.{each}": (DIM, DIM) for each in ("query", "key", "value")
        }
        shapes |= {f"{name}.attention.output.dense": (DIM, DIM)}
        shapes |= {f"{name}.attention.output.LayerNorm": (DIM,), f"{name}.output.LayerNorm": (DIM,)}
        shapes |= {f"{name}.intermediate.dense": (WIDE, DIM), f"{name}.output.dense": (DIM, WIDE)}
    for name, shape in shapes.items():
        tensors |= {f"{name}.weight": made(*shape), f"{name}.bias": made(shape[0])}
    return tensors


def _by_torch(tensors: dict[str, Any], ids: Any, mask: Any) -> Any:
    """Return what torch's layers make of the same."""
    states = tensors["embeddings.word_embeddings.weight"][ids]
    states = states + tensors["embeddings.position_embeddings.weight"][: ids.shape[1]]
    states = torch.tensor(states + tensors["embeddings.token_type_embeddings.weight"][0])
    scale, shift = (torch.tensor(tensors[f"embeddings.LayerNorm.{p}"]) for p in ("weight", "bias"))
    states = nn.functional.layer_norm(states, (DIM,), scale, shift, SHAPE.epsilon)
    for layer in range(SHAPE.layers):
        made = nn.TransformerEncoderLayer(
            DIM, SHAPE.heads, WIDE, 0.0, "gelu", SHAPE.epsilon, batch_first=True
        )
        name = f"encoder.layer.{layer}"
        inner = [f"{name}.attention.self.{each}" for each in ("query", "key", "value")]
        state = {
            f"self_attn.in_proj_{part}": np.concatenate([tensors[f"{i}.{part}"] for i in inner])
            for part in ("weight", "bias")
        }
        for ours, theirs in PARTS.items():
            state |= {f"{theirs}.{p}": tensors[f"{name}.{ours}.{p}"] for p in ("weight", "bias")}
        made.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        states = made(states, src_key_padding_mask=torch.tensor(mask == 0))
    return states.detach().numpy()


@pytest.mark.slow
def test_hidden_states_are_those_of_torch() -> None:
    tensors, rng = _tensors(), np.random.default_rng(1)
    ids = rng.integers(0, WORDS, (3, TOKENS))
    mask = np.ones((3, TOKENS), np.float32)
    mask[1, 4:] = mask[2, 7:] = 0
    ours = Transformer(tensors, SHAPE).hidden(ids, mask)
    there = mask.astype(bool)
    assert np.abs(ours[there] - _by_torch(tensors, ids, mask)[there]).max() < 1e-5


def test_what_a_text_is_filled_up_with_changes_nothing() -> None:
    transformer, rng = Transformer(_tensors(), SHAPE), np.random.default_rng(2)
    ids = rng.integers(0, WORDS, (1, TOKENS))
    mask = np.float32([[1, 1, 1, 1, 0, 0, 0, 0, 0]])
    alone = transformer.hidden(ids[:, :4], np.ones((1, 4), np.float32))
    assert np.abs(transformer.hidden(ids, mask)[:, :4] - alone).max() < 1e-5

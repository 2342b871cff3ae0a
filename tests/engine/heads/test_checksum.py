"""A head file that is not as it was written is refused, or says the same as before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.pages.report import summary
from engine.errors import HeadFormatError
from engine.heads.file import CHECKSUM, head_from_bytes, head_to_bytes
from engine.heads.head import Head
from engine.heads.record import Answers, Learned, Record
from engine.learning.report import head_report
from index.records import Vectors
from tests.support.heads import checked, packed, tensors_and_header, unchecked

MakeHead = Callable[..., Head]
# That of format 2, as head_to_bytes of release 0.1.0 writes it with a checksum.
GOLDEN = Path(__file__).with_name("golden_head_sha256.safetensors")


@pytest.fixture(scope="module")
def whole(make_head: MakeHead) -> Head:
    """A small head with all that one can hold."""
    answers = Answers(
        np.array([0, 1]),
        np.array([1, -1]),
        np.array([0.9, 0.8], np.float32),
        np.array([0.7, 0.6], np.float32),
        likeliest=np.array([1, 1]),
    )
    record = Record("photos", {"lr": 0.1}, {"numpy": "2"}, {"fit": 1.0}, answers)
    record = replace(record, learned=Learned.of(["ab" * 32], np.array([0]), ("original",)))
    return replace(make_head(), record=record, history=({"epoch": 1.0, "loss": 0.5},))


def refused_or_the_same(data: bytes, whole: bytes) -> bool:
    """Say whether a file is refused; one that is not must hold what was written."""
    try:
        back = head_from_bytes(data, "a.head")
    except HeadFormatError:
        return True
    assert head_to_bytes(back) == whole
    return False


@pytest.mark.parametrize("bit", [0, 5])
def test_a_flip_in_any_byte_is_refused_or_means_nothing(whole: Head, bit: int) -> None:
    data = head_to_bytes(whole)
    refused = 0
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        refused += refused_or_the_same(bytes(flipped), data)
    # What is left are spaces between facts, and the name of the checksum itself.
    assert refused > 0.9 * len(data)


def test_a_checksum_whose_name_was_changed_is_missed(whole: Head) -> None:
    data = head_to_bytes(whole).replace(b"furniture 0", b"furniture X", 1)
    changed = data.replace(CHECKSUM.encode(), b"sha25 ", 1)
    with pytest.raises(HeadFormatError, match="its checksum is gone"):
        head_from_bytes(changed, "a.head")


@pytest.mark.slow
@settings(max_examples=400)
@given(st.data())
def test_changed_bytes_are_refused_or_mean_nothing(whole: Head, data: st.DataObject) -> None:
    written = head_to_bytes(whole)
    file = bytearray(written)
    header_end = 8 + int.from_bytes(file[:8], "little")
    places = st.integers(0, header_end - 1) | st.integers(0, len(file) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        file[place] = data.draw(st.integers(0, 255) | st.sampled_from(list(b'0123456789[]{}",:IU')))
    refused_or_the_same(bytes(file), written)


def test_a_fact_that_was_changed_is_told_as_damage(whole: Head) -> None:
    data = head_to_bytes(whole)
    with pytest.raises(HeadFormatError, match="damaged: it has another checksum"):
        head_from_bytes(data.replace(b"furniture 1", b"furniture 9"), "a.head")


def test_a_weight_that_was_changed_is_told_as_damage(whole: Head) -> None:
    data = head_to_bytes(whole)
    with pytest.raises(HeadFormatError, match="damaged: it has another checksum"):
        head_from_bytes(data[:-1] + bytes([data[-1] ^ 1]), "a.head")


def test_a_checksum_of_an_earlier_release_still_holds() -> None:
    data = GOLDEN.read_bytes()
    assert CHECKSUM.encode() in data
    assert head_from_bytes(data, GOLDEN.name).categories == ("bed", "sofa", "bücherregal")
    with pytest.raises(HeadFormatError, match="checksum"):
        head_from_bytes(data[:-1] + bytes([data[-1] ^ 1]), GOLDEN.name)


def test_a_head_of_a_release_without_checksums_is_read(whole: Head) -> None:
    data = unchecked(whole)
    assert CHECKSUM.encode() not in data
    assert head_from_bytes(data, "a.head").categories == whole.categories


def test_what_a_newer_release_adds_to_the_header_is_left_alone(whole: Head) -> None:
    tensors, header = tensors_and_header(whole)
    data = checked(tensors | {"more": np.zeros(3, np.float32)}, header | {"more": [1, {"a": 2}]})
    assert head_from_bytes(data, "a.head").name == whole.name


# Whatever JSON can say, in place of one fact.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**301)
    | st.floats()
    | st.sampled_from([3e38, 1e308, -1e308, 1e-300, 0.0, -0.0, 1e6, 1e-6])
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
FACTS = (
    *("format", "name", "categories", "backbone", "fingerprint", "scale", "temperature", "accept"),
    *("created_at", "metrics", "activation", "history", "record"),
)


@pytest.mark.slow
@settings(max_examples=600)
@given(name=st.sampled_from(FACTS), value=VALUES)
def test_a_header_with_any_fact_is_refused_or_gives_finite_answers(
    whole: Head, name: str, value: Any
) -> None:
    tensors, header = tensors_and_header(whole)
    try:
        head = head_from_bytes(packed(tensors, header | {name: value}), "a.head")
    except HeadFormatError:
        return
    vectors = Vectors.of(np.eye(3, head.dim, dtype=np.float32))
    assert np.isfinite(head.joint_logits(vectors)).all()
    assert np.isfinite(np.exp(head.log_probabilities(vectors))).all()


RECORD = ("data", "settings", "versions", "seconds", "mistakes", "shown", "views", "paths")


@pytest.mark.slow
@settings(max_examples=600)
@given(name=st.sampled_from([*RECORD, "version", "folds", "imported"]), value=VALUES)
def test_a_record_with_any_fact_is_refused_or_can_be_reported(
    whole: Head, name: str, value: Any
) -> None:
    tensors, header = tensors_and_header(whole)
    header["record"] = header["record"] | {name: value}
    try:
        head = head_from_bytes(packed(tensors, header), "a.head")
    except HeadFormatError:
        return
    report = head_report(head)
    assert report.test_images == 2
    assert summary(report)


@settings(max_examples=300)
@given(name=st.sampled_from(["images", "validation_accuracy", "x"]), value=VALUES)
def test_a_head_with_any_metric_is_refused_or_can_be_listed(
    whole: Head, name: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from engine.heads.exchange import read_head
    from engine.heads.head import head_info

    tensors, header = tensors_and_header(whole)
    file = Path(tmp_path_factory.getbasetemp()) / "metric.safetensors"
    file.write_bytes(packed(tensors, header | {"metrics": {name: value}}))
    try:
        head = read_head(file)
    except HeadFormatError:
        return
    assert head_info(head).images >= 0
    assert head_from_bytes(head_to_bytes(head), "a.head").name == head.name

"""How a head came to be: what it learned from, with which settings, and its answers on test images.

All that `engine report` shows is stored in the head's own file, so a report needs neither the
images nor the backbone. What was learned from is stored as content hashes: by them a later training
finds the embeddings again.

In the file, tensors: `held_out.labels`, `held_out.answers` (int64), `held_out.confidence`,
`held_out.raw_confidence` (float32), `held_out.likeliest` (int64, may be missing),
`held_out.label_probability` (float32, may be missing), `learned.hashes` (uint8), `learned.labels`
(int64). Header: `record`, an object. A release that knows nothing of it
leaves it alone.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from engine.heads.facts import count_of, number_of, numbers_of, table_of, text_of, texts_of
from index.records import Floats, Ids

# Version 1 holds answers on images that had also stopped the training and fitted temperature and
# threshold; from version 2 on they are answers on test images, which served for nothing else.
VERSION = 2
UNKNOWN = -1
# By so much probabilities may be less than 0 or more than 1.
ROUNDING = 1e-3
# What `Record.data` says of a head that learned the labels of images in the catalog.
FROM_LABELS = "labels of the catalog"
# And of one that learned what people judged of them.
FROM_JUDGEMENTS = "judgements of the catalog"
# What stands there between what it learned first and what next.
THEN = ", then "
HASH_BYTES = 32
MOST_FOLDS = 1_000_000
# Paths of more images are not stored: a head is read whole whenever something is classified.
MOST_PATHS = 5000
# The names that the fields of `Answers` have as tensors.
_TENSORS = {
    "labels": np.int64,
    "answers": np.int64,
    "confidence": np.float32,
    "raw_confidence": np.float32,
}
LIKELIEST, LABEL_PROBABILITY = "held_out.likeliest", "held_out.label_probability"


@dataclass(frozen=True, slots=True)
class AnsweredImage:
    """The answer on one test image.

    Attributes
    ----------
    path
        The file when the head was trained.
    label
        The category it shows.
    top
        The likeliest categories with their probabilities, best first.
    """

    path: str
    label: str
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers on `n` test images, of trials that had not seen them.

    Attributes
    ----------
    labels
        int64 `[n]`, positions of categories.
    answers
        int64 `[n]`, positions of categories; `UNKNOWN` where the head rejected the image.
    confidence
        float32 `[n]`, probability of the likeliest category, with the temperature.
    raw_confidence
        float32 `[n]`, the same without the temperature.
    mistakes
        Wrong answers, the most confident first.
    shown
        Images at even distances, however they were answered.
    likeliest
        int64 `[n]`, positions of categories, rejected or not; None in heads of older releases.
    """

    labels: Ids
    answers: Ids
    confidence: Floats
    raw_confidence: Floats
    mistakes: tuple[AnsweredImage, ...] = ()
    shown: tuple[AnsweredImage, ...] = ()
    likeliest: Ids | None = None

    @property
    def counted(self) -> Ids:
        """What figures are measured of: the likeliest category of each image, rejected or not.

        Heads of older releases do not hold it of rejected images: these are `UNKNOWN`, and wrong.
        """
        return self.answers if self.likeliest is None else self.likeliest


@dataclass(frozen=True, slots=True)
class Learned:
    """Which images a head learned from, by content.

    Attributes
    ----------
    hashes
        SHA-256 of each file, uint8 `[n, 32]`.
    labels
        int64 `[n]`, positions of categories.
    views
        Names of the views that were learned from.
    paths
        File of each image; none where there were more than `MOST_PATHS`.
    """

    hashes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    labels: Ids
    views: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        hashes: Sequence[str],
        labels: Ids,
        views: Sequence[str] = (),
        paths: Sequence[str] = (),
        most_paths: int = MOST_PATHS,
    ) -> Learned:
        """Return it from hexadecimal hashes."""
        joined = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
        stored = tuple(paths) if len(paths) <= most_paths else ()
        positions = np.asarray(labels, np.int64)
        return cls(joined.reshape(-1, HASH_BYTES), positions, tuple(views), stored)

    def hexadecimal(self) -> list[str]:
        """Return the hashes as the catalog writes them."""
        return [bytes(row).hex() for row in self.hashes]


@dataclass(frozen=True, slots=True)
class Record:
    """How a head came to be.

    Attributes
    ----------
    data
        The folder of images, or `labels of the catalog`.
    settings
        Every option of the training by name, and why it was chosen where models were selected.
    versions
        Of the engine and the libraries that a result may depend on.
    seconds
        Of embedding and of training.
    answers
        None where no image could be tested.
    learned
        None in heads of older releases.
    version
        How the answers were made: see `VERSION`.
    folds
        Number of trials that answered, each for the images of one fold; 1 for one test part.
    imported
        The head came from a file: paths in it were dropped.
    label_probability
        float32 `[n]`, ascending: what trials gave the label of each test image, copies of one
        image counted once; None in heads of older releases (`engine.heads.conformal`).
    """

    data: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    answers: Answers | None = None
    learned: Learned | None = None
    version: int = VERSION
    folds: int = 1
    imported: bool = False
    label_probability: Floats | None = None


def portable(record: Record) -> Record:
    """Return a record for other machines: without paths, and of a folder with its name alone.

    Elsewhere paths lead nowhere, or where somebody wants them to lead. By content hashes a later
    training finds images again wherever they lie.
    """
    answers = record.answers and replace(record.answers, mistakes=(), shown=())
    learned = record.learned and replace(record.learned, paths=())
    # Of a head that was extended it says several.
    parts = record.data.replace("\\", "/").split(THEN)
    data = THEN.join(part.rstrip("/").rpartition("/")[2] for part in parts)
    return replace(record, answers=answers, learned=learned, data=data)


def record_tensors(record: Record) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors of a record, by name."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    if record.answers is not None:
        for name, dtype in _TENSORS.items():
            value = getattr(record.answers, name)
            tensors[f"held_out.{name}"] = np.ascontiguousarray(value, dtype)
        if record.answers.likeliest is not None:
            tensors[LIKELIEST] = np.ascontiguousarray(record.answers.likeliest, np.int64)
    if record.learned is not None:
        tensors["learned.hashes"] = np.ascontiguousarray(record.learned.hashes, np.uint8)
        tensors["learned.labels"] = np.ascontiguousarray(record.learned.labels, np.int64)
    if record.label_probability is not None:
        tensors[LABEL_PROBABILITY] = np.ascontiguousarray(record.label_probability, np.float32)
    return tensors


def record_header(record: Record) -> dict[str, Any]:
    """Return the part of a record that is for the header."""
    answers, learned = record.answers, record.learned
    header: dict[str, Any] = {
        "data": record.data,
        "settings": dict(record.settings),
        "versions": dict(record.versions),
        "seconds": dict(record.seconds),
        "mistakes": [asdict(each) for each in answers.mistakes] if answers else [],
        "shown": [asdict(each) for each in answers.shown] if answers else [],
        "views": list(learned.views) if learned else [],
        "paths": list(learned.paths) if learned else [],
    }
    if record.version > 1:
        header |= {"version": record.version, "folds": record.folds}
    return header | ({"imported": True} if record.imported else {})


def record_from(header: Mapping[str, Any], tensors: Mapping[str, Any], outputs: int) -> Record:
    """Return a record from its two parts.

    Raises
    ------
    ValueError, LookupError, TypeError
        They do not fit each other, or the head.
    """
    answers = None
    if "held_out.labels" in tensors:
        parts = {name: tensors[f"held_out.{name}"] for name in _TENSORS}
        if LIKELIEST in tensors:
            parts["likeliest"] = tensors[LIKELIEST]
        _check(parts, outputs)
        answers = Answers(
            **parts,
            mistakes=tuple(map(_answered_image, header["mistakes"])),
            shown=tuple(map(_answered_image, header["shown"])),
        )
    learned = None
    if "learned.hashes" in tensors:
        hashes, labels = tensors["learned.hashes"], tensors["learned.labels"]
        if hashes.shape != (len(labels), HASH_BYTES) or hashes.dtype != np.uint8:
            raise ValueError("what was learned from does not fit")
        _check({"labels": labels}, outputs)
        paths = texts_of(header.get("paths", []))
        if len(paths) not in (0, len(labels)):
            raise ValueError("what was learned from does not fit")
        learned = Learned(hashes, labels, texts_of(header["views"]), paths)
    return Record(
        data=text_of(header["data"]),
        settings=table_of(header["settings"]),
        versions={key: text_of(value) for key, value in table_of(header["versions"]).items()},
        seconds=numbers_of(header["seconds"]),
        answers=answers,
        learned=learned,
        version=count_of(header.get("version", 1), MOST_FOLDS),
        folds=count_of(header.get("folds", 1), MOST_FOLDS),
        imported=bool(header.get("imported", False)),
        label_probability=_label_probability(tensors.get(LABEL_PROBABILITY)),
    )


def _label_probability(values: Any) -> Floats | None:
    if values is None:
        return None
    _check({"labels": np.zeros(len(values), np.int64), "label_probability": values}, 1)
    if (np.diff(values) < 0).any():
        raise ValueError("label_probability does not ascend")
    ascending: Floats = values
    return ascending


def _check(parts: Mapping[str, Any], outputs: int) -> None:
    for name, value in parts.items():
        positions = name in ("labels", "answers", "likeliest")
        if value.dtype != (np.int64 if positions else np.float32) or value.ndim != 1:
            raise ValueError(f"{name} is not what it should be")
        if len(value) != len(parts["labels"]):
            raise ValueError(f"{name} has another length")
        least = UNKNOWN if name == "answers" else 0
        if positions and len(value) and not least <= value.min() <= value.max() < outputs:
            raise ValueError(f"{name} names a category that is not there")
        if not positions and not ((value > -ROUNDING) & (value < 1 + ROUNDING)).all():
            raise ValueError(f"{name} is no probability")


def _answered_image(row: Mapping[str, Any]) -> AnsweredImage:
    top = tuple((text_of(name), number_of(probability)) for name, probability in row["top"])
    return AnsweredImage(text_of(row["path"]), text_of(row["label"]), top)


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    found = {"python": platform.python_version()}
    for name in ("image-engine", "torch", "openvino", "numpy", "scipy", "faiss-cpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found

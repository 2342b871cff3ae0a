"""A folder of weights files: each is found by its hash, and a name says which is meant now.

FOLDER/
    NAME-<sha256, 16 digits>.*               weights, never changed
    records/NAME-<sha256, 16 digits>.json    what is known of them: name, file, sha256, ...
    NAME.json                                a label: {"record": which one the name means}

A label may move on to other weights; those that it meant before stay, and so does their record.

Releases without records wrote the record into NAME.json, over the one before. Their folders need no
conversion: such a NAME.json is label and record in one, and becomes a record of its own before its
name moves on. Weights that it no longer speaks of are found by hashing them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from index.files.atomic_file import write_atomically

SUFFIXES = (".pth", ".safetensors")


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """What is known of one weights file.

    Attributes
    ----------
    name
        The label that it was made under.
    path
        The file; it may be gone.
    sha256
        Its hash, 64 hexadecimal digits.
    facts
        Everything in the record.
    """

    name: str
    path: Path
    sha256: str
    facts: Mapping[str, Any]


class WeightsFolder:
    """Weights files with records and labels.

    Parameters
    ----------
    folder
        Need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._records = folder / "records"

    def labels(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(label.stem for label in self.path.glob("*.json"))

    def labelled(self, name: str) -> WeightsRecord | None:
        """Return what a name means now, None where it means nothing or cannot be read."""
        label = _read(self._label(name))
        if "record" in label:
            label = _read(self._records / f"{label['record']}.json")
        return self._record(name, label)

    def records(self) -> list[WeightsRecord]:
        """Return all records, those in labels of older releases included."""
        recorded = [self._record(path.stem, _read(path)) for path in self._records.glob("*.json")]
        found = [*recorded, *(self.labelled(name) for name in self.labels())]
        by_file = {record.path: record for record in found if record is not None}
        return [by_file[path] for path in sorted(by_file)]

    def unrecorded(self) -> Iterator[WeightsRecord]:
        """Hash the files without a record, one after the other, and yield a record of each.

        Its name is what the file's name begins with. Nothing is written.
        """
        known = {record.path for record in self.records()}
        for path in sorted(self.path.glob("*")):
            if path.suffix in SUFFIXES and path not in known and path.is_file():
                name = path.stem.rpartition("-")[0] or path.stem
                yield WeightsRecord(name, path, file_sha256(path), {})

    def file(self, name: str, sha256: str, suffix: str) -> Path:
        """Return where weights of this hash belong."""
        return self.path / f"{name}-{sha256[:16]}{suffix}"

    def add(self, record: WeightsRecord, *, label: bool = True) -> None:
        """Record weights whose file is in the folder already.

        Parameters
        ----------
        label
            Let the name mean these weights from now on.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        content = {"name": record.name, "file": record.path.name, "sha256": record.sha256}
        self._records.mkdir(parents=True, exist_ok=True)
        _write(self._records / f"{_stem(record)}.json", dict(record.facts) | content)
        if label:
            before = _read(self._label(record.name))
            old = None if "record" in before else self._record(record.name, before)
            if old is not None and old.sha256 != record.sha256:
                self.add(old, label=False)
            _write(self._label(record.name), {"record": _stem(record)})

    def adopt(self, record: WeightsRecord) -> None:
        """Record weights that were found by hashing, where the folder can be written."""
        before = _read(self._records / f"{_stem(record)}.json")
        with suppress(OSError):
            self.add(replace(record, facts={**before, **record.facts}), label=False)

    def unlabel(self, name: str) -> None:
        """Let a name mean nothing; the weights that it meant and their record stay."""
        found = self.labelled(name)
        if found is not None:
            self.add(found, label=False)
        self._label(name).unlink(missing_ok=True)

    def _label(self, name: str) -> Path:
        return self.path / f"{name}.json"

    def _record(self, name: str, facts: Mapping[str, Any]) -> WeightsRecord | None:
        try:
            # Releases without records called it `path` in the cache.
            path = self.path / (facts["file"] if "file" in facts else facts["path"])
            return WeightsRecord(facts.get("name", name), path, str(facts["sha256"]), facts)
        except (KeyError, TypeError):
            return None


def _stem(record: WeightsRecord) -> str:
    return f"{record.name}-{record.sha256[:16]}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where there is none."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(facts, indent=2).encode())

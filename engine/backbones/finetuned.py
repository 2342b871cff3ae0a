"""Backbones that were fine-tuned on this machine: rows beside the table's.

<data>/backbones/
    NAME-<sha256, 16 digits>.safetensors     weights, the table row's last layer included
    records/NAME-<sha256, 16 digits>.json    the table's row, and how they were made
    NAME.json                                which of them the name means now
    NAME.checkpoint                          an unfinished run

They are work that would have to be done again, so they are not in the cache, which may be cleared
at any time. Fine-tuning under a name once more moves the name on; catalogs made before find their
weights by fingerprint, and people by `NAME@FINGERPRINT`, of which a beginning is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.backbones.table import AUTO, BACKBONES, Backbone, backbone_named
from engine.backbones.weights_folder import WeightsFolder, WeightsRecord
from engine.backbones.weights_source import SHORT, Finetuned, copying, gone
from engine.errors import TrainingError, UnknownBackboneError, UsageError
from index.errors import reason_of
from index.files.atomic_file import write_atomically

_NAME = re.compile(r"[\w][\w.-]{0,63}")


class FinetunedBackbones:
    """The fine-tuned backbones of a folder.

    Parameters
    ----------
    data
        Where what people made is kept.
    """

    def __init__(self, data: Path) -> None:
        self._folder = WeightsFolder(data / "backbones")

    def all(self) -> tuple[Backbone, ...]:
        """Return the table, and after it what each name of a fine-tuned backbone means now."""
        rows = (self._labelled(name) for name in self._folder.labels())
        return (*BACKBONES, *(row for row in rows if row is not None))

    def superseded(self) -> tuple[Backbone, ...]:
        """Return those that no name means any more, each named `NAME@FINGERPRINT`."""
        current = {each.weights for each in self.all()}
        rows = (self._row(record) for record in self._folder.records())
        return tuple(
            replace(row, name=f"{row.name}@{_fingerprint(row)[:SHORT]}")
            for row in rows
            if row is not None and row.weights not in current
        )

    def named(self, name: str) -> Backbone:
        """Return a row of the table, or a fine-tuned one, as `NAME` or `NAME@FINGERPRINT`.

        Raises
        ------
        UnknownBackboneError
            There is no such backbone; the message lists those there are.
        """
        try:
            return backbone_named(name)
        except UnknownBackboneError:
            label, at, short = name.partition("@")
            row = self._recorded(short, label) if at else self._labelled(label)
            if row is None:
                known = ", ".join(each.name for each in (*self.all(), *self.superseded()))
                raise UnknownBackboneError(
                    name, "there is no such backbone", f"Use one of {AUTO}, {known}"
                ) from None
            return replace(row, name=name)

    def pinned(self, name: str, fingerprint: str) -> Backbone:
        """Return the backbone that a catalog was made with, whatever its name means now.

        Parameters
        ----------
        name
            What the catalog calls it.
        fingerprint
            What its embeddings depend on.

        Raises
        ------
        WeightsUnreachableError
            Neither a record nor a weights file in the folder has this fingerprint.
        """
        row = self._labelled(name)
        if row is None or _fingerprint(row) != fingerprint:
            row = self._recorded(fingerprint)
        if row is None or not _has_weights(row):
            row = self._found_by_hashing(fingerprint) or row
        if row is None:
            raise gone(name, fingerprint, copying(name, self._folder.path))
        return replace(row, name=name)

    def facts(self, name: str) -> Mapping[str, Any]:
        """Return what is known of how a fine-tuned backbone was made; nothing of others."""
        record = self._folder.labelled(name)
        return record.facts if record else {}

    def checkpoint(self, name: str) -> Path:
        """Return where the state of an unfinished fine-tuning is kept."""
        return self._folder.path / f"{name}.checkpoint"

    def keep(
        self, name: str, base: Backbone, weights: bytes, sha256: str, facts: Mapping[str, Any]
    ) -> Backbone:
        """Keep a fine-tuned backbone; its name means it from now on.

        Parameters
        ----------
        base
            What it was made from.
        weights
            The content of a safetensors file.
        sha256
            Its hash.
        facts
            How it was made.

        Raises
        ------
        TrainingError
            The folder cannot be written.
        """
        path = self._folder.file(name, sha256, ".safetensors")
        root = base.weights.base if isinstance(base.weights, Finetuned) else base.name
        record = WeightsRecord(name, path, sha256, {**facts, "base": root, "size": len(weights)})
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            write_atomically(path, weights)
            self._folder.add(record)
        except OSError as error:
            raise TrainingError(
                self._folder.path,
                f"the backbone cannot be kept ({reason_of(error)})",
                "Free some space, or name another folder in ENGINE_DATA",
            ) from None
        return self.named(name)

    def _labelled(self, name: str) -> Backbone | None:
        """Return what a name means now."""
        row = self._row(self._folder.labelled(name)) if _NAME.fullmatch(name) else None
        return replace(row, name=name) if row else None

    def _recorded(self, fingerprint: str, name: str | None = None) -> Backbone | None:
        """Return the one backbone whose fingerprint begins like this."""
        rows = (self._row(each) for each in self._folder.records() if name in (None, each.name))
        found = {_fingerprint(row): row for row in rows if row}
        matching = [row for key, row in found.items() if key.startswith(fingerprint)]
        return matching[0] if len(matching) == 1 else None

    def _found_by_hashing(self, fingerprint: str) -> Backbone | None:
        """Look through weights without a record, which do not say what they were made from."""
        for record in self._folder.unrecorded():
            for base in BACKBONES:
                if base.fingerprint(record.sha256) == fingerprint:
                    facts = {"base": base.name, "size": record.path.stat().st_size}
                    self._folder.adopt(replace(record, facts=facts))
                    return self._row(replace(record, facts=facts))
        return None

    def _row(self, record: WeightsRecord | None) -> Backbone | None:
        if record is None:
            return None
        try:
            base = backbone_named(record.facts["base"])
            size = int(record.facts["size"])
        except (KeyError, TypeError, ValueError, UnknownBackboneError):
            return None
        weights = Finetuned(str(record.path), record.sha256, size, base.name)
        # What was measured of the base's embeddings does not hold for these.
        return replace(
            base,
            name=record.name,
            weights=weights,
            tensors_in_order=False,
            renamed=None,
            in_distribution=None,
            close=None,
        )


def check_new_name(name: str) -> None:
    """Refuse names that a fine-tuned backbone cannot have.

    Raises
    ------
    UsageError
        It is the table's, or no name.
    """
    if name == AUTO or any(name == each.name for each in BACKBONES):
        raise UsageError(name, "this name belongs to the engine", "Choose another name")
    if not _NAME.fullmatch(name):
        raise UsageError(
            name or "''",
            "this is no name for a backbone",
            "Use letters, digits, dots, dashes and underscores, 64 at most",
        )


def _has_weights(row: Backbone) -> bool:
    return isinstance(row.weights, Finetuned) and Path(row.weights.path).is_file()


def _fingerprint(row: Backbone) -> str:
    return row.fingerprint(row.weights.sha256)

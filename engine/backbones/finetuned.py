"""Backbones that were fine-tuned on this machine: rows beside the table's.

<data>/backbones/
    NAME.json                   what it was made from, and how
    NAME-<hash>.safetensors     its weights, the table row's last layer included

They are work that would have to be done again, so they are not in the cache, which may be cleared
at any time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.backbones.table import AUTO, BACKBONES, Backbone, Tuned, backbone_named
from engine.errors import TrainingError, UnknownBackboneError, UsageError

_NAME = re.compile(r"[\w][\w.-]{0,63}")


class TunedBackbones:
    """The fine-tuned backbones of a folder.

    Parameters
    ----------
    data
        Where what people made is kept.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "backbones"

    def all(self) -> tuple[Backbone, ...]:
        """Return the table, and the fine-tuned ones after it."""
        found = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        rows = (self._row(path) for path in found)
        return (*BACKBONES, *(row for row in rows if row is not None))

    def named(self, name: str) -> Backbone:
        """Return a row of the table, or a fine-tuned one.

        Raises
        ------
        UnknownBackboneError
            There is no such backbone; the message lists those there are.
        """
        try:
            return backbone_named(name)
        except UnknownBackboneError:
            row = self._row(self._folder / f"{name}.json") if _NAME.fullmatch(name) else None
            if row is None:
                known = ", ".join(each.name for each in self.all())
                raise UnknownBackboneError(
                    name, "there is no such backbone", f"Use one of {AUTO}, {known}"
                ) from None
            return row

    def facts(self, name: str) -> Mapping[str, Any]:
        """Return what is known of how a fine-tuned backbone was made; nothing of others."""
        try:
            facts = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def checkpoint(self, name: str) -> Path:
        """Return where the state of an unfinished fine-tuning is kept."""
        return self._folder / f"{name}.checkpoint"

    def keep(
        self, name: str, base: Backbone, weights: bytes, sha256: str, facts: Mapping[str, Any]
    ) -> Backbone:
        """Keep a fine-tuned backbone; one of the same name is replaced.

        Raises
        ------
        TrainingError
            The folder cannot be written.
        """
        file = self._folder / f"{name}-{sha256[:8]}.safetensors"
        note = self._folder / f"{name}.json"
        row = {"base": base.name, "file": file.name, "sha256": sha256, "size": len(weights)}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(file, weights)
            _write(note, json.dumps(row | dict(facts), indent=2).encode())
        except OSError as error:
            raise TrainingError(
                self._folder,
                f"the backbone cannot be kept ({error.strerror})",
                "Free some space, or name another folder in ENGINE_DATA",
            ) from None
        return self.named(name)

    def _row(self, note: Path) -> Backbone | None:
        facts = self.facts(note.stem)
        try:
            base = backbone_named(facts["base"])
            file = self._folder / str(facts["file"])
            weights = Tuned(str(file), str(facts["sha256"]), int(facts["size"]), base.name)
        except (KeyError, TypeError, ValueError, UnknownBackboneError):
            return None
        return replace(base, name=note.stem, weights=weights, tensors_in_order=False, renamed=None)


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


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

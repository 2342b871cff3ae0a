"""A backbone quantized for one catalog: one file in the catalog, a folder in the cache.

The file is a ZIP archive with nothing compressed in it:

    facts.json                    the format's number, the backbone's name and fingerprint
    model.xml, model.bin          the network as OpenVINO reads it, without its last layer
    classifier.safetensors        the last layer, and the names of its 1000 rows

It is complete by itself: neither the weights it was made from nor the tools that made it are
needed to use it. Its fingerprint is the catalog's.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from engine.backbones.table import Backbone
from engine.errors import CatalogDamagedError, CatalogVersionError
from engine.runtimes.model_cache import is_complete, is_sound, write_folder_or_temporary
from engine.runtimes.openvino_export import FILES, ExportedModel, model_folder

FORMAT = 1
FACTS = "facts.json"
# The earliest moment that a ZIP archive can tell: the same network is always the same file.
_MOMENT = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, backbone: str, fingerprint: str) -> bytes:
    """Return the file of the network in a folder.

    Parameters
    ----------
    folder
        Holds `FILES`.
    backbone, fingerprint
        What the network was quantized from.
    """
    facts = {"format": FORMAT, "backbone": backbone, "fingerprint": fingerprint}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(FACTS, _MOMENT), json.dumps(facts, sort_keys=True))
        for name in FILES:
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), (folder / name).read_bytes())
    return content.getvalue()


def fingerprint_of(file: bytes) -> str:
    """Return the SHA-256 over the fingerprint of the backbone in fp32 and the file's own hash.

    Raises
    ------
    CatalogDamagedError, CatalogVersionError
        As for `base_fingerprint`.
    """
    pinned = {"backbone": base_fingerprint(file), "network": hashlib.sha256(file).hexdigest()}
    return hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()


def base_fingerprint(file: bytes) -> str:
    """Return the fingerprint of the backbone in fp32 that a network was quantized from.

    Raises
    ------
    CatalogDamagedError
        This is no such file.
    CatalogVersionError
        A newer release wrote it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            facts = json.loads(archive.read(FACTS))
        version, fingerprint = facts["format"], str(facts["fingerprint"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise _damaged("it is no network") from None
    if version != FORMAT:
        raise CatalogVersionError(
            "the catalog's network",
            f"it has format {version}, and this release knows format {FORMAT}",
            "Install a newer release",
        )
    return fingerprint


def unpack(
    backbone: Backbone, fingerprint: str, cache: Path, read: Callable[[], bytes]
) -> ExportedModel:
    """Return a network's files in the cache, unpacked on first use.

    Parameters
    ----------
    fingerprint
        What the network must have.
    read
        Returns its file; called only where the cache lacks it.

    Raises
    ------
    CatalogDamagedError
        The file is not the one that the fingerprint was taken of.
    """
    folder = model_folder(cache, backbone, fingerprint)

    def make() -> Path:
        file = read()
        if fingerprint_of(file) != fingerprint:
            raise _damaged("its hash is not the one that the catalog recorded")
        return write_folder_or_temporary(folder, FILES, lambda target: _extract(file, target))

    if not (is_complete(folder, FILES) and is_sound(folder, FILES)):
        return ExportedModel(make(), None)
    return ExportedModel(folder, None)


def _extract(file: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        for name in FILES:
            (folder / name).write_bytes(archive.read(name))


def _damaged(reason: str) -> CatalogDamagedError:
    return CatalogDamagedError(
        "the catalog's network",
        reason,
        "Put back a copy of the catalog, or index into another store with --store",
    )

"""OpenVINO's cache of compiled models, which it reads without a doubt: checked here first.

A damaged file in it ends the process with a segmentation fault, or gives other embeddings. So each
is noted with its checksum once it was written, and one that is not as it was noted is removed
before OpenVINO sees it: it is compiled anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from engine.runtimes.model_cache import CHECKSUMS, file_crc32
from index.files.atomic_file import write_atomically

# A blob for each number of threads that was asked for; more are left from other versions.
MOST = 4


class CompiledCache:
    """One folder for OpenVINO to keep compiled models in, read once for each of these objects.

    Parameters
    ----------
    folder
        It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sound: dict[str, int] = {}

    @cached_property
    def is_usable(self) -> bool:
        """Whether OpenVINO may read and write the folder: all that is in it is as it was noted.

        What is not is removed. A folder that cannot be written is not usable where something in it
        is damaged.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            noted = self._noted()
            for blob in self._blobs():
                crc32 = file_crc32(blob)
                if crc32 == noted.get(blob.name):
                    self._sound[blob.name] = crc32
                else:
                    blob.unlink()
        except OSError:
            return False
        return True

    @cached_property
    def is_filled(self) -> bool:
        """Whether there is a compiled model that can be used."""
        return self.is_usable and bool(self._blobs())

    def note(self) -> None:
        """Note what OpenVINO has written, and remove the oldest where there are many."""
        with suppress(OSError):
            blobs = sorted(self._blobs(), key=lambda blob: blob.stat().st_mtime_ns)
            for blob in blobs[:-MOST]:
                blob.unlink()
            notes = {
                blob.name: self._sound.get(blob.name) or file_crc32(blob) for blob in blobs[-MOST:]
            }
            if notes != self._noted():
                write_atomically(self.folder / CHECKSUMS, json.dumps(notes).encode())

    def clear(self) -> None:
        """Remove every compiled model, where the folder can be written."""
        for blob in self._blobs():
            with suppress(OSError):
                blob.unlink()

    def _blobs(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if path.name != CHECKSUMS and path.is_file()]

    def _noted(self) -> dict[str, int]:
        try:
            noted = json.loads((self.folder / CHECKSUMS).read_bytes())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

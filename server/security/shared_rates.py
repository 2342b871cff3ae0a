"""How often a client may ask several processes together: buckets in a file that all of them map."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

# Of a client: a hash of its name, requests that are left, and when that was.
SLOT = struct.Struct("=Qdd")
# A client has one of a row's slots; where all are taken, that of who asked longest ago.
ROWS, SLOTS = 512, 8


class SharedRates:
    """Buckets by client, as `ClientRates` has them, for all processes that name the same file.

    Parameters
    ----------
    path
        The file; it is made where it is not there.
    rate
        Requests a second.
    burst
        Requests at once.
    clock
        Seconds, the same in all processes.
    """

    def __init__(
        self, path: Path, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Zeros where it is new: slots of nobody, from long ago.
        os.ftruncate(self._file, ROWS * SLOTS * SLOT.size)
        self._map = mmap.mmap(self._file, ROWS * SLOTS * SLOT.size)

    def wait(self, client: str) -> float:
        """Take one request of a client; return how many seconds it has to wait, 0 for none."""
        name = int.from_bytes(blake2b(client.encode("utf-8", "replace"), digest_size=8).digest())
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            return self._taken(name)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _taken(self, name: int) -> float:
        now = self._clock()
        first = name % ROWS * SLOTS * SLOT.size
        slots = [(SLOT.unpack_from(self._map, at), at) for at in self._row(first)]
        own = [each for each in slots if each[0][0] == name and each[0][2]]
        if own:
            ((_, left, then), at) = own[0]
        else:
            at = min(slots, key=lambda each: each[0][2])[1]
            left, then = float(self._burst), now
        left = min(self._burst, left + self._rate * (now - then))
        allowed = left >= 1
        SLOT.pack_into(self._map, at, name, left - allowed, now)
        return 0.0 if allowed else (1 - left) / self._rate

    def _row(self, first: int) -> range:
        return range(first, first + SLOTS * SLOT.size, SLOT.size)

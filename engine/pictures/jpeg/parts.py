"""What a JPEG file may be made of, so that its pixels and its bytes bound the time that it takes.

Each scan of a JPEG file goes over all of its pixels, however few bytes it has: 14 MB of them take
an hour (D. R. Commander, "Two Issues with the JPEG Standard", libjpeg-turbo, 2019). What lies
before the first scan is read part by part in Python, and parts of EXIF are joined each time anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SCAN, END, EXIF = 0xDA, 0xD9, 0xE1
# Markers that no length follows: TEM, RST0 to RST7, SOI and EOI.
_ALONE = frozenset((0x01, *range(0xD0, 0xDA)))
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Within a scan restart markers are no parts.
_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class JpegLimits:
    """How much a JPEG file may have of each.

    Attributes
    ----------
    scans
        Encoders write 10, a scan for every bit of every coefficient would be some hundred.
    parts
        Segments up to the last scan: of 64 KB each, as large profiles and depth maps are cut.
    exif
        Segments of EXIF.
    filler
        Bytes between the segments before the first scan.
    """

    scans: int = 200
    parts: int = 10_000
    exif: int = 100
    filler: int = 1 << 20


def excess(data: bytes, limits: JpegLimits = JpegLimits()) -> str:
    """Return what a JPEG file has too much of, as the reason of a refusal; empty where nothing.

    Files that end too early, or are no JPEG files, have no excess. Thumbnails, and further pictures
    after the end of the first, do not count.
    """
    at, parts, exif, filler = 2, 0, 0, 0
    while found := _MARKER.search(data, at):
        parts += 1
        filler += found.start() - at
        marker, at = data[found.start() + 1], found.end()
        if marker == SCAN:
            break
        exif += marker == EXIF and data.startswith(b"Exif\0\0", at + 2)
        at = _behind(data, marker, at)
        if parts > limits.parts:
            return f"it has more than {limits.parts:,} parts before its picture"
        if exif > limits.exif:
            return f"it has more than {limits.exif} parts of EXIF"
        if filler > limits.filler:
            return f"it has more than {limits.filler:,} bytes of nothing before its picture"
    else:
        return ""
    # Nearly always few enough wherever they are, and that is counted fast.
    if data.count(bytes((0xFF, SCAN))) <= limits.scans:
        return ""
    return _too_many_scans(data, at, limits)


def _too_many_scans(data: bytes, at: int, limits: JpegLimits) -> str:
    """Count scans one by one; `at` is behind the marker of the first."""
    scans, parts = 1, 0
    at = _behind(data, SCAN, at)
    while found := _IN_SCAN.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == END:
            return ""
        parts += 1
        scans += marker == SCAN
        at = _behind(data, marker, at)
        if scans > limits.scans:
            return (
                f"it has more than {limits.scans} scans, each of which takes as long as a picture"
            )
        if parts > limits.parts:
            return f"it has more than {limits.parts:,} parts between its scans"
    return ""


def _behind(data: bytes, marker: int, at: int) -> int:
    """Return where a segment ends whose marker ends at `at`."""
    return at if marker in _ALONE else at + max(2, int.from_bytes(data[at : at + 2], "big"))

"""Picture files of every kind that a library can write, made of one Pillow image."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageCms

Writer = Callable[[Image.Image], bytes]


def by_pillow(kind: str, **options: Any) -> Writer:
    """Return what writes a kind that Pillow knows."""

    def write(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return write


def heic(image: Image.Image, **options: Any) -> bytes:
    """Return a HEIC file."""
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def jxl(image: Image.Image, **options: Any) -> bytes:
    """Return a JPEG XL file."""
    import pillow_jxl

    encoder = pillow_jxl.Encoder(image.mode, **{"quality": 95.0, **options})
    written: bytes = encoder(image.tobytes(), *image.size, jpeg_encode=False)
    return written


def several(kind: str, **options: Any) -> Writer:
    """Return what writes a file of two frames, of which the second is black."""

    def write(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        black = Image.new("RGB", image.size)
        image.save(buffer, kind, save_all=True, append_images=[black], **options)
        return buffer.getvalue()

    return write


def grey_16(image: Image.Image) -> bytes:
    """Return a PNG of 16-bit greys."""
    values = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return by_pillow("PNG")(Image.fromarray(values))


def grey_float(image: Image.Image) -> bytes:
    """Return a TIFF of greys between 0 and 1."""
    values = np.asarray(image.convert("L")).astype(np.float32) / 255
    return by_pillow("TIFF")(Image.fromarray(values))


def cmyk(image: Image.Image) -> bytes:
    """Return a JPEG of four inks, as Adobe's programs write them: inverted, with a marker."""
    return by_pillow("JPEG", quality=95)(image.convert("CMYK"))


def cmyk_tiff(image: Image.Image) -> bytes:
    """Return four inks without Adobe's marker."""
    return by_pillow("TIFF")(image.convert("CMYK"))


def display_p3(image: Image.Image) -> bytes:
    """Return a PNG of the same colours, in the coordinates of a wider colour space."""
    wide = wide_profile()
    source = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(
        image, source, ImageCms.ImageCmsProfile(io.BytesIO(wide)), outputMode="RGB"
    )
    assert converted is not None
    return by_pillow("PNG", icc_profile=wide)(converted)


def wide_profile() -> bytes:
    """Return an ICC profile with the primaries of Display P3 and the curve of sRGB.

    Matrix and white point as Apple publishes them, adapted to D50; ICC.1:2004 says how it is laid
    out. Made here, because profiles of vendors may not be copied.
    """
    columns = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
        b"wtpt": (0.95045, 1.0, 1.08905),
    }
    tags = {name: b"XYZ \0\0\0\0" + b"".join(map(_fixed, xyz)) for name, xyz in columns.items()}
    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(
        map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    )
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    text = "Wide".encode("utf-16-be")
    for name in (b"desc", b"cprt"):
        head = struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(text), 28)
        tags[name] = head + text
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12x4s28x3i48x",
        start + len(body), b"\0\0\0\0", 0x04000000, b"mntr", b"RGB ", b"XYZ ", b"acsp",
        *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)),
    )  # fmt: skip
    assert len(head) == 128
    return head + struct.pack(">I", len(tags)) + table + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def dng(image: Image.Image) -> bytes:
    """Return a camera's raw file: a DNG of one colour a pixel, red, green, green, blue.

    Adobe's specification of DNG 1.4, without a preview.
    """
    pixels = np.asarray(image).astype(np.float64) / 255
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    mosaic = linear[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = linear[0::2, 0::2, 0], linear[1::2, 1::2, 2]
    data = (mosaic * 65535).round().astype("<u2").tobytes()
    height, width = mosaic.shape
    # sRGB's primaries at D65: from CIE XYZ to what this camera sees.
    matrix = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
    signed = b"".join(struct.pack("<ii", round(value * 10000), 10000) for value in matrix)
    neutral = struct.pack("<II", 1, 1) * 3
    entries: list[tuple[int, int, int, bytes]] = [
        (254, 4, 1, struct.pack("<I", 0)),
        (256, 4, 1, struct.pack("<I", width)),
        (257, 4, 1, struct.pack("<I", height)),
        (258, 3, 1, struct.pack("<HH", 16, 0)),
        (259, 3, 1, struct.pack("<HH", 1, 0)),
        (262, 3, 1, struct.pack("<HH", 32803, 0)),
        (271, 2, 5, b"Test\0"),
        (272, 2, 5, b"Test\0"),
        (273, 4, 1, b"DATA"),
        (274, 3, 1, struct.pack("<HH", 1, 0)),
        (277, 3, 1, struct.pack("<HH", 1, 0)),
        (278, 4, 1, struct.pack("<I", height)),
        (279, 4, 1, struct.pack("<I", len(data))),
        (33421, 3, 2, struct.pack("<HH", 2, 2)),
        (33422, 1, 4, bytes((0, 1, 1, 2))),
        (50706, 1, 4, bytes((1, 4, 0, 0))),
        (50708, 2, 5, b"Test\0"),
        (50717, 4, 1, struct.pack("<I", 65535)),
        (50721, 10, 9, signed),
        (50728, 5, 3, neutral),
        (50778, 3, 1, struct.pack("<HH", 21, 0)),
    ]
    end = 8 + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack("<H", len(entries)), b""
    sizes = sum(len(value) + len(value) % 2 for *_, value in entries if len(value) > 4)
    for tag, kind, count, value in entries:
        if value == b"DATA":
            value = struct.pack("<I", end + sizes)
        if len(value) > 4:
            place = struct.pack("<I", end + len(extra))
            extra += value + bytes(len(value) % 2)
            value = place
        directory += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"II*\0\x08\0\0\0" + directory + bytes(4) + extra + data


def psd(image: Image.Image) -> bytes:
    """Return a Photoshop file without layers: its merged picture alone."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, image.height, image.width, 8, 3)
    return head + bytes(12) + bytes(2) + np.asarray(image).transpose(2, 0, 1).tobytes()


# Name, the extension that such files have, and what writes one.
WRITERS: Mapping[str, tuple[str, Writer]] = {
    "JPEG": ("jpg", by_pillow("JPEG", quality=95)),
    "MPO": ("mpo", several("MPO", quality=95)),
    "CMYK JPEG": ("jpg", cmyk),
    "CMYK TIFF": ("tif", cmyk_tiff),
    "PNG": ("png", by_pillow("PNG")),
    "APNG": ("apng", several("PNG")),
    "PNG of 16-bit greys": ("png", grey_16),
    "PNG in Display P3": ("png", display_p3),
    "WEBP": ("webp", by_pillow("WEBP", quality=95)),
    "animated WEBP": ("webp", several("WEBP", quality=95)),
    "GIF": ("gif", by_pillow("GIF")),
    "animated GIF": ("gif", several("GIF")),
    "BMP": ("bmp", by_pillow("BMP")),
    "DIB": ("dib", by_pillow("DIB")),
    "TIFF": ("tif", by_pillow("TIFF")),
    "TIFF of several pages": ("tiff", several("TIFF")),
    "TIFF of float greys": ("tif", grey_float),
    "AVIF": ("avif", by_pillow("AVIF", quality=90)),
    "HEIC": ("heic", heic),
    "JXL": ("jxl", jxl),
    "JPEG2000": ("jp2", by_pillow("JPEG2000")),
    "PNM": ("ppm", by_pillow("PPM")),
    "TGA": ("tga", by_pillow("TGA")),
    "ICO": ("ico", by_pillow("ICO", sizes=[(256, 256)])),
    "QOI": ("qoi", by_pillow("QOI")),
    "PCX": ("pcx", by_pillow("PCX")),
    "SGI": ("sgi", by_pillow("SGI")),
    "DDS": ("dds", by_pillow("DDS")),
    "ICNS": ("icns", by_pillow("ICNS")),
    "PSD": ("psd", psd),
    "DNG": ("dng", dng),
}

"""From the pixels of any kind of picture to 8-bit RGB as sRGB means it, nothing transparent."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFile

WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
# What is lighter than this, of 255, is hardly seen on white.
PALE = 224
# Where so much of what can be seen is pale, the picture was made for a dark ground.
MOSTLY = 0.8
# A colour space's name in the header of an ICC profile, by the modes that it may belong to.
_SPACES = {b"RGB ": ("RGB",), b"GRAY": ("L",), b"CMYK": ("CMYK",)}
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))


def to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """Return an unpacked image of any mode as 8-bit sRGB, for when its file is closed.

    Returns
    -------
    Image
        Of mode RGB.
    bool
        False where the image's colour profile cannot be used, and was ignored.
    """
    profile = _profile(image)
    if image.mode in WIDE_MODES:
        image = _to_eight_bits(image)
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = _on_ground(image.convert("RGBA"))
    if image.mode in ("1", "P", "HSV", "YCbCr", "RGBX"):
        image = image.convert("RGB")
    if profile:
        try:
            return _to_srgb(image, profile), True
        except Exception:  # littlecms raises nearly anything on a broken profile
            return image.convert("RGB"), False
    return _own(image) if image.mode == "RGB" else image.convert("RGB"), True


def _own(image: Image.Image) -> Image.Image:
    """Return an image that its reader has no part in any more: the very one where it has none."""
    # A reader with a `load` of its own may want its file again, and one of several frames holds it
    # for as long as it lives. To copy takes half as long as to resize.
    plain = type(image).load in (Image.Image.load, ImageFile.ImageFile.load)
    return image if plain and getattr(image, "_fp", None) is None else image.copy()


def has_other_profile(image: Image.Image) -> bool:
    """Say whether an image has a colour profile, another one than sRGB."""
    return bool(_profile(image))


def _profile(image: Image.Image) -> bytes:
    """Return the colour profile to convert by, empty where there is none or it is sRGB."""
    profile: bytes = image.info.get("icc_profile") or b""
    return b"" if any(mark in profile for mark in _SRGB) else profile


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    if image.mode not in _SPACES.get(profile[16:20], ()):
        if profile[16:20] == b"GRAY" and image.mode == "RGB":
            return _own(image)
        raise ValueError("the profile is of another colour space")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert made is not None
    return made


def _on_ground(rgba: Image.Image) -> Image.Image:
    """Lay an image on white, or on black where most of it would vanish on white."""
    alpha = np.asarray(rgba.getchannel("A"))
    if alpha.min() == 255:
        return rgba.convert("RGB")
    seen = alpha.astype(np.float32).sum()
    pale = alpha[np.asarray(rgba.convert("L")) > PALE].astype(np.float32).sum()
    ground = (0, 0, 0, 255) if seen and pale >= MOSTLY * seen else (255, 255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    if image.mode.startswith("I"):
        # 16-bit greys keep their meaning: 65535 is white however dark the image is.
        scaled = values / 257.0
    else:
        # NaN and infinity say nothing of the range; without any other number all is black.
        finite = np.isfinite(values)
        low = float(values.min(where=finite, initial=np.inf))
        high = float(values.max(where=finite, initial=-np.inf))
        inside = low >= 0.0 and high <= 1.0
        with np.errstate(all="ignore"):
            scaled = values * 255.0 if inside else (values - low) * 255.0 / max(high - low, 1e-12)
    eight = np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8)
    return Image.fromarray(eight, mode="L")

"""Mutated pictures of every format that can be written here."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.support.formats import WRITERS
from tests.support.shop import image
from tests.torture.case import Result, WrongAnswerError, run

# So many in a process: a fork costs as much as five of them.
BATCH = 25
MOST_PIXELS = 20_000_000
ADDRESS_SPACE = 6 << 30


class Pictures:
    """Pictures that were damaged or written by nobody, decoded as a picture of a stranger is."""

    name, goal = "pictures", 20_000 // BATCH

    def __init__(self, folder: Path) -> None:
        drawn = image(7).resize((256, 256))
        self._samples = [write(drawn) for _, write in WRITERS.values()]

    def strike(self, rng: Random, folder: Path) -> Result:
        """Decode some; each gives pixels of its size, or an `ImageError`."""
        seeds = [rng.random() for _ in range(BATCH)]
        return run(lambda: _decode_all(self._samples, seeds))


def _decode_all(samples: Sequence[bytes], seeds: Sequence[float]) -> str:
    from engine.errors import ImageError
    from engine.pictures.decode import decode

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    refused = 0
    for seed in seeds:
        rng = Random(seed)
        data = mutated(rng.choice(samples), rng)
        try:
            image = decode(data, "picture", MOST_PIXELS, 256)
        except ImageError:
            refused += 1
            continue
        if image.pixels.mode != "RGB" or min(image.pixels.size) < 1:
            raise WrongAnswerError(f"{image.pixels.mode} {image.pixels.size} of seed {seed}")
    return "noticed" if refused else "survived"


def mutated(data: bytes, rng: Random) -> bytes:
    """Return a picture's bytes with a few of them changed, lost, or doubled."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        kind = rng.choice(["bit", "byte", "length", "cut", "double", "head", "drop"])
        at = rng.randrange(max(1, len(changed)))
        if kind == "bit" and changed:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == "byte" and changed:
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind == "length":
            changed[at : at + 4] = rng.choice(
                [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
            )
        elif kind == "cut":
            del changed[max(1, at) :]
        elif kind == "double":
            changed[at:at] = changed[at : at + rng.randrange(1, 400)]
        elif kind == "head" and changed:
            # What says how large it is stands near the front.
            changed[rng.randrange(min(64, len(changed)))] = rng.randrange(256)
        elif kind == "drop":
            del changed[at : at + rng.randrange(1, 200)]
    return bytes(changed)

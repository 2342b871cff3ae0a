"""Files of weights that somebody else made, or that a disk has changed.

Each function takes the tensors of a backbone and a folder, and returns the path to import.
"""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch

from tests.torture.pictures import mutated

State = Mapping[str, torch.Tensor]
Make = Callable[[State, Path, Random], Path]

SUFFIXES = (".pth", ".safetensors")
# Where names, shapes and offsets stand: at the front of both formats, and at the end of a zip file.
EDGE = 1 << 15
VALUES = (float("nan"), float("inf"), float("-inf"), 3.4e38, -3e38, 1e30, 1e-45, 0.0)
NAMES: tuple[Any, ...] = ("", "\x1b[31m", "\0", "a" * 100_000, "é\u202e", "a.b" * 1000, 7, None)
DTYPES = (
    *(torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64),
    *(torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2),
)
LARGE = 2**62
# Lists in lists, lists of one list by the thousand, and texts that are longer than the file.
PICKLES = (
    b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    b"\x80\x02]q\0(" + b"h\0" * 100_000 + b"e.",
    b"\x80\x02X\xff\xff\xff\x7fa.",
    b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.",
    b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    b"\x80\x02r\xff\xff\xff\x7f.",
    b"\x80\xff.",
    b"(" * 100_000,
)


def write(state: Mapping[Any, Any], folder: Path, rng: Random) -> Path:
    """Write tensors in one of the formats, in the one that takes everything where need be."""
    from safetensors.torch import save_file

    path = folder / f"weights{rng.choice(SUFFIXES)}"
    if path.suffix == ".safetensors":
        try:
            save_file({name: value.contiguous() for name, value in state.items()}, path)
            return path
        except (TypeError, ValueError, RuntimeError, KeyError, AttributeError, UnicodeError):
            path.unlink(missing_ok=True)
    path = path.with_suffix(".pth")
    torch.save(dict(state), path, _use_new_zipfile_serialization=rng.random() < 0.8)
    return path


def changed_bytes(state: State, folder: Path, rng: Random) -> Path:
    """Change bytes where they mean most, or anywhere."""
    path = write(state, folder, rng)
    data = path.read_bytes()
    start = rng.choice([0, len(data) - EDGE, rng.randrange(len(data))])
    part = data[start : start + EDGE]
    if rng.random() < 0.3:
        at = rng.randrange(len(part))
        part = part[:at] + bytes(min(4096, len(part) - at)) + part[at + 4096 :]
    else:
        part = mutated(part, rng)
    path.write_bytes(data[:start] + part + data[start + EDGE :])
    return path


def cut(state: State, folder: Path, rng: Random) -> Path:
    """Lose the end, or everything but the length."""
    path = write(state, folder, rng)
    size = path.stat().st_size
    most = size if rng.random() < 0.7 else EDGE
    os.truncate(path, rng.randrange(most))
    if rng.random() < 0.3:
        os.truncate(path, size)
    return path


def numbers(state: State, folder: Path, rng: Random) -> Path:
    """Exchange one number, or fill a tensor."""
    name = rng.choice(_floating(state))
    tensor = state[name].clone()
    if rng.random() < 0.5:
        tensor.view(-1)[rng.randrange(tensor.numel())] = rng.choice(VALUES)
    else:
        tensor.fill_(rng.choice(VALUES))
    return write({**state, name: tensor}, folder, rng)


def scales(state: State, folder: Path, rng: Random) -> Path:
    """Make numbers so large that what is computed with them overflows, if not for every picture."""
    changed = dict(state)
    last = [name for name in _floating(state) if name.startswith(("bn2.", "conv_head."))]
    for name in rng.sample(rng.choice([last, _floating(state)]), rng.choice([1, 1, 3])):
        factor = rng.choice([-1, 1]) * 10 ** rng.uniform(-45, 38.5)
        changed[name] = (state[name].double() * factor).clamp(-3.4e38, 3.4e38).float()
    return write(changed, folder, rng)


def shapes(state: State, folder: Path, rng: Random) -> Path:
    """Give a tensor another shape."""
    name = rng.choice(sorted(state))
    tensor = state[name]
    other = rng.choice(
        [
            tensor.reshape(-1),
            tensor[None],
            tensor.reshape(-1)[:-1],
            tensor.new_zeros(0),
            tensor.new_zeros(()),
            tensor.new_zeros(()).expand(LARGE),
            tensor.new_zeros(()).expand(tensor.shape),
            tensor.transpose(0, -1) if tensor.ndim > 1 else tensor,
        ]
    )
    return write({**state, name: other}, folder, rng)


def dtypes(state: State, folder: Path, rng: Random) -> Path:
    """Store one tensor, or all, as another kind of number."""
    dtype = rng.choice(DTYPES)
    names = sorted(state) if rng.random() < 0.4 else [rng.choice(sorted(state))]
    return write({**state, **{name: state[name].to(dtype) for name in names}}, folder, rng)


def names(state: State, folder: Path, rng: Random) -> Path:
    """Leave tensors out, add some, or call them something else."""
    changed: dict[Any, Any] = dict(state)
    for _ in range(rng.choice([1, 1, 3])):
        name = rng.choice(sorted(state))
        kind = rng.choice(["missing", "extra", "renamed"])
        tensor = state[name] if kind == "extra" else changed.pop(name, state[name])
        if kind != "missing":
            changed[rng.choice(NAMES)] = tensor.clone()
    return write(changed, folder, rng)


def no_table(state: State, folder: Path, rng: Random) -> Path:
    """Hold something else than tensors by name."""
    name = rng.choice(sorted(state))
    path = folder / "weights.pth"
    if rng.random() < 0.3:
        path.write_bytes(rng.choice(PICKLES))
        return path
    deep: Any = 0
    for _ in range(rng.choice([10, 50])):
        deep = [deep, deep]
    contents: list[Any] = [
        {"state_dict": dict(state)},
        list(state.values()),
        state[name],
        {**state, name: None},
        {**state, name: 7},
        {**state, name: [state[name]]},
        {**state, name: state[name].to_sparse()},
        {**state, name: state[name].to("meta")},
        {**state, name: deep},
        {},
        None,
        "weights",
    ]
    torch.save(rng.choice(contents), path)
    return path


class Code:
    """An object whose unpickling makes a file."""

    def __init__(self, call: str, target: Path) -> None:
        self._call, self._target = call, target

    def __reduce__(self) -> Any:
        if self._call == "open":
            return open, (str(self._target), "w")
        if self._call == "eval":
            return eval, (f"open({str(self._target)!r}, 'w')",)
        return os.system, (f"touch {self._target}",)


def code(state: State, folder: Path, rng: Random) -> Path:
    """Hold a pickle that would run code, which makes the file `sprung`."""
    trap = Code(rng.choice(["open", "eval", "system"]), folder / "sprung")
    content = {**state, rng.choice(sorted(state)): trap} if rng.random() < 0.7 else trap
    path = folder / f"weights{rng.choice(SUFFIXES)}"
    if rng.random() < 0.3:
        path.write_bytes(pickle.dumps(trap, protocol=rng.choice([0, 2, 4])))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=rng.random() < 0.5)
    return path


def header(state: State, folder: Path, rng: Random) -> Path:
    """Lie about types, shapes and offsets in the header of a safetensors file."""
    from safetensors.torch import save_file

    path = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    facts = json.loads(data[8 : 8 + size])
    entry = facts[rng.choice(sorted(facts))]
    start, end = entry["data_offsets"]
    lies = [
        {"data_offsets": [start, end + rng.choice([-4, 4, LARGE])]},
        {"data_offsets": [end, start]},
        {"data_offsets": [start - 4, end - 4]},
        {"data_offsets": [-1, 2**64]},
        {"data_offsets": [0, end - start]},
        {"shape": [LARGE, LARGE]},
        {"shape": [-1]},
        {"shape": "abc"},
        {"dtype": rng.choice(["F64", "I8", "BOOL", "F8_E4M3", "C64", "F4", "", None, 7])},
        {"more": [[[]]]},
    ]
    entry.update(rng.choice(lies))
    text = json.dumps(facts).encode()
    if rng.random() < 0.2:
        text = rng.choice([b"[" * 100_000, b"{" * 99, text[:-1], b"", b"\xff" * 64, b"null"])
    length = rng.choice([len(text)] * 6 + [0, 1, LARGE, 2**64 - 1, len(text) + 1, 100_000_001])
    path.write_bytes(length.to_bytes(8, "little") + text + data[8 + size :])
    return path


def archive(state: State, folder: Path, rng: Random) -> Path:
    """Make a zip file of torch's anew: packed, with lies, with names that lead elsewhere."""
    plain, path = folder / "plain", folder / "weights.pth"
    torch.save(dict(state), plain)
    kind = rng.choice(["packed", "bomb", "short", "double", "empty", "elsewhere"])
    spoiled = rng.random()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for number, name in enumerate(old.namelist()):
            data = old.read(name)
            if number == 1 + int(spoiled * (len(old.namelist()) - 1)):
                data = {
                    "bomb": bytes(1 << 28),
                    "short": data[: len(data) // 2],
                    "empty": b"",
                }.get(kind, data)
                if kind == "double":
                    new.writestr(name, data[::-1])
                name = f"../../{name}" if kind == "elsewhere" else name
            new.writestr(name, data, None if kind == "packed" else zipfile.ZIP_STORED)
    plain.unlink()
    return path


def no_file(state: State, folder: Path, rng: Random) -> Path:
    """Be no ordinary file, or one of nothing."""
    path = folder / f"weights{rng.choice(SUFFIXES)}"
    kind = rng.choice(["folder", "pipe", "device", "dangling", "holes", "empty", "nothing", "nul"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in ("device", "dangling"):
        path.symlink_to("/dev/zero" if kind == "device" else folder / "gone")
    elif kind in ("holes", "empty"):
        path.touch()
        os.truncate(path, 200 << 30 if kind == "holes" else 0)
    elif kind == "nul":
        return Path(f"{path}\0.pth")
    return path


def _floating(state: State) -> list[str]:
    return sorted(name for name, value in state.items() if value.is_floating_point())


MAKERS: tuple[Make, ...] = (
    changed_bytes,
    changed_bytes,
    cut,
    numbers,
    scales,
    scales,
    shapes,
    dtypes,
    names,
    no_table,
    code,
    header,
    header,
    archive,
    no_file,
)

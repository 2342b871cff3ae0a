"""One object that says how the engine works; it is handed down whole."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import UsageError
from index.records import KINDS
from index.store import Store, find_store

FP32, BF16, INT8 = PRECISIONS = ("fp32", "bf16", "int8")
RUNTIMES = ("auto", "openvino", "torch")
DTYPES = ("float16", "float32")
MAX_MEGAPIXELS = 100.0


def data_folder() -> Path:
    """Return where fine-tuned backbones are kept: ENGINE_DATA, else the user's data folder."""
    named = os.environ.get("ENGINE_DATA")
    if named:
        return Path(named).absolute()
    from platformdirs import user_data_path

    return user_data_path("image-engine", appauthor=False)


def cache_folder() -> Path:
    """Return where weights and compiled models are kept: ENGINE_CACHE, else the user's cache."""
    named = os.environ.get("ENGINE_CACHE")
    if named:
        return Path(named).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("image-engine", appauthor=False)


@dataclass(frozen=True, slots=True)
class Config:
    """How the engine works.

    Attributes
    ----------
    store
        Where catalog and index lie.
    cache
        Where weights and compiled models lie.
    backbone
        A row of the table of backbones, or `auto`; a catalog that exists keeps its own.
    runtime
        `openvino` (CPU), `torch` (CUDA, MPS or CPU), or `auto`.
    compiled
        On CUDA, embed whole batches with a network that `torch.compile` made, which takes a
        minute or so to begin with: for very many pictures. Nothing else ever waits for it.
    precision
        `fp32`, `bf16` or `int8`; None for the catalog's own. A new one takes `bf16` where the
        processor computes in it by itself, else `fp32`.
    dtype
        How a new catalog stores vectors: `float16` or `float32`.
    index
        The kind of a catalog's index: `auto` (by size, dim and memory) or `exact`; None for what
        was asked of it before.
    memory
        Bytes that the index should fit into, 0 for no limit; None for what was asked before.
    max_pixels
        Pictures with more pixels are skipped: a guard against decompression bombs.
    decoders
        Threads that read and decode pictures while the backbone runs.
    commit_seconds
        How much work is at most lost by a power cut.
    url_bytes, url_seconds
        Limits on a picture fetched from a URL.
    """

    store: Store
    cache: Path = field(default_factory=cache_folder)
    data: Path = field(default_factory=data_folder)
    backbone: str = "auto"
    runtime: str = "auto"
    compiled: bool = False
    precision: str | None = None
    dtype: str = "float16"
    index: str | None = None
    memory: int | None = None
    max_pixels: int = int(MAX_MEGAPIXELS * 1e6)
    decoders: int = field(default_factory=lambda: max(2, os.cpu_count() or 1))
    commit_seconds: float = 2.0
    url_bytes: int = 50_000_000
    url_seconds: float = 20.0

    def __post_init__(self) -> None:
        _one_of("runtime", self.runtime, RUNTIMES)
        _one_of("dtype", self.dtype, DTYPES)
        if self.precision is not None:
            _one_of("precision", self.precision, PRECISIONS)
        if self.index is not None:
            _one_of("index", self.index, KINDS)
        if self.memory is not None and self.memory < 0:
            raise UsageError("memory", "it cannot be negative", "Write for example --memory 4G")
        if self.decoders < 1:
            raise UsageError(
                "decoders", "there must be one at least", "Leave it out for the default"
            )
        if self.max_pixels < 1:
            raise UsageError("max_pixels", "the limit must be positive", "Leave it out for 100 Mpx")

    @classmethod
    def at(cls, store: str | Path | None = None, **changes: object) -> Config:
        """Return a configuration for a store, with ENGINE_BACKBONE honoured.

        Raises
        ------
        UsageError
            A setting has a value that it cannot have.
        """
        changes.setdefault("backbone", os.environ.get("ENGINE_BACKBONE") or "auto")
        return cls(store=find_store(store), **changes)  # type: ignore[arg-type]


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(name, f"{value!r} is not a choice", f"Use one of {', '.join(choices)}")

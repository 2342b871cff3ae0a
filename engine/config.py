"""One object that says how the engine works; it is handed down whole."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from index.state import KINDS
from index.store import Store, find_store
from index.vector_address import VectorAddress

FP32, BF16, INT8 = PRECISIONS = ("fp32", "bf16", "int8")
RUNTIMES = ("auto", "openvino", "torch")
DTYPES = ("float16", "float32")
MAX_MEGAPIXELS = 100.0
MAX_FILE_BYTES = 1 << 30
DECODE_SECONDS, SHORTEST_SECONDS = 60.0, 1e-3
# What is taken for the machine's memory where the system does not tell.
UNKNOWN_MEMORY = 8 << 30
# More than any machine has, and no more than a database holds.
LARGEST = 2**63 - 1


def data_folder() -> Path:
    """Return where fine-tuned backbones, and what belongs to stores in databases, are kept.

    ENGINE_DATA, else the user's data folder.
    """
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


def quarter_of_memory() -> int:
    """Return a quarter of the memory that this process may use, in bytes."""
    limits = [UNKNOWN_MEMORY]
    with suppress(AttributeError, ValueError, OSError):
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(ImportError):
        import resource

        limits += [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit > 0]
    # A container's limit; "max" where it has none.
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return min(limits) // 4


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many cores this process may use: its affinity, and a container's quota.

    Parameters
    ----------
    groups
        Where the system keeps what limits a container.
    """
    cores = os.cpu_count() or 1
    with suppress(AttributeError, OSError):
        cores = len(os.sched_getaffinity(0))
    for quota, period in (("cpu.max",) * 2, ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        # The first version keeps two files with a number each, the second one file with both.
        with suppress(OSError, ValueError):
            given = int((groups / quota).read_text().split()[0])
            if given > 0:
                of = int((groups / period).read_text().split()[-1])
                cores = min(cores, max(1, -(-given // of)))
    return cores


def threads_wanted() -> int | None:
    """Return the cores that a container's quota leaves, None where it leaves all."""
    cores = usable_cores()
    return cores if cores < (os.cpu_count() or 1) else None


def default_backbone() -> str:
    """Return the backbone of new catalogs where none is named: ENGINE_BACKBONE, else `auto`."""
    return os.environ.get("ENGINE_BACKBONE") or "auto"


def urls_allowed() -> bool:
    """Say whether pictures may be fetched from URLs: not where ENGINE_NO_URLS is set, but to 0."""
    return os.environ.get("ENGINE_NO_URLS", "") in ("", "0")


def require_number(
    name: str, value: object, least: float, most: float | None = None, *, whole: bool = False
) -> None:
    """Insist on a finite number within a range; True and False are none.

    Raises
    ------
    UsageError
        It is not.
    """
    number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    # NaN is no less and no more than anything.
    if not (number and least <= value < math.inf and (most is None or value <= most)):  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        range_ = (
            f"of {least:g} or more" if most in (None, LARGEST) else f"from {least:g} to {most:g}"
        )
        raise UsageError(name, f"{value!r} is out of range", f"Use {kind} {range_}")


# What `__post_init__` calls with a field's name and value.
Check = Callable[[str, object], None]


def _number(least: float, most: float | None = None, *, whole: bool = False) -> dict[str, Check]:
    return {"check": lambda name, value: require_number(name, value, least, most, whole=whole)}


def _optional(least: float, most: float | None = None, *, whole: bool = False) -> dict[str, Check]:
    def check(name: str, value: object) -> None:
        if value is not None:
            require_number(name, value, least, most, whole=whole)

    return {"check": check}


def _choice(*choices: str) -> dict[str, Check]:
    def check(name: str, value: object) -> None:
        if value not in choices:
            raise UsageError(name, f"{value!r} is not a choice", f"Use one of {', '.join(choices)}")

    return {"check": check}


def _kind(kind: type, what: str) -> dict[str, Check]:
    def check(name: str, value: object) -> None:
        if not isinstance(value, kind):
            raise UsageError(name, f"{value!r} is not {what}", "Leave it out for the default")

    return {"check": check}


def _vectors() -> dict[str, Check]:
    def check(name: str, value: object) -> None:
        if value is not None:
            VectorAddress.parse(str(value))

    return {"check": check}


def _check_fields(config: Config | UrlLimits) -> None:
    for each in fields(config):
        value = getattr(config, each.name)
        if value is not None or each.default is not None:
            check: Check = each.metadata["check"]
            check(each.name, value)


@dataclass(frozen=True, slots=True)
class UrlLimits:
    """What is fetched when a picture is named by a URL; http and https alone, whatever else.

    Attributes
    ----------
    allowed
        False refuses every URL; by default where ENGINE_NO_URLS is set.
    internal
        False refuses addresses of this machine and of internal networks, also where a redirect
        leads there, and uses no proxy: for services that take URLs from strangers.
    bytes
        Of the largest picture.
    seconds
        From the look-up of the first host's name to the last byte, redirects included.
    redirects
        How often a server may name another URL.
    overhead
        Bytes that one answer may have beside the picture: headers, marks of chunks, trailers.
    ports
        The only ports that are asked; none for all.

    Raises
    ------
    UsageError
        One has a value that it cannot have.
    """

    allowed: bool = field(default_factory=urls_allowed, metadata=_kind(bool, "True or False"))
    internal: bool = field(default=True, metadata=_kind(bool, "True or False"))
    bytes: int = field(default=50_000_000, metadata=_number(1, LARGEST, whole=True))
    seconds: float = field(default=20.0, metadata=_number(0, 1e6))
    redirects: int = field(default=5, metadata=_number(0, 100, whole=True))
    overhead: int = field(default=1 << 20, metadata=_number(0, LARGEST, whole=True))
    ports: tuple[int, ...] = field(default=(), metadata=_kind(tuple, "a tuple of ports"))

    def __post_init__(self) -> None:
        _check_fields(self)


@dataclass(frozen=True, slots=True)
class Config:
    """How the engine works.

    Attributes
    ----------
    store
        Where catalog and index lie.
    cache
        Where weights and compiled models lie.
    data
        Where fine-tuned backbones lie.
    backbone
        A row of the table of backbones, a fine-tuned one, or `auto`; None where nobody asked. A
        catalog that exists keeps its own, and refuses another one that was asked for.
    default_backbone
        Of a new catalog where nobody asked: ENGINE_BACKBONE, else `auto`.
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
    vectors
        Where the vectors of the index are kept: `faiss`, `milvus://HOST:PORT/DATABASE`, or the path
        of a file of Milvus Lite that ends in `.db`; None for what was asked before.
    max_pixels
        Pictures with more pixels are skipped: a guard against decompression bombs.
    max_file_bytes
        Larger files are skipped unread, and more is not read from standard input.
    decode_bytes
        Bytes that pictures may hold while they are read and decoded, all threads together; one
        that needs more is decoded while no other is. A quarter of the memory there is.
    decode_seconds
        Pictures that take longer to decode are skipped; reading and waiting do not count.
    threads
        Cores that the backbone runs on; None for all.
    decoders
        Threads that read and decode pictures while the backbone runs.
    commit_seconds
        How much work is at most lost by a power cut.
    cluster
        Where `Engine.index` runs its workers: `local` (processes of this machine) or
        `ray://HOST:PORT`; None for threads of this process.
    urls
        Whether pictures are fetched from URLs, and within which limits.

    Raises
    ------
    UsageError
        A setting has a value that it cannot have; NaN and infinity are none.
    """

    store: Store = field(metadata=_kind(Store, "a store"))
    cache: Path = field(default_factory=cache_folder, metadata=_kind(Path, "a path"))
    data: Path = field(default_factory=data_folder, metadata=_kind(Path, "a path"))
    backbone: str | None = field(default=None, metadata=_kind(str, "a name"))
    default_backbone: str = field(default_factory=default_backbone, metadata=_kind(str, "a name"))
    runtime: str = field(default="auto", metadata=_choice(*RUNTIMES))
    compiled: bool = field(default=False, metadata=_kind(bool, "True or False"))
    precision: str | None = field(default=None, metadata=_choice(*PRECISIONS))
    dtype: str = field(default="float16", metadata=_choice(*DTYPES))
    index: str | None = field(default=None, metadata=_choice(*KINDS))
    memory: int | None = field(default=None, metadata=_number(0, LARGEST, whole=True))
    # It may hold a password.
    vectors: str | None = field(default=None, repr=False, metadata=_vectors())
    max_pixels: int = field(
        default=int(MAX_MEGAPIXELS * 1e6), metadata=_number(1, LARGEST, whole=True)
    )
    max_file_bytes: int = field(default=MAX_FILE_BYTES, metadata=_number(1, LARGEST, whole=True))
    decode_bytes: int = field(
        default_factory=quarter_of_memory, metadata=_number(1, LARGEST, whole=True)
    )
    decode_seconds: float = field(default=DECODE_SECONDS, metadata=_number(SHORTEST_SECONDS))
    threads: int | None = field(
        default_factory=threads_wanted, metadata=_optional(1, LARGEST, whole=True)
    )
    decoders: int = field(
        default_factory=lambda: max(2, usable_cores()),
        metadata=_number(1, LARGEST, whole=True),
    )
    commit_seconds: float = field(default=2.0, metadata=_number(0))
    cluster: str | None = field(default=None, metadata=_kind(str, "an address"))
    urls: UrlLimits = field(default_factory=UrlLimits, metadata=_kind(UrlLimits, "limits of URLs"))

    def __post_init__(self) -> None:
        _check_fields(self)

    @property
    def vectors_given(self) -> VectorAddress | None:
        """Where vectors are to be kept, None where nobody said."""
        return VectorAddress.parse(str(self.vectors)) if self.vectors is not None else None

    @classmethod
    def at(cls, store: str | Path | None = None, **changes: Any) -> Config:
        """Return a configuration for a store, found as `find_store` does.

        Raises
        ------
        UsageError
            A setting has a value that it cannot have.
        """
        data = changes.get("data") or data_folder()
        return cls(store=find_store(store, data=data), **changes)

"""Which arithmetic a command works in: `fp32`, `bf16` or `int8`.

fp32 and bf16 give the same embeddings but for rounding, so that one catalog may hold both, and
every machine takes what suits it. An int8 network is another backbone: it is quantized for one
catalog, with that catalog's own pictures, and its embeddings are compared with its own only.
"""

from __future__ import annotations

from engine.config import BF16, FP32, INT8, Config
from engine.errors import BackboneMismatchError, UsageError
from engine.runtimes.hardware import Hardware, runs_on_torch
from index.records import CatalogIdentity


def choose_precision(config: Config, identity: CatalogIdentity | None, hardware: Hardware) -> str:
    """Return the precision asked for, else the catalog's, else what this processor does best.

    Where bf16 is not native, fp32 takes its place: it is as good, and faster there.

    Raises
    ------
    BackboneMismatchError
        The catalog's embeddings cannot be compared with those in the precision asked for.
    UsageError
        int8 without a catalog of that precision, or on PyTorch.
    """
    asked = config.precision
    own = identity.precision if identity else None
    if own is None and asked == INT8:
        raise UsageError(
            "--precision int8",
            "the network is made for a catalog, with that catalog's own pictures, and there is "
            f"no catalog at {config.store.name}",
            "Make one with `engine index FOLDER --precision int8`",
        )
    if own is not None and asked is not None and (asked == INT8) != (own == INT8):
        raise BackboneMismatchError(
            config.store.name,
            f"this catalog was made in {own}, and embeddings in {asked} cannot be compared with "
            "its own",
            "Leave --precision out, or index into another store with --store",
        )
    wanted = asked or own
    if wanted == INT8:
        refuse_torch(config)
        return INT8
    on_torch = runs_on_torch(config.runtime, hardware)
    if wanted is None:
        return BF16 if hardware.bf16 and not on_torch else FP32
    native = hardware.bf16 or (on_torch and hardware.gpu == "cuda")
    return FP32 if wanted == BF16 and not native else wanted


def refuse_torch(config: Config) -> None:
    """Insist that int8 is not asked of PyTorch.

    Raises
    ------
    UsageError
        It is.
    """
    if config.runtime == "torch":
        raise UsageError(
            "--runtime torch",
            "networks in int8 run on OpenVINO alone",
            "Leave --runtime out, or take --precision fp32 in a store of its own",
        )

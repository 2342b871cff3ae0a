"""Whether the faster precisions say the same: beside plain torch in fp32, on photographs."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.figures import AT_MOST, Figure
from benchmarks.settings import CannotRunError, Settings
from benchmarks.support.images import staged
from benchmarks.support.retrieval import nearest
from engine import Engine
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.errors import EngineError
from engine.progress import SILENT
from index.records import Floats

SECTION = "agreement"
BACKBONE = "efficientnet_lite0"
PRECISIONS = ("fp32", "bf16", "int8")
LEAST_COSINE = {"fp32": 0.999, "bf16": 0.997}
OVERLAP = {"bf16": 0.97, "int8": 0.93}
POINTS_LOST = {"int8": 1.0}
NEAREST = 10
BATCH = 32
QUICK = 150


def run(settings: Settings) -> list[Figure]:
    """Embed the same photographs in each precision, and let each learn the same categories."""
    photos = settings.images("catalog")
    count = min(QUICK, len(photos)) if settings.quick else len(photos)
    found: dict[str, Floats] = {}
    right: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        staged(photos, count) as images,
    ):
        settings.say(f"embedding {count} photos with torch in fp32")
        reference = _with_torch(images.files, settings)
        for precision in PRECISIONS:
            settings.say(f"embedding them in {precision}")
            try:
                with _engine(Path(folder) / precision, precision, settings) as engine:
                    engine.index([images.folder])
                    found[precision] = _embeddings(engine, images.files, Path(folder))
                    right |= _accuracy(engine, precision, settings)
            except EngineError as error:
                settings.note(f"{precision} was left out: {error}")
    note = f"{BACKBONE}, {count} photos; the same in every run"
    return [*_embedding_figures(found, reference, note), *_head_figures(right, note)]


def _engine(store: Path, precision: str, settings: Settings) -> Engine:
    # float32, so that nothing but the precision of the network is measured.
    return Engine.open(
        store,
        precision=precision,
        backbone=BACKBONE,
        runtime="openvino",
        dtype="float32",
        cache=settings.cache / "engine",
    )


def _with_torch(files: Sequence[Path], settings: Settings) -> Floats:
    """Return the embeddings of torch without any of the engine's runtimes, float32 `[n, dim]`."""
    import torch

    from engine.backbones.networks import load

    backbone = backbone_named(BACKBONE)
    weights = WeightsCache(settings.cache / "engine").find(backbone)
    assert weights is not None
    module = load(backbone, weights.path).module
    config = Config.at("none", backbone=BACKBONE, precision="fp32")
    embedder = choose_embedder(config, None, SILENT)
    parts = []
    for start in range(0, len(files), BATCH):
        some = [embedder.pixels(file.read_bytes(), str(file)) for file in files[start:][:BATCH]]
        with torch.inference_mode():
            parts.append(module(torch.from_numpy(np.stack(some))).numpy())
    return np.concatenate(parts)


def _embeddings(engine: Engine, files: Sequence[Path], folder: Path) -> Floats:
    """Return the catalog's embeddings in the order of `files`."""
    table = folder / "all.npy"
    engine.export(table)
    with table.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        position = {row["path"]: number for number, row in enumerate(csv.DictReader(lines))}
    rows: Floats = np.load(table)[[position[str(file)] for file in files]]
    return rows


def _accuracy(engine: Engine, precision: str, settings: Settings) -> dict[str, float]:
    """Return how often a head is right that learned the furniture, nothing where there is none."""
    try:
        settings.images("furniture/train")
    except CannotRunError as error:
        settings.note(f"a part was left out: it {error}")
        return {}
    assert settings.data is not None
    engine.train(settings.data / "furniture" / "train", head="furniture")
    report = engine.evaluate(settings.data / "furniture" / "test", head="furniture")
    return {precision: 100 * (report.accuracy or 0.0)}


def _embedding_figures(found: dict[str, Floats], reference: Floats, note: str) -> list[Figure]:
    figures = []
    wanted = nearest(reference, NEAREST)
    for precision, embeddings in found.items():
        cosines = (_unit(embeddings) * _unit(reference)).sum(axis=1)
        shared = [
            len(set(a) & set(b)) / NEAREST
            for a, b in zip(wanted.tolist(), nearest(embeddings, NEAREST).tolist(), strict=True)
        ]
        least, bound = LEAST_COSINE.get(precision), OVERLAP.get(precision)
        rows = (
            ("least cosine to torch fp32", cosines.min(), least),
            ("mean cosine to torch fp32", cosines.mean(), None),
            (f"share of the {NEAREST} nearest that stay", np.mean(shared), bound),
        )
        figures += [
            Figure.of(SECTION, f"{precision}: {name}", [float(value)], "", limit, note=note)
            for name, value, limit in rows
        ]
    return figures


def _head_figures(right: dict[str, float], note: str) -> list[Figure]:
    figures = [
        Figure.of(SECTION, f"{precision}: accuracy on furniture", [value], "%", note=note)
        for precision, value in right.items()
    ]
    for precision, bound in POINTS_LOST.items():
        if precision in right and "fp32" in right:
            title = f"{precision}: points lost on furniture"
            lost = right["fp32"] - right[precision]
            figures.append(Figure.of(SECTION, title, [lost], "points", bound, AT_MOST, note=note))
    return figures


def _unit(embeddings: Floats) -> Floats:
    unit: Floats = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit

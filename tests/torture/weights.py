"""Weights that somebody else made, or that a disk has changed after they were imported or made."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from engine import Config, Engine
from tests.support.shop import image, put
from tests.torture.case import Result, WrongAnswerError, run
from tests.torture.damage import damage
from tests.torture.stores import CLOSE, Told
from tests.torture.weight_files import MAKERS, Make

# The smallest real one, whose weights come with a package.
BACKBONE = "efficientnet_lite0"
# One whose tensors are renamed; nothing here is weights of it.
OTHER = "densenet121"
NAME, COUNT = "mine", 6
# To prepare a network for this machine takes some seconds of an idle one.
PREPARING = 60.0
ADDRESS_SPACE = 8 << 30
KEPT = ("data/backbones", "cache/weights", "cache/models")


class Weights:
    """Hostile files of weights imported and asked, and kept ones damaged.

    A case of the first kind imports a file. It is refused, and then nothing has changed, or it is
    taken, and then an index, searches and categories of it are numbers. A case of the second
    damages files of a fine-tuned backbone, of one that was imported, or what was prepared of them:
    the answers of a catalog are those of before, or an error.
    """

    name, goal = "weights", 60

    def __init__(self, folder: Path) -> None:
        # Imported here, so that no fork spends seconds on it; nothing is started by it.
        from engine.backbones.torchvision_import import import_torchvision

        import_torchvision()
        import openvino  # noqa: F401
        import timm  # noqa: F401

        import engine.backbones.manage
        import engine.backbones.networks  # noqa: F401

        self._kept = folder / "kept"
        made = run(lambda: _keep(self._kept), 2 * PREPARING)
        assert made.outcome == "survived", made.detail
        asked = run(lambda: json.dumps(_answers(self._kept)), PREPARING)
        self._answers = json.loads(asked.outcome)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Import a hostile file, or damage what is kept; then ask."""
        folder.mkdir()
        if rng.random() < 0.6:
            make = rng.choice(MAKERS)
            result = _imported(make, rng, folder)
            return Result(result.outcome, f"{make.__name__}: {result.detail}")
        return self._damaged(rng, folder / "kept")

    def _damaged(self, rng: Random, kept: Path) -> Result:
        shutil.copytree(self._kept, kept)
        chosen = rng.choice(KEPT)
        files = [path for path in sorted((kept / chosen).rglob("*")) if path.is_file()]
        file = rng.choice([path for path in files if path.stat().st_size])
        kind = damage(file, rng)
        where = f"{file.relative_to(kept)} {kind}"
        # What was prepared of weights is used without reading them.
        if chosen != KEPT[-1] and rng.random() < 0.5:
            shutil.rmtree(kept / "cache" / "models")
            where += ", nothing prepared"
        result = run(lambda: _compare(_answers(kept), self._answers), PREPARING)
        return Result(result.outcome, f"{where}: {result.detail}")


def _keep(kept: Path) -> None:
    """Make a fine-tuned backbone, import another, and index pictures with each."""
    import hashlib

    from safetensors.torch import save

    from engine.backbones.finetuned import FinetunedBackbones
    from engine.backbones.manage import import_backbone
    from engine.backbones.table import backbone_named
    from engine.progress import SILENT

    backbone, state = backbone_named(BACKBONE), _state()
    file = kept / "imported.safetensors"
    for content in range(COUNT):
        put(kept / "shop" / f"{content}.bmp", content)
    state["bn2.bias"] += 0.1
    file.write_bytes(save(state))
    import_backbone(BACKBONE, file, SILENT, cache=kept / "cache")
    file.unlink()
    state["bn2.bias"] += 0.1
    data = save(state)
    sha256 = hashlib.sha256(data).hexdigest()
    FinetunedBackbones(kept / "data").keep(NAME, backbone, data, sha256, {})
    for name in (BACKBONE, NAME):
        with Engine(_config(kept, name)) as engine:
            engine.index([kept / "shop"])


def _state() -> dict[str, Any]:
    """Return the tensors of the backbone, by name."""
    from engine.backbones.networks import load_state
    from engine.backbones.table import backbone_named
    from engine.backbones.weights_source import Packaged

    backbone = backbone_named(BACKBONE)
    assert isinstance(backbone.weights, Packaged)
    path = backbone.weights.locate()
    assert path is not None
    return {name: value.contiguous() for name, value in load_state(backbone, path).items()}


def _config(folder: Path, name: str, **settings: Any) -> Config:
    return Config.at(
        folder / f"{name}.engine",
        cache=folder / "cache",
        data=folder / "data",
        backbone=name,
        **{"precision": "fp32", **settings},
    )


def _imported(make: Make, rng: Random, folder: Path) -> Result:
    """Import a file that `make` makes, and ask where it is taken."""
    backbone = BACKBONE if rng.random() < 0.9 else OTHER
    runtime, precision = rng.choice(["openvino", "torch"]), rng.choice(["fp32", "bf16"])

    def take() -> str:
        from engine.backbones.manage import backbone_infos, import_backbone
        from engine.errors import EngineError

        file = make(_state(), folder, rng)
        before = backbone_infos(folder / "cache", folder / "data")
        there = _files(folder)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                import_backbone(backbone, file, Told(), cache=folder / "cache")
        except EngineError as error:
            if _files(folder) != there:
                raise WrongAnswerError("it was refused, and something is there of it") from None
            if backbone_infos(folder / "cache", folder / "data") != before:
                raise WrongAnswerError("it was refused, and is listed") from None
            if heard:
                raise WrongAnswerError(f"a library warns: {heard[0].message}") from None
            if len(str(error)) > 2000:
                raise WrongAnswerError(f"an error of {len(str(error))} letters") from None
            raise
        if (folder / "sprung").exists():
            raise WrongAnswerError("code of a file was run")
        return "survived"

    taken = run(take)
    if taken.outcome != "survived":
        return taken
    return run(lambda: _ask(folder, runtime=runtime, precision=precision), PREPARING)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file, without those that cannot be."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }


def _pictures(folder: Path) -> list[Path]:
    """Draw pictures dark, bright, plain and wild: what overflows does not overflow in every one."""
    paths = [put(folder / "shop" / f"{content}.bmp", content) for content in range(3)]
    noise = np.random.default_rng(0).integers(0, 2, (224, 224, 3), np.uint8) * 255
    for name, drawn in (
        ("black", Image.new("RGB", (224, 224))),
        ("white", Image.new("RGB", (224, 224), "white")),
        ("red", Image.new("RGB", (224, 224), "red")),
        ("noise", Image.fromarray(noise)),
        ("large", image(9).resize((600, 500))),
    ):
        drawn.save(folder / "shop" / f"{name}.png")
        paths.append(folder / "shop" / f"{name}.png")
    return paths


def _ask(folder: Path, **settings: Any) -> str:
    """Let weights that were taken answer for every picture; what they say must be numbers."""
    from engine.errors import EngineError

    paths = _pictures(folder)
    refused = 0
    with Engine(_config(folder, BACKBONE, **settings)) as engine:
        for path in paths:
            try:
                [said] = engine.classify(path, 1000)
            except EngineError:
                refused += 1
                continue
            _check_probabilities(prediction.probability for prediction in said.predictions)
        try:
            engine.index([folder / "shop"])
        except EngineError:
            if not refused:
                raise
            return "noticed"
        for path in paths:
            for hit in engine.search(path, k=len(paths)):
                if not -1.01 <= hit.score <= 1.01:
                    raise WrongAnswerError(f"a score of {hit.score}")
        if not engine.status().consistent:
            raise WrongAnswerError("; ".join(engine.status().problems))
    return "noticed" if refused else "survived"


def _check_probabilities(probabilities: Iterable[float]) -> None:
    total = 0.0
    for probability in probabilities:
        if not 0 <= probability <= 1:
            raise WrongAnswerError(f"a probability of {probability}")
        total += probability
    if not math.isclose(total, 1, abs_tol=0.01):
        raise WrongAnswerError(f"probabilities of {total} together")


def _answers(kept: Path) -> dict[str, Any]:
    """Return what each backbone's catalog says of every picture; None where it is an error."""
    from engine.errors import EngineError

    answers: dict[str, Any] = {}
    for name in (BACKBONE, NAME):
        try:
            answers[name] = _said(kept, name)
        except EngineError as error:
            answers[name] = None
            answers[f"{name}: error"] = str(error)
    return answers


def _said(kept: Path, name: str) -> list[Any]:
    said = []
    # The catalog alone says which weights answer: the name may mean others by now.
    with Engine(Config.at(kept / f"{name}.engine", cache=kept / "cache", data=kept / "data")) as on:
        for path in sorted((kept / "shop").iterdir()):
            hits = [(os.path.basename(hit.path), hit.score) for hit in on.search(path, k=COUNT)]
            first = on.classify(path, 1, head="imagenet")[0].predictions[0]
            said.append([hits, first.category, first.probability])
    return said


def _compare(said: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    outcome = "survived"
    for name in (BACKBONE, NAME):
        if said[name] is None:
            outcome = "noticed"
            continue
        for (hits, category, probability), (scores, wanted, other) in zip(
            said[name], known[name], strict=True
        ):
            _compare_hits(name, dict(hits), dict(scores))
            if category != wanted or abs(probability - other) > CLOSE:
                raise WrongAnswerError(f"{name} says {category}, and not {wanted}")
    return outcome


def _compare_hits(name: str, hits: Mapping[str, float], scores: Mapping[str, float]) -> None:
    for path, score in scores.items():
        if not abs(hits[path] - score) <= CLOSE:
            raise WrongAnswerError(f"{name} gives {path} a score of {hits[path]}, and not {score}")

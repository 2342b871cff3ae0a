"""Wrong labels: images of which layers that have not seen them find another category likelier.

Images are cross-fitted: in every repeat each is in the test part of one split, and is judged by
layers that were fitted to the train part and calibrated by the validation part. Copies of it are in
the same part. Of few images the mean of several repeats counts, so that what one draw of folds does
to a ranking is averaged out. Labels are ranked by their margin (Northcutt, Jiang & Chuang 2021,
"Confident learning: estimating uncertainty in dataset labels", section 3.2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from engine.errors import TrainingError
from engine.heads.fitting.fit import threads_for
from engine.heads.head import Head
from engine.heads.options import LBFGS, TrainOptions
from engine.heads.outdated import head_infos
from engine.learning.data.collect import ANY, collect_labelled
from engine.learning.data.examples import Examples
from engine.learning.data.extend import extended
from engine.learning.data.notes import data_notes, images_to_test
from engine.learning.data.phrases import count
from engine.learning.data.split import SplitOptions, measuring_splits
from engine.learning.results import Suspect, SuspectReport
from engine.learning.trial import Progress, test_answers
from engine.pictures.sources.paths import absolute
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import Floats, Ids, Vectors

# With a strong penalty single wrong labels move the layers little; measured in docs/heads.md.
PENALISED = TrainOptions(optimizer=LBFGS, weight_decay=30.0)
DEFAULT = TrainOptions()
NOT_KNOWN = "not listed, because their files are not known any more: {count}"
AGREED = "not doubted, because somebody said that they show what their label says: {count}"


@dataclass(frozen=True, slots=True)
class SuspectOptions:
    """How images are cross-fitted.

    Attributes
    ----------
    folds
        Parts that images are dealt to.
    few
        So many images are few.
    repeats
        How often few are dealt anew; more have one.
    training
        How layers are fitted to few images.
    training_many
        How they are fitted to more.
    """

    folds: int = 5
    few: int = 2000
    repeats: int = 5
    training: TrainOptions = PENALISED
    training_many: TrainOptions = DEFAULT


@dataclass(frozen=True, slots=True)
class Margins:
    """What was made of the labels of `m` images, each `[m]`.

    Attributes
    ----------
    judged
        bool, whether another image of the label was there to learn from.
    own
        float32, probability of the label; as all others 0 where it was not judged.
    suggestion
        int64, position of the likeliest other category.
    other
        float32, its probability.
    """

    judged: npt.NDArray[np.bool_]
    own: Floats
    suggestion: Ids
    other: Floats

    @property
    def margin(self) -> Floats:
        """By how much the suggestion is likelier than the label; -1 where it was not judged."""
        margin: Floats = np.where(self.judged, self.other - self.own, np.float32(-1))
        return margin


def find_suspects(
    examples: Examples,
    thing: str,
    *,
    k: int | None = None,
    doubted: bool = True,
    said: Collection[tuple[str, str]] = (),
    options: SuspectOptions | None = None,
    progress: Progress = lambda done, total: None,
) -> SuspectReport:
    """Return the images whose labels are doubted most; see `Engine.suspects`.

    Parameters
    ----------
    thing
        What to name in an error.
    k
        At most so many; None for all.
    doubted
        Those alone whose margin is above 0.
    said
        Contents by their hashes, and labels that a person said they show: none of these is doubted.

    Raises
    ------
    TrainingError
        There are no two categories, or no image has another of its category beside it.
    """
    if len(examples.categories) < 2 or not len(images_to_test(examples)):
        raise TrainingError(
            thing,
            "too few pictures to doubt a label: that takes two categories, and in one of them two "
            "pictures that differ",
            "Add pictures, better twenty or more of each category",
        )
    found = label_margins(examples, options, progress)
    margin = found.margin
    agreed = _agreed(examples, said)
    in_doubt = (margin > 0) & ~agreed
    order = np.argsort(-margin, kind="stable")
    order = order[found.judged[order] & (in_doubt[order] | (not doubted))]
    known = [image for image in order.tolist() if examples.paths[image]]
    lost = len(order) - len(known)
    notes = [NOT_KNOWN.format(count=count(lost, "picture"))] if lost else []
    if spared := int(((margin > 0) & agreed).sum()):
        notes.insert(0, AGREED.format(count=count(spared, "picture")))
    judged = int(found.judged.sum())
    return SuspectReport(
        images=judged,
        doubted=int(in_doubt.sum()),
        left_out=len(examples) - judged,
        suspects=[_suspect(examples, found, image) for image in known[:k]],
        skipped=list(examples.skipped),
        notes=[*data_notes(examples), *notes],
    )


def label_margins(
    examples: Examples,
    options: SuspectOptions | None = None,
    progress: Progress = lambda done, total: None,
) -> Margins:
    """Return what layers make of the label of each image that they were not fitted to.

    Parameters
    ----------
    progress
        Hears how many folds are done, and of how many.
    """
    options = options or SuspectOptions()
    few = len(examples) <= options.few
    training = options.training if few else options.training_many
    repeats = options.repeats if few else 1
    # Folds however many images there are: each is to be asked about.
    split = SplitOptions(folds=options.folds, few=len(examples))
    total = np.zeros((len(examples), len(examples.categories)), np.float32)
    times = np.zeros(len(examples), np.int64)
    with threads_for(len(examples.image), examples.vectors.unit.shape[1]):
        for number in range(repeats):
            own = replace(training, seed=training.seed + number).scaled(len(examples.image))
            splits = measuring_splits(
                examples.labels, examples.groups, own.validation, split, own.seed
            )
            for done, part in enumerate(splits, number * len(splits) + 1):
                whole = repeats * len(splits)
                # Of a category that no image is left of, nothing can be said.
                labels = examples.labels[part.test]
                test = part.test[np.isin(labels, examples.labels[part.train])]
                still = partial(_told, progress, done - 1, whole)
                total[test] += np.exp(test_answers(examples, part, test, own, still))
                times[test] += 1
                progress(done, whole)
    return _margins(examples.labels, total, times)


def with_ids(report: SuspectReport, catalog: Catalog) -> SuspectReport:
    """Return suspects with the ids of those that are in a catalog."""
    paths = [absolute(each.path) for each in report.suspects]
    known = {path: each.id for path, each in catalog.images.known(paths).items()}
    found = zip(report.suspects, paths, strict=True)
    suspects = [replace(each, id=known.get(path)) for each, path in found]
    return replace(report, suspects=suspects)


def _told(progress: Progress, done: int, total: int, epoch: int, epochs: int) -> None:
    """Tell after each epoch of a fold which folds are done."""
    progress(done, total)


def labelled(catalog: Catalog) -> Examples:
    """Return the images of a catalog that have a label, from one state of it.

    Raises
    ------
    TrainingError
        There are none.
    """
    with catalog.database.snapshot():
        return collect_labelled(catalog, ANY, "labels")


def said_of(catalog: Catalog) -> frozenset[tuple[str, str]]:
    """Return the contents of a catalog that were said to show something, and what."""
    judged = catalog.judgements.all()
    return frozenset((each.content_hash, each.category) for each in judged if each.yes)


def learned_by(head: Head, catalog: Catalog) -> Examples:
    """Return what a head learned from, with the label that it learned, from one state of a catalog.

    A path is that of the file that holds the content now; else where it was when the head was
    trained, as far as the head knows; else it is empty.

    Raises
    ------
    TrainingError
        The head does not know what it learned from, or nothing of it is left.
    """
    none = np.empty(0, np.int64)
    nothing = Examples((), (), (), none, Vectors.empty(head.dim), none, none)
    with catalog.database.snapshot():
        examples, lost = extended(nothing, head, catalog)
        there: dict[str, list[str]] = defaultdict(list)
        wanted = set(examples.hashes)
        for each in catalog.contents.visible():
            if each.content_hash in wanted:
                there[each.content_hash].append(each.path)
        (info,) = head_infos([head], catalog)
    paths = [
        path if path in there[content] or not there[content] else there[content][0]
        for content, path in zip(examples.hashes, examples.paths, strict=True)
    ]
    notes = []
    if lost:
        notes.append(f"not in this store any more, and left out: {count(lost, 'picture')}")
    if info.changed_labels:
        changed = count(info.changed_labels, "picture")
        notes.append(
            f"{changed} had another label when {head.name} learned it; train it again, or leave "
            "out --head to look at the labels of the catalog"
        )
    return replace(examples, paths=tuple(paths), notes=(*examples.notes, *notes))


def _margins(labels: Ids, total: Floats, times: Ids) -> Margins:
    """Return margins from the sum of probabilities, `[m, k]`, and of how many it is."""
    judged = times > 0
    probability: Floats = total / np.maximum(times, 1).astype(np.float32)[:, None]
    rows = np.arange(len(labels))
    own = probability[rows, labels]
    others = probability.copy()
    others[rows, labels] = -1
    suggestion = others.argmax(axis=1)
    return Margins(judged, own, suggestion, probability[rows, suggestion])


def _agreed(examples: Examples, said: Collection[tuple[str, str]]) -> npt.NDArray[np.bool_]:
    """Return which images were said to show their very label, `[m]`."""
    known = {(content, same_name(label)) for content, label in said}
    names = [same_name(each) for each in examples.categories]
    labels = (names[at] for at in examples.labels.tolist())
    pairs = zip(examples.hashes, labels, strict=True)
    return np.fromiter((pair in known for pair in pairs), np.bool_, len(examples))


def _suspect(examples: Examples, found: Margins, image: int) -> Suspect:
    names: Sequence[str] = examples.categories
    return Suspect(
        examples.paths[image],
        names[int(examples.labels[image])],
        names[int(found.suggestion[image])],
        float(found.margin[image]),
        float(found.own[image]),
        float(found.other[image]),
    )

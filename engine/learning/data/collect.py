"""From a labelled data set to examples: found, checked, and embedded at most once."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from engine.embedding.embedder import Embedder
from engine.errors import EngineError, TrainingError, UsageError
from engine.ingest.labels.label_text import Spelling
from engine.ingest.labels.labels import Labels
from engine.learning.data.collector import Collector
from engine.learning.data.dataset import Dataset, find_labelled
from engine.learning.data.examples import Examples, label_positions
from engine.learning.data.phrases import count
from engine.learning.data.requirements import (
    CategorySize,
    Requirements,
    chosen_categories,
    refuse,
    sizes_of,
)
from engine.pictures.augment import ORIGINAL
from index.catalog.catalog import Catalog
from index.names import readable
from index.records import Content

# What is asked of a data set that is only looked at.
ANY = Requirements(fewest=0)


def collect(
    dataset: str,
    embedder: Embedder,
    catalog: Catalog | None = None,
    *,
    views: Sequence[str] = (ORIGINAL,),
    labels: Labels | None = None,
    requirements: Requirements | None = None,
    keep_views: bool = False,
    open_indexed: bool = False,
    seconds: float = math.inf,
) -> Examples:
    """Return the images of a data set with their labels and embeddings.

    What cannot be read is in `Examples.skipped`, how the folders were read in `Examples.notes`.
    Rows are ordered by view, then by image; images by label, then by path.

    Parameters
    ----------
    dataset
        A folder with one folder per label (see `dataset.find_labelled`); images beside those
        folders have none.
    embedder
        Embeds what the catalog does not hold.
    catalog
        Where known embeddings are.
    views
        Names of the views to embed; the first is `ORIGINAL`.
    labels
        Another rule for labels, whatever the folders.
    requirements
        What to insist on; `ANY` to take what there is, None for what can be learned from.
    keep_views
        Store new embeddings as views; the caller then holds the store's writer lock.
    open_indexed
        Open images whose own embedding is in the catalog, too, to embed further views.
    seconds
        Give up where embedding takes longer.

    Raises
    ------
    OutOfTimeError
        It takes longer.
    UsageError
        There is no such folder, nothing in it has a label, or nothing can be read.
    TrainingError
        The folders can be read in two ways, or a label has too few images. All of that is found
        before anything is embedded.
    """
    requirements = requirements or Requirements()
    found = find_labelled(dataset, labels)
    collector = Collector(catalog, embedder, tuple(views), keep_views, open_indexed)
    collector.seconds = seconds
    collector.ask_catalog(dataset, found.files)
    verb, notes = "measuring", list(found.notes)
    try:
        if requirements.fewest:
            verb = "learning"
            notes += _collect_chosen(dataset, found, collector, requirements)
        else:
            refuse(dataset, found.problems)
            collector.run(found.files)
        if not collector.images:
            raise UsageError(dataset, "none of its pictures can be read", "See the list of skips")
    except EngineError as error:
        # Without them nobody could tell why there is too little.
        seen = collector.skipped or sorted(collector.unreadable, key=lambda skip: skip.path)
        error.skipped = (*found.skipped, *seen)
        raise
    top = os.path.abspath(dataset)
    if found.root != top:
        root = readable(os.path.join(dataset, os.path.relpath(found.root, top)))
        number = len({each.label for each in collector.images})
        notes.insert(0, f"{verb} {count(number, 'category', 'categories')} from {root}")
    return collector.examples(found.skipped, notes)


def _collect_chosen(
    dataset: str, found: Dataset, collector: Collector, requirements: Requirements
) -> list[str]:
    """Collect the categories that have enough images; return a note on those left out."""
    nothing = dict.fromkeys(found.categories, CategorySize(0, 0))
    sizes = nothing | collector.sizes(found.files, requirements.fewest)
    chosen, _ = chosen_categories(dataset, sizes, requirements, found.problems)
    collector.run([each for each in found.files if each[1] in chosen])
    # All files of a category were opened only now, and more of them may be of no use.
    sizes |= dict.fromkeys(chosen, CategorySize(0, 0)) | sizes_of(
        (each.digest, each.label) for each in collector.images
    )
    chosen, note = chosen_categories(dataset, sizes, requirements)
    collector.images = [each for each in collector.images if each.label in chosen]
    return note


def collect_labelled(
    catalog: Catalog, requirements: Requirements | None = None, thing: str = "--from-labels"
) -> Examples:
    """Return the catalog's images that have a label; no file is opened.

    Parameters
    ----------
    requirements
        As of `collect`.
    thing
        What to name in an error.

    Raises
    ------
    TrainingError
        There are no labels, or one has too few images that differ.
    """
    contents = {each.id: each for each in catalog.contents.visible() if each.label}
    if not contents:
        raise TrainingError(
            thing,
            "no image in the catalog has a label",
            "Give labels with `engine index PATH --label parent`",
        )
    spelling = Spelling()
    # Asked once for each label: there are far fewer than images.
    spelled = {label: spelling.of(label) for label in dict.fromkeys(map(_label, contents.values()))}
    label_of = {key: spelled[_label(each)] for key, each in contents.items()}
    sizes = sizes_of((each.content_hash, label_of[key]) for key, each in contents.items())
    chosen, notes = chosen_categories(thing, sizes, requirements or Requirements())
    wanted = [key for key, label in label_of.items() if label in chosen]
    ids, vectors = catalog.embeddings.of(wanted)
    images = [contents[image_id] for image_id in ids.tolist()]
    categories, positions = label_positions([label_of[each.id] for each in images])
    return Examples(
        hashes=tuple(each.content_hash for each in images),
        paths=tuple(each.path for each in images),
        categories=categories,
        labels=positions,
        vectors=vectors,
        image=np.arange(len(images)),
        view=np.zeros(len(images), np.int64),
        notes=(*spelling.notes(), *notes),
    )


def _label(content: Content) -> str:
    return str(content.label)

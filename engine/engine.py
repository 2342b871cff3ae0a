"""The facade: one object, about ten verbs, each returning small frozen values."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.config import Config, require_number
from engine.errors import StoreError, StoreLockedError
from engine.progress import SILENT, Reporter
from engine.session.session import Session

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.export.results import ExportReport
    from engine.heads.options import TrainOptions
    from engine.heads.results import Classification
    from engine.image_collection import ImageCollection
    from engine.ingest.cluster.options import ClusterOptions
    from engine.ingest.options import IngestOptions
    from engine.ingest.results import IndexReport, RelocateReport, RemoveReport
    from engine.ingest.watch import WatchLimits
    from engine.learning.compare.options import CompareOptions
    from engine.learning.finetune.options import FinetuneOptions
    from engine.learning.head_collection import HeadCollection
    from engine.learning.results import (
        Comparison,
        Evaluation,
        FinetuneReport,
        HeadReport,
        SuspectReport,
        TrainReport,
    )
    from engine.learning.teaching.judgement_collection import JudgementCollection
    from engine.learning.teaching.lesson import Lesson
    from engine.learning.teaching.saving import SavedLesson
    from engine.pictures.crop import CropLike
    from engine.search.duplicates.moves.results import MoveReport, UndoReport
    from engine.search.duplicates.tidying import Tidying
    from engine.search.map.components import RecentComponents
    from engine.search.map.maps import Maps
    from engine.search.queries import ImageLike, Pictures
    from engine.search.results import DuplicateGroup, EmbeddedImages, SearchReport
    from engine.search.text.words import RecentTower
    from engine.session.compact import CompactReport
    from engine.session.figures import Figures
    from engine.session.status import Status
    from engine.skipped import Skipped
    from index.catalog.catalog import Catalog
    from index.vectors.index import VectorIndex


class Engine:
    """Looks at pictures once, and then answers what they look like and what they are.

    Make one with `Engine.open`; it is a context manager. Opening costs nothing and makes
    nothing: a store that was named appears with the first `index`, and every other verb refuses it
    before; where none was named or found, `train` makes one, too. The backbone starts when a
    picture is embedded.

    Examples
    --------
    with Engine.open("shop.engine", backbone="efficientnet_lite0") as engine:
        engine.index(["./catalog"])
        for hit in engine.search("chair.jpg", k=5):
            print(hit.score, hit.path)
    """

    def __init__(
        self, config: Config, reporter: Reporter = SILENT, *, embedder: Embedder | None = None
    ) -> None:
        self.config = config
        self._session = Session(config, reporter, embedder)

    @classmethod
    def open(
        cls, store: str | Path | None = None, *, reporter: Reporter = SILENT, **settings: Any
    ) -> Engine:
        """Return an engine on a store.

        Parameters
        ----------
        store
            Its folder; by default ENGINE_STORE, else the nearest `.engine/` upward.
        reporter
            Hears announcements and progress.
        **settings
            Fields of `Config`: `backbone`, `precision`, `runtime`, `max_pixels`, ...

        Raises
        ------
        UsageError
            A setting has a value that it cannot have.
        """
        return cls(Config.at(store, **settings), reporter)

    def reporting_to(self, reporter: Reporter) -> Engine:
        """Return the same engine, of whose work another reporter hears.

        The two share all that is open, and to close one closes both. What the other reporter
        raises ends what was asked of this one alone.
        """
        other = copy(self)
        other._session = self._session.reporting_to(reporter)
        other._recent_components = self._recent_components
        other._recent_tower = self._recent_tower
        return other

    @property
    def reporter(self) -> Reporter:
        """Who hears of its work."""
        return self._session.reporter

    @property
    def images(self) -> ImageCollection:
        """The images of the store: in pages, or one by its id; to label and to forget them."""
        from engine.image_collection import ImageCollection

        return ImageCollection(self._session)

    @property
    def heads(self) -> HeadCollection:
        """The heads of the store: iterate over them, or ask for one by name."""
        from engine.learning.head_collection import HeadCollection

        return HeadCollection(self._session)

    @property
    def maps(self) -> Maps:
        """Where the images lie in a plane: their map is looked at, or made so that it is good."""
        from engine.search.map.maps import Maps

        return Maps(self._session, self._recent_components)

    @cached_property
    def _recent_components(self) -> RecentComponents:
        from engine.search.map.components import RecentComponents

        return RecentComponents()

    @cached_property
    def _recent_tower(self) -> RecentTower:
        from engine.search.text.words import RecentTower

        return RecentTower()

    @property
    def tidying(self) -> Tidying:
        """Tidying up by hand: chosen duplicates to the trash, others remembered as none; undo."""
        from engine.search.duplicates.tidying import Tidying

        return Tidying(self._session)

    @property
    def judgements(self) -> JudgementCollection:
        """What people said that images show: add to it, or take some of it back."""
        from engine.learning.teaching.judgement_collection import JudgementCollection

        return JudgementCollection(self._session)

    def index(
        self,
        paths: Sequence[str | Path],
        *,
        label: str | None = None,
        options: IngestOptions | None = None,
        cluster: ClusterOptions | None = None,
    ) -> IndexReport:
        """Bring the catalog in step with folders of pictures.

        With `Config.cluster` workers do it, and whichever of them dies, the others go on. In a
        script the call then stands below `if __name__ == "__main__":`, since Python runs a script
        once more in each process of this machine that it starts.

        Parameters
        ----------
        paths
            Folders, searched to the bottom, or single pictures; archives; URLs of any of these.
        label
            `parent`, `source` for what archives say, `none`, a CSV file with columns `path` and
            `label`, or None to leave the labels that images have.
        options
            What is left out, and how far what is known is trusted.
        cluster
            How work is shared out among workers.

        Raises
        ------
        UsageError
            A path lies in the trash of tidying up, or is a URL that cannot be read here; or there
            is no such kind of cluster.
        ClusterError
            The cluster cannot be reached, or its workers end again and again.
        EngineError
            None of the paths exists, the store is locked, the disk is full, ...; what was
            committed before stays.
        """
        from engine.heads.classifier import Classifier
        from engine.ingest.indexer import Indexer
        from engine.ingest.labels.labels import label_rule
        from engine.pictures.walk import require_one
        from engine.pictures.walk_rules import refuse_trash

        started = time.monotonic()
        rule = label_rule(label)
        roots = [str(path) for path in paths]
        require_one(roots)
        refuse_trash(roots)
        run = None
        if self.config.cluster is not None:
            from engine.ingest.cluster.driver import ClusterRun

            given = self._session.maker
            run = ClusterRun.of(self.config, cluster, label, options, given)
        self._session.index().require_vectors()
        with self._session.writing(create=True, images=roots) as catalog:
            embedder = self._session.embedder()
            self._session.index().keep_vectors(catalog)

            def classifier() -> Classifier:
                return Classifier(embedder.built_in, self._session.heads())

            indexer = Indexer(catalog, embedder, rule, classifier, options=options)
            if run is None:
                indexer.run(roots)
            else:
                run.index(catalog, indexer, roots, self.reporter)
            catalog.prefer(self.config.index, self.config.memory)
            self._session.index().settle(catalog)
            return indexer.report(time.monotonic() - started)

    def watch(
        self,
        paths: Sequence[str | Path],
        *,
        label: str | None = None,
        options: IngestOptions | None = None,
        cluster: ClusterOptions | None = None,
        limits: WatchLimits | None = None,
        stopped: Event | None = None,
    ) -> Iterator[IndexReport]:
        """Index folders, and again whenever files in them have changed.

        Parameters
        ----------
        paths, label, options, cluster
            As of `index`.
        limits
            When a change is acted upon.
        stopped
            Ends it when set; it ends by an interrupt, too.

        Yields
        ------
        IndexReport
            Of the first run, and of each one after a change.

        Raises
        ------
        UsageError
            The package that watches folders is not installed, or a path is no folder of this
            machine.
        EngineError
            The first run cannot be done; what fails later is announced, and tried again.
        """
        from engine.ingest.options import IngestOptions
        from engine.ingest.watch import Watch, WatchLimits, follow
        from engine.pictures.sources.paths import require_local

        options = options or IngestOptions()
        require_local(map(str, paths), "--watch")
        watch = Watch(
            [os.path.abspath(path) for path in paths],
            str(self.config.store.folder),
            options.rules,
            limits or WatchLimits(),
            stopped or Event(),
        )
        return follow(
            watch,
            lambda: self.index(paths, label=label, options=options, cluster=cluster),
            self._session.reporter.announce,
        )

    def figures(self) -> Figures:
        """Return how many images there are, and how far the index is behind: cheap to ask.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        from engine.session.figures import figures

        return figures(self._session)

    def start(self) -> None:
        """Open the catalog and have the backbone compute now, and not with the first picture.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        self._session.catalog()
        self._session.embedder().warm()

    def warm_up(self) -> None:
        """Bring the index in step and import what decodes and teaches, before the first question.

        In the background of what goes on asking: an index that has to be built takes its time.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        from PIL import Image

        import engine.image_collection
        import engine.learning.teaching.teach
        import engine.pictures.decode  # noqa: F401

        Image.init()
        self._session.ask(lambda catalog, index: None)

    def embed(
        self,
        images: ImageLike | Sequence[ImageLike],
        *,
        crop: CropLike | None = None,
        skipped: list[Skipped] | None = None,
    ) -> EmbeddedImages:
        """Embed pictures once, to be searched for and classified without embedding them again.

        Parameters
        ----------
        images, crop, skipped
            As in `search`.

        Raises
        ------
        ImageError
            A picture cannot be used, or none of them can.
        UsageError
            One is a URL, and none may be fetched; or there is no such crop.
        StoreNotFoundError
            A store was named, and there is none.
        """
        self._refuse_urls(images)
        self._session.warm_up()
        self._require_named()
        from engine.pictures.crop import Crop
        from engine.search.queries import embedded_images

        part = None if crop is None else Crop.of(crop)
        return embedded_images(self._session.embedder(), images, skipped, part)

    def search(
        self,
        images: Pictures = (),
        k: int = 10,
        *,
        ids: Sequence[int] = (),
        text: str | Sequence[str] = (),
        without: Pictures = (),
        without_ids: Sequence[int] = (),
        without_text: str | Sequence[str] = (),
        min_score: float | None = None,
        category: str | None = None,
        same_category: bool = False,
        where: Sequence[str] = (),
        rank: str = "fused",
        crop: CropLike | None = None,
        skipped: list[Skipped] | None = None,
    ) -> SearchReport:
        """Find the catalog's images that look most like a picture, or like what words say.

        Parameters
        ----------
        images
            A path, URL, `-` or bytes; of several the mean embedding is searched for. Or what
            `embed` has returned.
        k
            How many to find; there are as many, if the catalog has as many that fit.
        ids
            Images of the catalog to search for instead, by their embeddings: no picture is read.
        text
            What to search for in words, one text or several, each by itself or with pictures: the
            mean of all is searched for. `SearchReport.understood` says what it was taken for; where
            one was not understood nothing is found.
        without, without_ids, without_text
            Pictures, images of the catalog, and words that are subtracted.
        min_score
            Leave out hits less similar than this (cosine, -1 to 1).
        category
            Only images that the engine says are this.
        same_category
            Classify the picture first, then search within its category.
        where
            Conditions such as `label=chair` or `width>=800`.
        rank
            `fused` orders by the surroundings of images, too, where the index was arranged;
            `plain` by the cosine alone.
        crop
            The part of the picture to look at: left, top, width, height, in pixels of the upright
            picture or, where none is above 1, in fractions of its sides. As text `.25,0,.5,1`.
        skipped
            Pictures that cannot be used are noted here; without it the first one raises.

        Raises
        ------
        ImageError
            A picture cannot be used, or none of them can.
        FilterError
            A condition cannot be understood.
        UnknownCategoryError
            No image has the category, and no head knows it.
        UnknownImageError
            There is no image of such an id.
        UsageError
            One is a URL, and none may be fetched; there is no such `rank`, or no such crop; what
            encodes text is not installed.
        WeightsCorruptError
            The weights of what encodes text are not what they should be.
        StoreNotFoundError
            There is no catalog.
        """
        for some in (images, without):
            self._refuse_urls(some)
        if not ids and (images or without):
            self._session.warm_up()
        from engine.pictures.crop import Crop
        from engine.search.given import Given
        from engine.search.search import Query, search
        from index.catalog.tables.filters import Filter

        query = Query(k, min_score, category, same_category, Filter.parse(where), rank)
        part = None if crop is None else Crop.of(crop)
        texts, others = _texts(text, "--text"), _texts(without_text, "--not")
        given = Given(images, ids, texts, without, without_ids, others, part)
        catalog = self._session.catalog()  # there must be one
        if category:
            from engine.search.explain import require_category

            require_category(catalog, category)
        embedder = self._session.embedder()
        embedded = given.embedded(embedder, skipped)
        tower = self._recent_tower.of(embedder) if given.has_texts else None

        def question(catalog: Catalog, index: VectorIndex) -> SearchReport:
            # Of the same state: what the images are taken for, these heads have said.
            heads = self._session.heads() if same_category or tower else []
            terms = embedded.terms(catalog, embedder.backbone.dim, tower, heads)
            return search(catalog, index, embedder, heads, terms, query)

        return replace(self._session.ask(question), skipped=tuple(skipped or ()))

    def classify(
        self,
        images: Pictures,
        k: int = 5,
        *,
        head: str | None = None,
        coverage: float | None = None,
        crop: CropLike | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[Classification]:
        """Say what pictures show.

        Parameters
        ----------
        images
            Paths, URLs, `-` or bytes; or what `embed` has returned.
        k
            How many categories to name, best first.
        head
            A head's name for its own distribution, `imagenet` for the built-in one alone, or
            None (or `all`) to let all categories compete. Where no store was named and none is
            found, there is only the built-in one.
        coverage
            Also answer with the smallest set of categories that holds the right one for this share
            of pictures (`Classification.set`); for a head alone.
        crop, skipped
            As in `search`.

        Raises
        ------
        ImageError
            A picture cannot be used, or none of them can.
        UnknownHeadError
            There is no such head.
        UsageError
            One is a URL, and none may be fetched; a coverage was asked for without a head; or
            there is no such crop.
        HeadError
            The head is of a release that kept nothing to measure a coverage by.
        StoreNotFoundError
            A store was named, and there is none.
        """
        require_number("k", k, 1, whole=True)
        if coverage is not None:
            from engine.heads.conformal import LEAST, MOST, require_one_head

            require_number("coverage", coverage, LEAST, MOST)
            require_one_head(head)
        self._refuse_urls(images)
        self._session.warm_up()
        self._require_named()
        from engine.heads.classifier import check_known, distribution
        from engine.pictures.crop import Crop
        from engine.search.queries import embedded_images

        part = None if crop is None else Crop.of(crop)
        heads = self._session.heads(head)
        check_known(heads, head)
        promised = None
        if coverage is not None:
            from engine.heads.conformal import promise, with_sets
            from engine.heads.head import find_head

            promised = promise(find_head(heads, str(head)), coverage)
            if promised.shortage:
                self._session.reporter.announce(f"{head}: {promised.shortage}")
        given = embedded_images(self._session.embedder(), images, skipped, part)
        answer = distribution(self._session.embedder().built_in, heads, head, given.vectors)
        ranked = answer.ranked(given.names, k)
        return ranked if promised is None else with_sets(ranked, answer, promised)

    def train(
        self,
        dataset: str | Path | None = None,
        *,
        head: str,
        from_labels: bool = False,
        from_judgements: bool = False,
        only: Sequence[str] = (),
        options: TrainOptions | None = None,
        extend: bool = False,
        tune: bool = False,
        views: int | None = None,
        mirror_indexed: bool = False,
        min_images: int = 0,
    ) -> TrainReport:
        """Teach the engine new categories.

        A store that was named must be there: `index` makes it. Where none was named and none is
        found, `./.engine/` is made for a folder.

        Parameters
        ----------
        dataset
            A folder with one folder of pictures per category.
        head
            What to call the result; a head of that name is replaced.
        extend
            Add to what the head of that name has learned, instead. Its old pictures are not
            needed: their embeddings are in the store.
        from_labels
            Use the labels of the catalog's images instead of a folder.
        from_judgements
            Use what people judged of them (`judgements`). Pictures that show none of the
            categories teach the head what not to take; how it is trained is not chosen.
        only
            Of judged categories learn these alone.
        options
            How to train. Where they leave that open, it is chosen within `options.budget` seconds:
            options as with `tune`, and whether views are of use.
        tune
            Select the options first, by cross-validation, however long it takes unless a budget
            was given; what `options` ask for beside the defaults stays.
        views
            Learn from so many parts of each picture, too, drawn at random, mirrored or not and
            with other colours; each is embedded once. Pictures that are in the catalog are
            opened for it. None for as many as are found to be of use, or none where `options` say
            how to train.
        mirror_indexed
            Open pictures that are in the catalog to learn from mirrored copies of them, too;
            other pictures are mirrored anyway.
        min_images
            Leave out categories with fewer pictures. By default one with fewer than two is an
            error; with 1 it is learned, and cannot be tested.

        Raises
        ------
        UsageError
            Not exactly one of `dataset`, `from_labels` and `from_judgements`, a reserved name, or
            both `tune` and `options.fast`.
        UnknownHeadError
            There is no head to extend.
        StoreNotFoundError
            A store was named, and there is none; or there are no labels without one.
        TrainingError
            Too few pictures.
        """
        began = time.monotonic()
        from engine.errors import UsageError
        from engine.heads.head import check_name, find_head
        from engine.heads.options import TrainOptions
        from engine.learning.data.dataset import require_folder
        from engine.learning.data.source import Source
        from engine.learning.train import train

        check_name(head)
        require_number("min_images", min_images, 0, whole=True)
        if views is not None:
            require_number("views", views, 0, whole=True)
        options = options or TrainOptions()
        if tune and options.fast:
            raise UsageError(
                "fast and tune", "one compares, the other does not", "Leave out one of the two"
            )
        if (dataset is not None) + from_labels + from_judgements != 1 or (
            only and not from_judgements
        ):
            reason = "it learns from a folder, from labels or from judgements"
            raise UsageError("train", reason, "Name one of the three, and categories of the last")
        if dataset is not None:
            require_folder(str(dataset))
        images = [str(dataset)] if dataset is not None else []
        self._require_named()
        with self._session.writing(create=dataset is not None, images=images) as catalog:
            heads = self._session.heads(head if extend else None)
            if extend:
                find_head(heads, head)
            return train(
                catalog,
                self._session.embedder(),
                heads,
                head,
                Source(
                    None if dataset is None else str(dataset),
                    extend,
                    views,
                    mirror_indexed,
                    min_images,
                    from_judgements,
                    tuple(only),
                ),
                options,
                select_model=tune,
                began=began,
                ask=lambda question: self._session.index().ask(catalog, question),
            )

    def teach(
        self, category: str, yes: Sequence[int] = (), no: Sequence[int] = (), k: int = 12
    ) -> Lesson:
        """Say which pictures a person should judge next, and what is known by now.

        Nothing is remembered: `judgements` is for that, and `train` makes a head of them. Of more
        than 600 answers it learns from 600, drawn at random: the rarer kind first, up to a half.

        Parameters
        ----------
        category
            What it is about.
        yes, no
            Images of the catalog that were judged to show it, and not to.
        k
            How many to ask about.

        Raises
        ------
        UsageError
            There can be no such category, or an image is both in `yes` and in `no`.
        UnknownImageError
            There is no image of one of the ids.
        StoreNotFoundError
            There is no catalog.
        """
        from engine.learning.teaching.teach import Teacher

        require_number("k", k, 1, whole=True)
        pool = self._session.pool()
        return self._session.ask(
            lambda catalog, index: Teacher(catalog, index, pool).lesson(category, yes, no, k)
        )

    def save_lesson(
        self, category: str, yes: Sequence[int] = (), no: Sequence[int] = (), *, head: str
    ) -> SavedLesson:
        """Remember what was judged, and make a head of all judgements there are.

        A head of that name that was made of judgements is made anew. One that learned something
        else learns the judgements, too (`train` with `extend`). Nobody else writes meanwhile.

        Parameters
        ----------
        category, yes, no
            As of `teach`.
        head
            What to call the head.

        Raises
        ------
        UsageError, UnknownImageError, StoreNotFoundError, StoreLockedError
            As of `teach`, and of `judgements`.
        TrainingError
            No category has enough pictures that show it. What was judged is remembered.
        """
        from engine.heads.head import check_name
        from engine.learning.teaching.saving import is_of_judgements, saved

        check_name(head)
        with self._session.writing(create=False) as catalog:
            self.judgements.add(category, yes, no)
            known = any(each.name == head for each in self.heads)
            extend = known and not is_of_judgements(self.report(head))
            return saved(
                catalog,
                lambda: self.train(head=head, from_judgements=True, extend=extend),
                lambda: self.heads[head],
            )

    def finetune(
        self,
        dataset: str | Path,
        *,
        name: str,
        options: FinetuneOptions,
        resume: bool = False,
        min_images: int = 0,
    ) -> FinetuneReport:
        """Train the last blocks of a backbone on pictures, and keep it as a backbone of its own.

        Nothing in the store changes: a catalog keeps to the backbone it was made with. The new
        one is for new stores, by its name.

        Parameters
        ----------
        dataset
            A folder with one folder of pictures per category.
        name
            What to call the new backbone. A name of an earlier one moves on to it; catalogs that
            were made with that one keep its weights.
        options
            From which block on, and how.
        resume
            Go on after the last epoch of an interrupted run of the same images and options.
        min_images
            As in `train`.

        Raises
        ------
        UsageError
            There is no such folder or block, or a name that cannot be.
        TrainingError
            Too few images, a checkpoint of another run, or a learning rate with which the loss is
            NaN at once.
        WeightsError
            The backbone's weights cannot be had.
        """
        from engine.learning.data.dataset import require_folder
        from engine.learning.data.requirements import Requirements
        from engine.learning.finetune.finetuner import finetune

        require_number("min_images", min_images, 0, whole=True)
        require_folder(str(dataset))
        config, reporter = self._session.config, self._session.reporter
        required = Requirements(min_images=min_images)
        return finetune(
            str(dataset), name, options, config, reporter, requirements=required, resume=resume
        )

    def compare(
        self, dataset: str | Path, *, options: CompareOptions | None = None, min_images: int = 0
    ) -> Comparison:
        """Compare networks from scratch with frozen and fine-tuned backbones on the same splits.

        What is reported is measured on test images that took no part in anything.

        Parameters
        ----------
        dataset
            A folder with one folder of pictures per category.
        options
            What to compare, and for how long.
        min_images
            As in `train`.

        Raises
        ------
        UsageError
            There is no such folder, backbone or block.
        TrainingError
            A category has too few images.
        """
        from engine.learning.compare.comparison import compare
        from engine.learning.compare.options import CompareOptions
        from engine.learning.data.dataset import require_folder
        from engine.learning.data.requirements import Requirements

        require_number("min_images", min_images, 0, whole=True)
        require_folder(str(dataset))
        config, reporter = self._session.config, self._session.reporter
        required = Requirements(min_images=min_images)
        return compare(str(dataset), config, reporter, options or CompareOptions(), required)

    def report(self, name: str) -> HeadReport:
        """Return all that a head holds about how it came to be and how good it is.

        Neither the pictures nor the backbone are needed for it.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.head import find_head
        from engine.learning.report import head_report

        self._session.config.store.require()
        return head_report(find_head(self._session.heads(name), name))

    def evaluate(
        self, dataset: str | Path, *, head: str | None = None, label: str | None = None
    ) -> Evaluation:
        """Measure on pictures whose labels are known.

        Pictures that a head, or a fine-tuned backbone, has learned from are told apart: what it
        says of them says little of others.

        Parameters
        ----------
        dataset
            A folder with one folder per label.
        head
            Who answers: a head's name, `imagenet`, or `all` for the joint distribution. By
            default all where they know every label, else the nearest neighbours' labels.
        label
            Another rule for labels, as in `index`.

        Raises
        ------
        UsageError
            There is no such folder, or nothing in it has a label.
        StoreNotFoundError
            A store was named, and there is none.
        """
        from engine.heads.classifier import check_known
        from engine.learning.evaluate import evaluate

        self._require_named()
        heads = self._session.heads(head)
        check_known(heads, head)
        catalog = self._session.catalog_or_none()
        return evaluate(catalog, self._session.embedder(), heads, str(dataset), head, label)

    def suspects(
        self,
        dataset: str | Path | None = None,
        *,
        head: str | None = None,
        k: int | None = None,
        doubted: bool = True,
    ) -> SuspectReport:
        """Find pictures whose label is less likely than another category.

        Each is judged by layers that were trained on other pictures, and on none of its copies. A
        label of the catalog is not doubted where `judgements` say that the picture shows it.

        Parameters
        ----------
        dataset
            A folder with one folder per label; by default the labels of the catalog's images.
        head
            Look at what this head has learned from, instead.
        k
            List at most so many, by default all.
        doubted
            List those alone whose label is doubted; else all, by falling margin.

        Raises
        ------
        UsageError
            Both `dataset` and `head`, or there is no such folder.
        UnknownHeadError
            There is no such head.
        StoreNotFoundError
            There is no catalog; for a folder, only where a store was named.
        TrainingError
            Too few pictures, or it is not known what the head learned from.
        """
        from engine.errors import UsageError
        from engine.heads.head import find_head
        from engine.learning.data.collect import ANY, collect
        from engine.learning.data.dataset import require_folder
        from engine.learning.suspects import find_suspects, labelled, learned_by, said_of, with_ids

        if k is not None:
            require_number("k", k, 1, whole=True)
        session = self._session
        said: frozenset[tuple[str, str]] = frozenset()
        if dataset is not None:
            if head is not None:
                reason = "labels are either those of a folder or those that a head learned"
                raise UsageError("suspects", reason, "Name one of the two")
            require_folder(str(dataset))
            self._require_named()
            catalog = session.catalog_or_none()
            examples = collect(str(dataset), session.embedder(), catalog, requirements=ANY)
        elif head is not None:
            catalog = session.catalog()
            examples = learned_by(find_head(session.heads(head), head), catalog)
        else:
            catalog = session.catalog()
            examples, said = labelled(catalog), said_of(catalog)
        report = find_suspects(
            examples,
            str(dataset or head or "labels"),
            k=k,
            doubted=doubted,
            said=said,
            progress=lambda done, total: session.reporter.progress("judging", done, total, "folds"),
        )
        known = session.catalog_or_none()
        return report if known is None else with_ids(report, known)

    def duplicates(
        self,
        min_score: float | None = None,
        *,
        level: str | None = None,
        keep: str = "largest",
        images: ImageLike | Sequence[ImageLike] | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[DuplicateGroup]:
        """Find images that are there more than once, or pictures that are there already.

        Parameters
        ----------
        min_score
            Least similarity of every two images in a group (cosine, -1 to 1); of the level
            `similar` alone.
        level
            `exact` lists the same content, `copy` also the same picture compressed, resized,
            cropped, mirrored or framed, `similar` all that is so similar; by default `copy`, or
            `similar` with a `min_score`.
        keep
            Which should stay of a group: the `largest`, the `oldest`, or a glob on whole paths,
            all of which that match stay.
        images
            Pictures to ask about, as for `search`: what of the catalog each is a duplicate of.
            The catalog stays as it is.
        skipped
            Pictures that cannot be used are added here; where it is None, the first one raises.

        Raises
        ------
        UsageError
            There is no such level, or `min_score` is no such number.
        StoreNotFoundError
            There is no catalog.
        ImageError
            A picture cannot be used and `skipped` is None, or none of them can.
        """
        from engine.search.duplicates.find import find_duplicates
        from engine.search.duplicates.keep import Keep
        from engine.search.duplicates.level import DuplicateLimits, Level
        from engine.search.duplicates.pixels import Pixels

        wanted, limits, rule = Level.of(level, min_score), DuplicateLimits(), Keep.parse(keep)
        session, pixels = self._session, Pixels(self.config, self._session.reporter)
        announce = session.reporter.announce
        if images is None:
            groups = session.ask(
                lambda catalog, index: find_duplicates(
                    catalog, index, wanted, pixels, limits, rule, announce
                )
            )
        else:
            from engine.search.duplicates.asked import duplicates_of, read_asked
            from engine.search.queries import as_list

            session.catalog()
            asked = read_asked(as_list(images), session.embedder(), pixels, skipped)
            groups = session.ask(
                lambda catalog, index: duplicates_of(
                    asked, catalog, index, wanted, pixels, limits, rule, announce
                )
            )
        if (unmatched := rule.unmatched(groups)) is not None:
            session.reporter.announce(f"keep: {unmatched}")
        return groups

    def move_duplicates(
        self, folder: str | Path, *, level: str = "exact", keep: str = "largest"
    ) -> MoveReport:
        """Move what may go of each group of duplicates to a folder; `undo_moves` puts it back.

        Parameters
        ----------
        folder
            Where to, and where the manifest of it will be; outside the folders that are indexed.
        level
            `exact` or `copy`.
        keep
            As in `duplicates`.

        Raises
        ------
        UsageError
            There is no such level, the folder is none for it, or `keep` matches no picture.
        EngineError
            The folder cannot be written, or is full. What was moved is in the manifest.
        StoreNotFoundError
            There is no catalog.
        """
        from engine.search.duplicates.find import find_duplicates
        from engine.search.duplicates.keep import Keep
        from engine.search.duplicates.level import DuplicateLimits, Level
        from engine.search.duplicates.moves.move import Mover, require_level
        from engine.search.duplicates.pixels import Pixels

        require_level(level)
        wanted, limits, rule = Level.of(level, None), DuplicateLimits(), Keep.parse(keep)
        session, pixels = self._session, Pixels(self.config, self._session.reporter)
        store = self.config.store
        with session.writing(create=False) as catalog:
            mover = Mover(catalog, str(folder), store, level, rule, session.reporter)
            session.index().settle(catalog)
            announce = session.reporter.announce
            groups = session.ask(
                lambda catalog, index: find_duplicates(
                    catalog, index, wanted, pixels, limits, rule, announce
                )
            )
            try:
                return mover.run(groups)
            finally:
                session.index().settle(catalog)

    def undo_moves(self, manifest: str | Path) -> UndoReport:
        """Put back the files that `move_duplicates` has moved, as its manifest says.

        It may be done again at any time. Nothing is written over, and no store is needed: without
        one `index` takes the files up.

        Raises
        ------
        EngineError
            The manifest is none, or damaged; nothing was changed.
        """
        from engine.search.duplicates.moves.undo import undo_moves

        with ExitStack() as stack:
            catalog, why = None, "there is none"
            try:
                catalog = stack.enter_context(self._session.writing(create=False))
            except StoreLockedError:
                raise
            except StoreError as error:
                why = str(error)
            report = undo_moves(str(manifest), catalog, self._session.reporter, why)
            if catalog is not None:
                self._session.index().settle(catalog)
            return report

    def status(self) -> Status:
        """Say what the store holds, and whether it is in order.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        from engine.session.status import status

        catalog, heads = self._session.catalog(), self._session.heads()
        return status(catalog, self.config, heads, self._session.damaged_heads().values())

    def remove(self, paths: Sequence[str | Path]) -> RemoveReport:
        """Forget images at or below paths; the files themselves are left alone.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        from engine.ingest.remove import remove

        with self._session.writing(create=False) as catalog:
            report = remove(catalog, [str(path) for path in paths])
            self._session.index().settle(catalog)
        return report

    def relocate(self, old: str | Path, new: str | Path) -> RelocateReport:
        """Tell the catalog that the pictures at or below one path lie below another now.

        Raises
        ------
        UsageError
            No image lies there, or other images lie where they would.
        StoreNotFoundError
            There is no catalog.
        """
        from engine.ingest.relocate import relocate

        with self._session.writing(create=False) as catalog:
            return relocate(catalog, str(old), str(new))

    def compact(self) -> CompactReport:
        """Make the store's files as small as they can be, after many images were removed.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        DiskFullError
            There is no room for a second copy of the catalog; nothing was changed.
        """
        from engine.session.compact import compact

        with self._session.writing(create=False) as catalog:
            return compact(
                catalog,
                self.config.store,
                lambda: self._session.index().settle(catalog, compact=True),
            )

    def export(self, file: str | Path, *, force: bool = False) -> ExportReport:
        """Write all embeddings and what is known about them to a `.npy` or `.parquet` file.

        Parameters
        ----------
        force
            Write over files that exist.

        Raises
        ------
        UsageError
            Another ending, or a file exists.
        EngineError
            It cannot be written; what was there is left as it was.
        """
        from engine.export.export import export

        return export(self._session.catalog(), Path(file), force=force)

    def _refuse_urls(self, images: Pictures) -> None:
        # Nearly always they may be fetched, and nothing is imported before the backbone loads.
        if self.config.urls.allowed:
            return
        from engine.pictures.urls import refuse_urls
        from engine.search.queries import as_list
        from engine.search.results import EmbeddedImages

        if not isinstance(images, EmbeddedImages):
            refuse_urls(as_list(images), self.config.urls)

    def _require_named(self) -> None:
        """Insist on a catalog where somebody named one: an answer without it would mislead."""
        if self.config.store.named_by:
            self._session.catalog()

    def close(self) -> None:
        """Close the catalog."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _texts(texts: str | Sequence[str], option: str) -> tuple[str, ...]:
    """Return texts, checked; where there are none, nothing is imported."""
    if isinstance(texts, tuple | list) and not texts:
        return ()
    from engine.search.text.words import checked_texts

    return checked_texts(texts, option)

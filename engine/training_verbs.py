"""The verbs of `Engine` that learn from pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.learning.results import Comparison, FinetuneReport, TrainReport
from engine.session import Session

if TYPE_CHECKING:
    from engine.heads.options import TrainOptions
    from engine.learning.compare.options import CompareOptions
    from engine.learning.finetune.options import FinetuneOptions


class TrainingVerbs:
    """Training heads in one store, and backbones for new ones."""

    _session: Session

    def train(
        self,
        dataset: str | Path | None = None,
        *,
        head: str,
        from_labels: bool = False,
        options: TrainOptions | None = None,
        extend: bool = False,
        tune: bool = False,
        views: int = 0,
        mirror_indexed: bool = False,
    ) -> TrainReport:
        """Teach the engine new categories.

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
        options
            How to train.
        tune
            Compare ways of training by cross-validation first, and take the best; what `options`
            ask for beside the defaults stays.
        views
            Learn from so many parts of each picture, too, drawn at random, mirrored or not and
            with other colours; each is embedded once. Pictures that are in the catalog are
            opened for it.
        mirror_indexed
            Open pictures that are in the catalog to learn from mirrored copies of them, too;
            other pictures are mirrored anyway.

        Raises
        ------
        UsageError
            Neither or both of `dataset` and `from_labels`, or a reserved name.
        UnknownHeadError
            There is no head to extend.
        TrainingError
            Too few pictures.
        """
        from engine.errors import UsageError
        from engine.heads.options import TrainOptions
        from engine.heads.registry import check_name, find_head
        from engine.learning.dataset import require_folder
        from engine.learning.train import Trainer

        check_name(head)
        if (dataset is None) != from_labels:
            raise UsageError(
                "train", "it learns either from a folder or from labels", "Name one of the two"
            )
        if dataset is not None:
            require_folder(str(dataset))
        images = [str(dataset)] if dataset is not None else []
        with self._session.writing(create=not from_labels, images=images) as catalog:
            heads = self._session.heads()
            if extend:
                find_head(heads, head)
            trainer = Trainer(catalog, self._session.embedder(), heads, tuned=tune, extend=extend)
            chosen = options or TrainOptions()
            if dataset is None:
                return trainer.from_labels(head, chosen)
            return trainer.from_folder(
                head, str(dataset), chosen, drawn_views=views, mirror_indexed=mirror_indexed
            )

    def finetune(
        self,
        dataset: str | Path,
        *,
        name: str,
        options: FinetuneOptions,
        resume: bool = False,
    ) -> FinetuneReport:
        """Train the last blocks of a backbone on pictures, and keep it as a backbone of its own.

        Nothing in the store changes: a catalog keeps to the backbone it was made with. The new
        one is for new stores, by its name.

        Parameters
        ----------
        dataset
            A folder with one folder of pictures per category.
        name
            What to call the new backbone; a fine-tuned one of that name is replaced.
        options
            From which block on, and how.
        resume
            Go on after the last pass of an interrupted run of the same pictures and options.

        Raises
        ------
        UsageError
            There is no such folder or block, or a name that cannot be.
        TrainingError
            Too few pictures, or a checkpoint of another run.
        WeightsError
            The backbone's weights cannot be had.
        """
        from engine.learning.dataset import require_folder
        from engine.learning.finetune.finetuner import FineTuner

        require_folder(str(dataset))
        tuner = FineTuner.of(self._session.config, self._session.reporter)
        return tuner.run(str(dataset), name, options, resume=resume)

    def compare(self, dataset: str | Path, *, options: CompareOptions | None = None) -> Comparison:
        """Compare networks from scratch with frozen and fine-tuned backbones on the same splits.

        Parameters
        ----------
        dataset
            A folder with one folder of pictures per category.
        options
            What to compare, and for how long.

        Raises
        ------
        UsageError
            There is no such folder, backbone or block.
        TrainingError
            A category has too few pictures.
        """
        from engine.learning.compare.comparison import compare
        from engine.learning.compare.options import CompareOptions
        from engine.learning.dataset import require_folder

        require_folder(str(dataset))
        config, reporter = self._session.config, self._session.reporter
        return compare(str(dataset), config, reporter, options or CompareOptions())

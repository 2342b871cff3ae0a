"""The page of `report --html`: complete in itself, safe, and true to the figures."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cli.pages.report import summary, write_report_page
from engine import Config, Engine
from engine.errors import EngineError
from engine.heads.results import Prediction
from engine.learning.results import AnsweredImage, HeadReport
from index.store import Store
from tests.support.page import Page, read_page
from tests.support.spread import SpreadEmbedder

NASTY = "<script>alert('x')</script> & \"more\""
NAN = float("nan")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadReport:
    """The report of a head of a few drawn pictures, one category with a nasty name."""
    images = tmp_path_factory.mktemp("pictures")
    for category, name in (("bed", NASTY.replace("/", "∕")), ("chair", "chair"), ("lamp", "lamp")):
        (images / name).mkdir()
        for source in sorted((drawn / category).iterdir())[:4]:
            shutil.copy2(source, images / name)
    config = Config(store=Store(tmp_path_factory.mktemp("report") / "store"))
    with Engine(config, embedder=SpreadEmbedder(config)) as engine:
        engine.train(images, head="furniture")
        return engine.report("furniture")


def read(report: HeadReport, folder: Path) -> Page:
    """Return what is on the page of a report, each of whose elements is closed."""
    write_report_page(report, folder / "page.html", force=True)
    return read_page(folder / "page.html")


def test_nothing_is_run_and_nothing_is_fetched(report: HeadReport, tmp_path: Path) -> None:
    page = read(report, tmp_path)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert page.images
    assert all(source.startswith("data:image/") for source in page.images)
    assert all(link.startswith("file://") for link in page.links)


def test_plots_fetch_nothing_either(report: HeadReport, tmp_path: Path) -> None:
    drawn = [each for each in read(report, tmp_path).images if "svg+xml" in each]
    assert len(drawn) == 4
    for source in drawn:
        svg = base64.b64decode(source.partition(",")[2]).decode()
        assert "<script" not in svg
        assert 'href="http' not in svg


def test_each_plot_is_told_in_words(report: HeadReport, tmp_path: Path) -> None:
    said = [alt for alt in read(report, tmp_path).values("alt") if alt]
    assert [alt.split()[0] for alt in said] == ["Loss", "Accuracy", "Confusion", "Reliability:"]


def test_names_are_text_whatever_they_look_like(report: HeadReport, tmp_path: Path) -> None:
    assert NASTY.replace("/", "∕") in read(report, tmp_path).text


def test_test_images_are_shown_with_their_bars(report: HeadReport, tmp_path: Path) -> None:
    page = read(report, tmp_path)
    photos = [each for each in page.images if each.startswith("data:image/jpeg")]
    assert len(photos) == len(report.shown) + len(report.mistakes) > 0
    assert "✓" in page.text


def test_images_that_have_gone_leave_a_placeholder(report: HeadReport, tmp_path: Path) -> None:
    gone = [replace(image, path=f"{image.path}.gone") for image in report.shown]
    page = read(replace(report, shown=gone, mistakes=[]), tmp_path)
    assert page.text.count("there is no such file") == len(gone) > 0


def test_precision_and_recall_of_each_category_are_told(report: HeadReport, tmp_path: Path) -> None:
    page = read(report, tmp_path)
    for score in report.per_category.values():
        assert f"{100 * score.recall:.1f} %" in page.text


def test_the_threshold_and_what_it_rejects_are_explained(
    report: HeadReport, tmp_path: Path
) -> None:
    page = read(replace(report, accept=0.125, test_images=10, unknown=3), tmp_path)
    assert "less than 12.5 % of the probability" in page.text
    assert "Rejected so: 3 of 10 test pictures (30.0 %)" in page.text


def test_what_may_be_forgotten_is_told(report: HeadReport, tmp_path: Path) -> None:
    metrics = {**report.metrics, "taken_from_built_in": 0.011, "joint_accuracy": 0.876}
    page = read(replace(report, metrics=metrics), tmp_path)
    assert "1.1 %" in page.text
    assert "87.6 %" in page.text


def test_every_setting_and_version_is_on_the_page(report: HeadReport, tmp_path: Path) -> None:
    page = read(report, tmp_path)
    assert report.settings and report.versions
    assert all(f"setting: {name}" in page.text for name in report.settings)
    assert all(f"version: {name}" in page.text for name in report.versions)
    assert report.fingerprint in page.text


def test_mistakes_say_what_was_said_and_what_it_is(report: HeadReport, tmp_path: Path) -> None:
    wrong = AnsweredImage("/gone/a.jpg", "sofa", [Prediction("bed", 0.93, "furniture")])
    page = read(replace(report, mistakes=[wrong]), tmp_path)
    assert "bed  93 %" in page.text
    assert "it is: sofa" in page.text


def test_a_head_of_an_older_release_gets_a_page_that_says_what_is_missing(
    report: HeadReport, tmp_path: Path
) -> None:
    old = replace(
        report,
        history=[],
        confusion=[],
        calibration_before=[],
        calibration_after=[],
        mistakes=[],
        settings={},
        versions={},
        seconds={},
        learned={},
        per_category={},
        shown=[],
        data="",
        test_images=0,
        unknown=0,
        missing=["answers, which heads of older releases do not hold"],
    )
    page = read(old, tmp_path)
    assert "older releases do not hold" in page.text
    assert "Training the head again" in page.text
    assert page.images == []


def test_figures_that_are_no_numbers_are_dashes(report: HeadReport, tmp_path: Path) -> None:
    metrics = dict.fromkeys(report.metrics, NAN) | {"images": 12.0}
    page = read(replace(report, metrics=metrics), tmp_path)
    assert "nan" not in page.text.replace(report.data, "").replace(str(tmp_path), "")


def test_a_head_with_one_category_gets_a_page(
    fake_engine: Engine, images: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one"
    one.mkdir()
    (images / "bed").rename(one / "bed")
    fake_engine.train(one, head="beds")
    page = read(fake_engine.report("beds"), tmp_path)
    assert "1 category learned from 4 pictures" in page.text


def test_the_summary_counts_and_measures(report: HeadReport) -> None:
    metrics = {"images": 1200.0, "test_images": 240.0}
    figures = {"accuracy": 0.925, "balanced_accuracy": 0.81, "majority_baseline": 0.55}
    told = summary(replace(report, metrics=metrics, folds=1, missing=[], **figures))
    assert told == (
        "3 categories learned from 1,200 pictures. Of 240 test pictures, which had served for "
        "nothing else, its likeliest category is right for 92.5 %; always answering the most "
        "frequent category would be for 55.0 %. Each category counting the same (balanced "
        "accuracy) it is 81.0 %."
    )
    crossed = summary(replace(report, metrics=metrics, folds=5, missing=[]))
    assert "each answered by one of 5 trials that had not seen it" in crossed


def test_figures_of_an_older_release_are_called_too_good(
    report: HeadReport, tmp_path: Path
) -> None:
    metrics = {"images": 1200.0, "validation_images": 240.0, "validation_accuracy": 0.925}
    page = read(replace(report, metrics=metrics, honest=False), tmp_path)
    assert "Of 240 test pictures, which had also stopped the training" in page.text
    assert "the figures are too good" in page.text


def test_a_page_that_cannot_be_written_is_an_error(report: HeadReport, tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(EngineError, match="the page cannot be written"):
        write_report_page(report, tmp_path / "page.html")


def test_what_the_catalog_loses_to_the_head_is_told_where_there_is_one(
    report: HeadReport, tmp_path: Path
) -> None:
    metrics = {**report.metrics, "sure_of_catalog": 40.0, "taken_from_catalog": 0.075}
    with_catalog = read(replace(report, metrics=metrics), tmp_path).text
    gone = {name: value for name, value in metrics.items() if "catalog" not in name}
    assert "40 images of the catalog" in with_catalog and "7.5 %" in with_catalog
    assert "of the catalog" not in read(replace(report, metrics=gone), tmp_path).text

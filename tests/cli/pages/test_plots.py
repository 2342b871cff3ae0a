"""Plots: what is drawn of which figures, and that names stay names."""

from __future__ import annotations

import math
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from cli.pages import plots
from cli.pages.html import Plot
from engine.errors import EngineError
from engine.learning.results import CalibrationBin
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

NAN = float("nan")


def texts(plot: Plot) -> list[str]:
    """Return the texts of a plot, which are text in it, and no shapes."""
    tree = ElementTree.fromstring(plot.svg)
    return [
        "".join(each.itertext()).strip() for each in tree.iter("{http://www.w3.org/2000/svg}text")
    ]


def bins(images: int) -> list[CalibrationBin]:
    """Return ten bins, only the last of which has pictures."""
    empty = [CalibrationBin(n / 10, (n + 1) / 10, 0, NAN, NAN) for n in range(9)]
    return [*empty, CalibrationBin(0.9, 1.0, images, 0.95, 0.9)]


def test_loss_and_accuracy_are_drawn_with_their_validation() -> None:
    row = {"loss": 0.5, "accuracy": 0.7, "validation_loss": 0.6, "validation_accuracy": 0.625}
    loss, accuracy = plots.curves([{"epoch": 1.0, **row}, {"epoch": 2.0, **row}])
    assert {"Loss", "epoch", "training", "validation"} <= set(texts(loss))
    assert accuracy.alt == "Accuracy by epoch, in the end: training 0.7, validation 0.625"


def test_only_curves_that_are_there_are_drawn() -> None:
    [loss] = plots.curves([{"loss": 0.5}, {"loss": 0.4}])
    assert "validation" not in texts(loss)
    assert plots.curves([]) == []


def test_points_that_are_no_numbers_are_left_out() -> None:
    [loss] = plots.curves([{"loss": 0.5, "accuracy": NAN}, {"loss": math.inf}])
    assert loss.alt == "Loss by epoch, in the end: training 0.5"


def test_every_count_of_a_confusion_is_written_in_its_cell() -> None:
    plot = plots.confusion(["bed", "sofa"], [[31, 12, 0], [0, 53, 14]])
    assert {"31", "12", "53", "14", "bed", "sofa", "unknown"} <= set(texts(plot))
    assert plot.alt == "Confusion matrix: 84 of 110 pictures are on its diagonal"


def test_unknown_has_no_column_where_nothing_is_unknown() -> None:
    assert "unknown" not in texts(plots.confusion(["bed", "sofa"], [[1, 0, 0], [0, 1, 0]]))


def test_a_single_category_has_a_confusion() -> None:
    assert "bed" in texts(plots.confusion(["bed"], [[7, 0]]))


@pytest.mark.slow
def test_hundreds_of_categories_are_drawn_without_names() -> None:
    counts = [[int(row == column) for column in range(201)] for row in range(200)]
    assert "c7" not in texts(plots.confusion([f"c{n}" for n in range(200)], counts))


@pytest.mark.parametrize("name", ["$x$ \\foo", "<script>", "a&b", "椅子", "tab\there"])
def test_names_are_written_as_they_are(name: str) -> None:
    written = name.replace("\t", "\\t")
    assert written in texts(plots.confusion([name, "sofa"], [[1, 0, 0], [0, 1, 0]]))
    assert written in texts(plots.bars("t", "s", [plots.Bar(name, 1.0)]))


def test_long_names_are_cut() -> None:
    assert "x" * 23 + "…" in texts(plots.confusion(["x" * 90], [[1, 0]]))


def test_reliability_tells_both_errors() -> None:
    plot = plots.reliability(bins(8), bins(9), (0.12, 0.03))
    assert {"without temperature, error 12.0 %", "with temperature, error 3.0 %"} <= set(
        texts(plot)
    )


def test_reliability_is_drawn_without_any_answers() -> None:
    assert "ideal" in texts(plots.reliability(bins(0), bins(0), (NAN, NAN)))


def test_bars_of_several_kinds_have_a_key() -> None:
    rows = [plots.Bar("a", 90, 1, "frozen"), plots.Bar("b", 40, 2, "scratch")]
    assert {"a", "b", "frozen", "scratch", "90", "40"} <= set(texts(plots.bars("t", "%", rows)))


def test_a_bar_of_nothing_can_stand_on_a_logarithmic_axis() -> None:
    rows = [plots.Bar("a", 0.0), plots.Bar("b", NAN), plots.Bar("c", 4000.0)]
    assert "4,000" in texts(plots.bars("t", "s", rows, log=True))


def test_the_same_figures_give_the_same_drawing() -> None:
    one, other = (plots.bars("t", "%", [plots.Bar("a", 90, 1)]) for _ in range(2))
    assert one == other


def test_settings_of_matplotlib_stay_as_they_were() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.bars("t", "%", [plots.Bar("a", 90, 1)])
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python puts there of a module that is not to be found.
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EngineError, match=r"pip install 'image-engine\[report\]'"):
        plots.require_matplotlib("--html")


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import cli.pages.report, cli.pages.compare, sys; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

"""The adoption curve shows the frame's numbers, and can be read."""

import gc
import io
import itertools
import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from propagation.pictures import COLOURS, adoption_curve, last_seen_round

QUANTITIES = ("new_infections", "total_influenced")
LEVELS = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def metrics(counts: np.ndarray) -> pd.DataFrame:
    """Rows of `propagation_metrics` of replicates whose activations by round are the rows of `counts`."""
    columns = {"round": np.arange(counts.shape[1]), "active_replicates": (counts > 0).sum(axis=0)}
    for quantity, values in zip(QUANTITIES, (counts, counts.cumsum(axis=1)), strict=True):
        columns[quantity] = values.mean(axis=0)
        columns |= {f"{quantity}_{name}": np.quantile(values, q, axis=0) for name, q in LEVELS.items()}
    return pd.DataFrame(columns)


@pytest.fixture
def rounds() -> pd.DataFrame:
    counts = np.random.default_rng(5).poisson([400.0, 900.0, 700.0, 200.0, 30.0, 0.0], (200, 6))
    return metrics(counts)


def drawn_on(rounds: pd.DataFrame, **style: object) -> Axes:
    ax = adoption_curve(rounds, ax=Figure(layout="constrained").subplots(), **style)
    ax.figure.savefig(io.BytesIO())
    return ax


def edges(ax: Axes, band: int, x: float) -> tuple[float, float]:
    """The lowest and highest point of a band at x."""
    corners = ax.collections[band].get_paths()[0].vertices
    at_x = corners[corners[:, 0] == x, 1]
    return float(at_x.min()), float(at_x.max())


def test_the_line_is_the_mean_of_agents_reached_at_every_round(rounds: pd.DataFrame) -> None:
    (line,) = drawn_on(rounds).lines
    np.testing.assert_array_equal(line.get_xdata(), rounds["round"])
    np.testing.assert_array_equal(line.get_ydata(), rounds["total_influenced"])


@pytest.mark.parametrize(("band", "low", "high"), [(0, "q05", "q95"), (1, "q25", "q75")])
def test_the_bands_lie_between_their_quantiles_at_every_round(
    rounds: pd.DataFrame, band: int, low: str, high: str
) -> None:
    ax = drawn_on(rounds)
    for row in rounds.itertuples():
        expected = getattr(row, f"total_influenced_{low}"), getattr(row, f"total_influenced_{high}")
        assert edges(ax, band, row.round) == pytest.approx(expected)


def test_the_narrow_band_is_the_darker_one(rounds: pd.DataFrame) -> None:
    wide, narrow = (collection.get_alpha() for collection in drawn_on(rounds).collections)
    assert wide < narrow


def test_title_axes_and_legend_say_what_is_seen(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds)
    assert ax.get_title(loc="left") == "Agents reached by each round"
    assert ax.get_ylabel() == "agents reached, seeds included"
    assert ax.get_xlabel().startswith("round")
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["mean", "25 to 75 % of replicates", "5 to 95 % of replicates"]


def test_numbers_have_thousands_separators_and_the_axis_starts_at_zero(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds)
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert "2,000" in ticks
    assert ax.get_ylim()[0] == 0
    assert ax.get_xlim()[0] == 0


def test_label_and_colour_are_used_as_given(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds, label="$x_{", colour="#d55e00")
    assert ax.lines[0].get_color() == "#d55e00"
    assert {tuple(c.get_facecolor()[0][:3]) for c in ax.collections} == {to_rgba("#d55e00")[:3]}
    assert ax.get_legend().get_texts()[0].get_text() == "$x_{"


def test_the_axis_at_the_right_reads_agents_as_a_share(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds, n_agents=4_000)
    (share,) = ax.child_axes
    assert share.get_ylim() == pytest.approx(tuple(np.array(ax.get_ylim()) / 4_000))
    assert "4,000" in share.get_ylabel()
    assert any(label.get_text() == "50%" for label in share.get_yticklabels())


def test_the_axis_of_rounds_ends_after_the_last_rise_seen_and_tells_the_last_activation() -> None:
    counts = np.zeros((100, 60), int)
    counts[:, :4] = [10, 2_000, 3_000, 990]
    counts[0, 4:50] = 1
    rounds = metrics(counts)
    assert last_seen_round([rounds]) == 3
    ax = drawn_on(rounds)
    assert ax.get_xlim() == (0, 5)
    assert ax.get_xlabel() == "round (last activation of any replicate: 49)"


def test_a_small_session_beside_a_large_one_does_not_stretch_the_axis() -> None:
    large = metrics(np.array([[50, 5_000, 5_000, 0]] * 3))
    small = metrics(np.array([[1] * 30] * 3))
    assert last_seen_round([small]) == 29
    assert last_seen_round([large, small]) == 2
    assert last_seen_round([large, metrics(np.array([[100] * 30] * 3))]) == 29


def test_a_message_that_nobody_passes_on_can_be_drawn() -> None:
    ax = drawn_on(metrics(np.array([[5, 0]])), n_agents=5)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [5, 5])
    assert ax.get_xlim() == (0, 1)
    assert ax.get_xlabel() == "round"


def test_every_text_is_inside_the_figure(rounds: pd.DataFrame) -> None:
    for size in ((7.2, 4.4), (4.0, 3.6)):
        figure = Figure(figsize=size, layout="constrained")
        ax = adoption_curve(rounds, ax=figure.subplots(), n_agents=10_000)
        figure.savefig(io.BytesIO())
        box = ax.get_tightbbox()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_without_axes_a_new_figure_is_made_where_notebooks_find_it(rounds: pd.DataFrame) -> None:
    from matplotlib import pyplot as plt

    before = set(plt.get_fignums())
    ax = adoption_curve(rounds)
    (number,) = set(plt.get_fignums()) - before
    assert plt.figure(number) is ax.figure
    plt.close(number)


def test_importing_the_pictures_loads_no_matplotlib() -> None:
    code = "import sys, analytics.plots, propagation.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_curves_on_the_same_axes_share_limits_and_legend(rounds: pd.DataFrame) -> None:
    counts = np.full((50, 12), 3_000)
    ax = drawn_on(rounds, label="hubs")
    adoption_curve(metrics(counts), ax=ax, name="sir 1234")
    first, second = ax.lines
    assert (first.get_color(), first.get_linestyle()) != (second.get_color(), second.get_linestyle())
    assert ax.get_ylim()[1] >= 36_000
    assert ax.get_xlim()[1] >= 10
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "hubs",
        "sir 1234",
        "25 to 75 % of replicates",
        "5 to 95 % of replicates",
    ]
    assert len(ax.get_title(loc="left")) > 0


def test_axes_that_are_cleared_begin_again(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds)
    ax.clear()
    adoption_curve(rounds, ax=ax)
    (line,) = ax.lines
    assert line.get_color() == COLOURS[0]
    assert len(ax.get_legend().get_texts()) == 3


def test_title_legend_and_share_can_be_chosen(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds, title="Town", legend=False, n_agents=5_000, share=False)
    assert ax.get_title(loc="left") == "Town"
    assert ax.get_legend() is None
    assert ax.child_axes == []
    assert drawn_on(rounds, title=None).get_title(loc="left") == ""


def test_panels_of_a_figure_do_not_overlap(rounds: pd.DataFrame) -> None:
    figure = Figure(figsize=(9, 6))
    panels = figure.subplots(2, 2).ravel()
    for panel in panels:
        adoption_curve(rounds, ax=panel, n_agents=5_000)
    figure.savefig(io.BytesIO())
    boxes = [panel.get_tightbbox() for panel in panels]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(panel.child_axes == [] for panel in panels)


def test_figures_that_are_closed_are_not_kept(rounds: pd.DataFrame) -> None:
    ax = drawn_on(rounds)
    kept = weakref.ref(ax)
    del ax
    gc.collect()
    assert kept() is None

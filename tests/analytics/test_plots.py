"""Pictures of several sessions show the frames' numbers, and can be read."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from analytics.labels import short_names, spread
from analytics.plots import (
    adoption_curves,
    campaign_figure,
    half_width,
    incidence_curves,
    lead_comparison,
    reach_comparison,
    session_colours,
)
from data.errors import InvalidInputError
from propagation import Result
from propagation.result import Reach

HOSTILE = "_<b>$x_{ & a name that is far too long to be written anywhere"
Results = Mapping[str, Result]


def drawn(draw: Callable[..., Axes], results: Results, size: tuple[float, float] = (7.2, 4.4)) -> Axes:
    return draw(results, ax=Figure(figsize=size, layout="constrained").subplots())


def curves(ax: Axes) -> dict[str, np.ndarray]:
    """Curves by label, without the ties of the labels at the right."""
    return {line.get_label(): line.get_xydata() for line in ax.lines if line.get_label() != "_tie"}


# -- curves ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "quantity"), [(adoption_curves, "total_influenced"), (incidence_curves, "new_infections")]
)
def test_each_curve_is_its_sessions_mean_by_round(compared: Results, draw: Callable[..., Axes], quantity: str) -> None:
    found = curves(drawn(draw, compared))
    assert list(found) == list(compared)
    for name, result in compared.items():
        expected = result.rounds[["round", quantity]].to_numpy()
        np.testing.assert_array_equal(found[name][: len(expected)], expected)


def test_bands_are_those_of_their_session(compared: Results) -> None:
    ax = drawn(adoption_curves, compared)
    for number, result in enumerate(compared.values()):
        for band, (low, high) in enumerate([("q05", "q95"), ("q25", "q75")]):
            corners = ax.collections[2 * number + band].get_paths()[0].vertices
            last = result.rounds.iloc[1]
            at_one = corners[corners[:, 0] == 1, 1]
            assert at_one.min() == last[f"total_influenced_{low}"]
            assert at_one.max() == last[f"total_influenced_{high}"]


def test_a_session_that_died_out_early_stays_at_what_it_reached(make_result: Callable[..., Result]) -> None:
    results = {"short": make_result([[5, 3]] * 4), "long": make_result([[5, 9, 9, 9]] * 4)}
    reached = curves(drawn(adoption_curves, results))["short"]
    np.testing.assert_array_equal(reached[:, 1], [5, 8, 8, 8, 8])
    new = curves(drawn(incidence_curves, results))["short"]
    np.testing.assert_array_equal(new[:, 1], [5, 3, 0, 0, 0])


def test_each_curve_is_named_where_it_ends_with_its_reach(compared: Results) -> None:
    ax = drawn(adoption_curves, compared)
    written = {text.get_text(): text.get_position()[1] for text in ax.texts}
    ties = [line for line in ax.lines if line.get_label() == "_tie"]
    for (name, result), tie in zip(compared.items(), ties, strict=True):
        label = f"{name}\n{result.reach.mean:,.{1 if result.reach.mean < 100 else 0}f}"
        first, *_, last = tie.get_ydata()
        assert first == pytest.approx(result.reach.mean / ax.get_ylim()[1])
        assert last == pytest.approx(written[label])


def test_sessions_differ_in_colour_and_in_line_style(compared: Results) -> None:
    lines = [line for line in drawn(adoption_curves, compared).lines if line.get_label() != "_tie"]
    assert [line.get_color() for line in lines] == list(session_colours(list(compared)).values())
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(lines)


@pytest.mark.parametrize("draw", [adoption_curves, incidence_curves, reach_comparison])
@pytest.mark.parametrize("size", [(7.2, 4.4), (4.1, 4.6)])
def test_all_text_is_whole_and_apart(
    compared: Results,
    make_result: Callable[..., Result],
    assert_readable: Callable[[Figure], None],
    draw: Callable[..., Axes],
    size: tuple[float, float],
) -> None:
    equal = make_result([[10, 61, 40]] * 3)
    for results in (compared, {HOSTILE: compared["hubs"], "b": equal, "c": equal}, {"alone": compared["few"]}):
        assert_readable(drawn(draw, results, size).figure)


@pytest.mark.parametrize("draw", [adoption_curves, incidence_curves, reach_comparison])
def test_titles_and_units_are_there(compared: Results, draw: Callable[..., Axes]) -> None:
    ax = drawn(draw, compared)
    assert ax.get_title(loc="left").startswith("Agents")
    assert "round" in ax.get_xlabel() or "agents" in ax.get_xlabel()
    assert draw is reach_comparison or "agents" in ax.get_ylabel()


@pytest.mark.parametrize("draw", [adoption_curves, incidence_curves, reach_comparison])
def test_nothing_to_draw_is_refused(draw: Callable[..., Axes]) -> None:
    with pytest.raises(InvalidInputError, match="no results"):
        draw({})


def test_curves_that_coincide_carry_markers_at_different_rounds(make_result: Callable[..., Result]) -> None:
    counts = [[10, *[8] * 20]] * 3
    results = {"a": make_result(counts), "b": make_result(counts), "c": make_result([[10, *[1] * 20]] * 3)}
    lines = {line.get_label(): line for line in drawn(adoption_curves, results).lines}
    assert [lines[name].get_marker() for name in "abc"] == ["o", "s", "None"]
    assert lines["a"].get_markevery()[0] != lines["b"].get_markevery()[0]


def test_bands_of_many_sessions_are_left_out(make_result: Callable[..., Result]) -> None:
    results = {f"s{n}": make_result([[10, n]] * 3) for n in range(1, 8)}
    assert not drawn(adoption_curves, results).collections
    del results["s7"]
    assert len(drawn(adoption_curves, results).collections) == 12


def test_a_lead_is_drawn_at_its_mean_with_its_interval() -> None:
    leads = {"b": Reach(4.0, 1.0, 1000), "c": Reach(9.0, None, 1)}
    ax = lead_comparison(leads, ax=Figure(layout="constrained").subplots())
    means = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "D"]
    assert means == [[4.0, 0.0], [9.0, -1.0]]
    (interval,) = (segments[0][:, 0] for bars in ax.collections if (segments := bars.get_segments()))
    assert interval == pytest.approx(4.0 + np.array([-1, 1]) * stats.t.ppf(0.975, 999))


def test_names_that_begin_alike_stay_different() -> None:
    names = [f"the same long beginning {'x' * n} the end {n % 3}" for n in range(5)]
    short = short_names(names)
    assert len(set(short.values())) == 5
    assert all(len(name) <= 26 for name in short.values())


# -- labels that keep apart -----------------------------------------------------------------------------------------

places = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(places, st.floats(0, 0.5))
def test_spread_places_keep_their_order_their_distance_and_the_picture(given_places: list[float], gap: float) -> None:
    moved = spread(given_places, gap)
    gap = min(gap, 1 / max(1, len(given_places) - 1))
    order = np.argsort(given_places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-9).all()
    assert moved.min() >= -1e-9
    assert moved.max() <= 1 + 1e-9


@given(places)
def test_places_that_are_apart_stay(given_places: list[float]) -> None:
    ordered = np.sort(np.unique(given_places))
    gap = float(np.diff(ordered).min()) if len(ordered) > 1 else 0.1
    np.testing.assert_allclose(spread(ordered.tolist(), gap), ordered, atol=1e-9)


def test_two_equal_places_part_evenly() -> None:
    np.testing.assert_allclose(spread([0.5, 0.5], 0.2), [0.4, 0.6])


# -- reach ----------------------------------------------------------------------------------------------------------


def rows_of(ax: Axes) -> list[str]:
    """Names of the rows from the top."""
    names = [text for text in ax.texts if text.get_fontweight() == "bold"]
    return [text.get_text() for text in sorted(names, key=lambda text: -text.get_position()[1])]


def test_sessions_stand_in_the_order_of_their_reach(compared: Results) -> None:
    means = {name: result.reach.mean for name, result in compared.items()}
    assert rows_of(drawn(reach_comparison, compared)) == sorted(means, key=lambda name: -means[name])


def test_each_row_shows_mean_interval_quantiles_and_every_replicate(compared: Results) -> None:
    ax = drawn(reach_comparison, compared)
    ranked = sorted(compared.values(), key=lambda result: -result.reach.mean)
    for row, result in enumerate(ranked):
        sizes = result.cascades["size"].to_numpy()
        marks = [line.get_xdata() for line in ax.lines if round(line.get_ydata()[0] + row, 2) == -0.12]
        wide, narrow, median = marks[:3]
        np.testing.assert_allclose(wide, np.quantile(sizes, [0.05, 0.95]))
        np.testing.assert_allclose(narrow, np.quantile(sizes, [0.25, 0.75]))
        np.testing.assert_allclose(median, np.median(sizes))
        centre, _, (bar,) = ax.containers[row]
        assert centre.get_xdata()[0] == pytest.approx(sizes.mean())
        low, high = stats.t.interval(0.95, len(sizes) - 1, sizes.mean(), stats.sem(sizes))
        np.testing.assert_allclose(np.array(bar.get_segments()[0])[:, 0], [low, high])
        heights, edges, base = ax.patches[row].get_data()
        counted, _ = np.histogram(sizes, edges)
        assert counted.sum() == len(sizes)
        np.testing.assert_allclose((heights - base) / (heights - base).max(), counted / counted.max())


def test_the_axis_of_sizes_starts_at_zero_and_holds_all(compared: Results) -> None:
    low, high = drawn(reach_comparison, compared).get_xlim()
    assert low == 0
    assert high > max(result.cascades["size"].max() for result in compared.values())


def test_values_are_written_with_their_interval(compared: Results) -> None:
    ax = drawn(reach_comparison, compared)
    reach = compared["few"].reach
    assert 0.1 < half_width(reach) < 1
    assert f"{reach.mean:,.2f} ± {half_width(reach):.2f} agents" in {text.get_text() for text in ax.texts}


def test_one_replicate_has_no_interval(make_result: Callable[..., Result]) -> None:
    ax = drawn(reach_comparison, {"once": make_result([[5, 20]])})
    assert ax.get_title(loc="left") == "Agents reached"
    assert "25 agents" in {text.get_text() for text in ax.texts}


def test_half_widths_are_those_of_students_t() -> None:
    low, high = stats.t.interval(0.95, 9, 100.0, 2.5)
    assert half_width(Reach(100.0, 2.5, 10)) == pytest.approx((high - low) / 2)
    assert half_width(Reach(100.0, None, 1)) is None


def test_the_campaign_figure_has_both_pictures_side_by_side(
    compared: Results, assert_readable: Callable[[Figure], None]
) -> None:
    figure = campaign_figure(compared)
    left, right = figure.axes
    assert curves(left)
    assert rows_of(right)
    assert left.get_position().x1 < right.get_position().x0
    assert_readable(figure)

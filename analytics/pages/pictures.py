"""Pictures of a campaign's page, each with a description in words."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from analytics.intervals import Comparison, with_interval
from analytics.pages.session_tables import named, quoted
from analytics.pages.svg import Picture, page_colour, page_picture
from analytics.plots import (
    COINCIDENT,
    adoption_curves,
    coinciding,
    has_bands,
    lead_comparison,
    prevalence_curves,
    reach_comparison,
    session_colours,
)
from propagation.pictures import LINE_STYLES
from propagation.result import Reach, Result

MOST_TALL_ROWS = 6
"""With more sessions than this, the rows of a figure are lower."""


def session_keys(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how each session is drawn: its colour as a CSS variable, and its dashes for `stroke-dasharray`."""
    styles = [LINE_STYLES[position % len(LINE_STYLES)] for position in range(len(names))]
    dashes = ["" if isinstance(style, str) else " ".join(f"{2 * length:g}" for length in style[1]) for style in styles]
    colours = session_colours(names).values()
    return [{"colour": page_colour(colour), "dashes": dash} for colour, dash in zip(colours, dashes, strict=True)]


def is_epidemic(results: Mapping[str, Result]) -> bool:
    """Return whether agents of a session transmit in several rounds, so that its prevalence is more than incidence."""
    columns = ["current_infected", "new_infections"]
    return any(bool(np.ptp(result.rounds[columns].to_numpy(), axis=1).max() > 0) for result in results.values())


def curve_pictures(results: Mapping[str, Result]) -> Iterator[Picture]:
    """Yield the adoption curves, and the prevalence if that is another curve."""
    yield adoption_picture(results, "adoption")
    if is_epidemic(results):
        caption = _caption(results, "prevalence", "current_infected")
        draw = partial(prevalence_curves, results)
        yield page_picture(draw, 4.6, "prevalence", _prevalence_text(results), caption)


def adoption_picture(results: Mapping[str, Result], name: str, **style: Any) -> Picture:
    """Return the adoption curves under a name that is unique on the page; `style` as for `adoption_curves`."""
    draw = partial(adoption_curves, results, **style)
    return page_picture(draw, 4.2, name, _adoption_text(results), _caption(results, "adoption"))


def reach_picture(results: Mapping[str, Result]) -> Picture:
    """Return the distribution of the agents reached by a replicate, by session."""
    draw = partial(reach_comparison, results)
    return page_picture(draw, max(4.2, 1.2 + _row_height(len(results)) * len(results)), "reach", _reach_text(results))


def lead_picture(found: Sequence[Comparison]) -> Picture:
    """Return how far the sessions are behind the best one."""
    best = found[0].first
    leads = {pair.second: pair.lead for pair in found if pair.first == best}
    return page_picture(partial(lead_comparison, leads), 1.4 + 0.55 * len(leads), "leads", _lead_text(best, leads))


def _row_height(rows: int) -> float:
    return 1.0 if rows <= MOST_TALL_ROWS else 0.7


# -- in words -------------------------------------------------------------------------------------------------------


def _adoption_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        half = result.rounds.loc[result.rounds["total_influenced"] >= result.reach.mean / 2, "round"].min()
        parts.append(f"{name} reaches {result.reach.mean:,.0f} agents, half of them by round {half}")
    return f"Curves of agents reached by each round, mean over replicates. {'; '.join(parts)}."


def _prevalence_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        peak = result.rounds.iloc[int(result.rounds["current_infected"].to_numpy().argmax())]
        last = result.rounds.iloc[-1]
        parts.append(
            f"{name} has its peak of {peak['current_infected']:,.0f} agents in round {peak['round']:.0f} and ends in "
            f"round {last['round']:.0f} with {last['current_infected']:,.0f}"
        )
    return f"Curves of agents that transmit after each round, mean over replicates. {'; '.join(parts)}."


def _reach_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        low, high = np.quantile(result.cascades["size"], [0.05, 0.95])
        parts.append(
            f"{name}: mean {with_interval(result.reach)}, 90 % of replicates between {low:,.0f} and {high:,.0f}"
        )
    return f"Distribution of the agents reached by a replicate, for each session. {'; '.join(parts)}."


def _lead_text(best: str, leads: Mapping[str, Reach]) -> str:
    parts = "; ".join(f"{name}: {with_interval(lead)}" for name, lead in leads.items())
    return f"Agents by which each session is behind {best}, with 95 % intervals. {parts}."


def _caption(results: Mapping[str, Result], what: str, quantity: str = "total_influenced") -> str:
    """Return which curves coincide, and whether bands are left out, in sentences."""
    groups = [named([quoted(name) for name in group], most=len(group)) for group in coinciding(results, quantity)]
    notes = []
    if groups:
        notes.append(
            f"The {what} curves of {'; of '.join(groups)} coincide: they differ by at most {100 * COINCIDENT:.0f} % of "
            "the figure's height, and carry markers."
        )
    if not has_bands(results):
        notes.append("With so many sessions, bands over replicates are left out.")
    return " ".join(notes)

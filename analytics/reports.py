"""Reports on campaigns: a headline, and one self-contained HTML page."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.plots import (
    adoption_curves,
    half_width,
    reach_comparison,
    session_colours,
    with_interval,
)
from analytics.sql_reports import Answer
from data.errors import InvalidInputError
from data.quantities import readable_bytes, readable_seconds
from propagation.campaign_results import difference
from propagation.pictures import COLOURS, GRID, INK, MUTED
from propagation.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

MOST_CURVES = 12
"""Most sessions shown in the figures of a page: those with the largest reach."""
_THEMED = {INK: "--ink", MUTED: "--muted", GRID: "--line", **{c: f"--session-{i}" for i, c in enumerate(COLOURS)}}
"""Colours of the figures, and the page's CSS variables for them, which differ in light and dark mode."""


# -- tables ---------------------------------------------------------------------------------------------------------


def format_value(value: Any) -> str:
    """Format a value of an answer for display.

    Examples
    --------
    >>> format_value(18544), format_value(18544.58), format_value(0.053), format_value(None)
    ('18,544', '18,544.58', '0.053', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 or value.is_integer() else f"{value:,.7g}"
    return str(value)


# -- the headline ---------------------------------------------------------------------------------------------------


def headline(results: Mapping[str, Result]) -> str:
    """Return one sentence that says which session reaches most, by how much, and how certain that is.

    Sessions whose difference from the largest mean is within the difference's 95 % interval share first place. Numbers
    after ± are half of a 95 % interval.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name.

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If there are no results.
    """
    if not results:
        raise InvalidInputError("no results to report; give at least one session")
    ranked = sorted(results, key=lambda name: -results[name].reach.mean)
    best = ranked[0]
    level = [best, *(name for name in ranked[1:] if not _is_less(results[name], results[best]))]
    rest = [name for name in ranked if name not in level]
    agents = f"{results[best].network.n_agents:,} agents"
    if len(level) == 1:
        verb = "reaches" if len(ranked) == 1 else "reaches most:"
        sentence = f"{best} {verb} {with_interval(results[best].reach)} of {agents}"
    else:
        means = _listed([with_interval(results[name].reach) for name in level])
        sentence = f"{_listed(level)} reach most, {means} of {agents}, with no difference beyond chance"
    if rest:
        sentence += f"; {_lead(results, best, rest)}"
    return f"{sentence}."


def _is_less(result: Result, best: Result) -> bool:
    """Return whether a session reaches significantly less than the best."""
    lead = difference(best, result)
    return lead.mean > (half_width(lead) or 0.0)


def _lead(results: Mapping[str, Result], best: str, rest: Sequence[str]) -> str:
    """Return the lead of the best session over the next and the last, as text."""
    next_one, last = rest[0], rest[-1]
    ratio = results[best].reach.mean / results[last].reach.mean
    lead = difference(results[best], results[next_one])
    more = f"{with_interval(lead)} more than {next_one}"
    if ratio < 2:
        return f"{more}" if next_one == last else f"{more} and {100 * (ratio - 1):.1f} % more than {last}"
    times = f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
    return f"{times} as many as {last}" if next_one == last else f"{more} and {times} as many as {last}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


# -- the page -------------------------------------------------------------------------------------------------------


def campaign_page(
    title: str,
    network: Mapping[str, Any],
    results: Mapping[str, Result],
    answers: Sequence[Answer] = (),
    places: Mapping[str, str] | None = None,
    next_steps: Mapping[str, str] | None = None,
) -> str:
    """Return a campaign's results as one self-contained HTML page, without scripts or network access.

    Parameters
    ----------
    title : str
        Heading of the page.
    network : mapping
        The network's row of the table `networks`.
    results : mapping from str to Result
        Results by session name.
    answers : sequence of Answer
        Questions and answers to show.
    places : mapping from str to str, optional
        Paths or URLs to show, by label.
    next_steps : mapping from str to str, optional
        Lines of code or commands for next steps, by label.

    Returns
    -------
    str
        HTML, in UTF-8.

    Raises
    ------
    InvalidInputError
        If there are no results.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("analytics"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("campaign.html").render(
        title=title,
        headline=headline(results),
        subtitle=_subtitle(network, results),
        explanation=_explanation(results),
        sessions=list(_session_rows(results)),
        pictures=list(_pictures(results)),
        answers=[_answer_table(answer) for answer in answers],
        network=_network_facts(network),
        run=list(_run_facts(results)),
        places=places or {},
        next_steps=next_steps or {},
    )


def _subtitle(network: Mapping[str, Any], results: Mapping[str, Result]) -> str:
    count = f"{len(results)} session{'s' if len(results) > 1 else ''}"
    replicates = sorted({result.reach.replicates for result in results.values()})
    each = f"{replicates[0]:,}" if len(replicates) == 1 else f"{replicates[0]:,} to {replicates[-1]:,}"
    return (
        f"{count} with {each} replicate{'' if each == '1' else 's'} each on the network {network['network_id']}: "
        f"{network['agents']:,} agents, {network['edges']:,} directed edges"
    )


def _explanation(results: Mapping[str, Result]) -> str:
    if all(result.reach.standard_error is None for result in results.values()):
        return "Reach counts distinct agents, seeds included. One replicate each: its variation by chance is unknown."
    text = "Reach counts distinct agents, seeds included; ± is half of a 95 % interval of its mean over replicates."
    if len({result.session["random_seed"] for result in results.values()}) == 1 < len(results):
        text += " Sessions use common random numbers, so they are compared replicate by replicate."
    return text


def _session_rows(results: Mapping[str, Result]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of results, the largest reach first."""
    colours = session_colours(list(results))
    for name, result in sorted(results.items(), key=lambda item: -item[1].reach.mean):
        reach, session = result.reach, result.session
        low, median, high = np.quantile(result.cascades["size"], [0.05, 0.5, 0.95])
        yield {
            "name": name,
            "colour": _THEMED[colours[name]],
            "seeds": f"{len(session['seed_agents']):,}, {session['seed_strategy'].replace('_', ' ')}",
            "replicates": f"{reach.replicates:,}",
            "reach": f"{reach.mean:,.1f}",
            "standard_error": "" if reach.standard_error is None else f"{reach.standard_error:,.1f}",
            "share": f"{100 * reach.mean / result.network.n_agents:,.2f} %",
            "median": f"{median:,.0f}",
            "range": f"{low:,.0f} to {high:,.0f}",
            "rounds": f"{session['rounds']:,}",
        }


def _answer_table(answer: Answer) -> dict[str, Any]:
    names = answer.rows.column_names
    return {
        "question": answer.question,
        "grain": answer.grain,
        "sql": answer.sql,
        "columns": [(name, _is_number(answer.rows[name].type)) for name in names],
        "rows": [[format_value(row[name]) for name in names] for row in answer.rows.to_pylist()],
    }


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


# -- facts ----------------------------------------------------------------------------------------------------------


def _network_facts(network: Mapping[str, Any]) -> dict[str, str]:
    rejected = ("self_loops", "duplicates", "malformed")
    counts = ", ".join(f"{network[column]:,} {column.replace('_', '-')}" for column in rejected)
    return {
        "Network": network["network_id"],
        "Source": network["description"],
        "Agents": f"{network['agents']:,}",
        "Directed edges": f"{network['edges']:,}",
        "Edges per agent": f"{network['edges'] / network['agents']:,.1f}",
        "Most out-edges of an agent": f"{network['max_out_degree']:,}",
        "Most in-edges of an agent": f"{network['max_in_degree']:,}",
        "Left out of the source": counts,
        "Snapshot": network["snapshot_id"],
    }


def _run_facts(results: Mapping[str, Result]) -> Iterator[tuple[str, str]]:
    """Yield facts about how the sessions were run; those equal for all sessions once."""
    sessions = {name: result.session for name, result in results.items()}
    for label, fact in _FACTS.items():
        facts = {name: fact(session) for name, session in sessions.items()}
        distinct = list(dict.fromkeys(facts.values()))
        yield label, distinct[0] if len(distinct) == 1 else "; ".join(f"{name}: {text}" for name, text in facts.items())
    yield "Time", _time_text(sessions.values())


def _model_text(session: Mapping[str, Any]) -> str:
    parameters = json.loads(session["model_parameters"])
    text = ", ".join(f"{name} {value}".replace("_", " ") for name, value in parameters.items())
    return f"{session['propagation_model'].replace('_', ' ')}, {text}"


def _stop_text(session: Mapping[str, Any]) -> str:
    if session["stopped_because"] == "died_out":
        return f"every replicate died out (rounds allowed: {session['max_rounds']:,})"
    return f"{session['truncated_replicates']:,} replicates were still active at round {session['max_rounds']:,}"


_FACTS: "Mapping[str, Callable[[Mapping[str, Any]], str]]" = {
    "Model": _model_text,
    "Replicates": lambda session: f"{session['replicates']:,} per session",
    "Random seed": lambda session: str(session["random_seed"]),
    "Stopped because": _stop_text,
    "Detail recorded": lambda session: session["record"],
    "Plan": lambda session: f"{session['plan']}: {session['plan_reason']}",
}


def _time_text(sessions: Iterable[Mapping[str, Any]]) -> str:
    """Return the times of the sessions' jobs, with the planner's estimates."""
    jobs = {session["started_at"]: session for session in sessions}
    return "; ".join(
        f"{job['job_lanes']:,} replicates in {readable_seconds(job['job_seconds'])} "
        f"(estimated {readable_seconds(job['estimated_seconds'])} and {readable_bytes(job['estimated_bytes'])}), "
        f"on {started_at:%Y-%m-%d at %H:%M} UTC"
        for started_at, job in sorted(jobs.items())
    )


# -- pictures in the page -------------------------------------------------------------------------------------------


def _pictures(results: Mapping[str, Result]) -> Iterator[dict[str, str]]:
    """Yield the page's figures, each drawn for wide and for narrow screens, with a description as text."""
    most = sorted(results, key=lambda name: -results[name].reach.mean)[:MOST_CURVES]
    shown = {name: result for name, result in results.items() if name in most}
    tall = 1.2 + 1.0 * len(shown)
    drawn: tuple[tuple[str, Callable[..., Axes], float], ...] = (
        (_adoption_text(shown), adoption_curves, 4.2),
        (_reach_text(shown), reach_comparison, max(4.2, tall)),
    )
    for text, draw, height in drawn:
        make = partial(inline_svg, partial(draw, shown), alternative=text)
        name = draw.__name__
        yield {
            "wide": make((5.8, height), name=name),
            "narrow": make((4.1, height), name=f"{name}-narrow"),
            "text": text,
        }


def _adoption_text(results: Mapping[str, Result]) -> str:
    sentences = []
    for name, result in results.items():
        half = result.rounds.loc[result.rounds["total_influenced"] >= result.reach.mean / 2, "round"].min()
        sentences.append(f"{name} reaches {result.reach.mean:,.0f} agents, half of them by round {half}")
    return f"Curves of agents reached by each round, mean over replicates. {'; '.join(sentences)}."


def _reach_text(results: Mapping[str, Result]) -> str:
    sentences = []
    for name, result in results.items():
        low, high = np.quantile(result.cascades["size"], [0.05, 0.95])
        sentences.append(
            f"{name}: mean {with_interval(result.reach)}, 90 % of replicates between {low:,.0f} and {high:,.0f}"
        )
    return f"Distribution of the agents reached by a replicate, for each session. {'; '.join(sentences)}."


def inline_svg(draw: "Callable[..., Axes]", size: tuple[float, float], *, name: str, alternative: str) -> str:
    """Return a figure as an SVG element for an HTML page, in the colours and font of the page's style.

    Parameters
    ----------
    draw : callable
        Draws into the axes passed as `ax`.
    size : tuple of float
        Width and height, inches; they set the aspect ratio and the relative size of text.
    name : str
        Name that is unique on the page, used to make the ids in the figure unique.
    alternative : str
        Alternative text: a description of the figure for screen readers.
    """
    from html import escape

    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(ax=figure.subplots())
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    # 1. Keep only the element itself, without prolog and metadata, which contain external URLs.
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    svg = f'<svg {box[0]} role="img" aria-label="{escape(alternative)}">' + svg[svg.index(">") + 1 :]
    svg = svg.replace("xlink:href", "href")
    # 2. Make ids unique on the page.
    svg = re.sub(r'\bid="', f'id="{name}-', svg).replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    # 3. Use the page's colours and font.
    for colour, variable in _THEMED.items():
        svg = svg.replace(f": {colour}", f": var({variable})")
    return re.sub(r"font-family: [^;\"]*;?", "", svg)

"""What a page tells about sessions: the table of results, sentences about them, and the comparison of sessions."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from analytics.intervals import Comparison, with_interval
from analytics.pages.page_tables import Column, PageTable
from analytics.pages.published_campaign import PublishedCampaign
from analytics.sql_reports import report
from propagation.intervals import INTERVAL_NOTE
from propagation.result import Result

MOST_NAMED = 3
"""Sessions that a sentence names before it counts the others."""
MOST_SEEDS = 8
"""Explicit seeds that a table lists."""


def quoted(name: str) -> str:
    """Return a session's name as part of a sentence, in which any name must be recognisable as one."""
    return f"\u201c{name}\u201d"


def named(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return names or other entries as part of a sentence: the first few, and how many more there are.

    Examples
    --------
    >>> named(["a", "b"]), named(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    shown = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most:,} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]


# -- the table of results -------------------------------------------------------------------------------------------


def session_table(campaign: PublishedCampaign, keys: Sequence[dict[str, Any]], *, with_peaks: bool) -> PageTable:
    """Return the table of results, one row per session, the largest reach first.

    Parameters
    ----------
    campaign : PublishedCampaign
    keys : sequence of dict
        How the first sessions are drawn in the pictures.
    with_peaks : bool
        Whether to tell how many agents transmit at once at the peak, which matters for epidemics.
    """
    results = campaign.results
    columns: dict[str, tuple[bool, Callable[[str, Result], str]]] = {
        "reach, agents": (True, lambda _, result: with_interval(result.reach)),
        "share of network": (True, lambda _, r: f"{100 * r.reach.mean / r.network.n_agents:,.2f} %"),
        "median replicate": (True, lambda _, r: f"{np.median(r.cascades['size']):,.0f}"),
        "90 % of replicates": (True, lambda _, result: _range_text(result)),
        "longest, rounds": (True, lambda _, result: f"{result.session['rounds']:,}"),
        "seeds": (False, lambda name, result: seeds_text(result, campaign.requested(name))),
    }
    if with_peaks:
        rows = report(campaign.warehouse, "prevalence_peak", campaign.campaign_id).rows.to_pylist()
        peaks = {row["session"]: row for row in rows}
        columns["transmitting at peak"] = True, lambda name, _: f"{peaks[name]['active_at_once']:,.1f}"
        columns["peak round"] = True, lambda name, _: f"{peaks[name]['in_round']:,}"
    optional: dict[str, tuple[bool, Callable[[str, Result], str]]] = {
        "model": (False, lambda _, result: model_text(result.session)),
        "message": (False, lambda name, _: campaign.message_of(name)),
        "replicates": (True, lambda _, result: f"{result.reach.replicates:,}"),
        "random seed": (True, lambda _, result: str(result.session["random_seed"])),
        "still active at max_rounds": (True, lambda _, r: f"{r.session['truncated_replicates']:,}"),
    }
    # Columns with the same value for all sessions are left out; the text below the table states the value once.
    columns |= {
        heading: column
        for heading, column in optional.items()
        if len({column[1](name, result) for name, result in results.items()}) > 1
    }
    return PageTable(
        "Results by session",
        "sessions",
        [Column("session", is_number=False), *(Column(heading, number) for heading, (number, _) in columns.items())],
        [[name, *(cell(name, result) for _, cell in columns.values())] for name, result in results.items()],
        keys,
    )


def _range_text(result: Result) -> str:
    if result.reach.replicates == 1:
        return "one replicate"
    low, high = np.quantile(result.cascades["size"], [0.05, 0.95])
    return f"{low:,.0f} to {high:,.0f}"


def seeds_text(result: Result, requested: Mapping[str, Any]) -> str:
    """Return how the seeds were chosen: as the campaign requested, which another session may have done otherwise."""
    agents, seeds = result.session["seed_agents"], requested.get("seeds")
    strategy = result.session["seed_strategy"]
    if seeds is not None:
        strategy = seeds.get("strategy", strategy) if isinstance(seeds, Mapping) else "explicit"
    if strategy != "explicit":
        return f"{len(agents):,}, {strategy.replace('_', ' ')}"
    return named(list(map(str, agents)), MOST_SEEDS)


def model_text(session: Mapping[str, Any]) -> str:
    """Return a session's model with its parameters."""
    parameters = json.loads(session["model_parameters"])
    text = ", ".join(
        f"{name} {'none' if value is None else value}".replace("_", " ") for name, value in parameters.items()
    )
    return ", ".join(filter(None, [session["propagation_model"].replace("_", " "), text]))


# -- sentences ------------------------------------------------------------------------------------------------------


def sentences(campaign: PublishedCampaign) -> Iterator[str]:
    """Yield what the headline leaves out: what the numbers are, how fast the best session spreads, how it varies."""
    results = campaign.results
    single = [name for name, result in results.items() if result.reach.replicates == 1]
    yield "Reach counts distinct agents, seeds included."
    competing = {name: result.session for name, result in results.items() if result.session.get("seed_messages")}
    if competing:
        names = "sessions" if len(competing) == len(results) else named([quoted(name) for name in competing])
        yield f"Messages compete; the reach of {names} counts them together."
    untold = [quoted(name) for name, row in competing.items() if row["record"] not in ("activations", "contacts")]
    if untold:
        yield f"What each message reaches is not known of {named(untold)}; record: activations would tell."
    if len(single) < len(results):
        yield f"{INTERVAL_NOTE} of its mean over replicates."
    if single:
        names = named([quoted(name) for name in single])
        who = "One replicate each" if len(single) == len(results) else f"One replicate of {names}"
        yield f"{who}: how much the reach varies by chance is unknown."
    best, result = next(iter(results.items()))
    half = result.rounds.loc[result.rounds["total_influenced"] >= result.reach.mean / 2, "round"].min()
    subject = f"In {quoted(best)}, half" if len(results) > 1 else "Half"
    last = result.cascades["depth"].max()
    yield f"{subject} of the final reach is attained by round {half:,}; the last activation is in round {last:,}."
    if best not in single:
        yield f"90 % of {'these' if len(results) > 1 else 'the'} replicates reach {_range_text(result)} agents."


def truncation(results: Mapping[str, Result]) -> str | None:
    """Return which sessions have replicates that were still active at `max_rounds`; None if none has."""
    cut = {name: result.session for name, result in results.items() if result.session["truncated_replicates"]}
    if not cut:
        return None
    parts = [
        f"{row['truncated_replicates']:,} of {row['replicates']:,} replicates of {quoted(name)} "
        f"at round {row['max_rounds']:,}"
        for name, row in cut.items()
    ]
    return (
        f"Some replicates were still active when the simulation stopped at max_rounds: {named(parts)}. What these "
        "sessions would have reached later is unknown: their reach is a lower bound, and their curves end there."
    )


# -- comparisons ----------------------------------------------------------------------------------------------------


def comparison_table(found: Sequence[Comparison]) -> PageTable:
    """Return the table of compared pairs; what is equal for all of them has no column."""
    with_best = len({pair.first for pair in found}) == 1
    verdicts = {True: "yes", False: "no", None: "unknown"}
    columns: dict[Column, Callable[[Comparison], str]] = {}
    if not with_best:
        columns[Column("session", is_number=False)] = lambda pair: pair.first
    columns[Column("session" if with_best else "compared with", is_number=False)] = lambda pair: pair.second
    heading = f"agents behind {found[0].first}" if with_best else "more agents"
    columns[Column(heading)] = lambda pair: with_interval(pair.lead)
    columns[Column("beyond chance", is_number=False)] = lambda pair: verdicts[pair.is_beyond_chance]
    if len({pair.paired for pair in found}) > 1:
        compared = {True: "replicate by replicate", False: "as independent"}
        columns[Column("compared", is_number=False)] = lambda pair: compared[pair.paired]
    rows = [[cell(pair) for cell in columns.values()] for pair in found]
    return PageTable("Differences between sessions", "pairs", list(columns), rows)


def comparison_sentences(found: Sequence[Comparison], sessions: int) -> Iterator[str]:
    """Yield how the sessions were compared, and what the intervals mean."""
    shared = "use common random numbers (the same random seed)"
    paired = {pair.paired for pair in found}
    if paired == {True}:
        yield f"The sessions {shared}, so they are compared replicate by replicate: chance that they share cancels out."
    elif paired == {False}:
        yield (
            "These sessions do not share their random numbers (other random seeds, or other replicates), so "
            "they are compared as independent: the intervals are wider than those of pairs with common random numbers."
        )
    else:
        yield f"Sessions that {shared} are compared replicate by replicate; the others as independent."
    if len(found) < sessions * (sessions - 1) // 2:
        best = quoted(found[0].first)
        yield f"Each of the other {len(found):,} sessions is compared with {best}, which reaches most."
    if any(pair.lead.standard_error is None for pair in found):
        yield "Where a session has one replicate, the variation by chance is unknown, and so is the interval."
    if len(found) > 1:
        yield "Each 95 % interval holds by itself; of twenty pairs without any difference, one appears to differ."

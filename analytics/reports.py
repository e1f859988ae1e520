"""The headline of a campaign: which session reaches most, and how certain that is; and values as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from analytics.intervals import half_width, ranked, with_interval
from data.errors import InvalidInputError
from propagation.campaign_results import difference
from propagation.competing_messages import results_by_message
from propagation.result import Result

MOST_NAMED = 3
"""Sessions in first place that the headline names before it counts the others."""


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

    Where messages compete, there is one for each message, about the sessions in which it spreads; of one session, one
    about its messages. Sessions that do not tell their messages apart are left out then, unless all are such.

    Sessions whose difference from the largest mean is within the difference's 95 % interval share first place. Numbers
    after ± are half of the 95 % interval.

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
    by_message = results_by_message(results)
    if not by_message:
        return _sentence(results)
    sessions = list(dict.fromkeys(session for own in by_message.values() for session in own))
    if len(sessions) == 1:
        return f"In {sessions[0]}, {_sentence({name: own[sessions[0]] for name, own in by_message.items()})}"
    return " ".join(_sentence(own, message) for message, own in by_message.items())


def _sentence(results: Mapping[str, Result], message: str = "") -> str:
    """Return a sentence about the results of sessions, or of one message in them."""
    in_order = list(ranked(results))
    best = in_order[0]
    less = {name for name in in_order[1:] if _is_less(results[name], results[best])}
    level = [name for name in in_order if name not in less]
    rest = [name for name in in_order if name in less]
    agents = f"{results[best].network.n_agents:,} agents"
    inside = "in " if message else ""
    if len(in_order) == 1 and message:
        sentence = f"{message} reaches {with_interval(results[best].reach)} of {agents} in {best}"
    elif len(level) == 1 and message:
        sentence = f"{message} reaches most in {best}, {with_interval(results[best].reach)} of {agents}"
    elif len(level) == 1:
        verb = "reaches" if len(in_order) == 1 else "reaches most:"
        sentence = f"{best} {verb} {with_interval(results[best].reach)} of {agents}"
    elif len(level) <= MOST_NAMED + 1:
        means = _listed([with_interval(results[name].reach) for name in level])
        who = f"{message} reaches most in {_listed(level)}" if message else f"{_listed(level)} reach most"
        sentence = f"{who}, {means} of {agents}, with no difference beyond chance"
    else:
        names = _listed([*level[:MOST_NAMED], f"{len(level) - MOST_NAMED:,} more"])
        who = f"{message} reaches most in {names}" if message else f"{names} reach most"
        of_best = f"in {best} it" if message else best
        sentence = (
            f"{who}, with no difference beyond chance; {of_best} reaches "
            f"{with_interval(results[best].reach)} of {agents}"
        )
    if rest:
        sentence += f"; {_lead(results, best, rest, inside)}"
    return f"{sentence}."


def _is_less(result: Result, best: Result) -> bool:
    """Return whether a session reaches significantly less than the best."""
    lead = difference(best, result)
    return lead.mean > (half_width(lead) or 0.0)


def _lead(results: Mapping[str, Result], best: str, rest: Sequence[str], inside: str = "") -> str:
    """Return the lead of the best session over the next and the last, as text; `inside` stands before their names."""
    next_one, last = rest[0], rest[-1]
    lead = difference(results[best], results[next_one])
    more = f"{with_interval(lead)} more than {inside}{next_one}"
    if results[last].reach.mean == 0.0:  # a message that starts late, where others reach its seeds first
        return more if next_one == last else f"{more}, and {inside}{last} nobody"
    ratio = results[best].reach.mean / results[last].reach.mean
    if ratio < 2:
        return f"{more}" if next_one == last else f"{more} and {100 * (ratio - 1):.1f} % more than {inside}{last}"
    times = f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
    as_many = f"{times} as many as {inside}{last}"
    return as_many if next_one == last else f"{more} and {as_many}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]

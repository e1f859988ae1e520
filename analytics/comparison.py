"""Comparison: how much further one session reaches than another, where and when, under common random numbers.

Sessions with the same random seed use the same draws in the same replicate, so they are compared replicate by
replicate: what chance does to both cancels, and the interval of the difference is narrower than that of independent
runs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics.agent_groups import Grouping, agent_groups
from analytics.comparison_frames import agent_differences, group_differences, round_differences
from analytics.comparison_results import CampaignComparison, SessionComparison, different_content
from analytics.paired_counts import PairedCounts
from data.errors import InvalidInputError
from propagation.campaign_results import are_paired, common_replicates, common_sizes, difference
from propagation.competing_messages import MessageResult, message_names, names_messages, of_message
from propagation.result import Result
from propagation.transmissions import records_activations

CELLS = 1 << 28
"""Largest number of replicates x groups, or x rounds, that a comparison holds in memory."""


def compare(
    first: Result | Mapping[str, Result],
    second: Result | Mapping[str, Result],
    *,
    by: Grouping | None = None,
    message: str | tuple[str, str] | None = None,
    names: tuple[str, str] = ("first", "second"),
) -> Any:
    """Compare two sessions, or two campaigns session by session; where messages compete, message by message.

    The more the sessions recorded, the more is compared: reach always; which agents are reached if both recorded
    reach; and intervals by round and by group, replicate by replicate, if both recorded activations. Means over
    replicates have Student's t intervals; differences are paired if the sessions have the same random seed, and one has
    all the replicates of the other: then only those replicates count that both have.

    Our own: activations are read a few million at a time, so that they may exceed memory.

    Parameters
    ----------
    first, second : Result, or mapping from str to Result
        Sessions on the same network; or the results of two campaigns (`propagation.results`) or jobs
        (`propagation.simulate_many`), whose sessions of the same name are compared.
    by : str or mapping, optional
        Groups of agents: a column of the network's agents or of the table `agent_metrics` (such as ``community``), or
        the group of each agent by its original id; agents without one are the group None.
    message : str or (str, str), optional
        Name or id of a message: what it reaches in both is compared, also where it spreads alone in one of them; or the
        message of each session, which may be the same session. Default: of sessions in which messages compete, every
        message that both have. Messages are the same if their content (``message_id``) is, whatever their names.
    names : (str, str)
        What the sessions are called in sentences and pictures; different ones for different sessions.

    Returns
    -------
    SessionComparison or CampaignComparison

    Raises
    ------
    InvalidInputError
        If the sessions ran on different networks, the campaigns share no name of a session, the sessions no message,
        there are no such groups or messages, they need reach or activations that were not recorded, or two sessions
        have the same name.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation import simulate
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "cy"], "target": ["bob", "cy", "dan"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> often, seldom = IndependentCascade(probability=1.0), IndependentCascade(probability=0.5)
    >>> more, less = (simulate(network, model, seed_set=["ann"], replicates=100) for model in (often, seldom))
    >>> compare(more, less, names=("often", "seldom")).sentence
    'often reaches 2.11 ± 0.19 agents more than seldom (95 % interval; 100 replicates, compared replicate by replicate)'
    """
    _check_names(names)
    messages = _sides(message)
    if isinstance(first, Result) and isinstance(second, Result):
        found = _by_message(first, second, by, messages, names)
        if None in found.compared:
            return found.compared[None]
        if not found.compared:
            raise InvalidInputError(_no_message(first, second, names))
        several = {str(name): each for name, each in found.compared.items()}
        return CampaignComparison(several, names, found.only_first, found.only_second, kind="message")
    for given in (first, second):
        if not isinstance(given, Result | Mapping):
            raise InvalidInputError(
                f"{given!r} is not a result; give what simulate returns, or propagation.results(warehouse, CAMPAIGN)"
            )
    if isinstance(first, Result) or isinstance(second, Result):
        raise InvalidInputError("a session cannot be compared with a campaign; give two sessions or two campaigns")
    return _campaigns(first, second, by, messages, names)


def _check_names(names: Any) -> None:
    if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise InvalidInputError(f"names {names!r} are not two names; give one for each, such as ('hubs', 'random')")


def _sides(message: str | tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the message of each session, if any is asked for."""
    if message is None or isinstance(message, str):
        return None if message is None else (message, message)
    if len(message) != 2 or not all(isinstance(each, str) for each in message):
        raise InvalidInputError(f"message {message!r} is not the name of one message, or of one for each session")
    return message[0], message[1]


def _campaigns(
    first: Mapping[str, Result],
    second: Mapping[str, Result],
    by: Grouping | None,
    messages: tuple[str, str] | None,
    names: tuple[str, str],
) -> CampaignComparison:
    both = [name for name in first if name in second]
    if not both:
        raise InvalidInputError(
            f"the campaigns have no session of the same name (first: {', '.join(map(repr, first))}; second: "
            f"{', '.join(map(repr, second))}); compare two of their sessions instead"
        )
    compared: dict[str, SessionComparison] = {}
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    for session in both:
        called = (f"{session} ({names[0]})", f"{session} ({names[1]})")
        found = _by_message(first[session], second[session], by, messages, called)
        compared |= {_joined(session, message): each for message, each in found.compared.items()}
        only_first += [_joined(session, message) for message in found.only_first]
        only_second += [_joined(session, message) for message in found.only_second]
    if not compared:
        raise InvalidInputError(_no_message(first[both[0]], second[both[0]], names))
    return CampaignComparison(compared, names, only_first, only_second)


def _joined(session: str, message: str | None) -> str:
    return session if message is None else f"{session}, {message}"


# -- messages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ByMessage:
    """Comparisons by the names of messages, None where one message spreads; and messages that only one session has."""

    compared: dict[str | None, SessionComparison]
    only_first: list[str] = field(default_factory=list)
    only_second: list[str] = field(default_factory=list)


def _by_message(
    first: Result,
    second: Result,
    by: Grouping | None,
    messages: tuple[str, str] | None,
    names: tuple[str, str],
) -> _ByMessage:
    """Compare what the given message of each session reaches, or every message that both have."""
    if messages is not None:
        return _ByMessage({None: _of_messages(first, second, by, messages, names)})
    own, other = message_names(first), message_names(second)
    if not own and not other:
        return _ByMessage({None: _compared(first, second, by, names)})
    return _ByMessage(
        {own[each]: _of_messages(first, second, by, (each, each), names) for each in own if each in other},
        [name for message_id, name in own.items() if message_id not in other],
        [name for message_id, name in other.items() if message_id not in own],
    )


def _of_messages(
    first: Result, second: Result, by: Grouping | None, messages: tuple[str, str], names: tuple[str, str]
) -> SessionComparison:
    """Compare one message of each session; a session that does not name its only message may spread either."""
    if not any(names_messages(result) for result in (first, second)):
        raise InvalidInputError(
            f"message {messages[0]!r} is asked for, and neither {names[0]!r} nor {names[1]!r} names a message; leave "
            "it out to compare the sessions"
        )
    one, another = (of_message(result, message) for result, message in zip((first, second), messages, strict=True))
    known = [each.name if isinstance(each, MessageResult) else None for each in (one, another)]
    if messages[0] == messages[1]:  # which may be an id: a session that does not name its message gives no name for it
        known = [known[0] or known[1], known[1] or known[0]]
    called = [name or message for name, message in zip(known, messages, strict=True)]
    return _compared(one, another, by, (f"{called[0]} in {names[0]}", f"{called[1]} in {names[1]}"))


def _no_message(first: Result, second: Result, names: tuple[str, str]) -> str:
    """Return what is wrong with sessions of which no message can be compared."""
    own, other = (list(message_names(result).values()) for result in (first, second))
    alike = [name for name in own if name in other]
    hint = different_content(alike) if alike else "name the one to compare: message=NAME, or --message NAME"
    return (
        f"messages compete, and no message competes in both sessions (in {names[0]}: {', '.join(own) or 'none'}; in "
        f"{names[1]}: {', '.join(other) or 'none'}); {hint}"
    )


# -- two sessions ---------------------------------------------------------------------------------------------------


def _compared(first: Result, second: Result, by: Grouping | None, names: tuple[str, str]) -> SessionComparison:
    if names[0] == names[1] and first.session_id != second.session_id:
        raise InvalidInputError(f"both sessions are called {names[0]!r}; give two names: names=('hubs', 'random')")
    if first.network.snapshot_id != second.network.snapshot_id:
        raise InvalidInputError(
            f"the sessions ran on different networks, {_described(first)} and {_described(second)}; compare sessions "
            "on the same one"
        )
    lacking = [
        name for name, result in zip(names, (first, second), strict=True) if result.session["record"] == "rounds"
    ]
    if by is not None and lacking:
        raise InvalidInputError(
            f"session {lacking[0]!r} recorded only rounds, so that its reach by group is not known; run it with "
            "record: reach, or with record: activations for intervals too"
        )
    groups = None if by is None else agent_groups(first.network, by)
    paired = are_paired(first, second)
    low, high = common_replicates(first, second)
    replicates = high - low if paired else min(first.reach.replicates, second.reach.replicates)
    if groups is not None and replicates * len(groups.labels) > CELLS:
        raise InvalidInputError(
            f"{len(groups.labels):,} groups x {replicates:,} replicates do not fit into memory; give fewer groups"
        )
    recorded = records_activations(first) and records_activations(second)
    rounds = max(int(result.session["rounds"]) for result in (first, second))
    fits = replicates * rounds <= CELLS  # otherwise, as if activations had not been recorded
    both = PairedCounts(first, second, groups) if recorded and paired and fits else None
    agents = None if lacking else agent_differences(first, second, both)
    is_counted = agents is not None and (both is not None or first.reach.replicates == second.reach.replicates)
    sizes = (
        common_sizes(first, second) if paired else [result.cascades["size"].to_numpy() for result in (first, second)]
    )
    return SessionComparison(
        first=names[0],
        second=names[1],
        lead=difference(first, second),
        paired=paired,
        replicates=replicates,
        first_reach=float(sizes[0].mean()),
        second_reach=float(sizes[1].mean()),
        replicates_if_independent=_replicates_if_independent(first, second, paired=paired),
        rounds=round_differences(first, second, both),
        groups=None if groups is None else group_differences(first, second, groups, both),
        agents=agents,
        never_by_second=int((agents["second"] == 0.0).sum()) if agents is not None and is_counted else None,
        never_by_first=int((agents["first"] == 0.0).sum()) if agents is not None and is_counted else None,
        results=(first, second),
    )


def _described(result: Result) -> str:
    return f"{result.network.network_id!r} (snapshot {result.network.snapshot_id[:12]})"


def _replicates_if_independent(first: Result, second: Result, *, paired: bool) -> int | None:
    """Return how many replicates independent sessions need for as narrow an interval of the difference."""
    sizes, others = common_sizes(first, second)
    if not paired or len(sizes) < 2:
        return None
    apart = float((sizes - others).var(ddof=1))
    if apart == 0.0:
        return None
    return math.ceil(len(sizes) * float(sizes.var(ddof=1) + others.var(ddof=1)) / apart)

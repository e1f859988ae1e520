"""Comparison: how much further one session reaches than another, where and when, under common random numbers.

Sessions with the same random seed use the same draws in the same replicate, so they are compared replicate by
replicate: what chance does to both cancels, and the interval of the difference is narrower than that of independent
runs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.agent_groups import agent_groups
from analytics.comparison_frames import agent_differences, group_differences, round_differences
from analytics.intervals import Comparison, mean_intervals, with_interval
from analytics.paired_counts import PairedCounts
from data.errors import InvalidInputError
from propagation.campaign_results import are_paired, common_replicates, common_sizes, difference
from propagation.competing_messages import MessageResult, message_names, of_message
from propagation.result import Result
from propagation.transmissions import records_activations

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHOWN_AGENTS = 20
"""Agents reached more by one of two sessions that a comparison lists by default, for each of them."""
CELLS = 1 << 28
"""Largest number of replicates x groups, or x rounds, that a comparison holds in memory."""


@dataclass(frozen=True)
class SessionComparison(Comparison):
    """Two sessions in detail: how many more agents the first one reaches.

    Attributes
    ----------
    replicates : int
        Replicates that were compared: of each session, or, if `paired`, those that both have.
    replicates_if_independent : int or None
        How many replicates two sessions with independent draws would have needed for an interval as narrow; None if
        there is no interval, or if all differences are equal, so that no number would do.
    rounds : DataFrame
        One row per round: ``round``, ``first``, ``second`` (mean agents reached up to it), ``difference``,
        ``difference_standard_error``, ``difference_low``, ``difference_high`` (95 % interval), ``paired``.
    groups : DataFrame or None
        One row per group of agents, if asked for: ``group_name`` (the value that its agents share, None for agents
        without one), ``agents``, ``first``, ``second`` (mean agents of it that are reached), ``difference``,
        ``difference_standard_error``, ``difference_low``, ``difference_high``, ``paired``; the interval is NaN unless
        both sessions recorded activations.
    agents : DataFrame or None
        One row per agent with another probability of being reached, the largest differences first: ``agent_id``,
        ``first``, ``second`` (probabilities), ``difference``, ``only_first``, ``only_second`` (share of replicates in
        which only that session reached it; NaN unless `paired` and both recorded activations). None unless both
        sessions recorded reach.
    never_by_second, never_by_first : int or None
        Agents that the first session reached in some replicate and the second one in none, and the reverse.
    results : (Result, Result)
        What was compared: of two sessions, or of one of several messages in each.
    """

    replicates: int
    replicates_if_independent: int | None
    rounds: "pd.DataFrame"
    groups: "pd.DataFrame | None"
    agents: "pd.DataFrame | None"
    never_by_second: int | None
    never_by_first: int | None
    results: tuple[Result, Result] = field(repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The difference of reach and how certain it is, as a sentence."""
        more = "more" if self.lead.mean >= 0 else "fewer"
        beyond = {True: "", False: ", which is within chance", None: ""}[self.is_beyond_chance]
        how = "replicate by replicate" if self.paired else "as independent sessions"
        size = replace(self.lead, mean=abs(self.lead.mean))
        return (
            f"{self.first} reaches {with_interval(size)} agents {more} than {self.second}{beyond} (95 % interval; "
            f"{self.replicates:,} replicates, compared {how})"
        )

    @property
    def saving(self) -> str:
        """How many replicates independent sessions would have needed, as a sentence; empty if that is not known."""
        if not self.paired or self.replicates_if_independent is None:
            return ""
        return (
            f"independent sessions would have needed {self.replicates_if_independent:,} replicates each for the same "
            f"interval ({self.replicates_if_independent / self.replicates:,.1f} times as many)"
        )

    def only_by(self, session: str, most: int = SHOWN_AGENTS) -> "pd.DataFrame":
        """Return the agents that one of the sessions reaches and the other never does, the most probable first.

        Parameters
        ----------
        session : str
            Name of one of the two sessions.
        most : int
            Number of rows at most.

        Raises
        ------
        InvalidInputError
            If the comparison has no such session, or the sessions did not record reach.
        """
        if session not in (self.first, self.second):
            raise InvalidInputError(f"no session {session!r}; the two are {self.first!r} and {self.second!r}")
        if self.agents is None:
            raise InvalidInputError("one of the sessions recorded only rounds; run both with record: reach")
        own, other = ("first", "second") if session == self.first else ("second", "first")
        chosen = self.agents[self.agents[other] == 0.0]
        return chosen.sort_values(own, ascending=False, kind="stable").head(most).reset_index(drop=True)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the difference by round with its interval; see `analytics.decision_plots.difference_curve`."""
        from analytics.decision_plots import difference_curve

        return difference_curve(self, ax=ax)

    def plot_groups(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the difference by group with its intervals; see `analytics.decision_plots.group_differences`."""
        from analytics.decision_plots import group_differences

        return group_differences(self, ax=ax)

    def __repr__(self) -> str:
        return f"SessionComparison({self.sentence})"

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{self.sentence}</b></p>"] + ([f"<p>{self.saving}</p>"] if self.saving else [])
        tables = [each for each in (self.rounds, self.groups) if each is not None]
        return "".join([*parts, *(table.to_html(index=False, max_rows=20) for table in tables)])


class CampaignComparison(Mapping[str, SessionComparison]):
    """Two campaigns, session by session: comparisons by the names that sessions of both have.

    Also two sessions in which messages compete: comparisons by the names of the messages.

    Parameters
    ----------
    comparisons : mapping from str to SessionComparison
    names : (str, str)
        What the campaigns are called.
    only_first, only_second : sequence of str
        Sessions that only one of the campaigns has.
    """

    def __init__(
        self,
        comparisons: Mapping[str, SessionComparison],
        names: tuple[str, str],
        only_first: list[str],
        only_second: list[str],
    ) -> None:
        self._comparisons, self.names = dict(comparisons), names
        self.only_first, self.only_second = only_first, only_second

    def __getitem__(self, session: str) -> SessionComparison:
        """Return the comparison of the sessions of a name."""
        return self._comparisons[session]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the sessions."""
        return iter(self._comparisons)

    def __len__(self) -> int:
        """Return how many names of sessions both campaigns have."""
        return len(self._comparisons)

    def __repr__(self) -> str:
        return f"CampaignComparison({len(self)} sessions; see .table())"

    def table(self) -> "pd.DataFrame":
        """Return one row per session, by its name; see `comparison_row`."""
        import pandas as pd

        return pd.DataFrame({name: comparison_row(each) for name, each in self.items()}).T.rename_axis("session")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the difference of each session with its interval; see `analytics.decision_plots.session_differences`."""
        from analytics.decision_plots import session_differences

        return session_differences(self, ax=ax)


def comparison_row(compared: SessionComparison) -> dict[str, Any]:
    """Return a comparison as one row.

    Columns are ``difference`` (agents), ``difference_standard_error``, ``difference_low`` and ``difference_high`` (95 %
    interval), ``paired``, ``replicates``, ``replicates_if_independent``, ``only_first`` and ``only_second`` (agents
    that one session reached and the other one never did; None if reach was not recorded).
    """
    low, high = mean_intervals(
        np.array([compared.lead.mean]), np.array([_number(compared.lead.standard_error)]), compared.lead.replicates
    )
    return {
        "difference": compared.lead.mean,
        "difference_standard_error": compared.lead.standard_error,
        "difference_low": _or_none(low[0]),
        "difference_high": _or_none(high[0]),
        "paired": compared.paired,
        "replicates": compared.replicates,
        "replicates_if_independent": compared.replicates_if_independent,
        "only_first": compared.never_by_second,
        "only_second": compared.never_by_first,
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def compare(
    first: Result | Mapping[str, Result],
    second: Result | Mapping[str, Result],
    *,
    by: str | Mapping[Any, Any] | None = None,
    message: str | None = None,
    names: tuple[str, str] = ("first", "second"),
) -> Any:
    """Compare two sessions, or two campaigns session by session; where messages compete, message by message.

    The more the sessions recorded, the more is compared: reach always; which agents are reached if both recorded
    reach; and intervals by round and by group, replicate by replicate, if both recorded activations. Means over
    replicates have Student's t intervals; differences are paired if the sessions have the same random seed, and one has
    all the replicates of the other.

    Our own: activations are read a few million at a time, so that they may exceed memory.

    Parameters
    ----------
    first, second : Result, or mapping from str to Result
        Sessions on the same network; or the results of two campaigns (`propagation.results`) or jobs
        (`propagation.simulate_many`), whose sessions of the same name are compared.
    by : str or mapping, optional
        Groups of agents: a column of the network's agents or of the table `agent_metrics` (such as ``community``), or
        the group of each agent by its original id; agents without one are the group None.
    message : str, optional
        Name or id of a message: what it reaches in both is compared, also where it spreads alone in one of them.
        Default: of sessions in which messages compete, every message that both have.
    names : (str, str)
        What the sessions are called in sentences and pictures.

    Returns
    -------
    SessionComparison or CampaignComparison

    Raises
    ------
    InvalidInputError
        If the sessions ran on different networks, the campaigns share no name of a session, there are no such groups or
        messages, or they need reach or activations that were not recorded.

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
    if isinstance(first, Result) and isinstance(second, Result):
        found = _by_message(first, second, by, message, names)
        several = {name: each for name, each in found.items() if name is not None}
        return CampaignComparison(several, names, [], []) if several else found[None]
    for given in (first, second):
        if not isinstance(given, Result | Mapping):
            raise InvalidInputError(
                f"{given!r} is not a result; give what simulate returns, or propagation.results(warehouse, CAMPAIGN)"
            )
    if isinstance(first, Result) or isinstance(second, Result):
        raise InvalidInputError("a session cannot be compared with a campaign; give two sessions or two campaigns")
    both = [name for name in first if name in second]
    if not both:
        raise InvalidInputError(
            f"the campaigns have no session of the same name (first: {', '.join(map(repr, first))}; second: "
            f"{', '.join(map(repr, second))}); compare two of their sessions instead"
        )
    compared = {
        name if told is None else f"{name}, {told}": each
        for name in both
        for told, each in _by_message(
            first[name], second[name], by, message, (f"{name} ({names[0]})", f"{name} ({names[1]})")
        ).items()
    }
    return CampaignComparison(
        compared, names, [name for name in first if name not in second], [name for name in second if name not in first]
    )


def _by_message(
    first: Result,
    second: Result,
    by: str | Mapping[Any, Any] | None,
    message: str | None,
    names: tuple[str, str],
) -> dict[str | None, SessionComparison]:
    """Return the comparison of each message that is asked for by its name; of sessions with one message, by None."""
    if message is not None:
        one, another = of_message(first, message), of_message(second, message)
        called = next((each.name for each in (one, another) if isinstance(each, MessageResult)), message)
        return {None: _compared(one, another, by, (f"{called} in {names[0]}", f"{called} in {names[1]}"))}
    own, other = (message_names(result) for result in (first, second))
    if not own and not other:
        return {None: _compared(first, second, by, names)}
    both = {name: message_id for message_id, name in own.items() if message_id in other}
    if not both:
        raise InvalidInputError(
            f"messages compete, and no message competes in both sessions (in {names[0]}: "
            f"{', '.join(own.values()) or 'none'}; in {names[1]}: {', '.join(other.values()) or 'none'}); name the one "
            "to compare: message=NAME, or --message NAME"
        )
    return {
        name: each
        for name, message_id in both.items()
        for each in _by_message(first, second, by, message_id, names).values()
    }


def _compared(
    first: Result, second: Result, by: str | Mapping[Any, Any] | None, names: tuple[str, str]
) -> SessionComparison:
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
    return SessionComparison(
        first=names[0],
        second=names[1],
        lead=difference(first, second),
        paired=paired,
        replicates=replicates,
        replicates_if_independent=_replicates_if_independent(first, second, paired=paired),
        rounds=round_differences(first, second, both),
        groups=None if groups is None else group_differences(first, second, groups, both),
        agents=agents,
        never_by_second=None if agents is None else int((agents["second"] == 0.0).sum()),
        never_by_first=None if agents is None else int((agents["first"] == 0.0).sum()),
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

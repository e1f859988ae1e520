"""Results of comparisons: of two sessions or messages, and of several by their names."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.intervals import Comparison, mean_intervals, with_interval
from data.errors import InvalidInputError
from data.quantities import counted
from propagation.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SHOWN_AGENTS = 20
"""Agents reached more by one of two sessions that a comparison lists by default, for each of them."""


@dataclass(frozen=True)
class SessionComparison(Comparison):
    """Two sessions in detail: how many more agents the first one reaches.

    Attributes
    ----------
    replicates : int
        Replicates that were compared: of the session with fewer, or, if `paired`, those that both have.
    first_reach, second_reach : float
        Mean agents that each session reached in the replicates that were compared.
    replicates_if_independent : int or None
        How many replicates two sessions with independent draws would have needed for an interval as narrow; None if
        there is no interval, or if all differences are equal, so that no number would do.
    rounds : DataFrame
        One row per round: ``round``, ``first``, ``second`` (mean agents reached up to it), ``difference``,
        ``difference_standard_error``, ``difference_low``, ``difference_high`` (95 % interval), ``paired``. Here and in
        `groups` and `agents`, numbers are of the replicates that both have if both sessions recorded activations and
        are `paired`; otherwise of all replicates of each: see `note`.
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
        Agents that the first session reached in some replicate and the second one in none, and the reverse. None if
        reach was not recorded, or was counted over different numbers of replicates, which would decide it.
    results : (Result, Result)
        What was compared: of two sessions, or of one of several messages in each.
    """

    replicates: int
    first_reach: float
    second_reach: float
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
        how = "replicate by replicate" if self.paired else "as independent sessions"
        basis = f"{self._replicates}, compared {how}"
        if self.paired and self.lead.mean == 0.0 and not self.lead.standard_error:
            is_same = self._is_recorded and self.agents is not None and not len(self.agents)
            same = "the same agents" if is_same else "as many agents"
            return f"{self.first} and {self.second} reach {same} in every replicate ({basis})"
        more = "more" if self.lead.mean >= 0 else "fewer"
        beyond = {True: "", False: ", which is within chance", None: ""}[self.is_beyond_chance]
        size = replace(self.lead, mean=abs(self.lead.mean))
        interval = "no interval" if self.lead.standard_error is None else "95 % interval"
        return (
            f"{self.first} reaches {with_interval(size)} agents {more} than {self.second}{beyond} ({interval}; {basis})"
        )

    @property
    def note(self) -> str:
        """Which replicates count where the sessions have different ones, as a sentence; else empty."""
        first, second = (result.reach.replicates for result in self.results)
        if not self.paired or first == second == self.replicates:
            return ""
        common = (
            f"{self.first} has {counted(first, 'replicate')} and {self.second} {second:,}: the {self.replicates:,} "
            "that both have are compared"
        )
        if self._is_recorded:
            return common
        return (
            f"{common}; numbers by round, group and agent are of all replicates of each, which sessions that record "
            "activations avoid"
        )

    @property
    def exclusive(self) -> str:
        """How many agents only one of the sessions ever reaches, as a sentence; empty if that is not known."""
        if self.never_by_second is None or self.never_by_first is None:
            return ""
        return (
            f"agents that only one ever reaches: {self.never_by_second:,} by {self.first}, {self.never_by_first:,} by "
            f"{self.second}"
        )

    @property
    def _replicates(self) -> str:
        """How many replicates were compared, as text."""
        first, second = (result.reach.replicates for result in self.results)
        if self.paired or first == second:
            return counted(self.replicates, "replicate")
        return f"{first:,} and {counted(second, 'replicate')}"

    @property
    def _is_recorded(self) -> bool:
        """Whether rounds, groups and agents were counted in the replicates that were compared, from activations."""
        return bool(self.rounds["paired"].all())

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
        if self.never_by_first is None:
            first, second = (result.reach.replicates for result in self.results)
            raise InvalidInputError(
                f"{self.first!r} has {first:,} replicates and {self.second!r} {second:,}: more replicates reach more "
                "agents; give both as many, or run both with record: activations"
            )
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
        parts = [f"<p><b>{self.sentence}</b></p>", *(f"<p>{each}</p>" for each in (self.saving, self.note) if each)]
        tables = [each for each in (self.rounds, self.groups) if each is not None]
        return "".join([*parts, *(table.to_html(index=False, max_rows=20) for table in tables)])


class CampaignComparison(Mapping[str, SessionComparison]):
    """Two campaigns, session by session: comparisons by the names that sessions of both have.

    Also two sessions in which messages compete: comparisons by the names of the messages.

    Parameters
    ----------
    comparisons : mapping from str to SessionComparison
    names : (str, str)
        What the campaigns, or the sessions, are called.
    only_first, only_second : sequence of str
        Sessions, or messages, that only one of them has.
    kind : str
        What is compared: ``session``; ``message`` of two sessions.
    """

    def __init__(
        self,
        comparisons: Mapping[str, SessionComparison],
        names: tuple[str, str],
        only_first: Sequence[str],
        only_second: Sequence[str],
        kind: str = "session",
    ) -> None:
        self._comparisons, self.names, self.kind = dict(comparisons), names, kind
        self.only_first, self.only_second = list(only_first), list(only_second)

    def __getitem__(self, name: str) -> SessionComparison:
        """Return the comparison of the sessions, or messages, of a name."""
        return self._comparisons[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the sessions, or messages."""
        return iter(self._comparisons)

    def __len__(self) -> int:
        """Return how many names both have."""
        return len(self._comparisons)

    def __repr__(self) -> str:
        return f"CampaignComparison({counted(len(self), self.kind)}; see .table())"

    @property
    def note(self) -> str:
        """What messages were not compared although their names are the same, as a sentence; else empty."""
        alike = [name for name in self.only_first if name in self.only_second]
        return different_content(alike) if alike else ""

    def table(self) -> "pd.DataFrame":
        """Return one row per session, or message, by its name; see `comparison_row`."""
        import pandas as pd

        return pd.DataFrame({name: comparison_row(each) for name, each in self.items()}).T.rename_axis(self.kind)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each difference with its interval; see `analytics.decision_plots.session_differences`."""
        from analytics.decision_plots import session_differences

        return session_differences(self, ax=ax)


def different_content(names: Sequence[str]) -> str:
    """Return the sentence that says why messages of the same name were not compared."""
    return (
        f"messages are the same if their content is: that of {', '.join(map(repr, names))} differs between the two; "
        "name a message to compare it all the same (message=NAME, or --message NAME)"
    )


def comparison_row(compared: SessionComparison) -> dict[str, Any]:
    """Return a comparison as one row.

    Columns are ``first`` and ``second`` (mean agents reached), ``difference``, ``difference_standard_error``,
    ``difference_low`` and ``difference_high`` (95 % interval), ``paired``, ``replicates``,
    ``replicates_if_independent``, ``only_first`` and ``only_second`` (agents that one session reached and the other one
    never did; None if that is not known).
    """
    low, high = mean_intervals(
        np.array([compared.lead.mean]), np.array([_number(compared.lead.standard_error)]), compared.lead.replicates
    )
    return {
        "first": compared.first_reach,
        "second": compared.second_reach,
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

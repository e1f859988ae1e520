"""Data frames of a comparison of two sessions: by round, by group of agents, and by agent."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.agent_groups import AgentGroups
from analytics.paired_counts import PairedCounts, difference_columns
from propagation.intervals import mean_intervals
from propagation.result import Result

if TYPE_CHECKING:
    import pandas as pd


def round_differences(first: Result, second: Result, both: PairedCounts | None) -> "pd.DataFrame":
    """Return one row per round; after a session's last round its reach stays as it was."""
    import pandas as pd

    last = max(int(result.rounds["round"].max()) for result in (first, second))
    columns = ["total_influenced", "total_influenced_standard_error"]
    frames = [
        result.rounds.set_index("round")[columns].astype("float64").reindex(range(last + 1)).ffill()
        for result in (first, second)
    ]
    means, errors = ([frame[column].to_numpy() for frame in frames] for column in columns)
    if both is not None:
        means = list(both.reached_by_round[:, : last + 1] / len(both.by_round))
    found = {"round": np.arange(last + 1), "first": means[0], "second": means[1]}
    if both is not None:
        return pd.DataFrame({**found, **difference_columns(both.by_round[:, : last + 1]), "paired": True})
    apart, error = means[0] - means[1], np.hypot(*errors)
    low, high = mean_intervals(apart, error, min(first.reach.replicates, second.reach.replicates))
    return pd.DataFrame(
        {
            **found,
            "difference": apart,
            "difference_standard_error": error,
            "difference_low": low,
            "difference_high": high,
            "paired": False,
        }
    )


def group_differences(first: Result, second: Result, groups: AgentGroups, both: PairedCounts | None) -> "pd.DataFrame":
    """Return one row per group of agents: how many of it each session reaches; without intervals unless paired."""
    import pandas as pd

    means = [
        np.bincount(groups.codes, weights=probabilities, minlength=len(groups.labels))
        for probabilities in _probabilities(first, second, both)
    ]
    found = {
        "group_name": pd.Series(groups.labels, dtype=object),
        "agents": groups.sizes,
        "first": means[0],
        "second": means[1],
    }
    if both is not None:
        return pd.DataFrame({**found, **difference_columns(both.by_group), "paired": True})
    unknown = np.full(len(groups.labels), np.nan)
    return pd.DataFrame(
        {
            **found,
            "difference": means[0] - means[1],
            "difference_standard_error": unknown,
            "difference_low": unknown,
            "difference_high": unknown,
            "paired": False,
        }
    )


def _probabilities(first: Result, second: Result, both: PairedCounts | None) -> list[npt.NDArray[np.float64]]:
    """Return the share of replicates in which each session reached each agent, (n_ids,) float64 each."""
    if both is not None:
        return both.probabilities
    found = []
    for result in (first, second):
        shares, reach = np.zeros(result.network.n_ids), result.agents
        shares[reach["agent"].to_numpy()] = reach["probability"].to_numpy()
        found.append(shares)
    return found


def agent_differences(first: Result, second: Result, both: PairedCounts | None) -> "pd.DataFrame":
    """Return one row per agent that the sessions reach with different probabilities, the largest difference first."""
    import pandas as pd

    probabilities = _probabilities(first, second, both)
    apart = probabilities[0] - probabilities[1]
    differing = apart != 0.0
    if both is not None:
        differing |= (both.only_first > 0) | (both.only_second > 0)
    agents = np.flatnonzero(differing)
    agents = agents[np.argsort(-np.abs(apart[agents]), kind="stable")]
    replicates = 0 if both is None else len(both.by_round)
    alone = [
        np.full(len(agents), np.nan) if both is None else counts[agents] / replicates
        for counts in ((both.only_first, both.only_second) if both is not None else (agents, agents))
    ]
    return pd.DataFrame(
        {
            "agent_id": first.network.agent_ids.take(pa.array(agents)).to_pylist(),
            "first": probabilities[0][agents],
            "second": probabilities[1][agents],
            "difference": apart[agents],
            "only_first": alone[0],
            "only_second": alone[1],
        }
    )

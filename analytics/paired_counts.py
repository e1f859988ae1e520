"""Paired counts: what two sessions reached in each replicate that both have, from their recorded activations."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.agent_groups import AgentGroups
from analytics.intervals import mean_intervals
from propagation.campaign_results import common_replicates
from propagation.result import Result
from propagation.transmissions import RecordedActivations, Transmissions


class PairedCounts:
    """What two sessions reached in each replicate that both have, by round and by group.

    Attributes
    ----------
    by_round : (replicates, rounds) int64
        Agents that the first session reached up to the round, minus those of the second.
    by_group : (replicates, groups) int32
        Likewise, of each group, in the end.
    reached_by_round : (2, rounds) int64
        Agents that each session reached up to the round, in all of these replicates together.
    times_reached : (2, n_ids) int64
        Replicates in which each session reached the agent.
    only_first, only_second : (n_ids,) int64
        Replicates in which only one of the sessions reached the agent.
    """

    def __init__(self, first: Result, second: Result, groups: AgentGroups | None) -> None:
        low, high = common_replicates(first, second)
        sources = RecordedActivations(first), RecordedActivations(second)
        n_ids, rounds = first.network.n_ids, 1 + max(int(each.session["rounds"]) for each in (first, second))
        self.by_round = np.zeros((high - low, rounds), np.int64)
        self.by_group = np.zeros((high - low, 0 if groups is None else len(groups.labels)), np.int32)
        self.reached_by_round = np.zeros((2, rounds), np.int64)
        self.times_reached = np.zeros((2, n_ids), np.int64)
        self.only_first, self.only_second = np.zeros(n_ids, np.int64), np.zeros(n_ids, np.int64)
        for begin, end in sources[0].ranges():
            begin, end = max(begin, low), min(end, high)
            if begin >= end:
                continue
            parts = sources[0].between(begin, end), sources[1].between(begin, end)
            for number, part in enumerate(parts):
                is_first, sign = part.is_first, 1 - 2 * number
                at, reached, agents = begin - low + part.lanes[is_first], part.rounds[is_first], part.agents[is_first]
                np.add.at(self.by_round, (at, reached), sign)
                self.reached_by_round[number] += np.bincount(reached, minlength=rounds)
                self.times_reached[number] += np.bincount(agents, minlength=n_ids)
                if groups is not None:
                    np.add.at(self.by_group, (at, groups.codes[agents]), np.int32(sign))
            self._count_single(*parts)
        self.by_round, self.reached_by_round = self.by_round.cumsum(axis=1), self.reached_by_round.cumsum(axis=1)

    @property
    def probabilities(self) -> list[npt.NDArray[np.float64]]:
        """Share of these replicates in which each session reached the agent, (n_ids,) float64 each."""
        return list(self.times_reached / max(len(self.by_round), 1))

    def _count_single(self, first: Transmissions, second: Transmissions) -> None:
        """Count the replicates in which only one of the sessions reached an agent."""
        reached = np.zeros(len(self.only_first), bool)
        for lane in range(len(first.starts) - 1):
            own, other = (part.reached(lane) for part in (first, second))
            for agents, others, counts in ((own, other, self.only_first), (other, own, self.only_second)):
                reached[others] = True
                counts[agents[~reached[agents]]] += 1
                reached[others] = False


def difference_columns(counts: npt.NDArray[Any]) -> dict[str, Any]:
    """Return mean, standard error and interval of differences by replicate, (replicates, k)."""
    replicates = len(counts)
    means = counts.mean(axis=0)
    errors = counts.std(axis=0, ddof=1) / math.sqrt(replicates) if replicates > 1 else np.full(len(means), np.nan)
    low, high = mean_intervals(means, errors, replicates)
    return {
        "difference": means,
        "difference_standard_error": errors,
        "difference_low": low,
        "difference_high": high,
    }

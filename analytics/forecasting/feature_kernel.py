"""The compiled loop that measures the observed part of cascades. It reads nothing beyond that part."""

import numpy as np
import numpy.typing as npt
from numba import njit

from data.cascades.trees import measure_tree

COLUMNS = (
    "size_so_far", "elapsed", "growth_1", "growth_2", "growth_3", "growth_4", "half_time", "time_since_last",
    "mean_gap", "gap_deviation", "depth_so_far", "breadth_so_far", "virality_so_far", "followers_of_first",
    "followers_sum", "followers_max", "communities_so_far", "exposed_agents",
)  # fmt: skip
"""Columns that the kernel fills, in its order; NaN where a cascade does not have the value."""


@njit(cache=True, nogil=True)
def measure(
    starts: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    elapsed: npt.NDArray[np.float64],
    agents: npt.NDArray[np.int32],
    times: npt.NDArray[np.float64],
    infectors: npt.NDArray[np.int32],
    followers: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    out_offsets: npt.NDArray[np.int64],
    out_targets: npt.NDArray[np.int32],
    n_agents: int,
    n_groups: int,
) -> npt.NDArray[np.float64]:
    """Return the measures of each cascade's observed part, (cascades, `COLUMNS`) float64.

    Parameters
    ----------
    starts, counts, elapsed : (n_cascades,)
        First activation of each cascade, how many are observed, and for how long.
    agents, times, infectors, followers : (n_activations,)
        As in `ObservedCascades`; of length 0 where infectors or followers are unknown.
    groups : (n_agents,)
        Group of each agent; of length 0 without groups.
    out_offsets : (n_agents + 1,)
        Offsets of the network's out-edges; of length 0 without a network.
    out_targets : (edges,)
    n_agents, n_groups : int
    """
    found = np.full((len(starts), 18), np.nan)
    position = np.full(n_agents, -1, np.int64)  # of the agent in the current cascade
    exposed = np.full(n_agents if len(out_offsets) else 0, -1, np.int64)  # the last cascade that exposed the agent
    reached = np.full(n_groups, -1, np.int64)  # the last cascade that reached the group
    for cascade in range(len(starts)):
        low, high = starts[cascade], starts[cascade] + counts[cascade]
        row, agents_so_far = found[cascade], agents[low:high]
        _measure_timing(row, times[low:high], elapsed[cascade])
        if len(infectors):
            for i in range(high - low):
                position[agents_so_far[i]] = i
            _measure_tree(row, infectors[low:high], position)
            for agent in agents_so_far:
                position[agent] = -1
        if len(followers):
            _measure_followers(row, followers[low:high])
        if len(groups):
            row[16] = 0.0
            for agent in agents_so_far:
                row[16] += reached[groups[agent]] != cascade
                reached[groups[agent]] = cascade
        if len(out_offsets):
            row[17] = _exposed(agents_so_far, out_offsets, out_targets, exposed, cascade)
    return found


@njit(cache=True, nogil=True)
def _measure_timing(row: npt.NDArray[np.float64], times: npt.NDArray[np.float64], span: float) -> None:
    """Fill in size, growth by quarters of the time observed, and gaps between activations."""
    count, last = len(times), times[-1]
    row[0], row[1] = count, span
    row[2:6] = 0.0
    squares = 0.0
    for i in range(count):
        row[2 + (min(int(4.0 * times[i] / span), 3) if span > 0.0 else 0)] += 1.0
        squares += (times[i] - times[i - 1]) ** 2 if i > 0 else 0.0
    row[6], row[7] = times[(count - 1) // 2], span - last
    if count > 1:
        row[8] = (last - times[0]) / (count - 1)
        row[9] = np.sqrt(max(squares / (count - 1) - row[8] ** 2, 0.0))


@njit(cache=True, nogil=True)
def _measure_followers(row: npt.NDArray[np.float64], followers: npt.NDArray[np.int64]) -> None:
    """Fill in the followers of the first agent, of all together, and the most; -1 is unknown."""
    row[13] = followers[0] if followers[0] >= 0 else np.nan
    total, most = 0, -1
    for number in followers:
        total += max(number, 0)
        most = max(most, number)
    if most >= 0:
        row[14], row[15] = total, most


@njit(cache=True, nogil=True)
def _exposed(
    agents: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int32],
    exposed: npt.NDArray[np.int64],
    cascade: int,
) -> int:
    """Return how many agents that are not reached have an edge from one that is."""
    count = 0
    for agent in agents:
        exposed[agent] = cascade
    for agent in agents:
        for edge in range(offsets[agent], offsets[agent + 1]):
            count += exposed[targets[edge]] != cascade
            exposed[targets[edge]] = cascade
    return count


@njit(cache=True, nogil=True)
def _measure_tree(
    row: npt.NDArray[np.float64], infectors: npt.NDArray[np.int32], position: npt.NDArray[np.int64]
) -> None:
    """Fill in depth, breadth and structural virality: mean distance of all pairs of agents of the same tree."""
    parents = np.empty(len(infectors), np.int64)
    for i in range(len(infectors)):
        above = position[infectors[i]] if infectors[i] >= 0 else -1
        parents[i] = above if above < i else -1  # an infector listed later, at the same time, would make a circle
    _, steps, distances, pairs = measure_tree(parents, 0)
    row[10], row[11] = steps.max(), np.bincount(steps).max()
    if pairs > 0.0:
        row[12] = distances / pairs

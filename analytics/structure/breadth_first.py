"""Breadth-first searches from 64 agents at a time: compiled kernels."""

import numba
import numpy as np

from propagation.kernels.primitives import bit_count

LANES = 64
"""Sources of one search: one bit of a word each."""
SPARSE = 16
"""A round follows the out-edges of the frontier if these are less than one of so many of all edges."""


@numba.njit(nogil=True, cache=True)
def search(out_offsets, out, in_offsets, into, sources):  # type: ignore[no-untyped-def]
    """Return the number of pairs of a source and another agent by distance, (d,) int64.

    1. Reach further agents: along the out-edges of the frontier if these are few, else along the in-edges of all agents
       that some source has not reached.
    2. Count them; they are the next frontier.

    Parameters
    ----------
    out_offsets, out, in_offsets, into
        Rows of targets, and of sources.
    sources : (k,) int64
        At most 64 agents; bit i of every word is the i-th.

    References
    ----------
    Then et al. (2014), The more the merrier: efficient multi-source graph traversal. Beamer, Asanovic, Patterson
    (2012), Direction-optimizing breadth-first search.
    """
    n_agents = len(out_offsets) - 1
    seen, frontier = np.zeros(n_agents, np.uint64), np.zeros(n_agents, np.uint64)
    new = np.zeros(n_agents, np.uint64)
    active, reached = np.empty(n_agents, np.int32), np.empty(n_agents, np.int32)
    everyone, n_active = np.uint64(0), len(sources)
    for lane in range(n_active):
        bit = np.uint64(1) << np.uint64(lane)
        everyone |= bit
        seen[sources[lane]] |= bit
        frontier[sources[lane]] |= bit
        active[lane] = sources[lane]
    pairs, hops = np.zeros(64, np.int64), 0
    while n_active > 0:
        # 1. Reach further agents.
        if _edges_of(out_offsets, active, n_active) < len(out) // SPARSE:
            n_reached = _push(out_offsets, out, active, n_active, seen, frontier, new, reached)
        else:
            n_reached = _pull(in_offsets, into, everyone, seen, frontier, new, reached)
        # 2. Count them; they are the next frontier.
        for place in range(n_active):
            frontier[active[place]] = 0
        count = _settle(seen, frontier, new, reached, n_reached)
        active, reached, n_active = reached, active, n_reached
        if count > 0:
            if hops == len(pairs):
                pairs = np.concatenate((pairs, np.zeros(hops, np.int64)))
            pairs[hops] = count
            hops += 1
    return pairs[:hops].copy()


@numba.njit(nogil=True, cache=True)
def _edges_of(offsets, active, n_active):  # type: ignore[no-untyped-def]
    n_edges = 0
    for place in range(n_active):
        n_edges += offsets[active[place] + 1] - offsets[active[place]]
    return n_edges


@numba.njit(nogil=True, cache=True)
def _push(offsets, out, active, n_active, seen, frontier, new, reached):  # type: ignore[no-untyped-def]
    """Follow the out-edges of the frontier; return how many agents are listed as reached."""
    n_reached = 0
    for place in range(n_active):
        agent = active[place]
        for edge in range(offsets[agent], offsets[agent + 1]):
            other = out[edge]
            found = frontier[agent] & ~seen[other]
            if found:
                if not new[other]:
                    reached[n_reached] = other
                    n_reached += 1
                new[other] |= found
    return n_reached


@numba.njit(nogil=True, cache=True)
def _pull(offsets, into, everyone, seen, frontier, new, reached):  # type: ignore[no-untyped-def]
    """Check the in-edges of agents that some source has not reached; return how many agents were newly reached."""
    n_reached = 0
    for agent in range(len(seen)):
        missing = everyone & ~seen[agent]
        if missing:
            found = np.uint64(0)
            for edge in range(offsets[agent], offsets[agent + 1]):
                found |= frontier[np.uint32(into[edge])]
                if not missing & ~found:
                    break
            new[agent] = found & missing
            if new[agent]:
                reached[n_reached] = agent
                n_reached += 1
    return n_reached


@numba.njit(nogil=True, cache=True)
def _settle(seen, frontier, new, reached, n_reached):  # type: ignore[no-untyped-def]
    """Make the agents reached the frontier; return the number of pairs that are new."""
    count = 0
    for place in range(n_reached):
        agent = reached[place]
        count += bit_count(new[agent])
        seen[agent] |= new[agent]
        frontier[agent] = new[agent]
        new[agent] = 0
    return count

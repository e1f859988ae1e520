"""Compiled ranking of who adopts next in observed cascades."""

import numba
import numpy as np

FIRST = 10
"""Agents of a ranking whose precision is measured."""
LATER, NOW, BEFORE = 1, 2, 3
"""What agents of a cascade do at the time whose adopters are ranked: adopt later, at this time, or before it."""


@numba.njit(nogil=True, cache=True)
def rank_next(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, targets, values, begins, agents, times, n_agents, window, first, last
):
    """Rank the adopters of each time of each cascade but the first among all agents who have not adopted yet.

    Agents are ranked by the sum of `values` over the edges from those who adopted before, at most `window` earlier.
    Agents who adopt at the same time are ranked each without the others. Equal agents share the mean of their ranks,
    and the first ten places are shared by those who are equal at the tenth.

    Parameters
    ----------
    offsets : (n + 1,) int64
        Start of each agent's out-edges.
    targets : (edges,) int32
    values : (edges,) float64
    begins : (n_cascades + 1,) int64
        Start of each cascade's activations.
    agents : (n_activations,) int64
        In order of time.
    times : (n_activations,) float64
    n_agents : int64
        Agents of the network.
    window : float64
        Longest delay between an adoption and one that it may have caused.
    first, last : int64
        Range of cascades.

    Returns
    -------
    ranks, precisions : (steps of the range,) float64
        By adopter after the first time: its rank, from 1; and the share of the first ten agents who adopt at its time
        or later in the cascade.
    """
    n, steps = len(offsets) - 1, begins[last] - begins[first]
    ranks, precisions = np.empty(steps), np.empty(steps)
    scores, state = np.zeros(n), np.zeros(n, np.uint8)
    seen, touched = np.zeros(n, np.bool_), np.empty(n, np.int64)
    step = 0
    for cascade in range(first, last):
        begin, end = begins[cascade], begins[cascade + 1]
        for place in range(begin, end):
            state[agents[place]] = LATER
        number, oldest, newest, place = 0, begin, begin, begin  # the adopters from oldest to newest - 1 are counted
        while place < end:
            after = place
            while after < end and times[after] == times[place]:
                state[agents[after]] = NOW
                after += 1
            expired = oldest
            while times[place] - times[expired] > window:
                expired += 1
            if expired > oldest:  # recompute the sums: subtracting would leave rounding errors
                for position in range(number):
                    scores[touched[position]] = 0.0
                oldest = newest = expired
            for adopter in agents[newest:place]:
                for edge in range(offsets[adopter], offsets[adopter + 1]):
                    target = targets[edge]
                    if not seen[target]:
                        seen[target] = True
                        touched[number] = target
                        number += 1
                    scores[target] += values[edge]
            newest = place
            if place > begin:
                left = n_agents - (place - begin)
                precision = _precision(scores, state, touched[:number], left, end - place)
                for adopter in range(place, after):
                    others = left - (after - place)
                    ranks[step] = _rank(scores, state, touched[:number], agents[adopter], others)
                    precisions[step] = precision
                    step += 1
            for adopter in range(place, after):
                state[agents[adopter]] = BEFORE
            place = after
        for position in range(number):
            scores[touched[position]] = 0.0
            seen[touched[position]] = False
        for place in range(begin, end):
            state[agents[place]] = 0
    return ranks[:step], precisions[:step]


@numba.njit(nogil=True, cache=True)
def _rank(scores, state, touched, adopter, others):  # type: ignore[no-untyped-def]
    """Return the rank of an adopter beside `others` agents, those who adopt neither before nor now."""
    own = scores[adopter]
    better, equal, positive = 0, 0, 0
    for agent in touched:
        if state[agent] < NOW and scores[agent] > 0.0:
            positive += 1
            better += scores[agent] > own
            equal += scores[agent] == own
    if own <= 0.0:
        better, equal = positive, others - positive
    return 1.0 + better + 0.5 * equal


@numba.njit(nogil=True, cache=True)
def _precision(scores, state, touched, left, adopters):  # type: ignore[no-untyped-def]
    """Return the share of the first ten agents who adopt now or later, among the `left` who have not adopted before.

    So many as `adopters` of these do.
    """
    best = np.zeros(FIRST)
    positive, adopting = 0, 0
    for agent in touched:
        score = scores[agent]
        if state[agent] == BEFORE or score <= 0.0:
            continue
        positive += 1
        adopting += state[agent] != 0
        if score > best[FIRST - 1]:
            slot = FIRST - 1
            while slot > 0 and best[slot - 1] < score:
                best[slot] = best[slot - 1]
                slot -= 1
            best[slot] = score
    least = best[FIRST - 1]
    before, hits, at, hits_at = 0, 0, 0, 0
    for agent in touched:
        if state[agent] == BEFORE or scores[agent] <= 0.0:
            continue
        if scores[agent] > least:
            before += 1
            hits += state[agent] != 0
        elif scores[agent] == least:
            at += 1
            hits_at += state[agent] != 0
    if least <= 0.0:
        at, hits_at = left - positive, adopters - adopting
    places = min(FIRST, left) - before
    shared = places * hits_at / at if at and places > 0 else 0.0
    return (hits + shared) / FIRST

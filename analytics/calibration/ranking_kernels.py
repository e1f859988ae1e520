"""Compiled ranking of who adopts next in observed cascades."""

import numba
import numpy as np

FIRST = 10
"""Agents of a ranking whose precision is measured."""


@numba.njit(nogil=True, cache=True)
def rank_next(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, targets, values, begins, agents, n_agents, first, last
):
    """Rank, after each adopter of each cascade but the last, all agents who have not adopted yet.

    Agents are ranked by the sum of `values` over the edges from adopters. Equal agents share the mean of their ranks,
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
    n_agents : int64
        Agents of the network.
    first, last : int64
        Range of cascades.

    Returns
    -------
    ranks, precisions : (steps of the range,) float64
        Rank of the agent who does adopt next, from 1; share of the first ten who adopt later in the cascade.
    """
    n = len(offsets) - 1
    steps = 0
    for cascade in range(first, last):
        steps += max(begins[cascade + 1] - begins[cascade] - 1, 0)
    ranks, precisions = np.empty(steps), np.empty(steps)
    scores, state = np.zeros(n), np.zeros(n, np.uint8)  # state: 1 adopts later, 2 has adopted
    seen, touched = np.zeros(n, np.bool_), np.empty(n, np.int64)
    best = np.empty(FIRST)
    step = 0
    for cascade in range(first, last):
        begin, end = begins[cascade], begins[cascade + 1]
        number = 0
        for place in range(begin, end):
            state[agents[place]] = 1
        for place in range(begin, end - 1):
            adopter = agents[place]
            state[adopter] = 2
            for edge in range(offsets[adopter], offsets[adopter + 1]):
                target = targets[edge]
                if not seen[target]:
                    seen[target] = True
                    touched[number] = target
                    number += 1
                scores[target] += values[edge]
            # 1. The rank of the next adopter.
            own = scores[agents[place + 1]]
            better, equal, positive, later_positive = 0, 0, 0, 0
            best[:] = 0.0
            for position in range(number):
                agent = touched[position]
                if state[agent] == 2 or scores[agent] <= 0.0:
                    continue
                score = scores[agent]
                positive += 1
                later_positive += state[agent]
                better += score > own
                equal += score == own
                if score > best[FIRST - 1]:
                    slot = FIRST - 1
                    while slot > 0 and best[slot - 1] < score:
                        best[slot] = best[slot - 1]
                        slot -= 1
                    best[slot] = score
            left = n_agents - (place - begin + 1)
            if own <= 0.0:
                better, equal = positive, left - positive
            ranks[step] = 1.0 + better + 0.5 * (equal - 1)
            # 2. The precision of the first ten.
            least = best[FIRST - 1]
            before, later_before, at, later_at = 0, 0, 0, 0
            for position in range(number):
                agent = touched[position]
                if state[agent] == 2 or scores[agent] <= 0.0:
                    continue
                if scores[agent] > least:
                    before += 1
                    later_before += state[agent]
                elif scores[agent] == least:
                    at += 1
                    later_at += state[agent]
            if least <= 0.0:
                at, later_at = left - positive, (end - place - 1) - later_positive
            places = min(FIRST, left)
            hits = float(later_before)
            if at and places > before:
                hits += (places - before) * later_at / at
            precisions[step] = hits / FIRST
            step += 1
        for position in range(number):
            scores[touched[position]] = 0.0
            seen[touched[position]] = False
        for place in range(begin, end):
            state[agents[place]] = 0
    return ranks, precisions

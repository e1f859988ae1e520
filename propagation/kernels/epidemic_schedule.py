"""Compiled rounds of epidemics in one partition: agents are processed at their next scheduled event.

For epidemics in which nobody is infected twice. Draws have no state, so the round in which an agent leaves a
compartment is known when it enters. The agent is not processed until then, or until `HORIZON` rounds have passed, after
which its contacts are drawn for the next ones. The draws and the order of events are those of
`propagation.kernels.rules`.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.kernels.epidemics import SLOTS, rounds_until
from propagation.kernels.messages import take_places
from propagation.kernels.primitives import IN_WORD, WORD_SHIFT, put_in_order

HORIZON = SLOTS
"""Rounds for which the contacts of an infectious agent are drawn at once."""
_ONE = np.uint64(1)
_LAST_DRAW, _NO_SOURCE = np.uint32(0xFFFFFFFF), np.int32(0x7FFFFFFF)


class Entry(NamedTuple):
    """Agents that a round scheduled, by the round of their next event and by lane.

    Attributes
    ----------
    bounds : (HORIZON, lanes + 1) int64
        Those of lane l that are due k + 1 rounds later begin at ``bounds[k, l]`` and end at ``bounds[k, l + 1]``.
    agent : (k,) int32
    since : (k,) int32
        Round in which each entered its compartment if it leaves it at the event; else ``-1 - round``.
    """

    bounds: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]
    since: npt.NDArray[np.int32]


class Scheduled(NamedTuple):
    """Scratch: agents that a round schedules, (k,) each, lane after lane.

    Attributes
    ----------
    agent, since : (k,) int32
        As in `Entry`.
    after : (k,) uint8
        Rounds until their next event.
    ends : (lanes + 1,) int64
        The first is 0.
    """

    agent: npt.NDArray[np.int32]
    since: npt.NDArray[np.int32]
    after: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]


@numba.njit(nogil=True, cache=True, forceinline=True)
def _schedule_next(program, agent, since, compartment, number, salt, scheduled, at):  # type: ignore[no-untyped-def]
    """Schedule the next event of an agent as row `at`; return the next row."""
    age = number - since
    if program.leave_after[compartment] > 0:
        rounds = program.leave_after[compartment] - age
    else:
        stream, chance = program.leave_streams[compartment], program.leave_chance[compartment]
        rounds = rounds_until(stream, np.int64(agent), salt, chance, age)
    scheduled.agent[at], scheduled.since[at] = agent, since if rounds <= HORIZON else -1 - since
    scheduled.after[at] = min(rounds, HORIZON)
    return at + 1


@numba.njit(nogil=True, cache=True)
def schedule_all(program, salts, number, ends, agents, since, compartments, scheduled):  # type: ignore[no-untyped-def]
    """Schedule the next event of some agents.

    Parameters
    ----------
    salts : (lanes,) uint32
        Salt of each lane's replicate.
    number : int64
        The round.
    ends : (lanes + 1,) int64
        Where each lane's agents end.
    agents, since, compartments : (k,) int32, int32, uint8
    scheduled : Scheduled
        Out.
    """
    at = 0
    for lane in range(len(salts)):
        for i in range(ends[lane], ends[lane + 1]):
            at = _schedule_next(program, agents[i], since[i], compartments[i], number, salts[lane], scheduled, at)
        scheduled.ends[lane + 1] = at


@numba.njit(nogil=True, cache=True)
def sort_scheduled(scheduled, entry):  # type: ignore[no-untyped-def]
    """Sort agents by the round of their next event, and by lane.

    Parameters
    ----------
    scheduled : Scheduled
    entry : Entry
        Out; as long as there are agents.
    """
    lanes = len(scheduled.ends) - 1
    agents, since, after, ends = scheduled.agent, scheduled.since, scheduled.after, scheduled.ends
    to_agent, to_since = entry.agent, entry.since
    places = np.zeros((lanes, HORIZON), np.int64)
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            places[lane, after[i] - 1] += 1
    take_places(places, entry.bounds)
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            to = places[lane, after[i] - 1]
            places[lane, after[i] - 1] = to + 1
            to_agent[to], to_since[to] = agents[i], since[i]


@numba.njit(nogil=True, cache=True)
def settle_scheduled(  # type: ignore[no-untyped-def]  # noqa: C901
    program, first, compartments, salts, number, due_bounds, due_agents, due_since, inbox, best_draw, best_src, arrived,
    queue, n_live, infectious, scheduled, changes, counts, events, events_lane,
):  # fmt: skip
    """Receive the contacts of a round in every lane, and process the agents whose event is due.

    Parameters
    ----------
    first : int64
        First agent of the range.
    compartments : (lanes, n) uint8
        In and out.
    salts : (lanes,) uint32
        Salt of each lane's replicate.
    number : int64
        The round.
    due_bounds, due_agents, due_since : (entries, lanes + 1) int64, (k,) int32, (k,) int32
        The agents of the last rounds' entries that are due, one entry after the other.
    inbox : Inbox
        Contacts with agents not infected before this round.
    best_draw, best_src : (n,) uint32, int32
        Scratch.
    arrived : (n // 64 + 1,) uint64, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        Scratch.
    n_live, infectious : (lanes,) int64
        In and out: how many live agents there are, and those among them that are infectious.
    scheduled : Scheduled
        Out: agents with a new event.
    changes : Touched
        Out: agents that moved.
    counts : (lanes, COUNTS) int64, zero
        Out.
    events : Events
        Out; of length 0 where they are not recorded.
    events_lane : (k,) int32
        Out: the lane of each.

    Returns
    -------
    n_events : int
    """
    infects = np.int64(program.seeds_in)  # infectious agents are in the compartment of the seeds
    to = np.int64(program.target_to[infects, 0])
    chooses, lives, leave_to = program.chooses, program.live, program.leave_to
    all_dst, all_src, draws, bounds = inbox.messages.dst, inbox.messages.src, inbox.messages.draw, inbox.bounds
    start, n_events, at, n_changes = np.uint64(first), 0, 0, 0
    for lane in range(len(salts)):
        own, salt, had = compartments[lane], salts[lane], n_changes
        # 1. Who is infected, before anybody moves: agents that leave a compartment cannot be infected.
        size = 0
        for sender in range(len(bounds)):
            for i in range(bounds[sender, lane], bounds[sender, lane + 1]):
                a = np.uint64(all_dst[i]) - start
                word, bit = a >> WORD_SHIFT, _ONE << (a & IN_WORD)
                if arrived[word] & bit == 0:
                    arrived[word] |= bit
                    queue[size] = a
                    size += 1
                    best_draw[a], best_src[a] = _LAST_DRAW, _NO_SOURCE
                if chooses:
                    draw, src = draws[i], all_src[i]
                    if draw < best_draw[a] or (draw == best_draw[a] and src < best_src[a]):
                        best_draw[a], best_src[a] = draw, src
        # 2. Agents that are due: they leave their compartment, or are scheduled again.
        for entry in range(len(due_bounds)):
            for i in range(due_bounds[entry, lane], due_bounds[entry, lane + 1]):
                agent, since = np.int64(due_agents[i]), np.int64(due_since[i])
                a = np.uint64(agent) - start
                compartment = np.int64(own[a])
                if since < 0:
                    since = -1 - since
                else:
                    infectious[lane] -= compartment == infects
                    compartment, since = np.int64(leave_to[compartment]), number
                    infectious[lane] += compartment == infects
                    own[a] = compartment
                    changes.agent[n_changes], changes.compartment[n_changes] = agent, compartment
                    n_changes += 1
                if lives[compartment]:
                    at = _schedule_next(program, agent, since, compartment, number, salt, scheduled, at)
                else:
                    n_live[lane] -= 1
        # 3. Infected agents enter their compartment, in order, so that the rows read next lie one behind the other.
        put_in_order(arrived, queue, np.int64(0), np.int64(size))
        for position in range(size):
            a = np.uint64(queue[position])
            agent = np.int64(a) + first
            own[a] = to
            changes.agent[n_changes], changes.compartment[n_changes] = agent, to
            n_changes += 1
            if len(events.agent) > 0:
                events.agent[n_events], events.round[n_events] = agent, number
                events.infector[n_events], events.occasion[n_events] = best_src[a], 1
                events_lane[n_events] = lane
                n_events += 1
            if lives[to]:
                at = _schedule_next(program, agent, number, to, number, salt, scheduled, at)
        n_live[lane] += size * lives[to]
        infectious[lane] += size * (to == infects)
        scheduled.ends[lane + 1], changes.ends[lane + 1] = at, n_changes
        counts[lane, 0] = counts[lane, 1] = size
        counts[lane, 2], counts[lane, 3], counts[lane, 4] = infectious[lane], n_live[lane], n_changes > had
    return n_events

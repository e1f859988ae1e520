"""Compiled rounds of any model on a whole network: `send`, `receive` and `settle` until a lane is over."""

import numba
import numpy as np

from propagation.kernels.lane_arrays import FULL, IGNORED, OVER, PENDING, RECEIVED, STOPPED, STOPPED_EARLY, TRUNCATED
from propagation.kernels.rules import receive, send, settle


@numba.njit(nogil=True, cache=True)
def _can_succeed(first, state, messages, low, high):  # type: ignore[no-untyped-def]
    """Return whether one of the messages of a probe could change its target or source."""
    for i in range(low, high):  # noqa: SIM110 (any() is no kernel's)
        if (messages.value[i] >> state.compartment[messages.dst[i] - first]) & 1:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _is_closed(edges, program, state, n_live, number, salt, messages, hits):  # type: ignore[no-untyped-def]
    """Return whether no contact of live agents can change anything any more, and none of them can leave."""
    for i in range(n_live):
        compartment = state.compartment[state.live_agent[i]]
        if program.leave_chance[compartment] > 0 or program.leave_after[compartment] > 0:
            return False
    position, edge = np.int64(0), np.int64(0)
    while position < n_live:
        position, edge, count, _ = send(
            edges,
            program,
            np.int64(0),
            state,
            n_live,
            position,
            edge,
            number,
            salt,
            np.int64(0),
            np.int64(1),
            messages,
            hits,
        )
        if _can_succeed(np.int64(0), state, messages, np.int64(0), count):
            return False
    return True


@numba.njit(nogil=True, cache=True)
def run_rounds(  # type: ignore[no-untyped-def]  # noqa: C901
    edges, program, state, arrivals, salt, number, max_rounds, n_live, n_touched, last_change, quiet, stop,
    messages, stopped, hits, counts, events, n_events, contacts, n_contacts,
):  # fmt: skip
    """Run a lane over the whole network from the round after `number`, until it is over or some output is full.

    Parameters
    ----------
    number, last_change, quiet : int64
        Rounds run, the last one in which an agent moved, and whether a probe since then found that one still can.
    stop : (1,) uint8
        A nonzero value ends the run at the next round.
    stopped : (CHUNK + ...) int32
        Scratch buffer, as long as `messages`.
    counts : (rounds, 3) int64
        Out, by round: activations, first activations, and agents infectious at its end.
    events, contacts : Events, Contacts
        Out; of length 0 if not recorded.

    Returns
    -------
    why, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials : int
        `why` is OVER, TRUNCATED, FULL or STOPPED_EARLY.
    """
    every = np.int64(len(contacts.round) > 0)
    trials, before = 0, n_contacts
    while True:
        if n_live == 0:
            return OVER, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        ends = number == max_rounds
        if program.transmits_forever and not quiet and (ends or last_change < number):
            if _is_closed(edges, program, state, n_live, number, salt, messages, hits):
                # Only running a round shows that it changes nothing; such a round is not counted.
                n_contacts = before if last_change < number else n_contacts
                return OVER, last_change, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
            quiet = 1
        if ends:
            return TRUNCATED, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        if stop[0] != 0:
            return STOPPED_EARLY, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        # 1. Check that the outputs have room for everything that the round may record.
        needed = 0
        if every:
            for i in range(n_live):
                agent = state.live_agent[i]
                if program.transmits[state.compartment[agent]]:
                    needed += edges.offsets[agent + 1] - edges.offsets[agent]
        no_events = len(events.agent) > 0 and n_events + len(state.compartment) > len(events.agent)
        if number + 1 >= len(counts) or no_events or (every and n_contacts + needed > len(contacts.round)):
            return FULL, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        # 2. Contacts.
        number += 1
        n_arrived, before = np.int64(0), n_contacts
        position, edge = np.int64(0), np.int64(0)
        while position < n_live:
            position, edge, count, looked = send(
                edges,
                program,
                np.int64(0),
                state,
                n_live,
                position,
                edge,
                number,
                salt,
                every,
                np.int64(0),
                messages,
                hits,
            )
            trials += looked
            n_arrived, n_touched, n_stopped = receive(
                program,
                np.int64(0),
                state,
                arrivals,
                n_arrived,
                n_touched,
                messages,
                np.int64(0),
                count,
                every,
                stopped,
            )
            for i in range(n_stopped):
                arrivals.flags[stopped[i]] |= STOPPED
            if every:
                for i in range(count):
                    contacts.round[n_contacts], contacts.src[n_contacts] = number, messages.src[i]
                    contacts.dst[n_contacts], contacts.kind[n_contacts] = messages.dst[i], messages.kind[i]
                    n_contacts += 1
        # 3. Moves.
        n_live, n_events, new, distinct, infectious, changed = settle(
            program, np.int64(0), state, n_live, arrivals, n_arrived, number, salt, events, n_events
        )
        counts[number, 0], counts[number, 1], counts[number, 2] = new, distinct, infectious
        for i in range(before, n_contacts):
            if contacts.kind[i] == PENDING:
                contacts.kind[i] = RECEIVED if program.reached[state.compartment[contacts.dst[i]]] else IGNORED
        if changed:
            last_change, quiet = number, 0

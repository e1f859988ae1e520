"""A partition in lanes of epidemics without return: contacts travel once, with the round in which they succeed."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from propagation.kernels import dated_contacts as kernels
from propagation.kernels.lane_arrays import Messages
from propagation.kernels.mail import Mail
from propagation.kernels.partitions import LaneStates
from propagation.plans.fast_lanes import new_attempts
from propagation.plans.partitions import PartitionState, Sent, read_only, scratch_of
from propagation.plans.rule_lanes import new_messages
from propagation.plans.rule_partitions import RulePartition


class DatedPartition(RulePartition):
    """A range of agents in lanes of an epidemic in which nobody is infected again.

    States are those of `RulePartition`, with messages that are due in later rounds. A state that was taken up from a
    checkpoint has none: its infectious agents are looked at anew, for what is left of their rounds.
    """

    def settled(
        self, states: LaneStates, before: PartitionState, mail: Mail, stops: Sequence[npt.NDArray[np.int32]]
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        pending = self._nothing_pending() if before.pending is None else before.pending
        room = len(mail.messages.dst) + len(pending.messages.dst)
        now, later = self._room(room), self._room(room)
        infectious = int(self.program.seeds_in)
        value = (1 << int(self.program.single[infectious])) | (infectious << 8)
        kernels.sift_mail(
            self.first, states.compartment, np.int64(before.number + 1), np.int64(value), mail, pending, now, later
        )
        after = super().settled(states, before, _cut(now), stops)
        return dataclasses.replace(after, pending=_cut(later))

    def sent(self, states: LaneStates, state: PartitionState) -> Sent:
        """Return the messages of infectious agents for the rounds to come; see `Partition`."""
        if state.number == self.wave.one.max_rounds:
            return self.nothing_sent()
        edges, live = self.wave.edges, read_only(state.live)
        number, every = np.int64(state.number), np.int64(state.pending is None)
        ends = np.zeros(self.lanes + 1, np.int64)
        with scratch_of(self) as scratch:
            due = int(kernels.contacts_to_draw(edges.offsets, self.program, live, number, every))
            messages = scratch.room(due, named=bool(self.program.chooses))
            kernels.send_dated(
                edges, self.program, self.first, states.compartment, live, self.wave.salts, number,
                np.int64(self.wave.one.max_rounds), every, new_attempts(), messages, ends,
            )  # fmt: skip
            return self.sorted_mail(messages, ends)

    def _room(self, size: int) -> Mail:
        messages = new_messages(size, named=bool(self.program.chooses), recorded=False)
        return Mail(np.zeros((1, self.lanes + 1), np.int64), messages)

    def _nothing_pending(self) -> Mail:
        return self._room(0)


def _cut(mail: Mail) -> Mail:
    """Return messages, cut to what is used."""
    size = int(mail.bounds[0, -1])
    return Mail(mail.bounds, Messages._make(column[:size].copy() for column in mail.messages))

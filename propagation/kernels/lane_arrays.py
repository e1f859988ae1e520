"""The arrays that kernels of all models work on, and what the numbers in them mean."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

ARRIVED, SUCCEEDED, ADDED, MOVED, STOPPED, TOUCHED = 1, 2, 4, 8, 16, 32
"""Flags of an agent: in the list of arrivals; of a success; of a weight; moved by either; stopped; to be cleared."""
RECEIVED, IGNORED, SENT, PENDING = 0, 1, 2, 3
"""What became of a contact, in the order of `propagation.result.EVENT_TYPES`; pending until the round is settled."""
NOTHING = -(2**62)
"""Value of a contact that adds nothing and is sent only to be recorded."""
OVER, TRUNCATED, FULL, STOPPED_EARLY = 0, 1, 2, 3
"""Why `run_rounds` returned."""
CERTAIN = 2**32
"""Chance of what always happens."""


class LaneSeeds(NamedTuple):
    """Seeds of lanes: of lane l those from ``ends[s]`` to ``ends[s + 1]``, where s is ``of_lane[l]``.

    Attributes
    ----------
    of_lane : (lanes,) int32
        Which seed set each lane has.
    ends : (sets + 1,) int64
        Where each seed set ends; the first is 0.
    agents : (k,) int32
        Distinct within each set.
    """

    of_lane: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    agents: npt.NDArray[np.int32]

    def of(self, lane: int) -> npt.NDArray[np.int32]:
        """Return the seeds of a lane."""
        number = self.of_lane[lane]
        return self.agents[self.ends[number] : self.ends[number + 1]]

    def lanes(self, first: int, last: int) -> "LaneSeeds":
        """Return the seeds of the lanes from `first` to before `last`."""
        return self._replace(of_lane=self.of_lane[first:last])


class LaneState(NamedTuple):
    """State of the agents of a range in one lane; memory that a model does not need has length 0.

    Attributes
    ----------
    compartment : (n,) uint8
    occasion : (n,) int32
        Activations so far, where agents can be activated again.
    weight : (n,) int64
        Sum of weights, where contacts add.
    contacts : (n,) int32
        Contacts received in earlier rounds, where agents tire.
    live_agent, live_since : (n,) int32
        Live agents (dense ids), and the round in which each entered its compartment.
    """

    compartment: npt.NDArray[np.uint8]
    occasion: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int64]
    contacts: npt.NDArray[np.int32]
    live_agent: npt.NDArray[np.int32]
    live_since: npt.NDArray[np.int32]


class Arrivals(NamedTuple):
    """What arrived for the agents of a range in the present round.

    Attributes
    ----------
    flags : (n,) uint8
    best_draw, best_src, best_code : (n,) uint32, int32, uint8
        Draw, source and source's compartment of the contact that decides.
    fresh : (n,) int32
        Contacts of this round, where agents tire.
    arrived, bits : (n,) int32, (n // 64 + 1,) uint64
        Agents that something arrived for, by their place in the range: as a list, and as a set of one bit each.
    touched : (n,) int32
        Agents whose state is not the initial one.
    """

    flags: npt.NDArray[np.uint8]
    best_draw: npt.NDArray[np.uint32]
    best_src: npt.NDArray[np.int32]
    best_code: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.int32]
    arrived: npt.NDArray[np.int32]
    bits: npt.NDArray[np.uint64]
    touched: npt.NDArray[np.int32]


class Messages(NamedTuple):
    """Messages: (k,) each; `src` and `draw` have length 0 if infectors are not recorded, `kind` if contacts are not."""

    dst: npt.NDArray[np.int32]
    src: npt.NDArray[np.int32]
    value: npt.NDArray[np.int64]
    draw: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.int8]


class Events(NamedTuple):
    """Activations: (k,) int32 each; the infector of a seed is -1.

    `compartment`, the one that the agent entered, is uint8, and of length 0 unless messages compete.
    """

    agent: npt.NDArray[np.int32]
    round: npt.NDArray[np.int32]
    infector: npt.NDArray[np.int32]
    occasion: npt.NDArray[np.int32]
    compartment: npt.NDArray[np.uint8]


class Contacts(NamedTuple):
    """Contacts: (k,) int32 and, for what became of them, int8."""

    round: npt.NDArray[np.int32]
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]

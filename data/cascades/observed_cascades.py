"""Observed cascades in memory: who was activated when, and by whom, as flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

NO_INFECTOR = np.int32(-1)
"""Marks activations whose infector is unknown, and first activations of a cascade."""


@dataclass(frozen=True)
class ObservedCascades:
    """A set of observed cascades, its activations sorted by cascade, time and order of the source.

    Every agent occurs at most once in a cascade. Cascade ``i`` owns the activations ``offsets[i]`` to
    ``offsets[i + 1] - 1``.

    Attributes
    ----------
    name : str
        Name of the set.
    cascade_set_id : str
        UUID derived from the name, the content and what the import left out: the same rows under the same name have
        the same id.
    network_id, snapshot_id : str or None
        The network among whose agents the cascades spread; None without one.
    time_unit : str
        What a time of 1 means, such as ``seconds`` or ``rounds``.
    cascade_ids : Array of string, (n_cascades,)
        Ids of the cascades in the user's data.
    offsets : ndarray of int64, (n_cascades + 1,)
    agents : ndarray of int32, (n_activations,)
        Dense ids: those of the network, or without a network positions in `agent_ids`.
    times : ndarray of float64, (n_activations,)
        Time since the first activation of the cascade, in `time_unit`.
    infectors : ndarray of int32, (n_activations,)
        Dense id of the agent that activated this one; -1 where that is unknown, and for seeds.
    agent_ids : Array of string
        Ids of the agents in the user's data, by dense id.
    followers : ndarray of int64, (n_activations,), or None
        Agents who could see the activation, where the source says so; -1 where it does not.
    labels : Array of string, (n_cascades,), or None
        A label of each cascade, where the source has labels; null for cascades without one.
    """

    name: str
    cascade_set_id: str
    network_id: str | None
    snapshot_id: str | None
    time_unit: str
    cascade_ids: pa.Array
    offsets: npt.NDArray[np.int64]
    agents: npt.NDArray[np.int32]
    times: npt.NDArray[np.float64]
    infectors: npt.NDArray[np.int32]
    agent_ids: pa.Array
    followers: npt.NDArray[np.int64] | None = None
    labels: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def activations(self) -> int:
        """Number of activations in all cascades."""
        return len(self.agents)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Size of each cascade: its activations, one per agent."""
        return np.diff(self.offsets)

    @cached_property
    def cascades(self) -> npt.NDArray[np.int32]:
        """Position of each activation's cascade."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)

    @cached_property
    def durations(self) -> npt.NDArray[np.float64]:
        """Time between the first and the last activation of each cascade, in `time_unit`."""
        return self.times[self.offsets[1:] - 1] if len(self) else np.empty(0)

    @cached_property
    def parents(self) -> npt.NDArray[np.int64]:
        """Row of each activation's infector, (activations,); -1 where it is unknown or not in the cascade."""
        from data.cascades.trees import infector_rows  # compiled

        found: npt.NDArray[np.int64] = infector_rows(self.offsets, self.agents, self.infectors, len(self.agent_ids))
        return found

    def with_id(self, cascade_set_id: str) -> "ObservedCascades":
        """Return the same cascades under another id of their set."""
        return replace(self, cascade_set_id=cascade_set_id)

    def select(self, positions: Sequence[int] | npt.NDArray[np.integer]) -> "ObservedCascades":
        """Return the cascades at these positions, in this order, such as a training set.

        Raises
        ------
        InvalidInputError
            If a position is not a whole number from 0 to one less than the number of cascades.
        """
        given = np.asarray(positions)
        if given.ndim != 1 or (len(given) and not np.issubdtype(given.dtype, np.integer)):
            raise InvalidInputError(f"positions {positions!r} are not a list of whole numbers")
        if len(outside := given[(given < 0) | (given >= len(self))]):
            raise InvalidInputError(
                f"cascades {self.name!r} have no cascade at position {outside[0]}; positions are 0 to {len(self) - 1:,}"
            )
        chosen = given.astype(np.int64)
        sizes = self.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], sizes)
        return self._part(chosen, offsets, rows)

    def until(self, time: float) -> "ObservedCascades":
        """Return what had happened `time` after each cascade's first activation, in `time_unit`.

        Raises
        ------
        InvalidInputError
            If `time` is negative or no number: every cascade begins at time 0.
        """
        if not (isinstance(time, int | float | np.number) and time >= 0):
            raise InvalidInputError(f"time is {time!r}; a cascade begins at time 0, so give 0 or more {self.time_unit}")
        kept = self.times <= time
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets].astype(np.int64)
        return self._part(np.arange(len(self)), offsets, np.flatnonzero(kept))

    def _part(
        self, chosen: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> "ObservedCascades":
        """Return the cascades at some positions, each with some of its activations."""
        return replace(
            self,
            cascade_ids=self.cascade_ids.take(pa.array(chosen)),
            offsets=offsets,
            agents=self.agents[rows],
            times=self.times[rows],
            infectors=self.infectors[rows],
            followers=None if self.followers is None else self.followers[rows],
            labels=None if self.labels is None else self.labels.take(pa.array(chosen)),
        )

    def frame(self) -> "pd.DataFrame":
        """Return one row per activation: cascade_id, agent_id, time, infector_id, in the order of the arrays."""
        import pandas as pd

        infectors = pa.array(self.infectors, mask=self.infectors == NO_INFECTOR)
        return pd.DataFrame(
            {
                "cascade_id": self.cascade_ids.take(pa.array(self.cascades)).to_pandas(),
                "agent_id": self.agent_ids.take(pa.array(self.agents)).to_pandas(),
                "time": self.times,
                "infector_id": self.agent_ids.take(infectors).to_pandas(),
            }
        )

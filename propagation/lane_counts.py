"""Lanes: counts of the replicates of a session, round by round."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Lanes:
    """Finished replicates of one session, in order.

    Attributes
    ----------
    lengths : (replicates,) int64
        Rounds counted below, that of the seeds included; later ones had no activations.
    activations : (sum of lengths,) int32
        Activations by round, replicate after replicate.
    rounds : (replicates,) int64
        Rounds simulated until the replicate was over, or `max_rounds`.
    truncated : (replicates,) bool
        Whether it was not over at `max_rounds`.
    distinct, infectious : (sum of lengths,) int32, or None
        Agents activated for the first time, and agents that are reached and transmit after the round; None where both
        are the activations.
    """

    lengths: npt.NDArray[np.int64]
    activations: npt.NDArray[np.int32]
    rounds: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.bool_]
    distinct: npt.NDArray[np.int32] | None = None
    infectious: npt.NDArray[np.int32] | None = None

    @staticmethod
    def of_cascades(
        lengths: npt.NDArray[np.int64],
        activations: npt.NDArray[np.int32],
        truncated: npt.NDArray[np.bool_],
        max_rounds: int,
    ) -> "Lanes":
        """Return lanes whose agents transmit once, with activations in every round that is counted."""
        # The round after the last activation activates nobody, unless max_rounds ended the lane.
        return Lanes(lengths, activations, np.where(truncated, max_rounds, lengths), truncated)

    @staticmethod
    def of_counts(series: Sequence[npt.NDArray[np.int32]], rounds: list[int], truncated: list[bool]) -> "Lanes":
        """Return lanes from each one's counts, (rounds, 3) int32: activations, distinct, infectious."""
        together = np.concatenate([*series, np.empty((0, 3), np.int32)])
        return Lanes(
            lengths=np.array([len(counts) for counts in series], np.int64),
            activations=together[:, 0].copy(),
            rounds=np.array(rounds, np.int64),
            truncated=np.array(truncated, bool),
            distinct=together[:, 1].copy(),
            infectious=together[:, 2].copy(),
        )

    @staticmethod
    def joined(parts: Sequence["Lanes"]) -> "Lanes":
        """Return the replicates of some lanes, one after the other."""
        if len(parts) == 1:
            return parts[0]

        def together(name: str) -> Any:
            arrays = [getattr(part, name) for part in parts]
            return None if arrays[0] is None else np.concatenate(arrays)

        return Lanes(**{field.name: together(field.name) for field in dataclasses.fields(Lanes)})

    def chosen(self, replicates: npt.NDArray[np.bool_]) -> "Lanes":
        """Return some of the replicates."""
        counted = np.repeat(replicates, self.lengths)
        return Lanes(
            self.lengths[replicates],
            self.activations[counted],
            self.rounds[replicates],
            self.truncated[replicates],
            None if self.distinct is None else self.distinct[counted],
            None if self.infectious is None else self.infectious[counted],
        )

    def split(self, replicates: Sequence[int]) -> list["Lanes"]:
        """Return the lanes split into parts with these numbers of replicates."""
        if len(replicates) == 1:
            return [self]
        at = np.cumsum(replicates)
        counted = np.concatenate([[0], np.cumsum(self.lengths)])[at]
        parts = [
            [None] * len(replicates) if (values := getattr(self, name)) is None else np.split(values, where[:-1])
            for name, where in (
                ("lengths", at),
                ("activations", counted),
                ("rounds", at),
                ("truncated", at),
                ("distinct", counted),
                ("infectious", counted),
            )
        ]
        return [Lanes(*fields) for fields in zip(*parts, strict=True)]

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Distinct agents reached, (replicates,) int64."""
        counts = self.activations if self.distinct is None else self.distinct
        return np.add.reduceat(counts.astype(np.int64), self._starts)

    @property
    def depths(self) -> npt.NDArray[np.int64]:
        """Last round with activations, (replicates,) int64."""
        return np.maximum.reduceat(np.where(self.activations > 0, self._rounds_counted, 0), self._starts)

    @property
    def peak_rounds(self) -> npt.NDArray[np.int64]:
        """First of the rounds with most activations, (replicates,) int64."""
        peaks = np.repeat(np.maximum.reduceat(self.activations, self._starts), self.lengths)
        beyond = self._rounds_counted.max(initial=0) + 1
        return np.minimum.reduceat(np.where(self.activations == peaks, self._rounds_counted, beyond), self._starts)

    @property
    def half_rounds(self) -> npt.NDArray[np.int64]:
        """First round by which at least half of the distinct agents reached were activated, (replicates,) int64."""
        counts = self.activations if self.distinct is None else self.distinct
        reached = counts.cumsum(dtype=np.int64)
        before = np.repeat(reached[self._starts] - counts[self._starts], self.lengths)
        is_half = 2 * (reached - before) >= np.repeat(self.sizes, self.lengths)
        beyond = self._rounds_counted.max(initial=0) + 1
        return np.minimum.reduceat(np.where(is_half, self._rounds_counted, beyond), self._starts)

    @property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each replicate's counts begin."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def _rounds_counted(self) -> npt.NDArray[np.int64]:
        """Round of every count."""
        return np.arange(len(self.activations)) - np.repeat(self._starts, self.lengths)

    def by_round(self, quantity: str, rounds: int) -> npt.NDArray[np.int32]:
        """Return a quantity as a matrix (rounds, replicates) int32; after a replicate is over it stays as it was.

        Parameters
        ----------
        quantity : str
            ``activations``, ``distinct`` or ``infectious``.
        rounds : int
            At least the largest of `lengths`.
        """
        values = getattr(self, quantity)
        lasting = quantity == "infectious" and values is not None
        values = self.activations if values is None else values
        matrix = np.zeros((rounds, len(self.lengths)), np.int32)
        matrix[self._rounds_counted, np.repeat(np.arange(len(self.lengths)), self.lengths)] = values
        if lasting:
            later = np.arange(rounds)[:, None] >= self.lengths
            matrix += later * values[self._starts + self.lengths - 1]
        return matrix


@dataclass(frozen=True)
class AgentReach:
    """How often and when agents were reached, for agents reached at all.

    Attributes
    ----------
    agents : (k,) int32
        Dense ids, ascending.
    times, round_sums : (k,) int64
        Replicates that reached the agent, and the sum of the rounds at which they did.
    """

    agents: npt.NDArray[np.int32]
    times: npt.NDArray[np.int64]
    round_sums: npt.NDArray[np.int64]

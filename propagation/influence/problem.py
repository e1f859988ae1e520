"""What influence maximisation is asked: the spread to maximise, who may be seeded at which cost, and who counts."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.networks.network import Network
from propagation.influence.live_edges import LiveEdges


def no_agents() -> npt.NDArray[np.int32]:
    """Return an empty list of dense ids."""
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class InfluenceProblem:
    """A spread to maximise by seeds within a budget.

    Attributes
    ----------
    network : Network
    spread : LiveEdges
        Live-edge form of the model.
    budget : float
        Most seeds to add; with `costs`, the most that they may cost together.
    random_seed : int
        Random seed of the selection's draws, which are independent of those of sessions, whatever their seed.
    max_rounds : int
        Last round in which agents may be reached.
    blocked : (k,) int32
        Dense ids of agents that can be neither reached nor seeded.
    weights : (n_ids,) float64 or None
        How much each agent counts, at least 0; None: each counts 1.
    costs : (n_ids,) float64 or None
        Cost of seeding each agent, above 0; infinite or missing: it cannot be seeded; None: each costs 1.
    given : (k,) int32
        Dense ids of seeds that there are already; they are not paid from the budget.
    pool : (k,) int32 or None
        Dense ids of the agents from which seeds are chosen; None: all.
    """

    network: Network
    spread: LiveEdges
    budget: float
    random_seed: int = 0
    max_rounds: int = 10_000
    blocked: npt.NDArray[np.int32] = field(default_factory=no_agents)
    weights: npt.NDArray[np.float64] | None = None
    costs: npt.NDArray[np.float64] | None = None
    given: npt.NDArray[np.int32] = field(default_factory=no_agents)
    pool: npt.NDArray[np.int32] | None = None

    @property
    def n_agents(self) -> int:
        """Length of arrays by dense id."""
        return self.network.n_ids

    @cached_property
    def is_blocked(self) -> npt.NDArray[np.bool_]:
        """Agents that can be neither reached nor seeded, reserved ids among them, (n_ids,) bool."""
        found = np.zeros(self.n_agents, np.bool_)
        found[self.blocked] = True
        found[self.network.reserved] = True
        return found

    @cached_property
    def blocked_bits(self) -> npt.NDArray[np.uint8]:
        """`is_blocked` as one bit per agent, (n_ids // 8 + 1,) uint8."""
        bits = np.zeros(self.n_agents // 8 + 1, np.uint8)
        packed = np.packbits(self.is_blocked, bitorder="little")
        bits[: len(packed)] = packed
        return bits

    @cached_property
    def may_be_seeded(self) -> npt.NDArray[np.bool_]:
        """Agents that may be chosen, (n_ids,) bool."""
        return self._seedable if self.costs is None else self._seedable & (self.costs <= self.budget)  # not if missing

    @cached_property
    def _seedable(self) -> npt.NDArray[np.bool_]:
        """Agents that may be chosen whatever they cost, (n_ids,) bool."""
        found = ~self.is_blocked
        if self.pool is not None:
            in_pool = np.zeros(self.n_agents, np.bool_)
            in_pool[self.pool] = True
            found &= in_pool
        found[self.given] = False
        return found

    @cached_property
    def counted(self) -> npt.NDArray[np.int32]:
        """Agents that count, ascending: those from which roots are drawn, (k,) int32."""
        counts = ~self.is_blocked if self.weights is None else ~self.is_blocked & (self.weights > 0)
        return np.flatnonzero(counts).astype(np.int32)

    @cached_property
    def mass(self) -> float:
        """Sum of the weights of all agents that can be reached: the most that any seeds could reach."""
        return float(len(self.counted)) if self.weights is None else float(self.weights[self.counted].sum())

    @cached_property
    def most_seeds(self) -> int:
        """Most seeds that the budget allows."""
        if self.costs is None:
            return min(int(self.budget), int(self.may_be_seeded.sum()))
        ascending = np.sort(self.costs[self.may_be_seeded])
        return int(np.searchsorted(np.cumsum(ascending), self.budget * (1 + 1e-12), side="right"))

    @cached_property
    def least_reach(self) -> float:
        """What the best seeds reach at least: themselves and the given seeds."""
        of_agents = np.ones(self.n_agents) if self.weights is None else self.weights
        candidates = of_agents[self.may_be_seeded]
        most = self.most_seeds if self.costs is None else 1
        best = np.partition(candidates, len(candidates) - most)[len(candidates) - most :] if most else candidates[:0]
        return max(float(best.sum() + of_agents[self.given].sum()), self.mass / self.n_agents)

    def check(self) -> None:
        """Raise InvalidInputError if no agent counts, or the budget buys no seed or more than there are."""
        if not len(self.counted):
            raise InvalidInputError("no agent counts: every target is blocked or has weight 0; choose other targets")
        available = int(self.may_be_seeded.sum())
        if self.costs is None and self.budget > available:
            raise InvalidInputError(
                f"seed budget {int(self.budget):,} exceeds the {available:,} agents of network "
                f"{self.network.network_id!r} that may be seeded"
            )
        if not self.most_seeds:
            prices = np.ones(self.n_agents) if self.costs is None else self.costs
            prices = prices[self._seedable & np.isfinite(prices)]
            if not len(prices):
                raise InvalidInputError(
                    "no agent can be chosen: those with a cost are given or blocked already, or there is no cost; give "
                    "some others a cost"
                )
            raise InvalidInputError(f"budget {self.budget:g} buys no seed: the cheapest agent costs {prices.min():g}")


@dataclass(frozen=True, eq=False)
class Selection:
    """Seeds with what their selection knows about their reach.

    Attributes
    ----------
    seeds : (k,) int32
        Dense ids in the order chosen, without the given ones.
    method : str
        How they were chosen.
    samples : int
        Reverse-reachable sets, or sketches, that were generated.
    reach : float
        Estimated reach, the given seeds' included, in agents or in the unit of their weights.
    least, most : float or None
        With probability 1 - delta, the seeds reach at least `least`, and no seeds within the budget more than `most`;
        None if the method bounds neither.
    """

    seeds: npt.NDArray[np.int32]
    method: str
    samples: int
    reach: float
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Guaranteed share of the best possible reach, with probability 1 - delta; None without a guarantee."""
        return None if self.least is None or self.most is None else self.least / self.most

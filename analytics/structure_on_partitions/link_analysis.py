"""PageRank on partitions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import IN, Neighbours
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.errors import InvalidInputError
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client

MOST_ROUNDS = 10_000
"""Rounds after which an iteration that has not reached its tolerance is given up."""
LIMB_BITS, LIMBS = 32, 3
"""Digits of the fixed-point numbers in which ranks are added up, and their number."""


def pagerank(
    network: Network,
    *,
    damping: float = 0.85,
    rounds: int | None = None,
    tolerance: float = 1e-9,
    partitions: int,
    client: "Client | None" = None,
) -> npt.NDArray[np.float64]:
    """Return the PageRank of every agent; the ranks sum to 1.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. An agent passes its rank on in
    equal parts along its out-edges; agents without any pass it on to all agents alike. With `rounds`, this is LDBC
    Graphalytics' definition. The parts that an agent receives are added in the order of their senders, and the rank of
    agents without out-edges as exact integers: the values are the same, bit for bit, for any number of partitions.

    Parameters
    ----------
    network : Network
    damping : float
        Share of its rank that an agent passes on, in [0, 1).
    rounds : int, optional
        Number of rounds; the first starts with 1 / n. Default: as many as the tolerance takes.
    tolerance : float
        Without `rounds`: stop when ranks change by less than this in total.
    partitions : int
        Number of partitions, at least 1; never more than there are agents.
    client : distributed.Client, optional
        Default: threads of this process.

    Returns
    -------
    (n,) float64
        By dense id.

    Raises
    ------
    InvalidInputError
        If a parameter is out of its range.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Page, Brin, Motwani, Winograd (1999), The PageRank citation ranking. Iosup et al. (2016), LDBC Graphalytics.
    """
    if not 0 <= damping < 1:
        raise InvalidInputError(f"damping {damping} is not in [0, 1); the usual value is 0.85")
    if rounds is not None and rounds < 1:
        raise InvalidInputError(f"rounds {rounds} is less than 1; leave it out to iterate until the values settle")
    if not tolerance > 0:
        raise InvalidInputError(f"tolerance {tolerance} is not above 0; the usual value is 1e-9")
    program = PageRank(damping, MOST_ROUNDS if rounds is None else rounds, 0.0 if rounds else tolerance)
    found = run(program, network, partitions=partitions, client=client)
    return network.of_agents(np.concatenate(found))


class _Ranks(NamedTuple):
    """Ranks of a partition's agents, and what share of its rank each passes on along an edge."""

    ranks: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PageRank(VertexProgram):
    """PageRank by the power method.

    Attributes
    ----------
    damping : float
    rounds : int
        Number of partitions, at least 1; never more than there are agents.
    tolerance : float
        Zero to run all rounds.
    """

    name: ClassVar[str] = "PageRank"
    damping: float
    rounds: int
    tolerance: float

    def lasts(self, superstep: int, totals: tuple[int, ...]) -> bool:
        """Return whether there are rounds left, and ranks still change."""
        return superstep < self.rounds and totals[0] >= exact_sum(np.array([self.tolerance]))

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Start with equal ranks."""
        rows = slice(part.first, part.first + part.size + 1)
        degree = np.diff(part.network.sparse_rows.offsets[rows])
        share = np.divide(self.damping, degree, out=np.zeros(part.size), where=degree > 0)
        ranks = np.where(part.is_agent, 1 / part.network.n_agents, 0.0)
        return self._step(_Ranks(ranks, share), np.ones(part.size))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Add up what arrives along edges, and what everybody gets."""
        dangling = received.totals[1] / 2 ** (LIMB_BITS * LIMBS)  # correctly rounded
        to_all = (1 - self.damping + self.damping * dangling) / part.network.n_agents
        ranks = _sum_over_in_edges(*part.rows, received.of_neighbours)
        ranks += to_all
        ranks[~part.is_agent] = 0.0
        return self._step(_Ranks(ranks, state.share), np.abs(ranks - state.ranks))

    def _step(self, state: _Ranks, changes: npt.NDArray[np.float64]) -> Step:
        dangling = state.ranks[state.share == 0]
        return Step(state, Sent(state.ranks * state.share, (exact_sum(changes), exact_sum(dangling))))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.float64]:  # noqa: ARG002
        """Return the ranks."""
        ranks: npt.NDArray[np.float64] = state.ranks
        return ranks


def exact_sum(values: npt.NDArray[np.float64]) -> int:
    """Return the sum of numbers as an integer multiple of 2^-96, the same in whatever order they are added.

    Parameters
    ----------
    values : (k,) float64
        Not negative, at most 1. The sum is exact for those above 2^-43; smaller ones are cut to multiples of 2^-96.

    Examples
    --------
    >>> exact_sum(np.array([0.5, 0.25])) / 2**96
    0.75
    """
    total = 0
    for _ in range(LIMBS):
        values = values * 2.0**LIMB_BITS
        whole = np.floor(values)
        total = (total << LIMB_BITS) + int(whole.astype(np.int64).sum())
        values = values - whole
    return total


@numba.njit(nogil=True, cache=True)
def _sum_over_in_edges(offsets, places, directions, values):  # type: ignore[no-untyped-def]
    """Return the sums of the values of each agent's in-neighbours, in ascending order of these."""
    sums = np.empty(len(offsets) - 1)
    for agent in range(len(sums)):
        total = 0.0
        for edge in range(offsets[agent], offsets[agent + 1]):
            if directions[edge] & IN:
                total += values[np.uint32(places[edge])]
        sums[agent] = total
    return sums

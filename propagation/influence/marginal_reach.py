"""Reach of the first seeds of a list, for every number of them, from one pass over the replicates.

In models with a live-edge form, the agents that the first i + 1 seeds reach are those that the first i reach, and those
that live edges lead to from the next seed. Its cascade is thus simulated among the agents not reached so far, with the
draws of sessions: the sums are those of sessions with these seeds, replicate for replicate.
"""

import numba
import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.draws import Purpose, replicate_salts, stream
from propagation.influence.live_edges import EVENTUALLY, live_edges
from propagation.influence.problem import no_agents
from propagation.kernels.cascades import rounds_of_lane
from propagation.kernels.primitives import CHUNK
from propagation.kernels.thresholds import add_round
from propagation.models.model import Model
from propagation.own_threads import in_parallel
from propagation.weights import AttemptRows, attempt_rows, blocked_rows

REPLICATES_PER_TASK = 64
MORE_ROUNDS = np.int64(1 << 30)
_COUNTS = 256


def has_marginal_reach(network: Network, model: Model, max_rounds: int) -> bool:
    """Return whether `marginal_reach` knows a model: a cascade or threshold model without a limit on rounds."""
    found = live_edges(network, model)
    return found is not None and found.form != "epidemic" and max_rounds >= EVENTUALLY


def marginal_reach(
    network: Network,
    model: Model,
    seeds: npt.NDArray[np.int32],
    *,
    replicates: int,
    random_seed: int = 0,
    blocked: npt.NDArray[np.int32] | None = None,
    weights: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float64]:
    """Return what each seed adds to the reach of those before it, in every replicate.

    Parameters
    ----------
    network : Network
    model : Model
        For which `has_marginal_reach` holds.
    seeds : (k,) int32
        Dense ids of distinct agents.
    replicates : int
        At least 1; replicates 0 to `replicates` - 1 of sessions with this random seed.
    random_seed : int
    blocked : (b,) int32, optional
        Dense ids of agents that cannot be reached, ascending.
    weights : (n_ids,) float64, optional
        How much each agent counts; default: 1.

    Returns
    -------
    (replicates, k) float64
        In agents, or in the unit of the weights. The sum of a row's first i numbers is the reach of the first i seeds.
    """
    found = live_edges(network, model)
    assert found is not None
    barred = tuple((no_agents() if blocked is None else blocked).tolist())
    of_network = found.weights if found.form == "cascade" else (model.influence() or found.weights)
    rows = (
        blocked_rows(network, of_network, random_seed, barred)
        if barred
        else attempt_rows(network, of_network, random_seed)
    )
    counted = np.empty(0) if weights is None else weights
    gains = np.zeros((replicates, len(seeds)))
    in_degree = model.thresholds(network).in_degree if found.form == "threshold" else None
    divisors = np.empty(0, np.int64) if in_degree is None else in_degree

    def run(first: int, last: int) -> None:
        part, salts = gains[first:last], replicate_salts(np.arange(first, last))
        if found.form == "cascade":
            _run_cascades(rows, random_seed, salts, seeds, counted, part)
        else:
            _run_thresholds(rows, divisors, random_seed, salts, seeds, counted, part)

    starts = range(0, replicates, REPLICATES_PER_TASK)
    in_parallel(run, [(at, min(at + REPLICATES_PER_TASK, replicates)) for at in starts])
    return gains


def _run_cascades(
    rows: AttemptRows,
    random_seed: int,
    salts: npt.NDArray[np.uint32],
    seeds: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    gains: npt.NDArray[np.float64],
) -> None:
    n = rows.n_agents
    _cascade_gains(
        rows.offsets, rows.words, np.int64(rows.base), stream(random_seed, Purpose.TRANSMISSION), salts, seeds, weights,
        np.zeros(1, np.uint8), np.zeros(n // 8 + 1, np.uint8), np.zeros(n // 64 + 1, np.uint64),
        np.empty(n, np.int32), gains,
    )  # fmt: skip


def _run_thresholds(
    rows: AttemptRows,
    in_degree: npt.NDArray[np.int64],
    random_seed: int,
    salts: npt.NDArray[np.uint32],
    seeds: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    gains: npt.NDArray[np.float64],
) -> None:
    n = rows.n_agents
    _threshold_gains(
        rows.offsets, rows.words, np.int64(rows.base), in_degree, stream(random_seed, Purpose.THRESHOLD), salts, seeds,
        weights, np.zeros(n // 8 + 1, np.uint8), np.zeros(n // 64 + 1, np.uint64), np.empty(n, np.int32),
        np.zeros(n, np.uint32), np.empty(n + 1, np.int32), gains,
    )  # fmt: skip


@numba.njit(nogil=True, cache=True, forceinline=True)
def _sum_of(queue, first, last, weights):  # type: ignore[no-untyped-def]
    """Return how much the agents ``queue[first:last]`` count."""
    if len(weights) == 0:
        return np.float64(last - first)
    total = 0.0
    for position in range(first, last):
        total += weights[queue[position]]
    return total


@numba.njit(nogil=True, cache=True)
def _cascade_gains(  # type: ignore[no-untyped-def]
    offsets, words, base, stream, salts, seeds, weights, stop, reached, arrived, queue, gains,
):  # fmt: skip
    """Write what each seed adds in each replicate; arrays as in `propagation.kernels.cascades.sparse_cascades`."""
    hits, counts, everyone = np.zeros(CHUNK, np.uint8), np.empty(_COUNTS, np.int32), np.int64(len(queue))
    for lane in range(len(salts)):
        tail = np.int64(0)
        for i in range(len(seeds)):
            seed, begin = seeds[i], tail
            if reached[seed >> 3] & np.uint8(1 << (seed & 7)):
                continue
            reached[seed >> 3] |= np.uint8(1 << (seed & 7))
            queue[tail] = seed
            head, tail = tail, tail + 1
            while head < tail:
                _, head, tail, _ = rounds_of_lane(
                    offsets, words, base, stream, salts[lane], np.int64(_COUNTS - 1), stop, everyone, reached, arrived,
                    queue, hits, counts, np.int64(0), head, tail,
                )  # fmt: skip
            gains[lane, i] = _sum_of(queue, begin, tail, weights)
        for position in range(tail):
            reached[queue[position] >> 3] = 0


@numba.njit(nogil=True, cache=True)
def _threshold_gains(  # type: ignore[no-untyped-def]
    offsets, words, base, in_degree, stream, salts, seeds, weights, reached, arrived, queue, lacking, added, gains,
):  # fmt: skip
    """Write what each seed adds in each replicate; arrays as in `propagation.kernels.thresholds.threshold_lanes`."""
    drawn = np.empty(0, np.int64)
    for lane in range(len(salts)):
        tail, n_added = np.int64(0), 0
        for i in range(len(seeds)):
            seed, begin = seeds[i], tail
            if reached[seed >> 3] & np.uint8(1 << (seed & 7)):
                continue
            reached[seed >> 3] |= np.uint8(1 << (seed & 7))
            queue[tail] = seed
            head, tail = tail, tail + 1
            while head < tail:
                level = tail
                tail, _, n_added = add_round(
                    offsets, words, base, drawn, in_degree, stream, salts[lane], head, level, reached, arrived, queue,
                    lacking, added, n_added,
                )  # fmt: skip
                head = level
            gains[lane, i] = _sum_of(queue, begin, tail, weights)
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        for position in range(n_added):
            lacking[added[position]] = 0

"""Greedy choice by simulated reach, for every model, also those without a live-edge form.

Thousands of seed sets are simulated as sessions of one job, with common random numbers. Where a model is submodular
this is the greedy algorithm of Kempe, Kleinberg, Tardos (KDD 2003) with the lazy evaluation of CELF (Leskovec et al.,
KDD 2007); where it is not, as with fixed thresholds, gains may grow, lazy evaluation may overlook some, and there is no
guarantee.
"""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import InvalidInputError
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from propagation.draws import Purpose, stream
from propagation.influence.problem import Selection
from propagation.influence.requests import SeedRequest
from propagation.influence.selection import check_accuracy
from propagation.jobs import run_sessions
from propagation.models.model import Model
from propagation.sessions import Session, resolve_session

REPLICATES = 256
"""Replicates of each seed set for an epsilon of 0.1, four words of 64 lanes; a smaller epsilon means more."""
MOST_REPLICATES = 1 << 14
CANDIDATES = 100
"""Agents that are tried at least: those with most out-edges."""
PER_SEED = 4
"""Agents that are tried for each seed of the budget."""
TOGETHER = 16
"""Stale candidates that are simulated together when one of them comes first."""
SIMULATION_STREAM = 101
"""Variant of the stream from which the random seed of the simulations is taken."""

logger = logging.getLogger(__name__)


def select_by_simulation(
    network: Network,
    model: Model,
    request: SeedRequest,
    *,
    max_rounds: int,
    blocked: Sequence[Any] = (),
    progress: Progress = ignore_progress,
) -> Selection:
    """Choose seeds one by one, each time the one that adds most to the simulated reach.

    Parameters
    ----------
    network : Network
    model : Model
        Any model.
    request : SeedRequest
        Without costs, targets and weights.
    max_rounds : int
        Last round with activations.
    blocked : sequence of agent ids
        Agents that can be neither reached nor seeded.
    progress : Progress, optional
        Called with the seeds chosen.

    Raises
    ------
    InvalidInputError
        If the request has costs, targets or weights, exceeds the agents, or a number in it breaks its rule.
    """
    if request.costs is not None or request.weights is not None or request.targets:
        raise InvalidInputError("method simulation knows no costs, targets and weights; leave them out, or use opim_c")
    barred = network.dense_ids(blocked) if len(blocked) else np.empty(0, np.int32)
    check_accuracy(request.epsilon, request.delta)
    given = request.given_seeds(network, barred.tolist())
    most = request.checked_budget()
    candidates = _candidates(network, int(most), np.union1d(given, barred))
    if len(candidates) < most:
        raise InvalidInputError(
            f"seed budget {int(most):,} exceeds the {len(candidates):,} agents of network {network.network_id!r} that "
            "may be seeded"
        )
    replicates = replicates_of(request.epsilon)
    draws = int(stream(request.random_seed, Purpose.INFLUENCE, SIMULATION_STREAM)) >> 1
    pattern = resolve_session(
        network, model, seed_set=network.agent_ids.take(pa.array(candidates[:1])).to_pylist(), replicates=replicates,
        random_seed=draws, max_rounds=max_rounds, blocked=blocked,
    )  # fmt: skip
    reach = _Reach(network, pattern)
    chosen = given.tolist()
    # 1. What each candidate adds to the given seeds.
    before = reach.of([chosen])[0] if chosen else 0.0
    scores = reach.of([[*chosen, agent] for agent in candidates.tolist()]) - before
    stamps, total = np.zeros(len(candidates), np.int64), before
    # 2. The best candidate is chosen once its gain is known for the seeds so far.
    for number in range(int(most)):
        while True:
            order = np.lexsort((candidates, -scores))
            if stamps[order[0]] == number:
                break
            stale = order[:TOGETHER][stamps[order[:TOGETHER]] < number]
            scores[stale] = reach.of([[*chosen, agent] for agent in candidates[stale].tolist()]) - total
            stamps[stale] = number
        best = order[0]
        chosen.append(int(candidates[best]))
        total += float(scores[best])
        logger.info("seed %d adds %.1f agents to %.1f", number + 1, scores[best], total - scores[best])
        scores[best] = -np.inf
        progress("seeds by simulation", number + 1, int(most))
    return Selection(np.array(chosen[len(given) :], np.int32), "simulation", reach.simulated, total)


def _candidates(network: Network, budget: int, excluded: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return the agents with most out-edges that are not excluded, ties by dense id."""
    order = np.argsort(-network.out_degree, kind="stable").astype(np.int32)
    order = order[~np.isin(order, np.union1d(excluded, network.reserved))]
    return order[: number_of_candidates(budget)]


def number_of_candidates(budget: int) -> int:
    """Return how many agents are tried at most, those with most out-edges."""
    return max(CANDIDATES, PER_SEED * budget)


def replicates_of(epsilon: float) -> int:
    """Return the replicates with which each seed set is simulated, whole words of 64 lanes."""
    return int(min(max(REPLICATES * (0.1 / epsilon) ** 2, 64), MOST_REPLICATES)) // 64 * 64


class _Reach:
    """Mean reach of seed sets in sessions that are otherwise alike."""

    def __init__(self, network: Network, pattern: Session) -> None:
        self.network, self.pattern, self.simulated = network, pattern, 0

    def of(self, seed_sets: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        sessions = [prefix_session(self.network, self.pattern, seeds) for seeds in seed_sets]
        results = run_sessions(self.network, sessions, publish=False)
        self.simulated += len(sessions)
        return np.array([results[session.session_id].reach.mean for session in sessions])


def prefix_session(network: Network, pattern: Session, seeds: Sequence[int]) -> Session:
    """Return a session with other seeds, given by dense id."""
    names = network.agent_ids.take(pa.array(seeds, pa.int32())).to_pylist()
    return dataclasses.replace(pattern, seeds=tuple(seeds), seed_agents=tuple(names))

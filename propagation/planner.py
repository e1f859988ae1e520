"""The planner: which physical plan a job gets, why, and what it will cost; it refuses what cannot fit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from data.errors import InsufficientMemoryError, InvalidInputError
from data.snapshots import Network
from propagation.clusters import machine_memory, thread_count
from propagation.sessions import RECORDS, Session
from propagation.weights import AttemptRows

if TYPE_CHECKING:
    from distributed import Client

Plan = Literal["broadcast", "reference"]
PlanChoice = Literal["auto", "broadcast", "reference"]
SECONDS_PER_TRIAL = 8e-9
"""Measured: one edge of one lane in a sparse kernel, 10 million edges, one thread."""
SECONDS_PER_REFERENCE_ROUND = 0.5
SECONDS_PER_JOB = 0.05
_BYTES_PER_ACTIVATION = 40
_BYTES_PER_CONTACT = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobPlan:
    """How a job will run.

    Attributes
    ----------
    plan : str
        ``broadcast`` or ``reference``.
    reason : str
        Why, as a sentence.
    lanes : int
        Replicates of all sessions.
    activations_per_lane, trials_per_lane : float
        Expected agents reached by a lane, and edges looked at.
    estimated_seconds : float
        Clock time of the job, compilation and publishing apart.
    estimated_bytes : int
        Peak memory of all workers on one machine, mapped arrays counted once.
    """

    plan: Plan
    reason: str
    lanes: int
    activations_per_lane: float
    trials_per_lane: float
    estimated_seconds: float
    estimated_bytes: int


def plan_job(network: Network, sessions: Sequence[Session], *, plan: PlanChoice = "auto", client: "Client") -> JobPlan:
    """Choose a plan for some sessions of one network, run as one job.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        At least one.
    plan : str
        ``auto`` lets the planner choose.
    client : distributed.Client
        The cluster the job will run on.

    Raises
    ------
    InvalidInputError
        If there is no such plan.
    InsufficientMemoryError
        If the job does not fit the memory that is available.
    """
    if plan not in get_args(PlanChoice):
        raise InvalidInputError(f"no plan {plan!r}; plans are {', '.join(get_args(PlanChoice))}")
    threads = thread_count(client)
    lanes = sum(session.replicates for session in sessions)
    network_bytes = 16 * (network.n_agents + 1) + 12 * network.n_edges
    _refuse_beyond(network_bytes, f"network {network.network_id!r} of {network.n_edges:,} edges")
    expected = [_expected_cascade(network, session) for session in sessions]
    weights = [session.replicates / lanes for session in sessions]
    activations = float(np.dot(weights, [a for a, _ in expected]))
    trials = float(np.dot(weights, [t for _, t in expected]))
    needed = network_bytes + _working_bytes(network, sessions, expected, threads)
    _refuse_beyond(needed, f"the job of {lanes:,} lanes recording {max_record(sessions)!r}")
    if plan == "reference":
        chosen: Plan = "reference"
        reason = "asked for: every round is a join of tables on the cluster"
        seconds = SECONDS_PER_JOB + SECONDS_PER_REFERENCE_ROUND * 20 * len(network.edge_files)
    else:
        chosen = "broadcast"
        seconds = SECONDS_PER_JOB + lanes * trials * SECONDS_PER_TRIAL / min(threads, lanes)
        reason = (
            f"the edge table ({network_bytes / 2**20:,.0f} MiB as arrays) fits every worker's memory, "
            f"so {lanes:,} lanes are split over {threads} threads"
        )
    made = JobPlan(chosen, reason, lanes, activations, trials, seconds, int(needed))
    logger.info(
        "plan %s: %s; about %.1f s and %.0f MiB", made.plan, made.reason, made.estimated_seconds, needed / 2**20
    )
    return made


def max_record(sessions: Sequence[Session]) -> str:
    """Return the largest detail that any of the sessions records."""
    return max((session.record for session in sessions), key=RECORDS.index)


def _expected_cascade(network: Network, session: Session) -> tuple[float, float]:
    """Return the expected number of activations and of edges looked at, in one lane.

    A cascade is taken for a branching process: `branching` successes per agent that an edge led to. Below 1 its
    total progeny is a geometric series; above, the share reached solves ``z = 1 - exp(-branching z)``.
    """
    rows = session.model.attempt_rows(network, session.random_seed)
    seeds = session.seed_array
    first = _first_generation(rows, seeds)
    if rows.branching < 1.0:
        later = min(first / max(1.0 - rows.branching, 1e-3), network.n_agents)
    else:
        later = max(_final_share(rows.branching) * network.n_agents, first)
    later = min(later, float(network.n_agents - len(seeds)))
    seed_degree = float((rows.offsets[seeds + 1] - rows.offsets[seeds]).sum())
    trials = min(seed_degree + later * rows.degree_ahead, float(network.n_edges))
    return len(seeds) + later, trials


def _first_generation(rows: AttemptRows, seeds: npt.NDArray[np.int32]) -> float:
    """Return the expected number of successes of the seeds themselves."""
    chances = 0.0
    for seed in seeds[:1000]:
        words = rows.words[rows.offsets[seed] : rows.offsets[seed + 1]]
        chances += float((words >> np.uint64(31)).sum()) + len(words) * rows.base
    return chances / 2**32 * max(len(seeds) / 1000, 1.0)


def _final_share(branching: float) -> float:
    share = 1.0
    for _ in range(50):
        share = 1.0 - float(np.exp(-branching * share))
    return share


def _working_bytes(
    network: Network, sessions: Sequence[Session], expected: Sequence[tuple[float, float]], threads: int
) -> float:
    """Return the bytes of scratch arrays and of rows held before they are written."""
    scratch = threads * network.n_agents * 48.0
    rows = sum(session.replicates * 4.0 * 64 for session in sessions)
    for session, (activations, trials) in zip(sessions, expected, strict=True):
        if session.records("reach"):
            rows += 20.0 * min(session.replicates * activations, network.n_agents)
        if session.records("activations"):
            rows += min(session.replicates * activations, 4e6 * threads) * _BYTES_PER_ACTIVATION
        if session.records("contacts"):
            rows += min(session.replicates * trials, 4e6 * threads) * _BYTES_PER_CONTACT
    return scratch + rows


def _refuse_beyond(needed: float, what: str) -> None:
    available = machine_memory()
    if needed > available:
        raise InsufficientMemoryError(
            f"{what} needs about {needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available: record less, "
            "run fewer sessions at once, or use a machine with more memory"
        )

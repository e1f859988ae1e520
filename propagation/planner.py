"""The planner: which physical plan a job gets, why, and what it will cost; it refuses what cannot fit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from data.errors import InsufficientMemoryError, InvalidInputError
from data.snapshots import Network
from propagation.clusters import machine_memory, thread_count
from propagation.sessions import RECORDS, Session

if TYPE_CHECKING:
    from distributed import Client

Plan = Literal["broadcast", "reference"]
Shape = Literal["sparse", "packed", "traced"]
WORD = 64
"""Lanes of a word."""
PlanChoice = Literal["auto", "broadcast", "reference"]
SECONDS_PER_TRIAL = 8e-9
"""Measured: one edge of one lane in a sparse kernel, 10 million edges, one thread."""
SECONDS_PER_REFERENCE_ROUND = 0.5
SECONDS_PER_JOB = 0.05
PACKED_SPEEDUP = 10.0
PACKED_FROM_LANES_PER_ROW = 10.0
"""Measured: an edge of a word costs as much as some ten edges of single lanes."""
BATCH_SECONDS = 1.0
WORDS_PER_THREAD = 16
"""Words up to which each is a batch of its own: every batch costs the scheduler a millisecond, cancelling it too."""
MEAN_FIELD_ROUNDS = 1000
_BYTES_PER_ACTIVATION = 40
_BYTES_PER_CONTACT = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExpectedCascade:
    """What a lane is expected to do.

    Attributes
    ----------
    activations : float
        Agents reached.
    trials : float
        Edges looked at.
    overlap : float
        Share of a lane's edges that another lane looks at as well, in [0, 1].
    """

    activations: float
    trials: float
    overlap: float


@dataclass(frozen=True)
class JobPlan:
    """How a job will run.

    Attributes
    ----------
    plan : str
        ``broadcast`` or ``reference``.
    reason : str
        Why, as a sentence.
    shape : str
        Kernels of the broadcast plan: ``sparse`` (one lane after another), ``packed`` (64 lanes to a word) or
        ``traced`` (with infectors).
    lanes : int
        Replicates of all sessions.
    batches : int
        Tasks that the lanes are split over.
    expected : ExpectedCascade
        What a lane is expected to do.
    estimated_seconds : float
        Clock time of the job, compilation and publishing apart.
    estimated_bytes : int
        Peak memory of all workers on one machine, mapped arrays counted once.
    """

    plan: Plan
    reason: str
    shape: Shape
    lanes: int
    batches: int
    expected: "ExpectedCascade"
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
    mean = ExpectedCascade(
        *(
            sum(session.replicates * getattr(e, name) for session, e in zip(sessions, expected, strict=True)) / lanes
            for name in ("activations", "trials", "overlap")
        )
    )
    needed = int(network_bytes + _working_bytes(network, sessions, expected, threads))
    _refuse_beyond(needed, f"the job of {lanes:,} lanes recording {max_record(sessions)!r}")
    made = (
        _reference_plan(network, lanes, mean, needed)
        if plan == "reference"
        else _broadcast_plan(sessions, lanes, mean, needed, threads, network_bytes)
    )
    logger.info(
        "plan %s: %s; about %.1f s and %.0f MiB", made.plan, made.reason, made.estimated_seconds, needed / 2**20
    )
    return made


def _reference_plan(network: Network, lanes: int, mean: "ExpectedCascade", needed: int) -> JobPlan:
    seconds = SECONDS_PER_JOB + SECONDS_PER_REFERENCE_ROUND * 20 * len(network.edge_files)
    reason = "asked for: every round is a join of tables on the cluster"
    return JobPlan("reference", reason, "traced", lanes, 1, mean, seconds, needed)


def _broadcast_plan(
    sessions: Sequence[Session], lanes: int, mean: "ExpectedCascade", needed: int, threads: int, network_bytes: int
) -> JobPlan:
    # 1. The kernels' shape: 64 lanes to a word where lanes have the same agents in the same rounds.
    per_word = min(WORD, -(-max(session.replicates for session in sessions) // threads))
    lanes_per_row = 1 + (per_word - 1) * mean.overlap
    shape: Shape = "packed" if lanes_per_row >= PACKED_FROM_LANES_PER_ROW else "sparse"
    if RECORDS.index(max_record(sessions)) >= RECORDS.index("activations"):
        shape = "traced"
    # 2. Batches of about a second; one per thread where that would cut a short job.
    effort = lanes * mean.trials * SECONDS_PER_TRIAL / (PACKED_SPEEDUP if shape == "packed" else 1)
    batches = min(lanes, max(threads, 4 * threads if effort > threads else 0, int(effort / BATCH_SECONDS)))
    if shape == "packed":  # whole words; one each where there are few, since words differ in their time
        words = -(-lanes // WORD)
        words_per_batch = -(-words // max(WORDS_PER_THREAD * threads, int(effort / BATCH_SECONDS)))
        batches = max(threads, -(-words // words_per_batch))
    reason = (
        f"the edge table ({network_bytes / 2**20:,.0f} MiB as arrays) fits every worker's memory, "
        f"so {lanes:,} lanes are split over {threads} threads"
    )
    seconds = SECONDS_PER_JOB + effort / min(threads, lanes)
    return JobPlan("broadcast", reason, shape, lanes, batches, mean, seconds, needed)


def max_record(sessions: Sequence[Session]) -> str:
    """Return the largest detail that any of the sessions records."""
    return max((session.record for session in sessions), key=RECORDS.index)


def _expected_cascade(network: Network, session: Session) -> "ExpectedCascade":
    """Estimate a lane from the network's profile, as a mean field of agents that are reached independently.

    An agent with in-probabilities summing to c is reached with probability ``1 - exp(-c f)``, where f is the share of
    all out-probability that transmitting agents carry; the fixed point from below is where cascades end. Communities
    and correlations are not seen, so it errs high near the threshold.
    """
    rows = session.model.attempt_rows(network, session.random_seed)
    agents, in_chance, out_chance, degree = rows.profile.T
    seeds = session.seed_array
    seed_degree = float((rows.offsets[seeds + 1] - rows.offsets[seeds]).sum())
    total_out = float(out_chance.sum())
    mean_chance = total_out / max(float(degree.sum()), 1.0)
    if total_out == 0.0:
        return ExpectedCascade(float(len(seeds)), seed_degree, 0.0)
    reached = np.zeros(len(agents))
    force = seed_degree * mean_chance / total_out
    for _ in range(MEAN_FIELD_ROUNDS):
        reached = -np.expm1(-in_chance * force)
        following = (seed_degree * mean_chance + float(out_chance @ reached)) / total_out
        if following - force < 1e-6 * force:
            break
        force = following
    trials = float(degree @ reached)
    overlap = float(degree @ (reached * reached)) / trials if trials else 0.0
    return ExpectedCascade(
        activations=min(len(seeds) + float(agents @ reached), float(network.n_agents)),
        trials=min(seed_degree + trials, float(network.n_edges)),
        overlap=overlap,
    )


def _working_bytes(
    network: Network, sessions: Sequence[Session], expected: Sequence[ExpectedCascade], threads: int
) -> float:
    """Return the bytes of scratch arrays and of rows held before they are written."""
    scratch = threads * network.n_agents * 48.0
    rows = sum(session.replicates * 4.0 * 64 for session in sessions)
    for session, lane in zip(sessions, expected, strict=True):
        if session.records("reach"):
            rows += 20.0 * min(session.replicates * lane.activations, network.n_agents)
        if session.records("activations"):
            rows += min(session.replicates * lane.activations, 4e6 * threads) * _BYTES_PER_ACTIVATION
        if session.records("contacts"):
            rows += min(session.replicates * lane.trials, 4e6 * threads) * _BYTES_PER_CONTACT
    return scratch + rows


def _refuse_beyond(needed: float, what: str) -> None:
    available = machine_memory()
    if needed > available:
        raise InsufficientMemoryError(
            f"{what} needs about {needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available: record less, "
            "run fewer sessions at once, or use a machine with more memory"
        )

"""The planner: chooses the physical plan of a job, explains why, estimates its cost, and refuses what cannot fit."""

import logging
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from data.errors import InsufficientMemoryError, InvalidInputError
from data.networks.network import Network
from data.quantities import readable_bytes, readable_seconds
from propagation import costs
from propagation.clusters import ExpectedWorkers, installed_memory, machine_memory, thread_count
from propagation.mean_field import ExpectedCascade, expected_cascade
from propagation.models.pandas_model import PandasModel
from propagation.own_threads import OwnThreads
from propagation.plans import PlanChoice
from propagation.plans.broadcast.families import PARALLEL, cheapest_family, family_named
from propagation.plans.partitioned.families import family_for
from propagation.session_groups import run_key, sessions_alike
from propagation.sessions import RECORDS, Session
from propagation.weights import BLOCKED_SETS

if TYPE_CHECKING:
    from distributed import Client

Plan = Literal["broadcast", "partitioned", "reference"]
SHORT_JOB_SECONDS = 0.3
BATCH_SECONDS = 1.0
IN_PROCESS_SECONDS, ONE_THREAD_SECONDS = 0.1, 0.002
"""Time below which a job runs on threads of this process, and below which a single thread runs all of it."""
LONG_LANE_SECONDS = 0.01
"""Time of a lane above which several threads should share it."""
MOST_PARTITIONS, MOST_LANES_AT_ONCE = 16, 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionPlan:
    """How the lanes of one session will run.

    Attributes
    ----------
    shape : str
        Name of the kernel family of the broadcast plan: ``sparse`` (cascades, lane after lane), ``packed`` (64 lanes
        to a word), ``shared`` (each lane by several threads), ``threshold``, ``epidemic``, or ``rules`` (any model).
    expected : ExpectedCascade
        What a lane is expected to do.
    seconds_per_lane : float
        Estimated time of a lane on one thread.
    """

    shape: str
    expected: ExpectedCascade
    seconds_per_lane: float


@dataclass(frozen=True)
class JobPlan:
    """How a job will run.

    Attributes
    ----------
    plan : str
        ``broadcast``, ``partitioned`` or ``reference``.
    reason : str
        Why, as a sentence.
    sessions : tuple of SessionPlan
        How each session's lanes run.
    lanes : int
        Replicates of all sessions.
    batches, threads : int
        Tasks that the lanes are split over, and threads that each of them uses (broadcast).
    partitions, lanes_at_once, waves_at_once : int
        Ranges that the network is split into, lanes that run together as a wave, and waves that run at the same time,
        each on its own threads (partitioned).
    estimated_seconds : float
        Clock time of the job, without compilation and publishing.
    estimated_bytes : int
        Peak memory of all workers on one machine, mapped arrays counted once.
    in_process : bool
        Whether the job is so short that threads of this process run it, without Dask.
    """

    plan: Plan
    reason: str
    sessions: tuple[SessionPlan, ...]
    lanes: int
    batches: int
    estimated_seconds: float
    estimated_bytes: int
    partitions: int = 1
    lanes_at_once: int = 1
    waves_at_once: int = 1
    threads: int = 1
    in_process: bool = False


def check_plan(plan: Any) -> None:
    """Raise InvalidInputError if there is no such plan."""
    if plan not in get_args(PlanChoice):
        raise InvalidInputError(f"no plan {plan!r}; plans are {', '.join(get_args(PlanChoice))}")


def plan_job(
    network: Network,
    sessions: Sequence[Session],
    *,
    plan: PlanChoice = "auto",
    client: "Client | OwnThreads | ExpectedWorkers",
    publish: bool = True,
) -> JobPlan:
    """Choose a plan for some sessions of one network, run as one job.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        At least one.
    plan : str
        ``auto`` lets the planner choose.
    client : distributed.Client, OwnThreads or ExpectedWorkers
        The cluster the job will run on, or what one will have; with this process's own threads, short jobs need none.
    publish : bool
        Whether rows are written as they are found; False means that all of them stay in memory.

    Raises
    ------
    InvalidInputError
        If there is no such plan.
    InsufficientMemoryError
        If the job does not fit the memory that is available.
    """
    check_plan(plan)
    own, available = _own_models(sessions, plan), machine_memory()
    agents_alone = f"network {network.network_id!r} of {network.n_agents:,} agents"
    _refuse_beyond(available, costs.BYTES_PER_AGENT * network.n_ids, agents_alone)
    threads = thread_count(client)
    expected = [expected_cascade(network, session) for session in sessions]
    together: Counter[Hashable] = Counter()
    for session in sessions:
        together[_word_key(session)] += session.replicates
    planned = []
    for session, lane in zip(sessions, expected, strict=True):
        family, seconds = cheapest_family(network, session, lane, together[_word_key(session)] / threads)
        planned.append(SessionPlan(family.name, lane, seconds))
    job = _Job(network, sessions, tuple(planned), threads, available, publish)
    whole = f"the job of {job.lanes:,} lanes recording {max_record(sessions)!r}"
    needed = _network_bytes(network) + _blocked_bytes(network, sessions) + _working_bytes(job)
    if plan == "broadcast":
        _refuse_beyond(available, needed, whole)
    if plan == "reference" or own:
        why = f"model {own[0]!r} is written in pandas" if own and plan == "auto" else "asked for"
        made = _reference_plan(job, why)
    elif plan == "partitioned" or needed > available:
        too_large = f"the broadcast plan would need {needed / 2**30:.1f} GiB, more than is free"
        why = "asked for" if plan == "partitioned" else too_large
        made = _partitioned_plan(job, why, workers=len(client.nthreads()))
        least = made.estimated_bytes if plan == "partitioned" else min(needed, made.estimated_bytes)
        _refuse_beyond(available, least, whole)
    else:
        made = _broadcast_plan(job, needed, list(client.nthreads().values()), own=isinstance(client, OwnThreads))
    logger.info(
        "plan %s: %s; about %s and %s",
        made.plan,
        made.reason,
        readable_seconds(made.estimated_seconds),
        readable_bytes(made.estimated_bytes),
    )
    return made


@dataclass(frozen=True)
class _Job:
    """What is planned, and the threads and bytes available for it."""

    network: Network
    sessions: Sequence[Session]
    planned: tuple[SessionPlan, ...]
    threads: int
    available: int
    publish: bool

    @cached_property
    def lanes(self) -> int:
        """Replicates of all sessions."""
        return sum(session.replicates for session in self.sessions)

    @property
    def pairs(self) -> Iterator[tuple[Session, SessionPlan]]:
        """Sessions with their plans."""
        return zip(self.sessions, self.planned, strict=True)

    @cached_property
    def row_seconds(self) -> float:
        """Time of one thread for the rows of large tables."""
        rows = [costs.recorded_rows(session, planned.expected) for session, planned in self.pairs]
        activations, contacts = np.sum(rows, axis=0)
        return float(costs.SECONDS_PER_ACTIVATION * activations + costs.SECONDS_PER_CONTACT * contacts)


def _broadcast_plan(job: _Job, needed: int, workers: Sequence[int], *, own: bool) -> JobPlan:
    """Plan lanes that are split over threads, each of which holds the whole network.

    Parameters
    ----------
    workers : sequence of int
        Threads of each worker.
    own : bool
        Whether these are this process's own, which can do without Dask.
    """
    reason = (
        f"the edge table ({_network_bytes(job.network) / 2**20:,.0f} MiB as arrays) fits every worker's memory, "
        f"so {job.lanes:,} lanes are split over {job.threads} threads"
    )
    # If lanes are fewer than threads, threads share the long ones.
    sharing = min(workers) // math.ceil(job.lanes / len(workers)) if workers else 1  # workers may still join
    planned = tuple(_shared_plan(*each, sharing) for each in job.pairs) if sharing > 1 else job.planned
    threads = sharing if any(family_named(each.shape).several_threads for each in planned) else 1
    effort = job.row_seconds + len(job.sessions) * costs.SECONDS_PER_SESSION
    effort += sum(
        s.replicates * (costs.SECONDS_PER_LANE + each.seconds_per_lane)
        for s, each in zip(job.sessions, planned, strict=True)
    )
    # Batches of about a second; one per thread if more would split a short job, or words of lanes.
    per_thread = 1 if effort < SHORT_JOB_SECONDS * job.threads else 4
    batches = max(per_thread * job.threads, int(effort / BATCH_SECONDS))
    if (word := min(family_named(each.shape).lanes_together for each in planned)) > 1:
        batches = min(batches, max(job.threads, math.ceil(job.lanes / word)))
    in_process = own and effort / min(job.threads, job.lanes) < IN_PROCESS_SECONDS
    if in_process and effort < ONE_THREAD_SECONDS:
        batches = 1
    batches = min(job.lanes, batches)
    overhead = costs.SECONDS_PER_SMALL_JOB if in_process else costs.SECONDS_PER_JOB
    seconds = overhead + effort / min(job.threads, batches)
    return JobPlan(
        "broadcast", reason, planned, job.lanes, batches, seconds, needed, threads=threads, in_process=in_process
    )


def _shared_plan(session: Session, planned: SessionPlan, threads: int) -> SessionPlan:
    """Return the plan of lanes that so many threads share, if they are cascades that take long enough."""
    if not PARALLEL.supports(session.model, session.record) or planned.seconds_per_lane < LONG_LANE_SECONDS:
        return planned
    return SessionPlan(PARALLEL.name, planned.expected, planned.seconds_per_lane / threads)


def _reference_plan(job: _Job, why: str) -> JobPlan:
    """Plan rounds that are joins of tables on the cluster, session after session."""
    seconds, joined = 0.0, 0.0
    for session, planned in job.pairs:
        lane = planned.expected
        seconds += (lane.rounds + 1.0) * costs.SECONDS_PER_REFERENCE_ROUND * len(job.network.edge_files)
        seconds += session.replicates * lane.trials * costs.SECONDS_PER_JOINED_EDGE
        joined = max(joined, session.replicates * costs.trials_at_once(session, lane))
    reason = f"{why}: every round is a join of tables on the cluster"
    needed = int(costs.LIBRARY_BYTES + joined * costs.BYTES_PER_JOINED_EDGE)
    _refuse_beyond(job.available, needed, f"a round of the job of {job.lanes:,} lanes")
    return JobPlan("reference", reason, job.planned, job.lanes, 1, costs.SECONDS_PER_JOB + seconds, needed)


def _own_models(sessions: Sequence[Session], plan: PlanChoice) -> list[str]:
    """Return the users' own models among those of some sessions; only the reference plan runs them."""
    own = [session.model.name for session in sessions if isinstance(session.model, PandasModel)]
    if own and plan not in {"auto", "reference"}:
        raise InvalidInputError(
            f"model {own[0]!r} is written in pandas, which the {plan} plan cannot run; use plan 'auto' or 'reference'"
        )
    return own


def _partitioned_plan(job: _Job, why: str, *, workers: int) -> JobPlan:
    """Plan lanes that run through all partitions of the network together."""
    network = job.network
    partitions = min(len(network.edge_files), max(MOST_PARTITIONS, 4 * job.threads))
    lane_bytes = max(family_for(session).lane_bytes(network, session, each.expected) for session, each in job.pairs)
    scratch = job.threads / partitions * costs.BYTES_PER_AGENT * network.n_ids
    fixed = costs.LIBRARY_BYTES + 16 * network.n_ids + int(scratch)
    at_once = _lanes_at_once(job, lane_bytes, fixed)
    counts = at_once * max(planned.expected.rounds for planned in job.planned) * partitions * costs.BYTES_PER_COUNT
    needed = int(fixed + at_once * lane_bytes + counts + _row_bytes(job))
    effort = _partitioned_effort(job)
    waves = _waves_at_once(job, at_once, effort) if workers == 1 else 1
    turns = math.ceil(job.lanes / at_once)
    per_wave = at_once if waves == 1 else math.ceil(job.lanes / (turns * waves))
    per_task = costs.SECONDS_PER_PARTITION if workers == 1 else costs.SECONDS_PER_TASK
    per_round = costs.SECONDS_PER_ROUND + partitions * per_task
    threads = waves * min(job.threads // waves, partitions)
    seconds = costs.SECONDS_PER_JOB + effort / threads + _rounds_of_waves(job, per_wave) / waves * per_round
    reason = f"{why}: edges in {partitions} partitions, up to {at_once:,} lanes at once, messages between them"
    return JobPlan(
        "partitioned", reason, job.planned, job.lanes, 1, seconds, needed, partitions, per_wave, waves_at_once=waves
    )


def _lanes_at_once(job: _Job, lane_bytes: float, fixed: int) -> int:
    """Return how many lanes run through the partitions together, a power of two unless all do.

    Sized by installed memory, not by free memory, so that the lanes of a checkpoint fit when their run is resumed; only
    if less than twice the needed memory is free, fewer run together.
    """
    share = installed_memory() / 8 / lane_bytes
    at_once = 1 << int(np.clip(math.log2(max(share, 1.0)), 0, math.log2(MOST_LANES_AT_ONCE)))
    while at_once > 1 and fixed + at_once * lane_bytes > job.available / 2:
        at_once //= 2
    return min(at_once, job.lanes)


def _waves_at_once(job: _Job, lanes: int, effort: float) -> int:
    """Return how many waves `lanes` are split into that run on one worker at the same time.

    Threads with separate lanes need not wait for each other at the end of every round. Lanes that share the cost of
    a round should stay together: those of a word, those for which edges are read from disk in every round, those of a
    short job, and lanes so few that threads would be idle.
    """
    waves = min(job.threads, costs.MOST_WAVES_AT_ONCE)
    apart = all(family_for(session).lanes_apart for session in job.sessions)
    weighings = min(len(sessions_alike(job.sessions)), waves)  # at most: each group may need its own edge weights
    stay_in_memory = weighings * job.network.n_edges * costs.BYTES_PER_EDGE < costs.FORGET_ABOVE
    is_short = effort < SHORT_JOB_SECONDS * job.threads
    return waves if apart and stay_in_memory and not is_short and lanes >= 2 * waves else 1


def _partitioned_effort(job: _Job) -> float:
    """Return the seconds of one thread for all lanes and rows."""
    return job.row_seconds + sum(
        session.replicates
        * family_for(session).seconds_per_lane(job.network, session, planned.expected, planned.seconds_per_lane)
        for session, planned in job.pairs
    )


def _rounds_of_waves(job: _Job, at_once: int) -> float:
    """Return the total rounds of all waves of `at_once` lanes."""
    rounds_of = {session.session_id: planned.expected.rounds for session, planned in job.pairs}
    rounds = 0.0
    for group in sessions_alike(job.sessions):
        waves = math.ceil(sum(session.replicates for session in group) / at_once)
        rounds += waves * max(rounds_of[session.session_id] for session in group)
    return rounds


def _word_key(session: Session) -> Hashable:
    """Return what sessions share whose lanes kernels can run together; see `LaneRun`."""
    return run_key(session) if session.record == "rounds" else session.session_id


def max_record(sessions: Sequence[Session]) -> str:
    """Return the largest detail that any of the sessions records."""
    return max((session.record for session in sessions), key=RECORDS.index)


def _network_bytes(network: Network) -> int:
    """Return the bytes of a network's arrays, which all workers of a machine share."""
    return 16 * (network.n_ids + 1) + 12 * network.n_edges


def _blocked_bytes(network: Network, sessions: Sequence[Session]) -> int:
    """Return the bytes of the edges of sessions with blocked agents or edges, weighed for each set of these."""
    sets = {(session.blocked, session.blocked_edges) for session in sessions} - {((), ())}
    return costs.BYTES_PER_EDGE * network.n_edges * min(len(sets), BLOCKED_SETS)


def _working_bytes(job: _Job) -> int:
    """Return the bytes of libraries, scratch arrays and rows in memory."""
    scratch = max(family_named(p.shape).bytes_per_thread(job.network, session) for session, p in job.pairs)
    return int(costs.LIBRARY_BYTES + job.threads * scratch + _row_bytes(job))


def _row_bytes(job: _Job) -> float:
    """Return the bytes of rows in memory: until they are written, or permanently if nothing is published."""
    held = 4e6 * job.threads if job.publish else float("inf")
    rows = sum(session.replicates * 4.0 * 64 for session in job.sessions)
    for session, planned in job.pairs:
        lane = planned.expected
        if session.records("reach"):
            rows += 20.0 * min(session.replicates * lane.activations, job.network.n_agents)
        activations, contacts = costs.recorded_rows(session, lane)
        rows += min(activations, held) * costs.BYTES_PER_ACTIVATION + min(contacts, held) * costs.BYTES_PER_CONTACT
    return rows


def _refuse_beyond(available: int, needed: float, what: str) -> None:
    if needed > available:
        raise InsufficientMemoryError(
            f"{what} needs about {needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available: record less, "
            "run fewer sessions at once, or use a machine with more memory"
        )

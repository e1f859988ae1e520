"""The planner: which physical plan a job gets, why, and what it will cost; it refuses what cannot fit."""

import functools
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from data.errors import InsufficientMemoryError, InvalidInputError
from data.snapshots import Network
from propagation.calibration import calibration
from propagation.clusters import machine_memory, thread_count
from propagation.kernels.epidemics import SLOTS
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.models.rules import Contact, Rules
from propagation.programs import contact_rows
from propagation.sessions import RECORDS, Record, Session
from propagation.weights import ONE_EACH

if TYPE_CHECKING:
    from distributed import Client

Plan = Literal["broadcast", "partitioned", "reference"]
Shape = Literal["sparse", "packed", "threshold", "epidemic", "rules"]
WORD = 64
"""Lanes of a word."""
PlanChoice = Literal["auto", "broadcast", "partitioned", "reference"]
SECONDS_PER_REFERENCE_ROUND = 0.5
SECONDS_PER_JOB = 0.05
WORD_COST, LONE_LANE_COST, WORD_SETUP_COST, RULES_COST = 8.0, 2.0, 0.3, 1.6
"""Measured, relative to an edge in a sparse kernel: an edge for all lanes of a word; an edge for a lone lane of a word;
clearing a word of an agent; an edge in the kernel of all rules."""
THRESHOLD_COST, EPIDEMIC_COST = 1.7, 1.3
"""Measured, relative to an edge in a sparse kernel: a weight that is added; an edge of an epidemic, for all the rounds
of contacts for which it is looked at once."""
_COSTS = {"threshold": THRESHOLD_COST, "epidemic": EPIDEMIC_COST, "rules": RULES_COST}
SHORT_JOB_SECONDS = 0.3
BATCH_SECONDS = 1.0
MEAN_FIELD_ROUNDS = 1000
LONG_TRANSMISSION = 50
"""Rounds that agents who never stop are taken to transmit in."""
MOST_PARTITIONS, MOST_LANES_AT_ONCE = 16, 1024
PARTITIONED_COST = 2.0
"""Measured, relative to an edge in a sparse kernel: an edge in the partitioned plan, messages included."""
_BYTES_PER_AGENT, _BYTES_PER_TOUCHED, _BYTES_PER_MESSAGE = 24, 60, 48
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
        Edges looked at, those of the seeds included.
    seed_trials : float
        Edges of the seeds, which all lanes look at in the same round.
    overlap : float
        Share of the other edges that another lane looks at in the same round, in [0, 1].
    """

    activations: float
    trials: float
    seed_trials: float
    overlap: float


@dataclass(frozen=True)
class SessionPlan:
    """How the lanes of one session will run.

    Attributes
    ----------
    shape : str
        Kernels: ``sparse`` (cascades, lane after lane), ``packed`` (64 lanes to a word) or ``rules`` (any model).
    expected : ExpectedCascade
        What a lane is expected to do.
    seconds_per_lane : float
        Estimated time of a lane on one thread.
    """

    shape: Shape
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
    batches : int
        Tasks that the lanes are split over (broadcast).
    partitions, lanes_at_once : int
        Ranges that the network is split into, and lanes that go through them together (partitioned).
    estimated_seconds : float
        Clock time of the job, compilation and publishing apart.
    estimated_bytes : int
        Peak memory of all workers on one machine, mapped arrays counted once.
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


def check_plan(plan: Any) -> None:
    """Raise InvalidInputError if there is no such plan."""
    if plan not in get_args(PlanChoice):
        raise InvalidInputError(f"no plan {plan!r}; plans are {', '.join(get_args(PlanChoice))}")


def plan_job(
    network: Network,
    sessions: Sequence[Session],
    *,
    plan: PlanChoice = "auto",
    client: "Client",
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
    client : distributed.Client
        The cluster the job will run on.
    publish : bool
        Whether rows are written as they come; False means that all of them stay in memory.

    Raises
    ------
    InvalidInputError
        If there is no such plan.
    InsufficientMemoryError
        If the job does not fit the memory that is available.
    """
    check_plan(plan)
    own = _own_models(sessions, plan)
    threads = thread_count(client)
    lanes = sum(session.replicates for session in sessions)
    network_bytes = 16 * (network.n_agents + 1) + 12 * network.n_edges
    _refuse_beyond(
        _BYTES_PER_AGENT * network.n_agents, f"network {network.network_id!r} of {network.n_agents:,} agents"
    )
    expected = [_expected_cascade(network, session) for session in sessions]
    needed = int(network_bytes + _working_bytes(network, sessions, expected, threads, publish=publish))
    fits = needed <= machine_memory()
    if plan == "broadcast" or (plan == "auto" and not fits and network_bytes <= machine_memory() // 2):
        _refuse_beyond(needed, f"the job of {lanes:,} lanes recording {max_record(sessions)!r}")
    alike: Counter[Any] = Counter()
    for session in sessions:
        alike[_likeness(session)] += session.replicates
    planned = tuple(
        _session_plan(network, session, lane, alike[_likeness(session)] / threads)
        for session, lane in zip(sessions, expected, strict=True)
    )
    if plan == "reference" or own:
        reason = f"model {own[0]!r} is written in pandas" if own and plan == "auto" else "asked for"
        reason += ": every round is a join of tables on the cluster"
        seconds = SECONDS_PER_REFERENCE_ROUND * 20 * len(network.edge_files) * len(sessions)
        made = JobPlan("reference", reason, planned, lanes, 1, SECONDS_PER_JOB + seconds, needed)
    elif plan == "partitioned" or not fits:
        made = _partitioned_plan(network, sessions, planned, threads, asked=fits)
    else:
        reason = (
            f"the edge table ({network_bytes / 2**20:,.0f} MiB as arrays) fits every worker's memory, "
            f"so {lanes:,} lanes are split over {threads} threads"
        )
        effort = sum(s.replicates * p.seconds_per_lane for s, p in zip(sessions, planned, strict=True))
        # Batches of about a second; one per thread where more would cut a short job.
        per_thread = 1 if effort < SHORT_JOB_SECONDS * threads else 4
        batches = min(lanes, max(per_thread * threads, int(effort / BATCH_SECONDS)))
        seconds = effort / min(threads, lanes)
        made = JobPlan("broadcast", reason, planned, lanes, batches, SECONDS_PER_JOB + seconds, needed)
    logger.info(
        "plan %s: %s; about %.1f s and %.0f MiB", made.plan, made.reason, made.estimated_seconds, needed / 2**20
    )
    return made


def _own_models(sessions: Sequence[Session], plan: PlanChoice) -> list[str]:
    """Return the users' own models among those of some sessions; only the reference plan runs them."""
    own = [session.model.name for session in sessions if isinstance(session.model, PandasModel)]
    if own and plan not in {"auto", "reference"}:
        raise InvalidInputError(
            f"model {own[0]!r} is written in pandas, which the {plan} plan cannot run; use plan 'auto' or 'reference'"
        )
    return own


def _partitioned_plan(
    network: Network, sessions: Sequence[Session], planned: tuple[SessionPlan, ...], threads: int, *, asked: bool
) -> JobPlan:
    partitions = min(len(network.edge_files), max(MOST_PARTITIONS, 4 * threads))
    available = machine_memory()
    held = max(
        lane.expected.activations * _BYTES_PER_TOUCHED
        + lane.expected.trials * _BYTES_PER_MESSAGE * (1.0 if _all_travel(session) else 0.1)
        for session, lane in zip(sessions, planned, strict=True)
    )
    lanes = sum(session.replicates for session in sessions)
    at_once = int(np.clip(available / 4 / max(held, 1.0), 1, min(lanes, MOST_LANES_AT_ONCE)))
    needed = int(held * at_once + threads * network.n_agents / partitions * 48 + 16 * network.n_agents)
    _refuse_beyond(needed, f"one lane of the job on network {network.network_id!r} of {network.n_edges:,} edges")
    trials = sum(s.replicates * p.expected.trials for s, p in zip(sessions, planned, strict=True))
    seconds = trials * calibration().seconds_per_trial(network.n_edges) * PARTITIONED_COST / min(threads, partitions)
    why = "asked for" if asked else f"the edge table of {network.n_edges:,} edges does not fit a worker's memory"
    reason = f"{why}: edges in {partitions} partitions, {at_once:,} lanes at once, messages between them"
    return JobPlan("partitioned", reason, planned, lanes, 1, SECONDS_PER_JOB + seconds, needed, partitions, at_once)


def _all_travel(session: Session) -> bool:
    """Return whether contacts that do not succeed travel too."""
    rules = session.model.rules
    return rules.adds or rules.mixing is not None or rules.fatigue < 1.0 or session.records("contacts")


def _likeness(session: Session) -> Any:
    """Return what sessions share whose lanes kernels can run together."""
    if session.record != "rounds":
        return session.session_id
    return session.model, session.random_seed, session.max_rounds


def _session_plan(network: Network, session: Session, lane: ExpectedCascade, together: float) -> SessionPlan:
    """Choose the kernels' shape by what an edge of a lane costs: alone, or shared by the lanes of a word.

    Parameters
    ----------
    together : float
        Lanes that one thread can run together.
    """
    single, seconds_per_trial = lane.trials, calibration().seconds_per_trial(network.n_edges)
    shape = shapes_of(session.model, session.record)[0]
    if shape == "epidemic":
        single /= min(_rounds_of_contacts(session), float(SLOTS))
    if shape != "sparse":
        return SessionPlan(shape, lane, single * _COSTS[shape] * seconds_per_trial)
    per_word = min(WORD, math.ceil(together))
    lanes_per_row = 1 + (per_word - 1) * lane.overlap
    packed = (
        lane.seed_trials * WORD_COST / per_word
        + (lane.trials - lane.seed_trials) * min(LONE_LANE_COST, WORD_COST / lanes_per_row)
        + network.n_agents * WORD_SETUP_COST / per_word
    )
    if packed < single:
        return SessionPlan("packed", lane, packed * seconds_per_trial)
    return SessionPlan("sparse", lane, single * seconds_per_trial)


def shapes_of(model: Model, record: Record) -> tuple[Shape, ...]:
    """Return the shapes of kernels that can run a model and record this, the fastest first; ``rules`` runs all."""
    if record not in {"rounds", "reach"} or isinstance(model, PandasModel):
        return ("rules",)
    if model.rules.is_cascade:
        return ("sparse", "packed", "rules")
    if _is_threshold(model.rules):
        return ("threshold", "rules")
    return ("epidemic", "rules") if _is_epidemic(model.rules) else ("rules",)


def _is_threshold(rules: Rules) -> bool:
    """Return whether weights add up, of agents that transmit in the one round after their activation."""
    return rules.adds and rules.transmits_once and rules.mixing is None and rules.decay == rules.fatigue == 1.0


def _is_epidemic(rules: Rules) -> bool:
    """Return whether contacts infect by the edge alone, at once or after a time, and nobody is infected again."""
    infection = rules.contacts[0]
    plain = not (rules.adds or rules.mixing is not None or rules.sceptics) and rules.decay == rules.fatigue == 1.0
    alone = rules.contacts == (Contact(infection.source, infection.target, target_to=infection.target_to),)
    ways = {transition.source: transition for transition in rules.transitions}
    recovery, onset = ways.get(rules.seeds), ways.get(str(infection.target_to))
    ends = recovery is None or recovery.to not in ways
    exposes = infection.target_to != rules.seeds
    begins = not exposes or (onset is not None and onset.to == rules.seeds and onset.after is None)
    return (
        plain
        and alone
        and rules.transmitting == (rules.seeds,)
        and infection.source == rules.seeds
        and infection.target == rules.compartments[0]
        and infection.target_to in rules.reached
        and rules.seeds in rules.reached
        and not rules.recurrent
        and ends
        and begins
        and ways.keys() <= {rules.seeds, infection.target_to}
    )


def max_record(sessions: Sequence[Session]) -> str:
    """Return the largest detail that any of the sessions records."""
    return max((session.record for session in sessions), key=RECORDS.index)


def _expected_cascade(network: Network, session: Session) -> "ExpectedCascade":
    """Estimate a lane from the network's profile, as a mean field of agents that are reached independently.

    An agent with in-probabilities summing to c is reached with probability ``1 - exp(-c f)``, where f is the share of
    all out-probability that transmitting agents carry; the fixed point from below is where cascades end. Communities
    and correlations are not seen, so it errs high near the threshold.
    """
    if isinstance(session.model, PandasModel):  # what it does is not known: at most everyone, once
        return ExpectedCascade(float(network.n_agents), float(network.n_edges), 0.0, 0.0)
    rows = contact_rows(network, session.model, session.random_seed)
    seeds = session.seed_array
    seed_degree = float((rows.offsets[seeds + 1] - rows.offsets[seeds]).sum())
    repeated = _rounds_of_contacts(session)
    # The nearest power of 2 ** 0.25 tells cascades apart well enough, and many sessions have the same.
    about = 2.0 ** (round(4.0 * math.log2(seed_degree)) / 4.0) if seed_degree else 0.0
    field = _mean_field(network, session.model, session.random_seed, repeated, about)
    return ExpectedCascade(
        activations=min(len(seeds) + field.activations, float(network.n_agents)),
        trials=min(seed_degree + field.trials, float(max(network.n_edges, seed_degree))) * repeated,
        seed_trials=seed_degree,
        overlap=field.overlap,
    )


@functools.lru_cache(maxsize=1024)
def _mean_field(
    network: Network, model: Model, random_seed: int, repeated: float, seed_degree: float
) -> ExpectedCascade:
    """Return what a lane does beyond its seeds, whose out-degrees sum to `seed_degree`; see `_expected_cascade`."""
    agents, in_chance, out_chance, degree = contact_rows(network, model, random_seed).profile.T
    if model.influence() == ONE_EACH:  # thresholds on numbers decide, which no mean field knows
        in_chance, out_chance = np.full(len(agents), 1e9), degree
    in_chance, out_chance = in_chance * repeated, out_chance * repeated
    total_out = float(out_chance.sum())
    if total_out == 0.0:
        return ExpectedCascade(0.0, 0.0, 0.0, 0.0)
    mean_chance = total_out / max(float(degree.sum()), 1.0)
    reached, shared = np.zeros(len(agents)), 0.0
    force = seed_degree * mean_chance / total_out
    for _ in range(MEAN_FIELD_ROUNDS):
        before, reached = reached, -np.expm1(-in_chance * force)
        # Two lanes look at the same row if both reach its agent, and in the same round.
        shared += float(degree @ (reached - before) ** 2)
        following = (seed_degree * mean_chance + float(out_chance @ reached)) / total_out
        if following - force < 1e-6 * force:
            break
        force = following
    trials = float(degree @ reached)
    return ExpectedCascade(float(agents @ reached), trials, 0.0, shared / trials if trials else 0.0)


def _rounds_of_contacts(session: Session) -> float:
    """Return for how many rounds an agent is expected to contact its out-neighbours."""
    rules = session.model.rules
    leaving = {transition.source: transition for transition in rules.transitions if transition.is_possible}
    first = leaving.get(next(name for name in rules.transmitting if name in rules.reached))
    lasting = float(LONG_TRANSMISSION) if first is None else float(first.after or 1.0 / first.probability)
    return min(lasting, float(LONG_TRANSMISSION), float(max(session.max_rounds, 1)))


def _working_bytes(
    network: Network,
    sessions: Sequence[Session],
    expected: Sequence[ExpectedCascade],
    threads: int,
    *,
    publish: bool,
) -> float:
    """Return the bytes of scratch arrays and of rows held: until they are written, or for good."""
    held = 4e6 * threads if publish else float("inf")
    scratch = threads * network.n_agents * 48.0
    rows = sum(session.replicates * 4.0 * 64 for session in sessions)
    for session, lane in zip(sessions, expected, strict=True):
        if session.records("reach"):
            rows += 20.0 * min(session.replicates * lane.activations, network.n_agents)
        if session.records("activations"):
            rows += min(session.replicates * lane.activations, held) * _BYTES_PER_ACTIVATION
        if session.records("contacts"):
            rows += min(session.replicates * lane.trials, held) * _BYTES_PER_CONTACT
    return scratch + rows


def _refuse_beyond(needed: float, what: str) -> None:
    available = machine_memory()
    if needed > available:
        raise InsufficientMemoryError(
            f"{what} needs about {needed / 2**30:.1f} GiB, {available / 2**30:.1f} GiB are available: record less, "
            "run fewer sessions at once, or use a machine with more memory"
        )

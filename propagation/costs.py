"""What jobs cost on the kernels as they are: constants that were measured, and what a lane does and holds."""

from data.networks.network import Network
from propagation.kernel_choice import partitions_of
from propagation.kernels.partitioned_thresholds import BLOCK
from propagation.mean_field import ExpectedCascade, rounds_of_contacts
from propagation.sessions import Session

SECONDS_PER_JOB = 0.05
SECONDS_PER_REFERENCE_ROUND, SECONDS_PER_JOINED_EDGE = 0.3, 1.5e-6
"""Measured: a round of the reference plan, per partition of the edges; an edge of a lane that it joins."""
SECONDS_PER_ROUND, SECONDS_PER_PARTITION, SECONDS_PER_TASK = 0.0003, 0.0003, 0.003
"""Measured: a round of the partitioned plan; more for each partition, within one worker and between several."""
SECONDS_PER_ACTIVATION, SECONDS_PER_CONTACT = 6e-7, 2.4e-7
"""Measured: a row that is recorded, of one thread."""
LIBRARY_BYTES = 96 << 20
"""Measured: what libraries and compiled kernels take when they are first used."""
SPARSE_COST, WORD_COST, LONE_LANE_COST, WORD_SETUP_COST, RULES_COST = 0.6, 5.0, 1.2, 0.3, 1.6
"""Measured, relative to an edge of the calibration, whose network knows no hubs: an edge in the sparse kernel; an edge
for all lanes of a word; an edge for a lone lane of a word; clearing a word of an agent; an edge in the kernel of all
rules."""
THRESHOLD_COST, EPIDEMIC_COST = 1.7, 1.3
"""Measured, relative to an edge of the calibration: a weight that is added; an edge of an epidemic, for all the rounds
of contacts for which it is looked at once."""
SHAPE_COSTS = {"threshold": THRESHOLD_COST, "epidemic": EPIDEMIC_COST, "rules": RULES_COST}
PARTITIONED_COST, PARTITIONED_ADDING_COST = 3.2, 32.0
"""Measured, relative to an edge of the calibration: an edge of any model in the partitioned plan, with its message; of
a model whose contacts add, which all travel."""
LANES_APART = {"dated", "rules"}
"""Measured: kinds of partitions in which half of the lanes take half of the time."""
MOST_WAVES_AT_ONCE = 16
"""More make checkpoints in each other's way; each wave then has several threads."""
DETOURS = {"words": 1.2, "dated": 2.1, "sums": 3.0}
DETOUR_WITHOUT_MAIL = 1.4
"""Measured: how many times what the broadcast plan takes partitions of a kind take; sums without mail."""
BYTES_PER_AGENT, BYTES_PER_TOUCHED, BYTES_PER_MESSAGE, BYTES_PER_JOINED_EDGE = 24, 40, 60, 1000
"""Of a thread's scratch for an agent; of an agent in a log; of a message on its way; of an edge that a lane joins."""
FORGET_ABOVE = 2 << 30
"""Bytes of edges from which on partitions give their pages back once they have read them: all of them, with what lanes
hold, would fill the memory."""
BYTES_PER_EDGE = 8
"""Of an edge as kernels read it."""
BYTES_PER_COUNT = 40
"""Of a lane's counts of a round, in each partition."""
BYTES_IN_WORDS, BYTES_PER_WEIGHT, BYTES_PER_SUM = 12, 48, 9
"""Of an activation or a message that lanes share; of a weight, with its part of a block of sums; of a sum in a list."""
BYTES_PER_ACTIVATION, BYTES_PER_CONTACT = 40, 60
"""Of a row that is recorded."""


def recorded_rows(session: Session, lane: ExpectedCascade) -> tuple[float, float]:
    """Return how many activations and contacts a session is expected to record."""
    activations = session.replicates * lane.activations * lane.occasions if session.records("activations") else 0.0
    return activations, session.replicates * lane.trials if session.records("contacts") else 0.0


def edges_looked_at(session: Session, lane: ExpectedCascade, rounds: int) -> float:
    """Return the edges that a lane of an epidemic looks at: each once for so many rounds of contacts, or fewer."""
    return lane.trials / min(rounds_of_contacts(session), float(rounds))


def sums_without_mail(network: Network, session: Session, lanes: int, threads: int) -> bool:
    """Return whether lanes go through the partitions of one worker one by one, and send nothing.

    That is for thresholds, where memory keeps the edges and the arrays that each thread works in, and threads have
    lanes enough.
    """
    scratch = min(lanes, threads) * BYTES_PER_AGENT * network.n_ids
    fits = max(network.n_edges * BYTES_PER_EDGE, scratch) < FORGET_ABOVE
    return partitions_of(session) == "sums" and fits and 2 * lanes >= threads


def partitioned_lane_bytes(network: Network, session: Session, lane: ExpectedCascade, *, mail: bool) -> float:
    """Return how many bytes a lane holds in all partitions: dense arrays, its log, and messages on their way."""
    rules = session.model.rules
    activations = min(lane.activations * lane.occasions, 2.0 * network.n_ids)
    kind = partitions_of(session)
    travelling = 1.0 if _all_travel(session) else 0.3 if kind == "dated" else 0.1
    messages = trials_at_once(session, lane) * travelling
    if kind == "words":
        return network.n_ids / 8 + (activations + messages) * BYTES_IN_WORDS
    if not mail:
        # Twice: a task that goes on from lists leaves them as they are.
        return 2.0 * BYTES_PER_SUM * min(float(network.n_ids), lane.activations + lane.trials)
    if kind == "sums":
        # Twice: a log that is written anew holds them too. An agent has a bit, and a share of a block.
        blocks = min(4.0 * network.n_ids, lane.trials * BYTES_PER_WEIGHT)
        sums = 2.0 * (blocks + network.n_ids * (1 / 8 + 4 / BLOCK))
        return sums + messages * BYTES_PER_MESSAGE
    remembered = 4 * rules.recurrent + 8 * (rules.adds or rules.mixing is not None) + 4 * (rules.fatigue < 1.0)
    dense = network.n_ids * (1 + remembered)
    return float(dense + activations * BYTES_PER_TOUCHED + messages * BYTES_PER_MESSAGE)


def trials_at_once(session: Session, lane: ExpectedCascade) -> float:
    """Return about how many edges a lane looks at in its largest round."""
    return lane.trials / (rounds_of_contacts(session) * lane.occasions) / 2.0


def _all_travel(session: Session) -> bool:
    """Return whether contacts that do not succeed travel too."""
    rules = session.model.rules
    return rules.adds or rules.mixing is not None or rules.fatigue < 1.0 or session.records("contacts")

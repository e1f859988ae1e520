"""Costs of jobs: measured constants, and estimates shared by kernel families; each family also has its own costs."""

from data.networks.network import Network
from propagation.mean_field import ExpectedCascade, rounds_of_contacts
from propagation.sessions import Session

SECONDS_PER_JOB, SECONDS_PER_SMALL_JOB = 0.05, 0.001
"""Measured: overhead of a job without its lanes, on a cluster and on threads of the calling process."""
SECONDS_PER_SESSION, SECONDS_PER_LANE = 2e-4, 2e-6
"""Measured: overhead of a session and of a lane, in seconds of one thread, independent of their edges."""
SECONDS_PER_REFERENCE_ROUND, SECONDS_PER_JOINED_EDGE = 0.3, 1.5e-6
"""Measured: a round of the reference plan, per partition of the edges; one joined edge of a lane."""
SECONDS_PER_ROUND, SECONDS_PER_PARTITION, SECONDS_PER_TASK = 0.0003, 0.0003, 0.003
"""Measured: a round of the partitioned plan; more for each partition, within one worker and between several."""
SECONDS_PER_ACTIVATION, SECONDS_PER_CONTACT = 6e-7, 2.4e-7
"""Measured: a row that is recorded, of one thread."""
LIBRARY_BYTES = 96 << 20
"""Measured: memory of libraries and compiled kernels once they are in use."""
MOST_WAVES_AT_ONCE = 16
"""More would delay each other's checkpoints; each wave then has several threads."""
BYTES_PER_AGENT, BYTES_PER_TOUCHED, BYTES_PER_MESSAGE, BYTES_PER_JOINED_EDGE = 24, 40, 60, 1000
"""Scratch of a thread per agent; an agent in a log; a message in transit; a joined edge of a lane."""
FORGET_ABOVE = 2 << 30
"""Bytes of edges above which partitions release pages after reading them: all pages, together with the state of the
lanes, would fill the memory."""
BYTES_PER_EDGE = 8
"""Of an edge as kernels read it."""
BYTES_PER_COUNT = 40
"""Of a lane's counts of a round, in each partition."""
BYTES_PER_ACTIVATION, BYTES_PER_CONTACT = 40, 60
"""Of a row that is recorded."""


def recorded_rows(session: Session, lane: ExpectedCascade) -> tuple[float, float]:
    """Return how many activations and contacts a session is expected to record."""
    activations = session.replicates * lane.activations * lane.occasions if session.records("activations") else 0.0
    return activations, session.replicates * lane.trials if session.records("contacts") else 0.0


def edges_read(session: Session, lane: ExpectedCascade, rounds: int) -> float:
    """Return the edges that a lane of an epidemic reads: each once for up to `rounds` rounds of contacts."""
    return lane.trials / min(rounds_of_contacts(session), float(rounds))


def trials_at_once(session: Session, lane: ExpectedCascade) -> float:
    """Return about how many edges a lane reads in its largest round."""
    return lane.trials / (rounds_of_contacts(session) * lane.occasions) / 2.0


def messages_at_once(session: Session, lane: ExpectedCascade, share: float) -> float:
    """Return about how many messages a lane has in transit, if a share of contacts send one."""
    return trials_at_once(session, lane) * share


def logged_activations(network: Network, lane: ExpectedCascade) -> float:
    """Return about how many activations the logs of a lane hold."""
    return min(lane.activations * lane.occasions, 2.0 * network.n_ids)


def logged_lane_bytes(network: Network, session: Session, lane: ExpectedCascade, share: float) -> float:
    """Return the bytes of a lane's dense arrays, logs and messages, if a share of contacts send one."""
    rules = session.model.rules
    remembered = 4 * rules.recurrent + 8 * (rules.adds or rules.mixing is not None) + 4 * (rules.fatigue < 1.0)
    log = logged_activations(network, lane) * BYTES_PER_TOUCHED
    return network.n_ids * (1.0 + remembered) + log + messages_at_once(session, lane, share) * BYTES_PER_MESSAGE

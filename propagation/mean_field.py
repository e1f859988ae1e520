"""Mean-field estimate of a lane's activity, from the network's profile, before anything has run."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from data.networks.network import Network
from propagation.compiled_rules import contact_rows
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.sessions import Session
from propagation.weights import ONE_EACH

MEAN_FIELD_ROUNDS = 1000
LONG_TRANSMISSION = 50
"""Rounds in which agents that never stop are assumed to transmit."""
ENDEMIC = 0.01
"""Share of agents above which an epidemic with repeated activations is assumed never to die out."""


@dataclass(frozen=True)
class ExpectedCascade:
    """What a lane is expected to do.

    Attributes
    ----------
    activations : float
        Agents reached.
    trials : float
        Edges read, those of the seeds included.
    seed_trials : float
        Edges of the seeds, which all lanes read in the same round.
    overlap : float
        Share of the other edges that another lane reads in the same round, in [0, 1].
    rounds : float
        Rounds until it is over.
    occasions : float
        Activations of an agent that is reached.
    """

    activations: float
    trials: float
    seed_trials: float
    overlap: float
    rounds: float
    occasions: float = 1.0


def expected_cascade(network: Network, session: Session) -> ExpectedCascade:
    """Estimate a lane from the network's profile, as a mean field of agents that are reached independently.

    An agent with in-probabilities summing to c is reached with probability ``1 - exp(-c f)``, where f is the share of
    all out-probability that transmitting agents carry; cascades end at the lowest fixed point. Communities and
    correlations are ignored, so estimates are high near the threshold. Blocked agents reach nobody.
    If agents can be activated again, those that the mean field reaches are assumed to be, until `max_rounds`.

    Parameters
    ----------
    network : Network
    session : Session

    Returns
    -------
    ExpectedCascade
    """
    if isinstance(session.model, PandasModel):  # its behaviour is unknown: at most everyone, once
        rounds = float(min(session.max_rounds, LONG_TRANSMISSION))
        return ExpectedCascade(float(network.n_agents), float(network.n_edges), 0.0, 0.0, rounds)
    rows = contact_rows(network, session.model, session.random_seed)
    seeds = session.seed_array
    seed_degree = float((rows.offsets[seeds + 1] - rows.offsets[seeds]).sum())
    lasting = rounds_of_contacts(session)
    # Rounded to a power of 2 ** 0.25, which is precise enough and lets many sessions share an estimate.
    about = 2.0 ** (round(4.0 * math.log2(seed_degree)) / 4.0) if seed_degree else 0.0
    model, blocked = session.model, session.blocked
    field = _mean_field(network, model, session.random_seed, lasting, about, session.max_rounds, blocked)
    reached = min(len(seeds) + field.activations, float(network.n_agents - len(blocked)))
    rules, rounds, occasions = session.model.rules, field.rounds + 1.0, 1.0
    if (
        lasting > 1.0 and not rules.transmits_forever
    ):  # the more agents there are, the longer the last of them takes to stop
        rounds += lasting * math.log1p(reached)
    again = any(t.is_possible and t.source in rules.reached and t.to not in rules.reached for t in rules.transitions)
    if again and field.activations > ENDEMIC * network.n_agents:
        occasions += session.max_rounds / (1.0 + _rounds_of_cycle(session))
        rounds = float(session.max_rounds)
    once = min(seed_degree + field.trials, float(max(network.n_edges, seed_degree)))
    return ExpectedCascade(
        activations=reached,
        trials=once * lasting * occasions,
        seed_trials=seed_degree,
        overlap=field.overlap,
        rounds=min(rounds, float(session.max_rounds)),
        occasions=occasions,
    )


@functools.lru_cache(maxsize=1024)
def _mean_field(
    network: Network,
    model: Model,
    random_seed: int,
    lasting: float,
    seed_degree: float,
    max_rounds: int,
    blocked: tuple[int, ...],
) -> ExpectedCascade:
    """Return what a lane does beyond its seeds, whose out-degrees sum to `seed_degree`; see `expected_cascade`."""
    agents, in_chance, out_chance, degree = contact_rows(network, model, random_seed).profile.T
    counting = model.influence() == ONE_EACH
    if counting:  # counts of neighbours decide, which a mean field cannot describe
        in_chance, out_chance = np.full(len(agents), 1e9), degree
    in_chance, out_chance = in_chance * lasting, out_chance * lasting
    total_out = float(out_chance.sum())
    if total_out == 0.0 or max_rounds == 0:
        return ExpectedCascade(0.0, 0.0, 0.0, 0.0, 0.0)
    mean_chance = total_out / max(float(degree.sum()), 1.0)
    if blocked:  # classes of one agent each, taken from those that they are counted in
        entering, leaving = (degrees[list(blocked)] for degrees in (network.in_degree, network.out_degree))
        in_chance = np.append(in_chance, np.full(len(blocked), 1e9) if counting else entering * mean_chance)
        out_chance, degree = np.append(out_chance, -mean_chance * leaving), np.append(degree, -leaving)
        agents = np.append(agents, np.full(len(blocked), -1.0))
    reached, shared, rounds = np.zeros(len(agents)), 0.0, 0
    force = seed_degree * mean_chance / total_out
    for _ in range(min(MEAN_FIELD_ROUNDS, max_rounds)):
        rounds += 1
        before, reached = reached, -np.expm1(-in_chance * force)
        # Two lanes read the same row if both reach its agent in the same round.
        shared += float(degree @ (reached - before) ** 2)
        following = (seed_degree * mean_chance + max(float(out_chance @ reached), 0.0)) / total_out
        if following - force < 1e-6 * force:
            break
        force = following
    trials, activations = max(float(degree @ reached), 0.0), max(float(agents @ reached), 0.0)
    overlap = max(shared, 0.0) / trials if trials else 0.0
    return ExpectedCascade(activations, trials, 0.0, min(overlap, 1.0), float(rounds))


def rounds_of_contacts(session: Session) -> float:
    """Return for how many rounds an agent is expected to contact its out-neighbours."""
    rules = session.model.rules
    leaving = {transition.source: transition for transition in rules.transitions if transition.is_possible}
    first = leaving.get(next(name for name in rules.transmitting if name in rules.reached))
    lasting = float(LONG_TRANSMISSION) if first is None else float(first.after or 1.0 / first.probability)
    return min(lasting, float(LONG_TRANSMISSION), float(max(session.max_rounds, 1)))


def _rounds_of_cycle(session: Session) -> float:
    """Return the expected number of rounds that an agent spends in compartments that it leaves spontaneously."""
    possible = [transition for transition in session.model.rules.transitions if transition.is_possible]
    return sum(float(transition.after or 1.0 / transition.probability) for transition in possible)

"""A session's rules as arrays, with the same types for every model, so that each kernel compiles only once."""

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.draws import Purpose, chances, stream
from propagation.models.model import Model
from propagation.models.rules import COMPARTMENTS_LIMIT, Rules
from propagation.sessions import Session
from propagation.weights import AttemptRows, EdgeWeights, attempt_rows, blocked_rows

CERTAIN = 2**32
"""Chance of a certain event."""
FACTORS = 1024
"""Number of tabulated powers of decay and fatigue; higher powers use the last entry."""


class Edges(NamedTuple):
    """Out-edges of all agents as the kernels read them: see `propagation.weights.AttemptRows`."""

    offsets: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]
    base: np.int64
    influence: npt.NDArray[np.uint64]
    """Packed edges with influence weights, if `words` hold probabilities and the model needs both; else length 0."""
    influence_base: np.int64


class Program(NamedTuple):
    """Rules as arrays; c is the number of compartments, chances are in units of 2**-32, -1 means none."""

    rate: npt.NDArray[np.int64]
    """(c, c): chance that a contact from the first to the second succeeds, without the edge's factor."""
    by_edge: npt.NDArray[np.uint8]
    target_to: npt.NDArray[np.int8]
    share: npt.NDArray[np.int64]
    otherwise: npt.NDArray[np.int8]
    stops: npt.NDArray[np.uint8]
    """(c, c): whether a success moves the contacting agent."""
    stop_to: npt.NDArray[np.int8]
    """(c,): compartment to which a success moves the contacting agent."""
    mutual: npt.NDArray[np.uint8]
    """(c,): whether contacts within this compartment share one draw for both directions of a pair."""
    single: npt.NDArray[np.int8]
    """(c,): the only compartment that contacts from here can change, if success depends on the edge alone; else -1."""
    transmits: npt.NDArray[np.uint8]
    reached: npt.NDArray[np.uint8]
    live: npt.NDArray[np.uint8]
    """(c,): whether its agents transmit or can make a spontaneous transition."""
    leave_to: npt.NDArray[np.int8]
    leave_chance: npt.NDArray[np.int64]
    leave_after: npt.NDArray[np.int64]
    leave_streams: npt.NDArray[np.uint64]
    decay: npt.NDArray[np.uint64]
    fatigue: npt.NDArray[np.uint64]
    thresholds: npt.NDArray[np.int64]
    in_degree: npt.NDArray[np.int64]
    sceptics: npt.NDArray[np.int64]
    """Chance to start as a sceptic: (n,), or (1,) if equal for all agents, or (0,) if the model has no sceptics."""
    sceptics_in: np.int64
    seeds_in: np.int64
    adds: np.int64
    mixing: np.int64
    recurrent: np.int64
    fatigued: np.int64
    chooses: np.int64
    """Whether one of several successes must be chosen: infectors are recorded, or contacts differ in kind."""
    first_wins: np.int64
    """Whether successes from the compartment listed first decide; otherwise draws alone."""
    transmits_forever: np.int64
    transmission: np.uint64
    meeting: np.uint64
    infector: np.uint64
    threshold: np.uint64
    branching: np.uint64
    mixture: np.uint64
    scepticism: np.uint64


def session_edges(network: Network, session: Session) -> Edges:
    """Return a network's edges with the probabilities and weights that a session's model uses."""
    probabilities, influence = session.model.chances(), session.model.influence()
    rows, second = session_rows(network, session), None
    if probabilities is not None and influence is not None:
        second = _rows(network, influence, session)
    return Edges(
        rows.offsets,
        rows.words,
        np.int64(rows.base),
        constant_array(np.empty(0, np.uint64)) if second is None else second.words,
        np.int64(0 if second is None else second.base),
    )


def session_rows(network: Network, session: Session) -> AttemptRows:
    """Return the out-edges with the probabilities of a session's model, or its influence weights if it has none."""
    return _rows(network, _first_weights(session.model), session)


def _rows(network: Network, weights: EdgeWeights, session: Session) -> AttemptRows:
    if session.blocked or session.blocked_edges:
        return blocked_rows(network, weights, session.random_seed, session.blocked, session.blocked_edges)
    return attempt_rows(network, weights, session.random_seed)


def _first_weights(model: Model) -> EdgeWeights:
    weights = model.chances() or model.influence()
    assert weights is not None, f"{model.name} has no edge weights"
    return weights


def contact_rows(network: Network, model: Model, random_seed: int) -> AttemptRows:
    """Return the out-edges as `session_rows` does, for a model."""
    return attempt_rows(network, _first_weights(model), random_seed)


def session_program(network: Network, session: Session, *, traced: bool) -> Program:
    """Return the rules of a session's model as arrays.

    Parameters
    ----------
    network : Network
    session : Session
    traced : bool
        Whether infectors are recorded.
    """
    return _program(network, session.model, session.random_seed, session.blocked, traced=traced)


@functools.lru_cache(maxsize=64)
def _program(network: Network, model: Model, random_seed: int, blocked: tuple[int, ...], *, traced: bool) -> Program:
    rules = model.rules
    c = COMPARTMENTS_LIMIT
    rate, share = np.full((c, c), -1, np.int64), np.zeros((c, c), np.int64)
    by_edge, stops = np.zeros((c, c), np.uint8), np.zeros((c, c), np.uint8)
    target_to, otherwise = np.full((c, c), -1, np.int8), np.full((c, c), -1, np.int8)
    stop_to, single, mutual = np.full(c, -1, np.int8), np.full(c, -1, np.int8), np.zeros(c, np.uint8)
    for contact in rules.contacts:
        pair = rules.number(contact.source), rules.number(contact.target)
        rate[pair], by_edge[pair] = chances(contact.rate), contact.by_edge
        target_to[pair], otherwise[pair] = rules.number(contact.target_to), rules.number(contact.otherwise)
        share[pair] = chances(contact.share)
        if contact.source_to is not None:
            stops[pair], stop_to[pair[0]] = 1, rules.number(contact.source_to)
        if contact.mutual:
            mutual[pair[0]] = 1
    for source in range(c):
        targets = np.flatnonzero(rate[source] >= 0)
        plain = not rules.adds and rules.mixing is None and rules.fatigue == 1.0 and len(targets) == 1
        if plain and rate[source, targets[0]] == CERTAIN and by_edge[source, targets[0]]:
            single[source] = targets[0]
    leave_to, leave_chance, leave_after = np.full(c, -1, np.int8), np.zeros(c, np.int64), np.zeros(c, np.int64)
    for transition in rules.transitions:
        source = rules.number(transition.source)
        leave_to[source] = rules.number(transition.to)
        leave_chance[source], leave_after[source] = chances(transition.probability), transition.after or 0
    transmits, reached = _flags(rules, rules.transmitting), _flags(rules, rules.reached)
    thresholds = model.thresholds(network)
    sceptics = np.empty(0, np.int64)
    if rules.sceptics:
        sceptics = np.atleast_1d(chances(_of_agents_only(network, model.initial_sceptics(network))))
    if blocked and len(sceptics):
        sceptics = np.broadcast_to(sceptics, network.n_ids).copy()
        sceptics[list(blocked)] = 0

    def streams(purpose: Purpose) -> np.uint64:
        return stream(random_seed, purpose)

    none = np.empty(0, np.int64)
    several = any(np.sum(target_to[:, target] >= 0) > 1 for target in range(c))
    return Program(
        rate=constant_array(rate),
        by_edge=constant_array(by_edge),
        target_to=constant_array(target_to),
        share=constant_array(share),
        otherwise=constant_array(otherwise),
        stops=constant_array(stops),
        stop_to=constant_array(stop_to),
        mutual=constant_array(mutual),
        single=constant_array(single),
        transmits=constant_array(transmits),
        reached=constant_array(reached),
        live=constant_array(transmits | _flags(rules, tuple(rules.leaving))),
        leave_to=constant_array(leave_to),
        leave_chance=constant_array(leave_chance),
        leave_after=constant_array(leave_after),
        leave_streams=constant_array(
            np.array([stream(random_seed, Purpose.TRANSITION, number) for number in range(c)], np.uint64)
        ),
        decay=constant_array(_powers(rules.decay)),
        fatigue=constant_array(_powers(rules.fatigue)),
        thresholds=constant_array(none if thresholds.values is None else thresholds.values),
        in_degree=constant_array(none if thresholds.in_degree is None else thresholds.in_degree),
        sceptics=constant_array(sceptics),
        sceptics_in=np.int64(rules.number(rules.sceptics)),
        seeds_in=np.int64(rules.number(rules.seeds)),
        adds=np.int64(rules.adds),
        mixing=np.int64(-1 if rules.mixing is None else chances(rules.mixing)),
        recurrent=np.int64(rules.recurrent),
        fatigued=np.int64(rules.fatigue < 1.0),
        chooses=np.int64(traced or several),
        first_wins=np.int64(rules.first_wins),
        transmits_forever=np.int64(rules.transmits_forever),
        transmission=streams(Purpose.TRANSMISSION),
        meeting=streams(Purpose.MEETING),
        infector=streams(Purpose.INFECTOR),
        threshold=streams(Purpose.THRESHOLD),
        branching=streams(Purpose.BRANCHING),
        mixture=streams(Purpose.MIXING),
        scepticism=streams(Purpose.SCEPTICS),
    )


def _of_agents_only(network: Network, values: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64] | float:
    """Return values, one for all agents or by dense id, with those of reserved ids set to 0."""
    if not len(network.reserved):
        return values
    found = np.broadcast_to(values, network.n_ids).astype(np.float64)
    found[network.reserved] = 0.0
    return found


def _flags(rules: Rules, names: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    flags = np.zeros(COMPARTMENTS_LIMIT, np.uint8)
    flags[[rules.number(name) for name in names]] = 1
    return flags


def _powers(factor: float) -> npt.NDArray[np.uint64]:
    """Return powers of a factor in [0, 1] as chances, (FACTORS,) uint64; a single one for factor 1."""
    return chances(factor ** np.arange(1 if factor == 1.0 else FACTORS)).astype(np.uint64)


def constant_array(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: kernels are compiled for read-only arrays, such as memory-mapped ones."""
    if array.flags.c_contiguous and not array.flags.writeable:
        return array
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view

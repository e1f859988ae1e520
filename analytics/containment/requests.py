"""Requests for containments: checked before work starts, and turned into what is to be contained and at which costs."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from analytics.containment.choices import FIRST_SAMPLE, Action, CounterStart, Method, Ties
from data.errors import InvalidInputError
from data.networks.network import Network
from data.validation import suggestion
from propagation.influence.requests import AgentNumbers, cost_of_agents, named_numbers
from propagation.models import IndependentCascade
from propagation.models.competing_cascades import LATEST_START
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.seeding import closed_edges
from propagation.sessions import Session, resolve_session

ACTIONS: tuple[Action, ...] = get_args(Action)
METHODS: tuple[Method, ...] = get_args(Method)


def checked_session(
    network: Network,
    model: Any,
    seed_set: Any,
    budget: Any,
    action: Any,
    methods: Any,
    replicates: Any,
    samples: Any,
    random_seed: Any,
    max_rounds: Any,
    blocked: Any,
    costs: AgentNumbers | None,
) -> Session:
    """Return the session of the message; raise InvalidInputError if a value breaks its rule."""
    if action not in ACTIONS:
        near = suggestion(str(action), ACTIONS)
        raise InvalidInputError(f"action {action!r} is unknown{near}; choose one of {', '.join(ACTIONS)}")
    if isinstance(methods, str) or not methods:
        raise InvalidInputError(f"methods {methods!r}: give a list of some of {', '.join(METHODS)}")
    for method in methods:
        if method not in METHODS:
            near = suggestion(str(method), METHODS)
            raise InvalidInputError(f"method {method!r} is unknown{near}; choose among {', '.join(METHODS)}")
    if len(set(methods)) < len(methods):
        raise InvalidInputError(f"methods {list(methods)!r} names one twice; name each once")
    _check_model(model, action, methods)
    most = {"block_agents": network.n_agents, "block_edges": network.n_edges, "counter_message": network.n_agents}
    limits = {"samples": (samples, 1_000_000), **({"budget": (budget, most[action])} if costs is None else {})}
    for name, (value, high) in limits.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= high:
            raise InvalidInputError(f"{name} {value!r} is not a whole number from 1 to {high:,}")
    is_number = isinstance(budget, int | float | np.integer | np.floating) and not isinstance(budget, bool)
    if not is_number or not 0.0 < budget < np.inf:
        raise InvalidInputError(f"budget {budget!r} is not a sum of costs; give a number above 0")
    session = resolve_session(
        network,
        model,
        seed_set=seed_set,
        replicates=replicates,
        random_seed=random_seed,
        max_rounds=max_rounds,
        blocked=blocked,
    )
    if session.replicates > FIRST_SAMPLE:
        raise InvalidInputError(f"replicates {replicates!r} is not a whole number in [1, {FIRST_SAMPLE:,}]")
    return session


def _check_model(model: Any, action: Action, methods: Sequence[Method]) -> None:
    """Raise InvalidInputError unless what is asked for can be chosen and simulated under a model."""
    name = getattr(model, "name", model)
    if not isinstance(model, Model) or isinstance(model, PandasModel):
        raise InvalidInputError(f"model {name!r}: containment is for built-in models, such as IndependentCascade(...)")
    if action == "counter_message" and not isinstance(model, IndependentCascade):
        raise InvalidInputError(
            f"model {name!r}: a counter-message spreads as independent_cascade (competing_cascades); give "
            "IndependentCascade(...), or block agents or edges"
        )
    if model.rules.adopting:
        raise InvalidInputError(f"model {name!r} spreads several messages; give the model of the one to contain")
    if "greedy" in methods and not model.rules.is_cascade:
        raise InvalidInputError(
            f"model {name!r}: the greedy method needs edges with one attempt each, as in independent_cascade; for "
            "other models leave it out: methods degree, pagerank, random"
        )


def checked_start(action: Action, delay: Any, ties: Any, max_rounds: Any) -> CounterStart:
    """Return when a counter-message starts; raise InvalidInputError if a value breaks its rule."""
    if isinstance(delay, bool) or not isinstance(delay, int | np.integer) or not 0 <= delay <= LATEST_START:
        raise InvalidInputError(f"delay {delay!r} is not a whole number of rounds from 0 to {LATEST_START:,}")
    if ties not in get_args(Ties):
        near = suggestion(str(ties), get_args(Ties))
        raise InvalidInputError(f"ties {ties!r} are unknown{near}; choose one of {', '.join(get_args(Ties))}")
    start = CounterStart(int(delay), ties)
    if action != "counter_message" and start != CounterStart():
        raise InvalidInputError(f"delay and ties are for a counter-message, not for action {action!r}; leave them out")
    if isinstance(max_rounds, int) and start.delay > max_rounds:
        raise InvalidInputError(
            f"delay {delay} is after the last round, max_rounds {max_rounds:,}, so that the message would never start"
        )
    return start


def prices_of(
    network: Network, session: Session, action: Action, costs: AgentNumbers | None, candidates: Any, budget: float
) -> npt.NDArray[np.float64] | None:
    """Return the cost of choosing each agent or edge, infinite if it cannot be chosen; None if each costs 1.

    Raises
    ------
    InvalidInputError
        If the costs or candidates break their rule, or the budget does not pay for any agent.
    """
    if costs is not None and action == "block_edges":
        raise InvalidInputError(
            f"costs {named_numbers(costs)!r} are of agents, and edges are blocked; leave them out: each edge costs 1"
        )
    if costs is None and candidates is None:
        return None
    prices = np.ones(network.n_edges if action == "block_edges" else network.n_ids)
    if costs is not None:
        prices = np.nan_to_num(cost_of_agents(network, costs), nan=np.inf)
    if candidates is not None:
        if isinstance(candidates, str | bytes) or not len(candidates):
            raise InvalidInputError(f"candidates {candidates!r}: give a list of at least one")
        others = np.ones(len(prices), bool)
        if action == "block_edges":
            src, dst = np.array(closed_edges(network, candidates, "candidates")).T
            others[network.sparse_rows.positions(src, dst)] = False
        else:
            others[network.dense_ids(list(candidates))] = False
        prices[others] = np.inf
    if costs is not None:
        prices[[*session.seeds, *session.blocked]] = np.inf
        if not np.isfinite(cheapest := prices.min()):
            raise InvalidInputError(
                "nothing can be chosen: each candidate is a seed of the message, is blocked already or has no cost; "
                "give others a cost"
            )
        if cheapest > budget:
            raise InvalidInputError(f"budget {budget:g} buys nothing: the cheapest candidate costs {cheapest:g}")
    return prices

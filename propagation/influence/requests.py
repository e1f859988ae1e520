"""Requests for seeds in the user's terms: agent ids and names of columns, checked and turned into a problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from propagation.influence.live_edges import EVENTUALLY, needed_live_edges
from propagation.influence.problem import InfluenceProblem, Selection
from propagation.influence.selection import Method, select_seeds
from propagation.models.model import Model

AgentNumbers = str | Mapping[Any, float]
"""A number for each agent: the name of an agent column, or numbers by agent id, such as a dictionary or a Series."""
BY_AGENT = "given by agent"
"""What numbers of agents that are no column of the network are called."""


@dataclass(frozen=True)
class SeedRequest:
    """A request for seeds.

    Attributes
    ----------
    budget : float
        Number of seeds to add; with `costs`, the most that they may cost together.
    targets : sequence of agent ids
        Only these agents count; empty: all do.
    weights : str, mapping or None
        Agent column that says how much each agent counts, or these numbers by agent id; agents without one do not.
    costs : str, mapping or None
        Agent column with the cost of seeding each agent, or costs by agent id; agents without one cannot be seeded.
    given : sequence of agent ids
        Seeds that there are already.
    method, epsilon, delta
        See `propagation.influence.selection.select_seeds`.
    random_seed : int
        Random seed of the selection's draws.
    """

    budget: float
    targets: Sequence[Any] = ()
    weights: AgentNumbers | None = None
    costs: AgentNumbers | None = None
    given: Sequence[Any] = ()
    method: Method = "auto"
    epsilon: float = 0.1
    delta: float | None = None
    random_seed: int = 0

    def problem(
        self,
        network: Network,
        model: Model,
        max_rounds: int = EVENTUALLY,
        blocked: Sequence[int] = (),
        pool: npt.NDArray[np.int32] | None = None,
    ) -> InfluenceProblem:
        """Return the problem of this request for a model on a network.

        Dense ids are those of `blocked` agents, and of the `pool` from which seeds are chosen: by default, all agents.

        Raises
        ------
        InvalidInputError
            If the budget, a column or a list of agents breaks its rule.
        UnknownAgentError
            If an agent is not in the network.
        UnfitModelError
            If the model has no live-edge form.
        """
        model.check(network)
        found = InfluenceProblem(
            network,
            needed_live_edges(network, model, max_rounds),
            self.checked_budget(),
            self.random_seed,
            max_rounds,
            np.array(blocked, np.int32),
            self.counted(network),
            None if self.costs is None else cost_of_agents(network, self.costs),
            self.given_seeds(network, blocked),
            pool,
        )
        found.check()
        return found

    def checked_budget(self) -> float:
        """Return the budget; raise InvalidInputError unless it is a number of seeds, or a sum of costs."""
        budget: Any = self.budget
        is_number = isinstance(budget, int | float | np.integer | np.floating) and not isinstance(budget, bool)
        if self.costs is None and not (is_number and 1 <= budget < np.inf and budget == int(budget)):
            raise InvalidInputError(f"budget {_shown(budget)} is not a number of seeds; give a whole number from 1")
        if not (is_number and 0.0 < budget < np.inf):
            raise InvalidInputError(f"budget {_shown(budget)} is not a sum of costs; give a number above 0")
        return float(budget)

    def counted(self, network: Network) -> npt.NDArray[np.float64] | None:
        """Return how much each agent counts, (n_ids,) float64; None if each counts 1."""
        if self.weights is None and not self.targets:
            return None
        if self.weights is None:
            values = np.ones(network.n_ids)
        elif isinstance(self.weights, str):
            values = np.nan_to_num(_column_numbers(network, "weights", self.weights, "each number must be >= 0"))
        else:
            values = np.nan_to_num(_given_numbers(network, "weights", self.weights))
        if self.targets:
            others = np.ones(network.n_ids, np.bool_)
            others[network.dense_ids(self.targets)] = False
            values[others] = 0.0
        return values

    def given_seeds(self, network: Network, blocked: Sequence[int] = ()) -> npt.NDArray[np.int32]:
        """Return the dense ids of the given seeds, in their order."""
        seeds = network.dense_ids(self.given) if self.given else np.empty(0, np.int32)
        distinct, counts = np.unique(seeds, return_counts=True)
        for problem, bad in (("given twice", distinct[counts > 1]), ("blocked", np.intersect1d(distinct, blocked))):
            if len(bad):
                name = network.agent_ids[int(bad[0])].as_py()
                raise InvalidInputError(f"given seed {name!r} is {problem}; leave it out")
        return seeds

    def select(self, problem: InfluenceProblem, progress: Progress = ignore_progress) -> Selection:
        """Return the seeds of a problem of this request."""
        return select_seeds(problem, method=self.method, epsilon=self.epsilon, delta=self.delta, progress=progress)


def _given_numbers(network: Network, name: str, given: Any) -> npt.NDArray[np.float64]:
    """Return numbers that were given by agent id, (n_ids,) float64; NaN for agents without one."""
    if not hasattr(given, "items"):
        raise InvalidInputError(f"{name} {given!r}: give an agent column, or numbers by agent id, such as {{'ann': 2}}")
    numbers = np.full(network.n_ids, np.nan)
    by_agent = dict(given.items())
    try:
        values = np.array([float(value) for value in by_agent.values()])
    except (TypeError, ValueError):
        bad = next(value for value in by_agent.values() if not isinstance(value, int | float))
        raise InvalidInputError(f"{name} holds {bad!r}, which is not a number") from None
    low = np.flatnonzero(~np.isnan(values) & ~((values >= 0) & np.isfinite(values)))
    if len(low):
        agent = list(by_agent)[int(low[0])]
        raise InvalidInputError(f"{name} holds {values[low[0]]:g} for agent {agent!r}; give finite numbers >= 0")
    numbers[network.dense_ids(list(by_agent))] = values
    return numbers


def cost_of_agents(network: Network, given: AgentNumbers) -> npt.NDArray[np.float64]:
    """Return the cost of choosing each agent, (n_ids,) float64; NaN where none is given.

    Raises
    ------
    InvalidInputError
        If there is no such column, or a cost is not above 0.
    """
    if not isinstance(given, str):
        costs = _given_numbers(network, "costs", given)
        if len(free := np.flatnonzero(costs == 0)):
            name = network.agent_ids[int(free[0])].as_py()
            raise InvalidInputError(
                f"costs holds 0 for agent {name!r}; each cost must be above 0, or missing for agents that cannot be "
                "chosen"
            )
        return costs
    rule = "each cost must be above 0, or missing for agents that cannot be chosen"
    return _column_numbers(network, "costs", given, rule, above_zero=True)


def _column_numbers(
    network: Network, name: str, column: str, rule: str, *, above_zero: bool = False
) -> npt.NDArray[np.float64]:
    """Return an agent column, (n_ids,) float64, NaN for agents without a number; refuse numbers against the rule."""
    numbers = network.agent_values(column)
    against = np.flatnonzero((numbers <= 0 if above_zero else numbers < 0) | np.isposinf(numbers))
    if len(against):
        agent = network.agent_ids[int(against[0])].as_py()
        raise InvalidInputError(
            f"{name}: agent column {column!r} of network {network.network_id!r} holds {float(numbers[against[0]])!r} "
            f"for agent {agent!r}; {rule}"
        )
    return numbers


def identified_numbers(numbers: AgentNumbers | None) -> Any:
    """Return what identifies numbers of agents: the name of their column, or the numbers themselves."""
    if numbers is None or isinstance(numbers, str):
        return numbers
    return sorted((str(agent), float(number)) for agent, number in numbers.items())


def named_numbers(numbers: AgentNumbers | None) -> str | None:
    """Return what numbers of agents are called in tables and pictures."""
    return numbers if numbers is None or isinstance(numbers, str) else BY_AGENT


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else repr(value)

"""Seed strategies: how the seed set of a session is chosen, once per session, before it runs."""

import dataclasses
import functools
import heapq
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from data.errors import InvalidInputError, UnknownAgentError
from data.networks.agent_columns import agents_within
from data.networks.network import Network
from data.validation import suggestion
from propagation.draws import Purpose, agent_hashes, stream
from propagation.models import make_model
from propagation.models.model import Model
from propagation.parameters import AgentColumn, Parameters


@dataclass(frozen=True)
class Spread:
    """What a session does with its seeds, for strategies that choose them accordingly.

    Attributes
    ----------
    model : Model
    max_rounds : int
        Last round in which agents may be activated.
    blocked : tuple of int
        Dense ids of agents that can never be reached, and are no seeds.
    """

    model: Model
    max_rounds: int = 10_000
    blocked: tuple[int, ...] = ()


def _texts(value: Any) -> Any:
    """Return a list of agent ids, or of values of agents, as a tuple of text."""
    if isinstance(value, list | tuple) and all(isinstance(v, str | int) and not isinstance(v, bool) for v in value):
        return tuple(map(str, value))
    return value


def _groups(value: Any) -> Any:
    """Return a mapping of columns to a value or a list of values as one of columns to tuples of text."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r} gives no groups; give values by column of the agents, such as segment: 2")
    lists = {name: each if isinstance(each, list | tuple) else [each] for name, each in value.items()}
    return {name: _texts([str(v).lower() if isinstance(v, bool) else v for v in each]) for name, each in lists.items()}


AgentIds = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Groups = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_groups)]
"""Values of the agents' columns, by the name of the column."""
AgentsOrGroups = Annotated[
    tuple[str, ...] | dict[str, tuple[str, ...]],
    BeforeValidator(lambda value: _groups(value) if isinstance(value, Mapping) else _texts(value)),
]


class SeedStrategy(Parameters):
    """Base of all strategies: a seed budget k, and a rule that selects k agents, of all or of some groups."""

    kind: ClassVar[str] = "seed strategy"
    needs_spread: ClassVar[bool] = False
    """Whether the seeds depend on the session's model."""

    budget: int = Field(ge=1)
    """Number of seeds."""
    within: Groups = Field(default_factory=dict)
    """Groups that the seeds are chosen from: a value, or a list of them, by column of the agents (such as segment)."""

    def __hash__(self) -> int:
        """Return a hash of all parameters, of which some are mappings."""
        return hash(self.model_dump_json())

    @model_serializer(mode="wrap")
    def _without_empty_groups(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `within` unless it is given, so that campaigns without it have the ids that they always had."""
        found: dict[str, Any] = serialized(self)
        if not self.within:
            found.pop("within", None)
        return found

    def eligible(self, network: Network) -> npt.NDArray[np.int32]:
        """Return the agents that may be chosen: dense ids, ascending.

        Raises
        ------
        InvalidInputError
            If the agents have no column that `within` names, or no agent has the values.
        """
        return agents_within(network, self.within) if self.within else network.dense_agents.astype(np.int32)

    def choose(self, network: Network, random_seed: int, spread: Spread | None = None) -> npt.NDArray[np.int32]:
        """Return the dense ids of the seeds, in the order chosen.

        Parameters
        ----------
        network : Network
        random_seed : int
        spread : Spread, optional
            The session's; needed by strategies that choose seeds for a model, unless they name one.

        Raises
        ------
        InvalidInputError
            If the budget exceeds the network's agents, or a parameter does not fit the network.
        UnfitModelError
            If the strategy cannot choose seeds for the model.
        """
        # Groups are looked up every time, because segments and metrics may be published meanwhile.
        pool = self.eligible(network).tobytes() if self.within else None
        return _chosen(self, network, pool, random_seed, spread if self.needs_spread else None)

    def _check_budget(self, network: Network, pool: npt.NDArray[np.int32]) -> None:
        if self.budget > len(pool):
            groups = "".join(f" with {name} {value}" for name, value in self.within.items())
            raise InvalidInputError(
                f"seed budget {self.budget:,} exceeds the {len(pool):,} agents of network "
                f"{network.network_id!r}{groups}"
            )

    @abstractmethod
    def _pick(
        self, network: Network, pool: npt.NDArray[np.int32], random_seed: int, spread: Spread | None
    ) -> npt.NDArray[np.int32]:
        """Return `budget` agents of the pool, dense ids that are ascending."""


@functools.lru_cache(maxsize=64)
def _chosen(
    strategy: SeedStrategy, network: Network, pool: bytes | None, random_seed: int, spread: Spread | None
) -> npt.NDArray[np.int32]:
    """Return the seeds of a strategy among all agents or a pool of int32 dense ids.

    They are cached, because many sessions of a campaign may share the strategy.
    """
    agents = network.dense_agents.astype(np.int32) if pool is None else np.frombuffer(pool, np.int32)
    strategy._check_budget(network, agents)  # noqa: SLF001 (its own)
    seeds = strategy._pick(network, agents, random_seed, spread)  # noqa: SLF001
    seeds.flags.writeable = False
    return seeds


class RandomSeeds(SeedStrategy):
    """Agents chosen uniformly without replacement: those with the smallest draws."""

    name: ClassVar[str] = "random"

    def _pick(
        self,
        network: Network,  # noqa: ARG002
        pool: npt.NDArray[np.int32],
        random_seed: int,
        spread: Spread | None,  # noqa: ARG002
    ) -> npt.NDArray[np.int32]:
        hashes = agent_hashes(stream(random_seed, Purpose.SEEDING), pool)
        return pool[np.argsort(hashes, kind="stable")[: self.budget]]


class TopOutDegree(SeedStrategy):
    """Agents with the most out-edges, ties by dense id."""

    name: ClassVar[str] = "top_out_degree"

    def _pick(
        self,
        network: Network,
        pool: npt.NDArray[np.int32],
        random_seed: int,  # noqa: ARG002
        spread: Spread | None,  # noqa: ARG002
    ) -> npt.NDArray[np.int32]:
        return pool[np.argsort(-network.out_degree[pool], kind="stable")[: self.budget]]


class DegreeDiscount(SeedStrategy):
    """Degree discount (Chen, Wang, Yang 2009) on out-degree.

    An agent with out-degree d, t of whose in-neighbours are seeds, scores ``d - 2 t - (d - t) t p``: its edges to seeds
    are of no use, and it may be reached by them without being a seed.
    """

    name: ClassVar[str] = "degree_discount"

    p: float = Field(default=0.01, ge=0.0, le=1.0)
    """Transmission probability assumed by the discount."""

    def _pick(
        self,
        network: Network,
        pool: npt.NDArray[np.int32],
        random_seed: int,  # noqa: ARG002
        spread: Spread | None,  # noqa: ARG002
    ) -> npt.NDArray[np.int32]:
        rows, degree = network.sparse_rows, network.out_degree
        chosen_neighbours = np.zeros(network.n_ids, np.int64)
        score = degree.astype(np.float64)
        queue = list(zip((-score[pool]).tolist(), pool.tolist(), strict=True))
        heapq.heapify(queue)
        seeds: list[int] = []
        may_be_chosen = np.zeros(network.n_ids, bool)
        may_be_chosen[pool] = True
        while len(seeds) < self.budget:
            negative, agent = heapq.heappop(queue)
            if not may_be_chosen[agent] or -negative != score[agent]:
                continue  # stale entry: the agent has been chosen or discounted since
            seeds.append(agent)
            may_be_chosen[agent] = False
            for target in rows.targets[rows.offsets[agent] : rows.offsets[agent + 1]].tolist():
                if may_be_chosen[target]:
                    chosen_neighbours[target] += 1
                    d, t = int(degree[target]), int(chosen_neighbours[target])
                    score[target] = d - 2 * t - (d - t) * t * self.p
                    heapq.heappush(queue, (-score[target], target))
        return np.array(seeds, np.int32)


class InfluenceMaximisation(SeedStrategy):
    """Agents chosen together so that the message reaches as many others as possible (Kempe, Kleinberg, Tardos 2003).

    By default seeds are chosen for the session's model, with draws that are independent of the session's. The
    algorithms are those of `propagation.influence.selection.select_seeds`; the models are those with a live-edge form
    (`propagation.influence.live_edges`).
    """

    name: ClassVar[str] = "influence_maximisation"
    needs_spread: ClassVar[bool] = True

    method: Literal["auto", "opim_c", "imm", "sketches"] = "auto"
    """Algorithm; see `propagation.influence.selection.select_seeds`."""
    epsilon: float = Field(default=0.1, gt=0.0, lt=1.0)
    """The guaranteed share of the best reach is 1 - 1/e - epsilon."""
    delta: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Probability that the guarantee fails; default: 1 / number of agents."""
    model: str | None = None
    """Registered name of another model than the session's to choose the seeds for."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of that model."""
    targets: AgentsOrGroups = ()
    """agent_ids of those who count, or groups as in `within`; default: all agents do."""
    weights: AgentColumn | None = None
    """Agent column that says how much each agent counts, at least 0."""
    costs: AgentColumn | None = None
    """Agent column with the cost of seeding each agent, above 0; the budget is then the sum of costs."""
    given: AgentIds = ()
    """agent_ids of seeds that there are already: the budget adds to them."""

    def choose(self, network: Network, random_seed: int, spread: Spread | None = None) -> npt.NDArray[np.int32]:
        """Return the dense ids of the seeds, in the order chosen; see `SeedStrategy.choose`."""
        if isinstance(self.targets, Mapping):
            agents = network.agent_ids.take(pa.array(agents_within(network, self.targets))).to_pylist()
            return self.model_copy(update={"targets": tuple(agents)}).choose(network, random_seed, spread)
        return super().choose(network, random_seed, spread)

    def _check_budget(self, network: Network, pool: npt.NDArray[np.int32]) -> None:
        """Leave it to the problem, which knows costs and given seeds."""

    def _pick(
        self, network: Network, pool: npt.NDArray[np.int32], random_seed: int, spread: Spread | None
    ) -> npt.NDArray[np.int32]:
        from propagation.influence.requests import SeedRequest

        request = SeedRequest(
            budget=self.budget, targets=tuple(self.targets), weights=self.weights, costs=self.costs, given=self.given,
            method=self.method, epsilon=self.epsilon, delta=self.delta, random_seed=random_seed,
        )  # fmt: skip
        if self.model is not None:
            model = make_model(self.model, self.parameters)
            spread = Spread(model) if spread is None else dataclasses.replace(spread, model=model)
        if spread is None:
            raise InvalidInputError("influence_maximisation chooses seeds for a model; give one: model='sir'")
        problem = request.problem(
            network, spread.model, spread.max_rounds, spread.blocked, pool if self.within else None
        )
        return np.concatenate([problem.given, request.select(problem).seeds])


STRATEGIES: Mapping[str, type[SeedStrategy]] = MappingProxyType(
    {strategy.name: strategy for strategy in (RandomSeeds, TopOutDegree, DegreeDiscount, InfluenceMaximisation)}
)
"""Every strategy by the name that campaigns use."""


def make_strategy(name: str, parameters: Mapping[str, Any]) -> SeedStrategy:
    """Return the strategy called `name` with these parameters.

    Raises
    ------
    InvalidInputError
        If there is no such strategy, or a parameter is invalid.
    """
    if name not in STRATEGIES:
        raise InvalidInputError(
            f"no seed strategy {name!r}{suggestion(name, STRATEGIES)}; strategies are {', '.join(STRATEGIES)}"
        )
    return STRATEGIES[name](**parameters)


def explicit_seeds(
    network: Network, agent_ids: Sequence[Any], known: Mapping[str, int] | None = None
) -> npt.NDArray[np.int32]:
    """Return the dense ids of explicitly listed agents; `known` holds those looked up before.

    Raises
    ------
    InvalidInputError
        If there are none, or one is listed twice.
    UnknownAgentError
        If one is not in the network.
    """
    names = _listed(agent_ids)
    if not names:
        raise InvalidInputError(
            f"seed set {agent_ids!r}: give a list of at least one agent id, or a strategy such as "
            "DegreeDiscount(budget=50)"
        )
    if known and all(name in known for name in names):
        seeds = np.array([known[name] for name in names], np.int32)
    else:
        seeds = network.dense_ids(names)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidInputError(f"seed set names agent {', '.join(map(repr, repeated[:3]))} more than once")
    return seeds


def seeds_of_messages(
    network: Network, seed_sets: Mapping[Any, Any], random_seed: int, known: Mapping[str, int] | None = None
) -> dict[str, tuple[npt.NDArray[np.int32], str]]:
    """Return the seeds of competing messages, and the name of the strategy that chose them, by message.

    A strategy skips agents that a message before it has as seeds, and chooses as many others.

    Parameters
    ----------
    network : Network
    seed_sets : mapping
        A list of agent ids, or a `SeedStrategy`, by message.
    random_seed : int
        Of the strategies.
    known : mapping, optional
        As for `explicit_seeds`.

    Raises
    ------
    InvalidInputError
        If an agent is a seed of two messages, or one message's seeds break a rule; the message is named.
    UnknownAgentError
        If a seed is not in the network.
    """
    found: dict[str, tuple[npt.NDArray[np.int32], str]] = {}
    taken = np.empty(0, np.int32)
    for message, asked in seed_sets.items():
        if not isinstance(message, str) or not message:
            raise InvalidInputError(f"message {message!r}: name each message by a text, such as 'rumour'")
        try:
            if isinstance(asked, SeedStrategy):
                occupied = np.isin(taken, asked.eligible(network)).sum()
                larger = asked.model_copy(update={"budget": asked.budget + int(occupied)})
                order = larger.choose(network, random_seed)
                seeds, strategy = order[~np.isin(order, taken)][: asked.budget], asked.name
            else:
                seeds, strategy = explicit_seeds(network, asked, known), "explicit"
        except (InvalidInputError, UnknownAgentError) as error:
            raise type(error)(f"message {message!r}: {error}") from error
        if len(both := np.intersect1d(seeds, taken)):
            names = ", ".join(map(repr, network.agent_ids.take(pa.array(both[:3])).to_pylist()))
            raise InvalidInputError(
                f"message {message!r}: agent {names} is a seed of another message too; an agent adopts one message"
            )
        taken = np.concatenate([taken, seeds])
        found[message] = seeds, strategy
    return found


def closed_edges(network: Network, edges: Any, name: str = "blocked_edges") -> tuple[tuple[int, int], ...]:
    """Return the dense ids (source, target), ascending, of blocked relationships; `name` is that of the argument.

    Raises
    ------
    InvalidInputError
        If `edges` is not a list of pairs, or one of them is not an edge of the network.
    UnknownAgentError
        If an agent is not in the network.
    """
    refused = InvalidInputError(f"{name} {edges!r}: give a list of pairs (source, target) of agent ids")
    try:
        listed = list(edges)
        pairs = [(str(source), str(target)) for source, target in listed]
    except (TypeError, ValueError):
        raise refused from None
    if isinstance(edges, Mapping) or any(isinstance(edge, str | bytes) for edge in (edges, *listed)):
        raise refused
    if not pairs:
        return ()
    src, dst = (network.dense_ids(list(names)) for names in zip(*pairs, strict=True))
    missing = network.sparse_rows.positions(src, dst) < 0
    if missing.any():
        source, target = pairs[int(np.argmax(missing))]
        raise InvalidInputError(
            f"{name}: network {network.network_id!r} has no edge from {source!r} to {target!r}; edges are "
            "directed, so an undirected relationship is two of them"
        )
    return tuple(sorted(set(zip(src.tolist(), dst.tolist(), strict=True))))


def blocked_agents(network: Network, agent_ids: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return the dense ids, ascending, of blocked agents.

    Raises
    ------
    InvalidInputError
        If `agent_ids` is not a list.
    UnknownAgentError
        If one is not in the network.
    """
    names = listed_agents("blocked", agent_ids)
    return np.unique(network.dense_ids(names)) if names else np.empty(0, np.int32)


def listed_agents(name: str, agent_ids: Any) -> list[str]:
    """Return agent ids as text; raise InvalidInputError, with the name of the argument, unless they are a list."""
    names = _listed(agent_ids)
    if not names and (isinstance(agent_ids, str | bytes) or not hasattr(agent_ids, "__len__") or len(agent_ids)):
        raise InvalidInputError(f"{name} {agent_ids!r}: give a list of agent ids")
    return names


def _listed(agent_ids: Any) -> list[str]:
    """Return agent ids as text; an empty list if the argument is not a list of ids."""
    if isinstance(agent_ids, str | bytes | Mapping):
        return []
    try:
        return [str(agent_id) for agent_id in agent_ids]
    except TypeError:
        return []

"""Containments: choices simulated on other replicates than they were made on, published as `containment_plans`."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.containment.choices import Action, Choices, CounterStart, Method, Ties
from analytics.containment.requests import METHODS, checked_session, checked_start, prices_of
from data.errors import AlreadyPublishedError, InvalidInputError
from data.networks.network import Network
from data.progress import Progress, shown
from data.quantities import counted
from data.validation import suggestion
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import containment_key
from data.warehouse.store import Store
from propagation.influence.requests import AgentNumbers, identified_numbers, named_numbers
from propagation.intervals import mean_intervals
from propagation.models import CompetingCascades
from propagation.models.model import Model
from propagation.result import Reach, Result
from propagation.sessions import MAX_ROUNDS, Session, derived_uuid
from propagation.simulation import simulate_many

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BUDGETS_SIMULATED = 8
"""Numbers of choices that are simulated for each method, evenly spaced up to the budget."""
ROWS_AT_ONCE = 10_000_000
"""Activations of simulated counter-messages that are held in memory."""
MESSAGE, COUNTER_MESSAGE = "message", "counter-message"
"""The competing messages of a simulated counter-message."""


@dataclass(frozen=True)
class Containment:
    """What to block against a message by each method, and how many agents that saves.

    Attributes
    ----------
    network : Network
    containment_id : str
        UUID of what was asked for.
    rows : pyarrow.Table
        Rows of the table `containment_plans`: by method, in the order of `METHODS`, and step.
    was_published : bool
        Whether the warehouse had it already, so that nothing was simulated.
    """

    network: Network
    containment_id: str
    rows: pa.Table
    was_published: bool = False

    def __repr__(self) -> str:
        best = self.best_method
        return f"Containment({self.action}, {best}: {self.saved(best)[-1][1].mean:,.1f} agents saved; see .table)"

    @property
    def table(self) -> "pd.DataFrame":
        """The rows as a data frame."""
        return pandas_frame(self.rows)

    @property
    def action(self) -> str:
        """What is done: ``block_agents``, ``block_edges`` or ``counter_message``."""
        return str(self.rows["action"][0].as_py())

    @property
    def methods(self) -> list[str]:
        """The methods that chose anything."""
        return list(dict.fromkeys(self.rows["method"].to_pylist()))

    @property
    def best_method(self) -> str:
        """The method whose choices save most agents, all of them taken."""
        return max(self.methods, key=lambda method: self.saved(method)[-1][1].mean)

    @property
    def reach_before(self) -> float:
        """Agents that the message reaches without any choice, mean over replicates."""
        return float(self.rows["reach_before"][0].as_py())

    def choices(self, method: str = "greedy") -> list[Any]:
        """Return what a method chooses, in its order: agent ids, or pairs (source, target) of agent ids.

        Raises
        ------
        InvalidInputError
            If the method chose nothing, or was not asked for.
        """
        rows = self._of(method)
        if self.action == "block_edges":
            return [(row["agent_id"], row["target_id"]) for row in rows]
        return [row["agent_id"] for row in rows]

    def saved(self, method: str = "greedy") -> list[tuple[int, Reach]]:
        """Return numbers of choices that were simulated, each with the mean number of agents that it saves."""
        return [
            (row["step"], Reach(row["saved"], row["saved_standard_error"], row["replicates"]))
            for row in self._of(method)
            if row["saved"] is not None
        ]

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the agents saved against the number of choices, by method; see `analytics.containment.picture`."""
        from analytics.containment.picture import draw_saved

        return draw_saved({each: self.saved(each) for each in self.methods}, self.action, self.reach_before, ax=ax)

    def _of(self, method: str) -> list[dict[str, Any]]:
        found = [row for row in self.rows.to_pylist() if row["method"] == method]
        if not found:
            known = ", ".join(self.methods)
            raise InvalidInputError(
                f"no choices by method {method!r}{suggestion(method, self.methods)}; there are those by {known}"
            )
        return found


def contain(
    network: Network,
    model: Model,
    *,
    seed_set: Any,
    budget: float,
    action: Action = "block_agents",
    methods: Sequence[Method] = METHODS,
    replicates: int = 1000,
    samples: int = 2000,
    random_seed: int = 0,
    max_rounds: int = MAX_ROUNDS,
    blocked: Sequence[Any] = (),
    costs: AgentNumbers | None = None,
    candidates: Sequence[Any] | None = None,
    delay: int = 0,
    ties: Ties = "random",
    publish: bool = True,
    progress: Progress | None = None,
) -> Containment:
    """Choose what to block against a message, or where to start a counter-message, and simulate what that saves.

    The greedy method blocks, one after the other, the agent or edge that saves most agents over `samples` cascades,
    which one pass over their dominator trees tells for all agents and edges (Xie et al., ICDE 2023); it starts a
    counter-message at the agents that reach most others earlier than the message does (Budak, Agrawal, El Abbadi, WWW
    2011; Tong, Du, Wu, NeurIPS 2018). With costs it chooses by what each saves for its cost, or the single one that
    saves most if that is more than all of these together (Khuller, Moss, Naor, IPL 1999). Beside it stand rankings:
    agents by out-degree, PageRank, or at random; edges by the product of their ends' out-degrees, by the source's
    PageRank per out-edge, or at random. All methods are judged on the same replicates, which are others than the
    samples. Our own kernels; the network must fit in memory, with some 60 bytes for each edge beside it.

    Parameters
    ----------
    network : Network
    model : Model
        How the message spreads; a counter-message spreads alike. The greedy method and counter-messages need one
        attempt per edge (`IndependentCascade`; for blocking also `Viral` without decay and fatigue); the rankings block
        agents in any built-in model, and edges in those whose contacts depend on their edge.
    seed_set : sequence of agent ids, or SeedStrategy
        Where the message starts.
    budget : int or float
        Agents or edges to block, or seeds of the counter-message, at least 1; with `costs`, what they may cost.
    action : str
        ``block_agents``, ``block_edges`` or ``counter_message``.
    methods : sequence of str
        ``greedy``, ``degree``, ``pagerank``, ``random``.
    replicates : int
        Replicates on which the choices are judged.
    samples : int
        Replicates on which the greedy method chooses. A counter-message is placed on fewer, with a warning, where more
        do not fit in the memory reserved for them.
    random_seed : int
        Random seed of all draws.
    max_rounds : int
        Last round in which agents are reached. The greedy method then counts those whom the message could reach in no
        other way by this round or later, which are at most those that blocking saves.
    blocked : sequence of agent ids
        Agents that are blocked already.
    costs : str, mapping or Series, optional
        What choosing each agent costs, above 0: the name of an agent column, or costs by agent id; agents without a
        cost cannot be chosen.
    candidates : sequence, optional
        Only these are chosen: agent ids, or pairs (source, target) of agent ids to block edges.
    delay : int
        Round in which a counter-message starts; seeds that the message has reached by then do not start it.
    ties : str
        What an agent adopts that message and counter-message reach in the same round: ``random`` (each successful
        attempt is equally likely), ``message`` or ``counter_message``.
    publish : bool
        Publish in the network's warehouse, or load what is already published.
    progress : Progress, optional

    Returns
    -------
    Containment

    Raises
    ------
    InvalidInputError, UnknownAgentError, UnfitModelError
        If a value breaks its rule, before any work.
    InsufficientMemoryError
        If the simulation cannot fit.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "bob", "cy"], "target": ["bob", "cy", "dee", "eve"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> plan = contain(network, IndependentCascade(probability=1.0), seed_set=["ann"], budget=1, replicates=2)
    >>> plan.choices("greedy"), plan.saved("greedy")[0][1].mean
    (['bob'], 4.0)
    """
    start = checked_start(action, delay, ties, max_rounds)
    session = checked_session(
        network, model, seed_set, budget, action, methods, replicates, samples, random_seed, max_rounds, blocked, costs
    )
    prices = prices_of(network, session, action, costs, candidates, budget)
    asked = {
        "specification": session.specification_hash,
        "action": action,
        "budget": int(budget) if costs is None else float(budget),
        "methods": list(methods),
        "samples": int(samples),
        **({} if costs is None else {"costs": identified_numbers(costs)}),
        **({} if candidates is None else {"candidates": sorted(map(str, candidates))}),
        **({} if start == CounterStart() else {"delay": start.delay, "ties": start.ties}),
    }
    containment_id = derived_uuid("containment", json.dumps(asked, sort_keys=True))
    key = containment_key(network.network_id, containment_id)
    if publish and network.warehouse.published([key]):
        return Containment(network, containment_id, _published(network.warehouse, key, methods), was_published=True)
    with shown(progress) as watched:
        choices = Choices(network, session, samples, prices, start)
        chosen = {method: choices.ranked(action, method, budget, watched) for method in methods}
        if not any(len(order) for order in chosen.values()):
            raise InvalidInputError(
                f"nothing to choose: the message reaches nobody but its {counted(len(session.seeds), 'seed')}, or no "
                "candidate saves anyone; check model, seeds and candidates"
            )
        simulated = _simulated(network, session, action, chosen, start, watched)
    asked_for = {
        "budget": float(budget),
        "costs": named_numbers(costs),
        "candidate_ids": None if candidates is None else [_text(each) for each in candidates],
        "samples": choices.samples_used,
    }
    rows = _rows(network, session, containment_id, action, asked_for, chosen, simulated, choices)
    if publish:
        files = [network.warehouse.stage("containment_plans", rows)]
        with contextlib.suppress(AlreadyPublishedError):  # by another run, with the same rows
            network.warehouse.commit("containment", [key], files, requires=[network.key])
    return Containment(network, containment_id, rows)


def _published(warehouse: Store, key: str, methods: Sequence[str]) -> pa.Table:
    """Return published rows by method, in the order of `methods`, and step."""
    rows = warehouse.read("containment_plans", [key])
    rank = {method: position for position, method in enumerate(methods)}
    order = sorted(range(len(rows)), key=lambda i: (rank[rows["method"][i].as_py()], rows["step"][i].as_py()))
    return rows.take(pa.array(order, pa.int64()))


# -- simulation -----------------------------------------------------------------------------------------------------


def _simulated(
    network: Network,
    session: Session,
    action: Action,
    chosen: Mapping[Method, npt.NDArray[np.int64]],
    start: CounterStart,
    progress: Progress,
) -> dict[tuple[Method | None, int], npt.NDArray[np.int64]]:
    """Return the agents that the message reaches in each replicate, by method and number of choices; (None, 0) before.

    All sessions use common random numbers, so that they are compared replicate by replicate.
    """
    fields: dict[str, Any] = {
        "model": session.model,
        "seed_set": list(session.seed_agents),
        "replicates": session.replicates,
        "random_seed": session.random_seed,
        "max_rounds": session.max_rounds,
        "blocked": _names(network, np.array(session.blocked, np.int64)),
    }
    sessions: dict[str, dict[str, Any]] = {"before": fields}
    places: dict[str, tuple[Method | None, int]] = {"before": (None, 0)}
    for method, order in chosen.items():
        for count in _counts(len(order)):
            name = f"{method} {count}"
            places[name] = method, count
            first = order[:count]
            if action == "block_agents":
                sessions[name] = {**fields, "blocked": [*fields["blocked"], *_names(network, first)]}
            elif action == "block_edges":
                sessions[name] = {**fields, "blocked_edges": _pairs(network, first)}
            else:
                seeds = {MESSAGE: fields["seed_set"], COUNTER_MESSAGE: _names(network, first)}
                model = _competing_model(session, start)
                if start.ties == "counter_message":
                    seeds = dict(reversed(seeds.items()))
                sessions[name] = {**fields, "model": model, "seed_set": seeds, "record": "activations"}
    found: dict[tuple[Method | None, int], npt.NDArray[np.int64]] = {}
    at_once, names = 1, list(sessions)
    while names:
        now, names = names[:at_once], names[at_once:]
        results = simulate_many(network, {name: sessions[name] for name in now}, publish=False, progress=progress)
        found |= {places[name]: _adopters(results[name]) for name in now}
        # The activations of a counter-message's sessions are held in memory: about as many as there were before it.
        rows = int(found[None, 0].sum()) if action == "counter_message" else 1
        at_once = max(ROWS_AT_ONCE // rows, 1)
    return found


def _competing_model(session: Session, start: CounterStart) -> CompetingCascades:
    """Return the model of message and counter-message, listed in the order in which ties fall to them."""
    ties = "random" if start.ties == "random" else "first_listed"
    delays = [start.delay, 0] if start.ties == "counter_message" else [0, start.delay]
    return CompetingCascades(**session.model.resolved_parameters, ties=ties, delays=delays if start.delay else None)


def _adopters(result: Result) -> npt.NDArray[np.int64]:
    """Return the agents that adopt the message in each replicate, (replicates,) int64."""
    if result.session["seed_messages"] is None:
        return result.cascades["size"].to_numpy()
    rows = result.table("activations")
    own = rows["message_id"].cast(pa.string()).to_numpy(zero_copy_only=False) == MESSAGE
    return np.bincount(rows["replicate"].to_numpy()[own], minlength=result.session["replicates"])


def _counts(choices: int) -> list[int]:
    """Return the numbers of choices that are simulated.

    Examples
    --------
    >>> _counts(3), _counts(100)
    ([1, 2, 3], [12, 25, 38, 50, 62, 75, 88, 100])
    """
    steps = min(choices, BUDGETS_SIMULATED)
    return sorted({round(choices * step / steps) for step in range(1, steps + 1)}) if choices else []


def _names(network: Network, agents: npt.NDArray[np.int64]) -> list[str]:
    return list(network.agent_ids.take(pa.array(agents, pa.int64())).to_pylist())


def _pairs(network: Network, edges: npt.NDArray[np.int64]) -> list[tuple[str, str]]:
    """Return the agent ids of edges, given their places in the network's sparse rows."""
    rows = network.sparse_rows
    sources = np.searchsorted(rows.offsets, edges, side="right") - 1
    return list(zip(_names(network, sources), _names(network, rows.targets[edges].astype(np.int64)), strict=True))


def _rows(
    network: Network,
    session: Session,
    containment_id: str,
    action: Action,
    asked_for: Mapping[str, Any],
    chosen: Mapping[Method, npt.NDArray[np.int64]],
    simulated: Mapping[tuple[Method | None, int], npt.NDArray[np.int64]],
    choices: Choices,
) -> pa.Table:
    """Return the rows of the table `containment_plans`."""
    from data.warehouse.tables import table_specification

    before = simulated[None, 0]
    common = {
        **asked_for,
        "network_id": network.network_id,
        "containment_id": containment_id,
        "action": action,
        "reach_before": float(before.mean()),
        "replicates": session.replicates,
        "snapshot_id": network.snapshot_id,
        "propagation_model": session.model.name,
        "model_parameters": json.dumps(session.model.resolved_parameters),
        "seed_agents": list(session.seed_agents),
        "blocked_agents": _names(network, np.array(session.blocked, np.int64)),
        "random_seed": session.random_seed,
        "max_rounds": session.max_rounds,
        "delay": choices.start.delay if action == "counter_message" else None,
        "ties": choices.start.ties if action == "counter_message" else None,
    }
    rows = []
    for method, order in chosen.items():
        pairs: list[Any] = _pairs(network, order) if action == "block_edges" else [
            (name, None) for name in _names(network, order)
        ]  # fmt: skip
        for step, (agent, target) in enumerate(pairs, 1):
            after = simulated.get((method, step))
            cost = 1.0 if choices.costs is None else float(choices.costs[order[step - 1]])
            row = {**common, "method": method, "step": step, "agent_id": agent, "target_id": target, "cost": cost}
            if after is not None:
                saved = before - after
                row |= {"reach": float(after.mean()), "saved": float(saved.mean())}
                row |= _uncertainty(saved)
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=table_specification("containment_plans").schema)


def _text(candidate: Any) -> str:
    """Return an agent id, or an edge as the command reads it: SOURCE,TARGET."""
    return ",".join(map(str, candidate)) if isinstance(candidate, tuple | list) else str(candidate)


def _uncertainty(saved: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return how certain the mean of the agents saved is, by column; nothing for one replicate."""
    if len(saved) < 2:
        return {}
    error = saved.std(ddof=1) / np.sqrt(len(saved))
    (low,), (high,) = mean_intervals(np.array([saved.mean()]), np.array([error]), len(saved))
    return {"saved_standard_error": float(error), "saved_low": float(low), "saved_high": float(high)}

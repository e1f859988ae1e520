"""Whom to seed: the seeds in order, what each adds, and how close to the best possible they are."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.agent_groups import compute_columns
from analytics.intervals import half_width, with_interval
from data.cards import card
from data.errors import AlreadyPublishedError, InvalidInputError
from data.networks.agent_columns import agents_within
from data.networks.network import Network
from data.progress import Progress, shown
from data.quantities import counted
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import selection_key
from propagation.draws import DRAWS_VERSION
from propagation.influence.marginal_reach import has_marginal_reach, marginal_reach
from propagation.influence.requests import AgentNumbers, SeedRequest, identified_numbers, named_numbers
from propagation.influence.selection import METHODS, check_accuracy
from propagation.influence.simulated_greedy import (
    number_of_candidates,
    prefix_session,
    replicates_of,
    select_by_simulation,
)
from propagation.jobs import run_sessions
from propagation.models.model import Model
from propagation.pictures import COLOURS, LINE_WIDTH, MUTED, Keys, dress, legend_above, new_axes
from propagation.result import Reach
from propagation.seeding import blocked_agents, listed_agents
from propagation.sessions import MAX_ROUNDS, check_kinds, derived_uuid, resolve_session

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SIMULATION = "simulation"


class SeedSelection:
    """Seeds that were chosen for a message, and what they reach.

    Parameters
    ----------
    network : Network
    row : mapping
        The selection's row of the table `seed_selections`.
    rows : pyarrow.Table
        Its rows of the table `selected_seeds`.
    recalled : bool
        Whether it was in the warehouse before.
    """

    def __init__(self, network: Network, row: Mapping[str, Any], rows: pa.Table, *, recalled: bool = False) -> None:
        self.network, self.row, self.recalled, self._rows = network, row, recalled, rows

    def __repr__(self) -> str:
        reach = f"{with_interval(self.reach)} {self.unit}"
        return f"SeedSelection({counted(len(self.seeds), 'seed')} on {self.network.network_id!r}, {reach})"

    def _repr_html_(self) -> str:
        row = self.row
        facts = {
            "reach": f"{with_interval(self.reach)} {self.unit}",
            "seeds": ", ".join(self.seeds[:5]) + (" ..." if len(self.seeds) > 5 else ""),
            "model": f"{row['propagation_model']} {row['model_parameters']}",
            "method": self.origin,
            "guarantee": self.guarantee or "none by this method",
        }
        asks = ["selection.table", "selection.plot()", "simulate(network, model, seed_set=selection.seeds)"]
        return card(f"Seeds on {row['network_id']}", facts, asks)

    @property
    def seeds(self) -> list[str]:
        """agent_ids of all seeds, the given ones first, then in the order chosen."""
        return [str(agent_id) for agent_id in self._rows["agent_id"].to_pylist()]

    @property
    def reach(self) -> Reach:
        """Mean reach of all seeds over replicates whose draws are independent of the selection's."""
        return Reach(self.row["reach"], self.row["reach_standard_error"], self.row["replicates"])

    @property
    def unit(self) -> str:
        """What reach is counted in."""
        if self.row["weights"] is not None:
            return f"by weight ({self.row['weights']})"
        return "targets" if self.row["target_agents"] else "agents"

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row per seed: position, agent_id, given, cost, marginal_reach and reach with standard errors."""
        return pandas_frame(self._rows.drop_columns(["network_id", "selection_id", "agent"]))

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows of `table` as dictionaries."""
        return list(self._rows.drop_columns(["network_id", "selection_id", "agent"]).to_pylist())

    @property
    def guarantee(self) -> str | None:
        """What the selection guarantees, as a sentence; None if its method guarantees nothing."""
        row = self.row
        if row["guaranteed_share"] is None:
            return None
        least = np.floor(10 * row["guaranteed_reach"]) / 10
        confidence = f"{1 - row['delta']:.4g}" if row["delta"] >= 1e-4 else "above 0.9999"
        return (
            f"with probability {confidence} the seeds reach at least {least:,.1f}, "
            f"{100 * row['guaranteed_share']:.1f} % of the most that any seeds within the budget can reach"
        )

    @property
    def origin(self) -> str:
        """How the seeds were chosen, and from how many samples, as a sentence without a full stop."""
        row = self.row
        if row["method"] != SIMULATION:
            return f"chosen by {row['method']} from {counted(row['samples'], 'sample')}"
        tried = number_of_candidates(int(row["budget"]))
        return (
            f"chosen by simulation: {counted(row['samples'], 'seed set')} with "
            f"{counted(replicates_of(row['epsilon']), 'replicate')} each; at most {tried:,} agents were tried, those "
            "of highest out-degree"
        )

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the reach of the first seeds against their number, or against what they cost, with 95 % intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: new axes.
        """
        ax = ax or new_axes()
        table, by_cost = self.table, self.row["costs"] is not None
        spent = table["cost"].cumsum() if by_cost else table["position"]
        reaches = [
            Reach(mean, None if error is None or np.isnan(error) else error, self.row["replicates"])
            for mean, error in zip(table["reach"], table["reach_standard_error"].astype(float), strict=True)
        ]
        halves = np.array([half_width(each) or 0.0 for each in reaches])
        x = np.concatenate([[0.0], spent.to_numpy(float)])
        mean = np.concatenate([[0.0], table["reach"].to_numpy(float)])
        half = np.concatenate([[0.0], halves])
        (line,) = ax.plot(x, mean, color=COLOURS[0], linewidth=LINE_WIDTH)
        band = ax.fill_between(x, mean - half, mean + half, color=COLOURS[0], alpha=0.24, linewidth=0)
        keys: Keys = [(line, "reach of the seeds so far"), (band, "95 % interval")]
        if (guaranteed := self.row["guaranteed_reach"]) is not None:
            least = ax.axhline(guaranteed, color=COLOURS[1], linestyle="--", linewidth=1.4)
            keys.append((least, "guaranteed for all seeds"))
        if (best := self.row["best_reach"]) is not None:
            most = ax.axhline(best, color=MUTED, linestyle=":", linewidth=1.4)
            keys.append((most, "most that any seeds can reach"))
        name = self.row["propagation_model"].replace("_", " ")
        x_label = f"cost of the seeds so far ({self.row['costs']})" if by_cost else "seeds, in the order chosen"
        dress(ax, title=f"Reach against budget: {name}", x=x_label, y=f"reach, {self.unit}")
        ax.set_xlim(0, float(x[-1]))
        legend_above(ax, keys)
        return ax


def seed_selection(
    network: Network,
    model: Model,
    *,
    budget: float,
    method: str = "auto",
    epsilon: float = 0.1,
    delta: float | None = None,
    targets: Sequence[Any] | Mapping[str, Any] | None = None,
    weights: AgentNumbers | None = None,
    costs: AgentNumbers | None = None,
    given: Sequence[Any] = (),
    blocked: Sequence[Any] = (),
    max_rounds: int = MAX_ROUNDS,
    replicates: int = 1000,
    random_seed: int = 0,
    publish: bool = True,
    progress: Progress | None = None,
) -> SeedSelection:
    """Choose seeds so that a message reaches as many agents as possible, and report what they reach.

    The algorithms are our own; all but ``simulation`` hold their samples in memory. Seeds are chosen with other draws
    than those by which their reach is reported, and both are the same for any number of threads.

    Parameters
    ----------
    network : Network
    model : Model
    budget : float
        Seeds to add; with `costs`, the most that they may cost together.
    method : str
        ``auto``, ``opim_c``, ``imm`` or ``sketches``: see `propagation.influence.selection.select_seeds`; they need a
        model with a live-edge form. ``simulation`` runs sessions of any model, and takes longest.
    epsilon : float
        In (0, 1): OPIM-C and IMM guarantee 1 - 1/e - epsilon of the best reach; smaller values also mean more samples.
    delta : float, optional
        Probability that the guarantee fails, in (0, 1); default: 1 / number of agents.
    targets : sequence of agent ids, or mapping, optional
        Only these agents count; default: all do. A mapping has values, or lists of values, by column of the agents,
        such as ``{"segment": 2}``.
    weights : str, mapping or Series, optional
        How much each agent counts, at least 0: the name of an agent column, or numbers by agent id; agents that these
        lack count 0.
    costs : str, mapping or Series, optional
        Cost of seeding each agent, above 0: the name of an agent column, or numbers by agent id; agents without a cost
        cannot be seeded.
    given : sequence of agent ids, optional
        Seeds that there are already.
    blocked : sequence of agent ids, optional
        Agents that can be neither reached nor seeded.
    max_rounds : int
        Last round in which agents may be activated.
    replicates : int
        Replicates of the reported reach: those of a session with these seeds and this random seed.
    random_seed : int
    publish : bool
        Publish in the network's warehouse, or load the selection if it is already published.
    progress : Progress, optional
        Default: bars in terminals and notebooks, after two seconds.

    Returns
    -------
    SeedSelection

    Raises
    ------
    InvalidInputError, UnknownAgentError
        If a value breaks its rule, before any work.
    UnfitModelError
        If the model has no live-edge form, or does not fit the network.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation.models import IndependentCascade
    >>> star = pd.DataFrame({"source": ["hub", "hub", "ann"], "target": ["ann", "bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("star", star)
    >>> seed_selection(network, IndependentCascade(probability=0.5), budget=1, replicates=100).seeds
    ['hub']
    """
    if method not in (*METHODS, SIMULATION):
        raise InvalidInputError(f"method {method!r} is unknown; choose one of {', '.join((*METHODS, SIMULATION))}")
    check_kinds(network, model)
    request = SeedRequest(
        budget, tuple(_target_agents(network, targets)), weights, costs, tuple(listed_agents("given", given)), method
        if method != SIMULATION else "auto", epsilon, delta, random_seed,  # type: ignore[arg-type]
    )  # fmt: skip
    barred = blocked_agents(network, blocked)
    counted = _check(network, model, request, method, barred, max_rounds, replicates)
    asked = {
        "snapshot_id": network.snapshot_id,
        "model": model.name,
        "parameters": model.resolved_parameters,
        "source": model.source_fingerprint,
        "rules_version": model.rules_version,
        "budget": float(budget),
        "method": method,
        "epsilon": epsilon,
        "delta": delta,
        "targets": sorted(request.targets),
        "weights": identified_numbers(weights),
        "costs": identified_numbers(costs),
        "given": list(request.given),
        "blocked": barred.tolist(),
        "max_rounds": max_rounds,
        "replicates": replicates,
        "random_seed": random_seed,
        "draws_version": DRAWS_VERSION,
    }
    selection_id = derived_uuid("selection", json.dumps(asked, sort_keys=True, separators=(",", ":")))
    if publish and (found := _published(network, selection_id)) is not None:
        return found
    with shown(progress) as watched:
        if method == SIMULATION:
            chosen = select_by_simulation(
                network, model, request, max_rounds=max_rounds, blocked=blocked, progress=watched
            )
            prices, earlier = None, request.given_seeds(network, barred.tolist())
        else:
            problem = request.problem(network, model, max_rounds, barred.tolist())
            chosen, prices, earlier = request.select(problem, watched), problem.costs, problem.given
        seeds = np.concatenate([earlier, chosen.seeds])
        gains = _gains(network, model, seeds, replicates, random_seed, barred, counted, max_rounds)
    row = {
        "network_id": network.network_id,
        "selection_id": selection_id,
        "snapshot_id": network.snapshot_id,
        "propagation_model": model.name,
        "model_parameters": json.dumps(model.resolved_parameters),
        "method": chosen.method,
        "budget": float(budget),
        "costs": named_numbers(costs),
        "weights": named_numbers(weights),
        "target_agents": list(request.targets),
        "given_agents": list(request.given),
        "blocked_agents": network.agent_ids.take(pa.array(barred)).to_pylist(),
        "epsilon": epsilon,
        "delta": 1.0 / max(network.n_agents, 2) if delta is None else delta,
        "random_seed": random_seed,
        "max_rounds": max_rounds,
        "replicates": replicates,
        "samples": chosen.samples,
        "guaranteed_reach": chosen.least,
        "best_reach": chosen.most,
        "guaranteed_share": chosen.ratio,
        "created_at": dt.datetime.now(dt.UTC),
    }
    costs_of = np.where(np.arange(len(seeds)) < len(earlier), 0.0, 1.0 if prices is None else prices[seeds])
    rows = _seed_rows(network, selection_id, seeds, len(earlier), costs_of, gains)
    last = rows.slice(rows.num_rows - 1).to_pylist()[0]
    row |= {"reach": last["reach"], "reach_standard_error": last["reach_standard_error"]}
    if publish:
        _publish(network, row, rows)
    return SeedSelection(network, row, rows)


def _target_agents(network: Network, targets: Any) -> list[str]:
    """Return the ids of the agents that count, given as a list or by column; empty if all count."""
    if targets is None:
        return []
    if isinstance(targets, Mapping):
        compute_columns(network, targets)
        found = network.agent_ids.take(pa.array(agents_within(network, targets))).to_pylist() if targets else []
    else:
        found = listed_agents("targets", targets)
    if not found:
        raise InvalidInputError("targets is empty, so that no agent would count; name some, or leave it out")
    return found


def _check(
    network: Network,
    model: Model,
    request: SeedRequest,
    method: str,
    blocked: npt.NDArray[np.int32],
    max_rounds: int,
    replicates: int,
) -> npt.NDArray[np.float64] | None:
    """Check a request before any work; return how much each agent counts."""
    request.checked_budget()
    check_accuracy(request.epsilon, request.delta)
    some = network.agent_ids.drop_null()[:1].to_pylist()
    pattern = resolve_session(
        network, model, seed_set=some, replicates=replicates, random_seed=request.random_seed, max_rounds=max_rounds
    )
    if method != SIMULATION:
        request.problem(network, model, pattern.max_rounds, blocked.tolist())
    counted = request.counted(network)
    if counted is not None and not has_marginal_reach(network, model, max_rounds):
        raise InvalidInputError(
            f"targets and weights need a cascade or threshold model without max_rounds, which {model!r} with "
            f"{max_rounds:,} rounds is not; leave them out"
        )
    return counted


def _gains(
    network: Network,
    model: Model,
    seeds: npt.NDArray[np.int32],
    replicates: int,
    random_seed: int,
    blocked: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64] | None,
    max_rounds: int,
) -> npt.NDArray[np.float64]:
    """Return what each seed adds in each replicate, (replicates, k) float64: in one pass, or by a session per seed."""
    if has_marginal_reach(network, model, max_rounds):
        return marginal_reach(
            network, model, seeds, replicates=replicates, random_seed=random_seed, blocked=blocked, weights=weights
        )
    names = network.agent_ids.take(pa.array(blocked)).to_pylist()
    first = network.agent_ids.take(pa.array(seeds[:1])).to_pylist()
    pattern = resolve_session(
        network, model, seed_set=first, replicates=replicates, random_seed=random_seed, max_rounds=max_rounds,
        blocked=names,
    )  # fmt: skip
    sessions = [prefix_session(network, pattern, seeds[: i + 1].tolist()) for i in range(len(seeds))]
    results = run_sessions(network, sessions, publish=False)
    sizes = [results[session.session_id].cascades["size"].to_numpy(float) for session in sessions]
    return np.diff(np.stack(sizes, axis=1), axis=1, prepend=0.0)


def _seed_rows(
    network: Network,
    selection_id: str,
    seeds: npt.NDArray[np.int32],
    given: int,
    costs: npt.NDArray[np.float64],
    gains: npt.NDArray[np.float64],
) -> pa.Table:
    """Return the rows of the table `selected_seeds`."""
    columns: dict[str, Any] = {
        "network_id": pa.repeat(network.network_id, len(seeds)),
        "selection_id": pa.repeat(selection_id, len(seeds)),
        "position": pa.array(np.arange(1, len(seeds) + 1, dtype=np.int32)),
        "agent": pa.array(seeds),
        "agent_id": network.agent_ids.take(pa.array(seeds)),
        "given": pa.array(np.arange(len(seeds)) < given),
        "cost": pa.array(costs, pa.float64()),
    }
    for name, values in (("marginal_reach", gains), ("reach", gains.cumsum(axis=1))):
        columns[name] = pa.array(values.mean(axis=0))
        errors = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.full(len(seeds), np.nan)
        columns[f"{name}_standard_error"] = pa.array(errors, from_pandas=True)
    return pa.table(columns)


def _published(network: Network, selection_id: str) -> SeedSelection | None:
    """Return a selection from the warehouse, or None if it is not there."""
    warehouse, key = network.warehouse, selection_key(network.network_id, selection_id)
    if not warehouse.published([key]):
        return None
    row = warehouse.read("seed_selections", [key]).to_pylist()[0]
    rows = warehouse.read("selected_seeds", [key]).sort_by("position")
    return SeedSelection(network, row, rows, recalled=True)


def _publish(network: Network, row: Mapping[str, Any], rows: pa.Table) -> None:
    """Publish a selection; if another process was first, its rows are the same."""
    warehouse = network.warehouse
    files = [warehouse.stage_records("seed_selections", [row]), warehouse.stage("selected_seeds", rows)]
    try:
        warehouse.commit(
            "selection",
            [selection_key(network.network_id, row["selection_id"])],
            files,
            requires=[network.key],
        )
    except AlreadyPublishedError:
        return

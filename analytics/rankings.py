"""Influential agents: rankings by structure and by simulated reach, compared by what their first agents reach."""

import datetime as dt
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.collective_influence import collective_influence
from analytics.intervals import half_width
from analytics.structure.adjacency import Adjacency
from analytics.structure.betweenness import betweenness
from analytics.structure.cores import core_numbers
from analytics.structure.link_analysis import pagerank
from data.errors import AlreadyPublishedError, InvalidInputError
from data.networks.network import Network
from data.progress import Progress
from data.validation import suggestion
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import ranking_key
from data.warehouse.tables import table_specification
from propagation.draws import DRAWS_VERSION
from propagation.models.model import Model
from propagation.sessions import MAX_ROUNDS, derived_uuid, resolve_session
from propagation.simulation import ManyResults, simulate_many

if TYPE_CHECKING:
    import pandas as pd

STRUCTURAL = ("degree", "pagerank", "reverse_pagerank", "core_number", "collective_influence", "betweenness")
SIMULATED = "reach"
RANKINGS = (*STRUCTURAL, SIMULATED)
"""Rankings by name, in the order in which they are shown."""
TABLES = ("rankings", "agent_rankings", "ranking_agreement", "ranking_reach")
LAST_SEED = 2**63 - 1
"""Largest random seed of sessions."""
SIZES = (1, 2, 5)
"""Numbers of seeds whose reach is simulated, times powers of ten, up to the number of agents compared."""


@dataclass(frozen=True)
class _Ranking:
    """All agents in the order of one ranking.

    Attributes
    ----------
    order : (k,) int64
        Numbers of the agents, the first one first.
    scores : (n,) float64
        By number.
    errors : (n,) float64 or None
        Standard errors of sampled scores.
    values : (n,) float64
        What rank correlations compare: the scores, or the negative position where scores are of different times.
    """

    order: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64] | None
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rankings:
    """A comparison of rankings.

    Attributes
    ----------
    network : Network
    row : mapping
        Its row of the table `rankings`.
    tables : mapping
        Its rows of the other tables of `TABLES`.
    recalled : bool
        Whether it was in the warehouse before.
    """

    network: Network
    row: Mapping[str, Any]
    tables: Mapping[str, pa.Table]
    recalled: bool

    def __repr__(self) -> str:
        origin = ", read from the warehouse" if self.recalled else ""
        return (
            f"Rankings(of {self.network.network_id!r}, {len(self.row['rankings'])} rankings, top={self.row['top']}, "
            f"{self.row['candidates']} candidates{origin})"
        )

    @functools.cached_property
    def agents(self) -> "pd.DataFrame":
        """One row per ranking and agent: ranking, position, agent_id, score, reach, and their standard errors."""
        return self._frame("agent_rankings").drop(columns="agent")

    @functools.cached_property
    def agreement(self) -> "pd.DataFrame":
        """One row per pair of rankings: first_ranking, second_ranking, common, jaccard, kendall, spearman."""
        return self._frame("ranking_agreement")

    @functools.cached_property
    def reach(self) -> "pd.DataFrame":
        """One row per ranking and number of seeds: ranking, seeds, reach, its standard error and 95 % interval."""
        return self._frame("ranking_reach")

    def top(self, ranking: str) -> list[str]:
        """Return the ids of the first agents of a ranking, in its order.

        Raises
        ------
        InvalidInputError
            If the comparison lacks this ranking.
        """
        known = self.row["rankings"]
        if ranking not in known:
            raise InvalidInputError(f"no ranking {ranking!r}{suggestion(ranking, known)}; there are {', '.join(known)}")
        return list(self.agents.loc[self.agents["ranking"] == ranking, "agent_id"])

    def _frame(self, table: str) -> "pd.DataFrame":
        return pandas_frame(self.tables[table].drop_columns(["snapshot_id", "ranking_id"]))


def rank_agents(
    network: Network,
    model: Model,
    *,
    rankings: Sequence[str] = RANKINGS,
    top: int | None = None,
    candidates: int | None = None,
    replicates: int = 1000,
    random_seed: int = 0,
    max_rounds: int = MAX_ROUNDS,
    radius: int | None = None,
    publish: bool = True,
    progress: Progress | None = None,
) -> Rankings:
    """Rank agents by structure and by simulated reach, and compare the rankings by what their first agents reach.

    The network is in memory. Structural rankings are Rumormill's own kernels: out-degree; PageRank, also of the network
    with all edges reversed, where agents vote for those whose messages they receive; core number; collective influence;
    betweenness. Equal scores are ordered by dense id, that is, by falling degree.

    Simulating every agent would take too long. The candidates for simulation are the first agents of every structural
    ranking; each is simulated alone, and they are ranked by their mean reach. Sets of first agents are simulated with
    other draws than the candidates, so that no ranking profits from having been chosen by chance, and all with common
    random numbers.

    Parameters
    ----------
    network : Network
    model : Model
        What is simulated.
    rankings : sequence of str
        Some of `RANKINGS`; candidates come from the structural ones among them, or from all if there is none.
    top : int, optional
        First agents of each ranking that are compared; default: 50, or all agents if there are fewer.
    candidates : int, optional
        First agents of each structural ranking that are simulated alone, at least `top`; default: `top`.
    replicates : int
        Of each simulation.
    random_seed : int
        Of the candidates' draws; sets of first agents use the next one.
    max_rounds : int
        Last round in which agents may be activated.
    radius : int, optional
        Of collective influence; see `analytics.collective_influence`.
    publish : bool
        Publish the comparison in the network's warehouse, or load it if it is there. False always computes.
    progress : Progress, optional

    Returns
    -------
    Rankings

    Raises
    ------
    InvalidInputError
        If a value breaks its rule, before any work.

    References
    ----------
    Chen, Wang and Wang (2010), Scalable influence maximization for prevalent viral marketing (PageRank of the reversed
    network); Kitsak et al. (2010), Identification of influential spreaders (core numbers); Morone and Makse (2015).
    """
    top = min(50, network.n_agents) if top is None else top
    chosen = _checked(network, rankings, top, candidates, radius, random_seed)
    session = resolve_session(
        network, model, seed_set=network.agent_ids.drop_null()[:1].to_pylist(), replicates=replicates,
        random_seed=random_seed, max_rounds=max_rounds,
    )  # fmt: skip
    each = candidates or top
    specification = {
        "snapshot_id": network.snapshot_id,
        "model": {**session.specification, "seeds": None},
        "rankings": chosen,
        "top": top,
        "candidates": each,
        "radius": radius,
        "draws_version": DRAWS_VERSION,
    }
    ranking_id = derived_uuid("ranking", json.dumps(specification, sort_keys=True))
    if publish and (found := _recalled(network, ranking_id)) is not None:
        return found
    edges = Adjacency.of(network)
    structural = [name for name in chosen if name in STRUCTURAL] or list(STRUCTURAL)
    found_radius, ranked = _structural(edges, structural, each, radius, random_seed)
    pool = np.unique(np.concatenate([ranked[name].order[:each] for name in structural]))
    common = {"model": model, "replicates": replicates, "max_rounds": max_rounds}
    alone = _simulated(network, {str(a): edges.agents[[a]] for a in pool}, common, random_seed, progress)
    if SIMULATED in chosen:
        ranked[SIMULATED] = _by_reach(edges.n_agents, pool, alone)
    sets = {(name, size): edges.agents[ranked[name].order[:size]] for name in chosen for size in _sizes(top)}
    together = _simulated(network, {f"{n}/{s}": a for (n, s), a in sets.items()}, common, random_seed + 1, progress)
    rows: dict[str, list[dict[str, Any]]] = {
        "agent_rankings": [
            row for name in chosen for row in _agent_rows(network, edges, name, ranked[name], top, alone)
        ],
        "ranking_agreement": [
            _agreement(first, second, ranked, top, pool) for first, second in itertools.combinations(chosen, 2)
        ],
        "ranking_reach": [_reach_row(name, size, together) for name, size in sets],
    }
    row = {
        "snapshot_id": network.snapshot_id,
        "ranking_id": ranking_id,
        "network_id": network.network_id,
        "propagation_model": model.name,
        "model_parameters": json.dumps(session.model.resolved_parameters),
        "rankings": chosen,
        "top": top,
        "candidates": len(pool),
        "replicates": replicates,
        "random_seed": random_seed,
        "max_rounds": max_rounds,
        "collective_influence_radius": found_radius,
        "created_at": dt.datetime.now(dt.UTC),
    }
    result = Rankings(network, row, {table: _table(table, found, row) for table, found in rows.items()}, recalled=False)
    return _published(result) if publish else result


def _checked(
    network: Network, rankings: Sequence[str], top: int, candidates: int | None, radius: Any, random_seed: Any
) -> list[str]:
    """Return the rankings in their usual order, if all values are valid."""
    if isinstance(rankings, str) or not rankings:
        raise InvalidInputError(f"rankings {rankings!r}: give a list of some of {', '.join(RANKINGS)}")
    for name in rankings:
        if name not in RANKINGS:
            raise InvalidInputError(f"no ranking {name!r}{suggestion(name, RANKINGS)}; there are {', '.join(RANKINGS)}")
    for what, value, least in (("top", top, 1), ("candidates", candidates, top)):
        if value is None and what == "candidates":
            continue
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or not least <= (value or 0) <= network.n_agents:
            raise InvalidInputError(
                f"{what} {value!r} is not a whole number from {least:,} to {network.n_agents:,}, the number of agents "
                f"of network {network.network_id!r}"
            )
    is_whole = isinstance(radius, int | np.integer) and not isinstance(radius, bool)
    if radius is not None and (not is_whole or radius < 1):
        raise InvalidInputError(
            f"radius {radius!r} is not a whole number of at least 1; leave it out for the usual one"
        )
    if isinstance(random_seed, int | np.integer) and random_seed >= LAST_SEED:
        raise InvalidInputError(f"random_seed {random_seed!r} is not below {LAST_SEED:,}, as the next one is used too")
    return [name for name in RANKINGS if name in rankings]


# -- rankings -------------------------------------------------------------------------------------------------------


def _structural(
    edges: Adjacency, names: Sequence[str], removals: int, radius: int | None, random_seed: int
) -> tuple[int | None, dict[str, _Ranking]]:
    """Return the radius of collective influence, if it is among them, and the structural rankings by name."""
    found_radius = None
    ranked = {}
    for name in names:
        if name == "collective_influence":
            influence = collective_influence(edges, removals=removals, radius=radius)
            found_radius = influence.radius
            values = np.empty(edges.n_agents)
            values[influence.order] = -np.arange(edges.n_agents)
            ranked[name] = _Ranking(influence.order, influence.scores.astype(np.float64), None, values)
            continue
        scores, errors = _scores(edges, name, random_seed)
        ranked[name] = _Ranking(np.argsort(-scores, kind="stable"), scores, errors, scores)
    return found_radius, ranked


def _scores(
    edges: Adjacency, name: str, random_seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    if name == "degree":
        return edges.out_degree.astype(np.float64), None
    if name == "pagerank":
        return pagerank(edges), None
    if name == "reverse_pagerank":
        return pagerank(Adjacency(edges.in_edges, edges.agents, edges.out_edges)), None
    if name == "core_number":
        return core_numbers(edges).astype(np.float64), None
    between = betweenness(edges, random_seed=random_seed)
    return between.share, between.standard_error


def _by_reach(n_agents: int, pool: npt.NDArray[np.int64], alone: ManyResults) -> _Ranking:
    scores, errors = np.full(n_agents, np.nan), np.full(n_agents, np.nan)
    scores[pool] = alone.reach["reach"].to_numpy()
    errors[pool] = alone.reach["reach_standard_error"].to_numpy()
    return _Ranking(pool[np.argsort(-scores[pool], kind="stable")], scores, errors, scores)


def _sizes(top: int) -> list[int]:
    """Return the numbers of seeds whose reach is simulated.

    Examples
    --------
    >>> _sizes(30)
    [1, 2, 5, 10, 20, 30]
    """
    powers = itertools.takewhile(lambda power: power <= top, (10**exponent for exponent in itertools.count()))
    return sorted({size * power for power in powers for size in SIZES if size * power < top} | {top})


def _simulated(
    network: Network,
    seed_sets: Mapping[str, npt.NDArray[np.int64]],
    common: Mapping[str, Any],
    random_seed: int,
    progress: Progress | None,
) -> ManyResults:
    """Simulate seed sets, given as dense ids by name, as one job; nothing is published."""
    ids = network.agent_ids
    sessions = {name: {"seed_set": ids.take(pa.array(agents)).to_pylist()} for name, agents in seed_sets.items()}
    return simulate_many(network, sessions, random_seed=random_seed, publish=False, progress=progress, **common)


# -- rows -----------------------------------------------------------------------------------------------------------


def _agent_rows(
    network: Network, edges: Adjacency, name: str, ranking: _Ranking, top: int, alone: ManyResults
) -> list[dict[str, Any]]:
    chosen = ranking.order[:top]
    dense = edges.agents[chosen]
    names = network.agent_ids.take(pa.array(dense)).to_pylist()
    reach = alone.reach.loc[[str(agent) for agent in chosen]]
    return [
        {
            "ranking": name,
            "position": position,
            "agent": int(agent),
            "agent_id": agent_id,
            "score": float(ranking.scores[number]),
            "score_standard_error": None if ranking.errors is None else _known(ranking.errors[number]),
            "reach": float(mean),
            "reach_standard_error": _known(error),
        }
        for position, (number, agent, agent_id, mean, error) in enumerate(
            zip(chosen, dense, names, reach["reach"], reach["reach_standard_error"], strict=True), start=1
        )
    ]


def _agreement(
    first: str, second: str, ranked: Mapping[str, _Ranking], top: int, pool: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Return how far the first agents of two rankings overlap, and how far the order of all candidates agrees."""
    from scipy.stats import kendalltau, rankdata

    sets = [set(ranked[name].order[:top].tolist()) for name in (first, second)]
    both = [rankdata(ranked[name].values[pool]) for name in (first, second)]
    varies = all(np.ptp(ranks) > 0 for ranks in both)
    return {
        "first_ranking": first,
        "second_ranking": second,
        "common": len(sets[0] & sets[1]),
        "jaccard": len(sets[0] & sets[1]) / len(sets[0] | sets[1]),
        "kendall": float(kendalltau(*both).statistic) if varies else None,
        "spearman": float(np.corrcoef(*both)[0, 1]) if varies else None,
    }


def _reach_row(ranking: str, size: int, together: ManyResults) -> dict[str, Any]:
    reach = together[f"{ranking}/{size}"].reach
    half = half_width(reach)
    return {
        "ranking": ranking,
        "seeds": size,
        "reach": reach.mean,
        "reach_standard_error": reach.standard_error,
        "reach_low": None if half is None else reach.mean - half,
        "reach_high": None if half is None else reach.mean + half,
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _table(table: str, rows: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> pa.Table:
    identity = {name: row[name] for name in ("snapshot_id", "ranking_id")}
    return pa.Table.from_pylist([{**identity, **each} for each in rows], schema=table_specification(table).schema)


# -- in the warehouse -----------------------------------------------------------------------------------------------


def _recalled(network: Network, ranking_id: str) -> Rankings | None:
    """Return a published comparison, or None."""
    key = ranking_key(network.snapshot_id, ranking_id)
    if not network.warehouse.published([key]):
        return None
    tables = {table: _own(network.warehouse.read(table, [key]), ranking_id) for table in TABLES}
    (row,) = tables.pop("rankings").to_pylist()
    return Rankings(network, row, tables, recalled=True)


def _own(rows: pa.Table, ranking_id: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows["ranking_id"], ranking_id))


def _published(rankings: Rankings) -> Rankings:
    """Publish a comparison; if another process was first, return what it has published."""
    network, row = rankings.network, rankings.row
    store = network.warehouse
    files = [store.stage_records("rankings", [row])]
    files += [store.stage(table, rows) for table, rows in rankings.tables.items()]
    try:
        store.commit("ranking", [ranking_key(network.snapshot_id, row["ranking_id"])], files, requires=[network.key])
    except AlreadyPublishedError:
        return _recalled(network, row["ranking_id"]) or rankings
    return rankings

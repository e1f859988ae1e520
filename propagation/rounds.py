"""The reference plan: a round as joins of tables on Dask, exactly as the idea is stated.

Each round reads the published `frontiers` and the network's edges, joins them on the cluster, and publishes the next
frontier; what a crash leaves behind is a whole number of rounds, from which the next run goes on. It is short, slow,
and what every other plan must equal, row for row.

    contacts = frontier JOIN edges ON frontier.agent = edges.src
    attempts = contacts WHERE draw(replicate, src, dst) < chance
    arrivals = attempts GROUP BY lane, dst           the infector: smallest (infector draw, src)
    newly    = arrivals ANTI JOIN reached
    reached  = reached UNION newly; frontier = newly
"""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.errors import AlreadyPublishedError
from data.manifests import DataFile
from data.progress import Progress
from data.schemas import SYMBOL, table_specification
from data.snapshots import Network
from data.warehouse import Warehouse
from propagation.draws import Purpose, chances, edge_draws, stream
from propagation.results import EVENT_TYPES, AgentReach, Lanes, session_id_column
from propagation.sessions import Session
from propagation.weights import EdgeBlock

if TYPE_CHECKING:
    import dask.dataframe as dd
    from distributed import Client

logger = logging.getLogger(__name__)

_FRONTIER = {"replicate": "int32", "agent": "int32", "infector": "int32"}
_CONTACT = {"replicate": "int32", "src": "int32", "dst": "int32", "success": "bool", "infector_draw": "int64"}
_ARRIVAL = {**_CONTACT, "kind": "int8", "chosen": "bool"}


@dataclass(frozen=True)
class ReferenceRows:
    """What the reference plan found of one session.

    Attributes
    ----------
    frontier : DataFrame
        All rounds: replicate, agent, round, infector (-1 for seeds).
    events : DataFrame
        All contacts, if recorded: replicate, round, src, dst, event_type.
    """

    frontier: pd.DataFrame
    events: pd.DataFrame

    def lanes(self, session: Session) -> Lanes:
        """Return activations by replicate and round."""
        rounds = int(self.frontier["round"].max()) + 1
        cell = self.frontier["replicate"].to_numpy(np.int64) * rounds + self.frontier["round"].to_numpy()
        matrix = np.bincount(cell, minlength=session.replicates * rounds).reshape(-1, rounds)
        lengths = (matrix > 0).sum(axis=1)
        return Lanes(lengths, matrix[matrix > 0].astype(np.int32), lengths - 1 == session.max_rounds)

    def reach(self) -> AgentReach:
        """Return how often and when agents were reached."""
        by_agent = self.frontier.groupby("agent")["round"].agg(["count", "sum"]).sort_index()
        return AgentReach(
            by_agent.index.to_numpy(np.int32), by_agent["count"].to_numpy(np.int64), by_agent["sum"].to_numpy(np.int64)
        )

    def tables(self, session: Session) -> dict[str, pa.Table]:
        """Return the rows of the large tables that the session records, by table."""
        tables = {}
        if session.records("activations"):
            frontier = self.frontier
            infector = frontier["infector"].to_numpy()
            tables["activations"] = pa.table(
                {
                    "session_id": session_id_column([session.session_id], [len(frontier)]),
                    "replicate": frontier["replicate"].to_numpy(),
                    "agent": frontier["agent"].to_numpy(),
                    "round": frontier["round"].to_numpy(),
                    "infector": pa.array(infector, mask=infector < 0),
                    "occasion": np.ones(len(frontier), np.int32),
                }
            )
        if session.records("contacts"):
            events = self.events
            kinds = pa.DictionaryArray.from_arrays(pa.array(events["kind"].to_numpy()), pa.array(EVENT_TYPES))
            tables["propagation_events"] = pa.table(
                {
                    "session_id": session_id_column([session.session_id], [len(events)]),
                    **{name: events[name].to_numpy() for name in ("replicate", "round", "src", "dst")},
                    "event_type": kinds.cast(SYMBOL),
                }
            )
        return {name: rows.cast(table_specification(name).schema) for name, rows in tables.items()}


def run_reference(
    network: Network, session: Session, client: "Client", *, warehouse: Warehouse, progress: Progress
) -> ReferenceRows:
    """Run one session, all replicates at once, a round at a time.

    Parameters
    ----------
    network : Network
        Where the edges are read, by known divisions.
    session : Session
    client : distributed.Client
    warehouse : Warehouse
        Where frontiers are published round by round, under keys of the session; rounds found there are not run again.
    progress : Progress
        Hears rounds.

    Returns
    -------
    ReferenceRows
    """
    # 1. The edges with their chances, and round 0: the seeds of every replicate.
    edges = client.persist(_weighted_edges(network, session))
    if warehouse.find(_round_key(session, 0)) is None:
        _publish_frontier(warehouse, session, network, 0, _seed_frontier(session))
    number = 0
    while warehouse.find(_round_key(session, number + 1)) is not None:
        number += 1
    events: list[pd.DataFrame] = []
    if session.records("contacts") and number:
        number = 0  # contacts are not kept between runs: play the published rounds again
    # 2. A round at a time, until nobody is newly active.
    while number < session.max_rounds and _rows_of(warehouse, session, number):
        number += 1
        arrivals = _arrivals(network, session, edges, warehouse, number, client)
        if session.records("contacts"):
            events.append(_event_rows(arrivals, number))
        newly = arrivals.loc[arrivals["chosen"], ["replicate", "dst", "src"]]
        newly = newly.rename(columns={"dst": "agent", "src": "infector"})
        if warehouse.find(_round_key(session, number)) is None:
            _publish_frontier(warehouse, session, network, number, newly)
        logger.info("reference round %d: %d newly active over all replicates", number, len(newly))
        progress("simulating", number, number + 1)
    # 3. All rounds together.
    return ReferenceRows(_all_rounds(warehouse, session, number), pd.concat(events or [_event_rows(None, 0)]))


def _weighted_edges(network: Network, session: Session) -> "dd.DataFrame":
    """Return edges by src with known divisions: dst, and how many of 2**32 draws succeed."""
    column = session.model.edge_column(network)
    weigh = partial(_chances_of, network=network, session=session, column=column)
    meta = network.edges._meta[["dst"]].assign(chance=np.empty(0, np.int64))  # noqa: SLF001
    return network.edges.map_partitions(weigh, meta=meta)


def _chances_of(edges: pd.DataFrame, *, network: Network, session: Session, column: str | None) -> pd.DataFrame:
    values = None if column is None else edges[column].to_numpy(np.float64)
    block = EdgeBlock(edges.index.to_numpy(np.int64), edges["dst"].to_numpy(), network.in_degree, values)
    probability = session.model.edge_probabilities(block, session.random_seed)
    return edges[["dst"]].assign(chance=chances(probability))


def _seed_frontier(session: Session) -> pd.DataFrame:
    replicate = np.repeat(np.arange(session.replicates, dtype=np.int32), len(session.seeds))
    agent = np.tile(session.seed_array, session.replicates)
    return pd.DataFrame({"replicate": replicate, "agent": agent, "infector": np.full(len(agent), -1, np.int32)})


def _arrivals(
    network: Network, session: Session, edges: "dd.DataFrame", warehouse: Warehouse, number: int, client: "Client"
) -> pd.DataFrame:
    """Run one round on the cluster; return what arrived: all contacts if they are recorded, else the successes."""
    # 1. The frontier of the round before, partitioned as the edges are: the join needs no shuffle.
    frontier = _frontier_frame(warehouse, session, network, [number - 1])
    # 2. Contacts, and which attempts succeed.
    contacts = frontier.join(edges, how="inner")
    tried = contacts.map_partitions(partial(_tried, session=session), meta=_empty(_CONTACT))
    if not session.records("contacts"):
        tried = tried[tried["success"]]
    # 3. They travel to the partition of their destination and meet those reached before.
    with dask.config.set({"dataframe.shuffle.method": "tasks"}):
        moved = tried.set_index("dst", drop=False, divisions=network.divisions)
        reached = _frontier_frame(warehouse, session, network, range(number))
        settled = moved.map_partitions(_settled, reached, meta=_empty(_ARRIVAL))
        return cast("pd.DataFrame", client.compute(settled).result())


def _frontier_frame(
    warehouse: Warehouse, session: Session, network: Network, rounds: Sequence[int] | range
) -> "dd.DataFrame":
    """Return the published frontiers of some rounds by agent, with the divisions of the network's edges."""
    import dask.dataframe as dd

    files = warehouse.files("frontiers", [_round_key(session, number) for number in rounds])
    by_partition = [
        [file for file in files if file.division and file.division[0] == low] for low in network.divisions[:-1]
    ]
    meta = _empty(_FRONTIER).set_index("agent")
    return dd.from_map(partial(_read_frontier, warehouse), by_partition, meta=meta, divisions=network.divisions)


def _read_frontier(warehouse: Warehouse, files: list[DataFile]) -> pd.DataFrame:
    columns = list(_FRONTIER)
    rows = pa.concat_tables(
        [table_specification("frontiers").schema.empty_table().select(columns)]
        + [warehouse.read_file(file, columns) for file in files]
    )
    frame = rows.set_column(2, "infector", rows["infector"].fill_null(-1)).to_pandas()
    return frame.astype(_FRONTIER).set_index("agent")


def _tried(contacts: pd.DataFrame, *, session: Session) -> pd.DataFrame:
    """Draw for every contact of a partition."""
    columns = (contacts.index.to_numpy(), contacts["dst"].to_numpy(), contacts["replicate"].to_numpy())
    draw = edge_draws(stream(session.random_seed, Purpose.TRANSMISSION), *columns)
    infector_draw = edge_draws(stream(session.random_seed, Purpose.INFECTOR), *columns)
    success = session.model.transmit(contacts.assign(draw=draw.astype(np.int64)))
    return pd.DataFrame(
        {
            "replicate": columns[2],
            "src": columns[0],
            "dst": columns[1],
            "success": success.to_numpy(),
            "infector_draw": infector_draw.astype(np.int64),
        }
    ).astype(_CONTACT)


def _settled(moved: pd.DataFrame, reached: pd.DataFrame) -> pd.DataFrame:
    """Say of everything that arrives in a partition whether it was received, and choose infectors."""
    moved = moved.reset_index(drop=True)
    before = pd.MultiIndex.from_arrays([reached["replicate"], reached.index])
    is_reached = pd.MultiIndex.from_frame(moved[["replicate", "dst"]]).isin(before)
    kind = np.where(is_reached, 2, np.where(moved["success"], 0, 1)).astype(np.int8)
    settled = moved.assign(kind=kind, chosen=False)
    received = settled[settled["kind"] == 0].sort_values(["infector_draw", "src"], kind="stable")
    first = received.drop_duplicates(subset=["replicate", "dst"]).index
    settled.loc[first, "chosen"] = True
    return settled.astype(_ARRIVAL)


def _empty(columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0, kind) for name, kind in columns.items()})


# -- the frontiers table --------------------------------------------------------------------------------------------


def _round_key(session: Session, number: int) -> str:
    return f"frontier/{session.session_id}/{number}"


def _publish_frontier(
    warehouse: Warehouse, session: Session, network: Network, number: int, frontier: pd.DataFrame
) -> None:
    """Publish one round, a file per partition of the network that has rows."""
    files = []
    agents = frontier["agent"].to_numpy()
    for low, high in _partition_ranges(network):
        part = frontier[(agents >= low) & (agents <= high)]
        if len(part):
            files.append(warehouse.stage("frontiers", _frontier_rows(session, number, part), (low, high)))
    with contextlib.suppress(AlreadyPublishedError):  # by another run of this session: its rows are the same
        warehouse.commit("round", [_round_key(session, number)], files, specification_hash=session.specification_hash)


def _partition_ranges(network: Network) -> list[tuple[int, int]]:
    lows = network.divisions[:-1]
    highs = [low - 1 for low in lows[1:]] + [network.n_agents - 1]
    return list(zip(lows, highs, strict=True))


def _frontier_rows(session: Session, number: int, part: pd.DataFrame) -> pa.Table:
    infector: npt.NDArray[Any] = part["infector"].to_numpy()
    return pa.table(
        {
            "session_id": pa.array([session.session_id] * len(part)).dictionary_encode(),
            "replicate": part["replicate"].to_numpy(),
            "round": np.full(len(part), number, np.int32),
            "agent": part["agent"].to_numpy(),
            "infector": pa.array(infector, mask=infector < 0),
        }
    )


def _rows_of(warehouse: Warehouse, session: Session, number: int) -> int:
    """Return how many rows a published round has: what the loop stops on."""
    return sum(file.rows for file in warehouse.files("frontiers", [_round_key(session, number)]))


def _all_rounds(warehouse: Warehouse, session: Session, last: int) -> pd.DataFrame:
    rows = warehouse.read("frontiers", [_round_key(session, number) for number in range(last + 1)])
    rows = rows.select(["replicate", "agent", "round", "infector"])
    return rows.set_column(3, "infector", rows["infector"].fill_null(-1)).to_pandas()


def _event_rows(arrivals: pd.DataFrame | None, number: int) -> pd.DataFrame:
    if arrivals is None:
        return _empty({"replicate": "int32", "round": "int32", "src": "int32", "dst": "int32", "kind": "int8"})
    return arrivals[["replicate", "src", "dst", "kind"]].assign(round=np.int32(number))

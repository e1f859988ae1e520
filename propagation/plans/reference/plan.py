"""The reference plan: a round as joins of tables on Dask, exactly as the idea is stated.

Each round reads the published `frontiers` and `lane_states` and the network's edges, joins them on the cluster, and
publishes the next frontier and the changed states. A crash leaves a whole number of rounds, from which the next run
resumes. The plan is short and slow; every other plan must equal it row for row. It also runs users' own models.

    contacts = frontier JOIN edges ON frontier.agent = edges.src
    attempts = contacts JOIN states ON contacts.dst = states.agent          the model's transmission rule
    arrivals = attempts GROUP BY lane, dst                                  the infector: smallest (infector draw, src)
    states   = states UPDATED BY arrivals                                   the model's update rule
    frontier = states WHERE the compartment transmits
"""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.errors import AlreadyPublishedError
from data.networks.network import Network
from data.progress import Progress
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL
from propagation.lane_counts import AgentReach, Lanes
from propagation.models.pandas_model import MOVES, PandasModel
from propagation.plans.reference.pandas_rounds import TARGET, PandasRounds
from propagation.plans.reference.round_tables import (
    ATTEMPT,
    CONTACT,
    FRONTIER,
    STATE,
    STOP,
    WEIGHED,
    empty,
    partition_ranges,
    read_by_agent,
    read_files,
    round_key,
    round_rows,
)
from propagation.plans.reference.rules_in_pandas import RulesInPandas
from propagation.plans.row_writer import adopted_messages
from propagation.result import EVENT_TYPES, session_id_column
from propagation.sessions import Session

if TYPE_CHECKING:
    import dask.dataframe as dd
    from distributed import Client

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceRows:
    """What the reference plan found of one session.

    Attributes
    ----------
    states : DataFrame
        All changes of state: replicate, round, agent, occasion, activated, infector (-1 for none).
    frontier : DataFrame
        All frontiers: replicate, round, compartment.
    events : DataFrame
        All contacts, if recorded: replicate, round, src, dst, kind.
    rounds : (replicates,) int64
        Rounds simulated.
    truncated : (replicates,) bool
        Whether the replicate was not over then.
    """

    states: pd.DataFrame
    frontier: pd.DataFrame
    events: pd.DataFrame
    rounds: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.bool_]

    @property
    def activations(self) -> pd.DataFrame:
        """The changes that are activations."""
        return self.states[self.states["activated"]]

    def lanes(self, session: Session) -> Lanes:
        """Return counts by replicate and round."""
        rules = session.model.rules
        activations = self.activations
        infectious = self.frontier["compartment"].isin([rules.number(name) for name in rules.reached])
        series = [
            self._counts(session, frame)
            for frame in (activations, activations[activations["occasion"] == 1], self.frontier[infectious])
        ]
        return Lanes(self.rounds + 1, series[0], self.rounds, self.truncated, series[1], series[2])

    def _counts(self, session: Session, rows: pd.DataFrame) -> npt.NDArray[np.int32]:
        """Count rows by replicate and round, replicate after replicate, up to the last round of each."""
        width = int(self.rounds.max()) + 1
        rows = rows[rows["round"] < width]
        cell = (rows["replicate"].to_numpy(np.int64) - session.first_replicate) * width + rows["round"].to_numpy()
        matrix = np.bincount(cell, minlength=session.replicates * width).reshape(-1, width)
        return matrix[np.arange(width) <= self.rounds[:, None]].astype(np.int32)

    def reach(self) -> AgentReach:
        """Return how often and when agents were reached."""
        first = self.activations[self.activations["occasion"] == 1]
        by_agent = first.groupby("agent")["round"].agg(["count", "sum"]).sort_index()
        return AgentReach(
            by_agent.index.to_numpy(np.int32), by_agent["count"].to_numpy(np.int64), by_agent["sum"].to_numpy(np.int64)
        )

    def tables(self, session: Session) -> dict[str, pa.Table]:
        """Return the rows of the large tables that the session records, by table."""
        tables = {}
        if session.records("activations"):
            rows = self.activations
            infector = rows["infector"].to_numpy()
            tables["activations"] = pa.table(
                {
                    "session_id": session_id_column([session.session_id], [len(rows)]),
                    **{name: rows[name].to_numpy() for name in ("replicate", "agent", "round")},
                    "infector": pa.array(infector, mask=infector < 0),
                    "occasion": rows["occasion"].to_numpy(),
                    "message_id": adopted_messages(
                        [session], np.zeros(len(rows), np.int32), rows["compartment"].to_numpy()
                    ),
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
    network: Network, session: Session, client: "Client", *, warehouse: Store, progress: Progress
) -> ReferenceRows:
    """Run one session, all replicates at once, a round at a time.

    Parameters
    ----------
    network : Network
        Where the edges are read, by known divisions.
    session : Session
    client : distributed.Client
    warehouse : Store
        Where rounds are published one by one, under keys of the session; published rounds are not run again.
    progress : Progress
        Called with the number of rounds done.

    Returns
    -------
    ReferenceRows
    """
    return _ReferenceRun(network, session, client, warehouse).run(progress)


class _ReferenceRun:
    def __init__(self, network: Network, session: Session, client: "Client", warehouse: Store) -> None:
        self.network, self.session, self.client, self.warehouse = network, session, client, warehouse
        self.rules, self.rounds = session.model.rules, _rounds(network, session)
        self.own = self.rounds if isinstance(self.rounds, PandasRounds) else None
        self.state = STATE if self.own is None else {**STATE, **dict.fromkeys(self.own.memory, "float64")}
        self.attempt = ATTEMPT if self.own is None else {**ATTEMPT, **self.own.carried}
        meta = network.edges._meta[["dst"]].assign(**empty(WEIGHED if self.own is None else self.own.weighed))  # noqa: SLF001
        self.edges = client.persist(network.edges.map_partitions(self.rounds.weigh, meta=meta))
        self.transmitting = [self.rules.number(name) for name in self.rules.transmitting]
        self.leaving = [self.rules.number(name) for name in self.rules.leaving]
        self._collected: tuple[int, pd.DataFrame] | None = None  # the latest states that were brought here

    def run(self, progress: Progress) -> ReferenceRows:
        session = self.session
        # 1. Round 0: the seeds of every replicate, and sceptics.
        if self.warehouse.find(round_key(session, 0)) is None:
            self._publish(0, self._start())
        # 2. A round at a time, until every replicate is over.
        number, over = 0, np.full(session.replicates, -1)
        events = [empty(CONTACT)]
        while True:
            progress("simulating", number, number + 1)
            # Agents that never stop transmitting may have nothing left to change: check their next contacts.
            attempts = self._attempts(number + 1) if self.rules.transmits_forever else None
            over[(over < 0) & ~self._goes_on(number, attempts)] = number
            if number and getattr(session.model, "ends_when_still", False):
                moved = self._read("lane_states", [round_key(session, number)], ["replicate"])["replicate"]
                over[(over < 0) & ~np.isin(session.replicate_numbers, moved)] = number
            if (over >= 0).all() or number == session.max_rounds:
                break
            number += 1
            key = round_key(session, number)
            if self.warehouse.find(key) is not None and not session.records("contacts"):
                continue  # contacts are not stored between runs: recompute these rounds
            changed, contacts = self._settled(self._attempts(number) if attempts is None else attempts, number)
            active = session.replicate_numbers[over < 0]  # replicates that are over stay as they are
            changed = changed[changed["replicate"].isin(active)]
            events.append(contacts[contacts["replicate"].isin(active)])
            if self.warehouse.find(key) is None:
                self._publish(number, changed)
            logger.info("reference round %d: %d agents changed over all replicates", number, len(changed))
        # 3. All rounds together.
        keys = [round_key(session, each) for each in range(number + 1)]
        truncated = over < 0
        return ReferenceRows(
            states=self._read("lane_states", keys, ["replicate", "round", *STATE]),
            frontier=self._read("frontiers", keys, ["replicate", "round", "compartment"]),
            events=pd.concat(events),
            rounds=np.where(truncated, number, over),
            truncated=truncated,
        )

    def _start(self) -> pd.DataFrame:
        """Return the states of all agents that do not start in the first compartment: seeds and sceptics."""
        session, network = self.session, self.network
        replicate = np.repeat(session.replicate_numbers, len(session.seeds))
        seeds = pd.DataFrame(
            {
                "replicate": replicate,
                "agent": np.tile(session.seed_array, session.replicates),
                "compartment": np.tile(session.seed_compartments, session.replicates),
                "since": 0,
                "occasion": np.tile(session.active_seeds, session.replicates),
                "weight": 0,
                "contacts": 0,
                "activated": np.tile(session.active_seeds, session.replicates),
                "infector": -1,
            }
        )
        others = np.setdiff1d(network.dense_agents, [*session.seeds, *session.blocked])
        sceptics = self.rounds.start(others, session.replicate_numbers)
        memory = {} if self.own is None else {**self.own.memory, MOVES: 1.0}  # seeds have moved
        return pd.concat([seeds, sceptics.assign(activated=False, infector=-1)]).assign(**memory).astype(self.state)

    def _goes_on(self, number: int, attempts: "dd.DataFrame | None") -> npt.NDArray[np.bool_]:
        """Return the replicates in which something can still change after a round."""
        current = self._states_here(number)
        waits = current["replicate"][current["compartment"].isin(self.leaving)]
        if attempts is None:
            acts = current["replicate"][current["compartment"].isin(self.transmitting)]
        else:
            acts = self.client.compute(attempts["replicate"][attempts["open"]]).result()
        found: npt.NDArray[np.bool_] = np.isin(self.session.replicate_numbers, [*waits, *acts])
        return found

    def _attempts(self, number: int) -> "dd.DataFrame":
        """Run the contacts of one round on the cluster; return all of them, each with its outcome."""
        # 1. The frontier of the round before, partitioned as the edges are: the join needs no shuffle.
        contacts = self._frontier(number - 1).join(self.edges, how="inner")
        contacts = contacts.map_partitions(_named, meta=_named(contacts._meta))  # noqa: SLF001
        # 2. They are sent to the partition of the contacted agent and joined with its state.
        with dask.config.set({"dataframe.shuffle.method": "tasks"}):
            moved = contacts.set_index("dst", drop=False, divisions=self.network.divisions)
        attempt = partial(
            _attempted,
            rounds=self.rounds,
            number=number,
            columns=self.attempt,
            blocked=self.session.blocked,
            blocked_edges=self.session.blocked_edges,
        )
        return self.client.persist(moved.map_partitions(attempt, self._states(number - 1), meta=empty(self.attempt)))

    def _settled(self, attempts: "dd.DataFrame", number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Run the end of one round; return the states that changed, and the contacts if they are recorded."""
        stops: dd.DataFrame | pd.DataFrame = empty(STOP)
        if self.rules.changes_source:
            sent = attempts[attempts["stop_to"] >= 0][list(STOP)]
            with dask.config.set({"dataframe.shuffle.method": "tasks"}):
                stops = sent.set_index("src", drop=False, divisions=self.network.divisions)
        settle = partial(_settle, rounds=self.rounds, number=number, columns=self.state, blocked=self.session.blocked)
        changed = attempts.map_partitions(settle, stops, self._states(number - 1), meta=empty(self.state))
        if not self.session.records("contacts"):
            return self.client.compute(changed).result(), empty(CONTACT)
        changed, rows = self.client.gather(self.client.compute([changed, attempts]))
        return changed, _contact_rows(rows, changed, number, [self.rules.number(name) for name in self.rules.reached])

    # -- the tables of a round ----------------------------------------------------------------------------------

    def _states(self, number: int) -> "dd.DataFrame":
        """Return the states of agents after a round, by agent, with the divisions of the network's edges."""
        keys = [round_key(self.session, each) for each in range(number + 1)]
        return self._by_agent("lane_states", keys, ["replicate", "round", *self.state], _current, self.state)

    def _frontier(self, number: int) -> "dd.DataFrame":
        if self.own is not None:  # with what they remember
            states = self._states(number)
            kept = [name for name in self.state if name in FRONTIER or name in self.own.memory]
            return states[states["compartment"].isin(self.transmitting)][kept]
        keys = [round_key(self.session, number)]
        return self._by_agent("frontiers", keys, list(FRONTIER), lambda rows: rows, FRONTIER)

    def _by_agent(
        self, table: str, keys: list[str], columns: Sequence[str], reduce: Any, kinds: dict[str, str]
    ) -> "dd.DataFrame":
        import dask.dataframe as dd

        files = self.warehouse.files(table, keys)
        by_partition = [
            [file for file in files if file.division and file.division[0] == low] for low in self.network.divisions[:-1]
        ]
        meta = empty(kinds).set_index("agent", drop=False)
        read = partial(
            read_by_agent, self.warehouse, table, list(dict.fromkeys(columns)), self.rules.compartments, reduce
        )
        return dd.from_map(read, by_partition, meta=meta, divisions=self.network.divisions)

    def _read(self, table: str, keys: list[str], columns: Sequence[str]) -> pd.DataFrame:
        files = self.warehouse.files(table, keys)
        return read_files(self.warehouse, table, list(dict.fromkeys(columns)), self.rules.compartments, files)

    def _publish(self, number: int, changed: pd.DataFrame) -> None:
        """Publish one round: states that changed and the frontier, a file per partition of the network."""
        session, files = self.session, []
        frontier = changed if number == 0 else self._after(number, changed)
        frontier = frontier[frontier["compartment"].isin(self.transmitting)]
        for table, rows in (("lane_states", changed), ("frontiers", frontier)):
            for low, high in partition_ranges(self.network):
                part = rows[rows["agent"].between(low, high)]
                if len(part):
                    memory = () if self.own is None or table == "frontiers" else tuple(self.own.memory)
                    made = round_rows(table, session, number, part, self.rules.compartments, memory)
                    files.append(self.warehouse.stage(table, made, (low, high)))
        with contextlib.suppress(AlreadyPublishedError):  # by another run of this session, with the same rows
            self.warehouse.commit(
                "round", [round_key(session, number)], files, specification_hash=session.specification_hash
            )

    def _after(self, number: int, changed: pd.DataFrame) -> pd.DataFrame:
        before = self._states_here(number - 1)
        after = _current(pd.concat([before.assign(round=number - 1), changed.assign(round=number)]))
        self._collected = number, after[list(self.state)]
        return after

    def _states_here(self, number: int) -> pd.DataFrame:
        """Return the states of agents after a round, read again only if they are not those of the round just run."""
        if self._collected is None or self._collected[0] != number:
            self._collected = number, self.client.compute(self._states(number)).result()
        return self._collected[1]


def _rounds(network: Network, session: Session) -> RulesInPandas | PandasRounds:
    if isinstance(session.model, PandasModel):
        return PandasRounds(network, session.model, session.random_seed)
    return RulesInPandas(network, session.model, session.random_seed)


# -- tasks of a partition -------------------------------------------------------------------------------------------


def _named(contacts: pd.DataFrame) -> pd.DataFrame:
    """Give the contacts of a frontier, by agent, their source."""
    return contacts.assign(src=contacts.index.astype(np.int32)).drop(columns="agent").reset_index(drop=True)


def _attempted(
    contacts: pd.DataFrame,
    states: pd.DataFrame,
    *,
    rounds: RulesInPandas | PandasRounds,
    number: int,
    columns: dict[str, str],
    blocked: Sequence[int],
    blocked_edges: Sequence[tuple[int, int]],
) -> pd.DataFrame:
    """Return the outcome of every contact that arrives in a partition.

    Contacts with blocked agents, and those along blocked edges, have no effect.
    """
    contacts, by_agent = contacts.reset_index(drop=True), states.set_index(["replicate", "agent"])
    targets = pd.MultiIndex.from_frame(contacts[["replicate", "dst"]])
    target = _states_of(by_agent, targets, rounds)
    met = {"target": target["compartment"].to_numpy(), "received": target["contacts"].to_numpy()}
    met |= {TARGET + name: target[name].to_numpy() for name in _memory(rounds)}
    found = rounds.attempt(contacts.assign(**met), number)
    if blocked or blocked_edges:
        nothing = {"success": False, "added": 0, "target_to": -1, "stop_to": -1, "open": False}
        edges = pd.MultiIndex.from_arrays(list(np.array(blocked_edges, np.int32).reshape(-1, 2).T))
        no_effect = found["dst"].isin(blocked) | pd.MultiIndex.from_frame(found[["src", "dst"]]).isin(edges)
        found.loc[no_effect, list(nothing)] = list(nothing.values())
    return found[list(columns)].astype(columns)


def _memory(rounds: RulesInPandas | PandasRounds) -> dict[str, float]:
    return rounds.memory if isinstance(rounds, PandasRounds) else {}


def _states_of(by_agent: pd.DataFrame, agents: "pd.Index[Any]", rounds: RulesInPandas | PandasRounds) -> pd.DataFrame:
    """Return the states of some agents, by (replicate, agent); those without one are in the initial state."""
    memory = _memory(rounds)
    kept = by_agent[["compartment", "since", "occasion", "weight", "contacts", *memory]]
    known = pd.Series(data=True, index=by_agent.index).reindex(agents, fill_value=False).to_numpy()
    found = kept.reindex(agents, fill_value=0)
    return found.assign(**{name: np.where(known, found[name], initial) for name, initial in memory.items()})


def _settle(
    contacts: pd.DataFrame,
    stops: pd.DataFrame,
    states: pd.DataFrame,
    *,
    rounds: RulesInPandas | PandasRounds,
    number: int,
    columns: dict[str, str],
    blocked: Sequence[int],
) -> pd.DataFrame:
    """Move the agents of a partition at the end of a round; return those whose state changed."""
    contacts, by_agent = contacts.reset_index(drop=True), states.set_index(["replicate", "agent"])
    stopping = stops.drop_duplicates(subset=["replicate", "src"]).set_index(["replicate", "src"])
    index = by_agent.index.union(pd.MultiIndex.from_frame(contacts[["replicate", "dst"]]).unique())
    index = index.set_names(["replicate", "agent"])
    before = _states_of(by_agent, index, rounds)
    after = rounds.update(before, contacts, stopping, number)
    differs = after["activated"] | (after["since"] == number)
    for column in before:
        differs |= after[column] != before[column]
    differs &= ~after.index.isin(blocked, level="agent")
    return after[differs].reset_index()[list(columns)].astype(columns)


def _contact_rows(attempts: pd.DataFrame, changed: pd.DataFrame, number: int, reached: list[int]) -> pd.DataFrame:
    """Return contacts as they are recorded."""
    activated = pd.MultiIndex.from_frame(changed.loc[changed["activated"], ["replicate", "agent"]])
    became = pd.MultiIndex.from_frame(attempts[["replicate", "dst"]]).isin(activated)
    received = attempts["success"].to_numpy() | (became & attempts["adds"].to_numpy())
    kind = np.where(attempts["target"].isin(reached), 2, np.where(received, 0, 1))
    return attempts[["replicate", "src", "dst"]].assign(round=number, kind=kind).astype(CONTACT)


def _current(states: pd.DataFrame) -> pd.DataFrame:
    """Return the last of each agent's states."""
    return states.sort_values("round", kind="stable").drop_duplicates(subset=["replicate", "agent"], keep="last")

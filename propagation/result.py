"""Results: what a session's lanes add up to, and how an analyst reads it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.cards import card
from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import session_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.results import QUANTILES
from data.warehouse.tables.specification import SYMBOL
from propagation.intervals import standard_errors, with_interval
from propagation.lane_counts import AgentReach, Lanes
from propagation.sessions import RECORDS, Session

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    from matplotlib.axes import Axes

TABLE_OF_RECORD = {
    "rounds": ("cascades", "propagation_metrics"),
    "reach": ("reach",),
    "activations": ("activations",),
    "contacts": ("propagation_events",),
}
"""Tables that each detail adds."""
CELLS_AT_ONCE = 1 << 23
"""Replicates x rounds of the sessions that are counted in one go."""
CELLS_IN_CACHE = 1 << 18
"""Of these, how many are worked on at a time."""
EVENT_TYPES = ("received", "ignored", "sent")
"""What can become of a contact; kernels and plans give the position."""


def cascade_rows(sessions: Sequence[Session], lanes: Sequence[Lanes]) -> pa.Table:
    """Return the sessions' rows of the table `cascades`."""
    parts = []
    for group, joined, _ in _alike(sessions, lanes):
        columns = {
            "replicate": np.concatenate([session.replicate_numbers for session in group]),
            "size": joined.sizes,
            "depth": joined.depths,
            "rounds": joined.rounds,
            "peak_round": joined.peak_rounds,
            "truncated": joined.truncated,
            "half_round": joined.half_rounds,
        }
        parts.append(_rows("cascades", group, [session.replicates for session in group], columns))
    return pa.concat_tables(parts)


def metric_rows(sessions: Sequence[Session], lanes: Sequence[Lanes]) -> pa.Table:
    """Return the sessions' rows of the table `propagation_metrics`: rounds 0 to the last one simulated."""
    parts = []
    for group, joined, rounds in _alike(sessions, lanes):
        replicates = group[0].replicates
        last = joined.rounds.reshape(-1, replicates).max(axis=1)
        simulated = np.arange(rounds) <= last[:, None]

        def of(counts: npt.NDArray[np.int32], simulated: Any = simulated, replicates: int = replicates) -> Any:
            """Return the counts of every session and round that was simulated: (rows, replicates)."""
            by_session = counts.reshape(len(counts), -1, replicates).transpose(1, 0, 2)
            return by_session.reshape(-1, replicates) if simulated.all() else by_session[simulated]

        by_round = joined.by_round("activations", rounds)
        new, incidence = of(by_round), by_round.reshape(rounds, -1, replicates).sum(axis=2, dtype=np.int64).T
        columns: dict[str, Any] = {
            "round": np.broadcast_to(np.arange(rounds), incidence.shape)[simulated],
            "active_replicates": np.count_nonzero(new, axis=1),
            "propagation_speed": incidence[simulated] / replicates,
            "reproduction_rate": _reproduction_rate(group[0], incidence)[simulated],
        }
        distinct = by_round if joined.distinct is None else joined.by_round("distinct", rounds)
        columns |= _over_replicates("new_infections", new)
        columns |= _over_replicates("total_influenced", of(distinct.cumsum(axis=0, dtype=np.int32)))
        if joined.infectious is None:  # those newly active are those who transmit
            renamed = {name.replace("new_infections", "current_infected"): column for name, column in columns.items()}
            columns |= renamed
        else:
            columns |= _over_replicates("current_infected", of(joined.by_round("infectious", rounds)))
        parts.append(_rows("propagation_metrics", group, (last + 1).tolist(), columns))
    return pa.concat_tables(parts)


def _alike(sessions: Sequence[Session], lanes: Sequence[Lanes]) -> Iterator[tuple[list[Session], Lanes, int]]:
    """Yield sessions that can be counted in one go, their lanes one after the other, and how many rounds these take."""
    alike: dict[Any, list[int]] = {}
    for number, session in enumerate(sessions):
        key = (
            session.replicates,
            session.max_rounds,
            session.model.rules.transmits_once,
            lanes[number].infectious is None,
        )
        alike.setdefault(key, []).append(number)
    for numbers in alike.values():
        rounds = max(int(lanes[number].rounds.max()) for number in numbers) + 1
        at_once = max(CELLS_AT_ONCE // (sessions[numbers[0]].replicates * rounds), 1)
        for start in range(0, len(numbers), at_once):
            chosen = numbers[start : start + at_once]
            yield [sessions[i] for i in chosen], Lanes.joined([lanes[i] for i in chosen]), rounds


def _reproduction_rate(session: Session, incidence: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return secondary activations per activation by session and round; NaN where there was none, or more are hidden.

    `max_rounds` hides what followed the last round; where agents transmit in several rounds, those activated next are
    not theirs alone.
    """
    following = np.zeros_like(incidence)
    following[:, :-1] = incidence[:, 1:]
    unknown = (incidence == 0) | (np.arange(incidence.shape[1]) >= session.max_rounds)
    rate = following / np.maximum(incidence, 1)
    return np.where(unknown | (not session.model.rules.transmits_once), np.nan, rate)


def _over_replicates(name: str, counts: npt.NDArray[np.int32]) -> dict[str, Any]:
    """Return mean, standard error and quantiles of each row of counts, (rows, replicates)."""
    at_once = max(CELLS_IN_CACHE // counts.shape[1], 1)
    blocks = [counts[first : first + at_once] for first in range(0, len(counts), at_once)]
    columns: dict[str, Any] = {
        name: counts.sum(axis=1, dtype=np.int64) / counts.shape[1],
        f"{name}_standard_error": pa.concat_arrays([standard_errors(block) for block in blocks]),
    }
    quantiles = np.concatenate([_quantiles(block) for block in blocks], axis=1)
    for quantile, values in zip(QUANTILES, quantiles, strict=True):
        columns[f"{name}_q{round(quantile * 100):02d}"] = values
    return columns


def _quantiles(counts: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return the quantiles of each row of counts: (quantiles, rows)."""
    found = np.zeros((len(QUANTILES), len(counts)))
    # In most rounds of a long tail so few counts are not zero that even the highest quantile is.
    replicates = counts.shape[1]
    some = np.count_nonzero(counts, axis=1) >= replicates - np.ceil(max(QUANTILES) * (replicates - 1))
    found[:, some] = np.quantile(counts[some], QUANTILES, axis=1)
    return found


def reach_rows(session: Session, reach: AgentReach) -> pa.Table:
    """Return the session's rows of the table `reach`."""
    columns = {
        "agent": reach.agents,
        "times_reached": reach.times,
        "probability": reach.times / session.replicates,
        "mean_round": reach.round_sums / reach.times,
    }
    return _rows("reach", [session], [len(reach.agents)], columns)


def _rows(table: str, sessions: Sequence[Session], lengths: Sequence[int], columns: Mapping[str, Any]) -> pa.Table:
    """Return rows of a table, of which each session has a number."""
    schema = table_specification(table).schema
    repeated = session_id_column([session.session_id for session in sessions], lengths)
    arrays = [
        repeated if name == "session_id" else pa.array(columns[name], from_pandas=name == "reproduction_rate")
        for name in schema.names
    ]
    return pa.Table.from_arrays(arrays, names=schema.names).cast(schema)


def session_id_column(session_ids: Sequence[str], lengths: Sequence[int]) -> pa.DictionaryArray:
    """Return a session_id column in which each id is repeated over its length."""
    codes = np.repeat(np.arange(len(session_ids), dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(session_ids), pa.string())).cast(SYMBOL)


# -- reading --------------------------------------------------------------------------------------------------------


class ResultTables(Protocol):
    """Where a result's rows are."""

    def read(self, table: str) -> pa.Table:
        """Return the session's rows of a table."""

    def parts(self, table: str) -> "dd.DataFrame":
        """Return the session's rows of a table, lazily."""


@dataclass(frozen=True)
class PublishedTables:
    """Rows of a session in the warehouse."""

    warehouse: Store
    session_id: str

    def read(self, table: str) -> pa.Table:
        """Return the session's rows of a table."""
        rows = self.warehouse.read(table, [session_key(self.session_id)])
        return rows.filter(pc.equal(rows["session_id"].cast(pa.string()), self.session_id))

    def parts(self, table: str) -> "dd.DataFrame":
        """Return the session's rows of a table, one partition a file."""
        frame = self.warehouse.scan(table, [session_key(self.session_id)])
        return frame[frame["session_id"] == self.session_id]


@dataclass(frozen=True)
class MemoryTables:
    """Rows of a session that was not published; those that its lanes add up to are made when asked for.

    Attributes
    ----------
    session : Session
    lanes : Lanes
        Its replicates.
    agent_reach : AgentReach
        Whom they reached, if that is recorded.
    tables : mapping
        Rows of large tables, of all sessions of its job.
    """

    session: Session
    lanes: Lanes
    agent_reach: AgentReach
    tables: Mapping[str, Sequence[pa.Table]]

    def read(self, table: str) -> pa.Table:
        """Return the session's rows of a table."""
        if table == "cascades":
            return cascade_rows([self.session], [self.lanes])
        if table == "propagation_metrics":
            return metric_rows([self.session], [self.lanes])
        if table == "reach" and self.session.records("reach"):
            return reach_rows(self.session, self.agent_reach)
        empty = table_specification(table).schema.empty_table()
        rows = pa.concat_tables([empty, *self.tables.get(table, ())])
        return rows.filter(pc.equal(rows["session_id"].cast(pa.string()), self.session.session_id))

    def parts(self, table: str) -> "dd.DataFrame":
        """Return the session's rows of a table as one partition."""
        import dask.dataframe as dd

        return dd.from_pandas(pandas_frame(self.read(table)), npartitions=1, sort=False)


@dataclass(frozen=True)
class Reach:
    """Expected number of agents reached, seeds included.

    Attributes
    ----------
    mean : float
        Mean over replicates, agents.
    standard_error : float or None
        Of the mean, agents; None for one replicate.
    replicates : int
        Number of replicates.
    """

    mean: float
    standard_error: float | None
    replicates: int

    def __str__(self) -> str:
        known = "" if self.standard_error is None else " (95 % interval)"
        return f"{with_interval(self)} agents over {counted(self.replicates, 'replicate')}{known}"


class Result:
    """The result of one session.

    Parameters
    ----------
    session : mapping
        The session's row of the table `propagation_sessions`.
    network : Network
        The network it ran on.
    tables : ResultTables
        Where its rows are.
    recalled : bool
        Whether the rows were in the warehouse before.
    """

    def __init__(
        self, session: Mapping[str, Any], network: Network, tables: ResultTables, *, recalled: bool = False
    ) -> None:
        self.session = session
        self.network = network
        self.recalled = recalled
        self._tables = tables

    def __repr__(self) -> str:
        origin = ", read from the warehouse" if self.recalled else ""
        return f"Result({self.session['propagation_model']} on {self.network.network_id!r}, {self.reach}{origin})"

    def _repr_html_(self) -> str:
        row, agents = self.session, self.network.n_agents
        parameters = ", ".join(f"{name} {value}" for name, value in json.loads(row["model_parameters"]).items())
        facts = {
            "reach": str(self.reach),
            "share of the network": f"{self.reach.mean / agents:.2%} of {agents:,} agents",
            "model": f"{row['propagation_model']}, {parameters}",
            "seeds": f"{len(row['seed_agents']):,}, {row['seed_strategy']}",
            "rounds": f"{row['rounds']:,}, {row['stopped_because'].replace('_', ' ')}",
        }
        recorded = RECORDS[1 : RECORDS.index(row["record"]) + 1]
        details = [f"result.{'agents' if detail == 'reach' else detail}" for detail in recorded]
        title = f"{row['propagation_model']} on {self.network.network_id}"
        return card(title, facts, ["result.plot()", "result.rounds", "result.cascades", *details])

    @property
    def session_id(self) -> str:
        """The session."""
        return str(self.session["session_id"])

    @property
    def reach(self) -> Reach:
        """Expected number of agents reached, with its standard error."""
        return Reach(
            mean=self.session["total_influenced"],
            standard_error=self.session["total_influenced_standard_error"],
            replicates=self.session["replicates"],
        )

    @property
    def lanes(self) -> Lanes:
        """Counts by round of each replicate, which are kept of sessions that are not published.

        Raises
        ------
        InvalidInputError
            If the session is published: its tables have the counts.
        """
        if not isinstance(self._tables, MemoryTables):
            raise InvalidInputError(f"session {self.session['session_id']} is published; read its tables instead")
        return self._tables.lanes

    @cached_property
    def rounds(self) -> "pd.DataFrame":
        """One row per round: means, standard errors and quantiles over replicates (table `propagation_metrics`)."""
        return self._frame("propagation_metrics", ["round"])

    @cached_property
    def cascades(self) -> "pd.DataFrame":
        """One row per replicate: size, depth, rounds, peak_round, truncated, half_round (table `cascades`)."""
        return self._frame("cascades", ["replicate"])

    @cached_property
    def agents(self) -> "pd.DataFrame":
        """One row per agent reached: agent_id, times_reached, probability, mean_round (table `reach`)."""
        self._require("reach")
        frame = self._frame("reach", ["agent"])
        frame.insert(0, "agent_id", self._original_ids(frame["agent"]))
        return frame

    @property
    def activations(self) -> "dd.DataFrame":
        """Who was activated when and by whom: session_id, replicate, agent_id, round, infector_id; lazily."""
        self._require("activations")
        return self._with_ids("activations", {"agent": "agent_id", "infector": "infector_id"})

    @property
    def contacts(self) -> "dd.DataFrame":
        """Every contact: session_id, replicate, source_agent_id, target_agent_id, round, event_type; lazily."""
        self._require("contacts")
        return self._with_ids("propagation_events", {"src": "source_agent_id", "dst": "target_agent_id"})

    def plot(self, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw the adoption curve: mean reach by round, with the bands of 25-75 % and 5-95 % of replicates.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: new axes.
        **style
            Passed to `propagation.pictures.adoption_curve`.
        """
        from propagation.pictures import adoption_curve

        style.setdefault("name", f"{self.session['propagation_model']} {self.session_id[:8]}")
        return adoption_curve(self.rounds, ax=ax, n_agents=self.network.n_agents, **style)

    def table(self, name: str) -> pa.Table:
        """Return the session's rows of one table as published, with dense ids.

        Raises
        ------
        InvalidInputError
            If the rows of the table belong to no session.
        TableNotFoundError
            If there is no such table.
        """
        if "session_id" not in table_specification(name).schema.names:
            own = ", ".join(table for tables in TABLE_OF_RECORD.values() for table in tables)
            raise InvalidInputError(
                f"table {name!r} has no rows of a single session; a result has {own}. Ask the warehouse for others: "
                f'rumormill sql "FROM {name}"'
            )
        return self._tables.read(name)

    def _require(self, detail: str) -> None:
        recorded = self.session["record"]
        if RECORDS.index(recorded) < RECORDS.index(cast("Any", detail)):
            raise InvalidInputError(f"the session recorded {recorded!r}; run it with record={detail!r} for this")

    def _frame(self, table: str, order: list[str]) -> "pd.DataFrame":
        rows = self._tables.read(table).drop_columns(["session_id"])
        return rows.sort_by([(name, "ascending") for name in order]).to_pandas()

    def _original_ids(self, agents: "pd.Series[Any]") -> "pd.Series[Any]":
        """Return the original ids of dense ones; missing where the dense id is."""
        import pandas as pd

        codes = pa.array(agents.to_numpy(dtype=np.float64, na_value=np.nan), from_pandas=True).cast(pa.int64())
        return pd.Series(self.network.agent_ids.take(codes).to_pandas().array, index=agents.index)

    def _with_ids(self, table: str, renamed: Mapping[str, str]) -> "dd.DataFrame":
        from dask.dataframe.utils import pyarrow_strings_enabled

        # Dask's type of text, as in `network.agents`: merged with another type, ids would become objects.
        text = "string[pyarrow]" if pyarrow_strings_enabled() else "str"
        frame = self._tables.parts(table)
        columns = [renamed.get(name, name) for name in frame.columns]
        meta = frame._meta.copy()  # noqa: SLF001 (Dask's name for a frame's declared columns)
        for dense in renamed:
            meta[dense] = self.network.agent_ids[:0].to_pandas().astype(text)
        meta.columns = columns
        return frame.map_partitions(self._name_agents, renamed, columns, text, meta=meta)

    def _name_agents(
        self, part: "pd.DataFrame", renamed: Mapping[str, str], columns: list[str], text: Any
    ) -> "pd.DataFrame":
        part = part.copy()
        for dense in renamed:
            part[dense] = self._original_ids(part[dense]).astype(text)
        part.columns = columns
        return part

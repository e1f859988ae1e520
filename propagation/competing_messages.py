"""Competing messages one by one: what one message of a session reaches, as the result of a session of its own.

The rows are derived from the activations that the session recorded; they are read some millions at a time, so that a
session may have any number of them. An agent adopts the message of its infector, so that the transmissions of a message
are a forest of their own.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.validation import suggestion
from data.warehouse.catalogue import query
from data.warehouse.frames import pandas_frame
from data.warehouse.store import Store
from propagation.intervals import standard_errors
from propagation.lane_counts import Lanes
from propagation.models import make_model
from propagation.plans.lane_rows import reach_of, reach_sum
from propagation.result import MemoryTables, Reach, Result, session_id_column
from propagation.sessions import Session
from propagation.transmissions import RecordedActivations

if TYPE_CHECKING:
    import dask.dataframe as dd

_REACH = """
    SELECT session_id, message_id, message, replicates, reach, reach_standard_error
    FROM message_reach
    WHERE session_id IN ({})
"""


class MessageResult(Result):
    """What one of the competing messages of a session reaches: a result like that of a session with this message alone.

    Parameters
    ----------
    whole : Result
        Result of the session, which must have recorded activations.
    message_id : str
        One of its messages.
    name : str
        What sentences call it.

    Raises
    ------
    InvalidInputError
        If the session recorded less.
    """

    def __init__(self, whole: Result, message_id: str, name: str) -> None:
        self.message_id, self.name = message_id, name
        tables, row = _MessageTables(whole, message_id), whole.session
        sizes = tables.counts.lanes.sizes
        seeds = zip(row["seed_agents"], row["seed_messages"], strict=True)
        changed = {
            "message_id": message_id,
            "seed_agents": [seed for seed, own in seeds if own == message_id],
            "seed_messages": None,
            "total_influenced": int(sizes.sum()) / len(sizes),
            "total_influenced_standard_error": standard_errors(sizes[None])[0].as_py(),
        }
        super().__init__({**row, **changed}, whole.network, tables, recalled=whole.recalled)

    def __repr__(self) -> str:
        return f"MessageResult({self.name!r} on {self.network.network_id!r}, {self.reach})"


class _MessageTables:
    """Rows of one message of a session; see `propagation.result.ResultTables`."""

    def __init__(self, whole: Result, message_id: str) -> None:
        self._whole, self._message_id = whole, message_id
        self._activations = RecordedActivations(whole, message_id)

    @cached_property
    def counts(self) -> MemoryTables:
        """What the message's replicates add up to."""
        whole, row, activations = self._whole, self._whole.session, self._activations
        rounds = whole.cascades["rounds"].to_numpy().astype(np.int64)
        matrix, reached = np.zeros((len(rounds), int(rounds.max()) + 1), np.int32), []
        for part in activations:
            np.add.at(matrix, (part.first_replicate - activations.first + part.lanes, part.rounds), 1)
            reached.append(reach_of(part.agents, part.rounds))
        counted = matrix[np.arange(matrix.shape[1]) <= rounds[:, None]]
        lanes = Lanes(rounds + 1, counted, rounds, whole.cascades["truncated"].to_numpy().astype(bool))
        session = Session(
            network_id=whole.network.network_id,
            snapshot_id=whole.network.snapshot_id,
            model=make_model(row["propagation_model"], json.loads(row["model_parameters"])),
            seeds=(),
            seed_agents=(),
            seed_strategy=row["seed_strategy"],
            replicates=row["replicates"],
            random_seed=row["random_seed"],
            max_rounds=row["max_rounds"],
            record=row["record"],
            first_replicate=activations.first,
        )
        return MemoryTables(session, lanes, reach_sum(whole.network.n_ids, reached), {})

    def read(self, table: str) -> pa.Table:
        """Return the message's rows of a table, under the id of its session."""
        if table == "propagation_events":
            raise InvalidInputError(
                "contacts are not recorded by message; read those of the whole session, and which message their "
                "sources adopted from its activations"
            )
        if table == "activations":
            rows = self._whole.table(table)
            return rows.filter(pc.equal(rows["message_id"].cast(pa.string()), self._message_id))
        rows = self.counts.read(table)
        own = session_id_column([self._whole.session_id], [len(rows)])
        return rows.set_column(rows.schema.get_field_index("session_id"), rows.schema.field("session_id"), own)

    def parts(self, table: str) -> "dd.DataFrame":
        """Return the message's rows of a table as one partition."""
        import dask.dataframe as dd

        return dd.from_pandas(pandas_frame(self.read(table)), npartitions=1, sort=False)


def message_names(result: Result) -> dict[str, str]:
    """Return the names of the messages that compete in a session by their ids, in its order; empty if one spreads.

    A message that is not in the table `messages` is called by its id.
    """
    ids = list(dict.fromkeys(result.session.get("seed_messages") or ()))
    rows = result.network.warehouse.read("messages", columns=["message_id", "name"]).to_pylist() if ids else []
    known = {row["message_id"]: row["name"] for row in rows}
    return {message_id: known.get(message_id, message_id) for message_id in ids}


def of_message(result: Result, message: str) -> Result:
    """Return what one message of a session reaches.

    Ours, not a library's: activations are read a few million at a time, so that they may exceed memory.

    Parameters
    ----------
    result : Result
        Of a session that recorded activations. If one message spreads in it, the result itself is that message's.
    message : str
        Name or id of the message.

    Returns
    -------
    Result
        Like that of a session with this message alone: what compares, explains and draws results takes it too.

    Raises
    ------
    InvalidInputError
        If another message spreads in the session, or several do and it did not record activations.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation import simulate
    >>> from propagation.models import CompetingCascades
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "eve"], "target": ["bob", "cy", "dan"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> seeds = {"rumour": ["ann"], "correction": ["eve"]}
    >>> model = CompetingCascades(probability=1.0)
    >>> result = simulate(network, model, seed_set=seeds, replicates=4, record="activations")
    >>> of_message(result, "rumour").reach.mean, sorted(of_message(result, "correction").agents["agent_id"])
    (3.0, ['dan', 'eve'])
    """
    if isinstance(result, MessageResult):
        if message not in (result.message_id, result.name):
            raise InvalidInputError(f"{result!r} is of one message, {result.name!r}, not of {message!r}")
        return result
    names = message_names(result)
    if not names:
        return _only_message(result, message)
    found = [message_id for message_id, name in names.items() if message in (message_id, name)]
    if not found:
        known = ", ".join(map(repr, names.values()))
        raise InvalidInputError(
            f"no message {message!r}{suggestion(message, list(names.values()))} in session {result.session_id}; "
            f"its messages are {known}"
        )
    return MessageResult(result, found[0], names[found[0]])


def _only_message(result: Result, message: str) -> Result:
    """Return the result if its session's one message may be the one of this name; sessions need not name theirs."""
    own = result.session.get("message_id")
    if own is not None and message != own:
        rows = result.network.warehouse.read("messages", columns=["message_id", "name"]).to_pylist()
        called = [row["name"] for row in rows if row["message_id"] == own]
        if message not in called:
            raise InvalidInputError(
                f"session {result.session_id} spreads message {(called or [own])[0]!r}, not {message!r}"
            )
    return result


def names_messages(result: Result) -> bool:
    """Return whether a session says which message, or messages, it spreads."""
    return bool(message_names(result)) or result.session.get("message_id") is not None


def message_results(result: Result) -> dict[str, Result]:
    """Return what each of the competing messages of a session reaches, by its name; see `of_message`.

    Raises
    ------
    InvalidInputError
        If no messages compete in the session, or it did not record activations.
    """
    names = message_names(result)
    if not names:
        raise InvalidInputError(f"session {result.session_id} spreads one message; its result is that message's")
    return {name: MessageResult(result, message_id, name) for message_id, name in names.items()}


def results_by_message(results: Mapping[str, Result]) -> dict[str, dict[str, Result]]:
    """Return what each competing message reaches in each session, by the message's name, then by the session's.

    Sessions in which one of these messages spreads alone are among them; sessions that did not record activations do
    not tell their messages apart and are left out. Empty if no session tells of competing messages.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name.
    """
    names: dict[str, str] = {}
    for result in results.values():
        if _is_told(result.session):
            names |= message_names(result)
    return {
        name: {
            session: own
            for session, result in results.items()
            if (own := _own_result(result, message_id, name)) is not None
        }
        for message_id, name in names.items()
    }


def _own_result(result: Result, message_id: str, name: str) -> Result | None:
    """Return what a message reaches in a session; None if it does not spread there, or the session does not tell."""
    if message_id in (result.session.get("seed_messages") or ()):
        return MessageResult(result, message_id, name) if _is_told(result.session) else None
    return result if result.session.get("message_id") == message_id else None


def asked_messages(result: Result, message: str | None) -> dict[str | None, Result]:
    """Return the result of one message by its name, or of each that competes; where one message spreads, by None.

    Raises
    ------
    InvalidInputError
        As by `of_message`; also if a message is asked for, and the session does not name its only one.
    """
    if message is not None:
        if not names_messages(result):
            raise InvalidInputError(
                f"message {message!r} is asked for, and session {result.session_id} names no message; leave it out"
            )
        return {message if message_names(result) else None: of_message(result, message)}
    return dict(message_results(result).items()) if message_names(result) else {None: result}


def reach_by_message(warehouse: Store, sessions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Reach]]:
    """Return the reach of each competing message of published sessions, by session id, then by the message's name.

    Sessions in which one message spreads, or that did not record activations, are left out.

    Parameters
    ----------
    warehouse : Store
    sessions : mapping from str to mapping
        Rows of the table `propagation_sessions` by session id.
    """
    wanted = [session_id for session_id, row in sessions.items() if row.get("seed_messages") and _is_told(row)]
    if not wanted:
        return {}
    rows = query(warehouse, _REACH.format(", ".join(f"'{each}'" for each in wanted))).to_pylist()
    by_key = {(row["session_id"], row["message_id"]): row for row in rows}
    found: dict[str, dict[str, Reach]] = {}
    for session_id in wanted:
        messages: Sequence[str] = list(dict.fromkeys(sessions[session_id]["seed_messages"]))
        own = [by_key[session_id, message] for message in messages]
        found[session_id] = {
            row["message"]: Reach(row["reach"], row["reach_standard_error"], row["replicates"]) for row in own
        }
    return found


def _is_told(row: Mapping[str, Any]) -> bool:
    return row["record"] in ("activations", "contacts")

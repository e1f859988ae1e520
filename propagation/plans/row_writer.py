"""Rows of large tables: how they are made from what kernels found, and written to staged files or kept in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.warehouse.manifests import DataFile
from data.warehouse.staging import StagedFile
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL
from propagation.kernels.lane_arrays import Contacts, Events
from propagation.result import EVENT_TYPES
from propagation.sessions import Session

ROWS_PER_WRITE = 2_000_000
"""Rows of a table that are buffered before they are written together."""
_EVENT_TYPES = pa.array(EVENT_TYPES, pa.string())


class RowWriter:
    """Collects the rows of large tables: into one staged file per table, or in memory."""

    def __init__(self, warehouse: Store | None, open_files: contextlib.ExitStack) -> None:
        self._warehouse = warehouse
        self._open = open_files
        self._staged: dict[str, StagedFile] = {}
        self._waiting: dict[str, list[pa.Table]] = {}
        self.tables: dict[str, list[pa.Table]] = {}

    @property
    def files(self) -> list[DataFile]:
        """The staged files, once the block has ended."""
        return [staged.file for staged in self._staged.values()]

    def write(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table; they are buffered and written some millions at a time."""
        waiting = self._waiting.setdefault(table, [])
        waiting.append(rows.cast(table_specification(table).schema))
        if sum(map(len, waiting)) >= ROWS_PER_WRITE:
            self._flush(table)

    def flush(self) -> None:
        """Write all buffered rows."""
        for table in list(self._waiting):
            self._flush(table)

    def _flush(self, table: str) -> None:
        rows = pa.concat_tables(self._waiting.pop(table))
        if self._warehouse is None:
            self.tables.setdefault(table, []).append(rows)
            return
        if table not in self._staged:
            self._staged[table] = self._open.enter_context(self._warehouse.staging(table))
        self._staged[table].write(rows)


@contextlib.contextmanager
def collected_rows(warehouse: Store | None) -> Iterator[RowWriter]:
    """Yield a writer whose staged files are finished when the block ends; with None, rows are kept in memory."""
    with contextlib.ExitStack() as open_files:
        writer = RowWriter(warehouse, open_files)
        yield writer
        writer.flush()


def activation_rows(
    sessions: Sequence[Session], session: npt.NDArray[np.int32], replicate: npt.NDArray[np.int32], events: Events
) -> pa.Table:
    """Return rows of the table `activations`.

    Parameters
    ----------
    sessions : sequence of Session
        With the same rules.
    session, replicate : (k,) int32
        Position in `sessions`, and replicate, of each event.
    events : Events
    """
    ids = pa.array([each.session_id for each in sessions])
    return pa.table(
        {
            "session_id": pa.DictionaryArray.from_arrays(pa.array(session), ids).cast(SYMBOL),
            "replicate": replicate,
            "agent": events.agent,
            "round": events.round,
            "infector": pa.array(events.infector, mask=events.infector < 0),
            "occasion": events.occasion,
            "message_id": adopted_messages(sessions, session, events.compartment),
        }
    )


def adopted_messages(
    sessions: Sequence[Session], session: npt.NDArray[np.int32], compartments: npt.NDArray[np.integer[Any]]
) -> pa.Array:
    """Return the message that an agent adopts with each activation; null where only one message spreads.

    Parameters
    ----------
    sessions : sequence of Session
        With the same rules.
    session : (k,) int32
        Position in `sessions` of each activation.
    compartments : (k,) integer
        Compartment that the agent entered; may be empty where only one message spreads.
    """
    rules = sessions[0].model.rules
    if not rules.adopting:
        return pa.nulls(len(session), SYMBOL)
    position = np.full(len(rules.compartments), -1)
    position[[rules.number(name) for name in rules.adopting]] = np.arange(len(rules.adopting))
    firsts = np.cumsum([0, *(len(each.competing) for each in sessions)])
    names = pa.array([message for each in sessions for message, _ in each.competing])
    codes = (firsts[session] + position[compartments]).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), names).cast(SYMBOL)


def contact_table(
    session_ids: list[str], session: npt.NDArray[np.int32], replicate: npt.NDArray[np.int32], contacts: Contacts
) -> pa.Table:
    """Return rows of the table `propagation_events`; parameters as in `activation_rows`."""
    return pa.table(
        {
            "session_id": pa.DictionaryArray.from_arrays(pa.array(session), pa.array(session_ids)).cast(SYMBOL),
            "replicate": replicate,
            "round": contacts.round,
            "src": contacts.src,
            "dst": contacts.dst,
            "event_type": pa.DictionaryArray.from_arrays(pa.array(contacts.kind), _EVENT_TYPES).cast(SYMBOL),
        }
    )

"""Published results: reading them, and comparing them with recomputed rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import InvalidInputError, NetworkNotFoundError, TableNotFoundError
from data.networks import index
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.keys import session_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL, Column
from propagation.result import TABLE_OF_RECORD, PublishedTables, Result
from propagation.sessions import RECORDS


def load_result(warehouse: Store, session_id: str) -> Result:
    """Return the published result of a session.

    Raises
    ------
    TableNotFoundError
        If the warehouse has no such session.
    """
    return load_results(warehouse, [session_id])[0]


def load_results(warehouse: Store, session_ids: Sequence[str], *, together: Sequence[str] = ()) -> list[Result]:
    """Return the published results of some sessions, in the order given.

    Parameters
    ----------
    warehouse : Store
    session_ids : sequence of str
    together : sequence of str
        Tables that are read for all sessions at once, when the first of their rows is needed: with many sessions much
        faster than session by session, if memory holds them all.

    Raises
    ------
    TableNotFoundError
        If the warehouse lacks one of them.
    """
    sessions = load_session_rows(warehouse, session_ids)
    networks: dict[tuple[str, str], Network] = {}
    joint = {table: _JointRows(warehouse, table, tuple(session_ids)) for table in together}
    results = []
    for session_id in session_ids:
        row = sessions[session_id]
        key = row["network_id"], row["snapshot_id"]
        if key not in networks:
            networks[key] = _network_of(warehouse, row)
        results.append(Result(row, networks[key], _JointTables(warehouse, session_id, joint), recalled=True))
    return results


@dataclass
class _JointRows:
    """Rows of a table that several sessions share one reading of."""

    warehouse: Store
    table: str
    session_ids: tuple[str, ...]
    _by_session: dict[str, pa.Table] | None = field(default=None, repr=False)

    def of(self, session_id: str) -> pa.Table:
        """Return a session's rows."""
        if self._by_session is None:
            self._by_session = self._read()
        return self._by_session[session_id]

    def _read(self) -> dict[str, pa.Table]:
        rows = self.warehouse.read(self.table, [session_key(session_id) for session_id in self.session_ids])
        position = rows.schema.get_field_index("session_id")
        rows = rows.set_column(position, "session_id", rows["session_id"].cast(pa.string())).sort_by("session_id")
        ids = rows["session_id"].combine_chunks().dictionary_encode()
        starts = np.searchsorted(ids.indices.to_numpy(), np.arange(len(ids.dictionary) + 1)).tolist()
        found = {
            session_id: rows.slice(start, end - start)
            for session_id, start, end in zip(ids.dictionary.to_pylist(), starts[:-1], starts[1:], strict=True)
        }
        return {session_id: found.get(session_id, rows.slice(0, 0)) for session_id in self.session_ids}


@dataclass(frozen=True)
class _JointTables(PublishedTables):
    """Rows of a session in the warehouse, some tables of which are read together with those of other sessions."""

    joint: Mapping[str, _JointRows]

    def read(self, table: str) -> pa.Table:
        """Return the session's rows of a table."""
        return self.joint[table].of(self.session_id) if table in self.joint else super().read(table)


def campaign_id_of(warehouse: Store, campaign: str) -> str:
    """Return the id of a campaign: of the configuration that was completed last, if `campaign` is a name.

    Raises
    ------
    InvalidInputError
        If the warehouse has no such campaign; the message lists those it has.
    """
    campaigns = sorted(warehouse.read("campaigns").to_pylist(), key=lambda row: row["completed_at"])
    found = [row["campaign_id"] for row in campaigns if campaign in {row["campaign"], row["campaign_id"]}]
    if not found:
        names = sorted({row["campaign"] for row in campaigns})
        raise InvalidInputError(
            f"no campaign {campaign!r}{suggestion(campaign, names)} in warehouse {warehouse.url} (campaigns there: "
            f"{', '.join(names) or 'none yet'}); run one with: rumormill run CAMPAIGN"
        )
    return str(found[-1])


def load_session_rows(warehouse: Store, session_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the sessions' rows of the table `propagation_sessions`, by session id.

    Raises
    ------
    TableNotFoundError
        If the warehouse lacks one of them.
    """
    keys = [session_key(session_id) for session_id in session_ids]
    wanted = dict.fromkeys(session_ids)
    rows = warehouse.read("propagation_sessions", keys).to_pylist() if keys else []
    sessions = {row["session_id"]: row for row in rows if row["session_id"] in wanted}
    for session_id in session_ids:
        if session_id not in sessions:
            raise TableNotFoundError(
                f"no session {session_id!r} in warehouse {warehouse.url}; see `rumormill sessions`"
            )
    return sessions


def _network_of(warehouse: Store, session: Mapping[str, Any]) -> Network:
    snapshot_id = session["snapshot_id"]
    named = index.snapshot(warehouse, session["network_id"], snapshot_id)
    network = named or index.with_content(warehouse, snapshot_id)
    if network is None:
        raise NetworkNotFoundError(f"no snapshot {snapshot_id} of any network in warehouse {warehouse.url}")
    return network


def differing_tables(warehouse: Store, results: Mapping[str, Result]) -> list[str]:
    """Return the names of tables in which recomputed sessions differ from their published rows; order is ignored.

    Parameters
    ----------
    warehouse : Store
        Where the sessions are published.
    results : mapping
        Results of a job run with ``publish=False``, by session id.
    """
    differing = set()
    for session_id, result in results.items():
        published = PublishedTables(warehouse, session_id)
        for detail in RECORDS[: RECORDS.index(result.session["record"]) + 1]:
            for table in TABLE_OF_RECORD[detail]:
                stored = published.read(table)
                lacking = [column.name for column in table_specification(table).columns if _is_lacking(stored, column)]
                compared = [_ordered(table, rows).drop_columns(lacking) for rows in (result.table(table), stored)]
                if not compared[0].equals(compared[1]):
                    differing.add(table)
    return sorted(differing)


def _is_lacking(stored: pa.Table, column: Column) -> bool:
    """Return whether a session was published by an older version, which did not have this column."""
    return column.later and stored[column.name].null_count == stored.num_rows


def _ordered(table: str, rows: pa.Table) -> pa.Table:
    specification = table_specification(table)
    plain = rows.cast(pa.schema([f.with_type(pa.string()) if f.type == SYMBOL else f for f in specification.schema]))
    return plain.sort_by([(name, "ascending") for name in specification.key]).combine_chunks()

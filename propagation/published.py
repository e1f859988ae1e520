"""Published results: reading them, and comparing them with recomputed rows."""

from collections.abc import Mapping, Sequence
from typing import Any

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


def load_results(warehouse: Store, session_ids: Sequence[str]) -> list[Result]:
    """Return the published results of some sessions, in the order given.

    Raises
    ------
    TableNotFoundError
        If the warehouse lacks one of them.
    """
    sessions = load_session_rows(warehouse, session_ids)
    networks: dict[tuple[str, str], Network] = {}
    results = []
    for session_id in session_ids:
        row = sessions[session_id]
        key = row["network_id"], row["snapshot_id"]
        if key not in networks:
            networks[key] = _network_of(warehouse, row)
        results.append(Result(row, networks[key], PublishedTables(warehouse, session_id), recalled=True))
    return results


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

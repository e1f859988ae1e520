"""Tables of a round, as the reference plan reads and writes them: frontiers and states, by ranges of agents."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.networks.network import Network
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from propagation.result import session_id_column
from propagation.sessions import Session

FRONTIER = {"replicate": "int32", "agent": "int32", "compartment": "int8", "since": "int32", "occasion": "int32"}
MEMORY = {"weight": "int64", "contacts": "int32"}
STATE = {**FRONTIER, **MEMORY, "activated": "bool", "infector": "int32"}
ATTEMPT = {
    "replicate": "int32", "src": "int32", "dst": "int32", "success": "bool", "added": "int64",
    "compartment": "int8", "target": "int8", "target_to": "int8", "stop_to": "int8", "adds": "bool", "open": "bool",
    "infector_draw": "int64",
}  # fmt: skip
STOP = {"replicate": "int32", "src": "int32", "stop_to": "int8"}
CONTACT = {"replicate": "int32", "round": "int32", "src": "int32", "dst": "int32", "kind": "int8"}
WEIGHED = {"chance": "int64", "influence": "int64"}


def read_by_agent(
    warehouse: Store,
    table: str,
    columns: list[str],
    compartments: tuple[str, ...],
    reduce: Any,
    files: list[DataFile],
) -> pd.DataFrame:
    """Return the rows of some files, reduced, by agent."""
    frame = reduce(read_files(warehouse, table, columns, compartments, files)).drop(columns="round", errors="ignore")
    return frame.sort_values("agent", kind="stable").set_index("agent", drop=False)


def read_files(
    warehouse: Store, table: str, columns: list[str], compartments: tuple[str, ...], files: list[DataFile]
) -> pd.DataFrame:
    """Return columns of some files of a table, compartments as numbers."""
    schema = table_specification(table).schema
    empty = schema.empty_table().select([name for name in columns if name in schema.names])
    memory = [name for name in columns if name not in schema.names]
    for name in memory:
        empty = empty.append_column(name, pa.array([], pa.float64()))
    parts = [empty, *(warehouse.read_file(file, columns) for file in files)]
    rows = pa.concat_tables([_plain(part) for part in parts])
    found = {}
    for name in columns:
        column = rows[name]
        if name == "compartment":
            codes = pc.index_in(column, value_set=pa.array(compartments))
            found[name] = codes.to_numpy()
        else:
            found[name] = (column.fill_null(-1) if name == "infector" else column).to_numpy()
    kinds = {**STATE, "round": "int32", **dict.fromkeys(memory, "float64")}
    return pd.DataFrame(found).astype({name: kinds[name] for name in columns})


def _plain(rows: pa.Table) -> pa.Table:
    """Return rows with plain strings: dictionaries differ from file to file."""
    if "compartment" not in rows.column_names:
        return rows
    where = rows.column_names.index("compartment")
    return rows.set_column(where, "compartment", rows["compartment"].cast(pa.string()))


def round_rows(
    table: str,
    session: Session,
    number: int,
    part: pd.DataFrame,
    compartments: tuple[str, ...],
    memory: tuple[str, ...] = (),
) -> pa.Table:
    """Return the rows of a round as a table holds them, with what is remembered as further columns."""
    infector = part["infector"].to_numpy()
    columns = {name: part[name].to_numpy() for name in (*STATE, *memory) if name not in {"compartment", "infector"}}
    columns |= {
        "session_id": session_id_column([session.session_id], [len(part)]),
        "round": np.full(len(part), number, np.int32),
        "compartment": pa.DictionaryArray.from_arrays(
            pa.array(part["compartment"].to_numpy(np.int32)), pa.array(compartments)
        ),
        "infector": pa.array(infector, mask=infector < 0),
    }
    schema = pa.schema([*table_specification(table).schema, *(pa.field(name, pa.float64()) for name in memory)])
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


def empty(columns: dict[str, str]) -> pd.DataFrame:
    """Return a frame of columns with these dtypes, without rows."""
    return pd.DataFrame({name: np.empty(0, kind) for name, kind in columns.items()})


def round_key(session: Session, number: int) -> str:
    """Return the key under which a round of a session is published."""
    return f"frontier/{session.session_id}/{number}"


def partition_ranges(network: Network) -> list[tuple[int, int]]:
    """Return the first and last agent of every partition of a network."""
    lows = network.divisions[:-1]
    highs = [low - 1 for low in lows[1:]] + [network.n_ids - 1]
    return list(zip(lows, highs, strict=True))

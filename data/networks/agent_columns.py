"""Columns that agents have: attributes of the network, metrics of structure, and segments."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.networks.network import Network
from data.networks.segmentations import current_segmentations, segment_column
from data.validation import suggestion
from data.warehouse.tables import TABLES

METRICS = "agent_metrics"
KEY = ("snapshot_id", "agent", "agent_id")
"""Columns of tables of agents that say which agent a row is about."""
MEASURED = tuple(column.name for column in TABLES[METRICS].columns if column.name not in KEY)
"""Columns of agents that `agent_metrics` has."""


def attribute_names(network: Network) -> list[str]:
    """Return the names of the agents' attributes, degrees included."""
    schema = network.warehouse.read_file(network.agent_files[0]).schema
    return [name for name in schema.names if name not in KEY]


def column_of_agents(network: Network, name: str) -> pa.Array:
    """Return a column of the agents by dense id, (n_ids,); null where an agent has no value.

    Parameters
    ----------
    network : Network
    name : str
        An attribute of the agents, a published column of `agent_metrics`, or the name of a segmentation, whose values
        are the numbers of the segments; with ``_name`` after it, their names. Of segmentations with the same name, the
        one that was requested last counts.

    Raises
    ------
    InvalidInputError
        If there is no such column, or its metric has not been computed.
    """
    attributes = attribute_names(network)
    if name in attributes:
        parts = [network.warehouse.read_file(file, ["agent", name]) for file in network.agent_files]
        rows = pa.concat_tables([part.select(["agent", name]) for part in parts])
    elif name in MEASURED:
        rows = network.warehouse.read(METRICS, columns=["snapshot_id", "agent", name])
        rows = rows.filter(pc.equal(rows["snapshot_id"].cast(pa.string()), network.snapshot_id)).filter(
            pc.is_valid(pc.field(name))
        )
        if not rows.num_rows:
            raise InvalidInputError(
                f"{name!r} is not known of network {network.network_id!r} yet; compute it with: rumormill analyze "
                f"{network.network_id}"
            )
    elif (found := segment_column(network, name)) is not None:
        rows = found
    else:
        known = [*attributes, *MEASURED, *current_segmentations(network)]
        raise InvalidInputError(
            f"agents of network {network.network_id!r} have no column {name!r}{suggestion(name, known)} "
            f"(columns: {', '.join(known)}); or give the group of each agent by its id"
        )
    place = np.full(network.n_ids, -1, np.int64)
    place[rows["agent"].to_numpy()] = np.arange(rows.num_rows)
    return rows[name].combine_chunks().take(pa.array(place, mask=place < 0))


def agents_within(network: Network, within: Mapping[str, Any]) -> npt.NDArray[np.int32]:
    """Return the agents that have one of the given values in each of some columns: dense ids, ascending.

    Parameters
    ----------
    network : Network
    within : mapping
        A value, or a list of values, by the name of a column as for `column_of_agents`. Values are compared as text, so
        that 2 and "2" are the same.

    Raises
    ------
    InvalidInputError
        If there is no such column, no agent has one of the values, or none has all of them.
    """
    chosen = np.ones(network.n_ids, np.bool_)
    for name, values in within.items():
        column = column_of_agents(network, name)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        wanted = [str(each) for each in (values if isinstance(values, list | tuple) else [values])]
        texts = column.cast(pa.string())
        known = set(pc.unique(texts.drop_null()).to_pylist())
        unknown = [value for value in wanted if value not in known]
        if unknown or not wanted:
            what = f"has {name} {', '.join(unknown)}" if unknown else f"is asked for: {name} has an empty list"
            shown = ", ".join(sorted(known, key=lambda each: (len(each), each))[:10])
            raise InvalidInputError(
                f"no agent of network {network.network_id!r} {what}; values are "
                f"{shown}{', ...' if len(known) > 10 else ''}"
            )
        chosen &= pc.is_in(texts, pa.array(wanted, pa.string())).to_numpy(zero_copy_only=False)
    chosen[network.reserved] = False
    if not chosen.any():
        asked = " and ".join(f"{name} {value}" for name, value in within.items())
        raise InvalidInputError(f"no agent of network {network.network_id!r} has {asked}")
    return np.flatnonzero(chosen).astype(np.int32)

"""Decision tables: comparisons, explanations and sweeps as published rows, each published once.

Rows follow from published sessions, and are deleted with them.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from analytics.comparison import SessionComparison, comparison_row
from analytics.explanation import Explanation, Responsibility
from analytics.sweeps import Sweep
from data.errors import AlreadyPublishedError
from data.warehouse.keys import DECISION, decision_key, session_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from propagation.result import Result
from propagation.sessions import derived_uuid

PUBLISHED_PATHS = 100
"""Most frequent paths of an explanation that commands publish."""


def publish_explanation(session: Result, explanation: Explanation) -> bool:
    """Publish the paths of an explanation in the table `transmission_paths`; return False if they were before.

    Parameters
    ----------
    session : Result
        The published session that was explained.
    explanation : Explanation
    """
    (agent,) = session.network.dense_ids([explanation.agent_id]).tolist()
    rows = {str(name): values for name, values in explanation.paths.to_dict("list").items()}
    count = len(explanation.paths)
    columns = {"session_id": [session.session_id] * count, "agent": [agent] * count, **rows}
    columns["position"] = list(range(1, count + 1))
    key = decision_key("transmission_paths", session.session_id, agent)
    return _publish(session.network.warehouse, "transmission_paths", key, columns, [session.session_id])


def publish_responsibility(session: Result, found: Responsibility) -> bool:
    """Publish agents in the table `responsible_agents`; return False if they were published before.

    Parameters
    ----------
    session : Result
        The published session.
    found : Responsibility
        Of all agents, seeds included.
    """
    columns = {str(name): values for name, values in found.agents.to_dict("list").items()}
    columns["agent"] = session.network.dense_ids(columns.pop("agent_id")).tolist()
    columns["session_id"] = [session.session_id] * len(columns["agent"])
    key = decision_key("responsible_agents", session.session_id)
    return _publish(session.network.warehouse, "responsible_agents", key, columns, [session.session_id])


def publish_comparison(first: Result, second: Result, compared: SessionComparison, by: str | None = None) -> bool:
    """Publish a comparison in the table `session_differences`; return False if all of it was published before.

    Parameters
    ----------
    first, second : Result
        The published sessions that were compared.
    compared : SessionComparison
    by : str, optional
        What the groups of the comparison are called; default: they are not published.
    """
    warehouse = first.network.warehouse
    pair = {"first_session_id": first.session_id, "second_session_id": second.session_id}
    whole = {
        **{name: value for name, value in comparison_row(compared).items() if not name.startswith("only_")},
        "part": "reach",
        "value": "",
        "first": first.reach.mean,
        "second": second.reach.mean,
    }
    parts = [("reach", [whole, *_part(compared, compared.rounds, "round", "round")])]
    if by is not None and compared.groups is not None:
        parts.append((by, list(_part(compared, compared.groups, "group_name", by))))
    published = False
    for name, rows in parts:
        columns = {
            column: [{**pair, "replicates_if_independent": None, **row}[column] for row in rows]
            for column in table_specification("session_differences").schema.names
        }
        key = decision_key("session_differences", *pair.values(), name)
        published |= _publish(warehouse, "session_differences", key, columns, list(pair.values()))
    return published


def _part(compared: SessionComparison, frame: Any, label: str, part: str) -> Sequence[dict[str, Any]]:
    rows = []
    for row in frame.to_dict("records"):
        value = row.pop(label)
        row.pop("agents", None)
        rows.append(
            {**row, "part": part, "value": "" if value is None else str(value), "replicates": compared.replicates}
        )
    return rows


def publish_sweep(found: Sweep) -> bool:
    """Publish the points of a sweep of published sessions in the table `sweep_points`; False if they were before."""
    table = found.table
    points = [
        json.dumps({name: row[name] for name in found.parameters}, sort_keys=True) for row in table.to_dict("records")
    ]
    named = list(zip(points, table["seed_set"], table["session_id"], strict=True))
    identity = derived_uuid("sweep", json.dumps(named))
    columns = {
        "session_id": table["session_id"].to_list(),
        "sweep_id": [identity] * len(table),
        "position": list(range(len(table))),
        "parameters": points,
        "seed_set": table["seed_set"].to_list(),
        "mean_field_reach": table["mean_field_reach"].to_list(),
        "mean_field_threshold": table["mean_field_threshold"].to_list(),
    }
    sessions = list(dict.fromkeys(columns["session_id"]))
    return _publish(found.network.warehouse, "sweep_points", decision_key("sweep_points", identity), columns, sessions)


def _publish(warehouse: Store, table: str, key: str, columns: dict[str, list[Any]], sessions: list[str]) -> bool:
    """Publish rows about published sessions under a key, unless it is published."""
    if key in warehouse.published([key]):
        return False
    schema = table_specification(table).schema
    plain = {name: [_null(value) for value in columns[name]] for name in schema.names}
    rows = pa.table({field.name: pa.array(plain[field.name]).cast(field.type) for field in schema}, schema=schema)
    try:
        warehouse.commit(
            DECISION,
            [key],
            [warehouse.stage(table, rows)],
            properties={"sessions": sessions},
            requires=[session_key(session_id) for session_id in sessions],
        )
    except AlreadyPublishedError:
        return False  # by another process
    return True


def _null(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value

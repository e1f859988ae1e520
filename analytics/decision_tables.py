"""Decision tables: comparisons, explanations and sweeps as published rows, each published once.

Rows follow from published sessions, and are deleted with them.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from analytics.comparison_results import SessionComparison, comparison_row
from analytics.explanation import Explanation, Responsibility
from analytics.sweeps import Sweep
from data.errors import AlreadyPublishedError
from data.warehouse.keys import DECISION, decision_key, session_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from propagation.competing_messages import MessageResult, message_names
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
    ids = {name: message_id for message_id, name in message_names(session).items()}
    columns["message_id"] = [ids[name] for name in rows["message"]] if ids else [None] * count
    columns["position"] = list(range(1, count + 1))
    key = decision_key("transmission_paths", session.session_id, agent)
    return _publish(session.network.warehouse, "transmission_paths", key, columns, [session.session_id])


def publish_responsibility(session: Result, found: Responsibility) -> bool:
    """Publish agents in the table `responsible_agents`, those of one of several messages in `responsible_by_message`.

    Return False if they were published before.

    Parameters
    ----------
    session : Result
        The published session, or one of its competing messages.
    found : Responsibility
        Of all agents, seeds included.
    """
    columns = {str(name): values for name, values in found.agents.to_dict("list").items()}
    columns["agent"] = session.network.dense_ids(columns.pop("agent_id")).tolist()
    columns["session_id"] = [session.session_id] * len(columns["agent"])
    identity, table = [session.session_id], "responsible_agents"
    if isinstance(session, MessageResult):
        identity, table = [session.session_id, session.message_id], "responsible_by_message"
        columns["message_id"] = [session.message_id] * len(columns["agent"])
    return _publish(session.network.warehouse, table, decision_key(table, *identity), columns, identity[:1])


def publish_comparison(first: Result, second: Result, compared: SessionComparison, by: str | None = None) -> bool:
    """Publish a comparison in the table `session_differences`, of messages that compete in `message_differences`.

    Return False if all of it was published before.

    Parameters
    ----------
    first, second : Result
        The published sessions that were compared, or one competing message of each.
    compared : SessionComparison
    by : str, optional
        What the groups of the comparison are called; default: they are not published.
    """
    warehouse = first.network.warehouse
    pair = {"first_session_id": first.session_id, "second_session_id": second.session_id}
    table = "session_differences"
    if isinstance(first, MessageResult) or isinstance(second, MessageResult):
        table = "message_differences"
        pair |= {"first_message_id": _message_id(first), "second_message_id": _message_id(second)}
    whole = {
        **{name: value for name, value in comparison_row(compared).items() if not name.startswith("only_")},
        "part": "reach",
        "value": "",
    }
    parts = [("reach", [whole, *_part(compared, compared.rounds, "round", "round")])]
    if by is not None and compared.groups is not None:
        parts.append((by, list(_part(compared, compared.groups, "group_name", by))))
    published = False
    for name, rows in parts:
        columns = {
            column: [{**pair, "replicates_if_independent": None, **row}[column] for row in rows]
            for column in table_specification(table).schema.names
        }
        key = decision_key(table, *pair.values(), name)
        published |= _publish(warehouse, table, key, columns, [first.session_id, second.session_id])
    return published


def _message_id(result: Result) -> str:
    """Return the message that a result is of; empty if it is the only one of its session, and has no id."""
    return result.message_id if isinstance(result, MessageResult) else str(result.session["message_id"] or "")


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

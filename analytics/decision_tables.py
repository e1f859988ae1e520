"""Decision tables: comparisons, explanations and sweeps as published rows, each published once.

Rows follow from published sessions, and are deleted with them.
"""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.comparison_results import SessionComparison, comparison_row
from analytics.explanation import Explanation
from analytics.responsibility import Responsibility
from analytics.sweeps import Sweep
from data.errors import AlreadyPublishedError
from data.warehouse.keys import DECISION, decision_key, session_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from propagation.competing_messages import MessageResult, message_names
from propagation.result import Result
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    import pandas as pd

SWEPT = (
    *("reach", "reach_standard_error", "reach_low", "reach_high", "variability", "mean_field_reach"),
    *("mean_field_threshold", "simulated_threshold", "simulated_threshold_low", "simulated_threshold_high"),
)
"""Columns of a sweep's table that are published as they are."""
PUBLISHED_PATHS = 100
"""Most frequent paths of an explanation that commands publish."""


def explanation_tables(explanation: Explanation) -> list[str]:
    """Return the tables in which an explanation is published."""
    by_message = [] if explanation.messages is None else ["explained_messages"]
    return ["explained_agents", *by_message, "transmission_paths", "path_agents"]


def publish_explanation(session: Result, explanation: Explanation) -> bool:
    """Publish an explanation in its tables: see `explanation_tables`; return False if all of it was before.

    Parameters
    ----------
    session : Result
        The published session that was explained.
    explanation : Explanation
    """
    network, identity = session.network, [session.session_id]
    (agent,) = network.dense_ids([explanation.agent_id]).tolist()
    ids: dict[str | None, str | None] = {name: message_id for message_id, name in message_names(session).items()}
    low, high = explanation.interval
    found: dict[str, dict[str, Any]] = {
        "explained_agents": {
            "times_reached": [explanation.reached],
            "probability": [explanation.probability],
            "probability_low": [low],
            "probability_high": [high],
            "mean_round": [explanation.mean_round],
            "distinct_paths": [explanation.distinct_paths],
        },
        "transmission_paths": _columns(explanation.paths),
        "path_agents": _columns(explanation.passed_through),
    }
    paths, through = found["transmission_paths"], found["path_agents"]
    paths["position"] = list(range(1, len(explanation.paths) + 1))
    paths["message_id"] = [ids.get(name) for name in paths.get("message", [None] * len(explanation.paths))]
    through["through"] = network.dense_ids(through["agent_id"]).tolist()
    if explanation.messages is not None:
        own = found["explained_messages"] = _columns(explanation.messages)
        own["message_id"], own["times_reached"] = [ids[name] for name in own["message"]], own["replicates"]
    published = False
    for table in explanation_tables(explanation):
        count = len(found[table]["probability"])
        columns = {"session_id": identity * count, "agent": [agent] * count, **found[table]}
        published |= _publish(network.warehouse, table, decision_key(table, *identity, agent), columns, identity)
    return published


def _columns(frame: "pd.DataFrame") -> dict[str, Any]:
    return {str(name): values for name, values in frame.to_dict("list").items()}


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
    columns = _columns(found.agents)
    columns["agent"] = session.network.dense_ids(columns.pop("agent_id")).tolist()
    columns["session_id"] = [session.session_id] * len(columns["agent"])
    identity, table = [session.session_id], "responsible_agents"
    if isinstance(session, MessageResult):
        identity, table = [session.session_id, session.message_id], "responsible_by_message"
        columns["message_id"] = [session.message_id] * len(columns["agent"])
    return _publish(session.network.warehouse, table, decision_key(table, *identity), columns, identity[:1])


def publish_comparison(first: Result, second: Result, compared: SessionComparison, by: str | None = None) -> bool:
    """Publish a comparison in the table `session_differences`, of messages that compete in `message_differences`.

    Its agents are published in `agent_differences`, if the sessions recorded them. Return False if all of it was
    published before.

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
        "agents_only_first": compared.never_by_second,
        "agents_only_second": compared.never_by_first,
        "part": "reach",
        "value": "",
    }
    parts = [("reach", [whole, *_part(compared, compared.rounds, "round", "round")])]
    if by is not None and compared.groups is not None:
        name = f"column {by}" if by in ("reach", "round") else by
        parts.append((name, list(_part(compared, compared.groups, "group_name", name))))
    sessions = [first.session_id, second.session_id]
    unknown = dict.fromkeys(("replicates_if_independent", "agents_only_first", "agents_only_second"))
    published = False
    for name, rows in parts:
        columns = {
            column: [{**pair, **unknown, **row}[column] for row in rows]
            for column in table_specification(table).schema.names
        }
        key = decision_key(table, *pair.values(), name)
        published |= _publish(warehouse, table, key, columns, sessions)
    if compared.agents is not None:
        frame = compared.agents
        messages = {name: pair.get(name, "") for name in ("first_message_id", "second_message_id")}
        columns = {
            **{name: [value] * len(frame) for name, value in {**pair, **messages}.items()},
            "agent": first.network.dense_ids(frame["agent_id"].to_list()).tolist(),
            **{name: frame[name].to_list() for name in ("first", "second", "difference", "only_first", "only_second")},
            "paired": [bool(compared.rounds["paired"].all())] * len(frame),
        }
        key = decision_key("agent_differences", *pair.values())
        published |= _publish(warehouse, "agent_differences", key, columns, sessions)
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
        **{name: table[name].to_list() for name in SWEPT},
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

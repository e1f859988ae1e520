"""Surrogates in the warehouse: hyperparameters and points, from which the same surrogate is made again."""

import datetime as dt
import json
from typing import Any

import numpy as np

from analytics.surrogates.axes import Axis
from analytics.surrogates.fitting import process_data
from analytics.surrogates.process import Hyperparameters, Process
from analytics.surrogates.surrogate import Design, Surrogate
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.keys import surrogate_key
from propagation.seeding import SeedStrategy, make_strategy
from propagation.sessions import derived_uuid


def publish_surrogate(found: Surrogate) -> bool:
    """Publish a surrogate in the tables `surrogates` and `surrogate_points`; return False if it was before.

    Parameters
    ----------
    found : Surrogate
        Its network must be published.
    """
    row = _row(found)
    store, key = found.network.warehouse, surrogate_key(row["network_id"], row["surrogate_id"])
    if store.published([key]):
        return False
    files = [store.stage_records("surrogates", [row]), store.stage_records("surrogate_points", _points(found, row))]
    try:
        store.commit("surrogate", [key], files, requires=[found.network.key])
    except AlreadyPublishedError:
        return False  # by another process
    return True


def surrogate_rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return the rows of the table `surrogates`, the last one of each name, by name."""
    rows = sorted(warehouse.read("surrogates").to_pylist(), key=lambda row: (row["fitted_at"], row["surrogate_id"]))
    last = {row["surrogate"]: row for row in rows}
    return [last[name] for name in sorted(last)]


def load_surrogate(warehouse: Warehouse, name: str) -> Surrogate:
    """Return the last published surrogate of a name.

    It is made from its published points and hyperparameters, so that it predicts what it predicted before. A network
    that has changed since is refused: its reach may be another.

    Raises
    ------
    InvalidInputError
        If there is no surrogate of this name, or its network is no longer the one that was simulated.
    """
    rows = {row["surrogate"]: row for row in surrogate_rows(warehouse)}
    if name not in rows:
        raise InvalidInputError(
            f"no surrogate {name!r}{suggestion(name, rows)} in warehouse {warehouse.url} (surrogates there: "
            f"{', '.join(rows) or 'none'}); fit one with: rumormill surrogate fit NETWORK --model MODEL"
        )
    row = rows[name]
    network = warehouse.network(row["network_id"])
    if network.snapshot_id != row["snapshot_id"]:
        raise InvalidInputError(
            f"network {network.network_id!r} has changed since surrogate {name!r} was fitted; fit it again"
        )
    return _loaded(network, row)


def _loaded(network: Network, row: dict[str, Any]) -> Surrogate:
    import pandas as pd

    key = surrogate_key(row["network_id"], row["surrogate_id"])
    stored = sorted(network.warehouse.read("surrogate_points", [key]).to_pylist(), key=lambda each: each["position"])
    points = pd.DataFrame(
        {
            **{name: [json.loads(each["parameters"])[name] for each in stored] for name in row["varied"]},
            "session_id": [each["session_id"] for each in stored],
            "reach": [each["reach"] for each in stored],
            "reach_standard_error": np.array([each["reach_standard_error"] for each in stored], np.float64),
        }
    )
    axes = tuple(Axis.of_values(name, points[name].tolist()) for name in row["varied"])
    chosen = Hyperparameters(row["signal_deviation"], tuple(row["length_scales"]))
    seeding = json.loads(row["seeding"])
    seed_set = make_strategy(seeding.pop("strategy"), seeding) if isinstance(seeding, dict) else tuple(seeding)
    design = Design(
        row["propagation_model"],
        json.loads(row["fixed_parameters"]),
        seed_set,
        row["seeds"],
        json.loads(row["run_options"]),
    )
    process = Process(*process_data(network, design, axes, points), chosen)
    return Surrogate(row["surrogate"], network, design, axes, points, process)


def _row(found: Surrogate) -> dict[str, Any]:
    design, chosen, seeds = found.design, found.process.hyperparameters, found.design.seed_set
    seeding = (
        {"strategy": seeds.name, **seeds.model_dump(mode="json")}
        if isinstance(seeds, SeedStrategy)
        else [str(each) for each in seeds]
    )
    described = {
        "surrogate": found.name,
        "network_id": found.network.network_id,
        "snapshot_id": found.network.snapshot_id,
        "propagation_model": design.model,
        "fixed_parameters": json.dumps(design.fixed, sort_keys=True),
        "seeding": json.dumps(seeding, sort_keys=True),
        "seeds": design.seeds,
        "run_options": json.dumps(design.options, sort_keys=True),
        "varied": list(found.parameters),
    }
    identity = json.dumps([described, found.points["session_id"].tolist()], sort_keys=True)
    return {
        **described,
        "surrogate_id": derived_uuid("surrogate", identity),
        "lowest": [axis.low for axis in found.axes],
        "highest": [axis.high for axis in found.axes],
        "scales": [axis.scale for axis in found.axes],
        "points": len(found.points),
        "signal_deviation": chosen.deviation,
        "length_scales": list(chosen.lengths),
        "spread_factor": found.spread_factor,
        "error": found.error,
        "relative_error": found.relative_error,
        "coverage": found.coverage,
        "largest_standard_error": found.largest_standard_error,
        "fitted_at": dt.datetime.now(dt.UTC),
    }


def _points(found: Surrogate, row: dict[str, Any]) -> list[dict[str, Any]]:
    identity = {name: row[name] for name in ("network_id", "surrogate_id")}
    predicted: list[dict[str, Any]] = found.left_out.drop(columns=["inside"]).to_dict("records")  # type: ignore[assignment]
    points: list[dict[str, Any]] = found.points.to_dict("records")  # type: ignore[assignment]
    return [
        {
            **identity,
            "position": position,
            "parameters": json.dumps({name: point[name] for name in found.parameters}, sort_keys=True),
            "session_id": point["session_id"],
            "reach": point["reach"],
            "reach_standard_error": None if np.isnan(point["reach_standard_error"]) else point["reach_standard_error"],
            **left_out,
        }
        for position, (point, left_out) in enumerate(zip(points, predicted, strict=True))
    ]

"""Surrogates in the warehouse: hyperparameters and points, from which the same surrogate is made again."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from analytics.surrogates.fitting import axes_of, process_data
from analytics.surrogates.process import Hyperparameters, Process
from analytics.surrogates.surrogate import Design, Surrogate
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.keyed_tables import Changes, current_rows, stage_changes
from data.warehouse.keys import surrogate_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from propagation.seeding import SeedStrategy, make_strategy
from propagation.sessions import derived_uuid

CURRENT = "current_surrogates"


def publish_surrogate(found: Surrogate) -> bool:
    """Publish a surrogate in the tables `surrogates` and `surrogate_points`; return False if it was before.

    Either makes it the current one of its name.

    Parameters
    ----------
    found : Surrogate
        Its network must be published.
    """
    row = _row(found)
    store, key = found.network.warehouse, surrogate_key(row["network_id"], row["surrogate_id"])
    if not store.published([key]):
        files = [store.stage_records("surrogates", [row]), store.stage_records("surrogate_points", _points(found, row))]
        try:
            store.commit("surrogate", [key], [*files, _staged_current(store, row)], requires=[found.network.key])
        except AlreadyPublishedError:  # by another process
            pass
        else:
            return True
    last = current_rows(store, CURRENT, found.name, found.name).to_pylist()
    if [each["surrogate_id"] for each in last] != [row["surrogate_id"]]:
        store.commit("surrogate", [], [_staged_current(store, row)], requires=[key])
    return False


def _staged_current(store: Store, row: Mapping[str, Any]) -> DataFile:
    """Stage the change that makes a surrogate the current one of its name, to be committed."""
    current = {name: [row[name]] for name in ("surrogate", "network_id", "surrogate_id")}
    return stage_changes(store, CURRENT, Changes(upserts=pa.table(current)))


def surrogate_rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return the rows of the table `surrogates`, the current one of each name, by name."""
    current = {row["surrogate_id"] for row in current_rows(warehouse, CURRENT).to_pylist()}
    rows = warehouse.read("surrogates").to_pylist()
    return sorted((row for row in rows if row["surrogate_id"] in current), key=lambda row: str(row["surrogate"]))


def load_surrogate(warehouse: Warehouse, name: str) -> Surrogate:
    """Return the current surrogate of a name: the one that was fitted last.

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
            **{name: [each[name] for each in stored] for name in ("replicates", "reach", "reach_standard_error")},
        }
    )
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
    axes = axes_of(design, row["varied"], points)
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
            **{name: point[name] for name in ("replicates", "reach", "reach_standard_error")},
            **left_out,
        }
        for position, (point, left_out) in enumerate(zip(points, predicted, strict=True))
    ]

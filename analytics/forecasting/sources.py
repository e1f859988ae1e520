"""What commands and flows forecast: imported sets of cascades by name, and simulated sessions by id."""

from dataclasses import dataclass

from analytics.forecasting.models import ForecastModel
from analytics.forecasting.simulated import session_cascades
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks import index
from data.networks.network import Network
from data.warehouse.keys import forecast_key, session_key
from propagation.published import load_result
from propagation.sessions import RECORDS


@dataclass(frozen=True)
class Source:
    """Cascades, and the network among whose agents they spread, where there is one."""

    cascades: ObservedCascades
    network: Network | None


def load_source(warehouse: Warehouse, name: str) -> Source:
    """Return a set of observed cascades by its name or id, or the replicates of a session by its id.

    Raises
    ------
    CascadesNotFoundError
        If there is neither.
    InvalidInputError
        If the session did not record its activations.
    """
    if warehouse.published([session_key(name)]):
        result = load_result(warehouse, name)
        return Source(session_cascades(result), result.network)
    cascades = warehouse.cascades(name)
    if cascades.network_id is None or cascades.snapshot_id is None:
        return Source(cascades, None)
    return Source(cascades, index.snapshot(warehouse, cascades.network_id, cascades.snapshot_id))


def load_sources(warehouse: Warehouse, names: list[str]) -> tuple[list[ObservedCascades], Network | None]:
    """Return several sets of cascades with the network that all of them share; None if any has none.

    Raises
    ------
    InvalidInputError
        If they are of different networks.
    """
    found = [load_source(warehouse, name) for name in names]
    snapshots = {each.cascades.snapshot_id for each in found}
    if len(snapshots) > 1:
        raise InvalidInputError(
            f"{', '.join(names)} are cascades of different networks; fit one model for the cascades of each network"
        )
    return [each.cascades for each in found], found[0].network


def new_sources(warehouse: Warehouse, model: ForecastModel) -> list[str]:
    """Return ids of all sets and sessions that the model can forecast and has not forecast yet, oldest first.

    They have its unit of time, and are of its network if it was fitted with one; sessions recorded their activations.
    """
    unit, snapshot_id = model.row["time_unit"], model.row["snapshot_id"]
    sets = sorted(warehouse.read("observed_cascade_sets").to_pylist(), key=lambda row: row["imported_at"])
    found = [row["cascade_set_id"] for row in sets if row["time_unit"] == unit and row["snapshot_id"] == snapshot_id]
    if unit == "rounds":
        detail = RECORDS[RECORDS.index("activations") :]
        sessions = sorted(warehouse.read("propagation_sessions").to_pylist(), key=lambda row: row["started_at"])
        found += [
            row["session_id"]
            for row in sessions
            if row["record"] in detail and snapshot_id in (None, row["snapshot_id"])
        ]
    keys = {forecast_key(model.model_id, source): source for source in dict.fromkeys(found)}
    done = warehouse.published(list(keys))
    return [source for key, source in keys.items() if key not in done]

"""What commands and flows forecast: imported sets of cascades by name, and simulated sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from analytics.forecasting.models import ForecastModel
from analytics.forecasting.simulated import session_cascades
from data.cascades.observed_cascades import ObservedCascades
from data.errors import CascadesNotFoundError, InvalidInputError
from data.facade import Warehouse
from data.networks import index
from data.networks.network import Network
from data.warehouse.keys import cascades_key, forecast_key
from propagation.result import Result
from propagation.session_references import SEPARATOR, find_session
from propagation.sessions import RECORDS


@dataclass(frozen=True)
class Source:
    """Cascades, and the network among whose agents they spread, where there is one."""

    cascades: ObservedCascades
    network: Network | None


@dataclass(frozen=True)
class NewSources:
    """What a model can forecast and has not forecast yet.

    Attributes
    ----------
    sources : dict
        Names by id, sets before sessions, the oldest first.
    too_short : tuple of str
        Names of sets without an activation as late as the end of the model's window, so that it is not known whether
        they were observed for as long.
    """

    sources: dict[str, str]
    too_short: tuple[str, ...]


def load_source(warehouse: Warehouse, name: str) -> Source:
    """Return a set of observed cascades by its name or id, or the replicates of a session.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        Name or id of an imported set; or a session as ``CAMPAIGN:SESSION``, or its id or the beginning of it.

    Raises
    ------
    CascadesNotFoundError
        If there is neither.
    InvalidInputError
        If the session did not record its activations.
    """
    try:
        cascades = warehouse.cascades(name)
    except CascadesNotFoundError as missing:
        result = _session(warehouse, name, missing)
        found = session_cascades(result)
        shown = _session_names(warehouse).get(result.session_id, found.name)
        return Source(replace(found, name=shown), result.network)
    if cascades.network_id is None or cascades.snapshot_id is None:
        return Source(cascades, None)
    return Source(cascades, index.snapshot(warehouse, cascades.network_id, cascades.snapshot_id))


def _session(warehouse: Warehouse, name: str, missing: CascadesNotFoundError) -> Result:
    try:
        return find_session(warehouse, name)
    except InvalidInputError as error:
        if SEPARATOR in name:
            raise
        raise CascadesNotFoundError(f"{missing}. If a session is meant: {error}") from None


def _session_names(warehouse: Warehouse) -> dict[str, str]:
    """Return the name CAMPAIGN:SESSION of every session that a campaign lists; of several the first in the alphabet."""
    campaigns = warehouse.read("campaigns", columns=["campaign_id", "campaign"]).to_pylist()
    of_id = {row["campaign_id"]: row["campaign"] for row in campaigns}
    listed = warehouse.read("campaign_sessions", columns=["campaign_id", "session", "session_id"]).to_pylist()
    names = {
        f"{of_id[row['campaign_id']]}{SEPARATOR}{row['session']}": row["session_id"]
        for row in listed
        if row["campaign_id"] in of_id
    }
    return {names[name]: name for name in sorted(names, reverse=True)}


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


def new_sources(warehouse: Warehouse, model: ForecastModel, age: float | None = None) -> NewSources:
    """Return all current sets and sessions that a model can forecast and has neither seen nor forecast yet.

    They have its unit of time, are of its network if it was fitted with one, and it was not fitted to them; sessions
    recorded their activations. With an `age`, all sets count as observed for that long; see `analytics.forecast`.
    """
    unit, snapshot_id = model.row["time_unit"], model.row["snapshot_id"]
    current = set(warehouse.read("current_cascade_sets")["cascade_set_id"].to_pylist())
    sets = sorted(warehouse.read("observed_cascade_sets").to_pylist(), key=lambda row: row["imported_at"])
    imported = {
        row["cascade_set_id"]: row["cascade_set"]
        for row in sets
        if row["cascade_set_id"] in current and row["time_unit"] == unit and snapshot_id in (None, row["snapshot_id"])
    }
    simulated: dict[str, str] = {}
    if unit == "rounds":
        detail, names = RECORDS[RECORDS.index("activations") :], _session_names(warehouse)
        sessions = sorted(warehouse.read("propagation_sessions").to_pylist(), key=lambda row: row["started_at"])
        simulated = {
            row["session_id"]: names.get(row["session_id"], row["session_id"])
            for row in sessions
            if row["record"] in detail and snapshot_id in (None, row["snapshot_id"])
        }
    found = imported | simulated
    keys = {source: forecast_key(model.model_id, source) for source in found}
    done = warehouse.published(list(keys.values()))
    known = {source for source, key in keys.items() if key in done} | set(model.row["cascade_set_ids"])
    window = model.row["observed_window"] if age is None and unit != "rounds" else None
    too_short = {
        source for source in imported.keys() - known if window is not None and _latest_time(warehouse, source) < window
    }
    return NewSources(
        {source: name for source, name in found.items() if source not in known | too_short},
        tuple(name for source, name in found.items() if source in too_short),
    )


def _latest_time(warehouse: Warehouse, cascade_set_id: str) -> float:
    """Return the time of the latest activation of an imported set, since its cascade began; infinite without any."""
    durations = warehouse.read("observed_cascades", [cascades_key(cascade_set_id)], ["duration"])["duration"]
    return float(pc.max(durations).as_py()) if len(durations) else float("inf")


def check_whole(warehouse: Warehouse, sets: Sequence[ObservedCascades]) -> None:
    """Refuse a part of a published set, whose features and forecasts would be taken for those of the whole set.

    Raises
    ------
    InvalidInputError
        If a set has other numbers of cascades or activations than the published set with its id.
    """
    for each in sets:
        rows = warehouse.read("observed_cascade_sets", [cascades_key(each.cascade_set_id)]).to_pylist()
        if rows and (rows[0]["cascades"], rows[0]["activations"]) != (len(each), each.activations):
            raise InvalidInputError(
                f"these {len(each):,} cascades with {each.activations:,} activations are a part of the set "
                f"{each.name!r}, which has {rows[0]['cascades']:,} with {rows[0]['activations']:,}; import them under "
                "a name of their own, or leave the warehouse out"
            )

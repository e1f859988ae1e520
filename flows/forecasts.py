"""The flow `forecast`: a published model forecasts sets of cascades and sessions, all new ones if none are named.

Parameters and results of tasks are names and ids; only the warehouse knows what was forecast, so that running the flow
again, by hand or on a schedule, forecasts nothing twice.
"""

from typing import Any, cast

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from flows.run_forms import described
from flows.run_logs import omit_tracebacks


@flow(
    name="forecast",
    description="Forecasts the final sizes of cascades with a published model, and publishes the forecasts.",
    flow_run_name="forecast by {model}",
    persist_result=False,
)
@described
def forecast(
    model: str, warehouse: str = "warehouse", sources: list[str] | None = None, age: float | None = None
) -> dict[str, Any]:
    """Forecast the final sizes of cascades, one task for each set.

    Parameters
    ----------
    model : str
        Name or id of the model.
    warehouse : str
        Folder or URL of the warehouse, such as `s3://bucket/folder`.
    sources : list of str, optional
        Names or ids of sets of cascades, or sessions as CAMPAIGN:SESSION or by id. Default: all that the model fits,
        was not fitted to, and has not forecast yet.
    age : float, optional
        For how long each cascade has been observed at least, in its unit of time; needed where no activation is as late
        as the end of the model's window.

    Returns
    -------
    dict
        JSON: model, model_id, one row per set of cascades (source, cascade_set_id, cascades, forecasts and whether they
        are new), and too_short: names of the sets that were left out because it is not known whether they were observed
        for as long as the model's window.
    """
    omit_tracebacks()
    chosen = choose(model, warehouse, sources, age)
    rows = [forecast_source(warehouse, chosen["model_id"], source, age) for source in chosen["sources"]]
    rows = list({row["cascade_set_id"]: row for row in reversed(rows)}.values())[::-1]
    show(chosen["model"], rows)
    new = sum(row["forecasts"] for row in rows if row["new"])
    summary = {**chosen, "sources": rows}
    message = f"{new:,} new forecasts of {len(rows):,} sets of cascades"
    return cast("dict[str, Any]", Completed(message=message, data=summary))


@task(cache_policy=NO_CACHE, persist_result=False)
def choose(model: str, warehouse: str, sources: list[str] | None, age: float | None) -> dict[str, Any]:
    """Find the model, and what it is to forecast; return names and ids."""
    from analytics.forecasting.models import forecast_model
    from analytics.forecasting.sources import new_sources
    from data.facade import Warehouse

    place, logger = Warehouse(warehouse), get_run_logger()
    found = forecast_model(place, model)
    name = found.row["forecast_model"]
    for note in found.version_notes:
        logger.warning("model %r was %s", name, note)
    if sources is not None:
        chosen, too_short = list(dict.fromkeys(sources)), []
        logger.info("model %r forecasts %s", name, ", ".join(chosen))
    else:
        new = new_sources(place, found, age)
        chosen, too_short = list(new.sources), list(new.too_short)
        logger.info("model %r forecasts %s", name, ", ".join(new.sources.values()) or "nothing new")
    for each in too_short:
        logger.warning("cascades %r end before the window of model %r does: give their age", each, name)
    return {"model": name, "model_id": found.model_id, "sources": chosen, "too_short": too_short}


@task(cache_policy=NO_CACHE, persist_result=False)
def forecast_source(warehouse: str, model_id: str, source: str, age: float | None) -> dict[str, Any]:
    """Forecast one set of cascades, and publish the forecasts; return how many there are."""
    from analytics.forecasting.models import forecast_model
    from analytics.forecasting.predictions import forecast as forecast_cascades
    from analytics.forecasting.sources import load_source
    from data.facade import Warehouse

    place = Warehouse(warehouse)
    found = load_source(place, source)
    made = forecast_cascades(
        forecast_model(place, model_id), found.cascades, age=age, network=found.network, warehouse=place
    )
    return {
        "source": found.cascades.name,
        "cascade_set_id": found.cascades.cascade_set_id,
        "cascades": made.cascades,
        "forecasts": made.rows.num_rows,
        "new": not made.recalled,
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def show(model: str, rows: list[dict[str, Any]]) -> None:
    """Create an artifact with a row per set of cascades."""
    from flows.artifacts import bold, slug

    create_table_artifact(rows, key=f"forecasts-{slug(model)}", description=f"Forecasts by model {bold(model)}")


def run_forecast(
    model: str, warehouse: str = "warehouse", sources: list[str] | None = None, age: float | None = None
) -> dict[str, Any]:
    """Run the flow in this process, on an embedded server unless PREFECT_API_URL names one.

    Parameters
    ----------
    model, warehouse, sources, age
        As for `forecast`.

    Returns
    -------
    dict
        What `forecast` returns.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.prefect_server import embedded_server

    embedded_server().wait()
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # they add a second, and nothing listens
        return forecast(model, warehouse, sources, age)

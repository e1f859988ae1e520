"""Run a campaign from Python or the command line, as a Prefect flow in this process."""

import os
from collections.abc import Sequence

from data.errors import RunCancelledError
from data.facade import Warehouse
from data.progress import Progress, ignore_progress
from flows.campaign_cards import RunSummary
from flows.campaign_jobs import CampaignRun, prepare_run, summary
from flows.config import CampaignSource
from flows.listeners import listening
from flows.prefect_server import embedded_server, set_prefect_defaults
from flows.run_records import store_run
from propagation.jobs import cancelled
from propagation.processes import check_worker_processes

__all__ = ["prepare_run", "run_campaign"]


def run_campaign(
    campaign: CampaignSource,
    warehouse: str | Warehouse = "warehouse",
    *,
    again: bool = False,
    models: Sequence[str] = (),
    progress: Progress = ignore_progress,
) -> RunSummary:
    """Run a campaign as a Prefect flow, on an embedded server unless PREFECT_API_URL names one.

    The results of a finished campaign are read from the warehouse, without Prefect.

    Parameters
    ----------
    campaign : str, path, mapping or Campaign
        Path of a campaign's file, the name of a bundled campaign, or ``run/<id>`` for a stored run; or a dictionary
        with the content of a campaign file, or a `Campaign`. The same content gives the same rows and ids.
    warehouse : str or Warehouse
        Folder or URL of the warehouse, or the warehouse.
    again : bool
        Recompute published sessions and compare every row; nothing is published twice.
    models : sequence of str
        Python files with the user's own models, in addition to those of the campaign.
    progress : Progress, optional
        Callback for the progress of the server's start and of the run.

    Returns
    -------
    RunSummary
        The dictionary that `flows.propagate.propagate` returns, with a card in notebooks.

    Raises
    ------
    RumormillError
        A subclass, for invalid input or a failure of the system.
    RunCancelledError
        If the run was interrupted; what it has published is kept.
    """
    set_prefect_defaults()
    run = prepare_run(campaign, warehouse, again=again, models=models)
    if run.nothing_to_do:
        return RunSummary(summary(run.resolved, run.status))
    if run.resolved.campaign.cluster.kind == "processes":
        check_worker_processes()
    progress("starting Prefect", 0, 1)
    embedded_server().wait()
    progress("starting Prefect", 1, 1)
    if isinstance(campaign, str | os.PathLike):
        return _as_flow(run, os.fspath(campaign), again, list(models), progress)
    store_run(run.warehouse, run.stored)  # a flow takes ids and paths only
    return _as_flow(run, run.stored.reference, again, [], progress)


def _as_flow(run: CampaignRun, campaign: str, again: bool, models: list[str], progress: Progress) -> RunSummary:
    from prefect.exceptions import CancelledRun, TerminationSignal
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.propagate import propagate

    # Heartbeats, which nothing here listens to, add a second to the end of each run.
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    try:
        with listening(run.stored.reference, progress), temporary_settings(quiet):
            return RunSummary(propagate(campaign, run.warehouse.url, again, models))
    except CancelledRun as error:
        raise RunCancelledError(str(error)) from None
    except KeyboardInterrupt:  # between two tasks, or while one begins or ends
        wanted = [session for job in run.jobs if job.publish for session in job.sessions]
        raise cancelled(run.resolved.network, wanted) from None
    except TerminationSignal:
        raise RunCancelledError("the run was ended by a signal; what it has published is kept") from None

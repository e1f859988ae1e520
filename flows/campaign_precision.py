"""Campaigns whose sessions have as many replicates as a precision of their mean reach needs."""

from dataclasses import replace

from flows.campaign_entries import SessionSpecification
from flows.campaigns import Campaign, ResolvedCampaign
from flows.worker_processes import connected
from propagation.jobs import Execution
from propagation.precision import checked_precision, precise_sessions


def asked_precisely(campaign: Campaign, precision: float | str) -> Campaign:
    """Return a campaign with a precision for all of its sessions, instead of the replicates and precisions it gives.

    Raises
    ------
    InvalidInputError
        If the precision is not a share of the mean.
    """
    given = (
        {name: getattr(session, name) for name in session.model_fields_set - {"replicates", "precision"}}
        for session in campaign.sessions
    )
    sessions = tuple(SessionSpecification(**fields) for fields in given)
    return campaign.model_copy(update={"sessions": sessions, "precision": checked_precision(precision)})


def with_replicates(resolved: ResolvedCampaign) -> ResolvedCampaign:
    """Return a campaign whose sessions have as many replicates as their precisions need, after running these.

    The campaign keeps the precisions that were asked for, beside the replicates. Batches are kept, so that publishing
    the sessions runs nothing again.

    Raises
    ------
    RunCancelledError, InsufficientMemoryError
        As `propagation.precision.precise_sessions`.
    """
    campaign = resolved.campaign
    precisions = [campaign.precision_of(session) for session in campaign.sessions]
    if not any(precisions):
        return resolved
    with connected(campaign.cluster) as client:
        execution = Execution(plan=campaign.plan, client=client)
        sessions = precise_sessions(resolved.network, resolved.sessions, precisions, execution)
    counted = tuple(
        entry
        if precision is None
        else entry.model_copy(update={"replicates": session.replicates, "precision": precision})
        for entry, precision, session in zip(campaign.sessions, precisions, sessions, strict=True)
    )
    return replace(resolved, campaign=campaign.model_copy(update={"sessions": counted}), sessions=tuple(sessions))

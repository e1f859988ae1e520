"""Campaigns whose sessions have as many replicates as a precision of their mean reach needs."""

from collections.abc import Sequence
from dataclasses import replace

from flows.campaign_entries import SessionSpecification
from flows.campaigns import Campaign, ResolvedCampaign
from flows.worker_processes import connected
from propagation.clusters import ClusterProfile
from propagation.jobs import Execution
from propagation.precision import checked_precision, known_sessions, precise_sessions
from propagation.sessions import Session


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


def known_replicates(resolved: ResolvedCampaign) -> ResolvedCampaign | None:
    """Return a campaign whose sessions have as many replicates as their precisions need, if that is known already.

    It is known if no session has a precision, or if enough replicates of each are published or kept.
    """
    campaign = resolved.campaign
    precisions = [campaign.precision_of(session) for session in campaign.sessions]
    if not any(precisions):
        return resolved
    sessions = known_sessions(resolved.network, resolved.sessions, precisions)
    return None if sessions is None else _counted(resolved, sessions)


def with_replicates(resolved: ResolvedCampaign, execution: Execution, profile: ClusterProfile) -> ResolvedCampaign:
    """Return a campaign whose sessions have as many replicates as their precisions need, after running these.

    The campaign keeps the precisions that were asked for, beside the replicates. Batches are kept, so that publishing
    sessions that record rounds or reach runs nothing again; those that record more are run once more.

    Parameters
    ----------
    resolved : ResolvedCampaign
    execution : Execution
        How batches are run; its client is that of the profile.
    profile : ClusterProfile

    Raises
    ------
    RunCancelledError, InsufficientMemoryError
        As `propagation.precision.precise_sessions`.
    """
    campaign = resolved.campaign
    precisions = [campaign.precision_of(session) for session in campaign.sessions]
    with connected(profile) as client:
        on_cluster = replace(execution, client=client)
        return _counted(resolved, precise_sessions(resolved.network, resolved.sessions, precisions, on_cluster))


def _counted(resolved: ResolvedCampaign, sessions: Sequence[Session]) -> ResolvedCampaign:
    """Return a campaign whose sessions with a precision have these replicates."""
    campaign = resolved.campaign
    counted = tuple(
        entry
        if (precision := campaign.precision_of(entry)) is None
        else entry.model_copy(update={"replicates": session.replicates, "precision": precision})
        for entry, session in zip(campaign.sessions, sessions, strict=True)
    )
    return replace(resolved, campaign=campaign.model_copy(update={"sessions": counted}), sessions=tuple(sessions))

"""Estimates of a campaign's run: its jobs, plans, time and memory, without running it."""

from collections.abc import Sequence
from typing import Any

from data.facade import Warehouse
from flows.campaign_jobs import CampaignRun, Job, execution_of, plan_jobs, prepare_run
from flows.config import CampaignSource
from propagation.clusters import machine_memory
from propagation.models import PandasModel
from propagation.planner import JobPlan


def estimate_campaign(
    campaign: CampaignSource,
    warehouse: str | Warehouse = "warehouse",
    *,
    again: bool = False,
    models: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what a campaign's run would compute, with plans and estimates; nothing is run or published.

    Parameters
    ----------
    campaign, warehouse, again, models
        As for `flows.runs.run_campaign`.

    Returns
    -------
    dict
        JSON: campaign, network, one row per session, and one per job with its plan, seconds and bytes.

    Raises
    ------
    RumormillError
        The errors that `flows.runs.run_campaign` raises before it starts.
    """
    run = prepare_run(campaign, warehouse, again=again, models=models)
    resolved = run.resolved
    plans, threads = plan_jobs(run, *execution_of(resolved.campaign, None, None))
    return {
        "campaign": resolved.campaign.name,
        "campaign_id": resolved.campaign_id,
        "warehouse": run.warehouse.url,
        "network": resolved.network.network_id,
        "snapshot_id": resolved.network.snapshot_id,
        "agents": resolved.network.n_agents,
        "edges": resolved.network.n_edges,
        "cluster": resolved.campaign.cluster.kind,
        "threads": threads,
        "available_bytes": machine_memory(),
        "sessions": _sessions(run, plans),
        "jobs": [_job(job, plan) for job, plan in zip(run.jobs, plans, strict=True)],
        "estimated_seconds": sum(plan.estimated_seconds for plan in plans),
        "estimated_bytes": max((plan.estimated_bytes for plan in plans), default=0),
    }


def _sessions(run: CampaignRun, plans: list[JobPlan]) -> list[dict[str, Any]]:
    planned = {
        session.session_id: (job.publish, plan, each)
        for job, plan in zip(run.jobs, plans, strict=True)
        for session, each in zip(job.sessions, plan.sessions, strict=True)
    }
    rows = []
    for name, session in run.resolved.named_sessions:
        publish, plan, each = planned.get(session.session_id, (False, None, None))
        known = each is not None and not isinstance(session.model, PandasModel)
        todo = "compute" if publish else "compare" if plan is not None else "published already"
        rows.append(
            {
                "session": name,
                "session_id": session.session_id,
                "propagation_model": session.model.name,
                "model_parameters": session.model.resolved_parameters,
                "seed_strategy": session.seed_strategy,
                "seeds": len(session.seeds),
                "replicates": session.replicates,
                "random_seed": session.random_seed,
                "max_rounds": session.max_rounds,
                "record": session.record,
                "to_do": todo,
                "plan": plan.plan if plan is not None else None,
                "shape": each.shape if each is not None and plan is not None and plan.plan == "broadcast" else None,
                "estimated_reach": each.expected.activations if each is not None and known else None,
            }
        )
    return rows


def _job(job: Job, plan: JobPlan) -> dict[str, Any]:
    return {
        "sessions": len(job.sessions),
        "publish": job.publish,
        "plan": plan.plan,
        "plan_reason": plan.reason,
        "lanes": plan.lanes,
        "batches": plan.batches,
        "partitions": plan.partitions,
        "lanes_at_once": min(plan.lanes_at_once * plan.waves_at_once, plan.lanes),
        "estimated_seconds": plan.estimated_seconds,
        "estimated_bytes": plan.estimated_bytes,
    }

"""Output of ``rumormill run --dry-run``."""

from collections.abc import Mapping
from typing import Any

from data.quantities import counted, readable_bytes, readable_seconds
from flows.commands.terminal import print_line, print_table

SESSIONS_SHOWN = 50
"""Sessions that a table on the terminal shows at most."""


def print_estimate(estimate: Mapping[str, Any]) -> None:
    """Print what a run would do: one row per session, and each job's plan and estimates."""
    print_line(
        f"campaign {estimate['campaign']!r} would run on network {estimate['network']!r}: "
        f"{estimate['agents']:,} agents, {estimate['edges']:,} edges"
    )
    print_table([_session_cells(row, estimate["agents"]) for row in estimate["sessions"]], most=SESSIONS_SHOWN)
    if not estimate["jobs"]:
        print_line("every session is published already: nothing would be computed (--again recomputes and compares)")
    for number, job in enumerate(estimate["jobs"], 1):
        print_line(_job_line(number, job))
        print_line(f"{job['plan']} plan: {job['plan_reason']}")
    print_line(
        f"cluster {estimate['cluster']}, {estimate['threads']} threads; "
        f"{readable_bytes(estimate['available_bytes'])} of memory available; nothing was run or published"
    )


def _session_cells(row: Mapping[str, Any], agents: int) -> dict[str, Any]:
    reach = row["estimated_reach"]
    parameters = "".join(f", {name} {value}" for name, value in row["model_parameters"].items())
    return {
        "session": row["session"],
        "to do": row["to_do"],
        "model": f"{row['propagation_model']}{parameters}",
        "seeds": f"{row['seeds']:,} {row['seed_strategy']}",
        "replicates": row["replicates"],
        "record": row["record"],
        "kernels": row["shape"] or "",
        "estimated reach": "" if reach is None else f"{reach:,.0f} ({100 * reach / agents:.1f} %)",
    }


def _job_line(number: int, job: Mapping[str, Any]) -> str:
    what = "compute" if job["publish"] else "recompute and compare"
    split = {
        "broadcast": f" in {job['batches']:,} batches",
        "partitioned": f" over {job['partitions']:,} partitions, {job['lanes_at_once']:,} at once",
    }.get(job["plan"], "")
    return (
        f"job {number}: {what} {counted(job['sessions'], 'session')}, {counted(job['lanes'], 'lane')}{split}; "
        f"estimated {readable_seconds(job['estimated_seconds'])} and {readable_bytes(job['estimated_bytes'])} of memory"
    )

"""The summary of a finished run as text: the same words and rounding on the terminal and in Prefect's UI."""

from collections.abc import Mapping
from typing import Any

from data.quantities import counted, readable_bytes, readable_seconds


def session_cells(row: Mapping[str, Any], agents: int) -> dict[str, Any]:
    """Return the cells of a session's row in a table of results.

    Parameters
    ----------
    row : mapping
        The session in the summary of its run.
    agents : int
        Agents of the network.
    """
    return {
        "session": row["session"],
        "seeds": f"{row['seeds']:,} {row['seed_strategy']}",
        "reach": reach_text(row),
        "of agents": f"{100 * row['total_influenced'] / agents:.2f} %",
        "rounds": row["rounds"],
        "replicates": row["replicates"],
    }


def message_cells(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rows of what each competing message reaches, with 95 % intervals; none if no messages compete."""
    from analytics.intervals import with_interval
    from propagation.result import Reach

    return [
        {
            "session": row["session"],
            "message": each["message"],
            "seeds": each["seeds"],
            "reach, 95 % interval": with_interval(Reach(each["mean"], each["standard_error"], each["replicates"])),
            "of agents": f"{100 * each['mean'] / summary['agents']:.2f} %",
        }
        for row in summary["sessions"]
        for each in row["messages"]
    ]


def message_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return a sentence about each session whose competing messages are only counted together."""
    return [
        f"{row['session']}: its reach counts {row['competing']} competing messages together; record: activations tells "
        "them apart"
        for row in summary["sessions"]
        if row["competing"] and not row["messages"]
    ]


def reach_text(row: Mapping[str, Any]) -> str:
    """Return the mean reach of a session and half of its 95 % interval."""
    from propagation.intervals import with_interval
    from propagation.result import Reach

    return with_interval(Reach(row["total_influenced"], row["total_influenced_standard_error"], row["replicates"]))


def model_text(row: Mapping[str, Any]) -> str:
    """Return the model of a session with its parameters."""
    return ", ".join([row["propagation_model"], *(f"{name} {v}" for name, v in row["model_parameters"].items())])


def truncation_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return a sentence about each session with replicates that were still active at `max_rounds`."""
    return [
        f"{row['session']}: {row['truncated_replicates']:,} of {row['replicates']:,} replicates were still "
        "active at max_rounds; their reach is a lower bound"
        for row in summary["sessions"]
        if row["truncated_replicates"]
    ]


def precision_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return a sentence about each session whose replicates a precision decided."""
    return [
        f"{row['session']}: {row['replicates']:,} replicates for a mean reach within {100 * row['precision']:g} %"
        for row in summary["sessions"]
        if row["precision"] is not None
    ]


def job_cells(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was estimated for a job beside what it took; memory is empty if it was not measured."""
    return {
        "plan": job["plan"],
        "lanes": job["job_lanes"],
        "estimated time": readable_seconds(job["estimated_seconds"]),
        "time": readable_seconds(job["job_seconds"]),
        "estimated memory": readable_bytes(job["estimated_bytes"]),
        "memory": "" if job["peak_bytes"] is None else readable_bytes(job["peak_bytes"]),
    }


def job_text(job: Mapping[str, Any]) -> str:
    """Return a job's estimated time and memory beside the measured ones, as a sentence."""
    cells = job_cells(job)
    peak = f" and {cells['memory']}" if cells["memory"] else ""
    return f"estimated {cells['estimated time']} and {cells['estimated memory']}, took {cells['time']}{peak}"


def outcome_text(summary: Mapping[str, Any], computed: int, seconds: float) -> str:
    """Return one line about a run that ended well: what it did, the best reach, and its time.

    Parameters
    ----------
    summary : mapping
        The summary of the run.
    computed : int
        Distinct sessions that the run computed; the others were published before.
    seconds : float
        Time of the run.
    """
    sessions = summary["sessions"]
    best = max(sessions, key=lambda row: row["total_influenced"])
    done = {
        "completed": f"Computed {computed:,} of {counted(len(sessions), 'session')}",
        "confirmed": f"Recomputed {counted(computed, 'session')}: every row equals the published one",
        "already_completed": f"Nothing new: {counted(len(sessions), 'session')} published before",
    }[summary["status"]]
    reach = f"best reach {reach_text(best)} (95 % interval) of {summary['agents']:,} agents ({best['session']})"
    return f"{done}; {_best_by_message(summary) or reach}; {readable_seconds(seconds)}"


def _best_by_message(summary: Mapping[str, Any]) -> str:
    """Return the largest reach of each competing message and its session; empty if no session tells them apart."""
    from propagation.intervals import with_interval
    from propagation.result import Reach

    best: dict[str, tuple[Reach, str]] = {}
    for row in summary["sessions"]:
        for each in row["messages"]:
            reach = Reach(each["mean"], each["standard_error"], each["replicates"])
            if each["message"] not in best or reach.mean > best[each["message"]][0].mean:
                best[each["message"]] = reach, row["session"]
    if not best:
        return ""
    parts = (f"{message} {with_interval(reach)} ({session})" for message, (reach, session) in best.items())
    return f"best reach by message: {', '.join(parts)} of {summary['agents']:,} agents (95 % intervals)"

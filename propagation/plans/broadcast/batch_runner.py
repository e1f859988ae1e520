"""Batches of lanes: what one task of the broadcast plan does, in the kernel families that the planner chose."""

import itertools
from collections.abc import Hashable, Iterator, Sequence

from data.networks.network import Network
from propagation.plans.broadcast.families import family_named
from propagation.plans.broadcast.kernel_family import LaneRun
from propagation.plans.kernel_arrays import Scratch
from propagation.plans.lane_rows import LaneRows, Span
from propagation.plans.row_writer import collected_rows
from propagation.plans.stopping import StoppedError, stop_flag
from propagation.session_groups import run_key
from propagation.sessions import Session


def run_batch(
    network: Network,
    sessions: tuple[Session, ...],
    shapes: tuple[str, ...],
    spans: list[Span],
    *,
    publish: bool,
    job: str,
    threads: int = 1,
) -> LaneRows:
    """Run the lanes of some spans on this worker; a batch that is stopped returns no lanes.

    Parameters
    ----------
    network : Network
    sessions : tuple of Session
        The job's sessions, which spans refer to by position.
    shapes : tuple of str
        Name of each session's kernel family.
    spans : list of Span
        Lanes to run.
    publish : bool
        Whether to stage the rows of large tables, or return them.
    job : str
        Names the stop flag.
    threads : int
        Threads of this worker that the task may use for one lane.
    """
    stop, scratch, found = stop_flag(job), Scratch(network.n_ids, threads), LaneRows(spans)
    try:
        with collected_rows(network.warehouse if publish else None) as writer:
            for name, group in _groups(sessions, shapes, spans):
                run = LaneRun(network, tuple(sessions[span.session] for span in group), group, scratch, stop, writer)
                run.check()
                lanes, reach = family_named(name).run(run)
                found.lanes += lanes.split([span.replicates for span in group])
                if run.session.records("reach"):
                    found.reach[group[0].session] = reach
    except StoppedError:
        return LaneRows()
    found.files, found.tables = writer.files, writer.tables
    return found


def _groups(
    sessions: Sequence[Session], shapes: Sequence[str], spans: Sequence[Span]
) -> Iterator[tuple[str, list[Span]]]:
    """Yield spans that one call of a kernel family runs, with its name: of sessions alike that count rounds only."""

    def group(span: Span) -> tuple[str, Hashable]:
        session, shape = sessions[span.session], shapes[span.session]
        together = family_named(shape).several_sessions and not session.records("reach")
        return shape, run_key(session) if together else span

    for (shape, _), own in itertools.groupby(spans, group):
        yield shape, list(own)

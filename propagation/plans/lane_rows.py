"""What lanes found: their counts, whom they reached, and where the rows of large tables are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.warehouse.manifests import DataFile
from propagation.lane_counts import AgentReach, Lanes
from propagation.sessions import Session


@dataclass(frozen=True)
class Span:
    """Consecutive replicates of one session: its position in the job, the first replicate, and how many."""

    session: int
    first: int
    replicates: int


@dataclass
class LaneRows:
    """What some lanes found: those of a task, of a wave, or of a whole job.

    Attributes
    ----------
    spans : list of Span
    lanes : list of Lanes
        One entry per span.
    reach : dict
        AgentReach by position of the session, where reach is recorded.
    files : list of DataFile
        Staged files of large tables, where rows are published.
    tables : dict
        Rows of large tables by name, where nothing is published.
    """

    spans: list[Span] = field(default_factory=list)
    lanes: list[Lanes] = field(default_factory=list)
    reach: dict[int, AgentReach] = field(default_factory=dict)
    files: list[DataFile] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)

    def add_rows(self, other: "LaneRows") -> None:
        """Add the files and tables of other lanes."""
        self.files += other.files
        for table, rows in other.tables.items():
            self.tables.setdefault(table, []).extend(rows)


def job_rows(n_agents: int, sessions: Sequence[Session], parts: Sequence[LaneRows]) -> LaneRows:
    """Return the rows of a job: those of its parts, with the lanes and the reach of one session after the other.

    Parameters
    ----------
    n_agents : int
    sessions : sequence of Session
        Positions in `parts` refer to these.
    parts : sequence of LaneRows
        In any order; together they hold every replicate of every session once.
    """
    found: list[list[tuple[int, Lanes]]] = [[] for _ in sessions]
    rows = LaneRows(
        [Span(number, session.first_replicate, session.replicates) for number, session in enumerate(sessions)]
    )
    for part in parts:
        rows.add_rows(part)
        for span, lanes in zip(part.spans, part.lanes, strict=True):
            found[span.session].append((span.first, lanes))
    for number, (session, own) in enumerate(zip(sessions, found, strict=True)):
        own.sort(key=lambda first_and_lanes: first_and_lanes[0])
        rows.lanes.append(Lanes.joined([lanes for _, lanes in own]))
        reach = (part.reach[number] for part in parts if number in part.reach)
        rows.reach[number] = reach_sum(n_agents if session.records("reach") else 0, reach)
    return rows


def reach_sum(n_agents: int, parts: Iterable[AgentReach]) -> AgentReach:
    """Return the sum of how often and when parts of a session's lanes reached agents."""
    times, round_sums = np.zeros(n_agents, np.int64), np.zeros(n_agents, np.int64)
    for part in parts:
        times[part.agents] += part.times
        round_sums[part.agents] += part.round_sums
    agents = np.flatnonzero(times).astype(np.int32)
    return AgentReach(agents, times[agents], round_sums[agents])


def reach_of(agents: npt.NDArray[np.int32], rounds: npt.NDArray[np.int32]) -> AgentReach:
    """Return the reach of first activations, (k,) agents and the round of each."""
    distinct, where, times = np.unique(agents, return_inverse=True, return_counts=True)
    round_sums = np.zeros(len(distinct), np.int64)
    np.add.at(round_sums, where, rounds)
    return AgentReach(distinct.astype(np.int32), times.astype(np.int64), round_sums)

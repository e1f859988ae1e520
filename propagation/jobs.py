"""The life of a job, for all callers: from the specification of sessions to their published results.

1. Find which sessions the warehouse has, and which must be computed.
2. Form jobs: groups of sessions that one plan can run together.
3. Plan each job; split a long one into chunks of about half a minute.
4. Run each chunk, and publish its sessions together or compare them with their published rows.
5. Return results, which are read on access.

A run that is cancelled or killed has published the finished chunks; running it again computes the others.
"""

import dataclasses
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import AlreadyPublishedError, CommitConflictError, RowsDifferError, RunCancelledError
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.warehouse.keys import session_key
from data.warehouse.store import Store
from propagation import engine
from propagation.cancellation import StopFlag
from propagation.engine import JobOutcome
from propagation.kept_replicates import forget_kept, kept_sessions
from propagation.models.pandas_model import PandasModel
from propagation.planner import JobPlan
from propagation.plans import PlanChoice
from propagation.published import differing_tables, load_session_rows
from propagation.result import PublishedTables, Result
from propagation.sessions import Session

if TYPE_CHECKING:
    from distributed import Client

CHUNK_SECONDS = 30.0
"""Time after which a long job publishes its finished sessions."""
PUBLISHING_ATTEMPTS = 3
"""Attempts to publish a finished chunk when commits conflict with other writers."""
NOTHING_PUBLISHED = "the run was cancelled; nothing was published"
OUTRUN_ATTEMPTS = 5
"""How often a job continues with its missing sessions after another run has published part of the same chunk."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Execution:
    """How jobs are run; these settings never change a row.

    Attributes
    ----------
    plan : str
        ``auto``, ``broadcast``, ``partitioned`` or ``reference``.
    client : distributed.Client, optional
        Cluster to run on; default: threads of this process, for short jobs without Dask.
    progress : Progress, optional
        Called with the number of replicates done.
    stop : StopFlag, optional
        Such as a `threading.Event`: once it is set, the run is cancelled.
    planned : callable, optional
        Called with the plan of each job before it runs.
    before_publishing : callable, optional
        Called before sessions are published, for example to publish the messages they refer to.
    """

    plan: PlanChoice = "auto"
    client: "Client | None" = None
    progress: Progress = ignore_progress
    stop: StopFlag | None = None
    planned: Callable[[JobPlan], None] | None = None
    before_publishing: Callable[[], None] | None = None


class SessionResults(Mapping[str, Result]):
    """Results by session id, in the order of the sessions; published ones are read on access.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    fresh : mapping
        Results of the sessions that this run computed.
    """

    def __init__(self, network: Network, sessions: Sequence[Session], fresh: Mapping[str, Result]) -> None:
        self._network, self._fresh = network, dict(fresh)
        self._ids = list(dict.fromkeys(session.session_id for session in sessions))
        self._recalled: Mapping[str, Mapping[str, Any]] = {}

    def __getitem__(self, session_id: str) -> Result:
        """Return the result of a session."""
        if session_id in self._fresh:
            return self._fresh[session_id]
        row, warehouse = self.row(session_id), self._network.warehouse
        return Result(row, self._network, PublishedTables(warehouse, session_id), recalled=True)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self._ids)

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._ids)

    def row(self, session_id: str) -> Mapping[str, Any]:
        """Return the session's row of the table `propagation_sessions`; published rows are read together."""
        if session_id in self._fresh:
            return self._fresh[session_id].session
        if not self._recalled:
            wanted = [each for each in self._ids if each not in self._fresh]
            self._recalled = load_session_rows(self._network.warehouse, wanted)
        return self._recalled[session_id]


def run_sessions(
    network: Network,
    sessions: Sequence[Session],
    execution: Execution | None = None,
    *,
    publish: bool = True,
    again: bool = False,
) -> SessionResults:
    """Compute, publish or load sessions on one network; all callers use this function.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        Equal sessions are run once.
    execution : Execution, optional
        How they are run.
    publish : bool
        Publish in the network's warehouse, and load sessions that are already published. False computes all
        sessions and keeps their rows in memory.
    again : bool
        Recompute published sessions and compare their rows; nothing is published twice.

    Returns
    -------
    SessionResults

    Raises
    ------
    InvalidInputError
        If a plan cannot run a model.
    InsufficientMemoryError
        If a job cannot fit.
    RowsDifferError
        If rows recomputed by `again` differ from the published ones.
    RequirementGoneError
        If the network was deleted in the meantime.
    RunCancelledError
        If the run was interrupted; sessions that it has published are kept.
    """
    execution = execution or Execution()
    distinct = list({session.session_id: session for session in sessions}.values())
    missing = unpublished(network.warehouse, distinct) if publish else distinct
    if len(missing) < len(distinct):
        logger.info("%d of %d sessions are already published", len(distinct) - len(missing), len(distinct))
    fresh: dict[str, Result] = {}
    for job in form_jobs(missing):
        fresh |= _compute(network, job, execution, publish=publish)
    if again and publish:
        lacking = {session.session_id for session in missing}
        for job in form_jobs([session for session in distinct if session.session_id not in lacking]):
            compare_job(network, job, execution)
    return SessionResults(network, distinct, fresh)


def unpublished(warehouse: Store, sessions: Sequence[Session]) -> list[Session]:
    """Return the sessions that have no results in the warehouse."""
    published = warehouse.published(session.key for session in sessions)
    return [session for session in sessions if session.key not in published]


def form_jobs(sessions: Sequence[Session]) -> list[list[Session]]:
    """Split sessions into jobs that one plan can run: users' pandas models need the reference plan.

    Examples
    --------
    >>> form_jobs([])
    []
    """
    own = [session for session in sessions if isinstance(session.model, PandasModel)]
    others = [session for session in sessions if not isinstance(session.model, PandasModel)]
    return [job for job in (others, own) if job]


# -- running --------------------------------------------------------------------------------------------------------


def _compute(network: Network, job: list[Session], execution: Execution, *, publish: bool) -> dict[str, Result]:
    """Run a job, and publish it chunk by chunk; chunks that are not published are kept in memory."""
    fresh: dict[str, Result] = {}
    outrun = 0
    while job:
        try:
            # 1. Publish sessions whose replicates were run before, to find how many they need.
            fresh |= _publish_kept(network, job, execution, publish=publish)
            job = [session for session in job if session.session_id not in fresh]
            if not job:
                break
            # 2. Plan the remaining sessions, and run them chunk by chunk.
            for outcome in _Chunks(network, job, execution, publish=publish):
                # 3. Publish each chunk before the next one runs.
                if publish:
                    _publish_patiently(outcome, execution)
                fresh |= outcome.results
            forget_kept(network, job)
        except CommitConflictError:
            # 4. Another run has published some of the sessions: continue with the missing ones.
            outrun += 1
            if outrun > OUTRUN_ATTEMPTS:
                raise
            job = unpublished(network.warehouse, job)
        except (RunCancelledError, KeyboardInterrupt) as error:
            if not publish:
                raise RunCancelledError(NOTHING_PUBLISHED) from None
            raise cancelled(network, job, len(fresh.keys() - {each.session_id for each in job}), error) from None
        else:
            break
    return fresh


def _publish_kept(
    network: Network, job: Sequence[Session], execution: Execution, *, publish: bool
) -> dict[str, Result]:
    """Publish the sessions of which all replicates are kept; return their results."""
    kept = kept_sessions(network, job)
    sessions = [session for session in job if session.session_id in kept]
    if not sessions:
        return {}
    outcome = engine.kept_job(network, sessions, [kept[each.session_id] for each in sessions], publish=publish)
    if publish:
        _publish_patiently(outcome, execution)
    forget_kept(network, sessions)
    return outcome.results


def compare_job(network: Network, job: Sequence[Session], execution: Execution) -> None:
    """Recompute published sessions and compare their rows, chunk by chunk because rows are kept in memory.

    Raises
    ------
    RowsDifferError
        If a table differs.
    """
    for outcome in _Chunks(network, job, execution, publish=False):
        check_outcome(outcome)


class _Chunks:
    """Iterates over the outcomes of a job's chunks: sessions that take about `CHUNK_SECONDS` together."""

    def __init__(self, network: Network, job: Sequence[Session], execution: Execution, *, publish: bool) -> None:
        self.network, self.job, self.execution, self.publish = network, list(job), execution, publish
        client = execution.client
        self.plan = engine.plan_job(network, self.job, plan=execution.plan, client=client, publish=publish)
        if execution.planned is not None:
            execution.planned(self.plan)
        work = np.array([p.seconds_per_lane * s.replicates for p, s in zip(self.plan.sessions, self.job, strict=True)])
        work = np.maximum(work, 1e-9)
        self.seconds = self.plan.estimated_seconds * work / work.sum()
        self.slowness = 1.0  # measured time of the last chunk relative to its estimate

    def __iter__(self) -> Iterator[JobOutcome]:
        first, done = 0, 0
        while first < len(self.job):
            end = self._end_of_chunk(first)
            sessions, plan = self.job[first:end], self._part_of_plan(first, end)
            outcome = engine.run_job(
                self.network,
                sessions,
                plan,
                client=self.execution.client,
                publish=self.publish,
                progress=self._progress(done, plan),
                stop=self.execution.stop,
            )
            self.slowness = max(outcome.seconds / max(plan.estimated_seconds, 1e-9), 0.01)
            yield outcome
            first, done = end, done + plan.lanes

    def _end_of_chunk(self, first: int) -> int:
        """Return the position behind the last session of the chunk that begins at `first`."""
        # Partitioned runs are not split: they have checkpoints, and their lanes share the cost of a round.
        ends = np.cumsum(self.seconds[first:]) * self.slowness
        if self.plan.plan == "partitioned" or ends[-1] <= 1.5 * CHUNK_SECONDS:
            return len(self.job)
        return first + max(1, int(np.searchsorted(ends, CHUNK_SECONDS, side="right")))

    def _part_of_plan(self, first: int, end: int) -> JobPlan:
        """Return the plan of a range of the job's sessions."""
        if (first, end) == (0, len(self.job)):
            return self.plan
        share = float(self.seconds[first:end].sum() / self.seconds.sum())
        lanes = sum(session.replicates for session in self.job[first:end])
        return dataclasses.replace(
            self.plan,
            sessions=self.plan.sessions[first:end],
            lanes=lanes,
            batches=max(1, min(lanes, round(self.plan.batches * share))),
            estimated_seconds=self.plan.estimated_seconds * share,
        )

    def _progress(self, done: int, plan: JobPlan) -> Progress:
        """Return a progress callback that counts lanes over the whole job; the reference plan counts rounds instead."""
        if plan.lanes == self.plan.lanes or plan.plan == "reference":
            return self.execution.progress
        return lambda stage, part, _total: self.execution.progress(stage, done + part, self.plan.lanes)


def cancelled(
    network: Network, sessions: Sequence[Session], published: int = 0, error: BaseException | None = None
) -> RunCancelledError:
    """Return the error that says what a cancelled run had published.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        Sessions that the run was to publish.
    published : int
        How many others it has published.
    error : BaseException, optional
        What ended the run; the message of a RunCancelledError is kept if nothing was published.
    """
    published += len(sessions) - len(unpublished(network.warehouse, sessions))
    if published:
        return RunCancelledError(
            f"the run was cancelled; {published:,} sessions are published; running it again computes the others"
        )
    return error if isinstance(error, RunCancelledError) else RunCancelledError(NOTHING_PUBLISHED)


# -- publishing, comparing ------------------------------------------------------------------------------------------


def _publish_patiently(outcome: JobOutcome, execution: Execution) -> None:
    """Publish a chunk; if commits conflict with other writers, retry after a moment."""
    if execution.before_publishing is not None:
        execution.before_publishing()
    for attempt in range(1, PUBLISHING_ATTEMPTS + 1):
        try:
            publish_job(outcome)
        except CommitConflictError:
            keys = [session_key(row["session_id"]) for row in outcome.sessions]
            if attempt == PUBLISHING_ATTEMPTS or outcome.network.warehouse.published(keys):
                raise
            time.sleep(random.uniform(0.5, 1.5))
        else:
            logger.info("published %d sessions after %.2f s", len(outcome.sessions), outcome.seconds)
            return


def publish_job(outcome: JobOutcome) -> None:
    """Publish a job: all its sessions become visible at once.

    Every run of a session gives the same rows, so nothing is left to do if another run has published the whole job.

    Raises
    ------
    CommitConflictError
        If another run has published only some of the job's sessions in the meantime: run again for the others.
    RequirementGoneError
        If the network was deleted in the meantime.
    """
    warehouse = outcome.network.warehouse
    keys = [session_key(row["session_id"]) for row in outcome.sessions]
    try:
        warehouse.commit("sessions", keys, outcome.files, requires=[outcome.network.key])
    except AlreadyPublishedError as error:
        if warehouse.published(keys) != set(keys):
            raise CommitConflictError(f"{error}, but other sessions of this job are not: run again") from error


def check_outcome(outcome: JobOutcome) -> None:
    """Compare recomputed sessions with their published rows.

    Raises
    ------
    RowsDifferError
        If a table differs.
    """
    if differing := differing_tables(outcome.network.warehouse, outcome.results):
        raise RowsDifferError(
            f"recomputed rows differ from the published ones in {', '.join(differing)}; the published rows are kept. "
            "Check them with `rumormill verify`; if no file is damaged, this is a bug in Rumormill: please report it"
        )
    logger.info("%d sessions recomputed: every row equals the published one", len(outcome.sessions))

"""Precision: how many replicates a session needs until the interval of its mean reach is as narrow as asked for.

Replicates grow in batches, each a continuation of those before. After each, the stopping rule of Chow and Robbins
decides: enough is the first number n with

    n >= (t / d)^2 (s^2 + 1 / n)

where s^2 is the variance of cascade sizes so far, d the half width asked for (a share of the mean so far), and t the
97.5 % quantile of Student's t with n - 1 degrees of freedom. Chow, Robbins: On the asymptotic theory of fixed-width
sequential confidence intervals for the mean. Annals of Mathematical Statistics 36, 1965; for a share of the mean:
Nadas: An extension of a theorem of Chow and Robbins. Annals of Mathematical Statistics 40, 1969.

Looking at the interval after each replicate would stop too early, when the variance happens to look small. So the first
look is after `FEWEST` replicates, and the next one where the estimate so far asks for, plus `AIM`, but not beyond twice
the replicates so far: few looks, of which the last usually decides. `benchmarks/precision.py` measures the coverage.

No rule sees what has not happened yet: an outcome with probability p is missed by n replicates with probability
(1 - p)^n, so that 512 replicates see none rarer than 3 / 512, 1 in 170, for certain (the rule of three: 95 %; Hanley,
Lippman-Hand: If nothing goes wrong, is everything all right? JAMA 249, 1983). If such an outcome decides the mean, such
as a message that seldom takes off and then reaches many, the interval is too narrow. A warning says so where the
replicates are all the same, or all but fewer than `FEW`.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pydantic import BeforeValidator

from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted
from propagation import engine
from propagation.jobs import Execution, form_jobs
from propagation.kept_replicates import KeptBatch, KeptReplicates, counting
from propagation.sessions import SUMMARIES, Session

FEWEST = 512
"""Replicates before the first look: eight words of 64 lanes."""
WORD = 64
"""Batches have a multiple of this many replicates, which kernels run together."""
AIM = 1.05
"""How many times the estimated number of replicates the next look waits for, so that it is usually the last."""
GROWTH = 2
"""Most replicates after a batch, as a multiple of those before."""
FEW = 10
"""Fewest replicates that differ from the most frequent cascade size without a warning."""
RULE_OF_THREE = 3.0
"""What happened in none of n replicates has at most this probability, divided by n, with 95 % confidence."""
MOST_REPLICATES = 2**24
"""Most replicates that are run to reach a precision."""

logger = logging.getLogger(__name__)


def checked_precision(value: Any) -> float:
    """Return a precision as a number: a share of the mean in (0, 1), also written as a percentage such as ``1%``.

    Raises
    ------
    InvalidInputError
        If it is something else.

    Examples
    --------
    >>> checked_precision("1%"), checked_precision(0.05)
    (0.01, 0.05)
    """
    number: Any = value
    if isinstance(value, str):
        text = value.strip()
        try:
            number = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not 0.0 < number < 1.0:
        raise InvalidInputError(
            f"precision {value!r} is not a share of the mean reach between 0 and 1; write 0.01, or 1%, for an interval "
            "of ± 1 %"
        )
    return float(number)


Precision = Annotated[float | str, BeforeValidator(checked_precision)]
"""Half width of the 95 % interval of the mean reach as a share of it, as users give it; validated, it is a number."""


def replicates_needed(sizes: npt.NDArray[np.int64], precision: float) -> int:
    """Return how many replicates are enough, judging by the cascade sizes so far: see the module's documentation.

    Parameters
    ----------
    sizes : (n,) int
        At least two.
    precision : float
        Half width of the 95 % interval, as a share of the mean.

    Examples
    --------
    >>> replicates_needed(np.array([9, 11] * 256), 0.01)
    388
    """
    from scipy.special import stdtrit

    n = len(sizes)
    quantile = float(stdtrit(n - 1, 0.975))
    variance = float(sizes.var(ddof=1)) + 1.0 / n
    return math.ceil(quantile**2 * variance / (precision * float(sizes.mean())) ** 2)


def next_look(sizes: npt.NDArray[np.int64], precision: float) -> int:
    """Return after how many replicates to look next; `len(sizes)` if these are enough.

    Examples
    --------
    >>> next_look(np.array([9, 11] * 256), 0.01), next_look(np.array([1, 19] * 256), 0.01)
    (512, 1024)
    """
    n = len(sizes)
    if n < FEWEST:
        return FEWEST
    needed = replicates_needed(sizes, precision)
    if needed <= n or n >= MOST_REPLICATES:
        return n
    aimed = max(math.ceil(AIM * needed), n + WORD)
    return min(-(-min(aimed, GROWTH * n) // WORD) * WORD, MOST_REPLICATES)


def rare_outcomes(sizes: npt.NDArray[np.int64]) -> str:
    """Return why the interval of a mean may be too narrow: what replicates of which few differ may miss; else empty.

    Parameters
    ----------
    sizes : (n,) int
        Cascade sizes.

    Examples
    --------
    >>> rare_outcomes(np.ones(512, np.int64))
    'all 512 replicates are the same; an outcome rarer than 1 in 170 may be missed'
    >>> rare_outcomes(np.array([1] * 511 + [20]))
    '511 of 512 replicates are the same, so the mean depends on 1 other; an outcome rarer than 1 in 170 may be missed'
    """
    n, same = len(sizes), int(np.unique(sizes, return_counts=True)[1].max())
    if n - same >= FEW:
        return ""
    which = f"all {n:,} replicates are the same"
    if same < n:
        which = f"{same:,} of {n:,} replicates are the same, so the mean depends on {counted(n - same, 'other')}"
    return f"{which}; an outcome rarer than 1 in {math.floor(n / RULE_OF_THREE):,} may be missed"


def precise_sessions(
    network: Network,
    sessions: Sequence[Session],
    precisions: Sequence[float | None],
    execution: Execution | None = None,
) -> list[Session]:
    """Return sessions with as many replicates as each one's precision needs.

    The numbers depend on the sessions and their precisions only. Sessions that are published with other numbers of
    replicates are read instead of run. Finished batches are kept in files, from which a run
    continues after a crash, and from which `propagation.jobs.run_sessions` publishes sessions that record rounds or
    reach without running them again; replicates that were read rather than run are run for that, once. Sessions that
    record activations or contacts are run once more in full, since their rows go to the warehouse's files while they
    run.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    precisions : sequence of float or None
        Half width of the 95 % interval of the mean reach as a share of it, in (0, 1); None keeps the session as it is.
    execution : Execution, optional
        How batches are run.

    Returns
    -------
    list of Session
        In the order given.

    Raises
    ------
    RunCancelledError
        If the run was interrupted; finished batches are kept.
    InsufficientMemoryError
        If a batch cannot fit.
    """
    execution = execution or Execution()
    published = _published_replicates(network) if any(precisions) else []
    growing = {
        number: _Growing(network, session, precision, published)
        for number, (session, precision) in enumerate(zip(sessions, precisions, strict=True))
        if precision is not None
    }
    while waiting := {number: each for number, each in growing.items() if each.needs_more}:
        batches = {number: each.next_batch() for number, each in waiting.items()}
        for job in form_jobs(list({batch.session_id: batch for batch in batches.values()}.values())):
            plan = engine.plan_job(network, job, plan=execution.plan, client=execution.client, publish=False)
            if execution.planned is not None:
                execution.planned(plan)
            outcome = engine.run_job(
                network,
                job,
                plan,
                client=execution.client,
                publish=False,
                progress=execution.progress,
                stop=execution.stop,
            )
            found = {
                session.session_id: KeptBatch(lanes, outcome.rows.reach[number], outcome.seconds / len(job))
                for number, (session, lanes) in enumerate(zip(job, outcome.rows.lanes, strict=True))
            }
            for number, batch in batches.items():
                if batch.session_id in found:
                    waiting[number].add(found[batch.session_id])
    return [growing[number].final if number in growing else session for number, session in enumerate(sessions)]


def known_sessions(
    network: Network, sessions: Sequence[Session], precisions: Sequence[float | None]
) -> list[Session] | None:
    """Return sessions as `precise_sessions` does, if what is published and kept tells without running any; else None.

    Parameters are those of `precise_sessions`.
    """
    published = _published_replicates(network) if any(precisions) else []
    found = []
    for session, precision in zip(sessions, precisions, strict=True):
        growing = None if precision is None else _Growing(network, session, precision, published)
        if growing is not None and growing.needs_more:
            return None
        found.append(session if growing is None else growing.final)
    return found


def _published_replicates(network: Network) -> list[int]:
    """Return the numbers of replicates of the sessions that are published on a network, the largest first."""
    rows = network.warehouse.read("propagation_sessions", columns=["snapshot_id", "replicates"])
    own = rows.filter(pc.equal(rows["snapshot_id"], network.snapshot_id))
    return sorted(set(own["replicates"].to_pylist()), reverse=True)


def _published_sizes(network: Network, session: Session, replicates: Sequence[int]) -> npt.NDArray[np.int64] | None:
    """Return the cascade sizes of the longest published session that differs in its replicates only, or None."""
    candidates = {replace(session, replicates=number).key: number for number in replicates}
    found = network.warehouse.published(candidates)
    key = next((key for key in candidates if key in found), None)
    if key is None:
        return None
    rows = network.warehouse.read("cascades", [key], columns=["replicate", "size"])
    return rows.sort_by("replicate")["size"].to_numpy()


class _Growing:
    """A session whose replicates grow until its precision is reached.

    Where it looks depends on the cascade sizes alone, not on how many replicates are kept from before.
    """

    def __init__(self, network: Network, session: Session, precision: float, published: Sequence[int]) -> None:
        self._session, self._precision = session, precision
        self._kept = KeptReplicates(network, session)
        self._sizes = self._kept.sizes()
        known = _published_sizes(network, session, [number for number in published if number > len(self._sizes)])
        self._read = 0 if known is None else len(known)
        if known is not None:
            self._sizes = np.concatenate([known, self._kept.sizes(self._read)])
        self._looked, self._aim = 0, FEWEST
        self._look()

    @property
    def is_enough(self) -> bool:
        """Whether the replicates of the last look are enough."""
        return self._aim == self._looked

    @property
    def needs_more(self) -> bool:
        """Whether batches are to be run: to look at, or to publish them with the replicates that were read."""
        return not self.is_enough or self._lacks_beginning

    @property
    def _lacks_beginning(self) -> bool:
        """Whether the session can be published from kept batches, once the replicates that were read are run too."""
        return self._session.record in SUMMARIES and 0 < self._read < self._looked

    @property
    def final(self) -> Session:
        """The session with as many replicates as it needs."""
        return replace(self._session, replicates=self._looked)

    def next_batch(self) -> Session:
        """Return replicates that are missing, as a session of their own: for the next look, or at last the first."""
        if self.is_enough:
            return replace(counting(self._session), replicates=self._read)
        return replace(
            counting(self._session),
            first_replicate=self._session.first_replicate + len(self._sizes),
            replicates=self._aim - len(self._sizes),
        )

    def add(self, batch: KeptBatch) -> None:
        """Keep a finished batch, and look."""
        if self.is_enough:
            self._kept.keep(0, batch)
            self._read = 0
            return
        self._kept.keep(len(self._sizes), batch)
        self._sizes = np.concatenate([self._sizes, batch.lanes.sizes])
        self._look()

    def _look(self) -> None:
        """Look at as many replicates as the last look asked for, until they are enough, or some are missing."""
        while not self.is_enough and self._aim <= len(self._sizes):
            self._looked = self._aim
            self._aim = next_look(self._sizes[: self._looked], self._precision)
        if self.is_enough:
            self._report()

    def _report(self) -> None:
        sizes, percent = self._sizes[: self._looked], 100.0 * self._precision
        needed = replicates_needed(sizes, self._precision)
        if needed <= self._looked:
            logger.info("%d replicates give a mean reach of %.1f within %.3g %%", len(sizes), sizes.mean(), percent)
            if rare := rare_outcomes(sizes):
                logger.warning("session %s: %s", self.final.session_id, rare)
        else:
            logger.warning(
                "%d replicates, the most that are run, do not give a mean reach within %.3g %%: some %d would",
                len(sizes),
                percent,
                needed,
            )

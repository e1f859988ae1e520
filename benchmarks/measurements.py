"""Measuring a work: Rumormill and its peers in turn, several times over, and whether they found the same reach."""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmarks.peers import Peer, load_peer
from benchmarks.peers.peer import Run
from benchmarks.workloads import Edges, Work
from data import Network
from propagation import Result, models, simulate

T = TypeVar("T")
Say = Callable[[str], None]
MOST_STANDARD_ERRORS = 4.0
"""Two means further apart than this were found by different models."""
DEVIATION_REPLICATES = 64
"""Replicates, at least, from which the deviation of reach is found."""


class LeftOutError(Exception):
    """Raised with the reason if a row cannot be measured."""


@dataclass
class Calls:
    """The measured calls of one side.

    Attributes
    ----------
    seconds : list of float
        Time of each call, per `replicates` of the work.
    means : list of float
        Mean reach of each call.
    replicates : int
        Replicates that each call really ran.
    """

    replicates: int
    seconds: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean reach over all calls."""
        return statistics.fmean(self.means)


@dataclass
class PeerRow:
    """One peer beside Rumormill on one work.

    Attributes
    ----------
    peer : Peer
    loading : float
        Seconds from the edges in memory to what the peer runs on, its compilation included.
    calls : Calls
        Of the peer.
    slow : bool
        Whether one replicate takes longer than a call should, so that there are fewer calls.
    ours : list of float
        Seconds of our call beside each of the peer's.
    deviation : float
        Standard deviation of reach over replicates, as all our calls found it.
    our_mean, our_replicates
        Mean reach of all our calls, and how many replicates they ran.
    """

    peer: Peer
    loading: float
    calls: Calls
    slow: bool
    ours: list[float] = field(default_factory=list)
    deviation: float = math.nan
    our_mean: float = math.nan
    our_replicates: int = 0

    @property
    def ratios(self) -> list[float]:
        """Their time over ours, of each pair of calls."""
        return [theirs / ours for theirs, ours in zip(self.calls.seconds, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def our_error(self) -> float:
        """Standard error of our mean reach."""
        return self.deviation / math.sqrt(self.our_replicates)

    @property
    def their_error(self) -> float:
        """Standard error of the peer's mean reach, if its cascades vary as ours do."""
        return self.deviation / math.sqrt(self.calls.replicates * len(self.calls.means))

    @property
    def standard_errors_apart(self) -> float:
        """How far the two means are apart, in combined standard errors."""
        return abs(self.our_mean - self.calls.mean) / max(math.hypot(self.our_error, self.their_error), 1e-9)

    @property
    def agrees(self) -> bool:
        """Whether both sides found the same mean reach within statistical error."""
        return self.standard_errors_apart <= MOST_STANDARD_ERRORS


@dataclass
class WorkRows:
    """One work: our calls, and a row for every peer that took part."""

    work: Work
    first_call: float
    ours: Calls
    rows: list[PeerRow]
    left_out: dict[str, str]


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return how long a call took, seconds, and what it returned."""
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def model_of(work: Work) -> Any:
    """Return the work's model.

    Raises
    ------
    LeftOutError
        If there is no such model.
    """
    kind = getattr(models, work.model, None)
    if kind is None:
        raise LeftOutError(f"propagation.models has no {work.model}")
    return kind(**work.parameters)


def ours(network: Network, edges: Edges, work: Work, random_seed: int, **options: Any) -> Result:
    """Run a work as any user would: the public call on the default cluster, published only if asked."""
    return simulate(
        network,
        model_of(work),
        seed_set=edges.seed_ids,
        replicates=options.pop("replicates", work.replicates),
        random_seed=random_seed,
        record="rounds",
        publish=options.pop("publish", False),
        **options,
    )


@contextlib.contextmanager
def frozen_garbage() -> Iterator[None]:
    """Keep the collector from walking the peers' millions of Python objects in everyone's time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def _prepared(peer: Peer, edges: Edges, work: Work) -> Run:
    """Load a peer; what it made is not looked at by the collector, neither now nor in any measured call."""
    gc.disable()
    try:
        return peer.prepare(edges, work)
    finally:
        gc.freeze()
        gc.enable()


def measure(
    network: Network, edges: Edges, work: Work, peers: list[str], runs: int, budget: float, say: Say
) -> WorkRows:
    """Measure one work: in each run ours and then every peer.

    Parameters
    ----------
    network, edges
        The same graph, as Rumormill and as peers read it.
    work : Work
    peers : list of str
        Names of those that may take part.
    runs : int
        Runs of all sides.
    budget : float
        Seconds that a call of a peer may take: slower ones run fewer replicates, or fewer calls.
    say : callable
        Told what is going on.

    Raises
    ------
    LeftOutError
        If Rumormill cannot do the work.
    """
    # 1. Warm up: compiled kernels and the network's arrays are there from now on.
    first_call, _ = timed(lambda: ours(network, edges, work, 10**6))
    many = max(work.replicates, DEVIATION_REPLICATES)
    sizes = list(ours(network, edges, work, 10**6, replicates=many).cascades["size"])
    # 2. Load the peers, and find how many replicates fit the budget.
    sides, left_out = _loaded(edges, work, peers, budget, say)
    mine = Calls(work.replicates)
    with frozen_garbage():
        # 3. In turn, run after run.
        for number in range(runs):
            seconds, result = timed(lambda number=number: ours(network, edges, work, number))
            mine.seconds.append(seconds)
            mine.means.append(result.reach.mean)
            sizes.extend(result.cascades["size"])
            for row, run in sides:
                _add_call(row, run, work, number, seconds, runs, budget)
    # 4. What both sides found.
    for row, _ in sides:
        row.deviation, row.our_mean = float(np.std(sizes, ddof=1)), float(np.mean(sizes))
        row.our_replicates = len(sizes)
    return WorkRows(work, first_call, mine, [row for row, _ in sides], left_out)


def _loaded(
    edges: Edges, work: Work, peers: list[str], budget: float, say: Say
) -> tuple[list[tuple[PeerRow, Run]], dict[str, str]]:
    sides, left_out = [], {}
    for name in peers:
        try:
            peer = load_peer(name)
        except ImportError as error:
            left_out[name] = f"is not installed ({error})"
            continue
        if reason := peer.unsuited(work, edges):
            left_out[name] = reason
            continue
        loading, run = timed(partial(_prepared, peer, edges, work))
        least = min(peer.least_replicates, work.replicates)
        seconds, mean = _seconds_per_replicate(run, least, work, budget)
        replicates = max(least, min(work.replicates, int(budget / seconds)))
        row = PeerRow(peer, loading, Calls(replicates), slow=seconds * least > budget)
        if row.slow:  # so slow that the first replicate counts
            row.calls.seconds.append(seconds * work.replicates)
            row.calls.means.append(mean)
        say(f"  {name}: loaded in {loading:.1f} s, a replicate takes {seconds:.3g} s, {replicates:,} to a call")
        sides.append((row, run))
    return sides, left_out


def _seconds_per_replicate(run: Run, least: int, work: Work, budget: float) -> tuple[float, float]:
    """Return the time of a replicate, from calls of ever more of them, and the mean reach of the last call."""
    replicates = least
    seconds, mean = timed(partial(run, replicates, 10**6))
    while replicates < work.replicates and 16 * seconds < budget:
        replicates = min(work.replicates, 8 * replicates)
        seconds, mean = timed(partial(run, replicates, 10**6 + replicates))
    return seconds / replicates, mean


def _add_call(row: PeerRow, run: Run, work: Work, number: int, our_seconds: float, runs: int, budget: float) -> None:
    """Call a peer beside our call, unless it is so slow that its time is used up."""
    calls = row.calls
    if len(row.ours) < len(calls.seconds):
        row.ours.append(our_seconds)
        return
    spent = sum(calls.seconds) * calls.replicates / work.replicates
    if row.slow and spent * (1 + 1 / len(calls.seconds)) > runs * budget:
        return
    seconds, mean = timed(lambda: run(calls.replicates, number))
    calls.seconds.append(seconds * work.replicates / calls.replicates)
    calls.means.append(mean)
    row.ours.append(our_seconds)

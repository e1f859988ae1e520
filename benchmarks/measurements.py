"""Measuring a workload: running Rumormill and its peers in turn, several times, and checking that reach agrees."""

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
from benchmarks.workloads import Edges, Workload
from data import Network
from propagation import Result, models, simulate

T = TypeVar("T")
Say = Callable[[str], None]
MOST_STANDARD_ERRORS = 4.0
"""Means that differ by more than this are of different models."""
DEVIATION_REPLICATES = 64
"""Fewest replicates from which the standard deviation of reach is estimated."""


class LeftOutError(Exception):
    """Raised if a row cannot be measured; the message is the reason."""


@dataclass
class Calls:
    """The measured calls of one side.

    Attributes
    ----------
    seconds : list of float
        Time of each call, scaled to the replicates of the workload.
    means : list of float
        Mean reach of each call.
    replicates : int
        Replicates that each call actually ran.
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
    """One peer compared with Rumormill on one workload.

    Attributes
    ----------
    peer : Peer
    loading : float
        Seconds to convert the edges in memory to the peer's format, including its compilation.
    calls : Calls
        Of the peer.
    slow : bool
        Whether one replicate exceeds the budget of a call, so that there are fewer calls.
    ours : list of float
        Seconds of our call paired with each call of the peer.
    deviation : float
        Standard deviation of reach over the replicates of all our calls.
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
        """Standard error of the peer's mean reach, assuming the deviation of our cascades."""
        return self.deviation / math.sqrt(self.calls.replicates * len(self.calls.means))

    @property
    def standard_errors_apart(self) -> float:
        """Difference of the two means, in combined standard errors."""
        return abs(self.our_mean - self.calls.mean) / max(math.hypot(self.our_error, self.their_error), 1e-9)

    @property
    def agrees(self) -> bool:
        """Whether both sides found the same mean reach within statistical error."""
        return self.standard_errors_apart <= MOST_STANDARD_ERRORS


@dataclass
class WorkloadRows:
    """One workload: our calls, and a row for every peer that took part."""

    workload: Workload
    first_call: float
    ours: Calls
    rows: list[PeerRow]
    left_out: dict[str, str]


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return how long a call took, seconds, and what it returned."""
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def model_of(workload: Workload) -> Any:
    """Return the workload's model.

    Raises
    ------
    LeftOutError
        If there is no such model.
    """
    kind = getattr(models, workload.model, None)
    if kind is None:
        raise LeftOutError(f"propagation.models has no {workload.model}")
    return kind(**workload.parameters)


def ours(network: Network, edges: Edges, workload: Workload, random_seed: int, **options: Any) -> Result:
    """Run a workload by the public call on the default cluster; by default without publishing."""
    return simulate(
        network,
        model_of(workload),
        seed_set=edges.seed_ids,
        replicates=options.pop("replicates", workload.replicates),
        random_seed=random_seed,
        record="rounds",
        publish=options.pop("publish", False),
        **options,
    )


@contextlib.contextmanager
def frozen_garbage() -> Iterator[None]:
    """Keep the garbage collector from traversing the peers' millions of Python objects during measurements."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def _prepared(peer: Peer, edges: Edges, workload: Workload) -> Run:
    """Load a peer, and exclude its objects from garbage collection now and in all measured calls."""
    gc.disable()
    try:
        return peer.prepare(edges, workload)
    finally:
        gc.freeze()
        gc.enable()


def measure(
    network: Network, edges: Edges, workload: Workload, peers: list[str], runs: int, budget: float, say: Say
) -> WorkloadRows:
    """Measure one workload: in each run, first Rumormill and then every peer.

    Parameters
    ----------
    network, edges
        The same graph, for Rumormill and for peers.
    workload : Workload
    peers : list of str
        Names of the peers to include.
    runs : int
        Runs of all sides.
    budget : float
        Longest time of a call of a peer, seconds; slower peers run fewer replicates, or fewer calls.
    say : callable
        Called with progress messages.

    Raises
    ------
    LeftOutError
        If Rumormill cannot run the workload.
    """
    # 1. Warm up: compile kernels and build the network's arrays.
    first_call, _ = timed(lambda: ours(network, edges, workload, 10**6))
    many = max(workload.replicates, DEVIATION_REPLICATES)
    sizes = list(ours(network, edges, workload, 10**6, replicates=many).cascades["size"])
    # 2. Load the peers, and find how many replicates fit in the budget.
    sides, left_out = _loaded(edges, workload, peers, budget, say)
    mine = Calls(workload.replicates)
    with frozen_garbage():
        # 3. Run all sides in turn.
        for number in range(runs):
            seconds, result = timed(lambda number=number: ours(network, edges, workload, number))
            mine.seconds.append(seconds)
            mine.means.append(result.reach.mean)
            sizes.extend(result.cascades["size"])
            for row, run in sides:
                _add_call(row, run, workload, number, seconds, runs, budget)
    # 4. Compare reach.
    for row, _ in sides:
        row.deviation, row.our_mean = float(np.std(sizes, ddof=1)), float(np.mean(sizes))
        row.our_replicates = len(sizes)
    return WorkloadRows(workload, first_call, mine, [row for row, _ in sides], left_out)


def _loaded(
    edges: Edges, workload: Workload, peers: list[str], budget: float, say: Say
) -> tuple[list[tuple[PeerRow, Run]], dict[str, str]]:
    sides, left_out = [], {}
    for name in peers:
        try:
            peer = load_peer(name)
        except ImportError as error:
            left_out[name] = f"is not installed ({error})"
            continue
        if reason := peer.unsuited(workload, edges):
            left_out[name] = reason
            continue
        loading, run = timed(partial(_prepared, peer, edges, workload))
        least = min(peer.least_replicates, workload.replicates)
        seconds, mean = _seconds_per_replicate(run, least, workload, budget)
        replicates = max(least, min(workload.replicates, int(budget / seconds)))
        row = PeerRow(peer, loading, Calls(replicates), slow=seconds * least > budget)
        if row.slow:  # so slow that the calibration call is used as a measurement
            row.calls.seconds.append(seconds * workload.replicates)
            row.calls.means.append(mean)
        say(f"  {name}: loaded in {loading:.1f} s, {seconds:.3g} s per replicate, {replicates:,} per call")
        sides.append((row, run))
    return sides, left_out


def _seconds_per_replicate(run: Run, least: int, workload: Workload, budget: float) -> tuple[float, float]:
    """Return the time of a replicate, from calls with increasing numbers, and the mean reach of the last call."""
    replicates = least
    seconds, mean = timed(partial(run, replicates, 10**6))
    while replicates < workload.replicates and 16 * seconds < budget:
        replicates = min(workload.replicates, 8 * replicates)
        seconds, mean = timed(partial(run, replicates, 10**6 + replicates))
    return seconds / replicates, mean


def _add_call(
    row: PeerRow, run: Run, workload: Workload, number: int, our_seconds: float, runs: int, budget: float
) -> None:
    """Add a call of the peer to pair with ours, unless it is slow and has used up its time."""
    calls = row.calls
    if len(row.ours) < len(calls.seconds):
        row.ours.append(our_seconds)
        return
    spent = sum(calls.seconds) * calls.replicates / workload.replicates
    if row.slow and spent * (1 + 1 / len(calls.seconds)) > runs * budget:
        return
    seconds, mean = timed(lambda: run(calls.replicates, number))
    calls.seconds.append(seconds * workload.replicates / calls.replicates)
    calls.means.append(mean)
    row.ours.append(our_seconds)

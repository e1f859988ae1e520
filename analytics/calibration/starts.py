"""Where simulated cascades start: at one seed set, or at the first agents of observed cascades."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.calibration.exposures import agents_in
from data.cascades.observed_cascades import ObservedCascades
from data.networks.network import Network
from propagation.jobs import Execution, run_sessions
from propagation.result import Result
from propagation.sessions import Session

SESSIONS_AT_ONCE = 20_000
"""Sessions that are in memory at a time."""


@dataclass(frozen=True)
class Starts:
    """The distinct seed sets from which cascades start.

    Attributes
    ----------
    seeds : tuple of tuple of int
        Dense ids of each seed set, ascending.
    seed_agents : tuple of tuple of str
        Their original ids.
    of_cascades : (cascades,) int64
        Position of the seed set of each cascade.
    """

    seeds: tuple[tuple[int, ...], ...]
    seed_agents: tuple[tuple[str, ...], ...]
    of_cascades: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.of_cascades)

    @property
    def identity(self) -> list[int] | str:
        """What tells them from others: the seeds, or a hash of those of several cascades."""
        if len(self) == 1:
            return list(self.seeds[0])
        text = json.dumps([self.seeds, self.of_cascades.tolist()])
        return hashlib.sha256(text.encode()).hexdigest()

    def sessions(self, base: Session, number: int) -> list[Session]:
        """Return variants of a session whose replicates are divided equally among the cascades' seed sets.

        If there are fewer replicates than cascades, each of them starts as one of a sample of the cascades, drawn
        without replacement from the session's random seed and `number`; no draw of sessions of another number is used.
        """
        each = base.replicates // len(self)
        if each:
            counts = each * np.bincount(self.of_cascades)
        else:
            draws = np.random.default_rng([base.random_seed, number])
            chosen = draws.choice(len(self), base.replicates, replace=False)
            counts = np.bincount(self.of_cascades[chosen])
        found, first = [], number * base.replicates
        for position in np.flatnonzero(counts).tolist():
            replicates = int(counts[position])
            found.append(
                replace(
                    base,
                    seeds=self.seeds[position],
                    seed_agents=self.seed_agents[position],
                    replicates=replicates,
                    first_replicate=first,
                )
            )
            first += replicates
        return found


def starts_of(network: Network, cascades: ObservedCascades, round_length: float | None = None) -> Starts:
    """Return the agents of round 0 of each observed cascade: those before `round_length`, or those of the first time.

    Raises
    ------
    InvalidInputError
        If an agent of the cascades is not in the network.
    """
    first = cascades.times == 0.0 if round_length is None else cascades.times < round_length
    agents, of = agents_in(network, cascades)[first], cascades.cascades[first]
    ends = np.cumsum(np.bincount(of, minlength=len(cascades)))[:-1]
    positions: dict[tuple[int, ...], int] = {}
    found = [positions.setdefault(tuple(sorted(own.tolist())), len(positions)) for own in np.split(agents, ends)]
    names = tuple(tuple(network.agent_ids.take(pa.array(own)).to_pylist()) for own in positions)
    return Starts(tuple(positions), names, np.array(found, np.int64))


def starts_at(session: Session) -> Starts:
    """Return the seed set of a session as the only one."""
    order = np.argsort(session.seeds)
    agents = tuple(session.seed_agents[place] for place in order)
    return Starts((tuple(sorted(session.seeds)),), (agents,), np.zeros(1, np.int64))


def simulated(
    network: Network, groups: Iterable[Sequence[Session]], replicates: int, execution: Execution
) -> Iterator[list[Result]]:
    """Simulate groups of sessions without publishing them; yield the results of each group.

    Many groups are simulated as one job, and `replicates` are expected of all of them.
    """
    before = 0

    def results(batch: list[Sequence[Session]]) -> Iterator[list[Result]]:
        def progress(stage: str, done: float, total: float) -> None:
            execution.progress(stage, before + done, max(replicates, total))

        sessions = [session for group in batch for session in group]
        found = run_sessions(network, sessions, replace(execution, progress=progress), publish=False)
        yield from ([found[each.session_id] for each in group] for group in batch)

    batch: list[Sequence[Session]] = []
    for group in groups:
        if batch and sum(map(len, batch)) + len(group) > SESSIONS_AT_ONCE:
            yield from results(batch)
            before += sum(session.replicates for each in batch for session in each)
            batch = []
        batch.append(group)
    if batch:
        yield from results(batch)

"""Exposures: who may have activated whom in observed cascades, along the edges of a network in memory."""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.calibration import kernels
from analytics.structure.agent_ranges import PER_THREAD, for_each, ranges
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from propagation.clusters import thread_count

if TYPE_CHECKING:
    from distributed import Client

    from data.networks.sparse_rows import SparseRows

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Partitions:
    """How targets are divided, and who works on their ranges; neither changes a value.

    Attributes
    ----------
    number : int, optional
        Ranges of targets; default: some for each thread.
    client : distributed.Client, optional
        Cluster to run on; default: threads of this process.
    """

    number: int | None = None
    client: "Client | None" = None

    def __post_init__(self) -> None:
        number = self.number
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise InvalidInputError(f"partitions {number!r} is not a whole number >= 1")

    def ranges(self, offsets: Counts) -> list[tuple[int, int]]:
        """Return ranges of targets with about as many in-edges each."""
        workers = None if self.client is None else PER_THREAD * thread_count(self.client)
        return ranges(offsets, self.number or workers)

    def shared(self, value: Any) -> Any:
        """Return a value as tasks take it: arrays are sent to the cluster once, not with every task."""
        if self.client is None or not isinstance(value, np.ndarray):
            return value
        return self.client.scatter(value, broadcast=True, hash=False)

    def run(self, kernel: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a kernel with each of some arguments."""
        if self.client is None:
            return for_each(kernel, calls)
        # Workers import the kernel: one that is sent would be compiled again.
        where = kernel.__module__, kernel.__name__
        futures = [self.client.submit(_called, *where, *given, pure=False) for given in calls]
        return list(self.client.gather(futures))


def _called(module: str, name: str, *given: Any) -> Any:
    """Call a function of a module, on a worker."""
    return getattr(importlib.import_module(module), name)(*given)


@dataclass(frozen=True)
class Exposures:
    """The activations of observed cascades by agent, beside the in-edges of a network.

    Attributes
    ----------
    network : Network
    offsets : (n + 1,) int64
        Start of each agent's in-edges.
    sources : (edges,) int32
        Source of each in-edge, by target.
    starts : (n + 1,) int64
        Start of each agent's activations.
    cascades : (n_activations,) int32
        Cascade of each activation, by agent and ascending.
    times : (n_activations,) float64
        Time since the first activation of the cascade.
    window : float
        Longest delay between an activation and one that it may have caused, in the unit of times.
    partitions : Partitions
    """

    network: Network
    offsets: Counts
    sources: npt.NDArray[np.int32]
    starts: Counts
    cascades: npt.NDArray[np.int32]
    times: Floats
    window: float
    partitions: Partitions

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        """What every kernel takes first."""
        given = (self.offsets, self.sources, self.starts, self.cascades, self.times, self.window)
        return tuple(self.partitions.shared(each) for each in given)

    def _by_edge(self, values: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[Any]:
        return values[self.offsets[low] : self.offsets[high]]

    def _by_activation(self, values: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[Any]:
        return values[self.starts[low] : self.starts[high]]

    def run(self, kernel: Callable[..., Any], *further: Any) -> list[Any]:
        """Run a kernel on all targets; arrays by edge or activation are cut to the range, others are passed."""
        given = [self.partitions.shared(each) for each in further]
        calls = [
            (*self._arrays, low, high, *(self._cut(each, low, high) for each in given))
            for low, high in self.partitions.ranges(self.offsets)
        ]
        return self.partitions.run(kernel, calls)

    def _cut(self, given: Any, low: int, high: int) -> Any:
        if isinstance(given, ByEdge):
            return self._by_edge(given.values, low, high)
        return self._by_activation(given.values, low, high) if isinstance(given, ByActivation) else given

    @cached_property
    def _counts(self) -> tuple[Counts, Counts, Counts]:
        parts = self.run(kernels.count_exposures)
        possible, failures, causes = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return possible, failures, causes

    @property
    def possible(self) -> Counts:
        """Cascades in which the source may have activated the target, by in-edge."""
        return self._counts[0]

    @property
    def failures(self) -> Counts:
        """Cascades in which the source was active and did not activate the target, by in-edge."""
        return self._counts[1]

    @property
    def causes(self) -> Counts:
        """In-neighbours that may have caused each activation, in the order of `cascades`."""
        return self._counts[2]

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Target of each in-edge."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def first_activations(self) -> int:
        """Activations at the beginning of their cascade: seeds, which nobody caused."""
        return int((self.times == 0.0).sum())

    @property
    def explained(self) -> int:
        """Activations that an in-neighbour may have caused."""
        return int((self.causes > 0).sum())

    @property
    def unexplained(self) -> int:
        """Activations after the beginning of their cascade that no in-neighbour can have caused."""
        return len(self.times) - self.first_activations - self.explained

    def in_edge_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values of the network's edges, in the order of its sparse rows, by in-edge."""
        return np.asarray(values)[self._transposed.edges]

    def in_network_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values by in-edge in the order of the network's sparse rows."""
        ordered = np.empty_like(values)
        ordered[self._transposed.edges] = values
        return ordered

    @property
    def _transposed(self) -> "SparseRows":
        return self.network.transpose


@dataclass(frozen=True)
class ByEdge:
    """An array by in-edge, of which each range of targets gets its own part."""

    values: npt.NDArray[Any]


@dataclass(frozen=True)
class ByActivation:
    """An array by activation, of which each range of targets gets its own part."""

    values: npt.NDArray[Any]


def exposures(
    network: Network, cascades: ObservedCascades, window: float | None = None, partitions: Partitions | None = None
) -> Exposures:
    """Return the exposures of a network's edges in observed cascades.

    The network and the cascades are in memory.

    Raises
    ------
    InvalidInputError
        If the window is not positive, or an agent of the cascades is not in the network.
    """
    check_network(network)
    check_cascades(cascades)
    if window is not None and not (isinstance(window, int | float | np.number) and window > 0):
        raise InvalidInputError(
            f"window {window!r} is not a positive number of {cascades.time_unit}; leave it out to let any earlier "
            "activation be a cause"
        )
    agents = agents_in(network, cascades)
    order = np.lexsort((cascades.cascades, agents))
    counts = np.bincount(agents, minlength=network.n_ids)
    rows = network.transpose
    return Exposures(
        network=network,
        offsets=np.asarray(rows.offsets),
        sources=np.asarray(rows.targets),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cascades=cascades.cascades[order].astype(np.int32),
        times=cascades.times[order].astype(np.float64),
        window=np.inf if window is None else float(window),
        partitions=partitions or Partitions(),
    )


def check_network(network: Any) -> None:
    """Raise InvalidInputError if what should be a network is something else, such as its name."""
    if not isinstance(network, Network):
        raise InvalidInputError(f"network {network!r} is not a Network; load it with warehouse.network(NAME)")


def check_cascades(cascades: Any) -> None:
    """Raise InvalidInputError if what should be observed cascades is something else, such as their name."""
    if not isinstance(cascades, ObservedCascades):
        raise InvalidInputError(
            f"cascades {cascades!r} are not ObservedCascades; load them with warehouse.cascades(NAME)"
        )


def agents_in(network: Network, cascades: ObservedCascades) -> npt.NDArray[np.int64]:
    """Return the dense id of each activation's agent in a network.

    Raises
    ------
    InvalidInputError
        If one of them is not in the network.
    """
    if cascades.snapshot_id == network.snapshot_id:
        return cascades.agents.astype(np.int64)
    used = np.unique(cascades.agents)
    names = cascades.agent_ids.take(pa.array(used)).to_pylist()
    known = network.known_ids(names)
    if missing := [name for name in names if name not in known]:
        raise InvalidInputError(
            f"{len(missing):,} of {len(names):,} agents of cascades {cascades.name!r} are not in network "
            f"{network.network_id!r}, such as {missing[0]!r}; import the cascades with this network, which leaves "
            "their rows out and counts them"
        )
    place = np.full(int(used.max(initial=0)) + 1, -1, np.int64)
    place[used] = [known[name] for name in names]
    return place[cascades.agents]


def fingerprint(network: Network, cascades: ObservedCascades) -> str:
    """Return a hash of the activations that cascades have in a network, whatever set they were chosen from."""
    digest = hashlib.sha256(f"{network.snapshot_id};{cascades.time_unit};".encode())
    for array in (cascades.offsets, agents_in(network, cascades), cascades.times.astype(np.float64)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

"""Edge probabilities: the schemes by which an independent cascade weighs its edges.

Every scheme is a pure function of a block of edges, so that the compiled plans and the reference plan, whole networks
and single partitions, compute the very same numbers.
"""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.snapshots import Network
from data.sparse_rows import mapped_arrays, save_array
from propagation.draws import DRAWS_VERSION, Purpose, chances, edge_hashes, stream

Scheme = Literal["weighted_cascade", "trivalency", "column"]
TRIVALENCY_VALUES = (0.1, 0.01, 0.001)
CHANCE_SHIFT = 31
"""Bits of a word that hold the destination; the 33 above hold the chance."""
PROFILE_CLASSES = 512
_BLOCK = 1_000_000


@dataclass(frozen=True)
class EdgeBlock:
    """Some edges, and what schemes may ask about them.

    Attributes
    ----------
    src, dst : (k,) int64 or int32
        Dense ids of the endpoints.
    in_degree : (n_agents,) int64
        In-degree of every agent of the network.
    values : (k,) float64 or None
        The edge attribute that the scheme ``column`` reads.
    """

    src: npt.NDArray[np.integer]
    dst: npt.NDArray[np.integer]
    in_degree: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64] | None = None


def constant(edges: EdgeBlock, probability: float) -> npt.NDArray[np.float64]:
    """Return the same probability for every edge."""
    return np.full(len(edges.dst), probability)


def weighted_cascade(edges: EdgeBlock) -> npt.NDArray[np.float64]:
    """Return 1 / in_degree(dst) (Kempe, Kleinberg, Tardos 2003, section 5)."""
    return 1.0 / edges.in_degree[edges.dst]


def trivalency(edges: EdgeBlock, random_seed: int) -> npt.NDArray[np.float64]:
    """Return 0.1, 0.01 or 0.001, drawn once per edge (Chen, Wang, Wang 2010); all replicates share it."""
    hashes = edge_hashes(stream(random_seed, Purpose.TRIVALENCY), edges.src, edges.dst)
    return np.array(TRIVALENCY_VALUES)[(hashes >> np.uint64(32)) * np.uint64(3) >> np.uint64(32)]


def column(edges: EdgeBlock) -> npt.NDArray[np.float64]:
    """Return the network's own probabilities, from an edge attribute."""
    assert edges.values is not None, "the scheme column needs the attribute's values"
    return edges.values


def edge_probabilities(probability: float | str, edges: EdgeBlock, random_seed: int) -> npt.NDArray[np.float64]:
    """Return the transmission probability of each edge, (k,) float64 in [0, 1].

    Parameters
    ----------
    probability : float or str
        A constant, or a scheme: ``weighted_cascade``, ``trivalency``, ``column`` or ``column:NAME``.
    edges : EdgeBlock
    random_seed : int
        Decides the draws of ``trivalency``.
    """
    if not isinstance(probability, str):
        return constant(edges, probability)
    if probability == "weighted_cascade":
        return weighted_cascade(edges)
    if probability == "trivalency":
        return trivalency(edges, random_seed)
    return column(edges)


def probability_column(probability: float | str, network: Network) -> str | None:
    """Return the edge attribute that a scheme reads, or None if it reads none.

    Raises
    ------
    InvalidInputError
        If the scheme is ``column`` and the network names no probability column, or not this one.
    """
    if not isinstance(probability, str) or probability.partition(":")[0] != "column":
        return None
    name = probability.partition(":")[2] or network.row["probability_column"]
    if not name:
        raise InvalidInputError(
            f"probability 'column': network {network.network_id!r} names no probability column; import it with "
            "--probability NAME, or give 'column:NAME'"
        )
    if name not in network.row["edge_attributes"]:
        known = ", ".join(network.row["edge_attributes"]) or "none"
        raise InvalidInputError(f"network {network.network_id!r} has no edge column {name!r} (columns: {known})")
    return str(name)


def check_probabilities(probability: float | str, network: Network) -> None:
    """Raise InvalidInputError unless every probability the scheme reads from `network` is in [0, 1]."""
    name = probability_column(probability, network)
    if name is None or name == network.row["probability_column"]:  # the latter was checked at import
        return
    values = network.edge_values(name)
    bad = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
    if len(bad):
        raise InvalidInputError(
            f"edge column {name!r} of network {network.network_id!r} holds {float(values[bad[0]])!r}; "
            "a probability must be in [0, 1]"
        )


@dataclass(frozen=True)
class AttemptRows:
    """Out-edges with their chances, laid out so that one edge is one load.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Where each agent's row begins.
    words : (m,) uint64
        Destination in the low 31 bits, ``ceil(p * 2**32)`` in the 33 bits above; zero there if all edges share `base`.
    base : int
        Chance added to every edge's own.
    profile : (k, 4) float64
        Agents in k classes of like in-chance, hubs in small ones: number of agents, mean sum of in-probabilities,
        sum of out-probabilities, sum of out-degrees. What the planner estimates cascades from.
    """

    offsets: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]
    base: int
    profile: npt.NDArray[np.float64]

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.offsets.nbytes + self.words.nbytes


@functools.lru_cache(maxsize=8)
def attempt_rows(network: Network, probability: float | str, random_seed: int) -> AttemptRows:
    """Return the network's out-edges with their chances, mapped from the cache folder and built there at first use.

    Parameters
    ----------
    network : Network
    probability : float or str
        As in `edge_probabilities`.
    random_seed : int
        Decides the draws of ``trivalency``.
    """
    is_constant = not isinstance(probability, str)
    name = "constant" if is_constant else _cache_name(str(probability), network, random_seed)
    words, profile = mapped_arrays(
        network.cache_folder / f"words-{name}",
        ["words", "profile"],
        lambda folder: _build_words(folder, network, None if is_constant else probability, random_seed),
    )
    scale = float(probability) if is_constant else 1.0
    base = int(chances(scale)) if is_constant else 0
    scaled = np.asarray(profile, np.float64) * [1.0, scale, scale, 1.0]
    return AttemptRows(network.sparse_rows.offsets, words.view(np.uint64), base, scaled)


def _cache_name(probability: str, network: Network, random_seed: int) -> str:
    if probability == "trivalency":
        return f"trivalency-{DRAWS_VERSION}-{random_seed}"
    name = probability_column(probability, network)
    return "weighted_cascade" if name is None else f"column-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def edge_blocks(network: Network, probability: float | str, size: int = _BLOCK) -> Iterator[tuple[slice, EdgeBlock]]:
    """Yield the network's edges in the order of its sparse rows, `size` at a time."""
    rows, in_degree = network.sparse_rows, network.in_degree
    name = probability_column(probability, network)
    values = None if name is None else network.edge_values(name)
    for start in range(0, rows.n_edges, size):
        where = slice(start, min(start + size, rows.n_edges))
        src = np.searchsorted(rows.offsets, np.arange(where.start, where.stop), side="right") - 1
        yield where, EdgeBlock(src, rows.targets[where], in_degree, None if values is None else values[where])


def _build_words(folder: Path, network: Network, scheme: float | str | None, random_seed: int) -> None:
    """Write words and profile; without a scheme, words hold no chance and the profile counts every edge as 1."""
    words = np.empty(network.n_edges, np.uint64)
    in_sum, out_sum = np.zeros(network.n_agents), np.zeros(network.n_agents)
    for where, edges in edge_blocks(network, 0.0 if scheme is None else scheme):
        p = np.ones(len(edges.dst)) if scheme is None else edge_probabilities(scheme, edges, random_seed)
        chance = np.zeros(len(p), np.uint64) if scheme is None else chances(p).astype(np.uint64)
        words[where] = (chance << np.uint64(CHANCE_SHIFT)) | edges.dst.astype(np.uint64)
        in_sum += np.bincount(edges.dst, p, network.n_agents)
        out_sum += np.bincount(edges.src, p, network.n_agents)
    save_array(folder, "words", words)
    save_array(folder, "profile", _profile(in_sum, out_sum, network.out_degree))


def _profile(
    in_sum: npt.NDArray[np.float64], out_sum: npt.NDArray[np.float64], out_degree: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    order = np.argsort(-in_sum, kind="stable")
    starts = np.unique(np.geomspace(1, len(order) + 1, PROFILE_CLASSES).astype(np.int64))[:-1] - 1
    agents, total_in, total_out, degree = (
        np.add.reduceat(values[order], starts)
        for values in (np.ones(len(order)), in_sum, out_sum, out_degree.astype(np.float64))
    )
    return np.stack([agents, total_in / agents, total_out, degree], axis=1)

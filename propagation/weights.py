"""Edge weights: the schemes that give each edge its transmission probability or influence weight.

Every scheme is a pure function of the edges, so that all plans, on whole networks or single partitions, compute
identical numbers.
"""

import contextlib
import functools
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError, UnfitModelError
from data.networks.network import Network
from data.networks.sparse_rows import forget_pages, mapped_arrays, save_array, save_blocks
from data.validation import suggestion
from propagation.draws import DRAWS_VERSION, Purpose, chances, edge_hashes, stream

TRIVALENCY_VALUES = (0.1, 0.01, 0.001)
CHANCE_SHIFT = 31
"""Bits of a word that hold the destination; the 33 above hold the chance."""
PROFILE_CLASSES = 512
STRENGTH_IF_ANY = "strength if any"
"""Scheme: the network's strength column, or 1 for every edge if it has none."""
BLOCKED_SETS = 4
"""Sets of blocked agents whose edges a process keeps at a time."""
_BLOCK = 1_000_000


@dataclass(frozen=True)
class EdgeWeights:
    """Scheme of the edges' values: transmission probabilities or influence weights.

    A value is the product of its factors, in this order, capped at 1.

    Attributes
    ----------
    scheme : float or str
        A constant, ``weighted_cascade``, ``trivalency``, ``strength``, ``column`` or ``column:NAME``.
    strength : str or None
        A further edge column: ``strength``, ``column`` or ``column:NAME``, values >= 0.
    susceptibility, activity : str or None
        Agent columns, values >= 0: of the target, and of the source.
    normalised : bool
        Whether the scheme's values are divided by their sum over the in-edges of the target.
    parameter : str
        Name of the model's parameter, for error messages.
    """

    scheme: float | str
    strength: str | None = None
    susceptibility: str | None = None
    activity: str | None = None
    normalised: bool = False
    parameter: str = "probability"

    @property
    def is_uniform(self) -> bool:
        """Whether all edges have the same value."""
        others = (self.strength, self.susceptibility, self.activity)
        return not isinstance(self.scheme, str) and not self.normalised and others == (None, None, None)

    @property
    def _constant(self) -> float:
        return 1.0 if isinstance(self.scheme, str) else float(self.scheme)

    def columns(self, network: Network) -> list[str]:
        """Return the names of the edge attributes that the scheme reads.

        Raises
        ------
        InvalidInputError
            If the network lacks one of them.
        """
        asked = ((self.parameter, self.scheme), ("strength", self.strength))
        names = [_edge_column(network, parameter, value) for parameter, value in asked]
        return list(dict.fromkeys(name for name in names if name is not None))

    def check(self, network: Network) -> None:
        """Raise UnfitModelError unless every column that the scheme reads exists and holds values in its range."""
        with _asked_by(self.parameter):
            name = _edge_column(network, self.parameter, self.scheme)
            if name is not None and name != network.row["probability_column"]:  # that one was checked at import
                _check_values(network, name, None if self.normalised else 1.0)
        with _asked_by("strength"):
            if (name := _edge_column(network, "strength", self.strength)) is not None:
                _check_values(network, name, None)
        for parameter in ("susceptibility", "activity"):
            if (column := getattr(self, parameter)) is not None:
                check_agent_column(network, parameter, column)

    def values(
        self,
        network: Network,
        src: npt.NDArray[np.integer],
        dst: npt.NDArray[np.integer],
        columns: Mapping[str, npt.NDArray[np.float64]],
        random_seed: int,
    ) -> npt.NDArray[np.float64]:
        """Return the values of some edges, (k,) float64 in [0, 1].

        Parameters
        ----------
        network : Network
        src, dst : (k,) int
            Dense ids of the endpoints.
        columns : mapping
            The edge attributes named by `columns`, (k,) float64 each.
        random_seed : int
            Decides the draws of ``trivalency``.
        """
        name = _edge_column(network, self.parameter, self.scheme)
        if name is not None:
            numbers = columns[name]
        elif not isinstance(self.scheme, str) or self.scheme == STRENGTH_IF_ANY:
            numbers = np.full(len(dst), self._constant)
        elif self.scheme == "weighted_cascade":
            numbers = weighted_cascade(dst, network.in_degree)
        else:
            numbers = trivalency(src, dst, random_seed)
        if self.normalised:
            sums = network.in_degree * self._constant if name is None else _in_sums(network, name)
            numbers = np.divide(numbers, sums[dst], out=np.zeros(len(dst)), where=sums[dst] > 0)
        if self.strength is not None:
            numbers = numbers * columns[str(_edge_column(network, "strength", self.strength))]
        if self.susceptibility is not None:
            numbers = numbers * agent_column(network, self.susceptibility)[dst]
        if self.activity is not None:
            numbers = numbers * agent_column(network, self.activity)[src]
        return np.minimum(numbers, 1.0)


ONE_EACH = EdgeWeights(2.0**-32, parameter="weight")
"""Every edge counts one."""


def weighted_cascade(dst: npt.NDArray[np.integer], in_degree: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return 1 / in_degree(dst) (Kempe, Kleinberg, Tardos 2003, section 5)."""
    return 1.0 / in_degree[dst]


def trivalency(src: npt.NDArray[np.integer], dst: npt.NDArray[np.integer], random_seed: int) -> npt.NDArray[np.float64]:
    """Return 0.1, 0.01 or 0.001, drawn once per edge (Chen, Wang, Wang 2010); all replicates share it."""
    hashes = edge_hashes(stream(random_seed, Purpose.TRIVALENCY), src, dst)
    return np.array(TRIVALENCY_VALUES)[(hashes >> np.uint64(32)) * np.uint64(3) >> np.uint64(32)]


def _edge_column(network: Network, parameter: str, asked: float | str | None) -> str | None:
    """Return the edge attribute that a scheme reads, or None if it reads none."""
    if not isinstance(asked, str) or asked in {"weighted_cascade", "trivalency"}:
        return None
    if asked == STRENGTH_IF_ANY:
        return cast("str | None", network.row["strength_column"])
    role = "strength" if asked == "strength" or parameter == "strength" else "probability"
    name = asked.partition(":")[2] or network.row[f"{role}_column"]
    if not name:
        raise InvalidInputError(
            f"{asked!r} asks for the {role} column, and network {network.network_id!r} names none; import it with "
            f"--{role} NAME, or give column:NAME (columns: {_known(network, 'edge')})"
        )
    if name not in network.row["edge_attributes"]:
        raise InvalidInputError(_no_column(network, "edge", name))
    return str(name)


@contextlib.contextmanager
def _asked_by(parameter: str) -> Iterator[None]:
    """Turn InvalidInputError into UnfitModelError that names the model's parameter."""
    try:
        yield
    except InvalidInputError as error:
        raise UnfitModelError(f"{parameter}: {error}", parameter) from None


def _known(network: Network, kind: str) -> str:
    return ", ".join(network.row[f"{kind}_attributes"]) or "none"


def _no_column(network: Network, kind: str, name: str) -> str:
    """Return an error message for a missing column: the columns that exist, and how to import one."""
    nearest = suggestion(name, network.row[f"{kind}_attributes"])
    there = f"network {network.network_id!r} has no {kind} column {name!r}{nearest} (columns: {_known(network, kind)})"
    if kind == "edge":
        return f"{there}; choose another, or import the network with --columns source,target,{name}"
    if network.row["agent_attributes"]:
        return f"{there}; choose another, or import the network again with such a column in the file of --agents"
    return f"{there}; import the network with --agents FILE, a table of agents with such a column"


def _check_values(network: Network, name: str, most: float | None) -> None:
    if (bad := _first_outside(network, "edge", name, most)) is not None:
        raise InvalidInputError(
            f"edge column {name!r} of network {network.network_id!r} holds {float(network.edge_values(name)[bad])!r}; "
            f"each number must be {_rule(most)}"
        )


@functools.lru_cache(maxsize=64)
def _first_outside(network: Network, kind: str, name: str, most: float | None) -> int | None:
    """Return the position of the first number of a column outside [0, most]; looked for once for many sessions."""
    values = network.edge_values(name) if kind == "edge" else agent_column(network, name)
    outside = np.flatnonzero(~((values >= 0.0) & (values <= (np.finfo(np.float64).max if most is None else most))))
    return int(outside[0]) if len(outside) else None


def agent_column(network: Network, name: str) -> npt.NDArray[np.float64]:
    """Return a numeric agent attribute by dense id, (n_ids,) float64, as `Network.agent_values`; 0 for reserved ids."""
    return _agent_values(network, name)


@functools.lru_cache(maxsize=16)
def _agent_values(network: Network, name: str) -> npt.NDArray[np.float64]:
    values = network.agent_values(name)
    values[network.reserved] = 0.0
    return values


def _rule(most: float | None) -> str:
    return "a finite number >= 0" if most is None else f"in [0, {most:g}]"


def check_agent_column(network: Network, parameter: str, name: str, most: float | None = None) -> None:
    """Raise UnfitModelError unless the agent column `name` is there and holds numbers >= 0, and <= `most`."""
    with _asked_by(parameter):
        _check_agent_values(network, name, most)


def _check_agent_values(network: Network, name: str, most: float | None) -> None:
    if name not in network.row["agent_attributes"]:
        raise InvalidInputError(_no_column(network, "agent", name))
    if (bad := _first_outside(network, "agent", name, most)) is not None:
        agent, value = network.agent_ids[bad].as_py(), float(agent_column(network, name)[bad])
        raise InvalidInputError(
            f"agent column {name!r} of network {network.network_id!r} holds {value!r} for agent {agent!r}; each number "
            f"must be {_rule(most)}"
        )


@functools.lru_cache(maxsize=8)
def _in_sums(network: Network, name: str) -> npt.NDArray[np.float64]:
    """Return the sum of an edge attribute over each agent's in-edges, added in ascending order of source."""
    sums = np.zeros(network.n_ids)
    np.add.at(sums, network.sparse_rows.targets, network.edge_values(name))
    return sums


@functools.lru_cache(maxsize=64)
def largest_in_sum(network: Network, weights: EdgeWeights, random_seed: int) -> tuple[int, float]:
    """Return the agent whose in-edges have the largest sum of weights, and that sum."""
    sums = np.zeros(network.n_ids)
    for _, _, dst, values in weighted_blocks(network, weights, random_seed):
        np.add.at(sums, dst, values)
    agent = int(np.argmax(sums))
    return agent, float(sums[agent])


@dataclass(frozen=True)
class AttemptRows:
    """Out-edges with their chances in compressed sparse rows, one 64-bit word per edge, so that an edge is one load.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Where each agent's row begins.
    words : (m,) uint64
        Destination in the low 31 bits, ``ceil(p * 2**32)`` in the 33 bits above; zero there if all edges share `base`.
    base : int
        Chance added to every edge's own.
    profile : (k, 4) float64
        Agents grouped into k classes of similar in-probability, the highest in the smallest classes: number of agents,
        mean sum of in-probabilities, sum of out-probabilities, sum of out-degrees. Input of the planner's mean field.
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


@functools.lru_cache(maxsize=64)
def attempt_rows(network: Network, weights: EdgeWeights, random_seed: int) -> AttemptRows:
    """Return the network's out-edges with their chances, mapped from the cache folder and built there at first use.

    Parameters
    ----------
    network : Network
    weights : EdgeWeights
        Scheme of the chances.
    random_seed : int
        Decides the draws of ``trivalency``.
    """
    words, profile = _mapped_words(
        network, None if weights.is_uniform else weights, random_seed if weights.scheme == "trivalency" else 0
    )
    scale = min(float(weights.scheme), 1.0) if weights.is_uniform else 1.0
    base = int(chances(scale)) if weights.is_uniform else 0
    return AttemptRows(network.sparse_rows.offsets, words, base, profile * [1.0, scale, scale, 1.0])


@functools.lru_cache(maxsize=BLOCKED_SETS)
def blocked_rows(
    network: Network,
    weights: EdgeWeights,
    random_seed: int,
    blocked: tuple[int, ...],
    blocked_edges: tuple[tuple[int, int], ...] = (),
) -> AttemptRows:
    """Return `attempt_rows` in which blocked edges, and edges into blocked agents, have chance 0.

    Words lie in a file without a name, which is gone once they are no longer used: there may be thousands of sets of
    blocked agents, and networks larger than memory. The profile is that of the network.
    """
    rows = attempt_rows(network, weights, random_seed)
    if not len(rows.words):
        return rows
    is_blocked = np.zeros(network.n_ids, bool)
    is_blocked[list(blocked)] = True
    shift, destination = np.uint64(CHANCE_SHIFT), np.uint64((1 << CHANCE_SHIFT) - 1)
    with tempfile.TemporaryFile(dir=network.cache_folder) as file:
        words = np.memmap(file, np.uint64, "w+", shape=rows.words.shape)
    for start in range(0, len(words), _BLOCK):
        where = slice(start, start + _BLOCK)
        dst, own = rows.words[where] & destination, (rows.words[where] >> shift) + np.uint64(rows.base)
        words[where] = np.where(is_blocked[dst], 0, own << shift) | dst
        forget_pages(rows.words[where])
    if blocked_edges:
        words[network.sparse_rows.positions(*np.array(blocked_edges).T)] &= destination
    found = np.asarray(words)
    found.flags.writeable = False
    return AttemptRows(rows.offsets, found, 0, rows.profile)


@functools.lru_cache(maxsize=8)
def _mapped_words(
    network: Network, weights: EdgeWeights | None, random_seed: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Return words and profile of an `AttemptRows`, memory-mapped; one mapping serves all uniform schemes.

    Mapping is cached, because the page faults of a new mapping can cost more than a small job.
    """
    name = "constant" if weights is None else cache_name(weights, random_seed)
    words, profile = mapped_arrays(
        network.cache_folder / f"words-{name}",
        ["words", "profile"],
        lambda folder: _build_words(folder, network, weights, random_seed),
    )
    return words.view(np.uint64), np.asarray(profile, np.float64)


def cache_name(weights: EdgeWeights, random_seed: int) -> str:
    """Return a name for arrays that depend on a scheme and, if it is ``trivalency``, on the random seed."""
    what = repr(weights)
    if weights.scheme == "trivalency":
        what += f" {DRAWS_VERSION} {random_seed}"
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def weighted_blocks(
    network: Network, weights: EdgeWeights | None, random_seed: int, size: int = _BLOCK
) -> Iterator[tuple[slice, npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]]:
    """Yield the network's edges in the order of its sparse rows, `size` at a time: where, src, dst, number."""
    rows = network.sparse_rows
    columns = {name: network.edge_values(name) for name in (weights.columns(network) if weights else ())}
    for start in range(0, rows.n_edges, size):
        where = slice(start, min(start + size, rows.n_edges))
        src = rows.sources(where.start, where.stop)
        dst = rows.targets[where]
        block = {name: values[where] for name, values in columns.items()}
        values = np.ones(len(dst)) if weights is None else weights.values(network, src, dst, block, random_seed)
        yield where, src, dst, values


def _build_words(folder: Path, network: Network, weights: EdgeWeights | None, random_seed: int) -> None:
    """Write words and profile; without weights, words hold no chance and the profile counts every edge as 1.

    Memory is proportional to the number of agents: words are written block by block, and pages that were read are
    released.
    """
    in_sum, out_sum = np.zeros(network.n_ids), np.zeros(network.n_ids)

    def words() -> Iterator[npt.NDArray[np.uint64]]:
        for _, src, dst, p in weighted_blocks(network, weights, random_seed):
            np.add.at(in_sum, dst, p)
            out_sum[src[0] : src[-1] + 1] += np.bincount(src - src[0], p)
            chance = np.zeros(len(p), np.uint64) if weights is None else chances(p).astype(np.uint64)
            yield (chance << np.uint64(CHANCE_SHIFT)) | dst.astype(np.uint64)
            forget_pages(network.sparse_rows.targets)

    save_blocks(folder, "words", np.uint64, (network.n_edges,), words())
    save_array(folder, "profile", _profile(*map(network.of_agents, (in_sum, out_sum, network.out_degree))))


def _profile(
    in_sum: npt.NDArray[np.float64], out_sum: npt.NDArray[np.float64], out_degree: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    order = np.argsort(-in_sum, kind="stable")
    starts = np.unique(np.geomspace(1, len(order) + 1, PROFILE_CLASSES).astype(np.int64))[:-1] - 1
    agents = np.diff(starts, append=len(order)).astype(np.float64)
    total_in, total_out = (np.add.reduceat(values[order], starts) for values in (in_sum, out_sum))
    degree = np.add.reduceat(out_degree[order], starts).astype(np.float64)
    return np.stack([agents, total_in / agents, total_out, degree], axis=1)

"""Communities by label propagation (CDLP): agents repeatedly take the most frequent label of their neighbours."""

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from analytics.structure.agent_ranges import for_each, ranges, threads
from data.errors import InvalidInputError
from data.networks.network import Network

ROUNDS = 10
"""Rounds of label propagation, unless others are asked for."""


def label_propagation(
    network: Edges, *, rounds: int = ROUNDS, initial: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Return the label of every agent after some rounds of synchronous label propagation.

    A compiled kernel of Rumormill; the network is in memory. Every agent starts with a label of its own. In each round
    all agents at once take the label that is most frequent among their neighbours, the smallest of several; a neighbour
    with edges in both directions counts twice. This is LDBC Graphalytics' definition (CDLP).

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    rounds : int
        Most rounds; it ends earlier when no label changes.
    initial : (n,) int64, optional
        Labels at the start, by dense id, which decide ties; default: the agents' numbers. `ranks_by_id` gives labels
        in the order of the agents' original ids, as Graphalytics compares them.

    Returns
    -------
    (n,) int64
        One of the initial labels, by dense id.

    Raises
    ------
    InvalidInputError
        If `rounds` is negative, or there are not as many labels as agents.

    References
    ----------
    Raghavan, Albert, Kumara (2007), Near linear time algorithm to detect community structures in large-scale networks.
    Iosup et al. (2016), LDBC Graphalytics.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> path = SparseRows(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], np.int32))
    >>> label_propagation(path, rounds=2, initial=np.array([7, 8, 9])).tolist()
    [7, 8, 7]
    """
    edges = Adjacency.of(network)
    if rounds < 0:
        raise InvalidInputError(f"rounds {rounds} is negative; the usual number is {ROUNDS}")
    names = np.arange(edges.n_agents) if initial is None else np.asarray(initial, np.int64)
    if len(names) != edges.n_agents:
        raise InvalidInputError(f"{len(names):,} initial labels for {edges.n_agents:,} agents; give one for each")
    # Labels are numbered in their order, so that counts fit an array and the smallest number is the smallest label.
    distinct, codes = np.unique(names, return_inverse=True)
    labels = codes.astype(np.int32)
    out, into = edges.out_edges, edges.in_edges
    parts = ranges(out.offsets + into.offsets, threads())
    counts = [np.zeros(len(distinct), np.int32) for _ in parts]
    for _ in range(rounds):
        new = np.empty_like(labels)
        rows = (out.offsets, out.targets, into.offsets, into.targets, labels, new)
        if not sum(for_each(_most_frequent, ((*rows, *part, counts[number]) for number, part in enumerate(parts)))):
            break
        labels = new
    return distinct[labels]


def ranks_by_id(network: Network) -> npt.NDArray[np.int64]:
    """Return the rank of every agent's original id, (n,) int64 by dense id: numbers by value, else by code point."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from data.networks.numbering import original_order

    ids = network.agent_ids.drop_null()
    try:
        return original_order(pc.cast(ids, pa.int64()))
    except pa.ArrowInvalid:
        return original_order(ids)


@numba.njit(nogil=True, cache=True)
def _most_frequent(  # type: ignore[no-untyped-def]
    out_offsets, out, in_offsets, into, labels, new, first, last, counts
):
    """Set the new labels of a range of agents; return how many differ. `counts` is zero before and after."""
    changed = 0
    for agent in range(first, last):
        best, most = labels[agent], 0
        for edge in range(out_offsets[agent], out_offsets[agent + 1]):
            label = labels[np.uint32(out[edge])]
            counts[label] += 1
            if counts[label] > most or (counts[label] == most and label < best):
                best, most = label, counts[label]
        for edge in range(in_offsets[agent], in_offsets[agent + 1]):
            label = labels[np.uint32(into[edge])]
            counts[label] += 1
            if counts[label] > most or (counts[label] == most and label < best):
                best, most = label, counts[label]
        for edge in range(out_offsets[agent], out_offsets[agent + 1]):
            counts[labels[np.uint32(out[edge])]] = 0
        for edge in range(in_offsets[agent], in_offsets[agent + 1]):
            counts[labels[np.uint32(into[edge])]] = 0
        new[agent] = best
        changed += best != labels[agent]
    return changed

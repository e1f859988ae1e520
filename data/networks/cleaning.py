"""Cleaning: reduce a raw edge list to distinct edges without self-loops, and account for every rejected row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import EdgeListError, TooManyRejectsError
from data.networks.edge_lists import DuplicatePolicy, EdgeList, ImportOptions
from data.networks.numeric_types import is_numeric, plain_numbers
from data.networks.sparse_rows import pair_order


@dataclass(frozen=True)
class CleanEdges:
    """Distinct directed edges without self-loops, and what was rejected.

    Attributes
    ----------
    source, target : (k,) int32
        Codes of the endpoints, as in the edge list.
    attributes : pyarrow.Table
        k rows.
    self_loops, duplicates : (...) int64
        Ordinals of the rejected edges, ascending.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    attributes: pa.Table
    self_loops: npt.NDArray[np.int64]
    duplicates: npt.NDArray[np.int64]


def clean_edges(edges: EdgeList, options: ImportOptions) -> CleanEdges:
    """Remove self-loops and duplicates, and add the reverses of undirected edges.

    Raises
    ------
    EdgeListError
        If there is a duplicate and ``duplicates="error"``.
    """
    n = len(edges.agent_ids)
    is_loop = edges.source == edges.target
    self_loops = np.flatnonzero(is_loop)
    kept = np.flatnonzero(~is_loop) if len(self_loops) else np.arange(len(edges))
    # Stable order by (source, target): of equal pairs, the first in the source comes first.
    order = kept[pair_order(edges.source[kept], edges.target[kept], n)]
    first = _first_of_pairs(edges.source[order], edges.target[order])
    duplicates = np.sort(order[~first])
    if options.duplicates == "error" and len(duplicates):
        raise _duplicate_error(edges, int(duplicates[0]))
    distinct = order[first]
    attributes = _merged_attributes(edges.edge_attributes, order, first, options)
    source, target = edges.source[distinct], edges.target[distinct]
    reversible = np.ones(len(source), np.bool_) if options.undirected else _merged_ways(edges, order, first)
    if reversible is not None:
        source, target, attributes = _with_reverses(source, target, attributes, reversible, n)
    return CleanEdges(source, target, attributes, self_loops, duplicates)


def _first_of_pairs(source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    first = np.ones(len(source), bool)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    return first


def _duplicate_error(edges: EdgeList, ordinal: int) -> EdgeListError:
    ends = [edges.agent_ids[int(codes[ordinal])].as_py() for codes in (edges.source, edges.target)]
    return EdgeListError(
        f"{edges.description}, line {edges.lines_of(np.array([ordinal]))[0]}: edge {ends[0]} -> {ends[1]} is a "
        "duplicate; use --duplicates first, sum or max to allow repeated edges"
    )


def _merged_attributes(
    attributes: pa.Table, order: npt.NDArray[np.int64], first: npt.NDArray[np.bool_], options: ImportOptions
) -> pa.Table:
    """Return the attributes of distinct edges: the first row's, or the sum or maximum of numbers over equal rows."""
    if not attributes.num_columns:
        return attributes
    if options.duplicates in {"first", "error"} or first.all():
        return attributes.take(pa.array(order[first]))
    group = np.cumsum(first) - 1
    starts = pa.array(np.flatnonzero(first))
    merged = {}
    for column in attributes.column_names:
        values = attributes[column].take(pa.array(order))
        merged[column] = _merged(values, group, options.duplicates) if is_numeric(values.type) else values.take(starts)
    return pa.table(merged)


def _merged(values: pa.ChunkedArray, group: npt.NDArray[np.int64], policy: DuplicatePolicy) -> pa.ChunkedArray:
    """Return the sum or the maximum of the numbers of each group; decimals keep their scale."""
    rows = pa.table({"group": group, "value": plain_numbers(values)}).group_by("group", use_threads=False)
    return rows.aggregate([("value", policy)])[f"value_{policy}"]


def _merged_ways(
    edges: EdgeList, order: npt.NDArray[np.int64], first: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_] | None:
    """Return which distinct edges are undirected: those that at least one of the equal rows marks so."""
    if edges.both_ways is None or not len(order):
        return None
    return np.logical_or.reduceat(edges.both_ways[order], np.flatnonzero(first))


def _with_reverses(
    source: npt.NDArray[np.int32],
    target: npt.NDArray[np.int32],
    attributes: pa.Table,
    reversible: npt.NDArray[np.bool_],
    n: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], pa.Table]:
    """Add the reverses of the `reversible` edges, unless they are edges already."""
    rows = np.concatenate([np.arange(len(source)), np.flatnonzero(reversible)])
    both_source = np.concatenate([source, target[reversible]])
    both_target = np.concatenate([target, source[reversible]])
    order = pair_order(both_source, both_target, n)
    chosen = order[_first_of_pairs(both_source[order], both_target[order])]
    if attributes.num_columns:
        attributes = attributes.take(pa.array(rows[chosen]))
    return both_source[chosen], both_target[chosen], attributes


def reject_rows(edges: EdgeList, clean: CleanEdges, options: ImportOptions) -> pa.Table:
    """Return the rows for the table `network_rejects`, without their snapshot.

    Raises
    ------
    TooManyRejectsError
        If there are more than ``options.max_rejects``.
    """
    count = edges.malformed.num_rows + len(clean.self_loops) + len(clean.duplicates)
    if count > options.max_rejects:
        raise TooManyRejectsError(
            f"{edges.description}: {count:,} rows rejected ({edges.malformed.num_rows:,} malformed, "
            f"{len(clean.self_loops):,} self-loops, {len(clean.duplicates):,} duplicates), but "
            f"at most {options.max_rejects:,} are allowed; allow more with --max-rejects"
        )
    became = {"sum": "summed", "max": "maximum kept"}.get(options.duplicates, "first kept")
    malformed = edges.malformed
    nothing = pa.nulls(malformed.num_rows, pa.string())
    unreadable = pa.table(
        {
            "line": malformed["line"],
            "reason": pa.array(["malformed"] * malformed.num_rows, pa.string()),
            "detail": malformed["detail"],
            "source_agent_id": nothing,
            "target_agent_id": nothing,
            "text": pc.utf8_slice_codeunits(malformed["text"], 0, 200),
        }
    )
    loops = _rejected(edges, clean.self_loops, "self_loop", "source and target are the same agent")
    repeats = _rejected(edges, clean.duplicates, "duplicate", became)
    return pa.concat_tables([unreadable, loops, repeats])


def _rejected(edges: EdgeList, ordinals: npt.NDArray[np.int64], reason: str, detail: str) -> pa.Table:
    count = len(ordinals)
    return pa.table(
        {
            "line": edges.lines_of(ordinals),
            "reason": pa.array([reason] * count, pa.string()),
            "detail": pa.array([detail] * count, pa.string()),
            "source_agent_id": edges.agent_ids.take(pa.array(edges.source[ordinals])).cast(pa.string()),
            "target_agent_id": edges.agent_ids.take(pa.array(edges.target[ordinals])).cast(pa.string()),
            "text": pa.nulls(count, pa.string()),
        }
    )

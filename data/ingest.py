"""From an edge list to a published network snapshot: clean, number densely, sort, partition, publish."""

import datetime as dt
import hashlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from data.edge_lists import EdgeList, ImportOptions
from data.errors import AlreadyPublishedError, EdgeListError, InvalidInputError, TooManyRejectsError
from data.manifests import DataFile
from data.progress import Progress, ignore_progress
from data.schemas import SYMBOL, table_specification
from data.snapshots import Network, network_key, options_json
from data.sparse_rows import pair_order, row_offsets
from data.warehouse import Warehouse

EDGES_PER_PARTITION = 4_000_000
AGENT_ID_LENGTH = 64
_NAME_RULE = "a network's name is 1 to 100 letters, digits, '-', '_' or '.'"


def import_network(
    warehouse: Warehouse,
    name: str,
    source: Any,
    *,
    agents: Any = None,
    progress: Progress = ignore_progress,
    **options: Any,
) -> Network:
    """Import an edge list as a snapshot of the network called `name`.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        Name of the network. A network that exists gets a new snapshot: its agents keep their dense ids, new agents
        are appended.
    source : path, pandas.DataFrame or pyarrow.Table
        SNAP text, CSV, TSV (also compressed), Parquet, METIS, or a frame.
    agents : path or frame, optional
        Further agents, such as isolated ones, with their attributes.
    progress : Progress, optional
        Hears how far the import is.
    **options
        Fields of `data.edge_lists.ImportOptions`.

    Returns
    -------
    Network
        The new snapshot, or the one that is there if the same content was imported before.

    Raises
    ------
    EdgeListError, SourceNotFoundError, TooManyRejectsError
        If the source is missing, cannot be understood, or breaks a rule of the options.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> friends = pd.DataFrame({"from": ["ann", "bob", "bob"], "to": ["bob", "cy", "bob"]})
    >>> network = import_network(Warehouse(tempfile.mkdtemp()), "friends", friends)
    >>> network.n_agents, network.n_edges, network.row["self_loops"]
    (3, 2, 1)
    """
    from data.readers import read_edges

    _check_name(name)
    chosen = import_options(options)
    # 1. The very same file with the same options, imported last: nothing to do.
    fingerprint = _source_fingerprint(source, agents, chosen)
    known = _latest(warehouse, name)
    if known is not None and fingerprint is not None and known.row["source_fingerprint"] == fingerprint:
        return known
    # 2. Read, clean, number, publish.
    edges = read_edges(source, chosen, agents=agents, progress=progress)
    return publish_edges(
        warehouse, name, edges, chosen, chosen.model_dump(), fingerprint=fingerprint, progress=progress
    )


def generate_network(
    warehouse: Warehouse,
    name: str,
    generator: str,
    *,
    partitions: int | None = None,
    progress: Progress = ignore_progress,
    **parameters: Any,
) -> Network:
    """Generate a network and publish it as a snapshot called `name`.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
    generator : str
        A name in `data.generators.GENERATORS`, such as ``rmat``.
    partitions : int, optional
        Edge partitions; never changes the network.
    progress : Progress, optional
    **parameters
        Fields of the generator's class.

    Raises
    ------
    InvalidInputError
        If there is no such generator, or a parameter breaks its rule.
    """
    from data.generators import GENERATORS

    _check_name(name)
    if generator not in GENERATORS:
        raise InvalidInputError(f"no generator {generator!r}; generators are {', '.join(GENERATORS)}")
    try:
        made = GENERATORS[generator](**parameters)
    except ValidationError as error:
        raise InvalidInputError(f"generator {generator}: {validation_sentences(error)}") from None
    edges = made.generate(progress)
    described = {"generator": generator, **made.model_dump()}
    options = ImportOptions(partitions=partitions)
    return publish_edges(warehouse, name, edges, options, described, progress=progress)


def import_options(options: dict[str, Any]) -> ImportOptions:
    """Return validated import options.

    Raises
    ------
    InvalidInputError
        If an option does not exist or its value breaks a rule.
    """
    try:
        return ImportOptions(**options)
    except ValidationError as error:
        raise InvalidInputError(f"import options: {validation_sentences(error)}") from None


def validation_sentences(error: ValidationError) -> str:
    """Return what pydantic found wrong as sentences: name, rule, value."""
    sentences = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        given = "" if problem["type"] in {"missing", "value_error"} else f" (given: {problem['input']!r})"
        sentences.append(f"{where + ': ' if where else ''}{message}{given}")
    return "; ".join(sentences)


@dataclass(frozen=True)
class _CleanEdges:
    """Distinct directed edges without self-loops, in the order of their source, and what was rejected."""

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    attributes: pa.Table
    self_loops: npt.NDArray[np.int64]
    duplicates: npt.NDArray[np.int64]


def publish_edges(
    warehouse: Warehouse,
    name: str,
    edges: EdgeList,
    options: ImportOptions,
    described: dict[str, Any],
    *,
    fingerprint: str | None = None,
    progress: Progress = ignore_progress,
) -> Network:
    """Publish an edge list as a snapshot of the network called `name`.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
    edges : EdgeList
        From a reader or generator.
    options : ImportOptions
        What becomes of duplicates, whether edges go both ways, how many partitions.
    described : dict
        The options as recorded with the snapshot.
    fingerprint : str, optional
        Hash of source and options, by which a repeated import is recognised without reading.

    Returns
    -------
    Network

    Raises
    ------
    EdgeListError
        If there is no agent, or a duplicate under ``duplicates="error"``.
    TooManyRejectsError
        If more rows are rejected than ``options.max_rejects``.
    """
    if len(edges.agent_ids) == 0:
        raise EdgeListError(f"{edges.description}: no edges and no agents; an edge list needs at least one agent")
    known = _latest(warehouse, name)
    # 1. Remove self-loops and duplicates; add reverses.
    progress("cleaning", 0, 3)
    clean = _clean(edges, options)
    rejects = _rejects(edges, clean, options)
    # 2. Number agents densely, hubs first.
    progress("numbering", 1, 3)
    agent_ids = edges.agent_ids.cast(pa.string())
    rank = _original_order(edges.agent_ids)
    degree = np.bincount(clean.source, minlength=len(rank)) + np.bincount(clean.target, minlength=len(rank))
    dense, ids, origin = _dense_numbering(agent_ids, rank, degree, known)
    source, target = dense[clean.source], dense[clean.target]
    # 3. Sort by (src, dst).
    progress("sorting", 2, 3)
    order = pair_order(source, target, len(ids))
    source, target = source[order], target[order]
    edge_attributes = clean.attributes.take(pa.array(order)) if clean.attributes.num_columns else clean.attributes
    agent_attributes = _agent_attributes(edges, known, origin)
    snapshot = _Snapshot(ids, source, target, edge_attributes, agent_attributes, edges.strength, edges.probability)
    progress("sorting", 3, 3)
    # 4. Publish, unless this very content is there.
    row = {
        "network_id": name,
        "snapshot_id": snapshot.content_hash(),
        "parent_snapshot_id": known.snapshot_id if known else None,
        "agents": len(ids),
        "edges": len(source),
        "rows_read": edges.rows_read,
        "self_loops": len(clean.self_loops),
        "duplicates": len(clean.duplicates),
        "malformed": edges.malformed.num_rows,
        "strength_column": edges.strength,
        "probability_column": edges.probability,
        "edge_attributes": edge_attributes.column_names,
        "agent_attributes": agent_attributes.column_names,
        "description": edges.description,
        "options": options_json(described),
        "source_fingerprint": fingerprint,
        "created_at": dt.datetime.now(dt.UTC),
    }
    return _publish(warehouse, snapshot, row, rejects, options.partitions, progress)


# -- cleaning -------------------------------------------------------------------------------------------------------


def _clean(edges: EdgeList, options: ImportOptions) -> _CleanEdges:
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
    if options.undirected:
        source, target, attributes = _both_ways(source, target, attributes, n)
    return _CleanEdges(source, target, attributes, self_loops, duplicates)


def _first_of_pairs(source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    first = np.ones(len(source), bool)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    return first


def _duplicate_error(edges: EdgeList, ordinal: int) -> EdgeListError:
    ends = [edges.agent_ids[int(codes[ordinal])].as_py() for codes in (edges.source, edges.target)]
    return EdgeListError(
        f"{edges.description}, line {edges.lines_of(np.array([ordinal]))[0]}: edge {ends[0]} -> {ends[1]} is there "
        "already; use --duplicates first, sum or max to allow repeated edges"
    )


def _merged_attributes(
    attributes: pa.Table, order: npt.NDArray[np.int64], first: npt.NDArray[np.bool_], options: ImportOptions
) -> pa.Table:
    """Return the attributes of distinct edges: those of the first row, or summed or maximal over equal pairs."""
    if not attributes.num_columns:
        return attributes
    if options.duplicates in {"first", "error"} or first.all():
        return attributes.take(pa.array(order[first]))
    starts = np.flatnonzero(first)
    reduce = np.add.reduceat if options.duplicates == "sum" else np.maximum.reduceat
    merged = {}
    for column in attributes.column_names:
        values = attributes[column].take(pa.array(order))
        numeric = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        if numeric and values.null_count == 0 and len(starts):
            merged[column] = pa.array(reduce(values.to_numpy(), starts))
        else:
            merged[column] = values.take(pa.array(starts)).combine_chunks()
    return pa.table(merged)


def _both_ways(
    source: npt.NDArray[np.int32], target: npt.NDArray[np.int32], attributes: pa.Table, n: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], pa.Table]:
    """Add each edge's reverse where the source has none of its own."""
    both_source, both_target = np.concatenate([source, target]), np.concatenate([target, source])
    order = pair_order(both_source, both_target, n)
    chosen = order[_first_of_pairs(both_source[order], both_target[order])]
    if attributes.num_columns:
        attributes = attributes.take(pa.array(chosen % max(len(source), 1)))
    return both_source[chosen], both_target[chosen], attributes


def _rejects(edges: EdgeList, clean: _CleanEdges, options: ImportOptions) -> pa.Table:
    """Return the rows for the table `network_rejects`, without their snapshot."""
    count = edges.malformed.num_rows + len(clean.self_loops) + len(clean.duplicates)
    if count > options.max_rejects:
        raise TooManyRejectsError(
            f"{edges.description}: {count:,} rows rejected ({edges.malformed.num_rows:,} malformed, "
            f"{len(clean.self_loops):,} self-loops, {len(clean.duplicates):,} duplicates), at most "
            f"{options.max_rejects:,} are allowed; allow more with --max-rejects"
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


# -- dense numbering ------------------------------------------------------------------------------------------------


def _original_order(agent_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return each id's rank among all: integers by value, else by code point."""
    order = pc.sort_indices(agent_ids).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _dense_numbering(
    agent_ids: pa.Array, rank: npt.NDArray[np.int64], degree: npt.NDArray[np.int64], known: Network | None
) -> tuple[npt.NDArray[np.int32], pa.Array, npt.NDArray[np.int64]]:
    """Assign dense ids: those the network has already given stay, others follow by falling total degree.

    Returns
    -------
    dense : (n,) int32
        Dense id of each code of the edge list.
    ids : pyarrow.Array of string
        Original id by dense id, agents of the earlier snapshot included.
    origin : (len(ids),) int64
        Code of each dense id in the edge list, -1 for agents that only the earlier snapshot has.
    """
    codes = np.lexsort((rank, -degree))
    if known is None:
        earlier, kept = pa.array([], pa.string()), np.full(len(codes), -1, np.int64)
    else:
        earlier = known.agent_ids
        kept = pc.index_in(agent_ids, value_set=earlier).fill_null(-1).to_numpy().astype(np.int64)
    new = codes[kept[codes] < 0]
    dense = kept.copy()
    dense[new] = len(earlier) + np.arange(len(new))
    ids = pa.concat_arrays([earlier, agent_ids.take(pa.array(new))])
    origin = np.full(len(ids), -1, np.int64)
    origin[dense] = np.arange(len(dense))
    return dense.astype(np.int32), ids, origin


def _agent_attributes(edges: EdgeList, known: Network | None, origin: npt.NDArray[np.int64]) -> pa.Table:
    """Return agent attributes by dense id; null where neither this source nor the earlier snapshot gives one."""
    given = edges.agent_attributes
    code = pa.array(origin, mask=origin < 0)
    columns = {}
    if given is not None:
        columns = {name: given[name].take(code).combine_chunks() for name in given.column_names}
    if known is not None and known.row["agent_attributes"]:
        row = np.arange(len(origin))
        earlier_row = pa.array(row, mask=row >= known.n_agents)
        for name in known.row["agent_attributes"]:
            parts = [known.warehouse.read_file(file, [name])[name] for file in known.agent_files]
            before = pa.chunked_array([chunk for part in parts for chunk in part.chunks]).take(earlier_row)
            now = columns.get(name)
            columns[name] = before if now is None else pc.coalesce(now, before.cast(now.type))
    return pa.table(columns)


# -- publishing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Snapshot:
    """A network ready to publish: ids by dense id, edges sorted by (src, dst)."""

    ids: pa.Array
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    edge_attributes: pa.Table
    agent_attributes: pa.Table
    strength: str | None
    probability: str | None

    def content_hash(self) -> str:
        """Return a hash of everything a run can depend on; not of partitions or of the source's layout."""
        digest = hashlib.sha256()
        roles = f"snapshot 1;{len(self.ids)};{len(self.src)};{self.strength};{self.probability}"
        digest.update(roles.encode())
        _hash_column(digest, "agent_id", pa.chunked_array([self.ids]))
        digest.update(self.src.data)
        digest.update(self.dst.data)
        for table in (self.edge_attributes, self.agent_attributes):
            for name in sorted(table.column_names):
                _hash_column(digest, name, table[name])
        return digest.hexdigest()[:32]


def _hash_column(digest: Any, name: str, column: pa.ChunkedArray) -> None:
    """Hash a column's values and nulls, whatever its chunks."""
    digest.update(f";{name}:{column.type};".encode())
    digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)))
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        digest.update(np.ascontiguousarray(column.fill_null(0).to_numpy()))
        return
    text = column.cast(pa.large_string()).fill_null("")
    digest.update(np.ascontiguousarray(pc.binary_length(text).to_numpy()))
    for chunk in text.chunks:
        _, offsets, values = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        if len(chunk) and values is not None:
            digest.update(memoryview(values)[bounds[0] : bounds[-1]])


def _publish(
    warehouse: Warehouse,
    snapshot: _Snapshot,
    row: dict[str, Any],
    rejects: pa.Table,
    partitions: int | None,
    progress: Progress,
) -> Network:
    key = network_key(row["network_id"], row["snapshot_id"])
    if warehouse.find(key) is not None:
        return _published(warehouse, key)
    n = len(snapshot.ids)
    offsets = row_offsets(snapshot.src, n)
    bounds = _partition_bounds(offsets, partitions)
    out_degree = np.diff(offsets)
    in_degree = np.bincount(snapshot.dst, minlength=n)
    row = {
        **row,
        "max_in_degree": int(in_degree.max()),
        "max_out_degree": int(out_degree.max()),
        "partitions": len(bounds) - 1,
    }
    files: list[DataFile] = []
    for number, (low, high) in enumerate(itertools.pairwise(bounds)):
        progress("writing", number, len(bounds) - 1)
        division = (int(low), int(high) - 1)
        rows = slice(int(offsets[low]), int(offsets[high]))
        agents = {
            "agent": np.arange(low, high, dtype=np.int32),
            "agent_id": snapshot.ids[low:high],
            "in_degree": in_degree[low:high].astype(np.int32),
            "out_degree": out_degree[low:high].astype(np.int32),
        }
        edges = {"src": snapshot.src[rows], "dst": snapshot.dst[rows]}
        for table, columns, attributes, length, start in (
            ("network_agents", agents, snapshot.agent_attributes, int(high - low), int(low)),
            ("network_edges", edges, snapshot.edge_attributes, rows.stop - rows.start, rows.start),
        ):
            part = pa.table({"snapshot_id": _repeated(row["snapshot_id"], length), **columns})
            for name in attributes.column_names:
                part = part.append_column(name, attributes[name].slice(start, length))
            files.append(warehouse.stage(table, part, division))
    if rejects.num_rows:
        rejects = rejects.append_column("snapshot_id", _repeated(row["snapshot_id"], rejects.num_rows))
        schema = table_specification("network_rejects").schema
        files.append(warehouse.stage("network_rejects", rejects.select(schema.names).cast(schema)))
    files.append(warehouse.stage_records("networks", [row]))
    try:
        warehouse.commit("network", [key], files, specification_hash=row["snapshot_id"])
    except AlreadyPublishedError:  # another process imported the same content meanwhile
        return _published(warehouse, key)
    progress("writing", len(bounds) - 1, len(bounds) - 1)
    return Network.from_row(warehouse, row)


def _published(warehouse: Warehouse, key: str) -> Network:
    return Network.from_row(warehouse, warehouse.read("networks", [key]).to_pylist()[0])


def _repeated(text: str, length: int) -> pa.DictionaryArray:
    """Return one text repeated over all rows, as a dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), pa.array([text])).cast(SYMBOL)


def _partition_bounds(offsets: npt.NDArray[np.int64], partitions: int | None) -> npt.NDArray[np.int64]:
    """Return agents at which partitions begin, ascending, and n at the end: about equal numbers of edges each."""
    n, m = len(offsets) - 1, int(offsets[-1])
    wanted = partitions or -(-m // EDGES_PER_PARTITION) or 1
    inner = np.searchsorted(offsets, np.arange(1, wanted) * (m / wanted), side="left")
    return np.unique(np.concatenate([[0], np.clip(inner, 1, n - 1) if n > 1 else [], [n]])).astype(np.int64)


# -- recognising what is there --------------------------------------------------------------------------------------


def _latest(warehouse: Warehouse, name: str) -> Network | None:
    rows = [row for row in warehouse.read("networks").to_pylist() if row["network_id"] == name]
    return Network.from_row(warehouse, rows[-1]) if rows else None


def _source_fingerprint(source: Any, agents: Any, options: ImportOptions) -> str | None:
    """Return a hash of the source's bytes and the options, or None where the source is not a file."""
    if not all(isinstance(given, str | os.PathLike) for given in (source, agents or "")):
        return None
    digest = hashlib.sha256(options.model_dump_json(exclude={"partitions"}).encode())
    for path in (source, agents):
        if path is None:
            continue
        if not Path(path).is_file():
            return None
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _check_name(name: str) -> None:
    allowed = set("-_.")
    if not 0 < len(name) <= 100 or not all(c.isalnum() or c in allowed for c in name):
        raise InvalidInputError(f"network name {name!r}: {_NAME_RULE}")


def rejected_rows(network: Network) -> Sequence[dict[str, Any]]:
    """Return the rejects of a snapshot as mappings, ordered by line."""
    rows = network.warehouse.read("network_rejects", [network.key])
    return list(rows.sort_by("line").to_pylist())

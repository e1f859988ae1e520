"""From an edge list to a published network snapshot: clean, number densely, sort, partition, publish."""

import datetime as dt
import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from data.errors import EdgeListError, InvalidInputError
from data.generators import GENERATORS
from data.networks import index
from data.networks.cleaning import CleanEdges, clean_edges, reject_rows
from data.networks.edge_lists import EdgeList, ImportOptions
from data.networks.external_sort import EdgePieces, sorted_content
from data.networks.network import Network, options_json
from data.networks.numbering import agent_attributes, dense_numbering, known_ids, original_order
from data.networks.snapshot_writer import SnapshotContent, publish_snapshot
from data.networks.sparse_rows import pair_order
from data.networks.spill_files import scratch_folder
from data.progress import Progress, ignore_progress, shown
from data.validation import validation_sentences
from data.warehouse.store import Store
from data.warehouse.tables import table_specification

_log = logging.getLogger(__name__)
READERS = 2
"""Version of the reading rules: a file imported under earlier rules is read again."""
_NAME_RULE = "a network's name is 1 to 100 letters, digits, '-', '_' or '.'"


def import_network(
    warehouse: Store,
    name: str,
    source: Any,
    /,
    *,
    agents: Any = None,
    make_current: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Network:
    """Import an edge list as a snapshot of the network called `name`.

    Parameters
    ----------
    warehouse : Store
    name : str
        Name of the network. A network that exists gets a new snapshot: its agents keep their dense ids, new agents
        are appended.
    source : path, data frame, graph or sparse matrix
        SNAP text, CSV, TSV (also compressed), Parquet (also a folder of files), METIS, Matrix Market; tables of pandas,
        Arrow, Polars, Dask or DuckDB; graphs of NetworkX or igraph; SciPy sparse matrices. See
        `data.readers.objects.read_object`.
    agents : path or frame, optional
        Further agents, such as isolated ones, with their attributes.
    make_current : bool
        Whether the name means this snapshot from now on. False imports an earlier state of a network that exists,
        which only its snapshot id then leads to.
    progress : Progress, optional
        Called with the progress of the import; default: bars in terminals and notebooks, after two seconds.
    **options
        Fields of `data.networks.edge_lists.ImportOptions`. They include `source` and `target`, names of columns, so
        the parameters above are positional-only.

    Returns
    -------
    Network
        The new snapshot, or the existing one if the same content was imported before. Its `warnings` say what was
        guessed about the source, its `rejects()` which rows were left out; both are also logged.

    Raises
    ------
    EdgeListError, SourceNotFoundError, TooManyRejectsError
        If the source is missing, cannot be understood, or breaks a rule of the options.
    NetworkNotFoundError
        If `make_current` is False and there is no such network.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> friends = pd.DataFrame({"from": ["ann", "bob", "bob"], "to": ["bob", "cy", "bob"]})
    >>> network = import_network(Store(tempfile.mkdtemp()), "friends", friends)
    >>> network.n_agents, network.n_edges, network.row["self_loops"]
    (3, 2, 1)
    """
    from data.readers import read_edges  # imports pandas, which takes half a second

    check_network_name(name)
    chosen = import_options(options)
    if not make_current:
        index.keep_current(warehouse, name)
    # 1. If the same file was imported before with the same options, take that snapshot.
    fingerprint = _source_fingerprint(source, agents, chosen)
    known = None
    if fingerprint is not None:
        known = _known(warehouse, name, "source_fingerprint", fingerprint, make_current)
    if known is not None:
        return known
    # 2. Read, clean, number, publish.
    with shown(progress) as watched:
        edges = read_edges(source, chosen, agents=agents, progress=watched)
        for warning in edges.warnings:
            _log.warning("%s", warning)
        if malformed := edges.malformed.num_rows:
            _log.warning(
                "%s: %d of %d rows are malformed and were left out; rejects() of the network lists them",
                edges.description,
                malformed,
                edges.rows_read,
            )
        return publish_edges(
            warehouse,
            name,
            edges,
            chosen,
            chosen.model_dump(),
            fingerprint=fingerprint,
            make_current=make_current,
            progress=watched,
        )


def generate_network(
    warehouse: Store,
    name: str,
    generator: str,
    *,
    partitions: int | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Network:
    """Generate a network and publish it as a snapshot called `name`.

    Parameters
    ----------
    warehouse : Store
    name : str
    generator : str
        A name in `data.generators.GENERATORS`, such as ``rmat``.
    partitions : int, optional
        Edge partitions; never changes the network.
    progress : Progress, optional
        Default: bars in terminals and notebooks, after two seconds.
    **parameters
        Fields of the generator's class.

    Raises
    ------
    InvalidInputError
        If there is no such generator, or a parameter is invalid.
    """
    check_network_name(name)
    if generator not in GENERATORS:
        raise InvalidInputError(f"no generator {generator!r}; generators are {', '.join(GENERATORS)}")
    kind = GENERATORS[generator]
    try:
        made = kind(**parameters)
    except ValidationError as error:
        raise InvalidInputError(f"generator {generator}: {validation_sentences(error, kind)}") from None
    described = {"generator": generator, **made.model_dump()}
    options = ImportOptions(partitions=partitions)
    # 1. If the same parameters were published before, make that snapshot current.
    known = _known(warehouse, name, "options", options_json(described))
    if known is not None:
        return known
    with shown(progress) as watched:
        # 2. Generate in pieces on disk, if the generator can and no agent has a dense id yet (only memory keeps those).
        if index.current(warehouse, name) is None:
            with scratch_folder(warehouse.cache_folder) as folder:
                pieces = made.in_pieces(folder, watched)
                if pieces is not None:
                    given = (described, made.describe())
                    return publish_pieces(
                        warehouse, name, pieces, *given, folder, partitions=partitions, progress=watched
                    )
        # 3. Otherwise generate in memory.
        return publish_edges(warehouse, name, made.generate(watched), options, described, progress=watched)


def import_options(options: dict[str, Any]) -> ImportOptions:
    """Return validated import options.

    Raises
    ------
    InvalidInputError
        If an option does not exist or its value is invalid.
    """
    try:
        return ImportOptions(**options)
    except ValidationError as error:
        raise InvalidInputError(f"import options: {validation_sentences(error, ImportOptions, 'option')}") from None


def publish_edges(
    warehouse: Store,
    name: str,
    edges: EdgeList,
    options: ImportOptions,
    described: dict[str, Any],
    *,
    fingerprint: str | None = None,
    make_current: bool = True,
    progress: Progress = ignore_progress,
) -> Network:
    """Publish an edge list as a snapshot of the network called `name`.

    Parameters
    ----------
    warehouse : Store
    name : str
    edges : EdgeList
        From a reader or generator.
    options : ImportOptions
        How to treat duplicates, whether edges are undirected, how many partitions.
    described : dict
        The options as recorded with the snapshot.
    fingerprint : str, optional
        Hash of source and options, by which a repeated import is recognised without reading the source.
    make_current : bool
        Whether the name means this snapshot from now on.

    Returns
    -------
    Network

    Raises
    ------
    EdgeListError
        If there is no agent, or a duplicate and ``duplicates="error"``.
    TooManyRejectsError
        If more rows are rejected than ``options.max_rejects``.
    """
    if len(edges.agent_ids) == 0:
        raise EdgeListError(f"{edges.description}: no edges and no agents; an edge list needs at least one agent")
    _check_attributes(edges)
    snapshots = index.snapshots(warehouse, name)
    # 1. Remove self-loops and duplicates; add reverses.
    progress("cleaning", 0, 3)
    clean = clean_edges(edges, options)
    _check_probabilities(edges, clean)
    rejects = reject_rows(edges, clean, options)
    # 2. Number agents densely, hubs first.
    progress("numbering", 1, 3)
    agent_ids = edges.agent_ids.cast(pa.string())
    rank = original_order(edges.agent_ids)
    degree = np.bincount(clean.source, minlength=len(rank)) + np.bincount(clean.target, minlength=len(rank))
    dense, ids, origin = dense_numbering(agent_ids, rank, degree, known_ids(snapshots))
    source, target = dense[clean.source], dense[clean.target]
    # 3. Sort by (src, dst).
    progress("sorting", 2, 3)
    order = pair_order(source, target, len(ids))
    source, target = source[order], target[order]
    edge_attributes = clean.attributes.take(pa.array(order)) if clean.attributes.num_columns else clean.attributes
    agents = agent_attributes(edges.agent_attributes, origin)
    snapshot = SnapshotContent(ids, source, target, edge_attributes, agents, edges.strength, edges.probability)
    progress("sorting", 3, 3)
    # 4. Publish, unless the same content is published already.
    row = {
        **_row(name, snapshot.content_hash(), snapshots[-1] if snapshots else None, described, edges.description),
        "agents": len(agent_ids),
        "id_range": len(ids) if ids.null_count else None,
        "edges": len(source),
        "rows_read": edges.rows_read,
        "self_loops": len(clean.self_loops),
        "duplicates": len(clean.duplicates),
        "malformed": edges.malformed.num_rows,
        "strength_column": edges.strength,
        "probability_column": edges.probability,
        "edge_attributes": edge_attributes.column_names,
        "agent_attributes": agents.column_names,
        "source_fingerprint": fingerprint,
        "warnings": list(edges.warnings),
    }
    return publish_snapshot(warehouse, snapshot, row, rejects, options.partitions, progress, make_current=make_current)


def publish_pieces(
    warehouse: Store,
    name: str,
    edges: EdgePieces,
    described: dict[str, Any],
    description: str,
    folder: Path,
    *,
    partitions: int | None = None,
    progress: Progress = ignore_progress,
) -> Network:
    """Publish edges in pieces as the first snapshot of the network called `name`; it equals one made in memory.

    Parameters
    ----------
    warehouse : Store
    name : str
    edges : EdgePieces
    described : dict
        The options as recorded with the snapshot.
    description : str
        Readable origin of the edges.
    folder : Path
        Scratch folder, next to the caches of snapshots.
    partitions : int, optional
    progress : Progress, optional
    """
    content = sorted_content(edges, folder, progress)
    row = {
        **_row(name, content.content_hash(), None, described, description),
        "agents": edges.agents,
        "edges": edges.edges,
        "rows_read": edges.edges,
        **dict.fromkeys(("self_loops", "duplicates", "malformed"), 0),
        "edge_attributes": [],
        "agent_attributes": [],
        **dict.fromkeys(("strength_column", "probability_column", "source_fingerprint")),
    }
    nothing = table_specification("network_rejects").schema.empty_table()
    network = publish_snapshot(warehouse, content, row, nothing, partitions, progress)
    content.keep_rows(network.cache_folder / "rows")
    return network


def _row(
    name: str, snapshot_id: str, parent: Network | None, described: dict[str, Any], description: str
) -> dict[str, Any]:
    """Return the values that every row of the table `networks` has."""
    return {
        "network_id": name,
        "snapshot_id": snapshot_id,
        "parent_snapshot_id": parent.snapshot_id if parent else None,
        "description": description,
        "options": options_json(described),
        "created_at": dt.datetime.now(dt.UTC),
        "warnings": [],
        "id_range": None,
    }


def _known(warehouse: Store, name: str, column: str, value: str, make_current: bool = True) -> Network | None:
    """Return the last snapshot of a network with this value in its row, and make it current; None if there is none."""
    found = [snapshot for snapshot in index.snapshots(warehouse, name) if snapshot.row[column] == value]
    if not found:
        return None
    if make_current:
        index.make_current(warehouse, found[-1])
    return found[-1]


def _source_fingerprint(source: Any, agents: Any, options: ImportOptions) -> str | None:
    """Return a hash of everything that determines the result of reading; None if a source is no file or folder.

    It covers the options, the bytes, the file name suffixes, which identify some formats, and the reading rules.
    """
    from data.readers.sources import local_path  # imports pandas, by its package

    digest = hashlib.sha256(f"readers {READERS};{options.model_dump_json(exclude={'partitions'})}".encode())
    for role, given in (("edges", source), ("agents", agents)):
        if given is None:
            continue
        if not isinstance(given, str | os.PathLike):
            return None
        path = local_path(given)
        if not path.exists():
            return None
        for part in [path] if path.is_file() else sorted(path.iterdir()):
            if part.is_file():
                digest.update(
                    f";{role};{part.name if path.is_dir() else ''.join(part.suffixes[-2:]).lower()};".encode()
                )
                with part.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _check_probabilities(edges: EdgeList, clean: CleanEdges) -> None:
    """Raise EdgeListError if summing duplicates made a probability larger than 1."""
    if edges.probability is None or not clean.attributes.num_rows:
        return
    largest = pc.max(clean.attributes[edges.probability]).as_py()
    if largest is not None and largest > 1.0:
        raise EdgeListError(
            f"{edges.description}: summing duplicates gives an edge the {edges.probability} {largest}, but a "
            "probability must be in [0, 1]; use --duplicates first or max"
        )


def _check_attributes(edges: EdgeList) -> None:
    """Raise EdgeListError if a column of the source has a name that the tables reserve."""
    given = {"network_edges": edges.edge_attributes, "network_agents": edges.agent_attributes}
    for table, attributes in given.items():
        own = {"source_agent_id", "target_agent_id", *table_specification(table).schema.names}
        for name in own.intersection(attributes.column_names if attributes is not None else ()):
            raise EdgeListError(
                f"{edges.description}: column {name!r} has the name of a column of {table}; rename it, or name the "
                "columns with --columns"
            )


def check_network_name(name: str) -> None:
    """Raise InvalidInputError unless a network can have this name."""
    allowed = set("-_.")
    if not 0 < len(name) <= 100 or not all(c.isalnum() or c in allowed for c in name):
        raise InvalidInputError(f"network name {name!r}: {_NAME_RULE}")

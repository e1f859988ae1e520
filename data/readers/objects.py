"""Edge lists in objects of other libraries: graphs, sparse matrices, and tables that arrive batch by batch.

None of the libraries is imported here: an object of one has imported it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress
from data.readers.agents import read_agents
from data.readers.edge_list_builder import AGENT_ID
from data.readers.tabular import frame_table, read_batches, read_table, stream_of, table_of

SOURCE, TARGET = "source", "target"


def read_object(source: Any, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read an edge list from an object of another library.

    - **NetworkX and igraph graphs**: nodes become agents (those of igraph by their attribute ``name``, else by number),
      isolated ones included; attributes of nodes and edges are kept; the edges of undirected graphs go both ways.
    - **SciPy sparse matrices and arrays**: the stored entry (i, j) is an edge from i to j, its value the attribute
      ``weight`` (none if the matrix is Boolean); entries of one place are summed, as SciPy does.
    - **Dask DataFrames**: one partition after the other is read, so that the edges need not fit into memory twice.
    - **Anything that exports an Arrow stream** (``__arrow_c_stream__``): Polars frames, DuckDB relations, record batch
      readers; batch by batch.

    Parameters
    ----------
    source : object
    options : ImportOptions
    agents : pyarrow.Table, optional
        What `read_agents` returned; only for tables, as graphs and matrices have their own agents.
    progress : Progress
        Called with ``("reading", done, total)``, in rows.

    Raises
    ------
    EdgeListError
        If the object is none of these, or cannot be read as an edge list.
    TooManyRejectsError
        If there are more malformed rows than ``options.max_rejects``.
    """
    libraries = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    if "dask" in libraries and hasattr(source, "partitions"):
        return _read_dask(source, options, agents, progress)
    if "networkx" in libraries and hasattr(source, "is_directed"):
        edges, nodes = _networkx_edges(source), _networkx_nodes(source)
        return _read_graph("the NetworkX graph", edges, nodes, options, agents, progress, directed=source.is_directed())
    if "igraph" in libraries and hasattr(source, "is_directed"):
        edges, nodes = _igraph_tables(source)
        return _read_graph("the igraph graph", edges, nodes, options, agents, progress, directed=source.is_directed())
    if "scipy" in libraries and hasattr(source, "tocoo"):
        return _read_graph("the sparse matrix", *_matrix_tables(source), options, agents, progress)
    if (stream := stream_of(source)) is not None:
        schema, batches = stream
        return read_batches(batches, schema, None, options, agents, progress, f"the {type(source).__name__}")
    raise EdgeListError(
        f"a {type(source).__name__} is not an edge list; give a path, a table (pandas, Arrow, Polars, Dask, DuckDB), a "
        "graph (NetworkX, igraph) or a SciPy sparse matrix"
    )


# -- Dask -----------------------------------------------------------------------------------------------------------


def _read_dask(frame: Any, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    description = "the Dask DataFrame"
    if frame.ndim != 2:
        raise EdgeListError(f"a Dask {type(frame).__name__} is not an edge list; give a DataFrame with two columns")
    # A column of Python objects, whose type no partition alone can tell, is text.
    schema = pa.schema(
        [
            field.with_type(pa.string()) if pa.types.is_null(field.type) else field
            for field in frame_table(frame._meta, options, description).schema  # noqa: SLF001 (the types, known before any row)
        ]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(frame.npartitions):
            table = frame_table(frame.partitions[number].compute(), options, description)
            try:
                yield from table.cast(schema).to_batches()
            except (pa.ArrowException, ValueError) as error:
                raise EdgeListError(
                    f"{description}: partition {number} has other columns or types than the frame ({error}); "
                    "convert its columns with astype"
                ) from error

    return read_batches(batches(), schema, None, options, agents, progress, description)


# -- graphs and matrices --------------------------------------------------------------------------------------------


def _read_graph(
    description: str,
    edges: pd.DataFrame,
    nodes: pd.DataFrame,
    options: ImportOptions,
    agents: pa.Table | None,
    progress: Progress,
    *,
    directed: bool = True,
) -> EdgeList:
    """Read a graph as tables of its edges (first the two ends) and of its nodes (first the id)."""
    if agents is not None:
        raise EdgeListError(f"{description} has agents of its own; give their attributes there, not as agents")
    for names, own, what in ((edges.columns[2:], (SOURCE, TARGET), "edge"), (nodes.columns[1:], (AGENT_ID,), "node")):
        if taken := [str(name) for name in names if str(name) in own]:
            raise EdgeListError(f"{description}: the {what} attribute {taken[0]!r} has the name of an id; rename it")
    ends = options.model_copy(update={"source": SOURCE, "target": TARGET})
    known = read_agents(table_of(nodes, [0], description))
    found = read_table(table_of(edges, [0, 1], description), ends, known, progress, description)
    return found if directed else replace(found, both_ways=np.ones(len(found), np.bool_))


def _networkx_edges(graph: Any) -> pd.DataFrame:
    edges = list(graph.edges(data=True))
    ends = {SOURCE: [edge[0] for edge in edges], TARGET: [edge[1] for edge in edges]}
    return _with_attributes(ends, [edge[2] for edge in edges])


def _networkx_nodes(graph: Any) -> pd.DataFrame:
    nodes = list(graph.nodes(data=True))
    return _with_attributes({AGENT_ID: [node for node, _ in nodes]}, [attributes for _, attributes in nodes])


def _with_attributes(ids: Mapping[str, list[Any]], rows: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Return ids and the attributes that some row has, missing where others lack them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [(name, [row.get(name) for row in rows]) for name in names]
    return _frame([*ids.items(), *((str(name), values) for name, values in columns)])


def _igraph_tables(graph: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = graph.vs["name"] if "name" in graph.vs.attributes() else list(range(graph.vcount()))
    pairs = graph.get_edgelist()
    ends = [(SOURCE, [names[pair[0]] for pair in pairs]), (TARGET, [names[pair[1]] for pair in pairs])]
    edges = _frame([*ends, *((name, graph.es[name]) for name in graph.es.attributes())])
    others = ((name, graph.vs[name]) for name in graph.vs.attributes() if name != "name")
    return edges, _frame([(AGENT_ID, names), *others])


def _frame(columns: Iterable[tuple[str, Sequence[Any]]]) -> pd.DataFrame:
    """Return columns of Python objects as a frame, numbers as numbers; two columns may have one name."""
    named = list(columns)
    made = [pd.Series(values, dtype=object).infer_objects() for _, values in named]
    frame = pd.concat(made, axis=1)
    return frame.set_axis([name for name, _ in named], axis=1)


def _matrix_tables(matrix: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise EdgeListError(f"the sparse matrix has shape {matrix.shape}; a network needs one row and column per agent")
    if np.iscomplexobj(matrix):
        raise EdgeListError("the sparse matrix has complex entries; a weight must be a real number")
    entries = matrix.tocsr().tocoo()
    edges = pd.DataFrame({SOURCE: entries.row, TARGET: entries.col})
    if entries.dtype != np.bool_:
        edges["weight"] = entries.data
    return edges, pd.DataFrame({AGENT_ID: np.arange(matrix.shape[0])})

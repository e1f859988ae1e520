"""Edge lists in objects of other libraries: graphs, sparse matrices, Dask frames and Arrow streams."""

import logging
from collections.abc import Callable
from typing import Any

import dask.dataframe as dd
import duckdb
import igraph
import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from data import Warehouse
from data.errors import EdgeListError, TooManyRejectsError
from data.networks.edge_lists import ImportOptions
from data.readers import read_agents, read_edges
from tests.data.edge_pairs import attributes, lines, pairs, rejects

FRAME = pd.DataFrame({"src": ["ann", "bob", "cy"], "dst": ["bob", "cy", "ann"], "tie": [0.5, 1.5, 2.0]})


def duckdb_relation() -> Any:
    names = ", ".join(f"('{src}', '{dst}', {tie}::DOUBLE)" for src, dst, tie in FRAME.itertuples(index=False))
    return duckdb.sql(f"SELECT * FROM (VALUES {names}) AS edges (src, dst, tie)")


TABLES = {
    "polars": lambda: pl.DataFrame(FRAME.to_dict("list")),
    "polars categories": lambda: pl.DataFrame(FRAME.to_dict("list")).with_columns(pl.col("src").cast(pl.Categorical)),
    "duckdb": duckdb_relation,
    "record batches": lambda: pa.Table.from_pandas(FRAME).to_reader(max_chunksize=2),
    "dask": lambda: dd.from_pandas(FRAME, npartitions=2),
    "dask by source": lambda: dd.from_pandas(FRAME.set_index("src"), npartitions=2),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_tables_of_other_libraries_read_as_the_same_rows(make: Callable[[], Any]) -> None:
    edges = read_edges(make(), ImportOptions(strength="tie", source="src", target="dst"))
    assert pairs(edges) == [("ann", "bob"), ("bob", "cy"), ("cy", "ann")]
    assert attributes(edges) == {"tie": [0.5, 1.5, 2.0]}
    assert (edges.strength, edges.rows_read, lines(edges)) == ("tie", 3, [1, 2, 3])


def test_every_partition_of_a_dask_frame_is_read_alone() -> None:
    taken = []

    def part(number: int) -> pd.DataFrame:
        taken.append(number)
        return pd.DataFrame({"source": [number, number], "target": [number + 1, None], "note": ["x", None]})

    meta = pd.DataFrame({"source": [0], "target": [0.0], "note": pd.Series(["x"], dtype=object)})
    frame = dd.from_map(part, range(3), meta=meta)
    edges = read_edges(frame, ImportOptions())
    assert pairs(edges) == [(0, 1), (1, 2), (2, 3)]
    assert attributes(edges) == {"note": ["x", "x", "x"]}
    assert [line for line, *_ in rejects(edges)] == [2, 4, 6]
    assert sorted(taken) == [0, 1, 2], "no partition is computed twice"
    with pytest.raises(TooManyRejectsError):
        read_edges(frame, ImportOptions(max_rejects=2))


def test_a_dask_partition_of_other_types_is_refused() -> None:
    parts = [pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": ["x"], "b": [2]})]
    frame = dd.from_map(lambda number: parts[number], range(2), meta=parts[0], enforce_metadata=False)
    with pytest.raises(EdgeListError, match=r"^the Dask DataFrame: partition 1 has other columns or types"):
        read_edges(frame, ImportOptions())
    with pytest.raises(EdgeListError, match=r"^a Dask Series is not an edge list"):
        read_edges(frame["a"], ImportOptions())


# -- graphs -----------------------------------------------------------------------------------------------------------


def test_a_networkx_graph_brings_agents_attributes_and_directions() -> None:
    graph = nx.DiGraph()
    graph.add_node("alone", age=31)
    graph.add_node("ann", age=40, city="Ulm")
    graph.add_edge("ann", "bob", tie=0.5)
    graph.add_edge("bob", 7)
    edges = read_edges(graph, ImportOptions())
    assert pairs(edges) == [("ann", "bob"), ("bob", "7")]
    assert attributes(edges) == {"tie": [0.5, None]}
    assert edges.agent_attributes is not None
    people = dict(zip(edges.agent_ids.to_pylist(), edges.agent_attributes.to_pylist(), strict=True))
    nothing = {"age": None, "city": None}
    assert people == {
        "alone": {"age": 31, "city": None}, "ann": {"age": 40, "city": "Ulm"}, "bob": nothing, "7": nothing
    }  # fmt: skip
    assert edges.both_ways is None


GRAPHS = {
    "networkx": lambda: nx.Graph([(1, 2), (2, 3)]),
    "networkx, a subclass": lambda: type("Mine", (nx.Graph,), {})([(1, 2), (2, 3)]),
    "igraph": lambda: igraph.Graph(edges=[(0, 1), (1, 2)], vertex_attrs={"name": [1, 2, 3]}),
    "matrix": lambda: sparse.csr_array(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)),
}


@pytest.mark.parametrize(("kind", "make"), GRAPHS.items(), ids=GRAPHS)
def test_undirected_edges_go_both_ways(tmp_path: Any, kind: str, make: Callable[[], Any]) -> None:
    network = Warehouse(tmp_path).import_network("it", make())
    edges = network.edges.compute()
    ids = network.agent_ids.to_pylist()
    first = 0 if kind == "matrix" else 1
    found = {(int(ids[src]) - first, int(ids[dst]) - first) for src, dst in zip(edges.index, edges["dst"], strict=True)}
    assert found == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert network.row["edge_attributes"] == []


def test_an_igraph_graph_keeps_attributes_and_isolated_vertices() -> None:
    graph = igraph.Graph(n=3, edges=[(2, 0)], directed=True, vertex_attrs={"age": [5, 6, 7]}, edge_attrs={"tie": [0.5]})
    edges = read_edges(graph, ImportOptions())
    assert pairs(edges) == [(2, 0)]
    assert attributes(edges) == {"tie": [0.5]}
    assert edges.agent_attributes is not None
    ages = dict(zip(edges.agent_ids.to_pylist(), edges.agent_attributes["age"].to_pylist(), strict=True))
    assert ages == {0: 5, 1: 6, 2: 7}
    graph.vs["name"] = ["a", "b", "a"]
    with pytest.raises(EdgeListError, match="'a'"):
        read_edges(graph, ImportOptions())


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array, sparse.dok_array])
def test_a_sparse_matrix_has_an_edge_per_entry(kind: Any) -> None:
    matrix = kind(np.array([[0, 0.5, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    edges = read_edges(matrix, ImportOptions(strength="weight"))
    assert sorted(pairs(edges)) == [(0, 1), (1, 2)]
    assert attributes(edges) == {"weight": [0.5, 2.0]}
    assert sorted(edges.agent_ids.to_pylist()) == [0, 1, 2, 3]


def test_entries_of_one_place_are_summed_as_scipy_does() -> None:
    matrix = sparse.coo_array(([0.5, 0.25, 1.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    edges = read_edges(matrix, ImportOptions())
    assert pairs(edges) == [(0, 1), (1, 0)]
    assert attributes(edges) == {"weight": [0.75, 1.0]}


def test_a_graph_without_edges_is_a_network() -> None:
    graph = nx.empty_graph(3)
    assert sorted(read_edges(graph, ImportOptions()).agent_ids.to_pylist()) == [0, 1, 2]


# -- what is refused --------------------------------------------------------------------------------------------------

REFUSED = [
    ({"a": 1}, r"^a dict is not an edge list; give a path, a table \(pandas, Arrow, Polars, Dask, DuckDB\), a graph"),
    (sparse.csr_array((2, 3)), r"^the sparse matrix has shape \(2, 3\); a network needs one row and column per agent"),
    (sparse.csr_array(np.array([[0, 1j], [0, 0]])), "complex"),
    (nx.DiGraph([("a", "b", {"source": 1})]), "edge attribute 'source' has the name of an id; rename it"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED, ids=[message[:20] for _, message in REFUSED])
def test_what_is_no_network_is_refused(source: Any, message: str) -> None:
    with pytest.raises(EdgeListError, match=message):
        read_edges(source, ImportOptions())


def test_agents_are_given_with_a_graph_or_beside_a_table() -> None:
    people = pl.DataFrame({"agent_id": ["ann", "zoe"], "age": [40, 20]})
    assert read_agents(people).to_pylist() == [{"agent_id": "ann", "age": 40}, {"agent_id": "zoe", "age": 20}]
    assert "zoe" in read_edges(FRAME, ImportOptions(), agents=people).agent_ids.to_pylist()
    with pytest.raises(EdgeListError, match="the NetworkX graph has agents of its own"):
        read_edges(nx.path_graph(3), ImportOptions(), agents=people)
    with pytest.raises(EdgeListError, match=r"^agents: a list is no list of agents; give a path or a table"):
        read_agents(["ann"])


def test_python_tells_which_rows_were_left_out(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    edges = pl.DataFrame({"source": ["ann", None, "bob"], "target": ["bob", "cy", "bob"]})
    with caplog.at_level(logging.WARNING):
        network = Warehouse(tmp_path).import_network("it", edges)
    assert (
        "the DataFrame: 1 of 3 rows are malformed and were left out; rejects() of the network lists them" in caplog.text
    )
    rows = network.rejects()
    assert rows[["line", "reason", "detail"]].astype(str).values.tolist() == [
        ["2", "malformed", "the source id is missing"],
        ["3", "self_loop", "source and target are the same agent"],
    ]

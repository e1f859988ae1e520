"""Formats of graphs: Matrix Market is read, others are refused by name and never read as edges."""

import gzip
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from tests.data.edge_pairs import attributes, lines, pairs

GML = 'graph [\n  node [\n    id 0\n    label "p0"\n  ]\n  edge [\n    source 0\n    target 1\n  ]\n]\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("GML", GML),
        ("GML", 'Creator "igraph version 0.10"\nVersion 1\n' + GML.replace("graph [", "graph\n[")),
        ("GML", "# by hand\n" + GML),
        ("GraphML", '<?xml version="1.0"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n</graphml>\n'),
        ("GEXF", '<gexf version="1.2"><graph></graph></gexf>\n'),
        ("HTML", "<!DOCTYPE html>\n<html><body>a b</body></html>\n"),
        ("XML", "<?xml version='1.0'?>\n<net>\n</net>\n"),
        ("Pajek", '*Vertices 3\n1 "a"\n2 "b"\n3 "c"\n*Arcs\n1 2\n2 3\n'),
        ("Pajek", '% made by hand\n*network x\n*vertices 2\n1 "a"\n2 "b"\n*edges\n1 2\n'),
        (r"Graphviz \(DOT\)", "digraph G {\n a -> b;\n b -> c;\n}\n"),
        (r"Graphviz \(DOT\)", "/* x */ strict graph {\n a -- b;\n}\n"),
        ("UCINET DL", "dl n=3 format=edgelist1\nlabels:\na,b,c\ndata:\n1 2\n2 3\n"),
        ("LEDA", "LEDA.GRAPH\nstring\nint\n-1\n2\n|{a}|\n|{b}|\n1\n1 2 0 |{4}|\n"),
        ("graph6 or sparse6", ">>graph6<<A_\n"),
        ("DIMACS", "c a network\np edge 3 2\ne 1 2\ne 2 3\n"),
        ("JSON", '{"nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}\n'),
        ("JSON", "[[1, 2], [2, 3]]\n"),
        ("JSON", '{"source": 1, "target": 2}\n{"source": 2, "target": 3}\n'),
        ("NumPy", b"\x93NUMPY\x01\x00"),
        ("HDF5", b"\x89HDF\r\n\x1a\n"),
        ("SQLite", b"SQLite format 3\0"),
        (r"Arrow \(Feather\)", b"ARROW1\0\0"),
        ("pickle", b"\x80\x04\x95\x10\x00"),
    ],
)
def test_formats_that_are_no_edge_lists_are_refused_by_name(read: Any, name: str, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    for file, given in (("net.txt", data), ("net.gz", gzip.compress(data)), ("net.graph", data)):
        with pytest.raises(EdgeListError, match=f"net.* is in the format {name}, which is not an edge list; "):
            read(given, file)


@pytest.mark.parametrize("content", ["graph b\nb c\nc d\n", "dl n\nn m\nm o\n", "*a b\nb c\n", "p edge\nedge x\nx y\n"])
def test_ids_like_keywords_are_no_format(read: Any, content: str) -> None:
    assert pairs(read(content)) == [tuple(line.split()) for line in content.splitlines()]


# Matrix Market


def test_a_symmetric_pattern_goes_both_ways_and_its_size_is_no_edge(read: Any) -> None:
    edges = read("%%MatrixMarket matrix coordinate pattern symmetric\n% a path\n\n4 4 3\n2 1\n3 2\n4 3\n", "path.mtx")
    assert (pairs(edges), lines(edges)) == ([(2, 1), (3, 2), (4, 3)], [5, 6, 7])
    assert edges.both_ways is not None
    assert edges.both_ways.tolist() == [True] * 3
    assert (edges.rows_read, len(edges.malformed), edges.warnings) == (3, 0, ())


def test_the_values_of_a_general_matrix_are_weights_and_all_its_rows_agents(read: Any) -> None:
    content = "%%MatrixMarket matrix coordinate real general\n5 5 3\n1 2 0.5\n2 3 0.25\n3 4 1\n"
    edges = read(content, "w.mtx.gz", strength="weight")
    assert (pairs(edges), attributes(edges)) == ([(1, 2), (2, 3), (3, 4)], {"weight": [0.5, 0.25, 1.0]})
    assert edges.both_ways is None
    assert sorted(edges.agent_ids.to_pylist()) == [1, 2, 3, 4, 5]
    assert attributes(read(content, columns=("source", "target", "w"))) == {"w": [0.5, 0.25, 1.0]}
    fewer = read(content.replace("5 5 3", "5 5 4"))
    assert fewer.warnings[0].endswith("the header counts 4 edges but 3 rows follow")


@pytest.mark.parametrize("symmetry", ["general", "symmetric"])
def test_matrices_that_scipy_writes_are_read_as_scipy_reads_them(tmp_path: Any, symmetry: str) -> None:
    matrix = scipy.sparse.random(30, 30, 0.1, random_state=np.random.default_rng(1))
    matrix = scipy.sparse.coo_array(matrix + matrix.T if symmetry == "symmetric" else matrix)
    path = tmp_path / "random.mtx"
    scipy.io.mmwrite(path, matrix, symmetry=symmetry, precision=17)
    edges = read_edges(path, ImportOptions())
    expected = scipy.io.mmread(path).toarray()
    got = np.zeros((30, 30))
    for (source, target), weight in zip(pairs(edges), attributes(edges)["weight"], strict=True):
        got[source - 1, target - 1] = weight
        if edges.both_ways is not None:
            got[target - 1, source - 1] = weight
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n", "of kind 'array real general'; accepted are"),
        ("%%MatrixMarket matrix coordinate complex general\n1 1 0\n", "of kind .coordinate complex general"),
        ("%%MatrixMarket matrix coordinate real skew-symmetric\n1 1 0\n", "coordinate real skew-symmetric"),
        ("%%MatrixMarket vector\n", "is not a known banner"),
        ("%%MatrixMarket matrix coordinate pattern general\n2 3 1\n1 3\n", "of 2 rows and 3 columns"),
        (
            "%%MatrixMarket matrix coordinate pattern general\n2 2\n1 2\n",
            "line 2: '2 2' is not a Matrix Market size line",
        ),
        ("%%MatrixMarket matrix coordinate pattern general\n% x\n", "ends before the size line"),
        ("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 3\n", r"line 3: row and column must be .* 1\.\.2"),
        ("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 b\n", r"line 3: row and column must be .* 1\.\.2"),
    ],
)
def test_matrices_that_are_no_network_are_refused(read: Any, content: str, message: str) -> None:
    with pytest.raises(EdgeListError, match=message):
        read(content, "m.mtx")

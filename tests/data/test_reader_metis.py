"""Edge lists in the METIS format."""

from typing import Any

import numpy as np
import pytest

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from tests.data.edge_pairs import attributes, lines, pairs, rejects


def test_metis_lines_are_neighbours(read: Any) -> None:
    edges = read("% a comment\n5 3\n2 3\n\n1\n1\n\n", "g.graph")
    assert pairs(edges) == [(1, 2), (1, 3), (3, 1), (4, 1)]
    assert edges.agent_ids.to_pylist() == [1, 2, 3, 4, 5]
    assert lines(edges) == [3, 3, 5, 6]
    assert "so 6 entries, but there are 4" in edges.warnings[0]


def test_metis_comments_between_lines_are_no_adjacency(read: Any) -> None:
    edges = read("3 2\n2\n% about agent 2\n1 3\n2\n", "g.metis")
    assert (pairs(edges), lines(edges), edges.warnings) == ([(1, 2), (2, 1), (2, 3), (3, 2)], [2, 4, 4, 5], ())


@pytest.mark.parametrize(
    ("header", "one", "two"),
    [
        ("2 1 1", "2 7", "1 7"),
        ("2 1 001", "2 7", "1 7"),
        ("2 1 11 2", "30 31 2 7", "40 41 1 7"),
        ("2 1 111 1", "9 30 2 7", "9 40 1 7"),
    ],
)
def test_metis_edge_weights_are_kept_and_those_of_agents_skipped(read: Any, header: str, one: str, two: str) -> None:
    edges = read(f"{header}\n{one}\n{two}\n", "g.graph", strength="weight")
    assert pairs(edges) == [(1, 2), (2, 1)]
    assert attributes(edges) == {"weight": [7, 7]}
    assert edges.strength == "weight"
    assert len(edges.warnings) == (1 if header.count(" ") == 3 else 0)


def test_metis_weights_of_agents_alone_leave_no_column(read: Any) -> None:
    edges = read("2 1 10\n30 2\n40 1\n", "g.graph")
    assert (pairs(edges), edges.edge_attributes.num_columns) == ([(1, 2), (2, 1)], 0)


def test_metis_weights_may_be_fractions(read: Any) -> None:
    assert attributes(read("2 1 1\n2 0.25\n1 3\n", "g.graph")) == {"weight": [0.25, 3.0]}


def test_metis_entries_that_are_no_agents_are_malformed(read: Any) -> None:
    edges = read("3 3\n2 4\n1 x 3\n0 2 -1 99999999999999999999\n1\n", "g.graph")
    assert pairs(edges) == [(1, 2), (2, 1), (2, 3), (3, 2)]
    assert lines(edges) == [2, 3, 3, 4]
    assert rejects(edges) == [
        (2, "neighbour 4 is not an agent in 1..3", "4"),
        (3, "neighbour x is not an agent in 1..3", "x"),
        (4, "neighbour 0 is not an agent in 1..3", "0"),
        (4, "neighbour -1 is not an agent in 1..3", "-1"),
        (4, "neighbour 99999999999999999999 is not an agent in 1..3", "99999999999999999999"),
        (5, "the header counts 3 agents, but this line is for a further one", "1"),
    ]
    assert edges.rows_read == 10


def test_metis_lines_without_their_weight_are_malformed(read: Any) -> None:
    edges = read("3 2 1\n2 7 3\n1 7 3 8\n2 8\n", "g.graph")
    assert pairs(edges) == [(2, 1), (2, 3), (3, 2)]
    assert rejects(edges) == [(2, "a weight is missing from the line", "2 7 3")]


def test_metis_that_ends_early_is_a_warning(read: Any) -> None:
    edges = read("4 1\n2\n1\n", "g.graph")
    assert edges.agent_ids.to_pylist() == [1, 2, 3, 4]
    assert "counts 4 agents but only 2 lines follow" in edges.warnings[0]


def test_metis_across_blocks_equals_plain_python(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 97)
    random = np.random.default_rng(3)
    rows = [sorted(set(random.integers(1, 301, random.integers(0, 9)).tolist())) for _ in range(300)]
    edges = read("\n".join(["300 1", *(" ".join(map(str, row)) for row in rows)]), "g.graph")
    assert pairs(edges) == [(agent, neighbour) for agent, row in enumerate(rows, 1) for neighbour in row]
    assert lines(edges) == [agent + 1 for agent, row in enumerate(rows, 1) for _ in row]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n", "is not a METIS header"),
        ("3 2 5\n2\n1\n\n", "is not a METIS header"),
        ("% nothing\n", "no METIS header"),
        ("2 1 1\n2 x\n1 x\n", "line 2: the weight 'x' is not a number"),
    ],
)
def test_what_is_no_metis_is_refused(read: Any, content: str, message: str) -> None:
    with pytest.raises(EdgeListError, match=message):
        read(content, "g.graph")


def test_a_bad_metis_weight_is_refused_with_its_line(read: Any) -> None:
    with pytest.raises(EdgeListError, match="line 3: probability column 'weight' holds 3"):
        read("2 1 1\n2 1\n1 3\n", "g.graph", probability="weight")


def test_agents_of_a_network_without_edges_are_kept(tmp_path):
    path = tmp_path / "isolated.graph"
    path.write_text("3 0\n\n\n\n")
    edges = read_edges(path, ImportOptions())
    assert (len(edges), edges.agent_ids.to_pylist()) == (0, [1, 2, 3])

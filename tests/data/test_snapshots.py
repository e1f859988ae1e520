"""Network snapshots: cleaning, dense ids, partitions, caches; against oracles in plain Python and SciPy."""

import itertools
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from data.errors import CorruptFileError, EdgeListError, InvalidInputError, UnknownAgentError
from data.facade import Warehouse
from data.networks import network as snapshots
from data.networks.edge_lists import EdgeList
from data.networks.network import Network
from tests.data.publications import edges_of, new_warehouse, publish_network
from tests.deadlines import PATIENCE

MakeEdges = Callable[..., EdgeList]
Pair = tuple[Any, Any]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def warehouse() -> Warehouse:
    return new_warehouse()


# -- the oracle: what should become of an edge list -----------------------------------------------------------------


@dataclass
class Expected:
    """An edge list cleaned one row at a time."""

    edges: dict[Pair, Any] = field(default_factory=dict)
    self_loops: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)


def cleaned(pairs: list[Pair], values: list[Any], policy: str, undirected: bool) -> Expected:
    expected = Expected()
    for row, ((source, target), value) in enumerate(zip(pairs, values, strict=True), start=1):
        if source == target:
            expected.self_loops.append(row)
        elif (source, target) not in expected.edges:
            expected.edges[source, target] = value
        else:
            expected.duplicates.append(row)
            before = expected.edges[source, target]
            merged = {"first": before, "sum": before + value, "max": max(before, value)}
            expected.edges[source, target] = merged[policy]
    if undirected:
        for (source, target), value in list(expected.edges.items()):
            expected.edges.setdefault((target, source), value)
    return expected


def by_degree(agents: list[Any], edges: dict[Pair, Any]) -> list[Any]:
    """Agents by falling total degree, ties by ascending original id."""
    degree = Counter(end for pair in edges for end in pair)
    return sorted(sorted(set(agents)), key=lambda agent: -degree[agent])


integer_ids = st.integers(-3, 12)
large_ids = st.sampled_from([-(2**62), -10, -9, 7, 10, 9, 100, 2**40, 2**62])
string_ids = st.sampled_from(["", "a", "b", "B", "aa", "10", "9", "é", "z", "ﬀ", "😀", "10 "])
some_pairs = st.one_of(
    *(st.lists(st.tuples(ids, ids), min_size=1, max_size=40) for ids in (integer_ids, large_ids, string_ids))
)


@quick
@given(some_pairs, st.lists(st.integers(-50, 50), min_size=40, max_size=40), st.data())
def test_edges_and_rejects_are_those_of_cleaning_row_by_row(edge_list: MakeEdges, pairs, values, data):
    policy = data.draw(st.sampled_from(["first", "sum", "max"]))
    undirected = data.draw(st.booleans())
    expected = cleaned(pairs, values[: len(pairs)], policy, undirected)
    attributes = pa.table({"strength": values[: len(pairs)], "share": [value / 4 for value in values[: len(pairs)]]})
    network = publish_network(
        new_warehouse(),
        edge_list(pairs, edge_attributes=attributes, strength="strength"),
        duplicates=policy,
        undirected=undirected,
    )
    named = {(str(source), str(target)): value for (source, target), value in expected.edges.items()}
    assert edges_of(network, "strength") == named
    assert edges_of(network, "share") == {pair: value / 4 for pair, value in named.items()}
    assert network.n_edges == len(named)
    row = network.row
    assert (row["rows_read"], row["self_loops"], row["duplicates"], row["malformed"]) == (
        len(pairs),
        len(expected.self_loops),
        len(expected.duplicates),
        0,
    )
    rejects = list(network.rejects()[["line", "reason"]].itertuples(index=False, name=None))
    assert rejects == sorted(
        [(line, "self_loop") for line in expected.self_loops] + [(line, "duplicate") for line in expected.duplicates]
    )


@quick
@given(some_pairs, st.lists(integer_ids, max_size=3), st.booleans())
def test_dense_ids_follow_falling_total_degree_and_then_the_original_order(edge_list, pairs, isolated, undirected):
    if isinstance(pairs[0][0], str):
        isolated = [f"isolated {agent}" for agent in isolated]
    network = publish_network(new_warehouse(), edge_list(pairs, isolated), undirected=undirected)
    expected = cleaned(pairs, [0] * len(pairs), "first", undirected)
    order = by_degree([end for pair in pairs for end in pair] + isolated, expected.edges)
    assert network.agent_ids.to_pylist() == [str(agent) for agent in order]
    assert network.n_agents == len(order)
    assert network.dense_ids(order).tolist() == list(range(len(order)))
    out_degree = Counter(source for source, _ in expected.edges)
    in_degree = Counter(target for _, target in expected.edges)
    agents = network.agents.compute(scheduler="sync")
    assert agents["out_degree"].tolist() == network.out_degree.tolist() == [out_degree[agent] for agent in order]
    assert agents["in_degree"].tolist() == network.in_degree.tolist() == [in_degree[agent] for agent in order]
    assert network.row["max_out_degree"] == max(out_degree.values(), default=0)
    assert network.row["max_in_degree"] == max(in_degree.values(), default=0)


@quick
@given(some_pairs, some_pairs)
def test_a_later_snapshot_keeps_dense_ids_and_appends_new_agents_by_degree(edge_list, before, after):
    if type(before[0][0]) is not type(after[0][0]):
        before, after = ([(str(s), str(t)) for s, t in pairs] for pairs in (before, after))
    warehouse = new_warehouse()
    first = publish_network(warehouse, edge_list(before))
    second = publish_network(warehouse, edge_list(after))
    edges = cleaned(after, [0] * len(after), "first", False).edges
    known = first.agent_ids.to_pylist()
    there = {str(end) for pair in after for end in pair}
    new = [str(a) for a in by_degree([end for pair in after for end in pair], edges) if str(a) not in known]
    by_id = [agent if agent in there else None for agent in known + new]
    while by_id[-1] is None:
        by_id.pop()
    assert second.agent_ids.to_pylist() == by_id
    assert (second.n_agents, second.n_ids) == (len(there), len(by_id))
    assert second.reserved.tolist() == [dense for dense, agent in enumerate(by_id) if agent is None]
    assert second.agents.compute(scheduler="sync")["agent_id"].to_dict() == {
        dense: agent for dense, agent in enumerate(by_id) if agent is not None
    }
    assert edges_of(second) == {(str(source), str(target)): None for source, target in edges}
    if second.snapshot_id != first.snapshot_id:
        assert second.row["parent_snapshot_id"] == first.snapshot_id
        assert warehouse.network("friends") == second
    assert edges_of(first) == {(str(s), str(t)): None for s, t in before if s != t}


# -- partitions and sparse rows -------------------------------------------------------------------------------------


def check_frames(network: Network, partitions: int) -> None:
    """Divisions are known, the same for edges and agents, and every row lies in its own."""
    edges, agents = network.edges, network.agents
    assert 1 <= edges.npartitions == network.row["partitions"] <= partitions
    assert edges.known_divisions
    assert edges.divisions == agents.divisions == network.divisions
    assert (edges.divisions[0], edges.divisions[-1]) == (0, network.n_agents - 1)
    assert sorted(set(edges.divisions[:-1])) == list(edges.divisions[:-1])
    for number in range(edges.npartitions):
        first = edges.divisions[number]
        beyond = edges.divisions[number + 1] if number + 1 < edges.npartitions else network.n_agents
        assert network.edge_files[number].division == network.agent_files[number].division == (first, beyond - 1)
        src = edges.partitions[number].compute(scheduler="sync").index
        assert src.is_monotonic_increasing
        assert all(first <= agent < beyond for agent in src)
        agent = agents.partitions[number].compute(scheduler="sync").index
        assert agent.tolist() == list(range(first, beyond))


def check_sparse_rows(network: Network, values: np.ndarray) -> None:
    """Sparse rows and their transpose are SciPy's, and each edge keeps its value."""
    frame = network.edges.compute(scheduler="sync")
    ends = (frame.index.to_numpy(), frame["dst"].to_numpy())
    shape = (network.n_agents, network.n_agents)
    numbers = csr_array((np.arange(1, network.n_edges + 1), ends), shape=shape)
    rows, transpose = network.sparse_rows, network.transpose
    assert (rows.n_agents, rows.n_edges) == (network.n_agents, network.n_edges)
    assert rows.offsets.dtype == np.int64
    assert rows.targets.dtype == np.int32
    assert rows.offsets.tolist() == numbers.indptr.tolist()
    assert rows.targets.tolist() == numbers.indices.tolist()
    assert numbers.data.tolist() == list(range(1, network.n_edges + 1))
    columns = numbers.T.tocsr()
    columns.sort_indices()
    assert transpose.offsets.tolist() == columns.indptr.tolist()
    assert transpose.targets.tolist() == columns.indices.tolist()
    assert transpose.edges is not None
    assert (transpose.edges + 1).tolist() == columns.data.tolist()
    assert network.edge_values("share").tolist() == frame["share"].tolist() == values.tolist()


@settings(parent=quick, max_examples=15)
@given(some_pairs, st.integers(0, 2**32 - 1))
def test_partitions_change_neither_content_nor_arrays(edge_list, pairs, random_seed):
    values = np.random.default_rng(random_seed).random(len(pairs))
    given_edges = edge_list(pairs, edge_attributes=pa.table({"share": values}))
    networks = {n: publish_network(new_warehouse(), given_edges, partitions=n) for n in (1, 2, 7)}
    assert len({network.snapshot_id for network in networks.values()}) == 1
    by_pair = cleaned(pairs, values.tolist(), "first", False).edges
    one = networks[1]
    dense = dict(zip(one.agent_ids.to_pylist(), range(one.n_agents), strict=True))
    in_order = sorted((dense[str(s)], dense[str(t)], value) for (s, t), value in by_pair.items())
    for partitions, network in networks.items():
        shutil.rmtree(network.cache_folder, ignore_errors=True)
        check_frames(network, partitions)
        check_sparse_rows(network, np.array([value for _, _, value in in_order]))


def test_edges_are_split_in_about_equal_parts(edge_list, warehouse):
    rng = np.random.default_rng(0)
    pairs = [(int(s), int(t)) for s, t in rng.integers(0, 500, (4_000, 2))]
    network = publish_network(warehouse, edge_list(pairs), partitions=4)
    sizes = [file.rows for file in network.edge_files]
    assert len(sizes) == 4
    assert max(sizes) < 1.2 * network.n_edges / 4


def test_more_partitions_than_agents_are_as_many_as_make_sense(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([("a", "b"), ("b", "c")]), partitions=50)
    check_frames(network, 3)


def test_a_join_of_agents_and_edges_needs_no_shuffle(edge_list, warehouse):
    pairs = list(itertools.permutations(range(8), 2))
    network = publish_network(warehouse, edge_list(pairs), partitions=3)
    joined = network.edges.join(network.agents[["out_degree"]])
    assert joined.divisions == network.divisions
    assert joined["out_degree"].compute(scheduler="sync").tolist() == [7] * 56


# -- agents ---------------------------------------------------------------------------------------------------------


def test_agents_without_edges_are_part_of_the_network(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([(5, 7)], [9, 8]))
    assert network.agent_ids.to_pylist() == ["5", "7", "8", "9"]
    assert network.out_degree.tolist() == [1, 0, 0, 0]
    assert network.sparse_rows.offsets.tolist() == [0, 1, 1, 1, 1]
    assert network.divisions == (0, 3)


def test_a_network_may_have_agents_and_no_edges(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([("only", "only")]), partitions=3)
    assert (network.n_agents, network.n_edges) == (1, 0)
    check_frames(network, 1)
    assert network.transpose.targets.tolist() == []


def test_a_network_needs_at_least_one_agent(edge_list, warehouse):
    with pytest.raises(EdgeListError, match="needs at least one agent"):
        publish_network(warehouse, edge_list([]))


def test_what_an_earlier_source_said_of_agents_is_forgotten(edge_list, warehouse):
    first = edge_list([("a", "b"), ("a", "c")], agent_attributes=pa.table({"age": [30, 40, 50]}))
    publish_network(warehouse, first)
    second = edge_list([("d", "a"), ("d", "b")], agent_attributes=pa.table({"age": [20, None, 41]}))
    network = publish_network(warehouse, second)
    agents = network.agents.compute(scheduler="sync")
    ages = dict(zip(agents["agent_id"], agents["age"].tolist(), strict=True))
    assert (ages.pop("b"), ages.pop("d"), list(ages)) == (41, 20, ["a"])
    assert np.isnan(ages["a"])
    assert network.row["agent_attributes"] == ["age"]


def test_an_unknown_agent_is_told_with_an_example(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([("ann", "bob"), ("ann", "cy"), ("bob", "dan"), ("ann", "eve")]))
    with pytest.raises(UnknownAgentError) as refused:
        network.dense_ids(["bob", "Bob", "zoe"])
    assert str(refused.value) == (
        "agent 'Bob', 'zoe' is not in network 'friends' of 5 agents; ids there look like 'ann', 'bob', 'cy'"
    )


def test_dense_ids_come_in_the_order_asked_for_repeats_included(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([(10, 20), (10, 30), (20, 10)]))
    assert network.dense_ids([30, "10", 20, 30]).tolist() == [2, 0, 1, 2]
    assert network.dense_ids([]).tolist() == []
    assert network.dense_ids([]).dtype == np.int32


ODD_IDS = ["", "a", "a\0", "ab", "b", "10", "9", "é", "\ud7ff", "\ue000", "\uffff", "😀", "zz"]


def test_ids_are_found_in_their_order_as_by_a_search(edge_list, warehouse):
    pairs = [("h", f"{number}{name}") for number, name in enumerate(ODD_IDS[1:])]
    network = publish_network(warehouse, edge_list(pairs))
    asked = [*network.agent_ids.to_pylist()[::-1], "h", "h"]
    positions = {name: dense for dense, name in enumerate(network.agent_ids.to_pylist())}
    expected = [positions[name] for name in asked]
    for _ in range(snapshots.CALLS_WITHOUT_ORDER):
        network._places.clear()
        assert network.dense_ids(asked).tolist() == expected
    assert network.dense_ids(asked).tolist() == expected, "from the cache"
    assert not (network.cache_folder / "agents_by_id").exists()
    network._places.clear()
    assert network.dense_ids(asked).tolist() == expected
    assert (network.cache_folder / "agents_by_id").exists()
    absent = pa.array([*ODD_IDS, "hh", "g", "0", "~"])
    assert network._looked_up(absent).tolist() == network._searched(absent).tolist() == [-1] * len(absent)
    assert network.dense_ids([]).tolist() == []


# -- edge values ----------------------------------------------------------------------------------------------------


def test_edge_values_are_numbers_in_the_order_of_the_sparse_rows(edge_list, warehouse):
    attributes = pa.table({"meetings": [1, 2, 3], "kind": ["x", "y", "z"]})
    network = publish_network(warehouse, edge_list([("c", "a"), ("b", "a"), ("a", "b")], edge_attributes=attributes))
    # Dense ids: a has degree 3, b 2, c 1.
    assert network.agent_ids.to_pylist() == ["a", "b", "c"]
    assert network.sparse_rows.targets.tolist() == [1, 0, 0]
    values = network.edge_values("meetings")
    assert (values.dtype, values.tolist()) == (np.float64, [3.0, 2.0, 1.0])
    with pytest.raises(
        InvalidInputError, match="edge column 'kind' of network 'friends' is text; a number is needed: choose"
    ):
        network.edge_values("kind")
    with pytest.raises(InvalidInputError, match=r"no column 'p' \(columns: meetings, kind\)"):
        network.edge_values("p")


# -- caches ---------------------------------------------------------------------------------------------------------


def test_caches_are_named_by_content_and_mapped_read_only(edge_list, warehouse, cache):
    network = publish_network(warehouse, edge_list([(1, 2), (2, 3)]))
    rows = network.sparse_rows
    assert network.cache_folder == cache / network.snapshot_id
    assert sorted(path.name for path in (network.cache_folder / "rows").iterdir()) == ["offsets.npy", "targets.npy"]
    with pytest.raises(ValueError, match="read-only"):
        rows.targets[0] = 1


def test_caches_are_rebuilt_when_they_were_deleted(edge_list, warehouse):
    network = publish_network(warehouse, edge_list([(1, 2), (2, 3), (1, 3)]))
    before = [network.sparse_rows.targets.tolist(), network.transpose.targets.tolist(), network.in_degree.tolist()]
    shutil.rmtree(network.cache_folder)
    again = warehouse.network("friends")
    assert [again.sparse_rows.targets.tolist(), again.transpose.targets.tolist(), again.in_degree.tolist()] == before


def test_a_cache_that_cannot_be_built_leaves_nothing_behind(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish_network(warehouse, edge_list([(1, 2), (2, 30)]))
    Path(warehouse.location(network.edge_files[0])).unlink()
    with pytest.raises(CorruptFileError):
        _ = network.sparse_rows
    assert list(network.cache_folder.iterdir()) == []


BUILDERS = """
import multiprocessing, os, sys
import data.networks.network
from data.facade import Warehouse

def build(url, together):
    network = Warehouse(url).network("friends")
    save = data.networks.network.save_blocks
    saved = []
    def save_together(folder, name, *array):
        saved.append(name)
        if len(saved) <= 2:
            together.wait()
        save(folder, name, *array)
    data.networks.network.save_blocks = save_together
    rows = network.sparse_rows
    assert saved == ["offsets", "targets"], "this process found the cache built"
    os.write(1, f"{rows.targets.tolist()} {network.transpose.edges.tolist()}\\n".encode())

context = multiprocessing.get_context("fork")
together = context.Barrier(2, timeout=float(sys.argv[2]))
builders = [context.Process(target=build, args=(sys.argv[1], together)) for _ in range(2)]
for builder in builders:
    builder.start()
for builder in builders:
    builder.join()
sys.exit(any(builder.exitcode for builder in builders))
"""


def test_two_processes_may_build_the_same_cache_at_once(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish_network(warehouse, edge_list(list(itertools.permutations("abcd", 2))))
    command = [sys.executable, "-c", BUILDERS, warehouse.url, str(PATIENCE)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.split("\n")[:-1]
    assert len(lines) == 2
    assert set(lines) == {f"{network.sparse_rows.targets.tolist()} {network.transpose.edges.tolist()}"}
    assert sorted(path.name for path in network.cache_folder.iterdir()) == ["rows", "transpose"]

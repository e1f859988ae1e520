"""Network snapshots: cleaning, dense ids, partitions, caches; against oracles in plain Python and SciPy."""

import itertools
import pickle
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from data.edge_lists import MALFORMED_SCHEMA, EdgeList, ImportOptions, LineBlock
from data.errors import (
    CommitConflictError,
    CorruptFileError,
    EdgeListError,
    InvalidInputError,
    NetworkNotFoundError,
    TooManyRejectsError,
    UnknownAgentError,
)
from data.ingest import publish_edges, rejected_rows
from data.snapshots import Network
from data.warehouse import Warehouse

MakeEdges = Callable[..., EdgeList]
Pair = tuple[Any, Any]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder for the caches of all warehouses here: those in memory would use the user's."""
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("cache")
        environment.setenv("RUMORMILL_CACHE", str(folder))
        yield folder


@pytest.fixture
def warehouse() -> Warehouse:
    return new_warehouse()


def new_warehouse() -> Warehouse:
    return Warehouse(f"memory://{uuid.uuid4().hex}")


def publish(warehouse: Warehouse, edges: EdgeList, name: str = "friends", **options: Any) -> Network:
    return publish_edges(warehouse, name, edges, ImportOptions(**options), dict(options))


def edges_of(network: Network, attribute: str | None = None) -> dict[Pair, Any]:
    """Edges of a network between original ids, with an attribute."""
    rows = network.warehouse.read("network_edges", [network.key])
    ids = network.agent_ids.to_pylist()
    pairs = [(ids[s], ids[t]) for s, t in zip(rows["src"].to_pylist(), rows["dst"].to_pylist(), strict=True)]
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, rows[attribute].to_pylist() if attribute else itertools.repeat(None), strict=False))


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
    network = publish(
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
    rejects = [(reject["line"], reject["reason"]) for reject in rejected_rows(network)]
    assert rejects == sorted(
        [(line, "self_loop") for line in expected.self_loops] + [(line, "duplicate") for line in expected.duplicates]
    )


@quick
@given(some_pairs, st.lists(integer_ids, max_size=3), st.booleans())
def test_dense_ids_follow_falling_total_degree_and_then_the_original_order(edge_list, pairs, isolated, undirected):
    if isinstance(pairs[0][0], str):
        isolated = [f"isolated {agent}" for agent in isolated]
    network = publish(new_warehouse(), edge_list(pairs, isolated), undirected=undirected)
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
    first = publish(warehouse, edge_list(before))
    second = publish(warehouse, edge_list(after))
    edges = cleaned(after, [0] * len(after), "first", False).edges
    known = first.agent_ids.to_pylist()
    new = [str(a) for a in by_degree([end for pair in after for end in pair], edges) if str(a) not in known]
    assert second.agent_ids.to_pylist() == known + new
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
    networks = {n: publish(new_warehouse(), given_edges, partitions=n) for n in (1, 2, 7)}
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
    network = publish(warehouse, edge_list(pairs), partitions=4)
    sizes = [file.rows for file in network.edge_files]
    assert len(sizes) == 4
    assert max(sizes) < 1.2 * network.n_edges / 4


def test_more_partitions_than_agents_are_as_many_as_make_sense(edge_list, warehouse):
    network = publish(warehouse, edge_list([("a", "b"), ("b", "c")]), partitions=50)
    check_frames(network, 3)


def test_a_join_of_agents_and_edges_needs_no_shuffle(edge_list, warehouse):
    pairs = list(itertools.permutations(range(8), 2))
    network = publish(warehouse, edge_list(pairs), partitions=3)
    joined = network.edges.join(network.agents[["out_degree"]])
    assert joined.divisions == network.divisions
    assert joined["out_degree"].compute(scheduler="sync").tolist() == [7] * 56


# -- rejects --------------------------------------------------------------------------------------------------------


@pytest.fixture
def messy_edges(edge_list: MakeEdges) -> EdgeList:
    """Lines 3 and 4 and from 10 on; two malformed lines, a self-loop, two duplicates."""
    malformed = pa.Table.from_pylist(
        [
            {"line": 5, "detail": "one column, two are needed", "text": "ann"},
            {"line": 6, "detail": "not a number", "text": "x" * 300},
        ],
        schema=MALFORMED_SCHEMA,
    )
    return edge_list(
        [("ann", "bob"), ("bob", "bob"), ("ann", "bob"), ("bob", "cy"), ("ann", "bob")],
        malformed=malformed,
        line_blocks=(LineBlock(0, 3), LineBlock(2, 10, np.array([10, 14, 15]))),
        description="friends.txt",
    )


def test_rejected_rows_are_kept_with_line_reason_and_ends(warehouse, messy_edges):
    network = publish(warehouse, messy_edges, duplicates="sum")
    rejects = rejected_rows(network)
    assert [(r["line"], r["reason"], r["source_agent_id"], r["target_agent_id"]) for r in rejects] == [
        (4, "self_loop", "bob", "bob"),
        (5, "malformed", None, None),
        (6, "malformed", None, None),
        (10, "duplicate", "ann", "bob"),
        (15, "duplicate", "ann", "bob"),
    ]
    assert [r["detail"] for r in rejects[1:4]] == ["one column, two are needed", "not a number", "summed"]
    assert [r["text"] for r in rejects] == [None, "ann", "x" * 200, None, None]
    assert {r["snapshot_id"] for r in rejects} == {network.snapshot_id}
    row = network.row
    assert (row["rows_read"], row["self_loops"], row["duplicates"], row["malformed"]) == (7, 1, 2, 2)


def test_more_rejects_than_allowed_stop_the_import(warehouse, messy_edges):
    with pytest.raises(TooManyRejectsError) as refused:
        publish(warehouse, messy_edges, max_rejects=4)
    assert str(refused.value) == (
        "friends.txt: 5 rows rejected (2 malformed, 1 self-loops, 2 duplicates), at most 4 are allowed; "
        "allow more with --max-rejects"
    )
    assert warehouse.manifests() == []
    assert publish(warehouse, messy_edges, max_rejects=5).n_edges == 2


def test_duplicates_can_be_refused_with_their_line(warehouse, messy_edges):
    with pytest.raises(EdgeListError, match=r"friends.txt, line 10: edge ann -> bob is there already"):
        publish(warehouse, messy_edges, duplicates="error")
    assert warehouse.manifests() == []


def test_one_line_per_direction_is_no_duplicate_of_an_undirected_edge(edge_list, warehouse):
    attributes = pa.table({"strength": [1.0, 2.0, 3.0]})
    edges = edge_list([("a", "b"), ("b", "a"), ("b", "c")], edge_attributes=attributes)
    network = publish(warehouse, edges, undirected=True, duplicates="error")
    both = {("a", "b"): 1.0, ("b", "a"): 2.0, ("b", "c"): 3.0, ("c", "b"): 3.0}
    assert edges_of(network, "strength") == both


def test_attributes_that_are_no_numbers_stay_those_of_the_first_row(edge_list, warehouse):
    attributes = pa.table({"kind": ["friend", "boss"], "strength": [1, 5]})
    network = publish(warehouse, edge_list([("a", "b")] * 2, edge_attributes=attributes), duplicates="max")
    assert edges_of(network, "kind") == {("a", "b"): "friend"}
    assert edges_of(network, "strength") == {("a", "b"): 5}


# -- agents ---------------------------------------------------------------------------------------------------------


def test_agents_without_edges_are_part_of_the_network(edge_list, warehouse):
    network = publish(warehouse, edge_list([(5, 7)], [9, 8]))
    assert network.agent_ids.to_pylist() == ["5", "7", "8", "9"]
    assert network.out_degree.tolist() == [1, 0, 0, 0]
    assert network.sparse_rows.offsets.tolist() == [0, 1, 1, 1, 1]
    assert network.divisions == (0, 3)


def test_a_network_may_have_agents_and_no_edges(edge_list, warehouse):
    network = publish(warehouse, edge_list([("only", "only")]), partitions=3)
    assert (network.n_agents, network.n_edges) == (1, 0)
    check_frames(network, 1)
    assert network.transpose.targets.tolist() == []


def test_a_network_needs_at_least_one_agent(edge_list, warehouse):
    with pytest.raises(EdgeListError, match="needs at least one agent"):
        publish(warehouse, edge_list([]))


def test_attributes_of_agents_follow_them_into_later_snapshots(edge_list, warehouse):
    first = edge_list([("a", "b"), ("a", "c")], agent_attributes=pa.table({"age": [30, 40, 50]}))
    publish(warehouse, first)
    second = edge_list([("d", "a"), ("d", "b")], agent_attributes=pa.table({"age": [20, None, 41]}))
    network = publish(warehouse, second)
    agents = network.agents.compute(scheduler="sync")
    ages = dict(zip(agents["agent_id"], agents["age"].tolist(), strict=True))
    assert ages == {"a": 30, "b": 41, "c": 50, "d": 20}
    assert network.row["agent_attributes"] == ["age"]


def test_an_unknown_agent_is_told_with_an_example(edge_list, warehouse):
    network = publish(warehouse, edge_list([("ann", "bob"), ("ann", "cy"), ("bob", "dan"), ("ann", "eve")]))
    with pytest.raises(UnknownAgentError) as refused:
        network.dense_ids(["bob", "Bob", "zoe"])
    assert str(refused.value) == (
        "agent 'Bob', 'zoe' is not in network 'friends' of 5 agents; ids there look like 'ann', 'bob', 'cy'"
    )


def test_dense_ids_come_in_the_order_asked_for_repeats_included(edge_list, warehouse):
    network = publish(warehouse, edge_list([(10, 20), (10, 30), (20, 10)]))
    assert network.dense_ids([30, "10", 20, 30]).tolist() == [2, 0, 1, 2]
    assert network.dense_ids([]).tolist() == []
    assert network.dense_ids([]).dtype == np.int32


# -- content --------------------------------------------------------------------------------------------------------


def test_importing_the_same_content_again_does_nothing(edge_list, warehouse):
    pairs = [(1, 2), (2, 3), (1, 3), (4, 1)]
    values = [0.1, 0.2, 0.3, 0.4]
    first = publish(warehouse, edge_list(pairs, edge_attributes=pa.table({"p": values})), partitions=2)
    order = [3, 1, 0, 2]
    shuffled = edge_list([pairs[i] for i in order], edge_attributes=pa.table({"p": [values[i] for i in order]}))
    again = publish(warehouse, shuffled, partitions=1)
    assert again == first
    assert again.row == first.row
    assert len(warehouse.manifests()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": [(1, 2), (2, 4)]},
        {"agents": [9]},
        {"edge_attributes": pa.table({"p": [0.1, 0.25]})},
        {"edge_attributes": pa.table({"q": [0.1, 0.2]})},
        {"edge_attributes": pa.table({"p": [0.1, None]})},
        {"edge_attributes": pa.table({"p": ["0.1", "0.2"]})},
        {"probability": "p"},
        {"strength": "p"},
        {"agent_attributes": pa.table({"age": [1, 2, 3]})},
    ],
    ids=["edge", "agent", "value", "name", "null", "type", "probability", "strength", "agent attribute"],
)
def test_a_snapshot_is_known_by_everything_a_run_can_depend_on(edge_list, change):
    base = {"pairs": [(1, 2), (2, 3)], "edge_attributes": pa.table({"p": [0.1, 0.2]})}
    first, same, other = (publish(new_warehouse(), edge_list(**fields)) for fields in (base, base, {**base, **change}))
    assert first.snapshot_id == same.snapshot_id != other.snapshot_id


def test_text_that_moves_between_cells_is_other_content(edge_list):
    kinds = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]]
    lists = [edge_list([(1, 2), (1, 3)], edge_attributes=pa.table({"kind": kind})) for kind in kinds]
    assert len({publish(new_warehouse(), edges).snapshot_id for edges in lists}) == len(kinds)


def test_the_same_content_under_another_name_is_the_same_snapshot(edge_list, warehouse):
    first = publish(warehouse, edge_list([(1, 2)]))
    other = publish(warehouse, edge_list([(1, 2)]), name="others")
    assert first.snapshot_id == other.snapshot_id
    assert [m.keys[0] for m in warehouse.manifests()] == [first.key, other.key]
    with pytest.raises(NetworkNotFoundError, match=r"networks there: friends, others"):
        warehouse.network("strangers")


def test_a_network_travels_to_other_processes(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish(warehouse, edge_list([(1, 2), (2, 3)]))
    other = pickle.loads(pickle.dumps(network))
    assert other.sparse_rows.targets.tolist() == network.sparse_rows.targets.tolist()
    assert repr(other) == "Network('friends', agents=3, edges=2)"


# -- edge values ----------------------------------------------------------------------------------------------------


def test_edge_values_are_numbers_in_the_order_of_the_sparse_rows(edge_list, warehouse):
    attributes = pa.table({"meetings": [1, 2, 3], "kind": ["x", "y", "z"]})
    network = publish(warehouse, edge_list([("c", "a"), ("b", "a"), ("a", "b")], edge_attributes=attributes))
    # Dense ids: a has degree 3, b 2, c 1.
    assert network.agent_ids.to_pylist() == ["a", "b", "c"]
    assert network.sparse_rows.targets.tolist() == [1, 0, 0]
    values = network.edge_values("meetings")
    assert (values.dtype, values.tolist()) == (np.float64, [3.0, 2.0, 1.0])
    with pytest.raises(
        InvalidInputError, match="edge column 'kind' of network 'friends' is text, a number is needed; choose"
    ):
        network.edge_values("kind")
    with pytest.raises(InvalidInputError, match=r"no column 'p' \(columns: meetings, kind\)"):
        network.edge_values("p")


# -- caches ---------------------------------------------------------------------------------------------------------


def test_caches_are_named_by_content_and_mapped_read_only(edge_list, warehouse, cache):
    network = publish(warehouse, edge_list([(1, 2), (2, 3)]))
    rows = network.sparse_rows
    assert network.cache_folder == cache / network.snapshot_id
    assert sorted(path.name for path in (network.cache_folder / "rows").iterdir()) == ["offsets.npy", "targets.npy"]
    with pytest.raises(ValueError, match="read-only"):
        rows.targets[0] = 1


def test_caches_are_rebuilt_when_they_were_deleted(edge_list, warehouse):
    network = publish(warehouse, edge_list([(1, 2), (2, 3), (1, 3)]))
    before = [network.sparse_rows.targets.tolist(), network.transpose.targets.tolist(), network.in_degree.tolist()]
    shutil.rmtree(network.cache_folder)
    again = warehouse.network("friends")
    assert [again.sparse_rows.targets.tolist(), again.transpose.targets.tolist(), again.in_degree.tolist()] == before


def test_a_cache_that_cannot_be_built_leaves_nothing_behind(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish(warehouse, edge_list([(1, 2), (2, 30)]))
    Path(warehouse.location(network.edge_files[0])).unlink()
    with pytest.raises(CorruptFileError):
        _ = network.sparse_rows
    assert list(network.cache_folder.iterdir()) == []


BUILDERS = """
import multiprocessing, os, sys, time
import data.snapshots
from data.warehouse import Warehouse

def build(url, together):
    network = Warehouse(url).network("friends")
    save = data.snapshots.save_blocks
    saved = []
    def save_slowly(folder, name, *array):
        saved.append(name)
        time.sleep(0.2)
        save(folder, name, *array)
    data.snapshots.save_blocks = save_slowly
    together.wait()
    rows = network.sparse_rows
    assert saved == ["offsets", "targets"], "this process found the cache built"
    os.write(1, f"{rows.targets.tolist()} {network.transpose.edges.tolist()}\\n".encode())

context = multiprocessing.get_context("fork")
together = context.Barrier(2)
builders = [context.Process(target=build, args=(sys.argv[1], together)) for _ in range(2)]
for builder in builders:
    builder.start()
for builder in builders:
    builder.join()
sys.exit(any(builder.exitcode for builder in builders))
"""


def test_two_processes_may_build_the_same_cache_at_once(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish(warehouse, edge_list(list(itertools.permutations("abcd", 2))))
    run = subprocess.run([sys.executable, "-c", BUILDERS, warehouse.url], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.split("\n")[:-1]
    assert len(lines) == 2
    assert set(lines) == {f"{network.sparse_rows.targets.tolist()} {network.transpose.edges.tolist()}"}
    assert sorted(path.name for path in network.cache_folder.iterdir()) == ["rows", "transpose"]


def test_an_import_that_another_overtook_is_told_to_run_again(edge_list, warehouse, monkeypatch):
    import data.ingest as ingest

    publish(warehouse, edge_list([(1, 2)]))
    overtaken = ingest._latest(warehouse, "friends")
    publish(warehouse, edge_list([(1, 2), (2, 3)]))
    monkeypatch.setattr(ingest, "_latest", lambda *_: overtaken)
    with pytest.raises(CommitConflictError, match="run again"):
        publish(warehouse, edge_list([(1, 2), (2, 4)]))
    monkeypatch.undo()
    assert warehouse.network("friends").n_agents == 3


@pytest.mark.parametrize("name", ["src", "dst", "snapshot_id", "source_agent_id"])
def test_a_column_named_as_one_of_ours_is_refused(edge_list, name):
    with pytest.raises(EdgeListError, match=f"'{name}' has the name of a column of network_edges; rename it"):
        publish(new_warehouse(), edge_list([(1, 2)], edge_attributes=pa.table({name: [1]})))


def test_merged_attributes_pass_over_nulls(edge_list):
    edges = edge_list([(1, 2), (1, 2), (1, 3)], edge_attributes=pa.table({"w": pa.array([None, 4, 5], pa.int64())}))
    for policy in ("sum", "max"):
        network = publish(new_warehouse(), edges, duplicates=policy)
        assert sorted(network.edges.compute()["w"].tolist()) == [4, 5]

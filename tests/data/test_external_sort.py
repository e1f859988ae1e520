"""Networks made in pieces on disk: equal, row for row, to the same networks made in memory."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InvalidInputError, WarehouseFullError
from data.facade import Warehouse
from data.generators import RMat, WattsStrogatz, distinct_samples, rmat
from data.generators.distinct_samples import DistinctSamples
from data.networks import external_sort as edge_pieces
from data.networks import network as snapshots
from data.networks import snapshot_writer as snapshot_files
from data.networks import spill_files as spills
from data.networks.edge_lists import ImportOptions
from data.networks.imports import publish_edges
from data.networks.network import Network
from data.networks.sparse_rows import SparseRows, forget_pages, mapped_arrays, read_array, save_array, save_blocks
from data.networks.spill_files import ABANDONED_SECONDS, Spill, in_order, scratch_folder


@pytest.fixture
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut everything so small that a few thousand edges spill many times and the sketch only estimates."""
    for module, name, size in [
        (distinct_samples, "PAIRS_PER_BUCKET", 300),
        (distinct_samples, "SKETCHED_PAIRS", 1 << 6),
        (rmat, "SAMPLES_PER_RANGE", 128),
        (rmat, "SAMPLES_PER_SPILL", 500),
        (edge_pieces, "EDGES_PER_RANGE", 400),
        (edge_pieces, "AGENTS_PER_BLOCK", 64),
    ]:
        monkeypatch.setattr(module, name, size)


def in_memory(generator: RMat, folder: Path) -> Network:
    described = {"generator": generator.name, **generator.model_dump()}
    return publish_edges(Warehouse(folder), "net", generator.generate(), ImportOptions(), described)


def in_pieces(generator: RMat, folder: Path) -> Network:
    return Warehouse(folder).generate_network("net", generator.name, **generator.model_dump())


def assert_same(one: Network, other: Network) -> None:
    assert {**one.row, "created_at": None} == {**other.row, "created_at": None}
    assert one.divisions == other.divisions
    assert one.edges.compute().equals(other.edges.compute())
    assert one.agents.compute().equals(other.agents.compute())
    for name in ("offsets", "targets"):
        assert np.array_equal(getattr(one.sparse_rows, name), getattr(other.sparse_rows, name))


generators = st.builds(
    lambda agents, share, random_seed, corner: RMat(
        agents=agents,
        edges=max(1, int(agents * (agents - 1) * share)),
        random_seed=random_seed,
        a=corner,
        b=(1 - corner) / 3,
        c=(1 - corner) / 3,
    ),
    st.integers(2, 120),
    st.floats(0.0, 0.35),
    st.integers(0, 2**63 - 1),
    st.sampled_from([0.25, 0.4, 0.57]),
)
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(generators)
def test_pieces_hold_the_same_edges_as_memory(tiny_pieces, tmp_path_factory, generator):
    expected = generator.generate()
    pieces = generator.in_pieces(tmp_path_factory.mktemp("scratch"))
    pairs = np.concatenate([pieces.pairs(piece) for piece in range(pieces.pieces)])
    assert sorted(pairs.tolist()) == sorted((expected.source.astype(np.int64) << 32 | expected.target).tolist())


@pytest.mark.parametrize(
    "generator",
    [RMat(agents=2, edges=1), RMat(agents=1_000, edges=9_000, random_seed=3), RMat(agents=300, edges=20_000)],
    ids=RMat.describe,
)
def test_a_network_made_in_many_pieces_is_the_one_made_in_memory(tiny_pieces, tmp_path, generator):
    assert_same(in_pieces(generator, tmp_path / "pieces"), in_memory(generator, tmp_path / "memory"))


def test_a_network_made_in_one_piece_is_the_one_made_in_memory(tmp_path):
    generator = RMat(agents=2_000, edges=15_000, random_seed=5)
    assert_same(in_pieces(generator, tmp_path / "pieces"), in_memory(generator, tmp_path / "memory"))


def test_an_estimate_that_was_too_high_only_draws_again(tiny_pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(distinct_samples, "CERTAINTY", -6.0)
    passes = []
    mark = DistinctSamples._mark_firsts
    monkeypatch.setattr(DistinctSamples, "_mark_firsts", lambda self: passes.append(1) or mark(self))
    generator = RMat(agents=500, edges=12_000, random_seed=1)
    pieces = generator.in_pieces(tmp_path)
    pairs = np.concatenate([pieces.pairs(piece) for piece in range(pieces.pieces)])
    expected = generator.generate()
    assert len(passes) > 1
    assert sorted(pairs.tolist()) == sorted((expected.source.astype(np.int64) << 32 | expected.target).tolist())


def test_too_few_likely_pairs_are_told_as_in_memory(tiny_pieces, tmp_path):
    generator = RMat(agents=64, edges=2_000, a=0.997, b=0.001, c=0.001)
    with pytest.raises(InvalidInputError, match="too few pairs are likely to be drawn"):
        generator.generate()
    with pytest.raises(InvalidInputError, match="too few pairs are likely to be drawn"):
        in_pieces(generator, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if "scratch" in path.name] == []


def test_nothing_spilled_is_left_behind(tiny_pieces, tmp_path):
    network = in_pieces(RMat(agents=500, edges=3_000), tmp_path)
    assert [path.name for path in network.warehouse.cache_folder.iterdir()] == [network.snapshot_id]
    assert sorted(path.name for path in network.cache_folder.iterdir()) == ["rows"]


def test_nothing_is_left_behind_when_writing_fails(tiny_pieces, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise WarehouseFullError("no space left")

    monkeypatch.setattr(Warehouse, "stage", full)
    with pytest.raises(WarehouseFullError):
        in_pieces(RMat(agents=500, edges=3_000), tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []
    assert Warehouse(tmp_path).read("networks").num_rows == 0


def test_the_same_parameters_again_generate_nothing(tmp_path, monkeypatch):
    generator = RMat(agents=100, edges=300)
    network = in_pieces(generator, tmp_path)
    monkeypatch.setattr(RMat, "samples", None)
    assert in_pieces(generator, tmp_path).row == network.row


def test_a_network_that_is_there_keeps_its_dense_ids(tmp_path):
    before = in_pieces(RMat(agents=100, edges=300), tmp_path)
    after = in_pieces(RMat(agents=120, edges=500, random_seed=2), tmp_path)
    assert after.row["parent_snapshot_id"] == before.snapshot_id
    assert after.agent_ids[:100].equals(before.agent_ids)


def test_agents_without_edges_get_partitions_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot_files, "AGENTS_PER_PARTITION", 100)
    monkeypatch.setattr(snapshot_files, "EDGES_PER_PARTITION", 300)
    network = in_pieces(RMat(agents=1_000, edges=900), tmp_path)
    assert max(file.rows for file in network.agent_files) <= 100
    assert sum(file.rows for file in network.edge_files) == 900
    assert network.divisions[0] == 0
    assert network.divisions[-1] == 999
    assert network.edges.compute().index.is_monotonic_increasing


def test_ids_of_many_agents_are_mapped_and_looked_up_file_by_file(tmp_path, monkeypatch):
    held = in_pieces(RMat(agents=1_000, edges=900), tmp_path / "held")
    ids = held.agent_ids
    monkeypatch.setattr(snapshots, "AGENT_IDS_HELD", 10)
    monkeypatch.setattr(snapshot_files, "EDGES_PER_PARTITION", 100)
    mapped = in_pieces(RMat(agents=1_000, edges=900), tmp_path / "mapped")
    assert len(mapped.agent_files) > 5
    assert mapped.agent_ids.equals(ids)
    asked = ["7", "999", "0", "7"]
    assert mapped.dense_ids(asked).tolist() == held.dense_ids(asked).tolist()
    assert (mapped.cache_folder / "agent_ids").exists()
    assert not (held.cache_folder / "agent_ids").exists()


def test_generators_that_need_memory_say_so(tmp_path):
    assert WattsStrogatz(agents=20, degree=2).in_pieces(tmp_path) is None


# -- spills and arrays ----------------------------------------------------------------------------------------------


def test_results_come_in_order_and_few_pieces_are_ahead():
    begun = []
    results = in_order(lambda piece: begun.append(piece) or piece * 2, iter(range(1_000)), threads=3)
    assert [next(results) for _ in range(4)] == [0, 2, 4, 6]
    results.close()
    assert len(begun) <= 4 + 3 + 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pieces")]


def test_an_error_in_a_piece_arrives():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda piece: 1 // piece, [1, 0, 2]))


def test_a_spill_may_be_appended_to_after_it_was_closed(tmp_path):
    spill = Spill(tmp_path / "spill", 2)
    for value in (1, 2):
        spill.append(np.array([value, value + 10]), np.array([0, 1, 2]))
        spill.close()
    assert spill.read(0).tolist() == [1, 2]
    assert spill.read(1, 1).tolist() == [11]
    assert spill.sizes.tolist() == [2, 2]
    spill.remove(0)
    assert spill.read(0).tolist() == []


def test_a_full_disk_is_told_and_the_scratch_folder_removed(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spills, "_write_all", refuse)
    with pytest.raises(WarehouseFullError, match="free some space"), scratch_folder(tmp_path) as folder:
        Spill(folder / "spill", 1).append(np.array([1]), np.array([0, 1]))
    assert list(tmp_path.iterdir()) == []


def test_scratch_folders_of_killed_processes_are_removed_and_those_in_use_are_not(tmp_path):
    (tmp_path / ".scratch.abandoned" / "samples").mkdir(parents=True)
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as other:
        assert sorted(tmp_path.iterdir()) == sorted([one, other])
    assert list(tmp_path.iterdir()) == []


def test_scratch_folders_that_were_never_locked_are_removed_once_they_are_old(tmp_path):
    for name in (".new.old", ".new.young"):
        (tmp_path / name).mkdir()
    before = time.time() - 2 * ABANDONED_SECONDS
    os.utime(tmp_path / ".new.old", (before, before))
    with scratch_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".new.young"]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 7))
def test_sources_of_any_run_of_edges_are_those_of_their_rows(degrees, size):
    offsets = np.append(0, np.cumsum(degrees))
    rows = SparseRows(offsets, np.zeros(offsets[-1], np.int32))
    runs = [rows.sources(at, min(at + size, rows.n_edges)) for at in range(0, rows.n_edges, size)]
    assert [agent for run in runs for agent in run.tolist()] == np.repeat(np.arange(len(degrees)), degrees).tolist()


def test_arrays_are_written_in_blocks_and_read_in_slices(tmp_path):
    (mapped,) = mapped_arrays(
        tmp_path / "cache",
        ["numbers"],
        lambda folder: save_blocks(folder, "numbers", np.int32, (7,), [np.arange(4), np.arange(4, 7)]),
    )
    assert mapped.tolist() == list(range(7))
    assert mapped.dtype == np.int32
    assert read_array(tmp_path / "cache", "numbers", 2, 5).tolist() == [2, 3, 4]


def resident(path: Path) -> int:
    """Return how much of a mapped file is in this process's memory, KiB."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return next(int(line.split()[1]) for found in lines if str(path) in found for line in lines if "Rss:" in line)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is mapped")
def test_pages_of_a_slice_are_given_back_and_come_again(tmp_path):
    numbers = np.arange(1 << 20, dtype=np.int32)
    (mapped,) = mapped_arrays(tmp_path / "cache", ["numbers"], lambda folder: save_array(folder, "numbers", numbers))
    assert mapped.sum() == numbers.sum()
    file = tmp_path / "cache" / "numbers.npy"
    assert resident(file) >= 4096
    forget_pages(mapped[1 << 19 :].view(np.uint32), np.arange(3))
    assert 2048 <= resident(file) <= 2048 + 64
    forget_pages(mapped)
    assert resident(file) == 0
    assert np.array_equal(mapped, numbers)

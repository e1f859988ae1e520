"""Transposition: in-edges from out-edges, by ranges of targets on disk as in memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from data.networks import transposition
from data.networks.sparse_rows import SparseRows, mapped_arrays
from data.networks.transposition import save_transposed
from tests.reference.small_networks import small_networks


@pytest.mark.parametrize("edges_in_memory", [1, 3, 1 << 24])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(small=small_networks())
def test_in_edges_are_the_out_edges_sorted_by_target(edges_in_memory, small, tmp_path_factory):
    edges = np.array(sorted(small.edges), np.int64).reshape(-1, 2)
    offsets = np.searchsorted(edges[:, 0], np.arange(small.n_agents + 1))
    rows = SparseRows(offsets, edges[:, 1].astype(np.int32))
    folder = tmp_path_factory.mktemp("cache") / "transpose"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transposition, "EDGES_IN_MEMORY", edges_in_memory)
        patched.setattr(transposition, "EDGES_PER_BLOCK", 4)
        names = ["offsets", "sources", "edges"]
        found = mapped_arrays(folder, names, lambda staged: save_transposed(rows, staged))
    order = sorted(range(len(edges)), key=lambda position: (edges[position, 1], edges[position, 0]))
    assert found[0].tolist() == [int((edges[:, 1] < agent).sum()) for agent in range(small.n_agents + 1)]
    assert found[1].tolist() == edges[order, 0].tolist()
    assert found[2].tolist() == order
    assert [path.name for path in folder.parent.iterdir()] == ["transpose"], "nothing else is left"

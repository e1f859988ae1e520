"""Real networks, whose counts are published."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges


@pytest.mark.parametrize(
    ("file", "options", "rows", "agents", "loops"),
    [
        ("networks/facebook_combined.txt.gz", {}, 88_234, 4_039, 0),
        ("networks/wiki-Vote.txt", {}, 103_689, 7_115, 0),
        ("networks/email-Enron.txt.gz", {}, 367_662, 36_692, 0),
        ("networks/ca-GrQc.txt", {}, 28_980, 5_242, 12),
        ("networks/ca-AstroPh.txt.gz", {}, 198_110, 18_772, 60),
        ("networks/email-Eu-core/email-Eu-core.txt", {}, 25_571, 1_005, 642),
        ("networks/lastfm_asia/edges.csv", {}, 27_806, 7_624, 0),
        ("networks/nethept/hep.txt", {"header": "counts"}, 58_891, 15_233, 39),
        ("networks/small/karate.graph", {}, 2 * 78, 34, 0),
        ("networks/small/jazz.graph", {}, 2 * 2_742, 198, 0),
    ],
)
def test_real_networks_have_their_published_counts(
    shared_data: Path, file: str, options: dict[str, Any], rows: int, agents: int, loops: int
) -> None:
    edges = read_edges(shared_data / file, ImportOptions(**options))
    assert (edges.rows_read, len(edges), len(edges.agent_ids)) == (rows, rows, agents)
    assert int((edges.source == edges.target).sum()) == loops
    assert edges.agent_ids.type == pa.int64()
    assert edges.warnings == ()


def test_bitcoin_ratings_keep_their_sign(shared_data: Path) -> None:
    options = ImportOptions(columns=("source", "target", "rating", "time"))
    edges = read_edges(shared_data / "networks/soc-sign-bitcoinotc.csv.gz", options)
    ratings = edges.edge_attributes["rating"].to_numpy()
    assert (len(edges), len(edges.agent_ids), edges.edge_attributes["rating"].type) == (35_592, 5_881, pa.int64())
    assert (ratings.min(), ratings.max()) == (-10, 10)
    assert round(float((ratings > 0).mean()), 2) == 0.90
    assert edges.edge_attributes["time"][0].as_py() == 1289241911.72836


def test_higgs_retweets_sum_to_the_published_activity(shared_data: Path) -> None:
    options = ImportOptions(columns=("source", "target", "count"), strength="count")
    edges = read_edges(shared_data / "cascades/higgs/higgs-retweet_network.edgelist.gz", options)
    assert (len(edges), len(edges.agent_ids)) == (328_132, 256_491)
    assert int(edges.edge_attributes["count"].to_numpy().sum()) == 354_930


def test_nethept_probabilities_are_one_over_in_degree(shared_data: Path) -> None:
    path = shared_data / "networks/nethept/NetHEPT_wc.txt"
    options = {"columns": ("source", "target", "probability"), "probability": "probability"}
    edges = read_edges(path, ImportOptions(header="counts", **options))
    assert (len(edges), len(edges.agent_ids), edges.warnings) == (62_752, 15_229, ())
    in_degree = np.bincount(edges.target)
    probabilities = edges.edge_attributes["probability"].to_numpy()
    np.testing.assert_allclose(probabilities, 1 / in_degree[edges.target], atol=6e-7)
    with pytest.raises(EdgeListError, match="--header counts"):
        read_edges(path, ImportOptions(**options))


def test_a_graph_with_fewer_ids_than_its_header_counts_is_no_warning(shared_data: Path) -> None:
    edges = read_edges(shared_data / "cascades/infvae-android/graph.txt", ImportOptions(header="counts"))
    assert (len(edges), len(edges.agent_ids), edges.warnings) == (48_573, 9_940, ())


def test_labels_of_lastfm_users_are_aligned(shared_data: Path) -> None:
    folder = shared_data / "networks/lastfm_asia"
    edges = read_edges(folder / "edges.csv", ImportOptions(), agents=folder / "target.csv")
    labels = pd.read_csv(folder / "target.csv").set_index("id")["target"]
    assert edges.agent_attributes is not None
    got = pd.Series(edges.agent_attributes["target"].to_numpy(), index=edges.agent_ids.to_numpy())
    pd.testing.assert_series_equal(got.sort_index(), labels, check_names=False)

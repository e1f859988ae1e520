"""Rankings of agents: their order, how they agree, what their first agents reach, and one publication of each."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from analytics.ranking_pictures import ranking_figure
from analytics.rankings import RANKINGS, TABLES, Rankings, rank_agents
from analytics.structure.cores import core_numbers
from analytics.structure.link_analysis import pagerank
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.warehouse.deletion import delete
from data.warehouse.dependents import network_deletion
from propagation import simulate
from propagation.models import IndependentCascade

MODEL = IndependentCascade(probability=0.1)
REPLICATES = 40


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Network:
    warehouse = Warehouse(tmp_path_factory.mktemp("rankings") / "warehouse")
    return warehouse.generate_network("town", "rmat", agents=200, edges=900, random_seed=3)


@pytest.fixture(scope="module")
def compared(town: Network) -> Rankings:
    return rank_agents(town, MODEL, top=10, candidates=15, replicates=REPLICATES)


def scores(network: Network, compared: Rankings, name: str) -> dict[str, float]:
    rows = compared.agents[compared.agents["ranking"] == name]
    return dict(zip(rows["agent_id"], rows["score"], strict=True))


def test_first_agents_have_the_largest_scores_ties_by_degree(town, compared):
    ids = town.agent_ids.to_pylist()
    expected = {"degree": town.out_degree, "pagerank": pagerank(town), "core_number": core_numbers(town)}
    for name, values in expected.items():
        order = sorted(range(town.n_agents), key=lambda agent: (-values[agent], agent))[:10]
        assert compared.top(name) == [ids[agent] for agent in order]
        assert list(scores(town, compared, name).values()) == pytest.approx([values[agent] for agent in order])
    assert list(compared.agents["position"]) == [*range(1, 11)] * len(RANKINGS)


def test_reversed_pagerank_ranks_those_whose_messages_are_received(compared, town):
    backwards = {"source": [], "target": []}
    ids, rows = town.agent_ids.to_pylist(), town.sparse_rows
    for agent in range(town.n_agents):
        for target in rows.targets[rows.offsets[agent] : rows.offsets[agent + 1]]:
            backwards["source"].append(ids[target])
            backwards["target"].append(ids[agent])
    import pandas as pd

    reverse = town.warehouse.import_network("reverse", pd.DataFrame(backwards))
    ranks = dict(zip(reverse.agent_ids.to_pylist(), pagerank(reverse), strict=True))
    isolated = town.n_agents - reverse.n_agents
    assert isolated < 60  # they share in the ranks, so that only the order can be compared
    found = scores(town, compared, "reverse_pagerank")
    assert [ranks[agent] for agent in found] == sorted((ranks[agent] for agent in found), reverse=True)


def test_reach_is_that_of_sessions_of_one_agent(town, compared):
    row = compared.agents[compared.agents["ranking"] == "reach"].iloc[0]
    alone = simulate(town, MODEL, seed_set=[row["agent_id"]], replicates=REPLICATES, random_seed=0, publish=False)
    assert (row["score"], row["score_standard_error"]) == (alone.reach.mean, alone.reach.standard_error)
    assert row["reach"] == row["score"]
    reached = compared.agents.drop_duplicates("agent_id")["reach"]
    assert row["score"] == reached.max()


def test_first_agents_together_are_simulated_with_other_draws(town, compared):
    assert sorted(set(compared.reach["seeds"])) == [1, 2, 5, 10]
    for name in ("degree", "reach"):
        row = compared.reach[(compared.reach["ranking"] == name) & (compared.reach["seeds"] == 5)].iloc[0]
        together = simulate(
            town, MODEL, seed_set=compared.top(name)[:5], replicates=REPLICATES, random_seed=1, publish=False
        )
        assert row["reach"] == together.reach.mean
        assert row["reach_low"] < row["reach"] < row["reach_high"]
        half = 2.0227 * together.reach.standard_error  # Student's t of 39 degrees of freedom
        assert row["reach_high"] - row["reach"] == pytest.approx(half, rel=1e-4)


def test_agreement_is_that_of_sets_and_ranks(town, compared):
    assert len(compared.agreement) == len(RANKINGS) * (len(RANKINGS) - 1) / 2
    agreement = compared.agreement.set_index(["first_ranking", "second_ranking"])
    row = agreement.loc[("degree", "pagerank")]
    first, second = set(compared.top("degree")), set(compared.top("pagerank"))
    assert row["common"] == len(first & second)
    assert row["jaccard"] == len(first & second) / len(first | second)
    wide = rank_agents(town, MODEL, rankings=["degree", "pagerank"], top=200, replicates=1, publish=False)
    row = wide.agreement.iloc[0]
    everyone = (town.out_degree, pagerank(town))
    assert row["kendall"] == pytest.approx(kendalltau(*everyone).statistic)
    assert row["spearman"] == pytest.approx(spearmanr(*everyone).statistic)
    assert wide.row["candidates"] == 200
    assert wide.reach["reach_low"].isna().all(), "one replicate has no interval"


def test_the_same_comparison_is_published_once(town, compared):
    head = town.warehouse.head
    again = rank_agents(town, MODEL, top=10, candidates=15, replicates=REPLICATES)
    assert (again.recalled, compared.recalled) == (True, False)
    assert town.warehouse.head == head
    for table in TABLES[1:]:
        assert again.tables[table].equals(compared.tables[table])
    counted = town.warehouse.sql("SELECT count(*) AS n FROM agent_rankings JOIN rankings USING (ranking_id)")
    assert counted["n"].to_list() == [70]


def test_a_deleted_network_takes_its_rankings_with_it(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    options = {"agents": 30, "edges": 90, "random_seed": 3}
    for _ in range(2):  # the second time as if there had been no first
        network = warehouse.generate_network("town", "rmat", **options)
        assert not rank_agents(network, MODEL, rankings=["degree"], top=2, replicates=2).recalled
        delete(warehouse, network_deletion(warehouse, "town"))
        assert [warehouse.count(table) for table in TABLES] == [0] * len(TABLES)


def test_the_picture_names_every_ranking(compared, assert_readable):
    figure = ranking_figure(compared)
    assert_readable(figure)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        label.get_text() for label in right.get_yticklabels()
    ]
    assert np.allclose([line.get_ydata()[-1] for line in left.lines], compared.reach.query("seeds == 10")["reach"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"top": 0}, r"top 0 is not a whole number from 1 to 200"),
        ({"top": 201}, "top 201 is not"),
        ({"top": "5"}, "top '5' is not a whole number"),
        ({"top": 10, "candidates": 9}, r"candidates 9 is not a whole number from 10 to 200"),
        ({"rankings": ["degre"]}, r"no ranking 'degre' \(did you mean 'degree'\?\)"),
        ({"rankings": []}, "give a list of some of degree"),
        ({"radius": 0}, "radius 0 is not a whole number of at least 1"),
        ({"radius": "a"}, "radius 'a' is not a whole number"),
        ({"random_seed": 2**63 - 1}, "random_seed .* is not below 9,223,372,036,854,775,807, as the next one is used"),
        ({"replicates": 0}, "replicates 0 is not a whole number"),
    ],
)
def test_what_is_wrong_is_named(town, given, said):
    with pytest.raises(InvalidInputError, match=said):
        rank_agents(town, MODEL, **given)

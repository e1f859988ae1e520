"""Communities: their sizes and agreement, and how a message crosses them, against plain Python."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import segment
from analytics.agent_groups import agent_groups
from analytics.communities import Crossing, agreement, community_sizes, crossing
from analytics.community_pictures import crossing_figure
from analytics.structure.leiden import leiden
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.warehouse.deletion import delete
from data.warehouse.dependents import session_deletion
from propagation import Result, simulate
from propagation.models import SIS, IndependentCascade

REPLICATES = 30


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """120 agents in 4 planted communities; the attribute `community` names them."""
    warehouse = Warehouse(tmp_path_factory.mktemp("communities") / "warehouse")
    return warehouse.generate_network("blocks", "planted_communities", agents=120, communities=4, random_seed=2)


@pytest.fixture(scope="module")
def result(blocks: Network) -> Result:
    model = IndependentCascade(probability=0.12)
    seeds = blocks.agent_ids[:2].to_pylist()
    return simulate(blocks, model, seed_set=seeds, replicates=REPLICATES, record="activations", first_replicate=5)


@pytest.fixture(scope="module")
def crossed(result: Result) -> Crossing:
    return crossing(result, "community")


def community_of(network: Network) -> dict[str, str]:
    groups = agent_groups(network, "community")
    return {
        agent: str(groups.labels[code]) for agent, code in zip(network.agent_ids.to_pylist(), groups.codes, strict=True)
    }


def test_sizes_count_agents_and_edges(blocks):
    found = community_sizes(blocks, "community").set_index("group_name")
    communities, ids, rows = community_of(blocks), blocks.agent_ids.to_pylist(), blocks.sparse_rows
    within, out, into = defaultdict(int), defaultdict(int), defaultdict(int)
    for agent, first, last in zip(ids, rows.offsets, rows.offsets[1:], strict=False):
        for target in rows.targets[first:last]:
            ends = communities[agent], communities[ids[target]]
            if ends[0] == ends[1]:
                within[ends[0]] += 1
            else:
                out[ends[0]] += 1
                into[ends[1]] += 1
    assert found["edges_within"].to_dict() == within
    assert found["edges_out"].to_dict() == out
    assert found["edges_in"].to_dict() == into
    assert found["agents"].sum() == 120
    assert list(found["agents"]) == sorted(found["agents"], reverse=True)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_agreement_is_that_of_the_formulas(blocks, data):
    ids = blocks.agent_ids.to_pylist()[:12]
    first, second = (
        dict(zip(ids, data.draw(st.lists(st.integers(0, 3), min_size=12, max_size=12)), strict=True)) for _ in range(2)
    )
    second.pop(ids[0])  # without a group in one of them: left out
    found = agreement(blocks, first, second)
    counts = pd.crosstab([first[i] for i in ids[1:]], [second[i] for i in ids[1:]]).to_numpy()
    assert (found.agents, found.first_groups, found.second_groups) == (11, *counts.shape)
    joint = counts / 11
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropies = [-(each * np.log(each)).sum() for each in (rows, columns)]
    shared = sum(p * np.log(p / (rows[i] * columns[j])) for (i, j), p in np.ndenumerate(joint) if p)
    assert found.nmi == pytest.approx(2 * shared / sum(entropies) if sum(entropies) else 1.0, abs=1e-9)

    def pairs(values):
        return (values * (values - 1) / 2).sum()

    expected = pairs(counts.sum(axis=1)) * pairs(counts.sum(axis=0)) / 55
    most = (pairs(counts.sum(axis=1)) + pairs(counts.sum(axis=0))) / 2
    assert found.ari == pytest.approx(1.0 if most == expected else (pairs(counts) - expected) / (most - expected))


def test_what_is_reached_in_each_community_and_when(blocks, result, crossed):
    rows, communities = result.activations.compute(), community_of(blocks)
    rows["community"] = [communities[agent] for agent in rows["agent_id"]]
    assert list(crossed.communities["group_name"]) == list(community_sizes(blocks, "community")["group_name"])
    for row in crossed.communities.itertuples():
        own = rows[rows["community"] == row.group_name]
        per_replicate = own.groupby("replicate").size().reindex(range(5, 5 + REPLICATES), fill_value=0)
        first = own.groupby("replicate")["round"].min()
        assert row.agents == sum(community == row.group_name for community in communities.values())
        assert row.seeds == sum(communities[agent] == row.group_name for agent in result.session["seed_agents"])
        assert row.replicates_reached == len(first) == row.share_of_replicates * REPLICATES
        assert row.reach == pytest.approx(per_replicate.mean())
        assert row.reach_standard_error == pytest.approx(per_replicate.std() / REPLICATES**0.5)
        assert row.share_reached == pytest.approx(per_replicate.mean() / row.agents)
        assert row.first_round == pytest.approx(first.mean())
        assert [row.first_round_q05, row.first_round_q95] == pytest.approx(first.quantile([0.05, 0.95]).to_list())
    assert crossed.communities["reach"].sum() == pytest.approx(result.reach.mean)


def test_edges_and_agents_that_carry_the_message_across(blocks, result, crossed):
    rows, communities = result.activations.compute(), community_of(blocks)
    first = {}
    for row in rows.sort_values("round").itertuples():
        first.setdefault((row.replicate, communities[row.agent_id]), row.round)
    crossings, entries, rounds = defaultdict(int), defaultdict(int), defaultdict(list)
    for row in rows.dropna(subset="infector_id").itertuples():
        edge, ends = (row.infector_id, row.agent_id), (communities[row.infector_id], communities[row.agent_id])
        if ends[0] != ends[1]:
            crossings[edge] += 1
            entries[edge] += row.round == first[row.replicate, ends[1]]
            rounds[edge].append(row.round)
    found = {(row.infector_id, row.agent_id): row for row in crossed.edges.itertuples()}
    assert {edge: row.crossings for edge, row in found.items()} == crossings
    assert {edge: row.entries for edge, row in found.items()} == entries
    assert sum(entries.values()) > 20
    for edge, row in found.items():
        assert (row.from_group, row.to_group) == (communities[edge[0]], communities[edge[1]])
        assert row.mean_round == pytest.approx(np.mean(rounds[edge]))
    assert list(crossed.edges["crossings"]) == sorted(crossings.values(), reverse=True)
    carried = crossed.carriers.set_index("infector_id")
    for agent in carried.index:
        assert carried.loc[agent, "crossings"] == sum(n for edge, n in crossings.items() if edge[0] == agent)
        into = {communities[edge[1]] for edge in crossings if edge[0] == agent}
        assert carried.loc[agent, "communities"] == len(into)
    brought = crossed.communities.set_index("group_name")
    pd.testing.assert_series_equal(crossed.flows.sum(axis=0), brought["brought_in"], check_names=False)
    pd.testing.assert_series_equal(crossed.flows.sum(axis=1), brought["carried_out"], check_names=False)
    assert np.trace(crossed.flows.to_numpy()) == 0


def test_agents_reached_again_and_agents_without_a_community_count_once(blocks):
    some = dict.fromkeys(blocks.agent_ids[:60].to_pylist(), 1)
    model = SIS(beta=0.1, gamma=0.5)
    seeds = blocks.agent_ids[:3].to_pylist()
    common = {"replicates": 1, "record": "activations", "max_rounds": 20}
    result = simulate(blocks, model, seed_set=seeds, publish=False, **common)
    assert result.table("activations")["occasion"].to_numpy().max() > 1
    found = crossing(result, some).communities.set_index("group_name")
    assert found["agents"].to_dict() == {"1": 60, "": 60}
    assert found["reach"].sum() == result.reach.mean
    assert found["reach_standard_error"].isna().all()


def test_the_same_question_is_published_once_and_deleted_with_its_session(blocks):
    model = IndependentCascade(probability=0.1)
    warehouse = blocks.warehouse
    for _ in range(2):  # the second time as if there had been no first
        result = simulate(blocks, model, seed_set=blocks.agent_ids[:1].to_pylist(), replicates=4, record="activations")
        computed = crossing(result, "community")
        head = warehouse.head
        again = crossing(result, "community")
        assert (computed.recalled, again.recalled, warehouse.head) == (False, True, head)
        pd.testing.assert_frame_equal(again.communities, computed.communities)
        pd.testing.assert_frame_equal(again.edges, computed.edges)
        in_sql = warehouse.sql(f"FROM community_reach WHERE session_id = '{result.session_id}'")
        assert len(in_sql) == 4
        delete(warehouse, session_deletion(warehouse, result.session_id))
        assert not len(warehouse.sql(f"FROM community_reach WHERE session_id = '{result.session_id}'"))


def test_rows_are_replaced_when_the_groups_of_a_name_change(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("blocks", "planted_communities", agents=40, communities=2, random_seed=2)
    common = {"seed_set": network.agent_ids[:1].to_pylist(), "record": "activations"}
    first, other = (
        simulate(network, IndependentCascade(probability=0.3), replicates=replicates, **common) for replicates in (3, 4)
    )
    segment(network, ["in_degree"], segments=2)
    found = [crossing(each, "segment") for each in (first, other)]
    warehouse.maintain()  # rows of both sessions come into one file
    assert [crossing(each, "segment").recalled for each in (first, other)] == [True, True]
    segment(network, ["in_degree"], segments=3)
    again = crossing(first, "segment")
    assert (again.recalled, len(found[0].communities), len(again.communities)) == (False, 2, 3)
    pd.testing.assert_frame_equal(crossing(first, "segment").communities, again.communities)
    in_sql = warehouse.sql("SELECT session_id, count(*) AS n FROM community_reach GROUP BY 1").set_index("session_id")
    assert in_sql["n"].to_dict() == {first.session_id: 3, other.session_id: 2}
    assert crossing(first, "segment").recalled
    assert not crossing(other, "segment").recalled


def test_the_picture_names_communities_and_shows_their_reach(crossed, assert_readable):
    figure = crossing_figure(crossed)
    assert_readable(figure)
    session = crossed.result.session_id[:8]
    assert figure._suptitle.get_text() == f"Session {session} on blocks, by community"
    bars = [bar.get_width() for bar in figure.axes[0].containers[1]]
    assert bars == pytest.approx(crossed.communities["share_reached"].to_list())


def test_the_picture_shows_where_the_message_starts(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("blocks", "planted_communities", agents=300, communities=20, random_seed=2)
    groups = agent_groups(network, "community")
    seed = network.agent_ids[int(np.flatnonzero(groups.codes == 19)[0])].as_py()
    result = simulate(network, IndependentCascade(probability=0.1), seed_set=[seed], replicates=5, record="activations")
    labels = [label.get_text() for label in crossing_figure(crossing(result, "community")).axes[0].get_yticklabels()]
    assert len(labels) == 15
    assert "19 (1 seed)" in labels


def test_what_is_wrong_is_named(blocks):
    model = IndependentCascade(probability=0.1)
    result = simulate(blocks, model, seed_set=["1"], replicates=2, publish=False)
    with pytest.raises(InvalidInputError, match=r"recorded 'rounds', .*run it with record: activations"):
        crossing(result, "community")
    with pytest.raises(InvalidInputError, match=r"no column 'comunity' \(did you mean 'community'\?\)"):
        agreement(blocks, "comunity", "community")
    with pytest.raises(InvalidInputError, match="no agent of network 'blocks' has a group in both groupings"):
        agreement(blocks, {"1": 1}, {"2": 1})


@pytest.mark.parametrize(
    ("edges", "options", "labels", "nmi", "ari"),
    [
        ("email-Eu-core/email-Eu-core.txt", {}, "email-Eu-core/email-Eu-core-department-labels.txt", 0.594, 0.340),
        ("lastfm_asia/edges.csv", {"undirected": True}, "lastfm_asia/target.csv", 0.643, 0.575),
    ],
)
def test_leiden_finds_departments_and_countries(shared_data: Path, tmp_path, edges, options, labels, nmi, ari):
    """Figures of our own: they change with igraph's version, not with ours."""
    folder = shared_data / "networks"
    network = Warehouse(tmp_path / "warehouse").import_network("real", folder / edges, **options)
    known = pd.read_csv(folder / labels, sep=None, engine="python", header=0 if "lastfm" in labels else None)
    truth = dict(zip(known.iloc[:, 0].astype(str), known.iloc[:, 1], strict=True))
    truth = {agent: group for agent, group in truth.items() if network.known_ids([agent])}
    found = dict(zip(network.agent_ids.to_pylist(), leiden(network).of_agent.tolist(), strict=True))
    agreed = agreement(network, found, truth)
    assert (agreed.nmi, agreed.ari) == pytest.approx((nmi, ari), abs=0.05)


def test_columns_of_fractional_numbers_are_no_groups_and_whole_ones_are(blocks):
    with pytest.raises(InvalidInputError, match=r"column 'pagerank' holds fractional numbers such as 0\.0"):
        community_sizes(blocks, "pagerank")
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    agents = pd.DataFrame({"agent_id": ["a", "b", "c"], "office": [1.0, 2.0, np.nan]})
    offices = blocks.warehouse.import_network("offices", edges, agents=agents)
    assert agent_groups(offices, "office").labels == [1, 2, None]


def test_results_of_several_sessions_are_refused(result):
    with pytest.raises(InvalidInputError, match=r"is not the result of a session; give one, such as that of its .*'a'"):
        crossing({"a": result}, "community")

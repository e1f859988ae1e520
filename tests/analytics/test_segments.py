"""Segments: planted groups, plain definitions of the features and scales, names, and segments as a column."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analytics.segments.clustering as clustering_module
from analytics import crossing, publish_surrogate, segment, surrogate, sweep
from analytics.agent_groups import agent_groups
from analytics.segments.clustering import cluster
from analytics.segments.description import describe
from analytics.segments.features import OF_CASCADES, Features, agent_features, transformed
from analytics.sql_reports import report
from data.cascades.cleaning import observed_cascades
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.agent_columns import agents_within, column_of_agents
from data.networks.network import Network
from data.warehouse.deletion import delete
from data.warehouse.dependents import network_deletion
from propagation import simulate, simulate_many
from propagation.models import IndependentCascade
from propagation.seeding import (
    InfluenceMaximisation,
    RandomSeeds,
    Spread,
    TopOutDegree,
    make_strategy,
    seeds_of_messages,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """200 agents, the first 60 of whom have many edges; segmented by in-degree and an attribute."""
    warehouse = Warehouse(tmp_path_factory.mktemp("segments") / "warehouse")
    draws = np.random.default_rng(5)
    pairs = {(int(a), int(b)) for a, b in draws.integers(0, 60, (900, 2)) if a != b}
    pairs |= {(int(a), int(b)) for a, b in zip(range(60, 200), draws.integers(0, 60, 140), strict=True)}
    edges = pd.DataFrame([(f"a{a}", f"a{b}") for a, b in sorted(pairs)], columns=["source", "target"])
    people = pd.DataFrame(
        {
            "agent_id": [f"a{number}" for number in range(200)],
            "age": [20 + number % 3 if number < 60 else 70 + number % 3 for number in range(200)],
            "city": ["x" if number % 2 else "y" for number in range(200)],
            "nick_name": "x",
        }
    )
    network = warehouse.import_network("town", edges, agents=people)
    found = segment(network, ["in_degree", "age"])
    assert found.tables["segments"].num_rows >= 2
    return network


# -- clustering -----------------------------------------------------------------------------------------------------


def planted(count: int = 3, points: int = 120) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(count)
    truth = np.repeat(np.arange(count), points // count)
    return draws.normal(truth[:, None] * 8.0, 1.0, (len(truth), 2)), truth


def test_planted_groups_are_found_and_numbered_by_size() -> None:
    values, truth = planted()
    found = cluster(values[20:], [2, 3, 4, 5])  # the first group is the smallest
    assert len(found.centres) == 3
    assert max(found.silhouettes) == found.silhouette == found.silhouettes[1]
    assert found.labels[:20].tolist() == [3] * 20
    assert pd.crosstab(found.labels, truth[20:]).to_numpy().astype(bool).sum() == 3


def test_dask_ml_groups_points_as_scikit_learn_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same centres, for one block and for many."""
    from sklearn.cluster import KMeans

    values = np.random.default_rng(1).normal(size=(500, 3)) ** 3
    whole = cluster(values, [4])
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    start = np.stack([scaled[whole.labels == number].mean(axis=0) for number in range(1, 5)])
    again = KMeans(4, init=start, n_init=1, tol=0.0).fit(scaled)
    assert again.n_iter_ <= 2  # it has nothing to improve
    assert (again.labels_ + 1 == whole.labels).mean() > 0.99
    monkeypatch.setattr(clustering_module, "BLOCK", 64)
    assert (cluster(values, [4]).labels == whole.labels).all()


def test_the_scaler_of_dask_ml_is_the_plain_definition() -> None:
    import dask.array as da
    from dask_ml.preprocessing import StandardScaler

    values = np.random.default_rng(2).lognormal(size=(100, 3))
    blocks = da.from_array(values, chunks=(33, 3))
    scaled = np.asarray(StandardScaler().fit(blocks).transform(blocks))
    assert scaled == pytest.approx((values - values.mean(axis=0)) / values.std(axis=0))


def test_more_segments_than_different_agents_are_refused() -> None:
    values = np.repeat([[0.0], [1.0]], 10, axis=0)
    with pytest.raises(
        InvalidInputError, match="3 segments need at least 3 agents that differ, and among 20 there are"
    ):
        cluster(values, [3])
    found = cluster(values, [2, 3, 4], capped=True)
    assert (found.counts, found.silhouette) == ((2,), pytest.approx(1.0))
    assert len(set(found.labels[:10])) == len(set(found.labels[10:])) == 1


@pytest.mark.parametrize(
    "pairs", [[(0, leaf) for leaf in range(1, 41)], [(a, b) for a in range(3) for b in range(3, 43)]]
)
def test_a_network_of_two_kinds_of_agents_has_two_segments(pairs: list[tuple[int, int]]) -> None:
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    star = Warehouse("memory://kinds").import_network(f"kinds-{len(pairs)}", edges, undirected=True)
    found = segment(star, publish=False)
    assert sorted(found.segments["agents"]) == sorted(pd.Series(np.ravel(pairs)).value_counts().value_counts())
    assert "the only number that was tried" in found.sentence
    assert found.row["notes"] == ["more than 2 segments were not tried: only 2 kinds of agents differ"]


# -- features -------------------------------------------------------------------------------------------------------


def test_skewed_features_are_seen_through_a_logarithm_and_others_are_left_out() -> None:
    draws = np.random.default_rng(3)
    skewed, even = draws.lognormal(sigma=1.5, size=300), draws.normal(size=300)
    even[:3] = np.nan
    columns = {"money": skewed, "height": even, "twice": 2 * skewed, "same": np.ones(300)}
    found = transformed(columns)
    assert found.names == ("money", "height")
    assert found.transforms == ("log", "none")
    assert found.left_out == ("twice: correlates with money by more than 0.99", "same: the same for all agents")
    assert found.values[:, 0] == pytest.approx(np.log(1 + skewed / np.median(skewed)))
    assert found.values[:3, 1] == pytest.approx(np.nanmedian(even))
    assert found.notes == ("height: 3 agents have no value; they have the median of the others",)
    with pytest.raises(InvalidInputError, match=r"no feature tells agents apart \(same: the same for all agents\)"):
        transformed({"same": np.ones(5)})


def test_agents_without_a_finite_value_are_counted() -> None:
    wild = np.array([np.inf, -np.inf, np.nan, 1.0, 3.0, 8.0])
    found = transformed(
        {"wild": wild, "never": np.full(6, np.inf), "once": np.where(wild == 8.0, 8.0, np.nan)},
    )
    assert found.values[:, 0].tolist() == [3.0, 3.0, 3.0, 1.0, 3.0, 8.0]
    assert found.notes == (
        "wild: 1 agent has no value, 2 agents have an infinite value; they have the median of the others",
    )
    assert found.left_out == (
        "never: no agent has a finite value (6 agents have an infinite value)",
        "once: the same for all agents that have a value (5 agents have no value)",
    )


@pytest.fixture(scope="module")
def path() -> Network:
    edges = pd.DataFrame({"source": ["a0", "a1", "a2"], "target": ["a1", "a2", "a3"]})
    return Warehouse("memory://activity").import_network("path", edges)


ORDERS = st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True)


@given(st.lists(ORDERS, max_size=7))
def test_activity_in_cascades_is_counted_as_defined(path: Network, orders: list[list[int]]) -> None:
    """Each cascade is a list of agents in their order, each activated by the one before; two are not in the network."""
    orders = [[3], *orders]
    rows = pd.DataFrame(
        [
            (f"c{number}", f"a{agent}", float(when), f"a{order[when - 1]}" if when else None)
            for number, order in enumerate(orders)
            for when, agent in enumerate(order)
        ],
        columns=["cascade", "agent", "time", "infector"],
    )
    found = agent_features(path, OF_CASCADES, None, observed_cascades("set", rows).cascades)
    for place, agent_id in enumerate(path.agent_ids.to_pylist()):
        agent = int(agent_id[1:])
        own = [each for each in orders if agent in each]
        assert found["cascades"][place] == len(own)
        assert found["cascades_started"][place] == sum(each[0] == agent for each in own)
        assert found["activated"][place] == pytest.approx(sum(each[-1] != agent for each in own) / max(len(own), 1))
        positions = [each.index(agent) / max(len(each) - 1, 1) for each in own]
        assert found["mean_position"][place] == pytest.approx(np.mean(positions) if own else np.nan, nan_ok=True)


def test_results_of_a_session_are_features(town: Network) -> None:
    result = simulate(town, IndependentCascade(probability=0.3), seed_set=["a0"], replicates=20, record="reach")
    found = agent_features(town, ["reach_probability", "mean_round"], result, None)
    rows = result.agents.set_index("agent_id")
    for place, agent_id in enumerate(town.agent_ids.to_pylist()):
        is_reached = agent_id in rows.index
        assert found["reach_probability"][place] == (rows.loc[agent_id, "probability"] if is_reached else 0.0)
        assert np.isnan(found["mean_round"][place]) == (not is_reached)


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (["in_degre"], {}, r"no feature 'in_degre' \(did you mean 'in_degree'\?\)"),
        (["community"], {}, "'community' numbers groups and is no quantity"),
        (["city"], {}, "'city' of network 'town' is of type .*string; features are numbers"),
        (["reach_probability"], {}, "'reach_probability' is that of a session; give one"),
        (["cascades"], {}, "'cascades' is that of a set of cascades; give one"),
        ([], {}, "no features are named; give a list of at least one"),
        (None, {"segments": 1}, "segments 1 is not a whole number of at least 2"),
        (None, {"most": 200}, "most 200 is not a whole number of at least 2 and below the 200 agents"),
        (None, {"name": "age"}, "name 'age': the agents of network 'town' have a column 'age' already"),
        (None, {"name": "agent_id"}, "name 'agent_id': the agents of network 'town' have a column 'agent_id' already"),
        (None, {"name": "nick"}, "name 'nick': the agents of network 'town' have a column 'nick_name' already"),
        (None, {"name": "segment_name"}, "have a column 'segment_name' already"),
        (None, {"segments": 4, "most": 3}, "segments 4 and most 3 are both given; leave out one"),
        (None, {"random_seed": 1.5}, "random_seed 1.5 is not a whole number from 0"),
        (None, {"random_seed": 10**23}, "random_seed 1000.* is not a whole number from 0"),
    ],
)
def test_what_cannot_be_segmented_is_refused(town: Network, features, options, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        segment(town, features, **options)


# -- descriptions ---------------------------------------------------------------------------------------------------


def test_segments_are_named_by_what_stands_out() -> None:
    values, _ = planted(2, 40)
    raw = {"out_degree": values[:, 0], "cascades": -values[:, 0] + values[:, 1] * 0.1, "shoes": np.zeros(40)}
    groups = cluster(np.column_stack([raw["out_degree"], raw["cascades"]]), [2])
    features = Features({name: raw[name] for name in ("out_degree", "cascades")}, ("none", "none"), values, ())
    described = describe(features, groups)
    assert sorted(described.names) == ["few followers, often active", "many followers, rarely active"]
    many = described.names.index("many followers, rarely active")
    assert described.means[many, 0] == pytest.approx(values[20:, 0].mean())
    assert described.medians[many, 0] == pytest.approx(np.median(values[20:, 0]))
    assert described.stands_out.all()


# -- as a column ----------------------------------------------------------------------------------------------------


def test_a_segmentation_is_published_once_and_read_again(town: Network) -> None:
    again = segment(town, ["in_degree", "age"])
    assert again.recalled
    assert again.segments["agents"].sum() == 200
    assert again.segments["agents"].is_monotonic_decreasing
    counted = town.warehouse.sql(
        "SELECT segment, any_value(segment_name) AS segment_name, count(agent_id) AS agents FROM agent_segments "
        "WHERE segmentation = 'segment' GROUP BY segment ORDER BY segment"
    )
    assert counted["agents"].tolist() == again.segments["agents"].tolist()
    assert counted["segment_name"].tolist() == again.segments["segment_name"].tolist()
    old = again.traits[again.traits["feature"] == "age"]
    ages = again.agents.merge(town.agents.compute(), on="agent_id").groupby("segment")["age"]
    assert old["feature_mean"].tolist() == pytest.approx(ages.mean().tolist())
    assert old["feature_median"].tolist() == pytest.approx(ages.median().tolist())


def test_the_last_segmentation_of_a_name_is_the_column(town: Network) -> None:
    first = segment(town, ["age"], segments=2, name="generation")
    assert agent_groups(town, "generation").labels == [1, 2]
    assert sorted(agent_groups(town, "generation_name").labels) == sorted(first.segments["segment_name"])
    segment(town, ["age"], segments=3, name="generation")
    assert agent_groups(town, "generation").labels == [1, 2, 3]
    assert segment(town, ["age"], segments=2, name="generation").recalled
    assert agent_groups(town, "generation").labels == [1, 2]
    listed = town.warehouse.sql("SELECT is_current, len(silhouettes) FROM segmentations "
                                "WHERE segmentation = 'generation' ORDER BY segmented_at")  # fmt: skip
    assert listed["is_current"].tolist() == [True, False]
    head = town.warehouse.head
    assert segment(town, ["age"], segments=2, name="generation").recalled
    assert town.warehouse.head == head
    with pytest.raises(InvalidInputError, match=r"no column 'generatio' \(did you mean 'generation'\?\)"):
        column_of_agents(town, "generatio")


def test_messages_cross_segments_and_reports_count_them(town: Network) -> None:
    sessions = {"one": {"seed_set": RandomSeeds(budget=3)}}
    model = IndependentCascade(probability=0.2)
    result = simulate_many(town, sessions, model=model, replicates=20, record="activations", campaign="spring")["one"]
    by_segment = crossing(result, "segment").communities
    segments = segment(town, ["in_degree", "age"]).segments
    asked = report(town.warehouse, "reach_by_segment").frame()
    assert asked["segment_name"].tolist() == segments["segment_name"].tolist()
    assert asked["reach"].sum() == pytest.approx(result.reach.mean)
    rounds = result.table("activations").to_pandas()
    numbers = segment(town, ["in_degree", "age"]).agents.set_index("agent_id")["segment"]
    of_agent = np.array([numbers.get(each, 0) for each in town.agent_ids.to_pylist()])
    expected = rounds.groupby(of_agent[rounds["agent"]])["round"].mean()
    assert asked["mean_round"].tolist() == pytest.approx(expected.tolist())
    assert by_segment["agents"].tolist() == segments["agents"].tolist()


def test_what_is_current_goes_with_its_network() -> None:
    warehouse = Warehouse("memory://deleted")
    values = {"probability": [0.05, 0.1, 0.2, 0.4]}
    seeds = RandomSeeds(budget=1)
    for edges, name in ((200, "kept"), (210, "gone")):
        network = warehouse.generate_network(name, "erdos_renyi", agents=40, edges=edges)
        segment(network, ["in_degree"], segments=2)
        found = sweep(network, "independent_cascade", values, seed_sets=seeds, replicates=10, publish=False)
        publish_surrogate(surrogate(found, name=name))
    delete(warehouse, network_deletion(warehouse, "gone", with_sessions=True))
    assert [row["surrogate"] for row in warehouse.read("current_surrogates").to_pylist()] == ["kept"]
    rows = warehouse.read("current_segmentations").to_pylist()
    assert [row["snapshot_id"] for row in rows] == [warehouse.network("kept").snapshot_id]


# -- seeds within groups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "top_out_degree", "degree_discount", "influence_maximisation"])
@pytest.mark.parametrize("within", [{"segment": 1}, {"segment": [1, 2], "city": "x"}, {"age": 71}])
def test_seeds_are_chosen_within_groups(town: Network, name: str, within: dict) -> None:

    pool = agents_within(town, within)
    spread = Spread(IndependentCascade(probability=0.2))
    chosen = make_strategy(name, {"budget": 4, "within": within}).choose(town, 0, spread)
    assert len(set(chosen.tolist())) == 4
    assert np.isin(chosen, pool).all()
    for column, values in within.items():
        wanted = {str(each) for each in (values if isinstance(values, list) else [values])}
        assert {str(each) for each in column_of_agents(town, column).take(chosen).to_pylist()} <= wanted


def test_the_best_hub_of_a_segment_has_most_edges_in_it(town: Network) -> None:
    pool = agents_within(town, {"city": "y"})
    (best,) = TopOutDegree(budget=1, within={"city": "y"}).choose(town, 0).tolist()
    assert town.out_degree[best] == town.out_degree[pool].max()


def test_targets_may_be_a_segment(town: Network) -> None:

    ids = town.agent_ids.take(agents_within(town, {"segment": 1})).to_pylist()
    spread = Spread(IndependentCascade(probability=0.2))
    by_group, by_id = (
        InfluenceMaximisation(budget=2, targets=targets).choose(town, 0, spread).tolist()
        for targets in ({"segment": 1}, ids)
    )
    assert by_group == by_id


def test_groups_that_cannot_be_seeded_are_refused(town: Network) -> None:
    with pytest.raises(InvalidInputError, match="no agent of network 'town' has city z; values are x, y"):
        RandomSeeds(budget=1, within={"city": "z"}).choose(town, 0)
    with pytest.raises(InvalidInputError, match=r"seed budget 101 exceeds the 100 agents of network 'town' with city"):
        RandomSeeds(budget=101, within={"city": "x"}).choose(town, 0)
    with pytest.raises(InvalidInputError, match="gives no groups; give values by column"):
        RandomSeeds(budget=1, within=["city"])


def test_a_strategy_without_groups_is_stored_as_before() -> None:
    assert RandomSeeds(budget=3).model_dump() == {"budget": 3}
    assert RandomSeeds(budget=3, within={"segment": 2}).model_dump() == {"budget": 3, "within": {"segment": ("2",)}}


def test_competing_messages_share_a_segment(town: Network) -> None:
    pool = agents_within(town, {"city": "x"})
    sets = {
        "first": RandomSeeds(budget=60, within={"city": "x"}),
        "second": RandomSeeds(budget=40, within={"city": "x"}),
    }
    found = seeds_of_messages(town, sets, 0)
    together = np.concatenate([seeds for seeds, _ in found.values()])
    assert sorted(together.tolist()) == pool.tolist()

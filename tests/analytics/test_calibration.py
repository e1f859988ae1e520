"""Calibration: plain definitions on small networks, planted values recovered, scores, and what is published."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics import calibrate_edges, calibrate_parameters, score_calibration
from analytics.calibration.edges import estimate_edges, log_likelihood
from analytics.calibration.exposures import Partitions, exposures
from analytics.calibration.held_out import held_out
from analytics.calibration.options import Options, options_of
from analytics.calibration.pooled import pooled_probability
from analytics.calibration.scores import choose_prior_strength, scores_of
from data import Warehouse
from data.cascades.cleaning import observed_cascades
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from propagation import simulate, simulate_many
from propagation.clusters import ClusterProfile, connect
from propagation.models import SIR, IndependentCascade, LinearThreshold
from tests.reference import calibration as plain

AGENTS = 6
PAIRS = [(a, b) for a in range(AGENTS) for b in range(AGENTS) if a != b]


@st.composite
def small_data(draw):
    """Edges among six agents, and cascades as times by agent, of which one at least has a possible cause."""
    edges = sorted(draw(st.lists(st.sampled_from(PAIRS), unique=True, min_size=1, max_size=14)))
    times = st.dictionaries(st.integers(0, AGENTS - 1), st.integers(0, 3), min_size=1)
    cascades = draw(st.lists(times, min_size=1, max_size=6))
    first, second = edges[0]
    cascades.append({first: 0, second: 1})
    return edges, [{agent: time - min(each.values()) for agent, time in each.items()} for each in cascades]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("calibration") / "warehouse")


def imported(warehouse: Warehouse, name: str, edges, cascades) -> tuple[Network, ObservedCascades]:
    """Return a network of numbered agents, and cascades of them."""
    frame = pd.DataFrame(edges, columns=["source", "target"]).astype(str)
    agents = pd.DataFrame({"agent": [str(agent) for agent in range(AGENTS)]})
    network = warehouse.import_network(name, frame, agents=agents)
    rows = [(i, str(agent), time) for i, each in enumerate(cascades) for agent, time in each.items()]
    found = observed_cascades("seen", pd.DataFrame(rows, columns=["cascade", "agent", "time"]), network=network)
    return network, found.cascades


def by_pair(network: Network, values) -> dict[tuple[int, int], float]:
    ids, rows = network.agent_ids.to_pylist(), network.sparse_rows
    pairs = zip(rows.sources(0, rows.n_edges), rows.targets, values, strict=True)
    return {(int(ids[source]), int(ids[target])): value for source, target, value in pairs}


# -- plain definitions ----------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(small_data(), st.sampled_from([np.inf, 1.0, 2.0]), st.sampled_from([0.5, 3.0]))
def test_em_of_the_independent_cascade_is_that_of_the_paper(warehouse, data, window, strength) -> None:
    edges, cascades = data
    network, seen = imported(warehouse, "small", edges, cascades)
    found = exposures(network, seen, None if window == np.inf else window)
    uniform = pooled_probability(found)
    assert uniform == pytest.approx(plain.uniform_probability(edges, cascades, window), abs=1e-5)
    options = Options(
        window=None if window == np.inf else window,
        prior_strength=strength,
        shrink_to="network",
        most_iterations=30,
        tolerance=1e-300,
    )
    calibrated = estimate_edges(network, seen, options)
    expected = plain.em_independent_cascade(edges, cascades, uniform, strength, 30, window)
    assert by_pair(network, calibrated.values) == pytest.approx(expected, abs=1e-9)
    possible, failed = plain.exposures(edges, cascades, window)
    trials = {edge: len(possible[edge]) + len(failed[edge]) for edge in edges}
    assert by_pair(network, calibrated.exposures) == trials
    assert (calibrated.low <= calibrated.values + 1e-12).all()
    assert (calibrated.values <= calibrated.high + 1e-12).all()


@settings(max_examples=12, deadline=None)
@given(small_data(), st.sampled_from([np.inf, 1.0]), st.sampled_from([0.5, 3.0]))
def test_em_of_the_linear_threshold_is_that_of_hidden_choices(warehouse, data, window, strength) -> None:
    edges, cascades = data
    network, seen = imported(warehouse, "small", edges, cascades)
    options = Options(
        model="linear_threshold",
        window=None if window == np.inf else window,
        prior_strength=strength,
        most_iterations=20,
        tolerance=1e-300,
    )
    calibrated = estimate_edges(network, seen, options)
    expected = plain.em_linear_threshold(edges, cascades, calibrated.uniform, strength, 20, window)
    assert by_pair(network, calibrated.values) == pytest.approx(expected, abs=1e-9)
    sums = np.bincount(network.sparse_rows.targets, calibrated.values)
    assert sums.max() <= 1.0 + 1e-9


@settings(max_examples=40, deadline=None)
@given(small_data(), st.integers(0, 3), st.sampled_from([np.inf, 1.0, 2.0]))
def test_ranks_and_precisions_are_those_of_sorted_lists(warehouse, data, number, window) -> None:
    edges, cascades = data
    network, seen = imported(warehouse, "small", edges, cascades)
    values = np.random.default_rng(number).integers(0, 3, len(edges)) / 4
    scores = scores_of(network, "linear_threshold", window, values, seen)
    ranks, precisions = plain.next_adopter_scores(range(AGENTS), set(edges), by_pair(network, values), cascades, window)
    assert scores["mrr"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert scores["precision_at_10"] == pytest.approx(np.mean(precisions))
    assert scores["steps"] == len(ranks)


def test_only_agents_after_the_first_time_are_ranked(warehouse) -> None:
    """Three seeds at time 0, and one agent after them."""
    network, seen = imported(warehouse, "late", [(0, 3), (1, 3)], [{0: 0, 1: 0, 2: 0, 3: 1}])
    scores = scores_of(network, "independent_cascade", None, np.array([0.5, 0.5]), seen)
    assert (scores["steps"], scores["mrr"], scores["precision_at_10"]) == (1, 1.0, 0.1)
    passed = scores_of(network, "independent_cascade", 0.5, np.array([0.5, 0.5]), seen)
    assert passed["mrr"] == 1 / 2  # nobody is expected, and all of the three who are left are equal


def test_credit_is_shared_as_defined(warehouse) -> None:
    """Agents 0 and 1 precede 2 in the first cascade, 0 alone in the second, and the third one has 0 alone."""
    edges, cascades = [(0, 2), (1, 2)], [{0: 0, 1: 1, 2: 3}, {0: 0, 2: 1}, {0: 0}, {2: 0}]
    network, seen = imported(warehouse, "credit", edges, cascades)

    def of(method: str, **options) -> dict[tuple[int, int], float]:
        found = estimate_edges(network, seen, Options(method=method, prior_strength=0.0, **options))
        return by_pair(network, found.values)

    assert of("bernoulli") == pytest.approx({(0, 2): 2 / 3, (1, 2): 1.0})
    assert of("jaccard") == pytest.approx({(0, 2): 2 / 4, (1, 2): 1 / 3})
    assert of("partial_credit") == pytest.approx({(0, 2): 1.5 / 3, (1, 2): 0.5})
    older = np.exp(-1 / 2)  # 0 was active one unit of time before 1
    shares = older / (1 + older), 1 / (1 + older)
    assert of("partial_credit", decay=2.0) == pytest.approx({(0, 2): (1 + shares[0]) / 3, (1, 2): shares[1]})


def test_an_agents_probability_fits_all_of_its_edges(warehouse) -> None:
    edges, cascades = [(0, 2), (1, 2)], [{0: 0, 1: 0, 2: 1}, {0: 0}, {1: 0}, {0: 0, 2: 1}]
    network, seen = imported(warehouse, "agents", edges, cascades)
    found = estimate_edges(network, seen, Options(method="agents", prior_strength=0.0))
    grid = np.linspace(0.001, 0.999, 999)
    best = grid[np.argmax(np.log(1 - (1 - grid) ** 2) + np.log(grid) + 2 * np.log(1 - grid))]
    assert found.values == pytest.approx(np.full(2, best), abs=1e-3)
    likelihood = log_likelihood(exposures(network, seen), "independent_cascade", found.values)
    assert likelihood == pytest.approx(np.log(1 - (1 - best) ** 2) + np.log(best) + 2 * np.log(1 - best), abs=1e-4)


# -- planted values -------------------------------------------------------------------------------------------------


def planted(warehouse: Warehouse, name: str, model, most: float) -> tuple[Network, ObservedCascades]:
    """Return a network with a probability column, and cascades simulated with it from various seeds."""
    draws = np.random.default_rng(4)
    agents, pairs = 40, set()
    while len(pairs) < 160:
        source, target = draws.integers(0, agents, 2).tolist()
        if source != target:
            pairs.add((source, target))
    frame = pd.DataFrame(sorted(pairs), columns=["source", "target"])
    frame["planted"] = draws.uniform(0.05, most, len(frame))
    if isinstance(model, LinearThreshold):
        frame["planted"] /= frame.groupby("target")["target"].transform("size")
    network = warehouse.import_network(name, frame, probability="planted")
    sessions = {
        str(number): {
            "model": model,
            "seed_set": draws.choice(network.agent_ids.to_pylist(), 4, replace=False),
            "random_seed": number,  # sessions with the same one would share their draws
        }
        for number in range(25)
    }
    results = simulate_many(network, sessions, replicates=60, record="activations", publish=False)
    parts = []
    for session, result in results.items():
        rows = result.table("activations").to_pandas()
        names = network.agent_ids.take(rows["agent"].to_numpy()).to_pylist()
        cascade = session + " " + rows["replicate"].astype(str)
        parts.append(pd.DataFrame({"cascade": cascade, "agent": names, "time": rows["round"]}))
    found = observed_cascades("simulated", pd.concat(parts), network=network, time_unit="rounds")
    return network, found.cascades


@pytest.fixture(scope="module")
def cascades_of_ic(warehouse: Warehouse) -> tuple[Network, ObservedCascades]:
    return planted(warehouse, "planted-ic", IndependentCascade(probability="column"), 0.6)


@pytest.fixture(scope="module")
def cascades_of_lt(warehouse: Warehouse) -> tuple[Network, ObservedCascades]:
    return planted(warehouse, "planted-lt", LinearThreshold(weight="column"), 1.0)


@pytest.mark.parametrize(("model", "window"), [("independent_cascade", 1.0), ("linear_threshold", 1.0)])
def test_planted_values_are_recovered_within_their_intervals(cascades_of_ic, cascades_of_lt, model, window) -> None:
    network, seen = cascades_of_ic if model == "independent_cascade" else cascades_of_lt
    found = estimate_edges(network, seen, Options(model=model, window=window, prior_strength=0.0, tolerance=1e-8))
    truth = network.edge_values("planted")
    many = found.exposures >= 50
    assert many.sum() > 100
    covered = (found.low <= truth) & (truth <= found.high)
    assert 0.9 <= covered[many].mean() <= 0.995  # of 95 % intervals
    assert np.abs(found.values - truth)[many].mean() < 0.05
    assert np.corrcoef(found.values[many], truth[many])[0, 1] > 0.9
    assert (found.high - found.low)[many].mean() < 0.25
    assert abs((found.values - truth)[many].mean()) < 0.01


def test_the_calibrated_network_predicts_better_than_simple_values(cascades_of_ic) -> None:
    network, seen = cascades_of_ic
    fitted, test = held_out(seen, 0.25)
    found = calibrate_edges(network, fitted, window=1, publish=False)
    scores = score_calibration(found, test, publish=False).table.set_index("predictor")
    for name in ("uniform", "weighted_cascade"):
        assert scores.loc["calibrated", "log_likelihood"] > scores.loc[name, "log_likelihood"]
        assert scores.loc["calibrated", "mrr"] > scores.loc[name, "mrr"]
    small, large = fitted.select(range(20)), test
    strength, tried = choose_prior_strength(network, small, large, window=1.0, strengths=[0.1, 5.0])
    assert strength == 5.0
    assert tried["log_likelihood"].is_monotonic_increasing


def test_values_are_the_same_for_any_partitions(cascades_of_ic) -> None:
    network, seen = cascades_of_ic
    whole = estimate_edges(network, seen, Options(window=1.0))
    for number in (1, 3, 100):
        part = estimate_edges(network, seen, Options(window=1.0), Partitions(number))
        assert part.values.tobytes() == whole.values.tobytes()
        assert part.high.tobytes() == whole.high.tobytes()
        assert part.log_likelihood == whole.log_likelihood


@pytest.mark.xdist_group("processes")
def test_values_are_the_same_on_a_cluster(cascades_of_ic, monkeypatch) -> None:
    """Arrays of all data are sent once to each of two processes, and every range of agents refers to them."""
    network, seen = cascades_of_ic
    here = estimate_edges(network, seen, Options(window=1.0))
    with connect(ClusterProfile(kind="processes", workers=2)) as client:
        scattered, scatter = [], client.scatter
        monkeypatch.setattr(client, "scatter", lambda data, **how: scattered.append(data) or scatter(data, **how))
        found = calibrate_edges(network, seen, window=1.0, client=client, partitions=20, publish=False)
        assert len([each for each in scattered if len(each) == seen.activations]) == 2  # cascades and times
        weights = calibrate_edges(network, seen, window=1.0, model="linear_threshold", client=client, publish=False)
    assert found.values.tobytes() == here.values.tobytes()
    assert found.high.tobytes() == here.high.tobytes()
    assert found.log_likelihood == here.log_likelihood
    of_weights = estimate_edges(network, seen, Options(model="linear_threshold", window=1.0))
    assert weights.values.tobytes() == of_weights.values.tobytes()


def test_edges_that_always_try_together_are_not_told_apart(warehouse) -> None:
    edges = [(0, 2), (1, 2), (3, 4)]
    cascades = [{0: 0, 1: 0, 2: 1, 3: 0, 4: 1}] * 20 + [{0: 0, 1: 0, 3: 0}] * 20
    network, seen = imported(warehouse, "twins", edges, cascades)
    found = estimate_edges(network, seen, Options(prior_strength=0.0))
    assert found.counts["confounded_edges"] == 2
    assert any("cannot be estimated separately" in warning for warning in found.warnings)
    widths = by_pair(network, found.high - found.low)
    assert widths[0, 2] > 1.5 * widths[3, 4]
    assert by_pair(network, found.values)[3, 4] == pytest.approx(0.5)


# -- published ------------------------------------------------------------------------------------------------------


def test_a_calibration_is_published_once_and_sessions_use_its_network(cascades_of_ic) -> None:
    network, seen = cascades_of_ic
    fitted, test = held_out(seen, 0.1)
    found = calibrate_edges(network, fitted, window=1)
    assert not found.was_published
    scores = score_calibration(found, test)
    head = network.warehouse.head
    again = calibrate_edges(network, fitted, window=1.0)
    assert again.was_published
    assert again.values.tolist() == found.values.tolist()
    assert (again.counts, again.warnings) == (found.counts, found.warnings)
    repeated = score_calibration(again, test)
    assert repeated.was_published
    assert repeated.table.to_dict("records") == scores.table.to_dict("records")
    assert network.warehouse.head == head
    calibrated = network.warehouse.network("planted-ic-calibrated")
    assert calibrated.agent_ids.equals(network.agent_ids)
    assert {"planted", "probability", "probability_low", "exposures"} <= set(calibrated.row["edge_attributes"])
    seeds = network.agent_ids.to_pylist()[:3]
    model, own = IndependentCascade(probability="column"), {"seed_set": seeds, "replicates": 400, "publish": False}
    reach = simulate(calibrated, found.model, **own).reach
    assert reach.mean == pytest.approx(simulate(network, model, **own).reach.mean, rel=0.1)
    weights = calibrate_edges(network, fitted, window=1, model="linear_threshold", name="planted-weights")
    assert simulate(weights.calibrated, weights.model, **own).reach.mean > 3


def test_each_name_is_a_calibration_of_its_own(warehouse, cascades_of_ic) -> None:
    network, seen = cascades_of_ic
    names = ["one", "two", "two"]
    found = [calibrate_edges(network, seen, window=2, method="agents", name=name) for name in names]
    assert [each.was_published for each in found] == [False, False, True]
    listed = warehouse.sql("SELECT * FROM calibrations WHERE calibrated_network_id IN ('one', 'two')")
    assert sorted(listed["calibrated_network_id"]) == ["one", "two"]
    assert listed["calibration_id"].nunique() == 2
    imported(warehouse, "another", [(0, 1)], [{0: 0}])
    head = warehouse.network("planted-ic").snapshot_id
    for name in ("planted-ic", "another"):
        with pytest.raises(InvalidInputError, match=f"'{name}'.*give another name"):
            calibrate_edges(network, seen, window=2, method="agents", name=name)
    assert warehouse.network("planted-ic").snapshot_id == head


def test_scores_are_of_cascades_that_the_fit_never_saw(warehouse, cascades_of_ic) -> None:
    network, seen = cascades_of_ic
    fitted, test = held_out(seen, 0.2)
    found = calibrate_edges(network, fitted, window=1, publish=False)
    copied = dataclasses.replace(test, cascade_set_id="of-another-set")
    for other in (fitted, seen, seen.select(range(5)), dataclasses.replace(fitted, cascade_set_id="copy")):
        with pytest.raises(InvalidInputError, match="are also among those of 'simulated' that the edges were fitted"):
            score_calibration(found, other, publish=False)
    renamed = dataclasses.replace(fitted, cascade_set_id="copy", cascade_ids=pa.array(map(str, range(len(fitted)))))
    with pytest.raises(InvalidInputError, match=f"{len(fitted):,} of 1,200 cascades"):
        score_calibration(found, renamed, publish=False)
    with pytest.raises(InvalidInputError, match="are also among those of 'simulated' that edges are fitted to"):
        choose_prior_strength(network, fitted, fitted.select([3]))
    assert score_calibration(found, copied, publish=False).table["steps"].min() > 0


def test_a_part_of_a_set_can_be_seen_in_the_tables(warehouse) -> None:
    network, _ = imported(warehouse, "parts", [(0, 1), (1, 2)], [{0: 0}])
    rows = [(number, str(agent), agent) for number in range(10) for agent in range(3)]
    frame = pd.DataFrame(rows, columns=["cascade", "agent", "time"])
    fitted, test = held_out(warehouse.import_cascades("ten", frame, network=network, time_unit="rounds"), 0.2)
    score_calibration(calibrate_edges(network, fitted), test)
    columns = "cascade_set, fitted_cascades, fitted_part, fitted_share"
    (row,) = warehouse.sql(f"SELECT {columns} FROM calibrations WHERE network_id = 'parts'").to_dict("records")
    assert list(row.values()) == ["ten", 8, "part", 0.8]
    columns = "test_cascade_set, test_cascades, test_part, test_share"
    (row,) = warehouse.sql(f"SELECT DISTINCT {columns} FROM calibration_scores WHERE network_id = 'parts'").to_dict(
        "records"
    )
    assert list(row.values()) == ["ten", 2, "part", 0.2]


def test_sizes_are_simulated_from_the_first_agents_of_the_test_cascades(cascades_of_ic, assert_readable) -> None:
    network, seen = cascades_of_ic
    fitted, test = held_out(seen, 0.2)
    found = calibrate_edges(network, fitted, window=1, name="sized")
    scores = score_calibration(found, test)
    own = scores.table.set_index("predictor").loc["calibrated"]
    assert own["observed_mean_size"] == test.sizes.mean()
    assert own["simulated_mean_size"] == pytest.approx(own["observed_mean_size"], rel=0.1)
    assert own["size_distance"] < 0.1
    assert scores.warnings == ()
    sizes = scores.sizes
    assert float(sizes.simulated.mean()) == own["simulated_mean_size"]
    assert sizes.distance == pytest.approx(stats.ks_2samp(sizes.observed, sizes.simulated).statistic)
    assert_readable(scores.plot().get_figure())
    again = score_calibration(found, test)
    assert (again.was_published, again.sentence) == (True, scores.sentence)


def test_a_network_that_does_not_carry_the_cascades_is_told(warehouse) -> None:
    """Most agents are activated without a neighbour."""
    cascades = [{0: 0, 1: number % 2 + 1, 3: 1, 4: 2, 5: 3} for number in range(20)]
    network, seen = imported(warehouse, "outside", [(0, 1), (1, 2)], cascades)
    fitted, test = held_out(seen, 0.2)
    (warning,) = score_calibration(calibrate_edges(network, fitted), test).warnings
    assert "reaches 2 agents on average" in warning
    assert "which had 5" in warning


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": 0}, "window 0.0 is not a positive number of rounds"),
        ({"method": "emm"}, "method 'emm' is unknown.*did you mean 'em'"),
        ({"methods": "em"}, "no option 'methods'.*did you mean 'method'"),
        ({"model": "linear_threshold", "method": "jaccard"}, "method 'jaccard' is for independent_cascade"),
        ({"prior_strength": -1.0}, "prior_strength -1.0 is not a finite number >= 0"),
        ({"decay": 3.0}, "decay 3.0 is for method 'partial_credit'"),
        ({"name": "a/b"}, "network name 'a/b'"),
        ({"method": "jaccard", "shrink_to": "network"}, "shrink_to 'network' does not change method 'jaccard'"),
        ({"model": "linear_threshold", "shrink_to": "network"}, "does not change linear_threshold"),
        ({"most_iterations": "x"}, "most_iterations 'x' is not a whole number >= 1"),
        ({"tolerance": "x"}, "tolerance 'x' is not a positive number"),
        ({"method": "partial_credit", "decay": "x"}, "decay 'x' is not a positive time"),
        ({"partitions": -3}, "partitions -3 is not a whole number >= 1"),
        ({"partitions": 2.5}, "partitions 2.5 is not a whole number >= 1"),
        ({"partitions": 0}, "partitions 0 is not a whole number >= 1"),
        ({"network": "town"}, "network 'town' is not a Network"),
        ({"cascades": "talk"}, "cascades 'talk' are not ObservedCascades"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(cascades_of_ic, options, said: str) -> None:
    asked = {"network": cascades_of_ic[0], "cascades": cascades_of_ic[1], **options}
    with pytest.raises(InvalidInputError, match=said):
        calibrate_edges(**asked)


def test_infinite_times_are_the_same_as_none() -> None:
    assert options_of({"window": np.inf, "decay": np.inf, "method": "partial_credit"}) == options_of(
        {"method": "partial_credit"}
    )


def test_cascades_must_fit_the_network(warehouse, cascades_of_ic) -> None:
    edges, cascades = [(0, 1)], [{1: 0, 0: 1}]
    network, seen = imported(warehouse, "backwards", edges, cascades)
    with pytest.raises(InvalidInputError, match="no activation of cascades 'seen' has an active in-neighbour"):
        calibrate_edges(network, seen)
    with pytest.raises(InvalidInputError, match="of 40 agents of cascades 'simulated' are not in network 'backwards'"):
        calibrate_edges(network, cascades_of_ic[1])


# -- curves ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town(warehouse: Warehouse) -> Network:
    return warehouse.generate_network("town", "watts_strogatz", agents=400, degree=8, random_seed=2)


def test_planted_parameters_of_a_curve_are_recovered(town: Network, assert_readable) -> None:
    seeds = [str(agent) for agent in range(0, 400, 80)]
    truth = simulate(town, SIR(beta=0.12, gamma=0.3), seed_set=seeds, replicates=1, random_seed=5, publish=False)
    curve = truth.rounds["new_infections"].to_numpy()
    options = {"seed_set": seeds, "candidates": 400, "accept": 0.1}
    priors = {"beta": (0.02, 0.5), "gamma": (0.05, 0.9)}
    found = calibrate_parameters(town, "sir", priors, curve, **options)
    ends = found.posterior.set_index("parameter")
    assert ends.loc["beta", "low"] < 0.12 < ends.loc["beta", "high"]
    assert ends.loc["gamma", "low"] < 0.3 < ends.loc["gamma", "high"]
    assert ends.loc["beta", "narrowing"] > 0.3
    head = town.warehouse.head
    again = calibrate_parameters(town, "sir", priors, curve, **options)
    assert (again.was_published, town.warehouse.head) == (True, head)
    pd.testing.assert_frame_equal(again.accepted, found.accepted)
    assert np.array_equal(again.curves, found.curves)
    assert_readable(found.plot())


def test_a_curve_says_what_it_cannot_tell(town: Network) -> None:
    """Two rounds of an epidemic tell how infectious it is, but not how long agents stay so."""
    found = calibrate_parameters(
        town,
        "sir",
        {"beta": (0.01, 0.99), "gamma": (0.1, 0.9)},
        [3, 12],
        seed_set=["0", "100", "200"],
        candidates=200,
        accept=0.2,
        publish=False,
    )
    assert any("posterior of gamma is about as wide as its prior" in each for each in found.warnings)
    assert not any("posterior of beta is about" in each for each in found.warnings)
    beyond = calibrate_parameters(
        town, SIR(gamma=0.9), {"beta": (0.001, 0.01)}, [1, 12, 30], seed_set=["0"], candidates=60, publish=False
    )
    assert any("leaves the 95 % band" in each for each in beyond.warnings)
    assert any("only 2 candidates are accepted" in each for each in beyond.warnings)


def test_the_curve_of_cascades_starts_at_their_first_agents(town: Network) -> None:
    rows = pd.DataFrame({"cascade": "x", "agent": ["0", "80", "3", "4", "9"], "time": [0, 5, 12, 14, 31]})
    seen = observed_cascades("talk", rows, network=town).cascades
    found = calibrate_parameters(
        town, "si", {"beta": (0.001, 0.9, "log")}, seen, round_length=10.0, candidates=20, publish=False
    )
    assert sorted(found.base.seed_agents) == ["0", "80"]
    assert found.observed.values.tolist() == [2, 2, 0, 1]
    assert found.base.replicates == 1


def test_replicates_start_where_the_cascades_did(town: Network) -> None:
    """Two of three cascades start at agents 0 and 80 together; the third starts at agent 5."""
    rows = [("x", "0", 0), ("x", "80", 0), ("y", "80", 0), ("y", "0", 0), ("y", "7", 1), ("z", "5", 0)]
    seen = observed_cascades("talk", pd.DataFrame(rows, columns=["cascade", "agent", "time"]), network=town).cascades
    options = {"candidates": 20, "publish": False}
    found = calibrate_parameters(town, "si", {"beta": (0.001, 0.9)}, seen, replicates=7, **options)
    sessions = found.starts.sessions(found.base, 4)
    assert [(sorted(each.seed_agents), each.replicates, each.first_replicate) for each in sessions] == [
        (["0", "80"], 4, 28),
        (["5"], 2, 32),
    ]
    (row,) = calibrate_parameters(town, "si", {"beta": (1e-9, 2e-9)}, seen, **options).curves[:1]
    assert row.tolist() == pytest.approx([5 / 3, 0.0])
    sampled = [
        sum(each.replicates for each in found.starts.sessions(dataclasses.replace(found.base, replicates=2), n))
        for n in range(20)
    ]
    assert set(sampled) == {2}
    with pytest.raises(InvalidInputError, match="are 3 cascades, each of which starts at its own agents"):
        calibrate_parameters(town, "si", {"beta": (0.1, 0.2)}, seen, seed_set=["0"], **options)


def test_cascades_from_various_seeds_give_the_planted_probability(warehouse: Warehouse) -> None:
    network = warehouse.generate_network("hubs", "preferential_attachment", agents=300)
    agents = np.random.default_rng(0).choice(network.agent_ids.to_pylist(), 100)
    sessions = {str(number): {"seed_set": [agent], "random_seed": number} for number, agent in enumerate(agents)}
    model = IndependentCascade(probability=0.15)
    results = simulate_many(network, sessions, model=model, replicates=1, record="activations", publish=False)
    parts = [each.table("activations").to_pandas() for each in results.values()]
    rows = pd.concat(parts, keys=list(results), names=["cascade", None]).reset_index(level="cascade")
    names = network.agent_ids.take(rows["agent"].to_numpy()).to_pylist()
    frame = pd.DataFrame({"cascade": rows["cascade"], "agent": names, "time": rows["round"]})
    seen = observed_cascades("various", frame, network=network, time_unit="rounds").cascades
    found = calibrate_parameters(
        network,
        "independent_cascade",
        {"probability": (0.01, 0.5)},
        seen,
        curve="cumulative",
        candidates=60,
        accept=0.2,
        replicates=20,
        publish=False,
    )
    (row,) = found.posterior.to_dict("records")
    assert row["low"] < 0.15 < row["high"] < 0.25


def test_whole_numbers_are_drawn_for_parameters_that_are_whole(town: Network) -> None:
    options = {"seed_set": ["0"], "candidates": 60, "accept": 0.5}
    found = calibrate_parameters(town, SIR(beta=0.2), {"infectious_period": (1, 4)}, [1, 3, 6, 9], **options)
    assert set(found.accepted["infectious_period"]) <= {1, 2, 3, 4}
    assert found.model.infectious_period in {1, 2, 3, 4}
    again = calibrate_parameters(town, SIR(beta=0.2), {"infectious_period": (1, 4)}, [1, 3, 6, 9], **options)
    assert again.was_published
    assert np.array_equal(again.curves, found.curves)
    with pytest.raises(InvalidInputError, match=r"infectious_period is a whole number, and 1.5 to 4 are not its ends"):
        calibrate_parameters(town, SIR(beta=0.2), {"infectious_period": (1.5, 4)}, [1, 3], **options)


@pytest.mark.parametrize(
    ("priors", "options", "said"),
    [
        ({}, {}, "no priors"),
        ({"beta": (0.2, 0.1)}, {}, "low 0.2 is not less than high 0.1"),
        ({"beta": (0.0, 0.1, "log")}, {}, "low 0 of a logarithmic prior is not positive"),
        ({"beta": 0.1}, {}, "prior of beta: 0.1 is not"),
        ({"bet": (0.1, 0.2)}, {}, "no parameter 'bet'.*did you mean 'beta'"),
        ({"beta": (0.1, 1.2)}, {}, "1.2"),
        ({"beta": (0.1, 0.2)}, {"accept": 0}, "accept 0 is not a share"),
        ({"beta": (0.1, 0.2)}, {"candidates": 3}, "candidates 3 is not a whole number >= 10"),
        ({"beta": (0.1, 0.2)}, {"curve": "incidense"}, "did you mean 'incidence'"),
        ({"beta": (0.1, 0.2)}, {"seed_set": None}, "where does the curve start"),
        ({"beta": (0.1, 0.2)}, {"rounds": 0}, "rounds 0 is not a whole number"),
        ({"beta": ("a", 1)}, {}, "prior of beta: .* has ends that are not numbers"),
        ([("beta", 0.1, 0.2)], {}, "priors .* are not a mapping"),
        ({"beta": (0.1, 0.2)}, {"seed_set": ["0", "1"]}, "begins with 1 agents in round 0, and there are 2 seeds"),
        ({"beta": (0.1, 0.2)}, {"observed": [1, 5, 3000, 1]}, "has 3,007 agents in all rounds"),
        ({"beta": (0.1, 0.2)}, {"observed": [1, 5, 3], "curve": "cumulative"}, "falls from 5 to 3 in round 2"),
        ({"beta": (0.1, 0.2)}, {"observed": "talk"}, "observed 'talk' is neither numbers by round nor cascades"),
        ({"beta": (0.1, 0.2)}, {"network": "town"}, "network 'town' is not a Network"),
    ],
)
def test_what_cannot_be_fitted_to_a_curve_is_refused(town: Network, priors, options, said: str) -> None:
    asked = {"network": town, "model": "sir", "priors": priors, "observed": [1, 2, 3], "seed_set": ["0"], **options}
    with pytest.raises(InvalidInputError, match=said):
        calibrate_parameters(**asked)

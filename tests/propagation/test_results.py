"""Results: every summary recomputed from the activations with pandas, and the names analysts use."""

import shutil
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import propagation
from data import Warehouse
from data.errors import InvalidInputError, TableNotFoundError
from propagation import Result, simulate, simulate_many
from propagation.intervals import standard_errors
from propagation.models import IndependentCascade
from propagation.published import load_result
from propagation.sessions import RECORDS, resolve_session

REPLICATES = 130
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


@pytest.fixture(scope="module")
def result(real_network, run):
    network = real_network("small/jazz.graph")
    model = IndependentCascade(probability=0.05)
    session = resolve_session(network, model, seed_set=["5", "180"], replicates=REPLICATES, record="contacts")
    return run(session, network)


@pytest.fixture(scope="module")
def activations(result):
    return result.table("activations").to_pandas()


@pytest.fixture(scope="module")
def by_round(activations, result):
    """Activations by replicate and round, zero where there were none, up to one round after the last."""
    matrix = pd.crosstab(activations["replicate"], activations["round"])
    deepest = activations["round"].max()
    return matrix.reindex(index=range(REPLICATES), columns=range(deepest + 2), fill_value=0)


@pytest.mark.parametrize("table", ["events", "networks", "messages"])
def test_tables_without_sessions_are_refused_in_a_sentence(result, table):
    with pytest.raises(InvalidInputError, match=f"table '{table}' has no rows of a single session; a result has casc"):
        result.table(table)


def test_tables_that_do_not_exist_are_refused_with_the_nearest_one(result):
    with pytest.raises(TableNotFoundError, match=r"no table 'cascade' \(did you mean 'cascades'\?\); tables are"):
        result.table("cascade")


# -- summaries ------------------------------------------------------------------------------------------------------


def test_rounds_hold_means_standard_errors_and_quantiles(result, by_round):
    rounds = result.rounds.set_index("round")
    quantities = {
        "new_infections": by_round,
        "current_infected": by_round,
        "total_influenced": by_round.cumsum(axis=1),
    }
    for name, matrix in quantities.items():
        assert rounds.index.tolist() == matrix.columns.tolist()
        np.testing.assert_allclose(rounds[name], matrix.mean(), rtol=1e-13)
        error = matrix.std(ddof=1) / np.sqrt(REPLICATES)
        np.testing.assert_allclose(rounds[f"{name}_standard_error"], error, rtol=1e-12, atol=1e-15)
        for quantile, share in QUANTILES.items():
            np.testing.assert_allclose(rounds[f"{name}_{quantile}"], matrix.quantile(share), rtol=1e-13)
    assert rounds["total_influenced_q95"].iloc[-1] > rounds["total_influenced_q05"].iloc[-1]


def test_rounds_count_active_replicates_speed_and_reproduction(result, by_round, activations):
    rounds = result.rounds.set_index("round")
    assert rounds["active_replicates"].tolist() == (by_round > 0).sum().tolist()
    np.testing.assert_allclose(rounds["propagation_speed"], by_round.mean(), rtol=1e-13)
    # r_t: how many each agent activated at t goes on to activate, by its own secondary activations.
    secondary = activations.groupby(["replicate", "infector"]).size()
    secondary.index.names = ["replicate", "agent"]
    own = activations.set_index(["replicate", "agent"]).assign(secondary=secondary).fillna({"secondary": 0})
    expected = own.groupby("round")["secondary"].mean()
    np.testing.assert_allclose(rounds["reproduction_rate"].iloc[:-1], expected, rtol=1e-13)
    assert expected.iloc[0] > 0.5
    assert np.isnan(rounds["reproduction_rate"].iloc[-1])


def test_what_max_rounds_hides_is_null(real_network, run):
    network = real_network("small/jazz.graph")
    model = IndependentCascade(probability=0.05)
    session = resolve_session(network, model, seed_set=["5"], replicates=50, max_rounds=2)
    rounds = run(session, network).rounds
    assert rounds["round"].tolist() == [0, 1, 2]
    assert rounds["new_infections"].iloc[2] > 0
    assert rounds["reproduction_rate"].isna().tolist() == [False, False, True]


def test_cascades_are_sizes_depths_and_peaks(result, by_round):
    cascades = result.cascades.set_index("replicate")
    assert cascades["size"].tolist() == by_round.sum(axis=1).tolist()
    depth = by_round.apply(lambda row: row[row > 0].index.max(), axis=1)
    assert cascades["depth"].tolist() == depth.tolist()
    assert cascades["rounds"].tolist() == (depth + 1).tolist()
    assert cascades["peak_round"].tolist() == by_round.idxmax(axis=1).tolist()
    assert cascades["peak_round"].nunique() > 2
    reached = by_round.cumsum(axis=1)
    assert cascades["half_round"].tolist() == (reached.ge(reached.iloc[:, -1] / 2, axis=0)).idxmax(axis=1).tolist()
    assert cascades["half_round"].nunique() > 2
    assert not cascades["truncated"].any()


def test_reach_is_the_mean_cascade_size(result, by_round):
    sizes = by_round.sum(axis=1)
    assert result.reach.mean == pytest.approx(sizes.mean(), rel=1e-14)
    assert result.reach.standard_error == pytest.approx(sizes.std(ddof=1) / np.sqrt(REPLICATES), rel=1e-12)
    assert result.reach.replicates == REPLICATES
    half = stats.t.ppf(0.975, REPLICATES - 1) * sizes.std(ddof=1) / np.sqrt(REPLICATES)
    mean, _, told, *rest = str(result.reach).split()
    assert (float(mean), float(told)) == pytest.approx((sizes.mean(), half), abs=0.05)
    assert " ".join(rest) == "agents over 130 replicates (95 % interval)"
    last = result.rounds.iloc[-1]
    assert last["total_influenced"] == result.reach.mean
    assert last["total_influenced_standard_error"] == result.reach.standard_error


def test_agents_are_the_activations_grouped(result, activations):
    expected = activations.groupby("agent")["round"].agg(["size", "mean"])
    agents = result.agents
    assert agents["agent"].tolist() == expected.index.tolist()
    assert agents["times_reached"].tolist() == expected["size"].tolist()
    assert agents["probability"].tolist() == (expected["size"] / REPLICATES).tolist()
    np.testing.assert_allclose(agents["mean_round"], expected["mean"], rtol=1e-14)
    assert agents["agent_id"].tolist() == [result.network.agent_ids[a].as_py() for a in expected.index]
    assert 100 < len(agents) <= 198


def test_contacts_add_up_to_the_activations(result, activations):
    contacts = result.table("propagation_events").to_pandas()
    # Whoever was reached received in that round, and from its infector; every activated agent contacted all neighbours.
    received = contacts[contacts["event_type"] == "received"]
    assert set(received["event_type"].cat.categories) >= {"received", "ignored", "sent"}
    arrivals = received.drop_duplicates(["replicate", "round", "dst"])[["replicate", "dst", "round"]]
    later = activations[activations["round"] > 0]
    assert sorted(arrivals.itertuples(index=False)) == sorted(
        later[["replicate", "agent", "round"]].itertuples(index=False)
    )
    pairs = set(received[["replicate", "round", "src", "dst"]].itertuples(index=False, name=None))
    infected = later[["replicate", "round", "infector", "agent"]].astype(int).itertuples(index=False, name=None)
    assert set(infected) <= pairs
    degree = result.network.out_degree
    assert len(contacts) == degree[activations["agent"]].sum()


def test_one_replicate_has_no_standard_error(real_network, run):
    network = real_network("small/jazz.graph")
    session = resolve_session(network, IndependentCascade(probability=0.1), seed_set=["5"], replicates=1)
    result = run(session, network)
    assert result.reach.standard_error is None
    assert str(result.reach) == f"{result.reach.mean:,.0f} agents over 1 replicate"
    errors = [column for column in result.rounds if column.endswith("standard_error")]
    assert len(errors) == 3
    assert result.rounds[errors].isna().all(axis=None)
    assert result.table("propagation_metrics")["new_infections_standard_error"].null_count == len(result.rounds)
    assert (result.rounds["new_infections_q05"] == result.rounds["new_infections"]).all()


@pytest.mark.parametrize(
    "sizes", [[3, 5], [0, 0, 7], [2_000_000_000, 1_999_999_999, 1_999_999_000, 4], [10**7, 10**7 + 1] * 60_000]
)
def test_standard_errors_are_exact_for_the_largest_cascades(sizes):
    mean = Fraction(sum(sizes), len(sizes))
    variance = sum((size - mean) ** 2 for size in sizes) / (len(sizes) - 1)
    (error,) = standard_errors(np.array([sizes])).to_pylist()
    assert error == pytest.approx(float(variance / len(sizes)) ** 0.5, rel=1e-14)


# -- the names analysts use -----------------------------------------------------------------------------------------


def test_the_example_of_the_issue_works_as_written(shared_data, tmp_path, monkeypatch):
    import matplotlib as mpl

    mpl.use("Agg")
    shutil.copy(shared_data / "networks" / "wiki-Vote.txt", tmp_path)
    monkeypatch.chdir(tmp_path)

    from data import Warehouse
    from propagation import simulate
    from propagation.models import IndependentCascade

    warehouse = Warehouse("warehouse")
    network = warehouse.import_network("wiki-vote", "wiki-Vote.txt")  # later: warehouse.network("wiki-vote")
    result = simulate(network, IndependentCascade(probability="weighted_cascade"),
                      seed_set=["3", "25", "28"], replicates=1000, random_seed=7, record="activations")  # fmt: skip
    result.reach.mean, result.reach.standard_error  # noqa: B018
    result.rounds  # noqa: B018
    result.cascades  # noqa: B018
    result.activations  # noqa: B018
    axes = result.plot()

    assert warehouse.network("wiki-vote") == network
    assert 3 < result.reach.mean < 7115
    assert 0 < result.reach.standard_error < result.reach.mean
    assert list(result.rounds["round"]) == list(range(len(result.rounds)))
    assert {"replicate", "size", "depth", "rounds", "peak_round", "truncated", "half_round"} == set(result.cascades)
    assert len(result.cascades) == 1000
    rows = result.activations
    assert type(rows).__module__.startswith("dask.")
    assert list(rows.columns)[:5] == ["session_id", "replicate", "agent_id", "round", "infector_id"]
    frame = rows.compute()
    assert len(frame) == result.cascades["size"].sum()
    seeds = frame[frame["round"] == 0]
    assert seeds["infector_id"].isna().all()
    assert seeds.groupby("agent_id").size().to_dict() == {"3": 1000, "25": 1000, "28": 1000}
    edges = set((tmp_path / "wiki-Vote.txt").read_text().splitlines())
    later = frame[frame["round"] == 1].head(300)
    assert all(
        f"{infector}\t{agent}" in edges for infector, agent in zip(later["infector_id"], later["agent_id"], strict=True)
    )
    assert axes.get_xlabel()
    mpl.pyplot.close(axes.figure)


def test_published_and_unpublished_results_read_alike(publish, run):
    network = publish([(0, 1), (1, 2), (0, 3), (3, 2), (2, 4)], 5)
    model = IndependentCascade(probability=0.5)
    fields = {"seed_set": [0], "replicates": 60, "record": "contacts"}
    published, kept = simulate(network, model, **fields), simulate(network, model, publish=False, **fields)
    recalled = load_result(Warehouse(network.warehouse.url), published.session_id)
    for other in (kept, recalled):
        for name in ("rounds", "cascades", "agents"):
            pd.testing.assert_frame_equal(getattr(published, name), getattr(other, name), check_exact=True)
        for name, key in (
            ("activations", ["replicate", "agent_id"]),
            ("contacts", ["replicate", "round", "source_agent_id", "target_agent_id"]),
        ):
            one, two = (
                getattr(r, name).compute().astype({"session_id": str}).sort_values(key, ignore_index=True)
                for r in (published, other)
            )
            pd.testing.assert_frame_equal(one, two, check_exact=True, check_dtype=False, check_categorical=False)
            assert len(one) > 60
        assert published.reach == other.reach
    assert repr(recalled) == f"Result(independent_cascade on 'network', {published.reach}, read from the warehouse)"
    assert repr(published) == f"Result(independent_cascade on 'network', {published.reach})"


def test_original_ids_are_the_users_own(new_warehouse):
    friends = pd.DataFrame({"source": ["ann", "bob", "ann"], "target": ["bob", "cy", "dee"]})
    network = new_warehouse().import_network("friends", friends)
    result = simulate(network, IndependentCascade(probability=1.0), seed_set=["ann"], replicates=1, record="contacts")
    told = result.activations.compute().sort_values("agent_id")
    assert told["agent_id"].tolist() == ["ann", "bob", "cy", "dee"]
    assert told["round"].tolist() == [0, 1, 2, 1]
    assert told["infector_id"].astype(object).where(told["infector_id"].notna(), None).tolist() == [
        None, "ann", "bob", "ann",
    ]  # fmt: skip
    contacts = result.contacts.compute().sort_values(["source_agent_id", "target_agent_id"])
    columns = ["source_agent_id", "target_agent_id", "round", "event_type"]
    assert list(contacts[columns].itertuples(index=False, name=None)) == [
        ("ann", "bob", 1, "received"), ("ann", "dee", 1, "received"), ("bob", "cy", 2, "received"),
    ]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS)
def test_what_was_not_recorded_is_asked_for_by_name(publish, record):
    network = publish([(0, 1), (1, 2)], 3)
    result = simulate(network, IndependentCascade(probability=0.5), seed_set=[0], replicates=10, record=record)
    details = {"reach": "agents", "activations": "activations", "contacts": "contacts"}
    for detail, name in details.items():
        if RECORDS.index(detail) <= RECORDS.index(record):
            assert len(getattr(result, name)) > 0
        else:
            with pytest.raises(
                InvalidInputError, match=f"the session recorded '{record}'; run it with record='{detail}'"
            ):
                getattr(result, name)
    published = {table for table in ("reach", "activations", "propagation_events") if result.table(table).num_rows}
    tables = ["reach", "activations", "propagation_events"]
    assert published == set(tables[: RECORDS.index(record)])


def test_an_unknown_session_is_refused(new_warehouse):
    with pytest.raises(TableNotFoundError, match="no session 'nobody' in warehouse"):
        load_result(new_warehouse(), "nobody")


def test_the_public_names():
    import propagation

    assert propagation.__all__ == ["Result", "results", "simulate", "simulate_many"]
    assert propagation.Result is Result
    with pytest.raises(AttributeError, match="has no attribute 'replay'"):
        _ = propagation.replay


@pytest.mark.parametrize("publish_it", [True, False])
def test_recorded_rows_can_be_written_as_parquet(publish, tmp_path, publish_it):
    network = publish([(0, 1), (1, 2), (2, 3)], 4)
    model = IndependentCascade(probability=1.0)
    result = simulate(network, model, seed_set=["0"], replicates=2, record="contacts", publish=publish_it)
    for name in ("activations", "contacts"):
        lazy = getattr(result, name)
        lazy.to_parquet(str(tmp_path / name))
        written = pd.read_parquet(tmp_path / name)
        assert list(written.columns) == list(lazy.columns)
        expected = lazy.compute()
        assert len(written) == len(expected) > 0
        assert (written["session_id"] == result.session_id).all()
        assert written["round"].tolist() == expected["round"].tolist()


@pytest.mark.filterwarnings("error", "ignore:The inplace keyword:pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("as_pandas", [True, False])
def test_recorded_rows_merge_with_attributes_of_agents_and_are_written(publish, tmp_path, as_pandas):
    network = publish([(0, 1), (1, 2), (2, 3)], 4, agent_attributes={"city": ["Bern", "Oslo", "Bern", "Oslo"]})
    model = IndependentCascade(probability=1.0)
    result = simulate(network, model, seed_set=["0"], replicates=2, record="contacts")
    agents = network.agents.compute() if as_pandas else network.agents
    cities = network.agents.compute().set_index("agent_id")
    for rows, key in ((result.activations, "agent_id"), (result.contacts, "target_agent_id")):
        merged = rows.merge(agents[["agent_id", "city"]], left_on=key, right_on="agent_id")
        merged.to_parquet(str(tmp_path / key), write_index=False)
        written = pd.read_parquet(tmp_path / key)
        assert len(written) == len(rows) > 0
        assert written["city"].tolist() == cities["city"].loc[written[key]].tolist()
    assert result.agents.merge(cities, on="agent_id")["city"].notna().all()


def test_results_and_sessions_in_notebooks(publish):
    network = publish([(0, 1), (1, 2), (2, 3)], 4)
    options = {"replicates": 2, "record": "activations"}
    result = simulate(network, IndependentCascade(probability=1.0), seed_set=["0"], **options)
    shown = result._repr_html_()
    for text in ("4 ± 0 agents", "100.00% of 4 agents", "independent_cascade, probability 1.0", "1, explicit"):
        assert text in shown
    assert "result.activations" in shown
    assert "result.contacts" not in shown
    sets = {"one": {"seed_set": ["0"]}, "two": {"seed_set": ["3"]}}
    shown = simulate_many(network, sets, model=IndependentCascade(probability=1.0), **options)._repr_html_()
    assert shown.index("one") < shown.index("two")
    listed = network.warehouse.sessions()
    assert sorted(listed["reach"]) == [1.0, 4.0]
    assert listed["campaigns"].map(len).tolist() == [0, 0]


def test_results_of_a_campaign_that_is_not_there(publish):
    network = publish([(0, 1)], 2)
    with pytest.raises(InvalidInputError, match=r"no campaign 'spring' in warehouse .* \(campaigns there: none yet\)"):
        propagation.results(network.warehouse, "spring")

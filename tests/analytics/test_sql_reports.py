"""Reports in SQL: each equals pandas on the same rows, runs as it stands, and takes a campaign and parameters."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files as package_files
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from analytics.sql_reports import LATEST, REPORTS, Answer, question, report
from data import Warehouse
from data.errors import InvalidInputError, QueryError
from data.networks.network import Network
from data.warehouse.catalogue import query
from propagation import simulate, simulate_many
from propagation.models import SIS, IndependentCascade
from propagation.result import Result
from propagation.sessions import resolve_session
from tests.analytics.published import STARTED

Campaigns = tuple[Any, Any]

# -- of two campaigns that record rounds ------------------------------------------------------------------------------


def answers(campaigns: Campaigns, name: str) -> pd.DataFrame:
    first, _ = campaigns
    return report(first.warehouse, name, first.campaign_id).frame().set_index("session")


def test_reach_equals_the_results(campaigns: tuple) -> None:
    rows = answers(campaigns, "reach")
    for name, result in campaigns[0].results.items():
        assert rows.loc[name, "reach"] == pytest.approx(result.reach.mean, abs=0.0501)
        assert rows.loc[name, "reach_standard_error"] == pytest.approx(result.reach.standard_error, abs=0.0501)
    assert rows["reach"].is_monotonic_decreasing


def test_fastest_rounds_equal_pandas(campaigns: tuple) -> None:
    rows = answers(campaigns, "fastest_rounds")
    assert set(rows.index) == set(campaigns[0].results)
    for name, result in campaigns[0].results.items():
        fastest = result.rounds.iloc[1:].nlargest(1, "new_infections").iloc[0]
        assert rows.loc[name, "fastest_round"] == fastest["round"]
        assert rows.loc[name, "newly_active_agents"] == pytest.approx(fastest["new_infections"], abs=0.0501)
        assert rows.loc[name, "reproduction_rate"] == pytest.approx(fastest["reproduction_rate"], abs=0.00501)


def test_quantiles_of_cascade_sizes_equal_pandas(campaigns: tuple) -> None:
    rows = answers(campaigns, "cascade_sizes")
    for name, result in campaigns[0].results.items():
        sizes = result.cascades["size"]
        found = rows.loc[name, ["smallest", "q05", "median", "q95", "largest"]].to_numpy(float)
        np.testing.assert_allclose(found, sizes.quantile([0, 0.05, 0.5, 0.95, 1]), atol=0.5)


def test_shares_of_large_cascades_equal_pandas(campaigns: tuple, network: Network) -> None:
    rows = answers(campaigns, "large_cascades")
    for name, result in campaigns[0].results.items():
        sizes = result.cascades["size"]
        for percent in (1, 10):
            share = (sizes >= percent / 100 * network.n_agents).mean()
            assert rows.loc[name, f"share_reaching_{percent}_percent"] == pytest.approx(share)
    assert 0 < rows["share_reaching_10_percent"].min() < 1


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_runs_as_it_stands_and_is_then_about_the_latest_campaign(campaigns: Campaigns, name: str) -> None:
    first, latest = campaigns
    text = (package_files("analytics") / "sql" / f"{name}.sql").read_text()
    assert text.startswith("-- One row per ")
    assert LATEST in text
    as_it_stands = query(first.warehouse, text)
    assert as_it_stands.equals(report(latest.warehouse, name).rows)
    assert as_it_stands.equals(report(latest.warehouse, name, latest.campaign_id).rows)
    if "session" in as_it_stands.column_names:
        assert set(as_it_stands["session"].to_pylist()) <= {"random", "top out-degree", "degree discount"}


@pytest.mark.parametrize("name", REPORTS)
def test_an_answer_says_what_was_asked_and_runs_again(campaigns: Campaigns, name: str) -> None:
    first, _ = campaigns
    answer = report(first.warehouse, name, first.campaign_id)
    assert f"= '{first.campaign_id}'" in answer.sql
    assert LATEST not in answer.sql
    assert "?" in answer.question
    assert query(first.warehouse, answer.sql).equals(answer.rows)


def test_every_file_is_a_report_and_every_report_has_a_file() -> None:
    found = {file.name.removesuffix(".sql") for file in (package_files("analytics") / "sql").iterdir()}
    assert found == set(REPORTS)
    assert len(REPORTS) == len(found) >= 20


def test_a_campaign_is_named_by_its_name_or_id(campaigns: Campaigns) -> None:
    first, latest = campaigns
    by_name = report(first.warehouse, "reach", "seeds")
    assert by_name.rows.equals(report(first.warehouse, "reach", latest.campaign_id).rows)
    with pytest.raises(InvalidInputError, match='no campaign "x\' OR true --"'):
        report(first.warehouse, "reach", "x' OR true --")


def test_what_cannot_be_asked_is_refused(campaigns: Campaigns) -> None:
    place = campaigns[0].warehouse
    with pytest.raises(InvalidInputError, match=r"^no campaign in warehouse memory://empty; run one with"):
        report(Warehouse("memory://empty"), "reach")
    with pytest.raises(InvalidInputError, match=r"^no report 'reech' \(did you mean 'reach'\?\)"):
        report(place, "reech")
    with pytest.raises(InvalidInputError, match=r"^report 'reach' has no parameter 'limit'; it has none"):
        report(place, "reach", limit=3)
    for wrong in ("many", -1, 1.5, True):
        with pytest.raises(InvalidInputError, match=f"limit {wrong!r} is not a whole number of at least 0"):
            report(place, "super_spreaders", limit=wrong)
    with pytest.raises(QueryError, match='age" FROM networks'):
        report(place, "reach_by_attribute", attribute='age" FROM networks --')


# -- of a campaign that records everything ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, dict[str, Result], Network]:
    """A campaign of three sessions that record contacts, one of them with a message, on a network with an attribute."""
    draws = np.random.default_rng(5)
    edges = pd.DataFrame({"source": draws.integers(0, 60, 300), "target": draws.integers(0, 60, 300)})
    people = pd.DataFrame({"agent_id": range(60), "city": ["Ulm", "Bonn", "Jena"] * 20})
    warehouse = Warehouse(tmp_path_factory.mktemp("spread"))
    network = warehouse.import_network("town", edges, agents=people)
    fields: dict[str, Any] = {"replicates": 30, "record": "contacts"}
    messages = {name: f"00000000-0000-0000-0000-00000000000{number}" for number, name in enumerate(["plain", "loud"])}
    loud = resolve_session(
        network, IndependentCascade(probability=0.3), seed_set=[1, 2], message_id=messages["loud"], **fields
    )
    results = {
        "hubs": simulate_many(network, {"hubs": loud})["hubs"],
        "one": simulate(network, IndependentCascade(probability=0.2), seed_set=[3], **fields),
        "ill": simulate(network, SIS(beta=0.2, gamma=0.5), seed_set=[4], random_seed=7, max_rounds=12, **fields),
    }
    times = {"started_at": STARTED, "completed_at": STARTED}
    asked = [
        {"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 2}},
        {"name": "one", "seeds": ["3"]},
        {"name": "ill", "seeds": ["4"]},
    ]
    campaign = {"campaign_id": "c", "campaign": "autumn", "configuration": json.dumps({"sessions": asked}), **times}
    sessions = [
        {"campaign_id": "c", "position": position, "session": name, "session_id": result.session_id}
        for position, (name, result) in enumerate(results.items())
    ]
    rows = [
        {"message_id": each, "name": name, "content": name, "message_type": "text", "properties": "{}"}
        for name, each in messages.items()
    ]
    tables = {"campaigns": [campaign], "campaign_sessions": sessions, "messages": rows}
    files = [warehouse.stage_records(name, records) for name, records in tables.items()]
    warehouse.commit("campaign", ["campaign/c"], files)
    return warehouse, results, network


Spread = tuple[Warehouse, dict[str, Result], Network]


def asked(spread: Spread, name: str, *index: str, **parameters: Any) -> pd.DataFrame:
    frame = report(spread[0], name, "autumn", **parameters).frame()
    return frame.set_index(list(index)) if index else frame


def frames(spread: Spread, table: str) -> pd.DataFrame:
    """Return the rows of a table of all sessions, with the session's name."""
    parts = [result.table(table).to_pandas().assign(session=name) for name, result in spread[1].items()]
    found = pd.concat(parts)
    kinds = {column: str for column in found.columns if isinstance(found[column].dtype, pd.CategoricalDtype)}
    return found.astype(kinds)


def test_adoption_curves_are_those_of_the_results(spread: Spread) -> None:
    found = asked(spread, "adoption_curve", "session", "round")
    for name, result in spread[1].items():
        rounds = result.rounds.set_index("round")
        assert found.loc[name, "reach"].tolist() == rounds["total_influenced"].tolist()
        assert found.loc[name].index.tolist() == rounds.index.tolist()
        assert found.loc[name, "share_of_agents"].iloc[-1] == pytest.approx(result.reach.mean / 60)


def test_depths_and_speeds_equal_pandas(spread: Spread) -> None:
    cascades = frames(spread, "cascades").groupby("session")
    depths = asked(spread, "cascade_depths", "session")
    np.testing.assert_allclose(depths["mean_depth"].sort_index(), cascades["depth"].mean())
    np.testing.assert_allclose(depths["q95"].sort_index(), cascades["depth"].quantile(0.95))
    speed = asked(spread, "speed", "session").sort_index()
    np.testing.assert_allclose(speed["agents_per_round"], cascades["size"].sum() / cascades["rounds"].sum())
    np.testing.assert_allclose(speed["mean_peak_round"], cascades["peak_round"].mean())


def test_reproduction_numbers_and_the_peak_equal_pandas(spread: Spread) -> None:
    metrics = frames(spread, "propagation_metrics")
    found = asked(spread, "reproduction_number")
    active = metrics[metrics["new_infections"] > 0]
    assert found["newly_active_agents"].tolist() == active["new_infections"].tolist()
    assert found["reproduction_number"].tolist() == pytest.approx(active["reproduction_rate"].tolist(), nan_ok=True)
    peaks = asked(spread, "prevalence_peak", "session")
    for name, rows in metrics.groupby("session"):
        assert peaks.loc[name, "active_at_once"] == rows["current_infected"].max()
        assert peaks.loc[name, "in_round"] == rows.set_index("round")["current_infected"].idxmax()


def test_half_of_the_way_equals_pandas(spread: Spread) -> None:
    found = asked(spread, "time_to_half", "session")
    for name, rows in frames(spread, "propagation_metrics").groupby("session"):
        share = rows.set_index("round")["total_influenced"] / spread[1][name].reach.mean
        assert found.loc[name, "half_of_reach_by_round"] == share.index[share >= 0.5].min()
        assert found.loc[name, "nine_tenths_by_round"] == share.index[share >= 0.9].min()


def test_strategies_are_those_that_the_campaign_requested(spread: Spread) -> None:
    found = asked(spread, "reach_by_strategy", "strategy", "propagation_model")
    hubs = found.loc[("top_out_degree", "independent_cascade")]
    assert hubs["reach_per_seed"] == pytest.approx(spread[1]["hubs"].reach.mean / 2)
    assert found["sessions"].sum() == 3
    assert found.loc[("explicit", "sis"), "mean_reach"] == spread[1]["ill"].reach.mean


def test_reach_by_any_attribute_counts_agents_that_were_never_reached(spread: Spread) -> None:
    network = spread[2]
    agents = network.agents.compute()[["agent_id", "city", "out_degree"]]
    reach = frames(spread, "reach").set_index("agent")
    for attribute in ("city", "out_degree"):
        found = asked(spread, "reach_by_attribute", "session", "attribute", attribute=attribute)
        for name in spread[1]:
            joined = agents.join(reach[reach["session"] == name][["probability", "mean_round"]])
            joined = joined.assign(
                rounds=joined["probability"] * joined["mean_round"], probability=joined["probability"].fillna(0.0)
            )
            sums = joined.groupby(attribute)[["rounds", "probability"]].sum()
            assert found.loc[name, "mean_round"].tolist() == pytest.approx(
                (sums["rounds"] / sums["probability"]).tolist(), nan_ok=True
            )
            expected = joined.groupby(attribute)["probability"].agg(["mean", "size"])
            assert found.loc[name, "share_reached"].tolist() == pytest.approx(expected["mean"].tolist())
            assert found.loc[name, "agents"].tolist() == expected["size"].tolist()
    never = asked(spread, "never_reached", "session")
    for name, rows in reach.groupby("session"):
        assert never.loc[name, "agents_never_reached"] == 60 - len(rows)


def test_the_most_reached_agents_are_no_seeds(spread: Spread) -> None:
    found = asked(spread, "most_reached_agents", limit=4)
    assert found.groupby("session").size().tolist() == [4, 4, 4]
    for name, rows in frames(spread, "reach").groupby("session"):
        ids = np.array(spread[2].agent_ids.to_pylist())[rows["agent"]]
        others = rows[~np.isin(ids, spread[1][name].session["seed_agents"])]
        best = others.nlargest(4, "probability")["probability"].tolist()
        assert found.loc[found["session"] == name, "probability"].tolist() == best


def assert_first(found: pd.DataFrame, counts: "pd.Series[int]", names: list[str], column: str) -> None:
    """Compare the agents of a report with those that have the largest counts, equal ones by dense id."""
    best = counts.sort_index().sort_values(ascending=False, kind="stable").head(len(found))
    assert found["agent_id"].tolist() == [names[int(agent)] for agent in best.index]
    assert found[column].tolist() == pytest.approx((best / 30).tolist())


def test_super_spreaders_equal_pandas(spread: Spread) -> None:
    caused = frames(spread, "activations").dropna(subset="infector")
    counts = caused.groupby(["session", "infector"]).size()
    found = asked(spread, "super_spreaders", limit=3)
    names = spread[2].agent_ids.to_pylist()
    for name in spread[1]:
        assert_first(found[found["session"] == name], counts[name], names, "activated_per_replicate")
    shares = asked(spread, "spreading_inequality", "session")
    for name in spread[1]:
        ordered = counts[name].sort_values(ascending=False)
        rank = (ordered.rank(method="min", ascending=False) - 1) / (len(ordered) - 1)
        assert shares.loc[name, "share_by_top_tenth"] == pytest.approx(ordered[rank < 0.1].sum() / ordered.sum())
        assert shares.loc[name, "agents_who_activated_others"] == len(ordered)


def test_generation_intervals_equal_pandas(spread: Spread) -> None:
    activations = frames(spread, "activations")
    parents = activations[["session", "replicate", "agent", "round"]]
    joined = activations.dropna(subset="infector").merge(
        parents, left_on=["session", "replicate", "infector"], right_on=["session", "replicate", "agent"]
    )
    joined["rounds"] = joined["round_x"] - joined["round_y"]
    # An agent that was activated several times transmits after the latest of these.
    latest = joined[joined["rounds"] > 0].groupby(["session", "replicate", "agent_x", "occasion"])["rounds"].min()
    expected = latest.groupby("session").value_counts().sort_index()
    found = asked(spread, "generation_intervals", "session", "rounds")["activations"].sort_index()
    assert found.tolist() == expected.tolist()
    assert found.index.tolist() == expected.index.tolist()
    assert set(found["hubs"].index) == {1}, "cascades transmit in the next round only"
    assert found["ill"].index.max() > 1


def test_outcomes_of_contacts_equal_pandas(spread: Spread) -> None:
    contacts = frames(spread, "propagation_events")
    expected = contacts.groupby("session")["event_type"].value_counts()
    found = asked(spread, "contact_outcomes", "session", "event_type")
    assert found["contacts"].to_dict() == expected.to_dict()
    assert found.groupby("session")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    by_round = asked(spread, "contacts_by_round", "session", "round")
    counted = contacts.groupby(["session", "round"])["event_type"].agg(
        ["size", lambda kind: (kind == "received").mean()]
    )
    np.testing.assert_allclose(by_round["contacts_per_replicate"], counted["size"] / 30)
    np.testing.assert_allclose(by_round["share_received"], counted.iloc[:, 1])


def test_exposures_equal_pandas(spread: Spread) -> None:
    contacts = frames(spread, "propagation_events").rename(columns={"dst": "agent"})
    lane = ["session", "replicate", "agent"]
    first = frames(spread, "activations").query("occasion == 1")[[*lane, "round", "infector"]]
    # 1. Contacts of agents that stay unmoved.
    unmoved = contacts.merge(first[lane].drop_duplicates(), on=lane, how="left", indicator=True).query(
        "_merge == 'left_only'"
    )
    counts = unmoved.groupby(["session", "agent"]).size()
    found = asked(spread, "exposure_without_adoption", limit=5)
    names = spread[2].agent_ids.to_pylist()
    for name in spread[1]:
        assert_first(found[found["session"] == name], counts[name], names, "contacts_per_replicate")
    # 2. Contacts until the first activation.
    joined = contacts.merge(first.dropna(subset="infector"), on=lane, suffixes=("", "_reached"))
    until = joined[joined["round"] <= joined["round_reached"]].groupby(lane).size()
    expected = until.groupby("session").value_counts().sort_index()
    exposures = asked(spread, "exposures_before_adoption", "session", "exposures")["activations"].sort_index()
    assert exposures.tolist() == expected.tolist()
    assert exposures.index.tolist() == expected.index.tolist()


def test_differences_are_paired_by_replicate(spread: Spread) -> None:
    sizes = {name: result.cascades.set_index("replicate")["size"] for name, result in spread[1].items()}
    best = max(sizes, key=lambda name: sizes[name].mean())
    found = asked(spread, "differences", "session")
    assert set(found.index) == set(sizes) - {best}
    for name in found.index:
        behind = sizes[best] - sizes[name]
        assert found.loc[name, "best_session"] == best
        assert found.loc[name, "agents_behind"] == pytest.approx(behind.mean())
        assert found.loc[name, "agents_behind_standard_error"] == pytest.approx(behind.sem())
    common = {
        name: spread[1][name].session["random_seed"] == spread[1][best].session["random_seed"] for name in found.index
    }
    assert found["common_random_numbers"].to_dict() == common


def test_jobs_messages_and_earlier_runs_are_listed(spread: Spread) -> None:
    jobs = asked(spread, "job_durations")
    assert sorted(jobs["session_names"]) == sorted(spread[1])
    seconds = {result.session["job_seconds"] for result in spread[1].values()}
    assert set(jobs["job_seconds"]) == seconds
    board = asked(spread, "message_leaderboard", "message")
    reach = {name: result.reach.mean for name, result in spread[1].items()}
    assert board["largest_reach"].to_dict() == {"loud": reach["hubs"], "no message": max(reach["one"], reach["ill"])}
    assert board["sessions"].to_dict() == {"loud": 1, "no message": 2}
    history = asked(spread, "campaign_over_time")
    assert history["session"].tolist() == list(spread[1])
    assert history["change"].isna().all()


def test_a_campaign_that_ran_again_shows_how_it_changed(campaigns: Campaigns) -> None:
    first, _ = campaigns
    found = report(first.warehouse, "campaign_over_time").frame()
    assert found["completed_at"].is_monotonic_decreasing
    assert found[found["session"] == "random"]["change"].tolist() == pytest.approx([0.0, float("nan")], nan_ok=True)


# -- pictures ---------------------------------------------------------------------------------------------------------


def drawn(spread: Spread) -> dict[str, Answer]:
    """The reports with a picture; in this campaign no messages compete."""
    names = (name for name in REPORTS if question(name).drawn_as and name != "reach_by_message")
    return {name: report(spread[0], name, "autumn") for name in names}


def test_reports_with_a_picture_draw_their_rows(spread: Spread, assert_readable: Callable[..., None]) -> None:
    for name, answer in drawn(spread).items():
        ax = answer.plot()
        assert_readable(ax.get_figure())
        assert ax.lines or ax.patches, name
        plt.close(ax.get_figure())
    ax = report(spread[0], "adoption_curve", "autumn").plot()
    for line, (name, result) in zip(ax.lines, spread[1].items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), result.rounds["total_influenced"])
    last = report(spread[0], "adoption_curve", "autumn")
    chosen = replace(last, rows=last.rows.filter(pc.equal(last.rows["session"], last.sessions[-1])))
    assert chosen.plot().lines[0].get_color() == ax.lines[-1].get_color() != ax.lines[0].get_color()
    bars = report(spread[0], "never_reached", "autumn")
    widths = [patch.get_width() for patch in bars.plot().patches]
    assert widths == pytest.approx(bars.frame()["share_never_reached"].tolist()[::-1])


def test_a_report_without_a_picture_or_rows_says_so(spread: Spread, campaigns: Campaigns) -> None:
    with pytest.raises(InvalidInputError, match="has no picture; it is a table"):
        report(spread[0], "job_durations").plot()
    with pytest.raises(InvalidInputError, match="nothing to draw"):
        report(campaigns[0].warehouse, "contact_outcomes").plot()

"""Answers by message where several compete: each is what the definition says of the activations of that message."""

import re
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analytics.communities import crossing
from analytics.comparison import compare
from analytics.comparison_results import CampaignComparison
from analytics.decision_tables import publish_comparison, publish_explanation, publish_responsibility
from analytics.explanation import explain
from analytics.intervals import half_width, with_interval
from analytics.pages.campaign import campaign_page
from analytics.reports import headline
from analytics.responsibility import most_responsible
from analytics.sql_reports import report
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from propagation import Result, simulate
from propagation.campaign_results import CampaignResults, results
from propagation.competing_messages import (
    asked_messages,
    message_results,
    of_message,
    reach_by_message,
    results_by_message,
)
from propagation.models import CompetingCascades, IndependentCascade
from propagation.simulation import simulate_many
from tests.html_page import Page

SEEDS = {"rumour": ["1", "2"], "correction": ["3"]}
REPLICATES = 25


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Warehouse(tmp_path_factory.mktemp("town")).generate_network("town", "rmat", agents=60, edges=300)


@pytest.fixture(scope="module", params=[True, False], ids=["published", "in memory"])
def early(town: Network, request: pytest.FixtureRequest) -> Result:
    return session(town, 0, publish=request.param)


def session(network: Network, delay: int, **options: bool) -> Result:
    model = CompetingCascades(probability=0.35, delays=[0, delay] if delay else None)
    return simulate(network, model, seed_set=SEEDS, replicates=REPLICATES, record="activations", **options)


def activations(result: Result) -> pd.DataFrame:
    return result.table("activations").to_pandas().astype({"message_id": str})


def test_each_message_has_the_rows_of_its_activations(early: Result) -> None:
    rows = activations(early)
    for name, result in message_results(early).items():
        own = rows[rows["message_id"] == name]
        sizes = own.groupby("replicate").size().reindex(range(REPLICATES), fill_value=0)
        assert result.cascades["size"].tolist() == sizes.tolist()
        assert result.reach.mean == sizes.mean()
        assert result.reach.standard_error == pytest.approx(sizes.std(ddof=1) / REPLICATES**0.5)
        by_round = [own[own["round"] <= number].shape[0] / REPLICATES for number in result.rounds["round"]]
        assert result.rounds["total_influenced"].tolist() == pytest.approx(by_round)
        assert result.agents.set_index("agent")["times_reached"].to_dict() == own["agent"].value_counts().to_dict()
        assert result.session["seed_agents"] == SEEDS[name]
        assert len(result.table("activations")) == len(result.activations) == len(own)
    whole = sum(result.reach.mean for result in message_results(early).values())
    assert whole == pytest.approx(early.reach.mean)


def test_reach_by_message_of_many_sessions(town: Network) -> None:
    sessions = {result.session_id: result for result in (session(town, 0), session(town, 2))}
    found = reach_by_message(town.warehouse, {each: result.session for each, result in sessions.items()})
    for session_id, result in sessions.items():
        for name, own in message_results(result).items():
            reach = found[session_id][name]
            assert (reach.mean, reach.replicates) == (pytest.approx(own.reach.mean), REPLICATES)
            assert reach.standard_error == pytest.approx(own.reach.standard_error)


def test_an_explanation_says_by_which_message(early: Result) -> None:
    rows, ids = activations(early), early.network.agent_ids.to_pylist()
    for agent in ("1", "3", "7", "20"):
        found = explain(early, agent)
        own = rows[rows["agent"] == ids.index(agent)]
        assert found.messages["message"].tolist() == list(SEEDS)
        expected = [int((own["message_id"] == name).sum()) for name in SEEDS]
        assert found.messages["replicates"].tolist() == expected
        assert found.paths.groupby("message")["replicates"].sum().to_dict() == {
            name: count for name, count in zip(SEEDS, expected, strict=True) if count
        }
        for path, message in zip(found.paths["path"], found.paths["message"], strict=True):
            assert path[0] in SEEDS[message]


def test_the_agents_responsible_for_one_message_lie_below_its_seeds(early: Result) -> None:
    rows = activations(early)
    parents = rows[["replicate", "agent", "infector"]]
    for name, found in most_responsible(early, top=60, with_seeds=True).items():
        assert found.message == name
        own = rows[rows["message_id"] == name]
        assert found.transmitted == pytest.approx(own["infector"].notna().sum() / REPLICATES)
        descendants = dict(zip(found.agents["agent_id"], found.agents["descendants"], strict=True))
        for seed in SEEDS[name]:
            (agent,) = early.network.dense_ids([seed]).tolist()
            assert descendants[seed] == pytest.approx(below(parents, agent) / REPLICATES)
        one = most_responsible(early, top=60, with_seeds=True, message=name)
        assert one.agents.equals(found.agents)
        assert f"Through whom {name} spreads in early" in one.plot(session="early").get_title(loc="left")


def below(parents: pd.DataFrame, agent: int) -> int:
    """Activations below an agent, in all replicates together."""
    found = 0
    for _, rows in parents.groupby("replicate"):
        reached = {agent}
        while more := set(rows.loc[rows["infector"].isin(reached), "agent"]) - reached:
            reached |= more
        found += len(reached) - 1
    return found


def test_messages_are_compared_replicate_by_replicate(town: Network) -> None:
    early, late = session(town, 0), session(town, 2)
    found = compare(early, late, names=("early", "late"))
    assert isinstance(found, CampaignComparison)
    assert list(found) == list(SEEDS)
    for name, compared in found.items():
        sizes = [of_message(each, name).cascades["size"].to_numpy() for each in (early, late)]
        apart = sizes[0] - sizes[1]
        assert compared.paired
        assert compared.lead.mean == pytest.approx(apart.mean())
        assert compared.lead.standard_error == pytest.approx(apart.std(ddof=1) / REPLICATES**0.5)
        assert compared.rounds["difference"].iloc[-1] == pytest.approx(apart.mean())
        assert compared.first == f"{name} in early"
    one = compare(early, late, message="rumour")
    assert one.lead == found["rumour"].lead


def test_a_message_is_compared_with_a_session_of_its_own(town: Network) -> None:
    early = session(town, 0)
    fields = {"seed_set": SEEDS["rumour"], "replicates": REPLICATES, "record": "activations"}
    alone = simulate(town, IndependentCascade(probability=0.35), **fields)
    found = compare(alone, early, message="rumour", names=("alone", "early"))
    sizes = of_message(early, "rumour").cascades["size"].to_numpy()
    assert found.lead.mean == pytest.approx((alone.cascades["size"].to_numpy() - sizes).mean())
    assert found.lead.mean > 0
    assert found.never_by_first == 0  # a correction only takes agents away
    assert publish_comparison(*found.results, found)
    assert not publish_comparison(*found.results, found)
    rows = town.warehouse.sql("FROM message_differences WHERE part = 'reach'")
    assert rows[["first_message_id", "second_message_id"]].values.tolist() == [["", "rumour"]]
    with pytest.raises(InvalidInputError, match=r"no message competes in both sessions .*--message NAME"):
        compare(alone, early)


def test_answers_by_message_are_published_once(town: Network) -> None:
    early = session(town, 0)
    for result in message_results(early).values():
        found = most_responsible(result, top=60, with_seeds=True)
        assert publish_responsibility(result, found)
        assert not publish_responsibility(result, found)
    publish_explanation(early, explain(early, "20"))
    by_message = town.warehouse.sql("SELECT message_id, count(*) AS n FROM responsible_by_message GROUP BY ALL")
    assert set(by_message["message_id"]) <= set(SEEDS)
    found = explain(early, "20")
    stored = town.warehouse.sql("FROM explained_messages").set_index("message_id")["times_reached"].to_dict()
    assert stored == dict(zip(found.messages["message"], found.messages["replicates"], strict=True))
    (drawn,) = [text for text in explain(early, "1").plot(session="early").texts if text.get_text().startswith("1")]
    assert drawn.get_text() == "1\nrumour", "seeds have the name of their message"
    paths = town.warehouse.sql("SELECT path[1] AS seed, message_id FROM transmission_paths")
    assert len(paths)
    assert all(row.seed in SEEDS[row.message_id] for row in paths.itertuples())


def test_a_message_crosses_communities_on_its_own(early: Result) -> None:
    groups = {agent: str(i % 3) for i, agent in enumerate(early.network.agent_ids.to_pylist())}
    whole = crossing(early, groups, publish=False).tables["community_reach"].to_pandas()
    parts = [crossing(early, groups, message=name, publish=False).tables["community_reach"] for name in SEEDS]
    for column in ("reach", "seeds", "brought_in", "carried_out"):
        together = np.sum([part.to_pandas()[column].to_numpy(float) for part in parts], axis=0)
        assert whole[column].to_numpy(float) == pytest.approx(together), column


# -- all sessions of a campaign, by message -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def campaign(town: Network) -> CampaignResults:
    """Two sessions that tell their messages apart, one that does not, and one in which no messages compete."""
    fields = {"seed_set": SEEDS, "replicates": REPLICATES, "record": "activations"}
    early, late = CompetingCascades(probability=0.35), CompetingCascades(probability=0.35, delays=[0, 2])
    sessions = {
        "early": {"model": early, **fields},
        "late": {"model": late, **fields},
        "untold": {"model": early, **fields, "record": "reach"},
        "alone": {"model": IndependentCascade(probability=0.35), **fields, "seed_set": SEEDS["rumour"]},
    }
    simulate_many(town, sessions, campaign="competing")
    return results(town.warehouse, "competing")


def test_sessions_are_told_by_message(campaign: CampaignResults) -> None:
    found = results_by_message(campaign)
    assert {message: list(own) for message, own in found.items()} == {message: ["early", "late"] for message in SEEDS}
    for message, own in found.items():
        for session_name, result in own.items():
            assert result.reach == of_message(campaign[session_name], message).reach
    alone = campaign["alone"]
    row = {**alone.session, "message_id": "rumour"}  # as in a campaign that names the message of each session
    named = Result(row, alone.network, alone._tables, recalled=True)
    assert list(results_by_message({**campaign, "alone": named})["rumour"]) == ["early", "late", "alone"]
    assert results_by_message({"alone": alone, "untold": campaign["untold"]}) == {}


def test_the_headline_is_about_each_message(campaign: CampaignResults) -> None:
    told, compared = headline(campaign), compare(campaign["early"], campaign["late"])
    rumour, correction = (
        {name: with_interval(own.reach) for name, own in sessions.items()}
        for sessions in results_by_message(campaign).values()
    )
    assert compared["rumour"].is_beyond_chance
    assert compared["correction"].is_beyond_chance
    assert told.startswith(f"rumour reaches most in late, {rumour['late']} of 60 agents; ")
    assert f" correction reaches most in early, {correction['early']} of 60 agents; " in told
    most, least = sorted(SEEDS, key=lambda name: -of_message(campaign["early"], name).reach.mean)
    one = headline({"early": campaign["early"], "untold": campaign["untold"]})
    assert re.match(rf"In early, {most} reaches most: .* of 60 agents; .* as many as {least}\.$", one)


def test_the_page_compares_sessions_by_message(campaign: CampaignResults) -> None:
    html = campaign_page(campaign.warehouse, "competing")
    page = Page(html)
    assert headline(campaign) in page.text
    assert "What each message reaches is not known of \u201cuntold\u201d; record: activations would tell." in page.text
    told = next(rows for head, *rows in page.tables if head[:2] == ["message", "session"] and len(head) == 4)
    found = results_by_message(campaign)
    assert {(row[0], row[1]): row[2] for row in told} == {
        (message, name): with_interval(own.reach) for message, of in found.items() for name, own in of.items()
    }
    differences = next(rows for head, *rows in page.tables if head[:3] == ["message", "session", "compared with"])
    assert [row[0] for row in differences] == list(SEEDS)
    for message, first, second, lead, _ in differences:
        assert lead == with_interval(compare(campaign[first], campaign[second], message=message).lead)
    for message in SEEDS:
        assert f"Agents reached by {message}" in html


def test_a_late_message_that_reaches_nobody_has_a_headline(town: Network) -> None:
    # Every agent that the rumour can reach has adopted it long before the correction starts at one of them.
    complete = town.warehouse.generate_network("complete", "complete", agents=6)
    fields = {"seed_set": {"rumour": ["0"], "correction": ["1"]}, "replicates": 3, "record": "activations"}
    found = {
        name: simulate(complete, CompetingCascades(probability=1.0, ties="first_listed", delays=delays), **fields)
        for name, delays in (("early", [0, 0]), ("late", [0, 3]))
    }
    assert "correction reaches most in early, 1 ± 0 of 6 agents" in headline(found)
    assert headline({"late": found["late"]}).startswith("In late, rumour reaches most: 6 ± 0 of 6 agents; 6 ± 0 more")


def test_reports_tell_messages_in_competition_from_messages_alone(campaign: CampaignResults) -> None:
    board = report(campaign.warehouse, "message_leaderboard", "competing").frame().set_index(["message", "spreads"])
    found = results_by_message(campaign)
    assert set(board.index) == {("no message", "alone"), *((message, "in competition") for message in SEEDS)}
    for message, own in found.items():
        means = [result.reach.mean for result in own.values()]
        row = board.loc[(message, "in competition")]
        assert (row["sessions"], row["mean_reach"]) == (2, pytest.approx(np.mean(means)))
    assert board.loc[("no message", "alone"), "largest_reach"] == pytest.approx(campaign["alone"].reach.mean)


def test_bars_of_messages_have_colours_units_and_intervals(
    campaign: CampaignResults, assert_readable: Callable[[Figure], None]
) -> None:
    ax = report(campaign.warehouse, "reach_by_message", "competing").plot()
    assert_readable(ax.figure)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["early: rumour", "early: correction", "late: rumour", "late: correction"]
    late_correction, late_rumour, early_correction, early_rumour = (bar.get_facecolor() for bar in ax.patches)
    assert late_rumour == early_rumour != early_correction == late_correction
    assert ax.get_xlabel() == "reach, agents (95 % interval)"
    reach = results_by_message(campaign)["rumour"]["early"].reach
    ends = ax.collections[0].get_segments()[0][:, 0]
    assert ends == pytest.approx([reach.mean - half_width(reach), reach.mean + half_width(reach)])
    plt.close(ax.figure)


def test_mistakes_are_told(town: Network, early: Result) -> None:
    with pytest.raises(InvalidInputError, match=r"no message 'rumor' \(did you mean 'rumour'\?\).*'correction'"):
        of_message(early, "rumor")
    plain = simulate(town, CompetingCascades(probability=0.35), seed_set=SEEDS, replicates=2)
    with pytest.raises(InvalidInputError, match="record: activations"):
        of_message(plain, "rumour")
    one = simulate(town, IndependentCascade(probability=0.35), seed_set=["1"], replicates=2)
    assert asked_messages(one, None) == {None: one}
    with pytest.raises(InvalidInputError, match=r"'anything' is asked for, and session .* names no message; leave it"):
        asked_messages(one, "anything")
    with pytest.raises(InvalidInputError, match="spreads one message"):
        message_results(one)
    with pytest.raises(InvalidInputError, match="of one message"):
        of_message(of_message(early, "rumour"), "correction")


def test_messages_that_only_one_session_has_are_named(town: Network) -> None:
    early = session(town, 0)
    other = simulate(
        town,
        CompetingCascades(probability=0.35),
        seed_set={"rumour": ["1", "2"], "advert": ["3"]},
        replicates=REPLICATES,
        record="activations",
    )
    found = compare(early, other, names=("early", "other"))
    assert (list(found), found.only_first, found.only_second) == (["rumour"], ["correction"], ["advert"])
    assert repr(found) == "CampaignComparison(1 message; see .table())"
    assert found.table().index.name == "message"
    assert "by message" in found.plot().get_title(loc="left")
    campaigns = compare({"a": early}, {"a": other})
    assert (list(campaigns), campaigns.only_first, campaigns.only_second) == (
        ["a, rumour"],
        ["a, correction"],
        ["a, advert"],
    )


def test_two_messages_of_one_session_are_compared(town: Network) -> None:
    early = session(town, 0)
    found = compare(early, early, message=("correction", "rumour"), names=("early", "early"))
    sizes = [of_message(early, name).cascades["size"].to_numpy() for name in ("correction", "rumour")]
    assert found.lead.mean == pytest.approx((sizes[0] - sizes[1]).mean())
    assert (found.first, found.second) == ("correction in early", "rumour in early")
    assert publish_comparison(*found.results, found)
    with pytest.raises(InvalidInputError, match="is not the name of one message, or of one for each session"):
        compare(early, early, message=("correction",))


def test_messages_of_one_name_and_different_content_are_told_apart(town: Network, monkeypatch) -> None:
    early, late = session(town, 0), session(town, 2)
    renamed = {message: f"{message}-2" for message in SEEDS}
    row = {**late.session, "seed_messages": [renamed[each] for each in late.session["seed_messages"]]}
    monkeypatch.setattr(late, "session", row)
    names = {message: message for message in SEEDS} | {new: message for message, new in renamed.items()}
    monkeypatch.setattr(
        "analytics.comparison.message_names",
        lambda result: {each: names[each] for each in dict.fromkeys(result.session["seed_messages"])},
    )
    with pytest.raises(
        InvalidInputError, match=r"if their content is: that of 'rumour', 'correction' differs.*--messa"
    ):
        compare(early, late)
    with pytest.raises(InvalidInputError, match="content is"):
        compare({"a": early}, {"a": late})

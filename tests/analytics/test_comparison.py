"""Comparisons: differences against a plain definition, pairing, and what independent runs would have needed."""

import math

import numpy as np
import pytest

from analytics import compare
from analytics.comparison_results import CampaignComparison
from analytics.decision_tables import publish_comparison
from data.errors import InvalidInputError, UnknownAgentError
from data.networks.network import Network
from propagation import Result, simulate, simulate_many
from propagation.models import CompetingCascades, IndependentCascade
from propagation.seeding import RandomSeeds, TopOutDegree

OFTEN, SELDOM = IndependentCascade(probability=0.12), IndependentCascade(probability=0.1)


def pair(network: Network, **options) -> tuple[Result, Result]:
    first, second = {"seed_set": TopOutDegree(budget=2)}, {"seed_set": RandomSeeds(budget=2)}
    asked = {"replicates": 12, "record": "activations", "model": OFTEN, **options}
    many = simulate_many(network, {"first": first, "second": second}, **asked)
    return many["first"], many["second"]


def reached(result: Result) -> dict[int, dict[str, int]]:
    """First round of each agent that was reached, by replicate, from the recorded activations."""
    rows = result.activations.compute()
    found = {number: {} for number in range(result.reach.replicates)}
    for row in rows[rows["occasion"] == 1].itertuples():
        found[row.replicate][row.agent_id] = row.round
    return found


def interval(values: list[float]) -> tuple[float, float]:
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def test_differences_by_round_group_and_agent_are_those_of_the_definition(network: Network) -> None:
    results = pair(network)
    first, second = (reached(result) for result in results)
    compared = compare(*results, by="out_degree")
    for row in compared.rounds.to_dict("records"):
        apart = [
            sum(at <= row["round"] for at in first[n].values()) - sum(at <= row["round"] for at in second[n].values())
            for n in first
        ]
        assert row["difference"] == pytest.approx(np.mean(apart))
        assert (row["difference_low"], row["difference_high"]) == pytest.approx(interval(apart))
        assert row["paired"]
    degrees = dict(zip(network.agent_ids.to_pylist(), network.out_degree.tolist(), strict=True))
    assert compared.groups["agents"].sum() == network.n_agents
    for row in compared.groups.to_dict("records"):
        inside = {agent for agent, degree in degrees.items() if degree == row["group_name"]}
        apart = [len(inside & first[n].keys()) - len(inside & second[n].keys()) for n in first]
        assert row["difference"] == pytest.approx(np.mean(apart))
        assert (row["difference_low"], row["difference_high"]) == pytest.approx(interval(apart))
    for row in compared.agents.head(40).to_dict("records"):
        agent = row["agent_id"]
        assert row["only_first"] == np.mean([agent in first[n] and agent not in second[n] for n in first])
        assert row["only_second"] == np.mean([agent in second[n] and agent not in first[n] for n in first])
    never = {a for n in first for a in first[n]} - {a for n in second for a in second[n]}
    assert compared.never_by_second == len(never)
    assert set(compared.only_by("first", most=1000)["agent_id"]) == never


def test_independent_sessions_with_as_many_replicates_have_the_same_interval(network: Network) -> None:
    """Under common random numbers a small change of the model is seen with far fewer replicates."""
    options = {"seed_set": TopOutDegree(budget=2), "replicates": 400}
    often, seldom = (simulate(network, model, **options) for model in (OFTEN, SELDOM))
    compared = compare(often, seldom, names=("often", "seldom"))
    needed = compared.replicates_if_independent
    assert needed > 2 * compared.replicates
    assert "times as many" in compared.saving
    independent = compare(
        simulate(network, OFTEN, **{**options, "replicates": needed}),
        simulate(network, SELDOM, **{**options, "replicates": needed, "random_seed": 1}),
    )
    assert not independent.paired
    assert independent.lead.standard_error == pytest.approx(compared.lead.standard_error, rel=0.15)


def test_the_replicates_that_both_have_are_paired(network: Network) -> None:
    more = simulate(network, OFTEN, seed_set=["0"], replicates=50)
    fewer = simulate(network, SELDOM, seed_set=["0"], replicates=20)
    compared = compare(more, fewer)
    apart = more.cascades["size"].to_numpy()[:20] - fewer.cascades["size"].to_numpy()
    assert compared.paired
    assert compared.replicates == 20
    assert compared.lead.mean == pytest.approx(apart.mean())
    later = simulate(network, SELDOM, seed_set=["0"], replicates=20, first_replicate=20)
    apart = more.cascades["size"].to_numpy()[20:40] - later.cascades["size"].to_numpy()
    assert compare(more, later).lead.mean == pytest.approx(apart.mean())


def test_what_was_not_recorded_is_left_out(network: Network) -> None:
    rounds = compare(*pair(network, record="rounds"))
    assert rounds.agents is None
    assert rounds.never_by_first is None
    assert not rounds.rounds["paired"].any()
    reach = compare(*pair(network, record="reach"), by={"0": "hub"})
    assert np.isnan(reach.groups["difference_low"]).all()
    assert reach.groups["group_name"].to_list() == ["hub", None]
    assert reach.groups["agents"].to_list() == [1, network.n_agents - 1]
    assert reach.groups["difference"].sum() == pytest.approx(reach.lead.mean)


def test_campaigns_are_compared_session_by_session(network: Network) -> None:
    sets = {"a": {"seed_set": ["0"]}, "b": {"seed_set": ["1"]}}
    often = simulate_many(network, {**sets, "c": {"seed_set": ["2"]}}, model=OFTEN, replicates=20)
    seldom = simulate_many(network, sets, model=SELDOM, replicates=20)
    compared = compare(often, seldom)
    assert isinstance(compared, CampaignComparison)
    assert list(compared) == ["a", "b"]
    assert compared.only_first == ["c"]
    expected = often["b"].reach.mean - seldom["b"].reach.mean
    assert compared.table().loc["b", "difference"] == pytest.approx(expected)


def test_what_cannot_be_compared_is_refused(network: Network) -> None:
    first, second = pair(network, record="rounds")
    other = network.warehouse.generate_network("other", "complete", agents=4)
    elsewhere = simulate(other, OFTEN, seed_set=["0"], replicates=2)
    with pytest.raises(InvalidInputError, match=r"different networks, 'small' .* and 'other'"):
        compare(first, elsewhere)
    with pytest.raises(InvalidInputError, match="session 'first' recorded only rounds"):
        compare(first, second, by="out_degree")
    with pytest.raises(InvalidInputError, match="a session cannot be compared with a campaign"):
        compare(first, {"second": second})
    with pytest.raises(InvalidInputError, match="'spring' is not a result"):
        compare(first, "spring")
    both = simulate(network, CompetingCascades(), seed_set={"rumour": ["0"], "correction": ["1"]}, replicates=2)
    with pytest.raises(InvalidInputError, match=r"no message competes in both sessions .*name the one to compare"):
        compare(first, both)
    with pytest.raises(InvalidInputError, match="no session of the same name"):
        compare({"a": first}, {"b": second})
    reached_by = pair(network, record="reach")
    with pytest.raises(InvalidInputError, match=r"no column 'out_degre'.*did you mean 'out_degree'"):
        compare(*reached_by, by="out_degre")
    with pytest.raises(UnknownAgentError, match="'nobody'"):
        compare(*reached_by, by={"nobody": 1})
    with pytest.raises(InvalidInputError, match="gives no groups"):
        compare(*reached_by, by={})
    with pytest.raises(InvalidInputError, match="the two are 'first' and 'second'"):
        compare(*reached_by).only_by("third")


def test_pictures(network: Network, assert_readable) -> None:
    compared = compare(*pair(network), by="out_degree", names=("hubs", "random"))
    assert_readable(compared.plot().figure)
    groups = compared.plot_groups()
    assert "hubs minus random" in groups.get_title(loc="left")
    assert_readable(groups.figure)
    with pytest.raises(InvalidInputError, match="not compared by group"):
        compare(*pair(network)).plot_groups()


def test_a_picture_of_campaigns_has_a_row_for_each_session(network: Network, assert_readable) -> None:
    first, second = pair(network)
    campaigns = {"hubs": first, "random": second}, {"hubs": second, "random": first}
    ax = compare(*campaigns, names=("spring", "autumn")).plot()
    assert "spring minus autumn, by session" in ax.get_title(loc="left")
    assert {label.get_text() for label in ax.get_yticklabels()} == {"hubs", "random"}
    assert_readable(ax.figure)


def test_only_the_replicates_that_both_have_count_in_every_part(network: Network) -> None:
    more, _ = pair(network, replicates=40)
    fewer, _ = pair(network, replicates=10)
    reached_by = [reached(result) for result in (more, fewer)]
    compared = compare(more, fewer, by="out_degree", names=("more", "fewer"))
    sizes = more.cascades["size"].to_numpy()[:10]
    assert compared.first_reach == compared.second_reach == sizes.mean()
    assert sizes.mean() != more.reach.mean
    for row in compared.rounds.to_dict("records"):
        own = [np.mean([sum(at <= row["round"] for at in each[n].values()) for n in range(10)]) for each in reached_by]
        assert [row["first"], row["second"]] == pytest.approx(own)
    assert compared.groups["first"].to_list() == compared.groups["second"].to_list()
    assert compared.groups["first"].sum() == pytest.approx(sizes.mean())
    assert (compared.never_by_first, compared.never_by_second, len(compared.agents)) == (0, 0, 0)
    assert compared.sentence == (
        "more and fewer reach the same agents in every replicate (10 replicates, compared replicate by replicate)"
    )
    assert compared.note == "more has 40 replicates and fewer 10: the 10 that both have are compared"


def test_what_cannot_be_limited_to_common_replicates_says_so(network: Network) -> None:
    """Sums over replicates, of sessions that did not record activations."""
    more, fewer = (pair(network, record="reach", replicates=number)[0] for number in (40, 10))
    compared = compare(more, fewer)
    assert compared.first_reach == fewer.reach.mean
    assert compared.rounds["first"].iloc[-1] == pytest.approx(more.reach.mean)
    assert "as many agents in every replicate" in compared.sentence
    assert "numbers by round, group and agent are of all replicates of each" in compared.note
    assert (compared.never_by_first, compared.never_by_second) == (None, None)
    with pytest.raises(InvalidInputError, match="'first' has 40 replicates and 'second' 10: more replicates reach"):
        compared.only_by("first")


def test_one_replicate_is_compared_with_its_own(network: Network) -> None:
    more, fewer = (simulate(network, OFTEN, seed_set=["0"], replicates=number) for number in (30, 1))
    compared = compare(more, fewer)
    assert (compared.lead.mean, compared.lead.standard_error) == (0.0, None)
    other = simulate(network, OFTEN, seed_set=TopOutDegree(budget=30), replicates=1)
    expected = int(more.cascades["size"][0]) - int(other.cascades["size"][0])
    compared = compare(more, other)
    assert compared.lead.mean == expected != 0
    assert "(no interval; 1 replicate, compared replicate by replicate)" in compared.sentence


def test_names_tell_sessions_apart(network: Network) -> None:
    first, second = pair(network)
    for names in ("only", ("only",), ("a", "b", "c"), (1, 2)):
        with pytest.raises(InvalidInputError, match="are not two names"):
            compare(first, second, names=names)
    with pytest.raises(InvalidInputError, match="both sessions are called 'x'; give two names"):
        compare(first, second, names=("x", "x"))
    assert "x and x reach the same agents" in compare(first, first, names=("x", "x")).sentence


def test_groups_of_different_types_are_refused(network: Network) -> None:
    first, second = pair(network)
    for groups in ({"1": "x", "2": 3}, {"1": ["x"], "2": ["y"]}):
        with pytest.raises(InvalidInputError, match="have no common type; give all agents strings, or all numbers"):
            compare(first, second, by=groups)
    without = compare(first, second, by={"1": "x", "2": float("nan"), "3": None}).groups
    assert without["group_name"].to_list() == ["x", None]
    assert compare(first, second, by={"1": None}).groups["group_name"].to_list() == [None]


def test_a_message_needs_a_session_that_names_it(network: Network) -> None:
    first, second = pair(network)
    with pytest.raises(InvalidInputError, match="neither 'first' nor 'second' names a message"):
        compare(first, second, message="anything")


def test_a_column_called_reach_is_published_beside_the_reach(network: Network) -> None:
    first, second = pair(network)
    compared = compare(first, second, by={"1": "x"})
    for column in ("reach", "round"):
        assert publish_comparison(first, second, compared, by=column)
        assert not publish_comparison(first, second, compared, by=column)
    sql = "SELECT part, count(*) AS n, sum(difference) AS apart FROM session_differences GROUP BY part"
    parts = network.warehouse.sql(sql).set_index("part")
    assert parts["n"].to_dict() == {"reach": 1, "round": len(compared.rounds), "column reach": 2, "column round": 2}
    assert parts.loc["column reach", "apart"] == pytest.approx(compared.lead.mean)


def test_agents_are_published_with_their_probabilities(network: Network) -> None:
    first, second = pair(network, random_seed=5)
    compared = compare(first, second)
    publish_comparison(first, second, compared)
    where = f"WHERE first_session_id = '{first.session_id}'"
    stored = network.warehouse.sql(f"FROM agent_differences {where}")
    stored["agent_id"] = [network.agent_ids[agent].as_py() for agent in stored["agent"].to_list()]
    columns = ["first", "second", "difference", "only_first", "only_second"]
    expected = compared.agents.set_index("agent_id")[columns].sort_index()
    assert stored.set_index("agent_id")[columns].sort_index().equals(expected)
    (whole,) = network.warehouse.sql(f"FROM session_differences {where} AND part = 'reach'").to_dict("records")
    counts = (whole["agents_only_first"], whole["agents_only_second"])
    assert counts == (compared.never_by_second, compared.never_by_first)

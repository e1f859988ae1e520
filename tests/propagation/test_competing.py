"""Competing messages: their seeds, what they share with one message, and what SQL says of each."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InvalidInputError, UnfitModelError, UnknownAgentError
from propagation.models import SIR, CompetingCascades, IndependentCascade
from propagation.seeding import RandomSeeds, TopOutDegree
from propagation.sessions import resolve_session
from propagation.simulation import simulate, simulate_many
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]
PATH = SmallNetwork(6, ((0, 1), (1, 2), (2, 3), (3, 4), (5, 4)), (1.0,) * 5)
MODEL = CompetingCascades(probability=1.0)


@pytest.fixture(scope="module")
def path(publish_small):
    return publish_small(PATH)


def adopted(result):
    """The message of each agent in each replicate."""
    rows = result.table("activations").to_pylist()
    return {(row["replicate"], row["agent"]): row["message_id"] for row in rows}


# -- what an agent adopts -------------------------------------------------------------------------------------------


def test_an_agent_adopts_the_message_that_reaches_it_first(path, run):
    seeds = {"rumour": ["0"], "correction": ["5"]}
    session = resolve_session(path, MODEL, seed_set=seeds, replicates=3, record="activations")
    names = dict(zip(path.dense_ids(range(6)).tolist(), range(6), strict=True))
    found = {names[agent]: message for (_, agent), message in adopted(run(session, path)).items()}
    assert found == {0: "rumour", 1: "rumour", 2: "rumour", 3: "rumour", 4: "correction", 5: "correction"}


@settings(max_examples=15, deadline=None, suppress_health_check=RELAXED)
@given(small=small_networks(max_agents=9, max_edges=30, min_edges=6), parts=st.integers(1, 3))
def test_messages_with_equal_rates_together_reach_whom_one_reaches(publish_small, run, small, parts):
    network, seeds = publish_small(small), list(range(min(3, small.n_agents)))
    shared = {"replicates": 5, "record": "activations"}
    one = resolve_session(network, IndependentCascade(probability="column"), seed_set=seeds, **shared)
    by_message = {f"message {i}": own for i in range(parts) if (own := seeds[i::parts])}
    model = CompetingCascades(probability="column")
    several = resolve_session(network, model, seed_set=by_message, **shared)
    columns = ["replicate", "agent", "round", "infector", "occasion"]
    alone, together = (
        sorted(map(str, run(session, network).table("activations").select(columns).to_pylist()))
        for session in (one, several)
    )
    assert alone == together
    reached = adopted(run(several, network))
    assert set(reached.values()) == set(by_message)
    dense = {message: network.dense_ids(own).tolist() for message, own in by_message.items()}
    assert all(reached[0, agent] == message for message, own in dense.items() for agent in own)


def test_ties_fall_to_each_infector_alike(publish_small):
    # One agent is reached by two neighbours of one message and one of another in the same round.
    network = publish_small(SmallNetwork(4, ((0, 3), (1, 3), (2, 3)), (1.0,) * 3))
    fields = {"replicates": 3000, "record": "activations", "publish": False}
    result = simulate(network, MODEL, seed_set={"a": ["0", "1"], "b": ["2"]}, **fields)
    own = sum(message == "a" for message in adopted(result).values()) - 2 * 3000
    assert own / 3000 == pytest.approx(2 / 3, abs=0.03)


def test_ties_fall_to_the_message_that_is_listed_first(publish_small):
    network = publish_small(SmallNetwork(4, ((0, 3), (1, 3), (2, 3)), (1.0,) * 3))
    model, own = CompetingCascades(probability=1.0, ties="first_listed"), {"a": ["0", "1"], "b": ["2"]}
    (agent,) = network.dense_ids(["3"]).tolist()
    for listed in (("a", "b"), ("b", "a")):
        seeds = {message: own[message] for message in listed}
        result = simulate(network, model, seed_set=seeds, replicates=20, record="activations", publish=False)
        assert {adopted(result)[replicate, agent] for replicate in range(20)} == {listed[0]}


def test_a_message_that_starts_later_starts_at_the_seeds_that_are_left(path, run):
    # The rumour reaches one agent further in every round; the correction starts at 3 and 5 in the round of its delay.
    names = dict(zip(path.dense_ids(range(6)).tolist(), range(6), strict=True))
    for delay, corrected in ((0, {3, 4, 5}), (2, {3, 4, 5}), (3, {4, 5}), (4, {5})):
        model, seeds = CompetingCascades(probability=1.0, delays=[0, delay]), {"rumour": [0], "correction": [3, 5]}
        session = resolve_session(path, model, seed_set=seeds, replicates=2, record="activations")
        result = run(session, path)
        found = adopted(result)
        assert {names[agent] for (_, agent), message in found.items() if message == "correction"} == corrected
        rows = [row for row in result.table("activations").to_pylist() if row["infector"] is None]
        expected = {0: 0} | dict.fromkeys(corrected & {3, 5}, delay)
        assert {names[row["agent"]]: row["round"] for row in rows} == expected


def test_parameters_that_earlier_versions_lack_are_hashed_only_if_they_are_used(path):
    plain, named = CompetingCascades(probability=0.2), CompetingCascades(probability=0.2, ties="random")
    assert plain.resolved_parameters == named.resolved_parameters == {"probability": 0.2}
    assert CompetingCascades(ties="first_listed").resolved_parameters["ties"] == "first_listed"
    seeds = {"a": ["0"], "b": ["5"]}
    one, other, late = (
        resolve_session(path, model, seed_set=seeds, replicates=1).session_id
        for model in (plain, named, CompetingCascades(probability=0.2, delays=[0, 1]))
    )
    assert one == other != late


def test_a_message_that_starts_later_takes_the_place_of_another(path):
    for delays, message in (([-1], "delays: must be greater"), ([0, 1, 1, 1], "at most 3 messages can compete")):
        with pytest.raises(InvalidInputError, match=message):
            CompetingCascades(delays=delays)
    seeds = {str(i): [i] for i in range(6)}
    with pytest.raises(InvalidInputError, match=r"6 messages; .* for at most 5 messages"):
        resolve_session(path, CompetingCascades(delays=[0, 2]), seed_set=seeds, replicates=1)


def test_a_message_that_starts_too_late_is_counted_as_reaching_nobody(publish_small):
    network = publish_small(PATH)
    model = CompetingCascades(probability=1.0, delays=[0, 4])
    fields = {"seed_set": {"rumour": [0], "correction": [3]}, "replicates": 4, "record": "activations"}
    result = simulate(network, model, **fields)
    rows = network.warehouse.sql("SELECT message, replicates, reach, reach_standard_error FROM message_reach")
    assert sorted(rows.itertuples(index=False, name=None)) == [("correction", 4, 0.0, 0.0), ("rumour", 4, 5.0, 0.0)]
    assert result.reach.mean == 5.0


def test_a_message_that_spreads_less_loses(publish_small):
    network = publish_small(numbered_network(4, 60, 500))
    seeds = {"a": ["1", "2"], "b": ["3", "4"]}
    rates = {"equal": [], "less": [1.0, 0.2], "never": [1.0, 0.0]}
    found = simulate_many(
        network,
        {name: {"model": CompetingCascades(probability=0.3, rates=own)} for name, own in rates.items()},
        seed_set=seeds, replicates=50, record="activations",
    )  # fmt: skip
    reach = {name: sum(message == "b" for message in adopted(found[name]).values()) / 50 for name in rates}
    assert reach["equal"] > reach["less"] > reach["never"] == 2.0


# -- seeds and specification ----------------------------------------------------------------------------------------


def test_seeds_by_message_are_hashed_only_where_messages_compete(path):
    plain = resolve_session(path, IndependentCascade(probability=1.0), seed_set=["0", "5"], replicates=1)
    assert "competing" not in plain.specification
    assert (plain.competing, plain.seed_messages) == ((), ())
    one, other, swapped = (
        resolve_session(path, MODEL, seed_set=seeds, replicates=1)
        for seeds in ({"a": ["0"], "b": ["5"]}, {"a": ["0"], "c": ["5"]}, {"a": ["5"], "b": ["0"]})
    )
    assert len({one.session_id, other.session_id, swapped.session_id}) == 3
    assert one.specification["competing"] == [
        ("a", path.dense_ids(["0"]).tolist()),
        ("b", path.dense_ids(["5"]).tolist()),
    ]
    assert one.seed_messages == ("a", "b")


def test_a_strategy_skips_the_seeds_of_messages_before_it(publish_small):
    network = publish_small(numbered_network(4, 20, 80))
    for strategy in (TopOutDegree, RandomSeeds):
        seeds = {"a": strategy(budget=3), "b": strategy(budget=4)}
        session = resolve_session(network, MODEL, seed_set=seeds, replicates=1)
        assert session.seeds == tuple(strategy(budget=7).choose(network, 0).tolist())
        assert session.seed_messages == ("a",) * 3 + ("b",) * 4
        assert session.seed_strategy == strategy.name


@pytest.mark.parametrize(
    ("model", "seeds", "message"),
    [
        (MODEL, ["0"], "needs the seeds of each message.*in a sweep, for each of seed_sets.*in a campaign file"),
        (MODEL, {}, "0 messages; model 'competing_cascades' needs"),
        (MODEL, {str(i): [str(i)] for i in range(7)}, "7 messages; .* for at most 6 messages"),
        (MODEL, {"a": ["0"], "b": ["0"]}, "message 'b': agent '0' is a seed of another message too"),
        (MODEL, {"a": ["0"], "b": []}, r"message 'b': seed set \[\]: give a list of at least one agent id"),
        (MODEL, {"a": ["0"], "b": ["nobody"]}, "message 'b': agent 'nobody' is not in network"),
        (MODEL, {"a": ["0"], 3: ["5"]}, "message 3: name each message by a text"),
        (SIR(), {"a": ["0"]}, "model 'sir' spreads one message"),
    ],
)
def test_mistakes_in_seeds_of_messages_are_told(path, model, seeds, message):
    with pytest.raises((InvalidInputError, UnknownAgentError), match=message):
        resolve_session(path, model, seed_set=seeds, replicates=1)


def test_rates_and_delays_are_those_of_the_messages_and_all_of_them_start(path):
    seeds, fields = {"a": ["0"], "b": ["5"]}, {"replicates": 1, "max_rounds": 3}
    for name in ("rates", "delays"):
        with pytest.raises(UnfitModelError, match=rf"{name}: \[.*\] has 3 values, but the session has 2 messages"):
            resolve_session(path, CompetingCascades(**{name: [1, 1, 1]}), seed_set=seeds, **fields)
    with pytest.raises(UnfitModelError, match="delays: 4 is after the last round, max_rounds 3"):
        resolve_session(path, CompetingCascades(delays=[0, 4]), seed_set=seeds, **fields)
    assert resolve_session(path, CompetingCascades(delays=[0, 3], rates=[1]), seed_set=seeds, **fields)


# -- published ------------------------------------------------------------------------------------------------------


def test_sql_tells_the_reach_of_each_message(publish_small):
    network = publish_small(numbered_network(4, 40, 200))
    seeds = {"a": ["1"], "b": ["2", "3"]}
    fields = {"replicates": 20, "record": "activations"}
    result = simulate(network, CompetingCascades(probability=0.4), seed_set=seeds, **fields)
    simulate(network, IndependentCascade(probability=0.4), seed_set=["1"], **fields)
    rows = network.warehouse.sql("SELECT * FROM message_reach ORDER BY message")
    sizes = {name: [0] * 20 for name in seeds}
    for (replicate, _), message in adopted(result).items():
        sizes[message][replicate] += 1
    assert rows["message"].tolist() == rows["message_id"].tolist() == ["a", "b"]
    assert set(rows["session_id"]) == {result.session_id}
    assert rows["reach"].tolist() == pytest.approx([sum(own) / 20 for own in sizes.values()])
    assert rows["reach"].sum() == pytest.approx(result.reach.mean)
    assert result.session["seed_messages"] == ["a", "b", "b"]
    assert simulate(network, CompetingCascades(probability=0.4), seed_set=seeds, again=True, **fields)

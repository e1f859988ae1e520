"""Sessions that `simulate_many` publishes as a campaign."""

import pytest

from data import Warehouse
from data.errors import InvalidInputError
from flows.campaigns import Campaign, resolve
from propagation import results, simulate_many
from propagation.models import IndependentCascade
from propagation.seeding import TopOutDegree
from tests.reference.small_networks import numbered_network

HALF = IndependentCascade(probability=0.5)
ASKED = {"hubs": {"seed_set": TopOutDegree(budget=2)}, "two": {"seed_set": [3, 5], "replicates": 4}}


@pytest.fixture
def network(publish_small):
    return publish_small(numbered_network(5, 20, 60))


def test_many_sessions_are_a_campaign_with_the_seeds_as_requested(network):
    many = simulate_many(network, ASKED, model=HALF, replicates=6, campaign="spring")
    warehouse = Warehouse(network.warehouse.url)
    found = results(warehouse, "spring")
    assert {name: result.reach for name, result in found.items()} == {name: many[name].reach for name in ASKED}
    columns = "session, strategy, budget, replicates, reach"
    rows = warehouse.sql(f"SELECT {columns} FROM campaign_results ORDER BY position").values.tolist()
    assert rows == [
        ["hubs", "top_out_degree", 2, 6, many["hubs"].reach.mean],
        ["two", "explicit", 2, 4, many["two"].reach.mean],
    ]


def test_an_equal_campaign_is_published_once_and_another_one_beside_it(network):
    for sessions in (ASKED, ASKED, {"hubs": ASKED["hubs"]}):
        simulate_many(network, sessions, model=HALF, replicates=6, campaign="spring")
    assert Warehouse(network.warehouse.url).campaigns()["sessions"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("campaign", "sessions", "options", "message"),
    [
        ("spring", ASKED, {"publish": False}, "publish=False"),
        ("spring", {}, {}, "has no sessions"),
        ("", ASKED, {}, "name of campaign: '' is an empty name"),
        ("spring", {3: ASKED["hubs"]}, {}, "session 3: a name in a campaign is text, such as '3'"),
        ("spring", {"a\nb": ASKED["hubs"]}, {}, "control character"),
    ],
)
def test_what_is_no_campaign_is_refused_before_anything_runs(network, campaign, sessions, options, message):
    with pytest.raises(InvalidInputError, match=message):
        simulate_many(network, sessions, model=HALF, campaign=campaign, **options)
    assert Warehouse(network.warehouse.url).sessions().empty


def test_the_same_campaign_from_a_file_has_the_same_id(network):
    simulate_many(network, ASKED, model=HALF, replicates=6, campaign="spring")
    sessions = [
        {"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 2}, "replicates": 6},
        {"name": "two", "seeds": [3, 5], "replicates": 4},
    ]
    cascade = {"independent_cascade": {"probability": 0.5}}
    asked = Campaign(name="spring", network=network.network_id, sessions=sessions, model_parameters=cascade)
    warehouse = Warehouse(network.warehouse.url)
    assert warehouse.campaigns()["campaign_id"].tolist() == [resolve(asked, warehouse).campaign_id]

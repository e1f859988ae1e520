"""The headline and the differences between sessions say what the results say."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy import stats

from analytics.intervals import comparisons
from analytics.reports import headline
from data.errors import InvalidInputError
from propagation import Result
from propagation.campaign_results import difference

MadeResult = Callable[..., Result]
Results = Mapping[str, Result]


# -- the headline ---------------------------------------------------------------------------------------------------


def constant(make_result: MadeResult, reach: int, replicates: int = 4) -> Result:
    return make_result([[1, reach - 1]] * replicates)


def test_the_headline_names_the_first_its_lead_and_how_far_behind_the_last_is(make_result: MadeResult) -> None:
    results = {name: constant(make_result, reach) for name, reach in (("a", 2), ("b", 150), ("c", 100))}
    assert headline(results) == "b reaches most: 150 ± 0 of 300 agents; 50 ± 0 more than c and 75 times as many as a."


def test_the_headline_gives_small_leads_in_percent(make_result: MadeResult) -> None:
    results = {name: constant(make_result, reach) for name, reach in (("a", 100), ("b", 150), ("c", 125))}
    assert headline(results).endswith("; 25 ± 0 more than c and 50.0 % more than a.")
    assert headline({"a": results["a"], "b": results["b"]}).endswith("; 50 ± 0 more than a.")


def test_differences_within_chance_share_the_first_place(make_result: MadeResult) -> None:
    up, down = [[1, 20], [1, 30], [1, 40]], [[1, 30], [1, 20], [1, 41]]
    results = {"a": make_result(up), "b": make_result(down), "c": constant(make_result, 3, replicates=3)}
    assert headline(results).startswith("b and a reach most, ")
    assert "of 300 agents, with no difference beyond chance; 10 times as many as c." in headline(results)


def test_a_small_lead_in_every_replicate_is_no_chance(make_result: MadeResult) -> None:
    sizes = np.random.default_rng(2).integers(20, 200, 30)
    results = {
        "behind": make_result([[1, int(size)] for size in sizes]),
        "ahead": make_result([[1, int(size) + 1 + number % 2] for number, size in enumerate(sizes)]),
    }
    assert headline(results).startswith("ahead reaches most: ")


def test_one_session_is_only_told(make_result: MadeResult) -> None:
    assert headline({"all": constant(make_result, 12)}) == "all reaches 12 ± 0 of 300 agents."
    assert headline({"once": make_result([[1, 11]])}) == "once reaches 12 of 300 agents."


def test_no_results_have_no_headline() -> None:
    with pytest.raises(InvalidInputError, match="no results"):
        headline({})


def test_sessions_that_share_draws_are_compared_replicate_by_replicate(compared: Results) -> None:
    first, second = (compared[name].cascades["size"].to_numpy() for name in ("hubs", "close"))
    found = difference(compared["hubs"], compared["close"])
    paired = stats.ttest_rel(first, second)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.mean / found.standard_error == pytest.approx(paired.statistic)
    assert found.standard_error < 0.5 * compared["hubs"].reach.standard_error


def test_sessions_with_draws_of_their_own_are_compared_as_independent(make_result: MadeResult) -> None:
    draws = np.random.default_rng(3)
    one, other = ([[1, int(n)] for n in draws.integers(5, 90, 20)] for _ in range(2))
    first, second = make_result(one), make_result(other, random_seed=1)
    errors = [stats.sem([sum(replicate) for replicate in counts]) for counts in (one, other)]
    assert difference(first, second).standard_error == pytest.approx(np.hypot(*errors))


def test_many_sessions_in_first_place_are_counted(make_result: MadeResult) -> None:
    results = {f"s{n}": make_result([[1, 20 + n], [1, 90 - n]]) for n in range(9)}
    assert headline(results) == (
        "s0, s1, s2 and 6 more reach most, with no difference beyond chance; s0 reaches 56 ± 445 of 300 agents."
    )


def test_few_sessions_are_compared_in_all_pairs_and_many_with_the_best(make_result: MadeResult) -> None:
    results = {f"s{n}": make_result([[1, 10 + n], [1, 12 + n]], random_seed=n // 5) for n in range(6)}
    few = comparisons({name: results[name] for name in ("s0", "s3", "s1")})
    assert [(pair.first, pair.second) for pair in few] == [("s3", "s1"), ("s3", "s0"), ("s1", "s0")]
    assert all(pair.paired and pair.is_beyond_chance for pair in few)
    many = comparisons(results)
    assert [(pair.first, pair.second) for pair in many] == [("s5", f"s{n}") for n in (4, 3, 2, 1, 0)]
    assert not any(pair.paired for pair in many)


def test_one_replicate_leaves_open_whether_a_difference_is_chance(make_result: MadeResult) -> None:
    (pair,) = comparisons({"once": make_result([[1, 9]]), "often": make_result([[1, 3]] * 4)})
    assert (pair.lead.mean, pair.lead.standard_error, pair.is_beyond_chance) == (6.0, None, None)

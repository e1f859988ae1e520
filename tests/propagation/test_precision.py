"""Precision: the stopping rule and its coverage, rows of the specification, and what a crash leaves."""

import numpy as np
import pytest
from scipy.special import stdtrit

from data.errors import InvalidInputError
from propagation import engine, precision, simulate, simulate_many
from propagation.kept_replicates import FOLDER, KeptReplicates
from propagation.models import SIS, IndependentCascade
from propagation.precision import FEWEST, checked_precision, next_look, precise_sessions, replicates_needed
from propagation.sessions import resolve_session
from tests.reference.small_networks import SmallNetwork, numbered_network

HALF = IndependentCascade(probability=0.5)


@pytest.fixture
def network(publish_small):
    return publish_small(numbered_network(5, 20, 60))


@pytest.fixture
def runs(monkeypatch):
    """Replicates of each session that the engine runs."""
    found, run_job = [], engine.run_job

    def counted(network, sessions, *arguments, **options):
        found.extend((session.first_replicate, session.replicates) for session in sessions)
        return run_job(network, sessions, *arguments, **options)

    monkeypatch.setattr(engine, "run_job", counted)
    return found


def test_200_intervals_cover_the_known_mean():
    """Cascades along a path with probability 0.9: geometric sizes, whose mean and standard deviation are near 10.

    With 200 repetitions the share of intervals that cover has a standard error of 1.5 %.
    """
    covered = []
    for number in range(200):
        draws = np.random.default_rng(number)
        sizes = draws.geometric(0.1, FEWEST)
        while (aim := next_look(sizes, 0.05)) > len(sizes):
            sizes = np.concatenate([sizes, draws.geometric(0.1, aim - len(sizes))])
        half = stdtrit(len(sizes) - 1, 0.975) * sizes.std(ddof=1) / np.sqrt(len(sizes))
        assert half <= 0.05 * sizes.mean()
        covered.append(abs(sizes.mean() - 10.0) <= half)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_replicates_are_as_many_as_the_interval_needs(network):
    result = simulate(network, HALF, seed_set=["0"], precision="2%")
    sizes = result.cascades["size"].to_numpy()
    half = stdtrit(len(sizes) - 1, 0.975) * sizes.std(ddof=1) / np.sqrt(len(sizes))
    assert half <= 0.02 * sizes.mean()
    assert len(sizes) < 1.2 * replicates_needed(sizes, 0.02) + FEWEST
    assert f"over {len(sizes):,} replicates" in str(result.reach)


@pytest.mark.parametrize("record", ["rounds", "reach", "activations"])
@pytest.mark.parametrize("model", [HALF, SIS(beta=0.2, gamma=0.5)], ids=lambda model: model.name)
def test_rows_are_those_of_as_many_replicates(network, assert_same_rows, record, model):
    options = {"seed_set": ["0", "1"], "record": record, "max_rounds": 10}
    precise = simulate(network, model, precision=0.03, **options)
    expected = simulate(network, model, replicates=precise.reach.replicates, publish=False, **options)
    assert precise.session_id == expected.session_id
    assert precise.session["specification_hash"] == expected.session["specification_hash"]
    assert_same_rows(precise, expected)


def test_a_run_that_crashes_continues_with_its_batches(network, runs, monkeypatch):
    asked = {"model": HALF, "seed_set": ["0"], "precision": 0.01}
    undisturbed = simulate(network, **asked, publish=False)
    batches = list(runs)
    assert len(batches) > 1
    runs.clear()
    keep = KeptReplicates.keep

    def crash(kept, first, batch):
        keep(kept, first, batch)
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(KeptReplicates, "keep", crash)
        with pytest.raises(MemoryError):
            simulate(network, **asked)
    assert runs == batches[:1]
    assert not network.warehouse.read("propagation_sessions").num_rows
    resumed = simulate(network, **asked)
    assert runs == batches, "no batch is run twice, and no replicate again to publish them"
    assert resumed.session_id == undisturbed.session_id
    assert resumed.cascades.equals(undisturbed.cascades)
    assert not any((network.cache_folder / FOLDER).iterdir())


def test_published_sessions_are_read_instead_of_run(network, runs):
    precise = simulate(network, HALF, seed_set=["0"], precision=0.01)
    runs.clear()
    assert simulate(network, HALF, seed_set=["0"], precision=0.01).recalled
    assert runs == []
    coarse = simulate(network, HALF, seed_set=["0"], precision=0.02)
    assert coarse.reach.replicates < precise.reach.replicates
    assert runs == [(0, coarse.reach.replicates)]


def test_each_of_many_sessions_has_its_own_number(network):
    asked = {"broad": {"seed_set": ["0"]}, "certain": {"model": IndependentCascade(probability=1.0), "seed_set": ["0"]}}
    asked["given"] = {"seed_set": ["1"], "precision": None, "replicates": 7}
    many = simulate_many(network, asked, model=HALF, precision=0.01)
    replicates = many.reach["replicates"]
    assert replicates["certain"] == FEWEST
    assert replicates["broad"] > FEWEST
    assert replicates["given"] == 7


def test_what_is_asked_too_much_is_said(network, monkeypatch, caplog):
    monkeypatch.setattr(precision, "MOST_REPLICATES", 1024)
    session = resolve_session(network, HALF, seed_set=["0"], replicates=1)
    with caplog.at_level("WARNING"):
        (found,) = precise_sessions(network, [session], [0.0001])
    assert found.replicates == 1024
    assert "1024 replicates, the most that are run, do not give a mean reach within 0.01 %" in caplog.text


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1, "150%", "one", True, float("nan"), None, []])
def test_a_precision_is_a_share(value):
    with pytest.raises(InvalidInputError, match=r"is not a share of the mean reach between 0 and 1; write 0.01, or 1%"):
        checked_precision(value)


def test_precision_and_replicates_exclude_each_other(network):
    with pytest.raises(InvalidInputError, match=r"replicates 10 and precision 0.1 are both given"):
        simulate(network, HALF, seed_set=["0"], replicates=10, precision=0.1)
    with pytest.raises(InvalidInputError, match="session 'a': precision 2 is not a share"):
        simulate_many(network, {"a": {"seed_set": ["0"]}}, model=HALF, precision=2)


def test_replicates_that_hardly_differ_are_warned_about(publish_small, caplog):
    """One message in a thousand takes off; with this random seed none of the first 512 does."""
    star = ((0, 1), *((1, leaf) for leaf in range(2, 200)))
    network = publish_small(SmallNetwork(200, star, (0.001, *[1.0] * 198)))
    with caplog.at_level("WARNING"):
        found = simulate(network, IndependentCascade(probability="column"), seed_set=["0"], precision="10%")
    assert found.reach.replicates == FEWEST
    assert "all 512 replicates are the same; an outcome rarer than 1 in 170 may be missed" in caplog.text
    assert found.session_id in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING"):
        simulate(network, HALF, seed_set=["0"], precision="10%")
    assert caplog.text == ""


@pytest.mark.parametrize("record", ["rounds", "reach"])
def test_replicates_that_are_published_are_continued_also_after_a_crash(network, runs, monkeypatch, record):
    asked = {"model": HALF, "seed_set": ["0"], "record": record}
    expected = simulate(network, **asked, precision=0.01, publish=False)
    simulate(network, **asked, replicates=600)
    runs.clear()
    keep = KeptReplicates.keep

    def crash(kept, first, batch):
        keep(kept, first, batch)
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(KeptReplicates, "keep", crash)
        with pytest.raises(MemoryError):
            simulate(network, **asked, precision=0.01)
    resumed = simulate(network, **asked, precision=0.01)
    total = resumed.reach.replicates
    assert total > 1200
    assert sorted(runs)[:2] == [(0, 600), (600, sorted(runs)[1][1])]
    assert sum(replicates for _, replicates in runs) == total, (
        "each replicate is run once, those published for their rows"
    )
    assert resumed.session_id == expected.session_id
    assert resumed.cascades.equals(expected.cascades)
    assert not any((network.cache_folder / FOLDER).iterdir())

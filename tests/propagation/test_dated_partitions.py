"""Partitions of epidemics, whose contacts travel once with the round of their success, give the rows of the rules."""

import numpy as np
import pytest

from propagation import engine
from propagation.kernels.dated_contacts import HORIZON
from propagation.models import SEIR, SI, SIR, IndependentCascade
from propagation.plans import partition_tasks as tasks
from propagation.plans.dated_partitions import DatedPartition
from propagation.plans.partitions import forget_arrays
from propagation.plans.rule_partitions import RulePartition
from propagation.plans.waves import waves
from propagation.sessions import resolve_session
from tests.reference.small_networks import numbered_network

MODELS = [
    SIR(beta=0.1, gamma=0.05),
    SIR(beta=0.3, gamma=0.5),
    SIR(beta=0.15, infectious_period=HORIZON),
    SIR(beta=0.05, infectious_period=2 * HORIZON + 1),
    SIR(beta=0.1, gamma=0.0),
    SI(beta=0.02),
    SEIR(beta=0.2, sigma=0.3, gamma=0.1),
]
PARTITIONS = range(3)
JOB = "dated contacts"


@pytest.fixture(autouse=True)
def no_arrays_left():
    yield
    forget_arrays(JOB)


@pytest.fixture(scope="module")
def network(publish_small):
    return publish_small(numbered_network(3, 60, 240), partitions=3)


def wave_of(network, model, **fields):
    session = resolve_session(network, model, seed_set=[0, 7], replicates=9, random_seed=4, **fields)
    made = engine.plan_job(network, [session], plan="partitioned")
    return next(waves(network, [session], made, JOB))


def rounds_of(wave, steps, number):
    """Return the counts of some rounds of all partitions together, and the steps after the last."""
    counts = []
    for _ in range(number):
        sent = [tasks.sent_of(step) for step in steps]
        steps = [tasks.advance(wave, p, steps[p], sent) for p in PARTITIONS]
        counts.append(sum(step.state.counts[-1] for step in steps)[:, :4].tolist())
    return counts, steps


def begun(wave):
    return [tasks.begin(wave, p) for p in PARTITIONS]


def all_messages(steps):
    return sum(len(step.sent.messages.dst) for step in steps)


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("record", ["rounds", "activations"])
def test_every_round_is_that_of_the_rules(network, model, record, monkeypatch):
    found, by_rules = wave_of(network, model, record=record), wave_of(network, model, record=record, max_rounds=50)
    monkeypatch.setitem(by_rules.__dict__, "is_dated", False)
    assert isinstance(tasks.partition_of(found, 0), DatedPartition)
    assert type(tasks.partition_of(by_rules, 0)) is RulePartition
    counts, steps = rounds_of(found, begun(found), 40)
    expected, others = rounds_of(by_rules, begun(by_rules), 40)
    assert counts == expected
    assert max(count for of_round in counts for count, *_ in of_round) > 2
    if record == "activations":
        for p in PARTITIONS:
            assert rows(steps[p]) == rows(others[p])


def rows(step):
    """Return the activations of a step: lane, agent, round, infector."""
    return sorted(
        row
        for lane, events in step.state.events
        for row in zip(*map(np.ndarray.tolist, (lane, events.agent, events.round, events.infector)), strict=True)
    )


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("number", [1, HORIZON - 1, HORIZON, HORIZON + 3])
def test_a_checkpoint_may_be_taken_up_after_any_round(network, model, number):
    wave = wave_of(network, model)
    _, steps = rounds_of(wave, begun(wave), number)
    expected, _ = rounds_of(wave, steps, 30)
    taken_up = [tasks.resume(wave, p, number, *tasks.listed(wave, p, steps[p])) for p in PARTITIONS]
    assert rounds_of(wave, taken_up, 30)[0] == expected


def test_agents_are_looked_at_once_for_many_rounds(network):
    wave = wave_of(network, SIR(beta=1.0, infectious_period=HORIZON))
    steps = begun(wave)
    contacts = [all_messages(steps)]
    for _ in range(2):
        _, steps = rounds_of(wave, steps, 1)
        contacts.append(all_messages(steps))
    degree, seeds = network.out_degree, network.dense_ids([0, 7])
    assert contacts[0] == 9 * degree[seeds].sum()
    newly = {int(agent) for seed in seeds for agent in neighbours(network, seed)} - set(seeds.tolist())
    assert contacts[1] == 9 * degree[sorted(newly)].sum(), "seeds send nothing for a second time"


def neighbours(network, agent):
    rows = network.sparse_rows
    return rows.targets[rows.offsets[agent] : rows.offsets[agent + 1]]


def test_what_is_recorded_of_all_contacts_and_what_is_no_epidemic_is_not_dated(network):
    assert not wave_of(network, MODELS[0], record="contacts").is_dated
    assert not wave_of(network, IndependentCascade(probability=0.5), record="activations").is_dated

"""Partitions of every kind have the counts and rows of those by rules in every round, and may be taken up anywhere."""

import dataclasses
import itertools

import numpy as np
import pytest

from propagation import engine
from propagation.compiled_rules import constant_array
from propagation.kernels.epidemic_schedule import HORIZON
from propagation.kernels.partitioned_thresholds import (
    Added,
    Sums,
    cut_rows,
    edges_of_spans,
    list_sums,
    new_sums,
    settle_sums,
)
from propagation.models import SEIR, SI, SIR, Diffusion, FractionalThreshold, IndependentCascade, LinearThreshold
from propagation.plans.partitioned import lane_groups as waves
from propagation.plans.partitioned import partition_tasks as tasks
from propagation.plans.partitioned import partitions
from propagation.plans.partitioned.bit_packed_partitions import BitPackedPartition
from propagation.plans.partitioned.families import family_for
from propagation.plans.partitioned.rule_partitions import RulePartition
from propagation.plans.partitioned.scheduled_partitions import ScheduledPartition
from propagation.plans.partitioned.threshold_partitions import ThresholdPartition
from propagation.sessions import resolve_session
from tests.propagation.pickles import as_bytes
from tests.reference.small_networks import numbered_network

EPIDEMICS = [
    SIR(beta=0.1, gamma=0.05),
    SIR(beta=0.3, gamma=0.5),
    SIR(beta=0.15, infectious_period=HORIZON),
    SIR(beta=0.05, infectious_period=2 * HORIZON + 1),
    SIR(beta=0.1, gamma=0.0),
    SI(beta=0.02),
    SEIR(beta=0.2, sigma=0.3, gamma=0.1),
    SEIR(beta=0.2, sigma=0.0, gamma=0.5),
    SEIR(beta=0.2, sigma=1.0, gamma=1.0),
    SEIR(beta=0.2, sigma=0.05, infectious_period=3),
]
THRESHOLDS = [
    LinearThreshold(weight="weighted_cascade"),
    FractionalThreshold(threshold=0.2),
    FractionalThreshold(neighbours=2),
    Diffusion(threshold="uniform"),
]
CASCADES = [IndependentCascade(probability=0.3), SIR(beta=0.2, gamma=1.0)]
KINDS = {
    "dated": (ScheduledPartition, EPIDEMICS, ("rounds", "activations")),
    "sums": (ThresholdPartition, THRESHOLDS, ("rounds", "reach")),
    "words": (BitPackedPartition, CASCADES, ("rounds", "reach")),
}
CASES = [
    (kind, model, record) for kind, (_, models, records) in KINDS.items() for model in models for record in records
]
MODELS = [*EPIDEMICS, *THRESHOLDS, *CASCADES]
PARTITIONS = range(3)
SEEDS = [0, 7, 13, 22, 30, 41]
JOB = "kinds of partitions"


@pytest.fixture(autouse=True)
def no_arrays_left():
    yield
    partitions.forget_arrays(JOB)


@pytest.fixture(scope="module")
def network(publish_whole):
    return publish_whole(numbered_network(3, 60, 240), partitions=3)


def wave_of(network, model, **fields):
    session = resolve_session(network, model, seed_set=SEEDS, replicates=9, random_seed=4, **fields)
    made = engine.plan_job(network, [session], plan="partitioned")
    return dataclasses.replace(next(waves.waves(network, [session], made)), job=JOB)


def rounds_of(wave, steps, number):
    """Return the counts of some rounds of all partitions together, and the steps after the last."""
    counts = []
    for _ in range(number):
        sent = [tasks.sent_of(wave, p, step) for p, step in enumerate(steps)]
        steps = [tasks.advance(wave, p, steps[p], sent) for p in PARTITIONS]
        counts.append(sum(step.state.counts[-1] for step in steps).tolist())
    return counts, steps


def begun(wave):
    return [tasks.begin(wave, p) for p in PARTITIONS]


@pytest.mark.parametrize(("kind", "model", "record"), CASES, ids=str)
def test_every_round_is_that_of_the_rules(network, kind, model, record, monkeypatch):
    found, by_rules = wave_of(network, model, record=record), wave_of(network, model, record=record, max_rounds=50)
    assert family_for(found.one).name == kind
    assert type(tasks.partition_of(found, 0)) is KINDS[kind][0]
    chosen = {by_rules.one.session_id: RulePartition}
    monkeypatch.setattr(tasks, "family_for", lambda one: chosen.get(one.session_id, KINDS[kind][0]))
    assert type(tasks.partition_of(by_rules, 0)) is RulePartition
    counts, steps = rounds_of(found, begun(found), 40)
    expected, others = rounds_of(by_rules, begun(by_rules), 40)
    assert counts == expected
    assert max(count for of_round in counts for count, *_ in of_round) > 2
    if record != "rounds":
        named = record == "activations"
        for p in PARTITIONS:
            assert rows(steps[p], named=named) == rows(others[p], named=named)


def rows(step, *, named):
    """Return the activations of a step: lane, agent, round, and infector."""
    return sorted(
        row
        for lane, events in step.state.events
        for row in zip(
            lane.tolist(),
            events.agent.tolist(),
            events.round.tolist(),
            events.infector.tolist() if named else lane.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("number", [1, 3, HORIZON - 1, HORIZON, HORIZON + 3])
def test_a_checkpoint_may_be_taken_up_after_any_round(network, model, number):
    wave = wave_of(network, model)
    _, steps = rounds_of(wave, begun(wave), number)
    expected, _ = rounds_of(wave, steps, 30)
    resumed = [tasks.resume(wave, p, number, *tasks.listed(wave, p, steps[p])) for p in PARTITIONS]
    assert rounds_of(wave, resumed, 30)[0] == expected


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("few", [0, partitions.FEW_NUMBERS])
def test_arrays_can_be_made_from_the_log_after_any_round(network, model, few, monkeypatch):
    monkeypatch.setattr(partitions, "FEW_NUMBERS", few)
    wave = wave_of(network, model)
    expected, _ = rounds_of(wave, begun(wave), 12)
    steps = begun(wave)
    for number in range(12):
        partitions.forget_arrays(JOB)
        counts, steps = rounds_of(wave, steps, 1)
        assert counts == expected[number : number + 1]


def test_a_log_of_weights_that_says_more_than_there_are_sums_is_written_anew(network, monkeypatch):
    monkeypatch.setattr(partitions, "FEW_NUMBERS", 0)
    wave = wave_of(network, FractionalThreshold(threshold=0.1))
    steps, added = begun(wave), 0
    for _ in range(12):
        added += all_messages(wave, steps)
        _, steps = rounds_of(wave, steps, 1)
    assert min(len(step.state.log) for step in steps) < 12
    assert any(isinstance(step.state.log[0], Sums) for step in steps)
    later = [entry for step in steps for entry in step.state.log if isinstance(entry, Added)]
    assert sum(len(entry.words) for entry in later) < added


def all_messages(wave, steps):
    return sum(int(tasks.sent_of(wave, p, step).bounds[-1, -1]) for p, step in enumerate(steps))


@pytest.mark.parametrize(
    ("model", "record", "forget_above"),
    [
        *((model, "rounds", 1 << 40) for model in MODELS),
        *((model, "reach", 1 << 40) for model in THRESHOLDS),
        *((model, "reach", 0) for model in THRESHOLDS),
    ],
    ids=repr,
)
def test_a_task_of_many_rounds_finds_what_tasks_of_one_do_and_changes_nothing(
    network, model, record, forget_above, monkeypatch
):
    monkeypatch.setattr(partitions, "FORGET_ABOVE", forget_above)
    wave = wave_of(network, model, record=record)
    expected, apart = rounds_of(wave, begun(wave), 9)
    steps = begun(wave)
    for rounds in (2, 4, 3):
        before = as_bytes(steps)
        first, again = (tasks.advance_together(wave, rounds, 60.0, 2, steps) for _ in range(2))
        assert as_bytes(first) == as_bytes(again)
        assert as_bytes(steps) == before
        steps = again
    number = steps[0].state.number
    assert [sum(counts).tolist() for counts in zip(*(step.state.counts[1:] for step in steps), strict=True)] == (
        expected[:number]
    )
    if record == "reach":
        assert [rows(step, named=False) for step in steps] == [rows(step, named=False) for step in apart]
    if number == 9:
        listed = [[as_bytes(tasks.listed(wave, p, each[p])) for p in PARTITIONS] for each in (steps, apart)]
        assert listed[0] == listed[1]


def test_sums_take_memory_for_agents_that_somebody_added_to():
    sums = new_sums(3, 1000)
    one = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.uint64(7), np.arange(3, dtype=np.uint32))
    bounds, weight = np.array([[0, 1, 1, 3]]), 5
    words = np.array([(weight << 31) | agent for agent in (4700, 4001, 4002)], np.uint64)
    ends, agents = settle_sums(
        np.int64(4000), np.int64(0), *map(constant_array, one[:2]), *one[2:], sums, bounds,
        constant_array(words), np.zeros(1000 // 64 + 1, np.uint64), np.zeros(1000, np.int32),
    )  # fmt: skip
    assert len(agents) == 0
    assert sums.used.tolist() == [2]
    assert ends.tolist() == [0, 0, 0, 0]
    assert [np.flatnonzero(lane).tolist() for lane in sums.blocks] == [[700 // 64], [], [0]]
    listed = np.zeros(4, np.int64), np.zeros(5, np.int32), np.zeros(5, np.int64), np.zeros(5, bool)
    list_sums(np.int64(4000), np.int64(1000), *map(constant_array, one[:2]), *one[2:], sums, *listed)
    assert listed[0].tolist() == [0, 1, 1, 3]
    assert listed[1][:3].tolist() == [4700, 4001, 4002]
    assert listed[2][:3].tolist() == [weight] * 3


@pytest.mark.parametrize("batches", [[4], [1, 3], [2, 2], [1, 1, 1, 1]])
def test_a_threshold_of_all_shares_takes_all_weights(batches):
    quarter, everything = 1 << 30, 1 << 32
    sums, words = new_sums(1, 1), np.full(4, (quarter << 31) | 7, np.uint64)
    thresholds, none = constant_array(np.full(8, everything)), constant_array(np.zeros(0, np.int64))
    begin, activated = 0, []
    for number in batches:
        bounds = np.array([[begin, begin + number]])
        _, agents = settle_sums(
            np.int64(7), np.int64(0), thresholds, none, np.uint64(0), np.zeros(1, np.uint32), sums, bounds,
            constant_array(words), np.zeros(1, np.uint64), np.zeros(1, np.int32),
        )  # fmt: skip
        activated.append(agents.tolist())
        begin += number
    assert activated == [*([] for _ in batches[1:]), [7]]


@pytest.mark.parametrize("cuts", [[0], [0, 5], [0, 1, 2, 37], [0, 20, 21, 22, 39]])
def test_rows_are_cut_where_a_range_of_agents_ends(cuts):
    random = np.random.default_rng(3)
    rows = [np.sort(random.choice(40, size, replace=False)) for size in (0, 1, 40, 7, 23, 9, 0, 16)]
    offsets = constant_array(np.cumsum([0, *map(len, rows)]))
    words = constant_array((np.uint64(3) << np.uint64(31)) | np.concatenate(rows).astype(np.uint64))
    lanes = [[2, 5], [], [0, 1, 3, 6], [2, 4, 7]]
    live_ends, live = np.cumsum([0, *map(len, lanes)]), np.array([agent for lane in lanes for agent in lane], np.int32)
    bounds, spans = cut_rows(offsets, words, *map(constant_array, (np.array(cuts), live_ends, live)))
    assert (spans[:, 1] > spans[:, 0]).all()
    assert bounds[-1, -1] == len(spans)
    ends, edges = edges_of_spans(words, *map(constant_array, (bounds, spans)))
    for part, (low, high) in enumerate(itertools.pairwise([*cuts, 40])):
        for lane, agents in enumerate(lanes):
            expected = [dst for agent in agents for dst in rows[agent].tolist() if low <= dst < high]
            spanned = [words[slice(*span)] for span in spans[bounds[part, lane] : bounds[part, lane + 1]]]
            for found in (np.concatenate([*spanned, words[:0]]), edges[ends[part, lane] : ends[part, lane + 1]]):
                assert (found & np.uint64(0x7FFFFFFF)).tolist() == expected
    assert ends[-1, -1] == len(edges)


def test_infectious_agents_are_looked_at_once_for_many_rounds(network):
    wave = wave_of(network, SIR(beta=1.0, infectious_period=HORIZON))
    steps = begun(wave)
    contacts = [all_messages(wave, steps)]
    for _ in range(2):
        _, steps = rounds_of(wave, steps, 1)
        contacts.append(all_messages(wave, steps))
    seeds = {int(seed) for seed in network.dense_ids(SEEDS)}
    newly = {target for seed in seeds for target in neighbours(network, seed)} - seeds
    assert contacts[0] == 9 * open_contacts(network, wave, seeds, seeds)
    assert contacts[1] == 9 * open_contacts(network, wave, newly, seeds | newly), "seeds send nothing a second time"
    assert contacts[1] < 9 * network.out_degree[list(newly)].sum(), "some of those next to them are known to be reached"


def neighbours(network, agent):
    rows = network.sparse_rows
    return rows.targets[rows.offsets[agent] : rows.offsets[agent + 1]].tolist()


def open_contacts(network, wave, sources, reached):
    """Return the number of edges from sources, but those to agents of their own partition that are reached."""

    def partition(agent):
        return int(np.searchsorted(wave.firsts, agent, side="right"))

    edges = [(source, target) for source in sources for target in neighbours(network, source)]
    return sum(target not in reached or partition(source) != partition(target) for source, target in edges)


@pytest.mark.parametrize(
    ("model", "record"),
    [
        (EPIDEMICS[0], "contacts"),
        (IndependentCascade(probability=0.5), "activations"),
        (LinearThreshold(weight="weighted_cascade"), "activations"),
    ],
    ids=str,
)
def test_what_is_recorded_of_contacts_and_infectors_is_found_by_the_rules(network, model, record):
    assert family_for(wave_of(network, model, record=record).one) is RulePartition

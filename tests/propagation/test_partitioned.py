"""The partitioned plan from within: waves, messages, tasks that change nothing they are given, checkpoints, records."""

import copy
import dataclasses
import itertools
import threading
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.warehouse.keys import session_key
from propagation import engine, jobs, simulate
from propagation.compiled_rules import constant_array
from propagation.kernels.lane_arrays import Messages
from propagation.kernels.messages import sort_messages
from propagation.models import (
    SEIZ,
    SI,
    SIR,
    SIRS,
    SIS,
    DaleyKendall,
    Diffusion,
    FractionalThreshold,
    Hybrid,
    IndependentCascade,
    LinearThreshold,
    MakiThompson,
    Viral,
)
from propagation.plans.kernel_arrays import new_messages
from propagation.plans.partitioned import checkpoints, partitions
from propagation.plans.partitioned import partition_tasks as tasks
from propagation.plans.partitioned import plan as partitioned
from propagation.plans.partitioned.lane_groups import EDGES_PER_AGENT, partition_firsts, waves
from propagation.plans.partitioned.partitions import Sent
from propagation.plans.stopping import StoppedError, check_stop, request_stop
from propagation.published import load_result
from propagation.sessions import RECORDS, resolve_session
from tests.propagation.pickles import as_bytes
from tests.reference.small_networks import numbered_network

HALF = IndependentCascade(probability=0.5)
STATES = [
    HALF,
    SIRS(beta=0.4, gamma=0.5, waning=0.4),
    LinearThreshold(weight="weighted_cascade"),
    Viral(base_rate=0.8, decay=0.9, fatigue=0.7),
    Hybrid(alpha=0.5, base_rate=0.6, fatigue=0.8, threshold="uniform"),
    SEIZ(beta=0.4, b=0.3, rho=0.2, epsilon=0.2, p=0.4, l=0.4, sceptics=0.3),
    MakiThompson(spreading=0.7, stifling=0.3),
]
"""Models whose states have everything that a state may have: occasions, weights, contacts, sceptics, stops."""


@pytest.fixture(scope="module")
def network(publish_small):
    return publish_small(numbered_network(11, 40, 200), partitions=7)


def planned(network, sessions, partitions=7, lanes_at_once=1000, waves_at_once=1):
    made = engine.plan_job(network, sessions, plan="partitioned")
    return dataclasses.replace(made, partitions=partitions, lanes_at_once=lanes_at_once, waves_at_once=waves_at_once)


def wave_of(network, model, partitions=3, replicates=6, **options):
    session = resolve_session(network, model, seed_set=[0, 20], replicates=replicates, **options)
    (wave,) = waves(network, [session], planned(network, [session], partitions))
    return dataclasses.replace(wave, job="a job of a test")


@pytest.fixture(params=["together", "apart"])
def tasks_of_rounds(request, monkeypatch):
    """Run all rounds of a chunk in one task, or every partition and round in a task of its own."""
    if request.param == "apart":
        monkeypatch.setattr(partitioned, "_in_one_task", lambda _workers: False)
        monkeypatch.setattr(partitioned, "LONGEST_TASK", partitioned.LARGEST_CHUNK)


# -- waves ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [1, 2, 3, 5, 7, 100])
def test_partitions_are_ranges_of_about_as_much_work(network, partitions):
    firsts = partition_firsts(network, partitions)
    assert len(firsts) == min(partitions, 7) + 1
    assert (firsts[0], firsts[-1]) == (0, network.n_agents)
    assert (np.diff(firsts) > 0).all()
    work = np.diff(network.sparse_rows.offsets[firsts]) + EDGES_PER_AGENT * np.diff(firsts)
    most = EDGES_PER_AGENT + network.out_degree.max()  # of the agent that one of them has too much
    assert work.max() - work.min() <= 2 * most


def test_an_agent_with_most_of_the_edges_leaves_every_partition_an_agent(publish):
    star = publish([(0, other) for other in range(1, 6)] + [(5, 4), (4, 3)], 6, partitions=3)
    number = len(star.divisions) - 1
    assert number > 1
    firsts = partition_firsts(star, number)
    assert (firsts[0], firsts[-1], len(firsts)) == (0, 6, number + 1)
    assert (np.diff(firsts) > 0).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 12))
def test_waves_hold_every_lane_once_and_in_order(network, replicates, lanes_at_once):
    sessions = [
        resolve_session(network, HALF, seed_set=[number], replicates=count) for number, count in enumerate(replicates)
    ]
    made = list(waves(network, sessions, planned(network, sessions, 2, lanes_at_once)))
    assert [len(wave.lanes) for wave in made[:-1]] == [lanes_at_once] * (len(made) - 1)
    assert 1 <= len(made[-1].lanes) <= lanes_at_once
    lanes = [(wave.sessions[session].session_id, replicate) for wave in made for session, replicate in wave.lanes]
    assert lanes == [(session.session_id, replicate) for session in sessions for replicate in range(session.replicates)]
    for wave in made:
        assert {number for number, _ in wave.lanes} == set(range(len(wave.sessions)))
        assert wave.lanes.dtype == np.int32


def test_lanes_that_came_to_a_checkpoint_together_go_together_again(network):
    sessions = [resolve_session(network, HALF, seed_set=[number], replicates=6) for number in range(2)]
    first, second = (session.session_id for session in sessions)
    saved = [
        [(second, 1, 3), (first, 4, 6)],
        [(first, 5, 6)],  # went with another already
        [(first, 0, 4), (second, 3, 5)],  # more than memory is planned for
        [(first, 0, 1), ("of another job", 0, 1)],
        [(second, 3, 7)],  # this job has fewer
        [(second, 5, 6)],
    ]
    made = list(waves(network, sessions, planned(network, sessions, 2, 2, 2), saved))
    assert [wave.runs for wave in made] == [
        [(first, 4, 6), (second, 1, 3)],
        [(second, 5, 6)],
        [(first, 0, 2)],
        [(first, 2, 4)],
        [(second, 0, 1), (second, 3, 4)],
        [(second, 4, 5)],
    ]
    # Whatever the order of the sessions, the same lanes have the same checkpoints.
    again = next(waves(network, sessions[::-1], planned(network, sessions, 2, 2, 2), saved))
    assert again.runs != made[0].runs
    assert checkpoints.wave_key(again) == checkpoints.wave_key(made[0])


def test_lanes_that_have_done_most_are_taken_up_first(publish_small):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    wave, warehouse = wave_of(network, HALF), network.warehouse
    assert checkpoints.saved_lanes(warehouse) == []
    warehouse.commit(checkpoints.KIND, ["checkpoint/as it was/7"], [], properties={"round": 7})  # names no lanes
    few, more = (dataclasses.replace(wave, lanes=wave.lanes[rows]) for rows in (slice(2), slice(1, 6)))
    checkpointed(more, 1)
    checkpointed(few, 2)
    assert checkpoints.saved_lanes(warehouse) == [list(map(tuple, of.runs)) for of in (more, few)]
    checkpointed(few, 4, after=2)
    assert checkpoints.saved_lanes(warehouse) == [list(map(tuple, of.runs)) for of in (few, more)]


def test_only_sessions_alike_but_for_their_seeds_share_a_wave(network):
    fields = {"replicates": 4, "random_seed": 1, "max_rounds": 9, "record": "reach"}
    sessions = [
        resolve_session(network, HALF, seed_set=[0], **fields),
        resolve_session(network, IndependentCascade(probability=0.25), seed_set=[0], **fields),
        resolve_session(network, HALF, seed_set=[1, 2], **{**fields, "replicates": 3}),
        resolve_session(network, HALF, seed_set=[0], **{**fields, "random_seed": 2}),
        resolve_session(network, HALF, seed_set=[0], **{**fields, "max_rounds": 8}),
        resolve_session(network, HALF, seed_set=[0], **{**fields, "record": "rounds"}),
    ]
    made = list(waves(network, sessions, planned(network, sessions)))
    assert [[sessions.index(session) for session in wave.sessions] for wave in made] == [[0, 2], [1], [3], [4], [5]]
    assert [len(wave.lanes) for wave in made] == [7, 4, 4, 4, 4]


def test_every_seed_is_in_one_partition(network):
    sessions = [resolve_session(network, HALF, seed_set=seeds, replicates=2) for seeds in ([0, 13, 39], [5])]
    (wave,) = waves(network, sessions, planned(network, sessions, 3))
    found = []
    for partition in range(3):
        ends, seeds, _ = wave.seeds(partition)
        low, high = wave.firsts[partition : partition + 2]
        assert ((seeds >= low) & (seeds < high)).all()
        found += [(lane, seed) for lane in range(4) for seed in seeds[ends[lane] : ends[lane + 1]].tolist()]
    expected = [(lane, seed) for lane in range(4) for seed in wave.sessions[wave.lanes[lane, 0]].seeds]
    assert sorted(found) == sorted(expected)


@pytest.mark.usefixtures("tasks_of_rounds")
@pytest.mark.parametrize("at_once", [(1, 1, 1), (2, 1, 3), (2, 3, 1), (7, 3, 2), (1, 1000, 2), (7, 1000, 1)])
def test_sessions_of_one_job_have_the_rows_of_sessions_alone(network, run, assert_same_rows, at_once):
    sessions = [
        resolve_session(network, HALF, seed_set=[0], replicates=4, record="contacts"),
        resolve_session(network, HALF, seed_set=[3, 30], replicates=2, record="contacts"),
        resolve_session(network, HALF, seed_set=[5], replicates=3, record="reach", random_seed=2),
        resolve_session(network, SIR(beta=0.3, gamma=0.5), seed_set=[0], replicates=2, record="activations"),
    ]
    outcome = engine.run_job(network, sessions, planned(network, sessions, *at_once), publish=False)
    for session in sessions:
        assert_same_rows(outcome.results[session.session_id], run(session, network))


# -- messages -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5), st.integers(0, 200))
def test_messages_are_sorted_as_numpy_sorts_them(number, parts, lanes, size):
    random = np.random.default_rng(number)
    n_agents = 50
    firsts = np.concatenate([[0], np.sort(random.choice(np.arange(1, n_agents), parts - 1, replace=False))])
    of_lane = np.sort(random.integers(0, lanes, size))
    messages = Messages(
        random.integers(0, n_agents, size).astype(np.int32),
        random.integers(0, n_agents, size).astype(np.int32),
        random.integers(-(2**62), 2**62, size),
        random.integers(0, 2**32, size).astype(np.uint32),
        np.empty(0, np.int8),
    )
    out = new_messages(size, named=True, recorded=False)
    bounds = np.zeros((parts, lanes + 1), np.int64)
    sort_messages(messages, np.searchsorted(of_lane, np.arange(lanes + 1)), constant_array(firsts), bounds, out)
    part = np.searchsorted(firsts, messages.dst, side="right") - 1
    order = np.lexsort([np.arange(size), of_lane, part])
    for found, column in zip(out[:4], messages[:4], strict=True):
        np.testing.assert_array_equal(found, column[order])
    ends = [0, *np.cumsum(np.bincount(part * lanes + of_lane, minlength=parts * lanes))]
    expected = [[ends[p * lanes + lane] for lane in range(lanes + 1)] for p in range(parts)]
    assert bounds.tolist() == expected


def test_mail_joins_what_all_partitions_sent(network):
    sent = []
    for sender in range(3):
        columns = [np.arange(10 * sender, 10 * sender + 4).astype(kind) for kind in "iilI"]
        sent.append(Sent(np.array([[0, 0, 1], [1, 3, 4]]), Messages(*columns, np.empty(0, np.int8))))
    inbox = tasks.partition_of(wave_of(network, HALF), 1).inbox(sent, recorded=True)
    assert inbox.messages.dst.tolist() == [1, 2, 3, 11, 12, 13, 21, 22, 23]
    assert inbox.bounds.tolist() == [[0, 2, 3], [3, 5, 6], [6, 8, 9]]
    assert len(inbox.messages.kind) == 9


# -- tasks are pure -------------------------------------------------------------------------------------------------


def rounds_of(wave, number):
    """Yield the steps of all partitions after each round."""
    partitions = range(len(wave.firsts) - 1)
    steps = [tasks.begin(wave, p) for p in partitions]
    for _ in range(number):
        yield steps
        sent = [tasks.sent_of(wave, p, step) for p, step in enumerate(steps)]
        stops = (
            [tasks.stops_of(wave, p, steps[p], sent) for p in partitions] if wave.one.model.rules.changes_source else []
        )
        steps = [tasks.advance(wave, p, steps[p], sent, stops) for p in partitions]
    yield steps


@pytest.mark.parametrize("record", ["reach", "contacts"])
@pytest.mark.parametrize("model", STATES, ids=lambda model: model.name)
def test_a_task_that_runs_twice_gives_the_same_and_changes_nothing(network, model, record):
    wave = wave_of(network, model, record=record, max_rounds=6, replicates=70)
    partitions = range(3)
    assert as_bytes(tasks.begin(wave, 0)) == as_bytes(tasks.begin(wave, 0))
    for steps in itertools.islice(rounds_of(wave, 5), 5):
        sent = [tasks.sent_of(wave, p, step) for p, step in enumerate(steps)]
        before = as_bytes((steps, sent))
        for p in partitions:
            stops = [tasks.stops_of(wave, q, steps[q], sent) for q in partitions] if model.rules.changes_source else []
            told = as_bytes(stops)
            twice = [as_bytes(tasks.advance(wave, p, steps[p], sent, stops)) for _ in range(2)]
            assert twice[0] == twice[1]
            if model.rules.transmits_forever:
                probes = [[as_bytes(tasks.probe(wave, q, steps[q])) for q in partitions] for _ in range(2)]
                assert probes[0] == probes[1]
            assert as_bytes((steps, sent)) == before
            assert as_bytes(stops) == told


@pytest.mark.parametrize("model", STATES, ids=lambda model: model.name)
def test_rounds_together_are_rounds_apart(network, model):
    wave = wave_of(network, model, record="contacts", max_rounds=40)
    some = list(rounds_of(wave, 6))
    before = as_bytes(some[2])
    lasting = [any(step.state.live.ends[-1] for step in steps) for steps in some]
    number = 5 if all(lasting[:5]) else lasting.index(False)
    together = tasks.advance_together(wave, 3, 60.0, 2, some[2])
    assert as_bytes(list(together)) == as_bytes(some[max(number, 2)])
    assert as_bytes(some[2]) == before


@pytest.mark.parametrize("record", ["reach", "activations"])
def test_a_task_that_runs_again_does_not_take_the_arrays_of_a_later_round(network, record):
    wave = wave_of(network, HALF, record=record)
    _, first, second, *_ = rounds_of(wave, 3)
    sent = [step.sent for step in first]
    after = [as_bytes(tasks.advance(wave, p, first[p], sent)) for p in range(3)]
    assert after == [as_bytes(step) for step in second]
    # The arrays kept are those of the second round; another log of as many rounds is not theirs, either.
    for p in range(3):
        tasks.advance(wave, p, second[p], [step.sent for step in second])
        assert as_bytes(tasks.advance(wave, p, copy.deepcopy(first[p]), sent)) == after[p]


def test_a_log_that_says_more_than_there_are_states_is_written_anew(network, monkeypatch):
    monkeypatch.setattr(partitions, "FEW_NUMBERS", 0)
    wave = wave_of(network, SIRS(beta=0.9, gamma=0.9, waning=0.9), replicates=1, record="activations")
    lengths, listed = [], []
    for steps in rounds_of(wave, 60):
        lengths.append(sum(len(changes.agent) for step in steps for changes in step.state.log))
        listed.append(touched(wave, steps))
    assert max(lengths) <= 4 * network.n_agents < sum(np.diff(lengths)[np.diff(lengths) > 0])
    partitions.forget_arrays(wave.job)  # now they are made from the logs
    assert touched(wave, steps) == listed[-1]


@pytest.mark.usefixtures("tasks_of_rounds")
def test_no_arrays_are_kept_once_a_run_is_over_or_stopped(network):
    session = resolve_session(network, HALF, seed_set=[0], replicates=70)
    engine.run_job(network, [session], planned(network, [session]), publish=False)
    wave = wave_of(network, HALF)
    assert not [key for key in partitions._kept if key[0] != wave.job]
    assert not [job for job in partitions._scratch if job != wave.job]
    stopped = dataclasses.replace(wave, job=f"stopped while a task is at work {uuid.uuid4()}")
    step = tasks.begin(stopped, 0)
    partition = tasks.partition_of(stopped, 0)
    states = partition.states(step.state)
    request_stop(stopped.job)
    partitions.forget_arrays(stopped.job)
    partition.keep(step.state, states)
    assert not [key for key in partitions._kept if key[0] == stopped.job]


def test_a_task_of_a_run_that_is_to_stop_does_nothing(network):
    wave = wave_of(network, HALF)
    step = tasks.begin(wave, 0)
    stopped = dataclasses.replace(wave, job="a job that stops")
    check_stop(wave.job)
    request_stop(stopped.job)
    for task in (lambda: tasks.begin(stopped, 0), lambda: tasks.advance(stopped, 0, step, [step.sent] * 3)):
        with pytest.raises(StoppedError):
            task()


# -- checkpoints ----------------------------------------------------------------------------------------------------


def agents_of(rows):
    """Return rows by lane as sets."""
    columns = [column for column in rows[1:] if len(column)]
    return [
        {tuple(column[i].item() for column in columns) for i in range(low, high)}
        for low, high in itertools.pairwise(rows.ends)
    ]


def together(rows):
    """Return the agents of all partitions, by lane."""
    return [set().union(*lanes) for lanes in zip(*map(agents_of, rows), strict=True)]


def touched(wave, steps):
    return together([tasks.listed(wave, p, step)[0] for p, step in enumerate(steps)])


def live(wave, steps):
    return together([tasks.listed(wave, p, step)[1] for p, step in enumerate(steps)])


def checkpointed(wave, number, after=-1):
    """Make a checkpoint after some rounds; return the steps, counts and files that it keeps."""
    *_, steps = rounds_of(wave, number)
    over = np.full(len(wave.lanes), number)
    saved = [checkpoints.save(wave, p, step, over) for p, step in enumerate(steps)]
    counts = np.sum([tasks.counts_of(wave, p, step, 0) for p, step in enumerate(steps)], axis=0)
    files = [file for part in saved for file in part.rows.files]
    states = [file for part in saved for file in part.state]
    checkpoints.commit(wave, number, list(counts), states, files, after)
    return steps, counts, files


@pytest.mark.parametrize("record", ["rounds", "activations"])
@pytest.mark.parametrize("model", STATES, ids=lambda model: model.name)
@pytest.mark.parametrize("partitions", [1, 2, 5, 7])
def test_a_checkpoint_is_restored_in_any_number_of_partitions(publish_small, model, partitions, record):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    wave = wave_of(network, model, record=record)
    steps, counts, files = checkpointed(wave, 3)
    other = wave_of(network, model, partitions, record=record)
    found = checkpoints.last_checkpoint(other)
    assert found.number == 3
    counts[:, :, 4] = counts[:, :, 4] > 0  # whether anything changed
    np.testing.assert_array_equal(np.stack(found.counts), counts)
    assert sorted(file.path for file in found.rows) == sorted(file.path for file in files)
    restored = [checkpoints.restored(other, p, found.number, found.states) for p in range(partitions)]
    assert live(other, restored) == live(wave, steps)
    assert touched(other, restored) == touched(wave, steps)
    for p, step in enumerate(restored):
        assert step.state.number == 3
        agents = tasks.listed(other, p, step)[0].agent
        assert ((agents >= other.firsts[p]) & (agents < other.firsts[p + 1])).all()
    # What is sent next is the same, whoever sends it.
    assert all_sent(other, restored) == all_sent(wave, steps)


def all_sent(wave, steps):
    """Return the destination and value of what steps send, or edges, where these travel."""
    sent = [tasks.sent_of(wave, p, step).messages for p, step in enumerate(steps)]
    if isinstance(sent[0], Messages):
        return sorted(pair for each in sent for pair in zip(each.dst.tolist(), each.value.tolist(), strict=True))
    return sorted(np.concatenate(sent).tolist())


@pytest.mark.usefixtures("tasks_of_rounds")
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(("before", "after"), [((1,), (7,)), ((7, 1000), (2, 3, 2)), ((3, 2, 2), (3, 5))])
def test_a_run_goes_on_in_other_partitions_and_waves(
    publish_small, run, assert_same_rows, monkeypatch, caplog, record, before, after
):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    session = resolve_session(network, SIRS(beta=0.2, gamma=0.5, waning=0.5), seed_set=[0], replicates=5, record=record,
                              max_rounds=12)  # fmt: skip
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    for name in ("FIRST_CHUNK", "LARGEST_CHUNK", "LONGEST_TASK"):
        monkeypatch.setattr(partitioned, name, 3)
    original = partitioned._WaveRun._checkpoint

    def and_stop(self):
        original(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(partitioned._WaveRun, "_checkpoint", and_stop)
    with pytest.raises(engine.RunCancelledError, match="the next run resumes from the last checkpoint"):
        engine.run_job(network, [session], planned(network, [session], *before))
    monkeypatch.setattr(partitioned._WaveRun, "_checkpoint", original)
    with caplog.at_level("INFO", logger=partitioned.__name__):
        outcome = engine.run_job(network, [session], planned(network, [session], *after))
    assert "resuming from the checkpoint after round " in caplog.messages[0]
    jobs.publish_job(outcome)
    assert_same_rows(load_result(network.warehouse, session.session_id), run(session, network))


def test_checkpoints_of_other_lanes_are_not_taken(publish_small):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    wave = wave_of(network, HALF)
    others = [
        wave_of(network, HALF, replicates=5),
        wave_of(network, HALF, random_seed=1),
        dataclasses.replace(wave, lanes=wave.lanes[:3]),
    ]
    for other in others:
        checkpointed(other, 2)
        assert checkpoints.last_checkpoint(other).number == 2
        assert checkpoints.last_checkpoint(wave) is None
    checkpointed(wave, 1)
    for same in (wave, wave_of(network, HALF, partitions=5)):
        assert checkpoints.last_checkpoint(same).number == 1


def test_a_later_checkpoint_takes_the_place_of_the_one_before(publish_small):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    wave, warehouse = wave_of(network, HALF, record="activations"), network.warehouse
    for number in (1, 3):
        checkpointed(wave, number)
    # 1. Every round is there once; states and recorded rows are seen by nobody.
    rounds = warehouse.read("lane_rounds").to_pandas()
    assert rounds.groupby("replicate")["round"].apply(list).tolist() == [[0, 1, 2, 3]] * 6
    for table in ("lane_states", "frontiers", "activations"):
        assert warehouse.files(table) == []
    # 2. The first one's states are swept; rows of a run that did not stand on it are not the last one's, but kept.
    last = checkpoints.last_checkpoint(wave)
    first, second = (manifest for manifest in warehouse.manifests() if manifest.kind == checkpoints.KIND)
    assert (last.states, last.rows) == (second.passing, second.pending)
    assert set(warehouse.sweep(grace_seconds=-60)) == {file.path for file in first.passing} != set()
    assert checkpoints.last_checkpoint(wave).states == last.states
    # A run that did stand on it has its rows, too.
    checkpointed(wave, 4, after=3)
    assert {file.path for file in checkpoints.last_checkpoint(wave).rows} > {file.path for file in last.rows}
    needed = {file.path for m in warehouse.manifests() for file in (*m.pending, *m.passing)}
    # 3. Nothing is needed once the session is there; a run that is late adds nothing.
    warehouse.commit("sessions", [session_key(wave.one.session_id)], [])
    swept = set(warehouse.sweep(grace_seconds=-60))
    assert swept == needed - {file.path for file in first.passing}
    manifests = len(warehouse.manifests())
    checkpointed(wave, 2)
    assert len(warehouse.manifests()) == manifests
    assert warehouse.verify() == []


@pytest.mark.parametrize("record", ["rounds", "reach", "activations"])
def test_waves_that_were_finished_are_not_run_again(publish_small, run, assert_same_rows, monkeypatch, caplog, record):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    session = resolve_session(network, HALF, seed_set=[0], replicates=9, record=record)
    monkeypatch.setattr(partitioned, "SAVING_SECONDS", 0.0)
    made = planned(network, [session], 3, lanes_at_once=3)
    with monkeypatch.context() as patched:
        patched.setattr(partitioned._WaveRun, "run", interrupt_third(partitioned._WaveRun.run))
        with pytest.raises(engine.RunCancelledError):
            engine.run_job(network, [session], made)
    assert set(network.warehouse.read("lane_rounds")["replicate"].to_pylist()) == {0, 1, 2, 3, 4, 5}
    with caplog.at_level("INFO", logger=partitioned.__name__):
        outcome = engine.run_job(network, [session], made)
    resumed = ["resuming from the checkpoint" in message for message in caplog.messages]
    assert resumed[:2] == [True, True]
    assert sum(resumed) == 2
    jobs.publish_job(outcome)
    assert_same_rows(load_result(network.warehouse, session.session_id), run(session, network))


def interrupt_third(function):
    """Return a function that is interrupted when it is called for the third time."""
    calls = itertools.count(1)

    def called(self):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return function(self)

    return called


def test_waves_make_checkpoints_beside_each_other(publish_small, run, assert_same_rows, monkeypatch):
    network = publish_small(numbered_network(11, 40, 200), partitions=7)
    session = resolve_session(network, SIR(beta=0.3, gamma=0.3), seed_set=[0], replicates=12, record="contacts")
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(partitioned, "LONGEST_TASK", 1)
    outcome = engine.run_job(network, [session], planned(network, [session], 3, 3, 4))
    saved = [manifest for manifest in network.warehouse.manifests() if manifest.kind == checkpoints.KIND]
    assert len({manifest.keys[0].rpartition("/")[0] for manifest in saved}) == 4
    assert len(saved) > 8
    jobs.publish_job(outcome)
    assert_same_rows(load_result(network.warehouse, session.session_id), run(session, network))
    assert network.warehouse.verify() == []


def test_a_wave_alone_has_all_threads(network, monkeypatch):
    beside, original = [], partitioned._run_wave

    def noted(wave, client, **options):
        beside.append(options["beside"])
        return original(wave, client, **options)

    monkeypatch.setattr(partitioned, "_run_wave", noted)
    session = resolve_session(network, HALF, seed_set=[0], replicates=6)
    for lanes_at_once in (6, 3, 2):
        engine.run_job(network, [session], planned(network, [session], 2, lanes_at_once, 2), publish=False)
    assert beside == [1, 2, 2, 2, 2, 2]


def test_waves_of_checkpoints_that_are_larger_than_planned_are_no_more_at_once_than_fit(network, monkeypatch):
    session = resolve_session(network, HALF, seed_set=[0], replicates=16)
    saved = [[(session.session_id, low, low + 4)] for low in range(0, 16, 4)]
    monkeypatch.setattr(partitioned, "saved_lanes", lambda _warehouse: saved)
    beside, original = [], partitioned._run_wave

    def noted(wave, client, **options):
        beside.append((len(wave.lanes), wave.title, wave.more, options["beside"]))
        return original(wave, client, **options)

    monkeypatch.setattr(partitioned, "_run_wave", noted)
    engine.run_job(network, [session], planned(network, [session], 2, 1, 4))
    assert beside == [(4, f"wave {number} of 4: ", number < 4, 1) for number in range(1, 5)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_wave_that_fails_stops_those_beside_it(network, monkeypatch, error):
    session = resolve_session(network, SIS(beta=0.5, gamma=0.01), seed_set=[0], replicates=6, max_rounds=100_000)
    begun, number = threading.Event(), itertools.count()
    run = partitioned._WaveRun.run

    def fail_third(self):
        if next(number) < 2:  # these two would go on for ever
            begun.set()
            return run(self)
        begun.wait()
        raise error

    monkeypatch.setattr(partitioned._WaveRun, "run", fail_third)
    expected = engine.RunCancelledError if error is KeyboardInterrupt else error
    with pytest.raises(expected):
        engine.run_job(network, [session], planned(network, [session], 2, 2, 3), publish=False)
    assert {job for job, _ in partitions._kept} <= {wave_of(network, HALF).job}
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("wave")]


# -- ends of runs ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tasks_of_rounds")
@pytest.mark.parametrize("max_rounds", [0, 2, 5, 40])
@pytest.mark.parametrize("chunk", [2, 64])
@pytest.mark.parametrize(
    "model",
    [
        HALF,
        SI(beta=0.5),
        SIS(beta=0.4, gamma=0.0),
        SIS(beta=0.2, gamma=0.6),
        SEIZ(beta=0.4, b=0.3, rho=0.2, epsilon=0.2, p=0.4, l=0.4, sceptics=0.3),
        MakiThompson(spreading=0.7, stifling=0.0),
        DaleyKendall(spreading=0.7, stifling=0.3),
        Diffusion(threshold=0.3),
        FractionalThreshold(neighbours=2),
    ],
    ids=lambda model: f"{model.name}",
)
def test_rounds_at_which_lanes_end_do_not_depend_on_chunks(
    network, run, assert_same_rows, monkeypatch, model, chunk, max_rounds
):
    for name in ("FIRST_CHUNK", "LARGEST_CHUNK", "LONGEST_TASK"):
        monkeypatch.setattr(partitioned, name, chunk)
    session = resolve_session(network, model, seed_set=[0, 7], replicates=4, record="contacts", max_rounds=max_rounds)
    outcome = engine.run_job(network, [session], planned(network, [session], 2), publish=False)
    assert_same_rows(outcome.results[session.session_id], run(session, network))


@pytest.mark.usefixtures("tasks_of_rounds")
@pytest.mark.parametrize("record", RECORDS)
def test_published_rows_are_those_kept_in_memory(publish_small, assert_same_rows, record):
    network = publish_small(numbered_network(12, 40, 200), partitions=3)
    for model in (HALF, SIRS(beta=0.2, gamma=0.5, waning=0.3)):
        fields = {"seed_set": [0, 7], "replicates": 9, "record": record, "max_rounds": 15, "plan": "partitioned"}
        kept = simulate(network, model, publish=False, **fields)
        published = simulate(network, model, **fields)
        assert published.session["plan"] == "partitioned"
        assert_same_rows(published, kept)
    assert network.warehouse.verify() == []

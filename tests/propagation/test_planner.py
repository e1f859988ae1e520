"""The planner: what it chooses, how well it estimates, and what it refuses."""

import logging
import math
from types import SimpleNamespace

import pytest

from data.errors import InsufficientMemoryError, InvalidInputError
from data.quantities import readable_bytes, readable_seconds
from propagation import costs, engine, planner
from propagation.clusters import thread_count
from propagation.models import SI, SIS, IndependentCascade
from propagation.own_threads import OwnThreads
from propagation.seeding import RandomSeeds, TopOutDegree
from propagation.sessions import RECORDS, resolve_session

GENERATED = {
    "rmat": {"generator": "rmat", "agents": 20_000, "edges": 200_000},
    "sparse rmat": {"generator": "rmat", "agents": 20_000, "edges": 100_000},
    "attachment": {"generator": "preferential_attachment", "agents": 5_000, "links_per_agent": 5},
    "erdos_renyi": {"generator": "erdos_renyi", "agents": 5_000, "edges": 50_000},
}
PROBABILITIES = [0.1, 0.01, "weighted_cascade", "trivalency"]


@pytest.fixture(scope="module")
def generated(new_warehouse):
    warehouse = new_warehouse()
    return {name: warehouse.generate_network(name.replace(" ", "-"), **options) for name, options in GENERATED.items()}


def planned(network, probability=0.1, seed_set=None, replicates=300, plan="auto", **fields):
    session = resolve_session(
        network,
        IndependentCascade(probability=probability),
        seed_set=seed_set or TopOutDegree(budget=10),
        replicates=replicates,
        **fields,
    )
    return session, engine.plan_job(network, [session], plan=plan)


# -- estimates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("probability", PROBABILITIES)
@pytest.mark.parametrize("seed_set", [TopOutDegree(budget=10), RandomSeeds(budget=50)], ids=["top", "random"])
def test_expected_activations_are_within_a_factor_of_three(generated, run, name, probability, seed_set):
    network = generated[name]
    session, made = planned(network, probability, seed_set)
    truth = run(session, network).reach.mean
    (planned_session,) = made.sessions
    assert truth / 3 < planned_session.expected.activations < truth * 3
    assert planned_session.expected.activations >= len(session.seeds)
    assert 0.0 <= planned_session.expected.overlap <= 1.0


@pytest.mark.parametrize("probability", [0.1, "weighted_cascade"])
def test_blocked_agents_reach_nobody_in_the_estimate(generated, run, probability):
    network = generated["rmat"]
    seeds, hubs = network.agent_ids[3000:3050].to_pylist(), network.agent_ids[:1000].to_pylist()  # by falling degree
    session, made = planned(network, probability, seeds, blocked=hubs)
    truth, expected = run(session, network).reach.mean, made.sessions[0].expected
    assert truth / 3 < expected.activations < truth * 3
    everyone = planned(network, probability, seeds)[1].sessions[0].expected
    assert expected.activations < everyone.activations / 3
    assert expected.trials < everyone.trials / 3


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_expected_trials_are_within_a_factor_of_three(generated, run, probability):
    network = generated["rmat"]
    session, made = planned(network, probability, record="activations", replicates=50)
    agents = run(session, network).table("activations")["agent"].to_numpy()
    truth = network.out_degree[agents].sum() / 50
    assert truth / 3 < made.sessions[0].expected.trials < truth * 3


def test_expected_cascades_at_the_ends_of_probability(generated):
    network = generated["erdos_renyi"]
    _, nothing = planned(network, 0.0)
    assert (nothing.sessions[0].expected.activations, nothing.sessions[0].expected.overlap) == (10.0, 0.0)
    _, everything = planned(network, 1.0)
    assert everything.sessions[0].expected.activations == pytest.approx(5_000, rel=0.01)
    assert everything.sessions[0].expected.trials == pytest.approx(50_000, rel=0.01)


def test_more_work_is_estimated_to_take_more_time_and_memory(generated):
    network = generated["rmat"]
    made = [planned(network, 0.1, record=record)[1] for record in RECORDS]
    assert [m.estimated_bytes for m in made] == sorted({m.estimated_bytes for m in made})
    few, many = (planned(network, 0.1, replicates=r)[1] for r in (1_000, 100_000))
    assert few.estimated_seconds < many.estimated_seconds
    assert few.estimated_bytes < many.estimated_bytes
    # The edge words, offsets and targets are in memory, whatever the lanes.
    assert few.estimated_bytes > 12 * network.n_edges + 16 * network.n_agents


def beside(made):
    """Seconds of a job's lanes: those beside them are the same for all."""
    return made.estimated_seconds - (costs.SECONDS_PER_SMALL_JOB if made.in_process else costs.SECONDS_PER_JOB)


@pytest.mark.parametrize("plan", ["broadcast", "partitioned", "reference"])
def test_agents_that_are_activated_over_and_over_take_time_for_every_round(generated, plan):
    network = generated["erdos_renyi"]
    short, long, dying = (
        engine.plan_job(
            network,
            [
                resolve_session(
                    network,
                    SIS(beta=beta, gamma=0.2),
                    seed_set=RandomSeeds(budget=50),
                    replicates=1,
                    max_rounds=rounds,
                )
            ],
            plan=plan,
        )
        for beta, rounds in ((0.2, 100), (0.2, 10_000), (0.001, 10_000))
    )
    assert 30 < beside(long) / beside(short) < 300
    assert dying.estimated_seconds < short.estimated_seconds
    (lane,) = long.sessions
    assert lane.expected.rounds == 10_000
    assert lane.expected.activations <= network.n_agents
    assert lane.expected.occasions > 500  # about every six rounds


def test_expected_rounds_of_an_endemic_epidemic_are_those_it_takes(generated, run):
    network = generated["erdos_renyi"]
    session = resolve_session(
        network, SIS(beta=0.2, gamma=0.2), seed_set=RandomSeeds(budget=50), replicates=3, max_rounds=60
    )
    (lane,) = engine.plan_job(network, [session]).sessions
    truth = run(session, network).rounds["new_infections"].sum()
    assert truth / 2 < lane.expected.activations * lane.expected.occasions < truth * 2


@pytest.mark.parametrize("plan", ["broadcast", "partitioned"])
def test_rows_that_are_recorded_take_time_and_memory(generated, plan):
    network = generated["rmat"]
    by_record = [planned(network, 0.1, plan=plan, replicates=1000, record=record) for record in RECORDS]
    made = [plan for _, plan in by_record]
    assert made[0].estimated_seconds < made[2].estimated_seconds < made[3].estimated_seconds
    assert made[1].estimated_bytes < made[2].estimated_bytes < made[3].estimated_bytes
    # Rows that are not written as they come are all held.
    session, written = by_record[3]
    held = engine.plan_job(network, [session], plan=plan, publish=False)
    rows = 1000 * held.sessions[0].expected.trials
    assert held.estimated_bytes - written.estimated_bytes > 20 * (rows - 4e6 * thread_count(OwnThreads()))


def test_agents_that_never_stop_are_not_activated_again_and_end_with_the_network(generated):
    network = generated["erdos_renyi"]
    for model in (SIS(beta=0.2, gamma=0.0), SI(beta=0.2)):
        session = resolve_session(network, model, seed_set=RandomSeeds(budget=50), replicates=1)
        (lane,) = engine.plan_job(network, [session]).sessions
        assert (lane.expected.occasions, lane.expected.rounds < 100) == (1.0, True)


def test_sessions_that_cannot_go_together_go_one_after_the_other_on_each_thread(generated):
    network = generated["erdos_renyi"]
    endemic, fields = SIS(beta=0.2, gamma=0.2), {"seed_set": RandomSeeds(budget=50), "replicates": 1, "max_rounds": 500}
    seconds = []
    for random_seeds in ([1], [1, 2, 3, 4, 5, 6, 7, 8]):
        sessions = [resolve_session(network, endemic, random_seed=number, **fields) for number in random_seeds]
        made = engine.plan_job(network, sessions, plan="partitioned")
        seconds.append(made.estimated_seconds)
    assert seconds[1] > 6 / made.waves_at_once * seconds[0]


def test_lanes_of_a_checkpoint_do_not_follow_the_memory_that_is_free(generated, monkeypatch):
    network = generated["rmat"]
    monkeypatch.setattr(planner, "installed_memory", lambda: 2**30)
    found = set()
    for free in (4 << 30, 3 << 30, 2 << 30):
        monkeypatch.setattr(planner, "machine_memory", lambda free=free: free)
        _, made = planned(network, 0.1, plan="partitioned", replicates=5000)
        found.add(made.lanes_at_once)
    (lanes,) = found
    assert lanes.bit_count() == 1
    monkeypatch.setattr(planner, "machine_memory", lambda: 300 << 20)
    fewer = planned(network, 0.1, plan="partitioned", replicates=5000)[1].lanes_at_once
    assert fewer.bit_count() == 1 <= fewer < lanes


def test_lanes_that_share_nothing_go_in_a_wave_for_each_thread(generated, monkeypatch):
    network, threads = generated["rmat"], thread_count(OwnThreads())
    assert threads > 1, "no two waves at once"

    def waves(model, **fields):
        fields = {"seed_set": TopOutDegree(budget=10), "replicates": 1001} | fields
        made = engine.plan_job(network, [resolve_session(network, model, **fields)], plan="partitioned")
        return made.waves_at_once, made.lanes_at_once

    monkeypatch.setattr(planner, "installed_memory", lambda: 2**40)
    for model in (SI(beta=0.2), SIS(beta=0.2, gamma=0.2)):
        assert waves(model) == (threads, math.ceil(1001 / threads))
    # Lanes that go one after the other are shared out evenly.
    assert waves(SI(beta=0.2), replicates=1536) == (threads, math.ceil(1536 / (2 * threads)))
    # So many threads that waves have several each; so few lanes that threads would have nothing to do.
    with monkeypatch.context() as patched:
        patched.setattr(OwnThreads, "nthreads", lambda _client: {"one": 96})
        patched.setattr(planner, "SHORT_JOB_SECONDS", 0)
        assert waves(SI(beta=0.2), replicates=1000) == (costs.MOST_WAVES_AT_ONCE, 63)
        assert waves(SI(beta=0.2), replicates=31)[0] == 1
    # A word costs as much with half of its lanes; a short job has no time to lose; one lane is one wave.
    assert waves(IndependentCascade(probability=0.1))[0] == 1
    assert waves(SI(beta=0.2), max_rounds=1, replicates=2) == (1, 2)
    assert waves(SIS(beta=0.2, gamma=0.2), replicates=1) == (1, 1)
    # Edges that do not stay in memory are read once for all lanes.
    with monkeypatch.context() as patched:
        patched.setattr(costs, "FORGET_ABOVE", 1 << 20)
        assert waves(SI(beta=0.2))[0] == 1
    with monkeypatch.context() as patched:
        patched.setattr(costs, "FORGET_ABOVE", 3 * network.n_edges * costs.BYTES_PER_EDGE // 2)
        sessions = [resolve_session(network, SI(beta=b), seed_set=[0], replicates=800) for b in (0.1, 0.2)]
        assert engine.plan_job(network, sessions[:1], plan="partitioned").waves_at_once == threads
        assert engine.plan_job(network, sessions, plan="partitioned").waves_at_once == 1
    # Between workers a round costs more.
    with monkeypatch.context() as patched:
        patched.setattr(OwnThreads, "nthreads", lambda _client: {"one": 1, "another": 1})
        assert waves(SI(beta=0.2))[0] == 1


# -- choices --------------------------------------------------------------------------------------------------------


def test_lanes_are_packed_where_they_overlap_and_run_alone_where_they_do_not(generated):
    network = generated["rmat"]
    _, overlapping = planned(network, 0.1)
    _, apart = planned(network, "weighted_cascade", RandomSeeds(budget=50))
    assert overlapping.sessions[0].shape == "packed"
    assert apart.sessions[0].shape == "sparse"
    assert overlapping.sessions[0].expected.overlap > 0.3 > 0.1 > apart.sessions[0].expected.overlap
    assert overlapping.plan == apart.plan == "broadcast"


def test_few_lanes_are_not_packed_however_they_overlap(generated):
    assert planned(generated["rmat"], 0.1, replicates=4)[1].sessions[0].shape == "sparse"


def test_lanes_fewer_than_threads_are_shared_by_them_if_they_take_long(generated, monkeypatch):
    network, threads = generated["rmat"], thread_count(OwnThreads())
    assert threads > 1, "nothing to share"
    assert planned(network, 0.1, replicates=1)[1].threads == 1
    monkeypatch.setattr(planner, "LONG_LANE_SECONDS", 0.0)
    _, made = planned(network, 0.1, replicates=1)
    assert (made.sessions[0].shape, made.threads, made.batches) == ("shared", threads, 1)
    others = [
        planned(network, 0.1, replicates=threads),
        planned(network, 0.1, replicates=1, record="activations"),
        planned(network, 0.1, replicates=1, plan="partitioned"),
    ]
    assert {made.threads for _, made in others} == {1}
    assert "shared" not in {made.sessions[0].shape for _, made in others}


def test_words_of_lanes_are_not_cut_smaller_than_threads_need(generated, monkeypatch):
    monkeypatch.setattr(planner, "SHORT_JOB_SECONDS", 0.0)
    network, threads = generated["rmat"], thread_count(OwnThreads())
    for lanes in (16 * threads, 64 * threads, 640 * threads):
        _, made = planned(network, 0.1, replicates=lanes)
        assert made.sessions[0].shape == "packed"
        assert made.batches == min(max(threads, lanes // 64), 4 * threads)


@pytest.mark.parametrize(
    ("record", "by_rules"), [("rounds", False), ("reach", False), ("activations", True), ("contacts", True)]
)
def test_infectors_need_the_kernel_of_all_rules(generated, record, by_rules):
    for probability in (0.1, "weighted_cascade"):
        _, made = planned(generated["rmat"], probability, record=record)
        assert (made.sessions[0].shape == "rules") == by_rules


def test_every_session_of_a_job_has_a_shape_of_its_own(generated):
    network = generated["rmat"]
    alone = [
        planned(network, 0.1, record="rounds"),
        planned(network, 0.1, record="activations"),
        planned(network, "weighted_cascade", RandomSeeds(budget=50), record="reach"),
    ]
    made = engine.plan_job(network, [session for session, _ in alone])
    assert [p.shape for p in made.sessions] == ["packed", "rules", "sparse"]
    assert [p.expected for p in made.sessions] == [m.sessions[0].expected for _, m in alone]
    assert made.lanes == 900


def test_batches_are_of_about_a_second(generated):
    network, threads = generated["rmat"], thread_count(OwnThreads())
    for replicates in (1, 3, 64, 1000, 10_000, 1_000_000):
        for probability in (0.1, "weighted_cascade"):
            for record in ("rounds", "activations"):
                _, made = planned(network, probability, replicates=replicates, record=record)
                (lane,) = made.sessions
                rows = lane.expected.activations * costs.SECONDS_PER_ACTIVATION if record == "activations" else 0.0
                seconds = (lane.seconds_per_lane + costs.SECONDS_PER_LANE + rows) * replicates
                assert made.batches <= max(4 * threads, seconds), (replicates, probability)
                assert made.batches >= min(replicates, 1 if made.in_process else max(threads, int(seconds)))
                assert made.estimated_seconds >= seconds / threads


def test_the_choice_is_told_and_kept(generated, caplog):
    network = generated["erdos_renyi"]
    with caplog.at_level(logging.INFO, logger="propagation"):
        session, made = planned(network, 0.1)
    threads = thread_count(OwnThreads())
    assert made.reason == (
        f"the edge table (1 MiB as arrays) fits every worker's memory, so 300 lanes are split over {threads} threads"
    )
    time, memory = readable_seconds(made.estimated_seconds), readable_bytes(made.estimated_bytes)
    assert [record.getMessage() for record in caplog.records if record.name == planner.__name__] == [
        f"plan broadcast: {made.reason}; about {time} and {memory}"
    ]
    row = engine.run_job(network, [session], made, publish=False).sessions[0]
    kept = (row["plan"], row["plan_reason"], row["estimated_seconds"], row["estimated_bytes"], row["job_lanes"])
    assert kept == ("broadcast", made.reason, made.estimated_seconds, made.estimated_bytes, 300)


def test_the_reference_plan_is_for_those_who_ask(generated):
    network = generated["erdos_renyi"]
    assert planned(network)[1].plan == "broadcast"
    _, made = planned(network, plan="reference")
    assert made.plan == "reference"
    assert made.reason == "asked for: every round is a join of tables on the cluster"


# -- refusals -------------------------------------------------------------------------------------------------------


def test_an_unknown_plan_is_refused(generated):
    plans = "auto, broadcast, partitioned, reference"
    with pytest.raises(InvalidInputError, match=f"no plan 'sideways'; plans are {plans}"):
        planned(generated["erdos_renyi"], plan="sideways")


@pytest.mark.parametrize("plan", ["auto", "broadcast", "partitioned", "reference"])
def test_a_network_that_cannot_fit_is_refused_before_it_is_read(publish, monkeypatch, plan):
    network = publish([(0, 1), (1, 2)], 3)
    session = resolve_session(network, IndependentCascade(probability=0.5), seed_set=[0], replicates=5)
    monkeypatch.setattr(planner, "machine_memory", lambda: 50)
    with pytest.raises(
        InsufficientMemoryError,
        match=r"network 'network' of 3 agents needs about 0\.0 GiB, 0\.0 GiB are available: record less, run fewer",
    ):
        engine.plan_job(network, [session], plan=plan)
    assert not (network.cache_folder / "words-constant").exists()


def test_a_job_that_cannot_fit_is_refused_with_what_it_needs(generated, monkeypatch):
    network = generated["rmat"]
    needed = planned(network, 0.1, record="contacts", replicates=100_000)[1].estimated_bytes
    monkeypatch.setattr(planner, "machine_memory", lambda: needed)
    planned(network, 0.1, record="contacts", replicates=100_000)
    monkeypatch.setattr(planner, "machine_memory", lambda: needed - 1)
    gib = f"{needed / 2**30:.1f}"
    with pytest.raises(
        InsufficientMemoryError,
        match=rf"the job of 100,000 lanes recording 'contacts' needs about {gib} GiB, {gib} GiB are available: record",
    ):
        planned(network, 0.1, record="contacts", replicates=100_000)
    planned(network, 0.1, record="rounds", replicates=100_000)


@pytest.mark.parametrize("plan", ["auto", "broadcast", "partitioned", "reference"])
def test_a_job_can_be_planned_before_there_are_workers(generated, plan):
    network = generated["attachment"]
    session = resolve_session(
        network, IndependentCascade(probability=0.1), seed_set=RandomSeeds(budget=3), replicates=4
    )
    nobody = SimpleNamespace(nthreads=dict)
    made = engine.plan_job(network, [session], plan=plan, client=nobody)
    assert made.lanes == 4
    assert made.threads == 1

"""Kernels: what they do when their room is too small, their stop flag is set, or a cascade is very long."""

from itertools import pairwise

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from propagation.compiled_rules import contact_rows
from propagation.draws import Purpose, replicate_salts, stream
from propagation.kernels import cascades as kernels
from propagation.kernels.bit_packed_cascades import padded
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.primitives import CHUNK
from propagation.models import IndependentCascade
from propagation.sessions import resolve_session
from tests.reference.small_networks import numbered_network

COLUMN = IndependentCascade(probability="column")
LANES = 150
SEEDS = np.array([0, 3], np.int32)
MAX_ROUNDS = np.int64(1000)


@pytest.fixture(scope="module")
def rows(publish_small):
    return contact_rows(publish_small(numbered_network(8, 30, 90)), COLUMN, 0)


def no_stop():
    return np.zeros(1, np.uint8)


# -- room that is too small -----------------------------------------------------------------------------------------


class Sparse:
    """The sparse kernel with its scratch arrays, to be called with any room."""

    def __init__(self, rows):
        n = rows.n_agents
        self.rows, self.reached, self.queue = rows, np.zeros(n // 8 + 1, np.uint8), np.empty(n, np.int32)
        self.times, self.round_sums, self.touched = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.int32)
        self.n_touched, self.arrived = 0, np.zeros(n // 64 + 1, np.uint64)

    def __call__(self, salts, room, stop=None):
        counts, ends = np.full(room, -7, np.int32), np.zeros(len(salts), np.int64)
        truncated = np.zeros(len(salts), np.uint8)
        seeds = LaneSeeds(np.zeros(len(salts), np.int32), np.array([0, len(SEEDS)]), SEEDS)
        finished, _, self.n_touched = kernels.sparse_cascades(
            self.rows.offsets, self.rows.words, np.int64(self.rows.base), stream(0, Purpose.TRANSMISSION), salts,
            seeds, MAX_ROUNDS, no_stop() if stop is None else stop, self.reached, self.arrived,
            self.queue, np.zeros(CHUNK, np.uint8), counts, ends, truncated, self.times, self.round_sums, self.touched,
            np.int64(self.n_touched),
        )  # fmt: skip
        assert not self.reached.any(), "scratch bits are cleared"
        assert not self.arrived.any(), "scratch bits are cleared"
        bounds = [0, *ends[:finished]]
        return finished, [counts[low:high].tolist() for low, high in pairwise(bounds)]


@pytest.mark.parametrize("room", [12, 13, 23, 64, 200])
def test_sparse_lanes_go_on_where_the_room_ended(rows, room):
    salts = replicate_salts(np.arange(LANES))
    whole = Sparse(rows)
    finished, expected = whole(salts, 100 * LANES)
    assert finished == LANES
    assert max(map(len, expected)) == 12
    assert len(set(map(tuple, expected))) > 100
    parted, lanes, calls = Sparse(rows), [], 0
    while len(lanes) < LANES:
        finished, part = parted(salts[len(lanes) :], room)
        assert finished < LANES - len(lanes) or len(lanes) + finished == LANES
        lanes += part
        calls += 1
    assert calls > 1
    assert lanes == expected
    assert parted.times.tolist() == whole.times.tolist()
    assert parted.round_sums.tolist() == whole.round_sums.tolist()
    touched = parted.touched[: parted.n_touched]
    assert sorted(touched) == np.flatnonzero(whole.times).tolist()


def test_a_room_that_holds_nothing_finishes_no_lane(rows):
    assert Sparse(rows)(replicate_salts(np.arange(3)), 0) == (0, [])
    assert Sparse(rows)(replicate_salts(np.arange(3)), 1) == (0, [])


def test_a_stop_flag_that_is_set_finishes_no_lane(rows):
    salts = replicate_salts(np.arange(LANES))
    assert Sparse(rows)(salts, 100 * LANES, np.ones(1, np.uint8)) == (0, [])


class Packed:
    """The packed kernel with its scratch arrays, to be called with any number of rounds at a time."""

    def __init__(self, rows, salts):
        n, every_lane = rows.n_agents, np.uint64(2 ** len(salts) - 1)
        self.rows, self.salts, self.lanes = rows, padded(salts), len(salts)
        self.state, self.frontier = np.zeros(2 * n, np.uint64), np.zeros(n, np.uint64)
        self.state[2 * SEEDS] = self.frontier[SEEDS] = every_lane
        self.queue, self.n_queue, self.arrived = np.zeros(n, np.int32), len(SEEDS), np.zeros(n // 64 + 1, np.uint64)
        self.queue[:2] = SEEDS
        self.times, self.round_sums, self.touched = np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.int32)
        self.round, self.n_touched = 1, 0

    def __call__(self, rounds, stop=None):
        counts = np.zeros((rounds, self.lanes), np.int64)
        done, self.n_queue, _, self.n_touched = kernels.packed_cascades(
            self.rows.offsets, self.rows.words, np.int64(self.rows.base), stream(0, Purpose.TRANSMISSION), self.salts,
            np.int64(self.round), MAX_ROUNDS, no_stop() if stop is None else stop, self.state, self.frontier,
            self.arrived, self.queue, np.int64(self.n_queue), counts, self.times, self.round_sums, self.touched,
            np.int64(self.n_touched),
        )  # fmt: skip
        assert not self.state[1::2].any(), "what arrives is cleared"
        assert not self.arrived.any(), "and so is the set of whom it arrives for"
        self.round += done
        return counts[:done]


@pytest.mark.parametrize("rounds", [1, 2, 3, 64])
@pytest.mark.parametrize("lanes", [1, 8, 9, 64])
def test_packed_lanes_go_on_where_the_block_of_rounds_ended(rows, rounds, lanes):
    salts = replicate_salts(np.arange(lanes))
    alone = Sparse(rows)
    _, expected = alone(salts, 100 * lanes)
    packed, blocks = Packed(rows, salts), []
    while packed.n_queue:
        blocks.append(packed(rounds))
    assert len(blocks) > 1 or rounds == 64
    counts = np.concatenate(blocks)
    assert [[2, *lane[lane > 0].tolist()] for lane in counts.T] == expected
    # The kernel counts the reach of later rounds; seeds are counted by its caller.
    packed.times[SEEDS] += lanes
    assert packed.times.tolist() == alone.times.tolist()
    assert packed.round_sums.tolist() == alone.round_sums.tolist()


def test_a_stop_flag_ends_packed_lanes_before_the_next_round(rows):
    packed = Packed(rows, replicate_salts(np.arange(64)))
    assert len(packed(2)) == 2
    before = (packed.state.tolist(), packed.frontier.tolist(), packed.n_queue)
    assert len(packed(64, np.ones(1, np.uint8))) == 0
    assert (packed.state.tolist(), packed.frontier.tolist(), packed.n_queue) == before
    assert packed.n_queue > 0


# -- long cascades --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["sparse", "packed", "rules"])
@pytest.mark.parametrize("max_rounds", [10_000, 299, 298, 128, 64, 63])
def test_more_rounds_than_a_block_of_the_packed_kernel_holds(publish, run, shape, max_rounds):
    # The packed kernel runs 64 rounds at a time; the sparse one has room for 64 counts a lane before it must go on.
    network = publish([(i, i + 1) for i in range(299)], 300)
    model = IndependentCascade(probability=1.0)
    session = resolve_session(network, model, seed_set=[0], replicates=130, max_rounds=max_rounds, record="reach")
    result = run(session, network, shape=shape, batches=2)
    last = min(max_rounds, 299)
    assert (result.cascades["size"] == last + 1).all()
    assert (result.cascades["depth"] == last).all()
    assert (result.cascades["truncated"] == (max_rounds <= 299)).all()
    agents = result.agents.set_index("agent_id")["mean_round"]
    assert {int(agent): number for agent, number in agents.items()} == {i: i for i in range(last + 1)}


def test_lanes_that_die_out_in_different_blocks_of_rounds(publish, run, assert_same_rows):
    network = publish([(i, i + 1) for i in range(299)], 300, [0.99] * 299)
    session = resolve_session(network, COLUMN, seed_set=[0, 150], replicates=200, record="reach")
    results = [run(session, network, shape=shape, batches=3) for shape in ("sparse", "packed", "rules")]
    depths = results[0].cascades["depth"]
    assert depths.min() < 32
    assert depths.max() > 128
    for result in results[1:]:
        assert_same_rows(result, results[0])


@pytest.mark.parametrize("replicates", [1, 63, 64, 65, 127, 128, 129])
def test_words_that_are_not_full(publish_small, run, assert_same_rows, replicates):
    network = publish_small(numbered_network(8, 30, 90))
    session = resolve_session(network, COLUMN, seed_set=[0], replicates=replicates, max_rounds=4, record="reach")
    results = [run(session, network, shape=shape, batches=1) for shape in ("sparse", "packed", "rules")]
    for result in results[1:]:
        assert_same_rows(result, results[0])


# -- signatures -----------------------------------------------------------------------------------------------------


def test_every_kernel_is_compiled_once(publish, publish_small, run):
    # Compiling a second signature costs every process a third of a second, and means that some dtype is off.
    edgeless = publish([], 3)
    for network in (edgeless, publish([(0, 1)], 2), publish_small(numbered_network(8, 30, 90), partitions=3)):
        for probability in (0, 0.5, 1, "weighted_cascade", "trivalency"):
            for record, shapes in (
                ("rounds", ["sparse", "packed"]),
                ("reach", ["sparse", "packed"]),
            ):
                session = resolve_session(
                    network, IndependentCascade(probability=probability), seed_set=[0], replicates=3, record=record
                )
                for shape in shapes:
                    run(session, network, shape=shape)
    signatures = {
        name: len(kernel.signatures)
        for name, kernel in vars(kernels).items()
        if isinstance(kernel, CPUDispatcher) and not name.startswith("_")
    }
    names = {"sparse_cascades", "packed_cascades"}
    assert {name: signatures[name] for name in names} == dict.fromkeys(names, 1)

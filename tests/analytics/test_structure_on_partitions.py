"""Structure on partitions: the values of plain definitions and of LDBC Graphalytics, for any number of partitions."""

import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from distributed import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics.structure_on_partitions import choice, cores, distances, label_propagation, supersteps
from analytics.structure_on_partitions.components import strong_components, weak_components
from analytics.structure_on_partitions.link_analysis import exact_sum, pagerank
from analytics.structure_on_partitions.neighbours import IN, OUT, all_neighbours, partition_firsts
from analytics.structure_on_partitions.triangles import triangle_counts
from data.errors import ClusterLostError, InsufficientMemoryError, InvalidInputError
from data.facade import Warehouse
from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList, ImportOptions
from data.networks.imports import publish_edges
from data.networks.network import Network
from propagation.clusters import ClusterProfile, connect, own_client
from propagation.plans.stopping import StoppedError
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks

PARTITIONS = (1, 2, 5)


@pytest.fixture(scope="module")
def publish(tmp_path_factory) -> Callable[..., Network]:
    """Publish edges among agents with these original ids."""
    import pyarrow as pa

    folder, numbers = tmp_path_factory.mktemp("networks"), itertools.count()

    def publish(edges, agent_ids, *, undirected=False) -> Network:
        place = {agent_id: number for number, agent_id in enumerate(agent_ids)}
        edge_list = EdgeList(
            source=pa.array([place[src] for src, _ in edges], pa.int32()).to_numpy(),
            target=pa.array([place[dst] for _, dst in edges], pa.int32()).to_numpy(),
            agent_ids=pa.array(agent_ids, pa.int64()),
            edge_attributes=pa.table({}),
            malformed=MALFORMED_SCHEMA.empty_table(),
            rows_read=len(edges),
            description="edges of a test",
        )
        warehouse = Warehouse(folder / str(next(numbers)))
        return publish_edges(warehouse, "network", edge_list, ImportOptions(undirected=undirected), {})

    return publish


@pytest.fixture(scope="module")
def network(publish) -> Network:
    small = numbered_network(7, 60, 150)
    return publish(small.edges, range(small.n_agents))


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Client]:
    """Two workers, each a thread of this process."""
    with connect(ClusterProfile(kind="threads", workers=2, threads_per_worker=1)) as client:
        yield client


def everything(network: Network, partitions: int, client: Client | None = None) -> dict[str, np.ndarray]:
    """Return the values of all algorithms."""
    options = {"partitions": partitions, "client": client}
    counts = triangle_counts(network, **options)
    return {
        "pagerank": pagerank(network, rounds=12, **options),
        "weak": weak_components(network, **options),
        "strong": strong_components(network, **options),
        "cores": cores.core_numbers(network, **options),
        "labels": label_propagation.label_propagation(network, **options),
        "distances": distances.pairs_by_distance(network, network.dense_agents, **options),
        "distances either way": distances.pairs_by_distance(network, [0], directed=False, **options),
        "triangles": counts.of_agent,
        "degree": counts.degree,
        "edges between": counts.edges_between,
    }


def same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return all(found[name].tobytes() == expected[name].tobytes() for name in expected)


# -- plain definitions ------------------------------------------------------------------------------------------------


class Plain:
    """The same by definition, of edges between agents 0 to n - 1."""

    def __init__(self, n: int, edges: list[tuple[int, int]]) -> None:
        self.n, self.edges = n, set(edges)
        self.out = [[b for a, b in sorted(self.edges) if a == agent] for agent in range(n)]
        self.into = [[a for a, b in sorted(self.edges) if b == agent] for agent in range(n)]
        self.around = [sorted({*self.out[agent], *self.into[agent]}) for agent in range(n)]

    def hops(self, source: int, rows: list[list[int]]) -> dict[int, int]:
        found, waiting = {source: 0}, deque([source])
        while waiting:
            agent = waiting.popleft()
            for other in rows[agent]:
                if other not in found:
                    found[other] = found[agent] + 1
                    waiting.append(other)
        return found

    def weak(self) -> list[int]:
        return [min(self.hops(agent, self.around)) for agent in range(self.n)]

    def strong(self) -> list[int]:
        reached = [set(self.hops(agent, self.out)) for agent in range(self.n)]
        return [min(b for b in reached[a] if a in reached[b]) for a in range(self.n)]

    def pairs(self, sources: range, rows: list[list[int]]) -> list[int]:
        counts = Counter(hop for source in sources for hop in self.hops(source, rows).values())
        return [counts[hop] for hop in range(1, max(counts) + 1)]

    def cores(self) -> list[int]:
        found = [0] * self.n
        for k in range(1, self.n):
            left = set(range(self.n))
            while weak := {agent for agent in left if len(left & set(self.around[agent])) < k}:
                left -= weak
            for agent in left:
                found[agent] = k
        return found

    def triangles(self) -> list[int]:
        return [
            sum(b in self.around[a] for a, b in itertools.combinations(self.around[agent], 2))
            for agent in range(self.n)
        ]

    def edges_between(self) -> list[int]:
        return [
            sum(pair in self.edges for pair in itertools.permutations(self.around[agent], 2)) for agent in range(self.n)
        ]

    def labels(self, rounds: int) -> list[int]:
        labels = list(range(self.n))
        for _ in range(rounds):
            heard = [Counter(labels[other] for other in self.out[a] + self.into[a]) for a in range(self.n)]
            labels = [
                min(heard[a], key=lambda label: (-heard[a][label], label)) if heard[a] else labels[a]
                for a in range(self.n)
            ]
        return labels

    def pagerank(self, rounds: int) -> list[float]:
        ranks = [1 / self.n] * self.n
        for _ in range(rounds):
            dangling = sum(rank for rank, out in zip(ranks, self.out, strict=True) if not out)
            ranks = [
                (0.15 + 0.85 * dangling) / self.n + 0.85 * sum(ranks[b] / len(self.out[b]) for b in self.into[a])
                for a in range(self.n)
            ]
        return ranks


PATH = SmallNetwork(9, ((8, 3), (3, 7), (7, 0), (0, 5), (5, 1), (1, 6), (6, 2), (2, 4)), (1.0,) * 8)
RING_AND_TAIL = SmallNetwork(7, ((6, 2), (2, 5), (5, 6), (5, 0), (0, 1), (1, 3), (3, 0)), (1.0,) * 7)


@settings(max_examples=25)
@given(small=small_networks(min_edges=1), partitions=st.integers(1, 5))
@example(PATH, 3)
@example(RING_AND_TAIL, 4)
def test_values_are_those_of_the_definitions(publish, small, partitions):
    network = publish(small.edges, range(small.n_agents))
    src, dst = (network.edges.compute(scheduler="sync").reset_index()[name] for name in ("src", "dst"))
    plain, found = Plain(network.n_agents, list(zip(src, dst, strict=True))), everything(network, partitions)
    assert found["weak"].tolist() == plain.weak()
    assert found["strong"].tolist() == plain.strong()
    assert found["cores"].tolist() == plain.cores()
    assert found["labels"].tolist() == plain.labels(label_propagation.ROUNDS)
    assert found["triangles"].tolist() == plain.triangles()
    assert found["edges between"].tolist() == plain.edges_between()
    assert found["degree"].tolist() == list(map(len, plain.around))
    assert found["distances"].sum(axis=0).tolist() == plain.pairs(range(plain.n), plain.out)
    assert found["distances either way"].sum(axis=0).tolist() == plain.pairs(range(1), plain.around)
    assert found["pagerank"] == pytest.approx(plain.pagerank(12), rel=1e-12)


# -- LDBC Graphalytics ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ldbc(shared_data, publish):
    """Return an LDBC graph with its original ids by dense id, and the values that are expected, in that order."""

    def read(name: str, algorithm: str, kind: type) -> tuple[Network, list[int], list]:
        folder = shared_data / "ldbc"
        agent_ids = [int(line) for line in (folder / f"{name}.v").read_text().split()]
        edges = [tuple(map(int, line.split()[:2])) for line in (folder / f"{name}.e").read_text().splitlines()]
        network = publish(edges, agent_ids, undirected="undirected" in name)
        lines = (folder / f"{name}-{algorithm}").read_text().splitlines()
        values = {int(agent_id): kind(value) for agent_id, value in map(str.split, lines)}
        in_order = [int(agent_id) for agent_id in network.agent_ids.to_pylist()]
        return network, in_order, [values[agent_id] for agent_id in in_order]

    return read


def names(algorithm: str) -> list[str]:
    return ["example-undirected", f"test-{algorithm}-directed"]


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize(("name", "rounds"), list(zip(names("pr"), (2, 14), strict=True)))
def test_pagerank_is_that_of_graphalytics(ldbc, name, rounds, partitions, shared_data):
    properties = (shared_data / "ldbc" / f"{name}.properties").read_text()
    assert f"pr.num-iterations = {rounds}" in properties
    network, _, expected = ldbc(name, "PR", float)
    assert pagerank(network, rounds=rounds, partitions=partitions) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("name", names("wcc"))
def test_components_are_those_of_graphalytics(ldbc, name, partitions):
    network, _, expected = ldbc(name, "WCC", int)
    found = weak_components(network, partitions=partitions).tolist()
    pairs = set(zip(found, expected, strict=True))
    assert len(pairs) == len(set(found)) == len(set(expected))


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize(("name", "rounds"), list(zip(names("cdlp"), (2, 5), strict=True)))
def test_labels_are_those_of_graphalytics(ldbc, name, rounds, partitions, shared_data):
    assert f"cdlp.max-iterations = {rounds}" in (shared_data / "ldbc" / f"{name}.properties").read_text()
    network, in_order, expected = ldbc(name, "CDLP", int)
    found = label_propagation.label_propagation(
        network, rounds=rounds, initial=np.array(in_order), partitions=partitions
    )
    assert found.tolist() == expected


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("name", names("lcc"))
def test_local_clustering_is_that_of_graphalytics(ldbc, name, partitions):
    network, _, expected = ldbc(name, "LCC", float)
    found = triangle_counts(network, partitions=partitions)
    possible = found.degree * (found.degree - 1)
    shares = np.divide(found.edges_between, possible, out=np.zeros(len(possible)), where=possible > 0)
    assert shares == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("partitions", PARTITIONS)
@pytest.mark.parametrize("name", names("bfs"))
def test_numbers_of_hops_are_those_of_graphalytics(ldbc, name, partitions, shared_data):
    properties = (shared_data / "ldbc" / f"{name}.properties").read_text()
    source = next(int(line.split("=")[1]) for line in properties.splitlines() if "bfs.source-vertex" in line)
    network, in_order, expected = ldbc(name, "BFS", int)
    found = distances.pairs_by_distance(network, [in_order.index(source)], partitions=partitions)
    counts = Counter(hops for hops in expected if 0 < hops < 2**62)
    assert found.tolist() == [[counts[hops] for hops in range(1, max(counts) + 1)]]


# -- partitions, workers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [2, 5, 17])
def test_values_are_the_same_for_any_number_of_partitions(network, partitions):
    assert same_bits(everything(network, partitions), everything(network, 1))


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_values_are_the_same_on_two_workers(network, two_workers, partitions):
    assert same_bits(everything(network, partitions, two_workers), everything(network, 1))


def test_values_are_the_same_on_a_single_worker(network):
    assert same_bits(everything(network, 3, own_client()), everything(network, 1))


@pytest.mark.xdist_group("processes")
def test_values_are_the_same_on_two_processes(network):
    with connect(ClusterProfile(kind="processes", workers=2, threads_per_worker=1)) as client:
        on_two = {"partitions": 5, "client": client}
        ranks, components = pagerank(network, rounds=12, **on_two), weak_components(network, **on_two)
        counts = triangle_counts(network, **on_two)
    found = {"pagerank": ranks, "weak": components, "triangles": counts.of_agent}
    expected = everything(network, 1)
    assert same_bits({name: expected[name] for name in found}, found)


def test_a_network_with_reserved_ids_has_values_for_its_agents_only(tmp_path):
    import pandas as pd

    warehouse = Warehouse(tmp_path)
    edges = pd.DataFrame({"source": ["a", "b", "c", "c"], "target": ["b", "c", "a", "d"]})
    warehouse.import_network("friends", edges)
    network = warehouse.import_network("friends", edges[edges["source"] != "a"][["source", "target"]].iloc[[0, 2]])
    assert network.n_ids > network.n_agents, "the case to be tested"
    for partitions in PARTITIONS:
        found = everything(network, partitions)
        assert {len(found[name]) for name in found if "distances" not in name} == {network.n_agents}
        assert found["pagerank"].sum() == pytest.approx(1)
        assert set(found["weak"]) == {network.dense_agents[0]}
        assert set(found["strong"]) == set(network.dense_agents)


def test_partitions_are_ranges_with_all_neighbours(network):
    edges = set(zip(*network.edges.reset_index().compute(scheduler="sync")[["src", "dst"]].to_numpy().T, strict=True))
    assert len(partition_firsts(network, 1000)) == network.n_agents + 1, "every partition has an agent"
    for partitions in (1, 4, 60):
        assert len(partition_firsts(network, partitions)) == partitions + 1
        found = set()
        for part in all_neighbours(network, partitions):
            assert (np.diff(part.agents) > 0).all()
            for agent, (low, high) in enumerate(itertools.pairwise(part.offsets), part.first):
                for place, direction in zip(part.places[low:high], part.directions[low:high], strict=True):
                    other = part.agents[place]
                    found |= {(agent, other)} if direction & OUT else set()
                    found |= {(other, agent)} if direction & IN else set()
        assert found == edges


def test_edges_leave_memory_if_they_are_many(network, monkeypatch):
    forgotten = []
    monkeypatch.setattr(supersteps, "FORGET_ABOVE", 1)
    monkeypatch.setattr(supersteps.Neighbours, "forget", lambda part: forgotten.append(part.number))
    cores.core_numbers(network, partitions=3)
    assert set(forgotten) == {0, 1, 2}


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.7], [1.0] * 5, [2.0**-40, 1.0, 3 * 2.0**-40], []])
def test_sums_are_exact_in_any_order(values):
    from fractions import Fraction

    expected = sum(map(Fraction, values), Fraction(0)) * 2**96
    assert {exact_sum(np.array(order)) for order in itertools.permutations(values)} == {expected}


def test_a_run_reports_every_superstep(network, caplog):
    caplog.set_level(logging.INFO, logger=supersteps.__name__)
    pagerank(network, rounds=2, partitions=2)
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        f"PageRank: superstep {number}" for number in range(3)
    ]


def test_a_lost_worker_is_an_error_that_says_what_to_do(network, two_workers, monkeypatch):
    from propagation import clusters

    def lose(*_: object) -> None:
        raise clusters.WorkersLostError("lost tcp://somewhere")

    monkeypatch.setattr(clusters, "wait_for", lose)
    with pytest.raises(
        ClusterLostError, match=r"PageRank \(lost tcp://somewhere\): nothing was published; run it again"
    ):
        pagerank(network, rounds=2, partitions=2, client=two_workers)


def test_an_interrupted_run_stops_its_partitions(network, monkeypatch):
    asked = []
    monkeypatch.setattr(supersteps, "request_stop", asked.append)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(supersteps.Received, "of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        weak_components(network, partitions=2)
    assert len(asked) == 1
    monkeypatch.undo()
    supersteps.request_stop("a run of a test")
    this = supersteps.Run(cores.CoreNumbers(), tuple(all_neighbours(network, 2)), "a run of a test")
    with pytest.raises(StoppedError):
        supersteps.run_together(this, [None, None])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda network: pagerank(network, damping=1.0, partitions=1), r"damping 1.0 is not in \[0, 1\)"),
        (lambda network: pagerank(network, rounds=0, partitions=1), "rounds 0 is less than 1"),
        (lambda network: pagerank(network, tolerance=0.0, partitions=1), "tolerance 0.0 is not above 0"),
        (lambda network: label_propagation.label_propagation(network, rounds=-1, partitions=1), "rounds -1 is negat"),
        (
            lambda network: label_propagation.label_propagation(network, initial=np.arange(3), partitions=1),
            "3 initial labels for 60 agents",
        ),
        (lambda network: weak_components(network, partitions=0), "partitions 0 is less than 1"),
    ],
)
def test_wrong_parameters_are_refused(network, call, message):
    with pytest.raises(InvalidInputError, match=message):
        call(network)


# -- memory or partitions ---------------------------------------------------------------------------------------------


@pytest.fixture
def available(monkeypatch):
    """Set the memory that is available."""
    return lambda size: monkeypatch.setattr(choice, "machine_memory", lambda: size)


def test_a_network_that_fits_stays_in_memory(network, available):
    needed = choice.BYTES_PER_EDGE * network.n_edges + choice.BYTES_PER_AGENT * network.n_ids
    available(needed)
    plan = choice.plan_structure(network)
    assert (plan.partitions, plan.asked_for) == (None, False)
    assert plan.reason == "in memory: about 0.0 MiB for the whole network, 0.0 MiB available"


def test_a_network_that_does_not_fit_is_computed_on_partitions(network, available, caplog, monkeypatch):
    caplog.set_level(logging.INFO, logger=choice.__name__)
    monkeypatch.setattr(choice.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(choice, "BYTES_PER_EDGE", 1 << 30)
    available(choice.PARTITION_BYTES_PER_AGENT * network.n_ids + 150 * 200)
    plan = choice.plan_structure(network)
    assert plan.reason == "in 8 partitions: about 150.0 GiB for the whole network, 0.0 MiB available"
    assert caplog.messages == [f"structure of network 'network': {plan.reason}"]
    available(choice.PARTITION_BYTES_PER_AGENT * network.n_ids + 150 * 20)
    halves = -(-2 * 2 * choice.PARTITION_BYTES_PER_EDGE // 20)  # twice what two threads work on at once
    assert choice.plan_structure(network).partitions == halves
    available(choice.PARTITION_BYTES_PER_AGENT * network.n_ids - 1)
    with pytest.raises(InsufficientMemoryError, match=r"needs about 0[.]0 MiB for its agents alone"):
        choice.plan_structure(network)


def test_partitions_and_clusters_can_be_asked_for(network, two_workers):
    assert choice.plan_structure(network, partitions=3) == choice.StructurePlan(
        3, "in 3 partitions, as asked for", asked_for=True
    )
    plan = choice.plan_structure(network, client=two_workers)
    assert plan.reason == f"in {plan.partitions} partitions on the cluster's workers"
    assert plan.partitions == 2 * choice.PARTITIONS_PER_THREAD
    with pytest.raises(InvalidInputError, match="partitions 0 is less than 1; leave it out"):
        choice.plan_structure(network, partitions=0)

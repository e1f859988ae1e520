"""What every generator promises: the same edges whatever the blocks, clean edge lists, bounds, words of errors."""

import sys

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher
from pydantic import ValidationError

from data.generators import (
    GENERATORS,
    Complete,
    ErdosRenyi,
    Generator,
    PlantedCommunities,
    PreferentialAttachment,
    RMat,
    WattsStrogatz,
    complete,
    erdos_renyi,
    planted_communities,
    preferential_attachment,
    rmat,
    watts_strogatz,
)
from tests.data.edge_pairs import edges_of

EXAMPLES: list[Generator] = [
    RMat(agents=100, edges=700),
    RMat(agents=64, edges=1, a=0.25, b=0.25, c=0.25),
    RMat(agents=9, edges=36, a=0.25, b=0.25, c=0.25),
    RMat(agents=2, edges=1),
    PreferentialAttachment(agents=300, links_per_agent=4),
    PreferentialAttachment(agents=300, links_per_agent=1),
    PreferentialAttachment(agents=60, links_per_agent=40, directed=True),
    PreferentialAttachment(agents=5, links_per_agent=4),
    WattsStrogatz(agents=200, degree=6, rewiring=0.3),
    WattsStrogatz(agents=3, degree=2, rewiring=1.0),
    WattsStrogatz(agents=7, degree=6, rewiring=1.0),
    WattsStrogatz(agents=12, degree=8, rewiring=1.0),
    WattsStrogatz(agents=30, degree=10, rewiring=1.0),
    PlantedCommunities(agents=103, communities=7),
    PlantedCommunities(agents=103, communities=7, directed=True),
    PlantedCommunities(agents=12, communities=5, mean_degree_within=1.0, mean_degree_between=9.5),
    PlantedCommunities(agents=20, communities=1, mean_degree_within=5.0, mean_degree_between=0.0),
    PlantedCommunities(agents=20, communities=20, mean_degree_within=0.0, mean_degree_between=5.0),
    ErdosRenyi(agents=200, edges=3_000),
    ErdosRenyi(agents=50, edges=2_400),
    ErdosRenyi(agents=50, probability=0.2),
    ErdosRenyi(agents=5, edges=0),
    Complete(agents=40),
]
UNDIRECTED = [
    example
    for example in EXAMPLES
    if isinstance(example, (WattsStrogatz, PreferentialAttachment, PlantedCommunities))
    and not getattr(example, "directed", False)
]


class TestEveryGenerator:
    def test_the_registry_names_each_class_once(self):
        assert {name: kind.name for name, kind in GENERATORS.items()} == {name: name for name in GENERATORS}
        assert {type(example) for example in EXAMPLES} == set(GENERATORS.values())

    @pytest.mark.parametrize("example", EXAMPLES, ids=Generator.describe)
    def test_edges_are_distinct_and_no_self_loops(self, example):
        edges = edges_of(example)
        assert len(set(edges)) == len(edges)
        assert all(source != target for source, target in edges)
        assert all(0 <= agent < example.agents for edge in edges for agent in edge)

    @pytest.mark.parametrize("example", EXAMPLES, ids=Generator.describe)
    def test_the_edge_list_keeps_its_contract(self, example):
        edges = example.generate()
        assert edges.source.dtype == edges.target.dtype == np.int32
        assert edges.agent_ids.to_pylist() == list(range(example.agents))
        assert str(edges.agent_ids.type) == "int64"
        assert edges.rows_read == len(edges.source) == len(edges.target)
        assert edges.edge_attributes.num_columns == edges.malformed.num_rows == 0
        assert edges.description == example.describe()
        assert edges.description.startswith(f"{example.name}(agents={example.agents}, random_seed=0")

    @pytest.mark.parametrize("example", EXAMPLES, ids=Generator.describe)
    def test_equal_parameters_give_equal_edges(self, example):
        assert edges_of(example) == edges_of(example.model_copy())

    @pytest.mark.parametrize(
        "example", [example for example in EXAMPLES if example.agents > 70], ids=Generator.describe
    )
    def test_other_random_seeds_give_other_edges(self, example):
        networks = {
            tuple(sorted(edges_of(example.model_copy(update={"random_seed": seed})))) for seed in (0, 1, 2**63 - 1)
        }
        assert len(networks) == 3

    @pytest.mark.parametrize("example", UNDIRECTED, ids=Generator.describe)
    def test_undirected_links_are_adjacent_edges_in_both_directions(self, example):
        edges = example.generate()
        assert np.array_equal(edges.source[0::2], edges.target[1::2])
        assert np.array_equal(edges.source[1::2], edges.target[0::2])

    @pytest.mark.parametrize("example", EXAMPLES, ids=Generator.describe)
    def test_smaller_ranges_give_the_same_edges(self, example, monkeypatch):
        whole = edges_of(example)
        for module, size in [
            (rmat, "SAMPLES_PER_RANGE"),
            (erdos_renyi, "EDGES_PER_RANGE"),
            (planted_communities, "LINKS_PER_RANGE"),
            (preferential_attachment, "LINKS_PER_RANGE"),
            (watts_strogatz, "LINKS_PER_RANGE"),
            (complete, "AGENTS_PER_RANGE"),
        ]:
            monkeypatch.setattr(module, size, 7)
        assert edges_of(example) == whole

    @pytest.mark.parametrize("example", EXAMPLES, ids=Generator.describe)
    def test_progress_rises_to_its_total(self, example):
        heard = []
        edges = example.generate(lambda stage, done, total: heard.append((stage, done, total)))
        if len(edges):
            assert {stage for stage, _, _ in heard} <= {"generating edges", "generating links"}
            assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)
            assert heard[-1][1] == heard[-1][2] == len(edges) // (2 if example in UNDIRECTED else 1)

    def test_every_kernel_has_one_signature(self):
        for example in EXAMPLES:
            example.generate()
        kernels = {
            f"{name}.{attribute}": kernel
            for name, module in sys.modules.items()
            if name.startswith("data.generators")
            for attribute, kernel in vars(module).items()
            if isinstance(kernel, CPUDispatcher)
        }
        # A kernel that only other kernels call has none when those come from the cache.
        signatures = {name: len(kernel.signatures) for name, kernel in kernels.items()}
        assert len(signatures) > 10
        assert max(signatures.values()) == 1, signatures

    @pytest.mark.parametrize(
        ("name", "parameters", "message"),
        [
            ("complete", {"agents": 1}, "agents\n.*greater than or equal to 2.*input_value=1"),
            ("complete", {"agents": 2**31}, "agents\n.*2147483647.*input_value=2147483648"),
            ("complete", {"agents": 10_001}, "10,001 agents would make 100,010,000 edges; .* at most 10,000 .*: use"),
            ("complete", {"agents": 5, "random_seed": -1}, "random_seed\n.*greater than or equal to 0"),
            ("complete", {"agents": 5, "random_seed": 2**63}, "random_seed\n.*less than 9223372036854775808"),
            ("complete", {"agents": 5, "colour": "red"}, "colour\n.*not permitted"),
            ("rmat", {"agents": 10}, "edges\n.*required"),
            ("rmat", {"agents": 10, "edges": 0}, "edges\n.*greater than or equal to 1"),
            ("rmat", {"agents": 10, "edges": 46}, "edges=46 is more than 45, half of the pairs of 10 agents; .*: ask"),
            ("rmat", {"agents": 10, "edges": 5, "a": -0.1}, "a\n.*greater than or equal to 0"),
            ("rmat", {"agents": 10, "edges": 5, "b": float("nan")}, "b\n.*finite"),
            ("rmat", {"agents": 10, "edges": 5, "c": 0.3}, "a=0.57, b=0.19 and c=0.3 add up to 1.06; .*: lower"),
            ("erdos_renyi", {"agents": 10}, "edges=None and probability=None: exactly one"),
            ("erdos_renyi", {"agents": 10, "edges": 5, "probability": 0.5}, "edges=5 and probability=0.5: exactly one"),
            ("erdos_renyi", {"agents": 10, "edges": 91}, "edges=91 is more than the 90 pairs of 10 agents; ask"),
            ("erdos_renyi", {"agents": 10, "probability": 1.5}, "probability\n.*less than or equal to 1"),
            ("erdos_renyi", {"agents": 10, "probability": float("nan")}, "probability\n.*finite"),
            ("preferential_attachment", {"agents": 5, "links_per_agent": 0}, "links_per_agent\n.*equal to 1"),
            ("preferential_attachment", {"agents": 5}, "links_per_agent=5 needs more than 5 agents, since.*; ask"),
            ("watts_strogatz", {"agents": 10, "degree": 3}, "degree=3 is odd; .*: use an even"),
            ("watts_strogatz", {"agents": 10, "degree": 10}, "degree=10 needs more than 10 agents; ask"),
            ("watts_strogatz", {"agents": 10, "degree": 0}, "degree\n.*equal to 2"),
            ("watts_strogatz", {"agents": 11, "rewiring": 1.01}, "rewiring\n.*less than or equal to 1"),
            ("planted_communities", {"agents": 10}, "communities\n.*required"),
            (
                "planted_communities",
                {"agents": 10, "communities": 11},
                "communities=11 is more than the 10 agents; each",
            ),
            (
                "planted_communities",
                {"agents": 10, "communities": 5},
                "mean_degree_within=8 is more than the 1 that 10 agents in 5 communities can have; ask",
            ),
            (
                "planted_communities",
                {"agents": 9, "communities": 1},
                "mean_degree_between=2 is more than the 0 that 9 agents in 1 communities can have; ask",
            ),
            ("planted_communities", {"agents": 10, "communities": 1, "mean_degree_within": -1}, "within\n.*equal to 0"),
        ],
    )
    def test_bad_parameters_are_refused_with_value_and_rule(self, name, parameters, message):
        with pytest.raises(ValidationError, match=f"(?s){message}"):
            GENERATORS[name](**parameters)

    @pytest.mark.parametrize("example", EXAMPLES[:1])
    def test_parameters_are_frozen(self, example):
        with pytest.raises(ValidationError, match="frozen"):
            example.agents = 3

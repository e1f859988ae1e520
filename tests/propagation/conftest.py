"""Networks of a few edges or of real ones, and jobs whose plan and shape a test chooses."""

import dataclasses
import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from numba.core.registry import CPUDispatcher

from data import Network, Warehouse
from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList, ImportOptions
from data.networks.imports import publish_edges
from data.warehouse.tables import table_specification
from propagation import engine
from propagation.kernels import bit_packed_cascades as words
from propagation.kernels import cascades, messages, partitions, rules, scheduled_contacts, thresholds
from propagation.kernels import epidemic_schedule as schedule_kernels
from propagation.kernels import partitioned_thresholds as sums
from propagation.result import TABLE_OF_RECORD, Result
from propagation.sessions import RECORDS, Session
from tests.reference.small_networks import SmallNetwork, attributes_of


@pytest.fixture(scope="session", autouse=True)
def every_kernel_is_compiled_once() -> Iterator[None]:
    """Check, once all tests of the package have run, that none of them made Numba compile a kernel a second time."""
    yield
    files = (schedule_kernels, cascades, scheduled_contacts, messages, partitions, rules, sums, thresholds, words)
    everything = {name: kernel for file in files for name, kernel in vars(file).items()}
    kernels = {name: kernel for name, kernel in everything.items() if isinstance(kernel, CPUDispatcher)}
    compiled = {name: kernel for name, kernel in kernels.items() if "forceinline" not in kernel.targetoptions}
    assert {name: kernel.signatures for name, kernel in compiled.items() if len(kernel.signatures) > 1} == {}


@pytest.fixture(scope="session")
def new_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Warehouse]:
    """Make an empty warehouse in a folder of its own."""
    folder, numbers = tmp_path_factory.mktemp("warehouses"), itertools.count()
    return lambda: Warehouse(folder / str(next(numbers)))


@pytest.fixture(scope="session")
def publish(new_warehouse: Callable[[], Warehouse]) -> Callable[..., Network]:
    """Publish edges between agents 0 to n - 1 as a network; `probabilities` become its probability column ``p``.

    `attributes` and `agent_attributes` are further columns, of which `strength` names the one that is the strength.
    """

    def publish(
        edges: Sequence[tuple[int, int]],
        n_agents: int,
        probabilities: Sequence[float] | None = None,
        *,
        partitions: int | None = None,
        warehouse: Warehouse | None = None,
        name: str = "network",
        attributes: dict[str, Any] | None = None,
        agent_attributes: dict[str, Any] | None = None,
        strength: str | None = None,
    ) -> Network:
        columns = {} if probabilities is None else {"p": pa.array(map(float, probabilities), pa.float64())}
        edge_list = EdgeList(
            source=pa.array([src for src, _ in edges], pa.int32()).to_numpy(),
            target=pa.array([dst for _, dst in edges], pa.int32()).to_numpy(),
            agent_ids=pa.array(range(n_agents), pa.int64()),
            edge_attributes=pa.table({**(attributes or {}), **columns}),
            malformed=MALFORMED_SCHEMA.empty_table(),
            rows_read=len(edges),
            description="edges of a test",
            agent_attributes=None if agent_attributes is None else pa.table(agent_attributes),
            strength=strength,
            probability=None if probabilities is None else "p",
        )
        options = ImportOptions(partitions=partitions)
        return publish_edges(warehouse or new_warehouse(), name, edge_list, options, {})

    return publish


@pytest.fixture(scope="session")
def publish_small(publish: Callable[..., Network]) -> Callable[..., Network]:
    """Publish a `SmallNetwork`."""

    def publish_small(small: SmallNetwork, **options: Any) -> Network:
        return publish(small.edges, small.n_agents, small.probabilities, **options)

    return publish_small


@pytest.fixture(scope="session")
def publish_whole(publish: Callable[..., Network]) -> Callable[..., Network]:
    """Publish a `SmallNetwork` with the columns of `attributes_of`; the same one is published once."""

    @functools.cache
    def publish_whole(small: SmallNetwork, number: int = 0, **options: Any) -> Network:
        made = attributes_of(small, number)
        return publish(
            small.edges,
            small.n_agents,
            small.probabilities,
            attributes={name: pa.array(values, pa.float64()) for name, values in made.edges.items()},
            agent_attributes={name: pa.array(values, pa.float64()) for name, values in made.agents.items()},
            strength="thin",
            **options,
        )

    return publish_whole


@pytest.fixture(scope="session")
def real_network(shared_data: Path, new_warehouse: Callable[[], Warehouse]) -> Callable[..., Network]:
    """Import one of the real networks by its path below ``networks/``; the same import is made once."""
    known: dict[Any, Network] = {}

    def real_network(path: str, **options: Any) -> Network:
        key = (path, tuple(sorted(options.items())))
        if key not in known:
            known[key] = new_warehouse().import_network("real", shared_data / "networks" / path, **options)
        return known[key]

    return real_network


@pytest.fixture(scope="session")
def out_neighbours() -> Callable[[Network], dict[int, list[int]]]:
    """Return a network's edges, as published, by dense id."""

    def out_neighbours(network: Network) -> dict[int, list[int]]:
        rows = network.warehouse.read("network_edges", [network.key], ["src", "dst"]).to_pydict()
        found = defaultdict(list)
        for src, dst in zip(rows["src"], rows["dst"], strict=True):
            found[src].append(dst)
        return dict(found)

    return out_neighbours


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Run one session, unpublished, in a plan, shape and number of batches that the test chooses."""

    def run(
        session: Session,
        network: Network,
        plan: str = "broadcast",
        shape: str | None = None,
        batches: int | None = None,
        client: Any = None,
    ) -> Result:
        made = engine.plan_job(network, [session], plan=plan, client=client)
        made = dataclasses.replace(
            made,
            sessions=tuple(dataclasses.replace(s, shape=shape or s.shape) for s in made.sessions),
            batches=batches or made.batches,
            threads=3 if shape == "shared" else made.threads,
        )
        return engine.run_job(network, [session], made, client=client, publish=False).results[session.session_id]

    return run


@pytest.fixture(scope="session")
def ordered() -> Callable[[Result, str], pd.DataFrame]:
    """Return a session's rows of one table, ordered by its key."""

    def ordered(result: Result, table: str) -> pd.DataFrame:
        return _in_key_order(result, table).to_pandas(types_mapper=pd.ArrowDtype)

    return ordered


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field


@pytest.fixture(scope="session")
def assert_same_rows(ordered: Callable[[Result, str], pd.DataFrame]) -> Callable[[Result, Result], None]:
    """Compare all tables of two results of one session, as sets ordered by key, exactly."""

    def assert_same_rows(one: Result, other: Result) -> None:
        assert one.session_id == other.session_id
        for detail in RECORDS[: RECORDS.index(one.session["record"]) + 1]:
            for table in TABLE_OF_RECORD[detail]:
                if not _in_key_order(one, table).equals(_in_key_order(other, table)):  # frames tell the difference
                    pd.testing.assert_frame_equal(
                        ordered(one, table), ordered(other, table), check_exact=True, obj=table
                    )
        different = {"plan", "plan_reason", "estimated_seconds", "estimated_bytes", "job_seconds", "job_lanes"}
        different |= {"peak_bytes"}
        different |= {"started_at", "completed_at"}
        for column in one.session.keys() - different:
            assert one.session[column] == other.session[column], column

    return assert_same_rows


def _in_key_order(result: Result, table: str) -> pa.Table:
    """Return a session's rows of one table, ordered by its key, with plain strings."""
    specification = table_specification(table)
    rows = result.table(table)
    assert rows.schema.names == specification.schema.names
    plain = rows.cast(pa.schema([_plain(field) for field in rows.schema]))
    return plain.sort_by([(name, "ascending") for name in specification.key])


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field

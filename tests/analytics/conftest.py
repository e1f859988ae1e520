"""A small network, results of it with numbers of our choice, and campaigns that were really run."""

import io
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from data.facade import Warehouse
from data.networks.network import Network
from propagation import Result, simulate
from propagation.lane_counts import AgentReach, Lanes
from propagation.models import IndependentCascade
from propagation.result import MemoryTables, cascade_rows
from propagation.seeding import DegreeDiscount, RandomSeeds, SeedStrategy, TopOutDegree
from propagation.sessions import Session
from tests.analytics.published import STARTED, PublishedCampaign, publish

MadeResult = Callable[..., Result]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """300 agents, heavy-tailed, in a warehouse of their own."""
    warehouse = Warehouse(tmp_path_factory.mktemp("analytics") / "warehouse")
    return warehouse.generate_network("small", "rmat", agents=300, edges=2_000, random_seed=3)


@pytest.fixture(scope="session")
def make_result(network: Network) -> MadeResult:
    """Make a result of which each replicate activated as many agents by round as given."""

    def make(counts: Sequence[Sequence[int]], **changed: Any) -> Result:
        seeds = counts[0][0]
        session = Session(
            network_id=network.network_id,
            snapshot_id=network.snapshot_id,
            model=IndependentCascade(probability=0.25),
            seeds=tuple(range(seeds)),
            seed_agents=tuple(map(str, range(seeds))),
            seed_strategy="top_out_degree",
            replicates=len(counts),
            random_seed=changed.get("random_seed", 0),
            max_rounds=100,
            record="rounds",
        )
        lanes = Lanes.of_cascades(
            np.array([len(replicate) for replicate in counts]),
            np.array([count for replicate in counts for count in replicate], np.int32),
            np.zeros(len(counts), bool),
            session.max_rounds,
        )
        cascades = cascade_rows([session], [lanes])
        nobody = AgentReach(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))
        return Result(
            {**_session_row(session, cascades["size"].to_numpy()), **changed},
            network,
            MemoryTables(session, lanes, nobody, {}),
        )

    return make


def _session_row(session: Session, sizes: np.ndarray) -> dict[str, Any]:
    error = float(sizes.std(ddof=1) / len(sizes) ** 0.5) if len(sizes) > 1 else None
    return {
        "session_id": session.session_id,
        "propagation_model": session.model.name,
        "model_parameters": json.dumps(session.model.resolved_parameters),
        "seed_strategy": session.seed_strategy,
        "seed_agents": list(session.seed_agents),
        "replicates": session.replicates,
        "random_seed": session.random_seed,
        "max_rounds": session.max_rounds,
        "record": session.record,
        "stopped_because": "died_out",
        "truncated_replicates": 0,
        "rounds": 7,
        "total_influenced": float(sizes.mean()),
        "total_influenced_standard_error": error,
        "plan": "broadcast",
        "plan_reason": "the edges fit",
        "estimated_seconds": 0.5,
        "estimated_bytes": 12_000_000,
        "job_seconds": 0.75,
        "job_lanes": 1_234,
        "started_at": STARTED,
    }


@pytest.fixture
def compared(make_result: MadeResult) -> dict[str, Result]:
    """Three sessions of 50 replicates: one far behind, two close together."""
    draws = np.random.default_rng(11)
    least = np.array([10, 1, 1])
    hubs = draws.poisson([0.0, 60.0, 40.0], (50, 3)) + least
    close = hubs + draws.integers(-1, 2, hubs.shape) * np.array([0, 1, 1])
    few = draws.poisson([0.0, 2.0, 1.0], (50, 3)) + least
    return {name: make_result(counts.tolist()) for name, counts in {"few": few, "hubs": hubs, "close": close}.items()}


@pytest.fixture(scope="session")
def campaigns(network: Network) -> tuple[PublishedCampaign, PublishedCampaign]:
    """Two campaigns in one warehouse that share a session; the second is the later one."""
    strategies: dict[str, SeedStrategy] = {
        "random": RandomSeeds(budget=3),
        "top out-degree": TopOutDegree(budget=3),
        "degree discount": DegreeDiscount(budget=3),
    }
    results = {
        name: simulate(network, IndependentCascade(probability=0.05), seed_set=strategy, replicates=40)
        for name, strategy in strategies.items()
    }
    both = []
    chosen = (list(results), ["random"])
    for number, names in enumerate(chosen):
        shared = {name: results[name] for name in names}
        both.append(publish(network.warehouse, f"campaign-{number}", shared, hours=number))
    return both[0], both[1]


@pytest.fixture(scope="session")
def assert_readable() -> Callable[[Figure], None]:
    """Assert that every text of a figure lies inside it and that no two overlap."""

    def check(figure: Figure) -> None:
        figure.savefig(io.BytesIO())
        boxes = [(text.get_text(), text.get_window_extent()) for ax in figure.axes for text in _texts(ax)]
        for name, box in boxes:
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
            assert inside, f"{name!r} is cut"
        for (name, box), (other, another) in itertools.combinations(boxes, 2):
            assert not box.padded(-1).overlaps(another.padded(-1)), f"{name!r} lies over {other!r}"

    return check


def _texts(ax: Axes) -> list[Text]:
    """All texts of axes that are drawn."""
    legend = ax.get_legend()
    ticks = [tick.label1 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks()]
    own = [*ax.texts, ax._left_title, ax.xaxis.label, ax.yaxis.label, *(legend.get_texts() if legend else [])]
    return [text for text in (*own, *ticks) if text.get_text().strip()]

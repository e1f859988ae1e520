"""The metrics of a network: computed or read from the warehouse, as an object that shows and draws itself."""

import logging
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency
from analytics.structure.metrics import Metric, Values, chosen_metrics
from analytics.structure.published_metrics import publish_metrics, read_metrics
from analytics.structure_on_partitions.choice import StructurePlan, plan_structure
from analytics.structure_on_partitions.metrics import ON_PARTITIONS
from data.cards import card
from data.errors import InsufficientMemoryError, InvalidInputError
from data.networks.network import Network
from data.progress import Progress, shown
from data.quantities import readable_bytes
from data.warehouse.tables import table_specification
from propagation.clusters import machine_memory
from propagation.intervals import number_with_interval

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client
    from matplotlib.figure import Figure

LEIDEN_BYTES_PER_EDGE = 300
"""Memory per edge that communities take: igraph has a graph of its own."""
SHOWN = ("node_count", "edge_count", "average_degree", "clustering_coefficient", "average_path_length", "modularity")
"""What a card shows, if it is known."""
UNLIKELY = 0.1
"""p-value below which one law is said to fit better than another (Clauset, Shalizi, Newman 2009)."""
logger = logging.getLogger(__name__)


class NetworkMetrics:
    """Metrics of a network's structure.

    Attributes
    ----------
    network : Network
    values : mapping
        Columns of the table `network_metrics`; None where a value is not defined.
    computed, recalled : tuple of str
        Metrics that this call computed, and those that it read from the warehouse.
    """

    def __init__(
        self, network: Network, values: Values, computed: tuple[str, ...] = (), recalled: tuple[str, ...] = ()
    ) -> None:
        self.network = network
        self.values: Mapping[str, Any] = values.of_network
        self.computed, self.recalled = computed, recalled
        self._of_agents = values.of_agents

    def __getitem__(self, name: str) -> Any:
        """Return a column: a number of the network, or an array of one value per agent by dense id."""
        known = {**self.values, **self._of_agents}
        if name not in known:
            raise KeyError(f"no {name!r} among the metrics that were asked for; there are {', '.join(known)}")
        return known[name]

    def __repr__(self) -> str:
        metrics = ", ".join((*self.computed, *self.recalled))
        return f"NetworkMetrics({self.network.network_id!r}: {metrics})"

    def _repr_html_(self) -> str:
        facts = {row["metric"].replace("_", " "): row["text"] for row in self.rows() if row["metric"] in SHOWN}
        if self.recalled:
            facts["read from the warehouse"] = ", ".join(self.recalled)
        return card(
            f"Structure of {self.network.network_id}", facts, ["metrics.table", "metrics.agents", "metrics.plot()"]
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per number of the network: metric, value, ends of its 95 % interval, and all of it as text."""
        found = []
        for name, value in self.values.items():
            if isinstance(value, list) or name.endswith(("_low", "_high")):
                continue
            low, high = (self.values.get(f"{name}_{end}") for end in ("low", "high"))
            text = _text(value) if high is None else number_with_interval(value, high - value)
            if name == "power_law_exponent" and (better := self._better_than_power_law()):
                verb = "fits" if len(better) == 1 else "fit"
                text += f" (no power law: {' and '.join(better)} {verb} better)"
            if name == "betweenness_standard_error" and value == 0:
                text += " (exact)"
            found.append({"metric": name, "value": value, "value_low": low, "value_high": high, "text": text})
        return found

    def _better_than_power_law(self) -> list[str]:
        """Return the alternatives that fit the tail of degrees better, beyond what chance explains (Vuong's test)."""
        ratios = {name: self.values.get(f"{name}_ratio") for name in ("lognormal", "exponential")}
        return [
            name
            for name, ratio in ratios.items()
            if ratio is not None and ratio < 0 and self.values[f"{name}_p_value"] < UNLIKELY
        ]

    @property
    def table(self) -> "pd.DataFrame":
        """One row per number of the network: metric, value, and its 95 % interval where it was sampled."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["metric", "value", "value_low", "value_high"]).set_index("metric")

    @cached_property
    def agents(self) -> "pd.DataFrame":
        """One row per agent by dense id: agent_id, and columns of the table `agent_metrics`."""
        import pandas as pd

        ids = self.network.agent_ids.drop_null().to_pandas()
        frame = pd.DataFrame({"agent_id": ids, **self._of_agents})
        return frame.set_index(pd.Index(self.network.dense_agents, name="agent"))

    @property
    def agent_values(self) -> Mapping[str, npt.NDArray[Any]]:
        """Columns of the table `agent_metrics`, (n_agents,) arrays by dense id."""
        return self._of_agents

    def plot(self) -> "Figure":
        """Draw degrees, distances, cores and communities, a panel for each that was asked for.

        Raises
        ------
        InvalidInputError
            If none of these was asked for.
        """
        from analytics.structure.pictures import structure_figure

        return structure_figure(self.network.network_id, self.values, self._of_agents)


def metrics(
    network: Network,
    names: Iterable[str] | None = None,
    *,
    partitions: int | None = None,
    client: "Client | None" = None,
    publish: bool = True,
    progress: Progress | None = None,
) -> NetworkMetrics:
    """Return metrics of a network's structure, computed unless they are in the warehouse.

    What earlier calls have published for a snapshot of the same content is read; what is missing is computed, and added
    to the tables `network_metrics` and `agent_metrics` in one publication. Each function of `analytics.structure` says
    whether a kernel of Rumormill or a library computes it, and beyond which size it samples or refuses.

    Parameters
    ----------
    network : Network
    names : iterable of str, optional
        Names of `analytics.structure.metrics.METRICS`, or columns of the table `agent_metrics`. Default: all; without
        Leiden communities and betweenness, which are slow, if the network has more than 2 million edges; on partitions
        without those that need the whole network in memory.
    partitions : int, optional
        Compute on so many partitions of the agents (`analytics.structure_on_partitions`); the values are the same for
        any number. Default: in memory, if the network fits.
    client : distributed.Client, optional
        Cluster whose workers compute on partitions.
    publish : bool
        Whether to publish what is computed; what is published already is read in any case. Nothing is added to a past
        state of a warehouse. The functions of `analytics.structure` always compute.
    progress : Progress, optional
        Default: bars in terminals and notebooks, after two seconds.

    Returns
    -------
    NetworkMetrics
        The metrics that were asked for.

    Raises
    ------
    InsufficientMemoryError
        If the network does not fit in memory, and a metric that was named cannot be computed on partitions.
    InvalidInputError
        If there is no metric of a name, or the network is too large for one that was named, or it cannot be computed on
        partitions.
    ClusterLostError
        If a worker of the cluster is lost.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "cy"], "target": ["bob", "cy", "ann"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> found = metrics(network, ["triangles", "pagerank"])
    >>> found["clustering_coefficient"], found["pagerank"].round(3).tolist()
    (1.0, [0.333, 0.333, 0.333])
    >>> metrics(network, ["triangles"]).recalled
    ('triangles',)
    """
    if not isinstance(network, Network):
        raise InvalidInputError(f"network {network!r} is not a network; give one, such as warehouse.network(NAME)")
    if partitions is not None and (
        isinstance(partitions, bool) or not isinstance(partitions, int | np.integer) or partitions < 1
    ):
        raise InvalidInputError(f"partitions {partitions!r} is not a whole number of at least 1")
    chosen = chosen_metrics(network, names)
    known = read_metrics(network)
    missing = [metric for metric in chosen if metric.name not in known.names]
    values = Values(dict(known.values.of_network), dict(known.values.of_agents))
    if missing:
        plan = plan_structure(network, partitions=partitions, client=client)
        if plan.partitions is not None:
            missing = _on_partitions(network, missing, plan, named=names is not None)
        elif any(metric.name == "communities" for metric in missing):
            _check_leiden_fits(network)
        with shown(progress) as watched:
            computed = _computed(network, missing, plan, client, watched)
        values.of_network.update(computed.of_network)
        values.of_agents.update(computed.of_agents)
        if publish and network.warehouse.limit is None:
            publish_metrics(network, [metric.name for metric in missing], computed)
    done = tuple(metric.name for metric in missing)
    recalled = tuple(metric.name for metric in chosen if metric.name in known.names)
    there = [metric for metric in chosen if metric.name in {*done, *recalled}]
    return NetworkMetrics(network, _of_metrics(there, values), done, recalled)


def _on_partitions(network: Network, missing: list[Metric], plan: StructurePlan, *, named: bool) -> list[Metric]:
    """Return the metrics that can be computed on partitions; refuse to leave out any that was named."""
    possible = [metric for metric in missing if metric.name in ON_PARTITIONS]
    if len(possible) < len(missing):
        left_out = ", ".join(metric.name for metric in missing if metric.name not in ON_PARTITIONS)
        where = f"network {network.network_id!r} is computed {plan.reason}"
        if named:
            refused = InvalidInputError if plan.asked_for else InsufficientMemoryError
            raise refused(
                f"{left_out}: need the whole network in memory, but {where}; metrics on partitions are "
                f"{', '.join(ON_PARTITIONS)}"
            )
        logger.warning("left out, because they need the whole network in memory: %s (%s)", left_out, where)
    return possible


def _check_leiden_fits(network: Network) -> None:
    """Raise InsufficientMemoryError if igraph's graph of a network does not fit in the memory that is available."""
    needed, available = LEIDEN_BYTES_PER_EDGE * network.n_edges, machine_memory()
    if needed > available:
        raise InsufficientMemoryError(
            f"communities of network {network.network_id!r} need about {readable_bytes(needed)} of memory, "
            f"{readable_bytes(available)} are available: choose other metrics, or use a machine with more memory"
        )


def _computed(
    network: Network, missing: list[Metric], plan: StructurePlan, client: "Client | None", progress: Progress
) -> Values:
    edges, found = Adjacency.of(network) if plan.partitions is None else None, Values()
    for done, metric in enumerate(missing):
        progress("computing metrics", done, len(missing))
        started = time.perf_counter()
        if edges is not None:
            values = metric.values_of(network, edges)
        else:
            assert plan.partitions is not None
            values = ON_PARTITIONS[metric.name](network, plan.partitions, client)
        logger.info("network %r: %s in %.2f s", network.network_id, metric.name, time.perf_counter() - started)
        found.of_network.update({column: values.of_network.get(column) for column in metric.network_columns})
        found.of_agents.update(values.of_agents)
    progress("computing metrics", len(missing), len(missing))
    return found


def _of_metrics(chosen: list[Metric], values: Values) -> Values:
    """Return the values of some metrics, in the order of their tables' columns."""
    rows, agents = (table_specification(table).schema.names for table in ("network_metrics", "agent_metrics"))
    wanted_rows = {column for metric in chosen for column in metric.network_columns}
    wanted_agents = {column for metric in chosen for column in metric.agent_columns}
    return Values(
        {name: values.of_network[name] for name in rows if name in wanted_rows},
        {name: values.of_agents[name] for name in agents if name in wanted_agents},
    )


def _text(value: Any) -> str:
    """Return an exact number as text."""
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"

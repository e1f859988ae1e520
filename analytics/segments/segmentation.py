"""Segmentations: agents grouped by what they are like, published as tables and as a column of the agents."""

import datetime as dt
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.segments.clustering import Clustering, cluster
from analytics.segments.description import Description, describe
from analytics.segments.features import Features, agent_features, default_features, transformed
from data.cascades.observed_cascades import ObservedCascades
from data.errors import AlreadyPublishedError, InvalidInputError
from data.networks.agent_columns import KEY, MEASURED, attribute_names
from data.networks.network import Network
from data.networks.segmentations import NAMES, current_segmentations, make_current, staged_current
from data.validation import checked_name
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import segmentation_key
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL
from propagation.result import Result
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TABLES = ("segments", "segment_traits", "agent_segments")
MOST_SEGMENTS = 8
"""Largest number of segments that is tried."""
FEWEST_AGENTS = 10
VERSION = 1
"""Of the rules by which agents are segmented; part of a segmentation's identity."""


@dataclass(frozen=True)
class Segmentation:
    """Agents of a network in segments.

    Attributes
    ----------
    network : Network
    row : mapping
        Its row of the table `segmentations`.
    tables : mapping
        Its rows of the other tables of `TABLES`.
    recalled : bool
        Whether it was in the warehouse before.
    """

    network: Network
    row: Mapping[str, Any]
    tables: Mapping[str, pa.Table]
    recalled: bool

    def __repr__(self) -> str:
        return (
            f"Segmentation({self.row['segmentation']!r} of {self.network.network_id!r}, "
            f"{self.tables['segments'].num_rows} segments by {len(self.row['features'])} features; see .segments)"
        )

    def _repr_html_(self) -> str:
        return f"<b>{self!r}</b>{self.segments.to_html(index=False)}"

    @functools.cached_property
    def segments(self) -> "pd.DataFrame":
        """One row per segment, the largest first: segment, segment_name, agents, share, traits."""
        return self._frame("segments")

    @functools.cached_property
    def traits(self) -> "pd.DataFrame":
        """One row per segment and feature: segment, feature, feature_mean, feature_median, z_score, stands_out."""
        return self._frame("segment_traits")

    @functools.cached_property
    def agents(self) -> "pd.DataFrame":
        """One row per agent: agent_id, segment, segment_name."""
        rows = self.tables["agent_segments"]
        names = pa.array([None, *self.tables["segments"]["segment_name"].to_pylist()])
        return pandas_frame(
            pa.table(
                {
                    "agent_id": self.network.agent_ids.take(rows["agent"].combine_chunks()),
                    "segment": rows["segment"],
                    "segment_name": names.take(rows["segment"].combine_chunks()),
                }
            )
        )

    @property
    def silhouettes(self) -> "pd.DataFrame":
        """One row per number of segments that was tried: segments, silhouette."""
        import pandas as pd

        return pd.DataFrame({"segments": self.row["segment_counts"], "silhouette": self.row["silhouettes"]})

    @property
    def sentence(self) -> str:
        """What the agents were grouped by, and why into so many segments."""
        row, count = self.row, self.tables["segments"].num_rows
        why = (
            f"the largest number whose silhouette is close to the best of {row['segment_counts'][0]} to "
            f"{row['segment_counts'][-1]}"
            if row["chosen_by"] == "silhouette"
            else "as requested"
        )
        if row["chosen_by"] == "silhouette" and len(row["segment_counts"]) == 1:
            why = "the only number that was tried"
        return (
            f"{row['agents']:,} agents in {count} segments, {why}; mean silhouette {row['silhouette']:.3f} of "
            f"{row['silhouette_agents']:,} agents"
        )

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "Figure":
        """Draw the silhouettes by number of segments, and the segments' traits as a heat map.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Where to draw; default: a new figure.
        """
        from analytics.segments.picture import segmentation_figure

        return segmentation_figure(self, axes)

    def _frame(self, table: str) -> "pd.DataFrame":
        return pandas_frame(self.tables[table].drop_columns(["snapshot_id", "segmentation_id"]))


def segment(
    network: Network,
    features: Sequence[str] | None = None,
    *,
    session: Result | None = None,
    cascades: ObservedCascades | None = None,
    segments: int | None = None,
    most: int | None = None,
    name: str = "segment",
    random_seed: int = 0,
    publish: bool = True,
) -> Segmentation:
    """Group a network's agents by structure and behaviour, and describe the groups by their traits.

    k-means by dask-ml over all agents, with the number of segments chosen by silhouettes on a sample: see
    `analytics.segments.clustering.cluster`. Features are seen on scales described in
    `analytics.segments.features.transformed`; they are held in memory, some 40 bytes per agent and feature. Segments
    are the same for any number of partitions and threads.

    The segments are then a column of the agents, called `name` (numbers) and `name` followed by ``_name`` (their
    names): for communities, crossings and comparisons by group, seeds within a segment, and reports.

    Parameters
    ----------
    network : Network
    features : sequence of str, optional
        Numeric attributes of the agents, columns of `agent_metrics`; with `session`: ``reach_probability`` and
        ``mean_round``; with `cascades`: ``cascades`` (taken part in), ``cascades_started``, ``mean_position`` (0: the
        first agent of a cascade, 1: the last), ``activated`` (agents per cascade). Default: degrees, PageRank, core
        number, clustering, and all of the session and the cascades.
    session : Result, optional
        Session on this network that recorded at least ``reach``.
    cascades : ObservedCascades, optional
        Cascades that these agents took part in.
    segments : int, optional
        Number of segments; default: chosen by silhouettes.
    most : int, optional
        Largest number of segments that is tried, if `segments` is not given; default: `MOST_SEGMENTS`. Agents of fewer
        kinds are in fewer segments.
    name : str
        Name of the segmentation, and of the agents' column. Of several segmentations of one name, the one that was
        requested last is the column.
    random_seed : int
        Of the samples, in [0, 2**63).
    publish : bool
        Publish in the network's warehouse, or load the segmentation if it is published; either makes it the column.

    Returns
    -------
    Segmentation

    Raises
    ------
    InvalidInputError
        If there is no such feature, no feature tells agents apart, or a value breaks its rule.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM. Rousseeuw (1987), Silhouettes.

    Examples
    --------
    >>> import tempfile
    >>> from data import Warehouse
    >>> network = Warehouse(tempfile.mkdtemp()).generate_network("town", "preferential_attachment", agents=300)
    >>> found = segment(network, ["in_degree", "core_number"], segments=2)
    >>> found.segments["agents"].sum()
    np.int64(300)
    """
    counts = _checked(network, segments, most, name, random_seed)
    asked = tuple(dict.fromkeys(default_features(session, cascades) if features is None else features))
    if isinstance(features, str) or not asked:
        raise InvalidInputError("no features are named; give a list of at least one, such as out_degree")
    specification = {
        "snapshot_id": network.snapshot_id,
        "name": name,
        "features": asked,
        "session": None if session is None else session.session_id,
        "cascades": None if cascades is None else cascades.cascade_set_id,
        "counts": counts,
        "random_seed": int(random_seed),
        "version": VERSION,
    }
    segmentation_id = derived_uuid("segmentation", json.dumps(specification, sort_keys=True))
    if publish and (there := _recalled(network, segmentation_id)) is not None:
        return there
    found = transformed(agent_features(network, asked, session, cascades))
    groups = cluster(found.values, counts, random_seed, capped=segments is None)
    row = {
        "snapshot_id": network.snapshot_id,
        "segmentation_id": segmentation_id,
        "segmentation": name,
        "network_id": network.network_id,
        "agents": network.n_agents,
        "features": list(found.names),
        "transforms": list(found.transforms),
        "left_out": list(found.left_out),
        "notes": [*found.notes, *_few_kinds(groups, counts)],
        "session_id": specification["session"],
        "cascade_set": None if cascades is None else cascades.name,
        "segment_counts": list(groups.counts),
        "silhouettes": list(groups.silhouettes),
        "silhouette": groups.silhouette,
        "silhouette_agents": groups.judged,
        "chosen_by": "silhouette" if segments is None else "request",
        "iterations": groups.iterations,
        "random_seed": int(random_seed),
        "segmented_at": dt.datetime.now(dt.UTC),
    }
    undirected = any("in_degree" in reason for reason in found.left_out if reason.startswith("out_degree"))
    described = describe(found, groups, undirected=undirected)
    result = Segmentation(network, row, _tables(network, row, found, groups, described), recalled=False)
    return _published(result) if publish else result


def _checked(network: Network, segments: int | None, most: int | None, name: str, random_seed: int) -> list[int]:
    """Return the numbers of segments to try, if all values are valid."""
    _check_name(network, name)
    if network.n_agents < FEWEST_AGENTS:
        raise InvalidInputError(
            f"network {network.network_id!r} has {network.n_agents} agents; segments need at least {FEWEST_AGENTS}"
        )
    if segments is not None and most is not None:
        raise InvalidInputError(
            f"segments {segments!r} and most {most!r} are both given; leave out one: most bounds the numbers that are "
            "tried, and segments is the number itself"
        )
    for what, value in (("segments", segments), ("most", most)):
        if value is not None and not (_is_whole(value) and 2 <= value < network.n_agents):
            raise InvalidInputError(
                f"{what} {value!r} is not a whole number of at least 2 and below the {network.n_agents:,} agents"
            )
    if not (_is_whole(random_seed) and 0 <= random_seed < 2**63):
        raise InvalidInputError(f"random_seed {random_seed!r} is not a whole number from 0 to 2^63 - 1")
    largest = min(MOST_SEGMENTS if most is None else int(most), network.n_agents // 2)
    return list(range(2, largest + 1)) if segments is None else [int(segments)]


def _check_name(network: Network, name: str) -> None:
    """Raise an error unless a name and the one with `NAMES` after it can be columns of the agents."""
    checked_name(name)
    known = current_segmentations(network)
    taken = [*KEY, *attribute_names(network), *MEASURED]
    names_of_segments = [f"{each}{NAMES}" for each in known if each != name]
    for column, others in ((name, [*taken, *names_of_segments]), (f"{name}{NAMES}", [*taken, *known])):
        if column in others:
            raise InvalidInputError(
                f"name {name!r}: the agents of network {network.network_id!r} have a column {column!r} already "
                f"(columns: {', '.join([*taken, *known])}); choose another name"
            )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _few_kinds(groups: Clustering, counts: Sequence[int]) -> list[str]:
    """Return a note if fewer numbers of segments were tried than were to be."""
    if groups.counts == tuple(counts):
        return []
    return [f"more than {groups.counts[-1]} segments were not tried: only {groups.counts[-1]} kinds of agents differ"]


# -- rows -----------------------------------------------------------------------------------------------------------


def _tables(
    network: Network, row: Mapping[str, Any], features: Features, groups: Clustering, described: Description
) -> dict[str, pa.Table]:
    count, width = described.z_scores.shape
    sizes = np.bincount(groups.labels, minlength=count + 1)[1:]
    numbers = np.arange(1, count + 1)
    columns: dict[str, dict[str, Any]] = {
        "segments": {
            "segment": numbers,
            "segment_name": list(described.names),
            "agents": sizes,
            "share": sizes / network.n_agents,
            "traits": [list(each) for each in described.traits],
        },
        "segment_traits": {
            "segment": np.repeat(numbers, width),
            "feature": list(features.names) * count,
            "feature_mean": pa.array(described.means.ravel(), from_pandas=True),
            "feature_median": pa.array(described.medians.ravel(), from_pandas=True),
            "z_score": described.z_scores.ravel(),
            "stands_out": described.stands_out.ravel(),
        },
        "agent_segments": {"agent": network.dense_agents, "segment": groups.labels},
    }
    return {table: _table(table, row, given) for table, given in columns.items()}


def _table(name: str, row: Mapping[str, Any], columns: Mapping[str, Any]) -> pa.Table:
    """Return rows of a table, given all columns but those that are the same in every row."""
    schema = table_specification(name).schema
    length = len(next(iter(columns.values())))
    arrays = []
    for field in schema:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name]).cast(field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(row[field.name]), length).dictionary_encode().cast(SYMBOL))
    return pa.Table.from_arrays(arrays, schema=schema)


# -- in the warehouse -----------------------------------------------------------------------------------------------


def _recalled(network: Network, segmentation_id: str) -> Segmentation | None:
    """Return a published segmentation, which is then the current one of its name, or None."""
    key = segmentation_key(network.snapshot_id, segmentation_id)
    if not network.warehouse.published([key]):
        return None
    (row,) = network.warehouse.read("segmentations", [key]).to_pylist()
    make_current(network, row["segmentation"], segmentation_id)
    orders = {"segments": "segment", "segment_traits": "segment", "agent_segments": "agent"}
    tables = {table: network.warehouse.read(table, [key]).sort_by(column) for table, column in orders.items()}
    return Segmentation(network, row, tables, recalled=True)


def _published(segmentation: Segmentation) -> Segmentation:
    """Publish a segmentation; if another process was first, return what it has published."""
    network, row = segmentation.network, segmentation.row
    store = network.warehouse
    files = [store.stage_records("segmentations", [row])]
    files += [store.stage(table, rows) for table, rows in segmentation.tables.items()]
    files.append(staged_current(network, row["segmentation"], row["segmentation_id"]))
    key = segmentation_key(network.snapshot_id, row["segmentation_id"])
    try:
        store.commit("segmentation", [key], files, requires=[network.key])
    except AlreadyPublishedError:
        return _recalled(network, row["segmentation_id"]) or segmentation
    return segmentation

"""Features of the observed part of cascades: what forecasts are made from, and the table that holds them."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.agent_groups import agent_groups
from analytics.forecasting.feature_kernel import COLUMNS, measure
from analytics.forecasting.observation import Observation, ObservedParts
from data.cascades.observed_cascades import ObservedCascades
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.warehouse.keys import features_key
from data.warehouse.tables import table_specification
from propagation.clusters import connect
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
"""Version of what the features mean; a change makes other features, and other models."""
ACTIVATIONS_PER_PARTITION = 2_000_000
TABLE = "cascade_features"


@dataclass(frozen=True)
class Surroundings:
    """What a forecast knows besides the cascades.

    Attributes
    ----------
    network : Network or None
        Network among whose agents the cascades spread: out-degrees stand in for followers, and exposed agents are
        counted.
    grouping : str or None
        Column of its agents, or of `agent_metrics`, whose values are counted as communities.
    """

    network: Network | None = None
    grouping: str | None = None

    def check(self, cascades: ObservedCascades) -> None:
        """Refuse a network that the cascades do not belong to, and a grouping without a network.

        Raises
        ------
        InvalidInputError
            If they do not fit.
        """
        if self.network is None:
            if self.grouping is not None:
                raise InvalidInputError(
                    f"grouping {self.grouping!r} is a column of a network's agents; give the network of the cascades"
                )
        elif cascades.snapshot_id != self.network.snapshot_id:
            own = "no network" if cascades.snapshot_id is None else f"snapshot {cascades.snapshot_id}"
            raise InvalidInputError(
                f"cascades {cascades.name!r} are of {own}, not of network {self.network.network_id!r} "
                f"(snapshot {self.network.snapshot_id}); give the network that they were imported with"
            )


def observation_id(observation: Observation, around: Surroundings) -> str:
    """Return the UUID of everything that determines the features of given cascades."""
    asked = {
        "window": observation.window,
        "first": observation.first,
        "at_least": observation.at_least,
        "snapshot_id": None if around.network is None else around.network.snapshot_id,
        "grouping": around.grouping,
        "version": VERSION,
    }
    return derived_uuid("observation", json.dumps(asked, sort_keys=True))


def cascade_features(
    cascades: ObservedCascades,
    *,
    window: float | None = None,
    first: int | None = None,
    at_least: int = 1,
    network: Network | None = None,
    grouping: str | None = None,
    partitions: int | None = None,
    warehouse: Warehouse | None = None,
) -> "pd.DataFrame":
    """Return features of the observed part of each cascade: size, timing, tree, followers and communities so far.

    The features are our own, computed by a compiled loop in partitions of the cascades on Dask; values do not depend on
    the partitions. After Cheng, Adamic, Dow, Kleinberg, Leskovec: Can cascades be predicted? WWW 2014; structural
    virality as in Goel, Anderson, Hofman, Watts: The structural virality of online diffusion. Management Science 2016.

    Parameters
    ----------
    cascades : ObservedCascades
    window : float, optional
        Time from each cascade's first activation that is observed, in its time_unit; or give `first`.
    first : int, optional
        Number of activations that are observed; smaller cascades are left out.
    at_least : int
        Cascades with fewer activations within the window are left out.
    network : Network, optional
        Network of the cascades: out-degrees stand in for unknown followers, and exposed agents are counted.
    grouping : str, optional
        Column of the network's agents, or of `agent_metrics`, such as ``community``.
    partitions : int, optional
        Partitions of the cascades; default: one for every 2 million activations.
    warehouse : Warehouse, optional
        Where to publish the features in the table `cascade_features`, unless they are already.

    Returns
    -------
    DataFrame
        One row per cascade that can be forecast: ``cascade`` (position, int64), ``cascade_id`` and the features of the
        table `cascade_features` (float64, NaN where unknown).

    Raises
    ------
    InvalidInputError
        If the observation breaks its rules, or network or grouping do not fit the cascades.
    """
    observation, around = Observation(window, first, at_least), Surroundings(network, grouping)
    around.check(cascades)
    frame = features_of(cascades, observation, around, partitions)
    if warehouse is not None:
        publish_features(warehouse, cascades, observation, around, frame)
    return frame


def features_of(
    cascades: ObservedCascades, observation: Observation, around: Surroundings, partitions: int | None = None
) -> "pd.DataFrame":
    """Return the features of cascades, as `cascade_features` does."""
    import pandas as pd

    parts = observation.of(cascades)
    values = _measured(cascades, parts, around, partitions)
    frame = pd.DataFrame(values, columns=list(COLUMNS))
    frame.insert(0, "cascade", parts.positions)
    frame.insert(1, "cascade_id", cascades.cascade_ids.take(pa.array(parts.positions)).to_pandas())
    return frame


def _measured(
    cascades: ObservedCascades, parts: ObservedParts, around: Surroundings, partitions: int | None
) -> npt.NDArray[np.float64]:
    """Return the measures of each observed cascade, from partitions of them on Dask."""
    if partitions is not None and partitions < 1:
        raise InvalidInputError(f"partitions is {partitions}; give a number, at least 1")
    wanted = partitions or -(-cascades.activations // ACTIVATIONS_PER_PARTITION)
    ends = np.linspace(0, len(parts.positions), max(min(wanted, len(parts.positions)), 1) + 1).astype(np.int64)
    shares = [_share(cascades, parts, low, high) for low, high in itertools.pairwise(ends.tolist())]
    if len(shares) == 1:
        return _measured_share(shares[0], around)
    with connect() as client:
        found: list[npt.NDArray[np.float64]] = client.gather(
            client.map(_measured_share, shares, around=around, pure=False)
        )
    return np.concatenate(found)


@dataclass(frozen=True)
class _Share:
    """The activations of some consecutive cascades, with how much of each is observed."""

    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    elapsed: npt.NDArray[np.float64]
    agents: npt.NDArray[np.int32]
    times: npt.NDArray[np.float64]
    infectors: npt.NDArray[np.int32]
    followers: npt.NDArray[np.int64]
    n_agents: int


def _share(cascades: ObservedCascades, parts: ObservedParts, low: int, high: int) -> _Share:
    if low == high:
        begin = end = 0
    else:
        begin, end = int(cascades.offsets[parts.positions[low]]), int(cascades.offsets[parts.positions[high - 1] + 1])
    nothing = np.empty(0, np.int64)
    return _Share(
        starts=cascades.offsets[parts.positions[low:high]] - begin,
        counts=parts.counts[low:high],
        elapsed=parts.elapsed[low:high],
        agents=cascades.agents[begin:end],
        times=cascades.times[begin:end],
        infectors=cascades.infectors[begin:end] if (cascades.infectors >= 0).any() else np.empty(0, np.int32),
        followers=nothing if cascades.followers is None else cascades.followers[begin:end],
        n_agents=len(cascades.agent_ids),
    )


def _measured_share(share: _Share, around: Surroundings) -> npt.NDArray[np.float64]:
    """Return the measures of some cascades; on a cluster the network's arrays are read from its files."""
    groups, n_groups = np.empty(0, np.int64), 0
    offsets, targets = np.empty(0, np.int64), np.empty(0, np.int32)
    followers, n_agents = share.followers, share.n_agents
    if around.network is not None:
        rows = around.network.sparse_rows
        offsets, targets = np.asarray(rows.offsets, np.int64), np.asarray(rows.targets, np.int32)
        n_agents = max(n_agents, around.network.n_ids)
        degrees = np.diff(offsets)[share.agents]
        followers = degrees if not len(followers) else np.where(followers >= 0, followers, degrees)
        if around.grouping is not None:
            found = agent_groups(around.network, around.grouping)
            groups, n_groups = found.codes, len(found.labels) + 1
    return measure(
        share.starts, share.counts, share.elapsed, share.agents, share.times, share.infectors, followers,
        groups, offsets, targets, n_agents, n_groups,
    )  # fmt: skip


def publish_features(
    warehouse: Warehouse,
    cascades: ObservedCascades,
    observation: Observation,
    around: Surroundings,
    frame: "pd.DataFrame",
) -> bool:
    """Publish features in the table `cascade_features`; return False if they were there before."""
    identifier = observation_id(observation, around)
    key = features_key(cascades.cascade_set_id, identifier)
    if frame.empty or warehouse.published([key]):
        return False
    given: Mapping[str, Any] = {
        "cascade_set_id": cascades.cascade_set_id,
        "observation_id": identifier,
        "observation": observation.text(cascades.time_unit),
    }
    try:
        warehouse.commit("features", [key], [warehouse.stage(TABLE, rows_of_frame(TABLE, frame, given))])
    except AlreadyPublishedError:
        return False
    return True


def rows_of_frame(table: str, frame: "pd.DataFrame", given: Mapping[str, Any]) -> pa.Table:
    """Return a data frame as rows of a table, NaN as null, with the values that are the same in all rows."""
    schema = table_specification(table).file_schema
    columns = []
    for field in schema:
        if field.name in given:
            column = pa.repeat(pa.scalar(given[field.name]), len(frame))
        else:
            column = pa.array(frame[field.name].to_numpy(), from_pandas=True)
        if pa.types.is_dictionary(field.type):
            column = column.cast(pa.string()).dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)

"""From rows of cascade, agent and time to observed cascades: what is left out and why, numbers, order."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.cascades.times import measured_times
from data.cascades.trees import cut_circles, infector_rows
from data.errors import InvalidInputError
from data.networks.network import Network
from data.readers.id_columns import ids_of

REQUIRED = ("cascade", "agent", "time")
OPTIONAL = ("infector", "followers")
REASONS = (
    "no cascade",
    "no agent",
    "the time is not a number",
    "the agent is not in the network",
    "the agent was activated before in this cascade",
)
"""Why rows are left out; of several reasons, the first counts."""
_CONTENT_VERSION = 1
"""Version of what the id of a set is derived from: ids of different versions never agree."""

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CleanCascades:
    """Observed cascades, and what their source had besides.

    Attributes
    ----------
    cascades : ObservedCascades
    rejects : DataFrame
        Rows that were left out: ``row`` (position in the given rows, from 0), ``cascade``, ``agent``, ``reason``.
    unknown_infectors : int
        Activations whose infector was given, but is not an agent of the cascade activated no later: kept without it.
    """

    cascades: ObservedCascades
    rejects: pd.DataFrame
    unknown_infectors: int


def observed_cascades(
    name: str,
    rows: pd.DataFrame,
    *,
    network: Network | None = None,
    time_unit: str = "seconds",
    labels: Mapping[str, str] | None = None,
) -> CleanCascades:
    """Return the observed cascades that rows of cascade, agent and time describe.

    Parameters
    ----------
    name : str
        Name of the set of cascades.
    rows : DataFrame
        One row per activation: ``cascade``, ``agent`` (ids of any type, compared as text), ``time`` (a number, from
        any origin, or a date), and where they are known ``infector`` (an agent) and ``followers`` (agents who could
        see it).
    network : Network, optional
        Network among whose agents the cascades spread: agents get its dense ids, and rows of other agents are left
        out. Without one, agents are numbered by falling number of activations, then by id.
    time_unit : str
        What a time of 1 means; dates need ``seconds``, ``minutes``, ``hours`` or ``days``.
    labels : mapping of str to str, optional
        Labels of cascades by their ids.

    Returns
    -------
    CleanCascades
        Cascades in the order of their first row; of an agent that occurs again in a cascade, the earliest row. Of
        activations at the same time, an infector comes before those that it activated.

    Raises
    ------
    InvalidInputError
        If a column is missing, or no row is left.
    """
    missing = [column for column in REQUIRED if column not in rows.columns]
    if missing:
        raise InvalidInputError(
            f"rows of cascades need columns cascade, agent and time; missing: {', '.join(missing)} "
            f"(columns: {', '.join(map(str, rows.columns))})"
        )
    has_infectors = "infector" in rows.columns
    (cascade,), cascade_ids = _coded(rows[["cascade"]])
    (agent, *others), agent_ids = _coded(rows[["agent", "infector"] if has_infectors else ["agent"]])
    infector = others[0] if has_infectors else np.full(len(rows), -1)
    times = measured_times(rows["time"], time_unit)
    # 1. Leave out rows that are no activation.
    dense = _dense_ids(network, agent_ids) if network is not None else np.arange(len(agent_ids))
    is_unknown = np.append(dense < 0, False)[agent]  # no agent: another reason
    reason = np.full(len(rows), -1, np.int8)
    for why, applies in enumerate((cascade < 0, agent < 0, ~np.isfinite(times), is_unknown)):
        reason[applies & (reason < 0)] = why
    # 2. Sort by cascade (as they come) and time; of an agent that comes again, keep the first.
    kept = np.flatnonzero(reason < 0)
    number = pd.factorize(cascade[kept])[0]
    order = np.lexsort((times[kept], number))
    kept, number = kept[order], number[order]
    is_again = pd.Index(number * max(len(agent_ids), 1) + agent[kept]).duplicated()
    reason[kept[is_again]] = len(REASONS) - 1
    kept, number = kept[~is_again], number[~is_again]
    rejects = _rejects(reason, cascade, agent, cascade_ids, agent_ids)
    if not len(kept):
        first = f"; the first of {len(rejects)} rows left out: {rejects['reason'].iloc[0]}" if len(rejects) else ""
        raise InvalidInputError(f"cascades {name!r}: no activation is left{first}")
    # 3. Find the infectors' rows; of activations at the same time, put infectors first.
    offsets = np.concatenate([[0], np.cumsum(np.bincount(number))]).astype(np.int64)
    parents = infector_rows(offsets, agent[kept], infector[kept], len(agent_ids))
    parents[times[kept[parents]] > times[kept]] = -1  # rows without a parent look at the last row, and stay without
    depths = cut_circles(parents)
    if (parents > np.arange(len(parents))).any():
        order = np.lexsort((depths, times[kept], number))
        kept, parents = kept[order], _moved(parents, order)
    # 4. Number the agents, and measure times from each cascade's first activation.
    if network is None:
        dense, numbered_ids = _numbered(agent[kept], agent_ids)
    else:
        numbered_ids = network.agent_ids
    agents = dense[agent[kept]].astype(np.int32)
    ids = cascade_ids.take(pa.array(cascade[kept[offsets[:-1]]]))
    found = ObservedCascades(
        name=name,
        cascade_set_id="",
        network_id=None if network is None else network.network_id,
        snapshot_id=None if network is None else network.snapshot_id,
        time_unit=time_unit,
        cascade_ids=ids,
        offsets=offsets,
        agents=agents,
        times=times[kept] - np.repeat(times[kept[offsets[:-1]]], np.diff(offsets)),
        infectors=np.where(parents >= 0, agents[parents], NO_INFECTOR).astype(np.int32),
        agent_ids=numbered_ids,
        followers=_followers(rows, kept),
        labels=None if labels is None else pa.array([labels.get(each) for each in ids.to_pylist()], pa.string()),
    )
    unknown = int(((infector[kept] >= 0) & (parents < 0)).sum())
    return CleanCascades(found.with_id(_content_id(found)), rejects, unknown)


def _coded(columns: pd.DataFrame) -> tuple[list[Codes], pa.Array]:
    """Return columns of ids as codes into their distinct texts, -1 for no id, and these texts."""
    parts = []
    for name in columns.columns:
        codes, values = pd.factorize(columns[name])
        parts.append((codes, _texts(values, name)))
    together = pa.concat_arrays([texts for _, texts in parts]).dictionary_encode()
    places = together.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    coded, start = [], 0
    for codes, texts in parts:
        coded.append(np.append(places[start : start + len(texts)], -1)[codes])
        start += len(texts)
    return coded, together.dictionary


def _texts(values: Any, column: str) -> pa.Array:
    """Return distinct ids as text without surrounding blanks; null for empty ones."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # of mixed types
        array = pa.array([str(value) for value in values], pa.string())
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    return ids_of(array, column, "rows of cascades").cast(pa.string())


def _dense_ids(network: Network, agent_ids: pa.Array) -> Codes:
    """Return the network's dense ids of agents, -1 for unknown ones."""
    texts = agent_ids.to_pylist()
    known = network.known_ids(texts)
    return np.fromiter((known.get(text, -1) for text in texts), np.int64, len(texts))


def _numbered(agent: Codes, agent_ids: pa.Array) -> tuple[Codes, pa.Array]:
    """Return dense ids by code, by falling number of activations, then by id; and the agents' ids by dense id."""
    counts = np.bincount(agent, minlength=len(agent_ids))
    by_id = pc.sort_indices(agent_ids).to_numpy()
    order = by_id[np.argsort(-counts[by_id], kind="stable")]
    order = order[: np.count_nonzero(counts)]
    dense = np.full(len(agent_ids), -1)
    dense[order] = np.arange(len(order))
    return dense, agent_ids.take(pa.array(order))


def _moved(parents: Codes, order: Codes) -> Codes:
    """Return the parents of rows in another order."""
    place = np.empty(len(order) + 1, np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    return place[parents[order]]


def _followers(rows: pd.DataFrame, kept: Codes) -> npt.NDArray[np.int64] | None:
    if "followers" not in rows.columns:
        return None
    counts = pd.to_numeric(rows["followers"], errors="coerce").to_numpy(np.float64, na_value=np.nan)[kept]
    return np.where(counts >= 0, counts, -1).astype(np.int64)


def _rejects(
    reason: npt.NDArray[np.int8], cascade: Codes, agent: Codes, cascade_ids: pa.Array, agent_ids: pa.Array
) -> pd.DataFrame:
    rows = np.flatnonzero(reason >= 0)

    def texts(codes: Codes, ids: pa.Array) -> Any:
        return ids.take(pa.array(codes[rows], mask=codes[rows] < 0)).to_pandas()

    return pd.DataFrame(
        {
            "row": rows,
            "cascade": texts(cascade, cascade_ids),
            "agent": texts(agent, agent_ids),
            "reason": np.array(REASONS, object)[reason[rows]],
        }
    )


def _content_id(found: ObservedCascades) -> str:
    """Return a UUID of the name and of everything that the cascades say, the same on every machine and version."""
    head = (_CONTENT_VERSION, found.name, found.snapshot_id, found.time_unit)
    digest = hashlib.sha256("\n".join(map(str, head)).encode())
    texts = [found.cascade_ids, *([found.labels] if found.labels is not None else [])]
    texts += [found.agent_ids] if found.network_id is None else []
    for ids in texts:
        lengths = pc.fill_null(pc.binary_length(ids), -1).to_numpy(zero_copy_only=False)
        digest.update(lengths.astype("<i4").tobytes())
        digest.update("".join(ids.drop_null().to_pylist()).encode())
    arrays = {"<i8": found.offsets, "<i4": np.concatenate([found.agents, found.infectors]), "<f8": found.times}
    for kind, values in arrays.items():
        digest.update(values.astype(kind, copy=False).tobytes())
    if found.followers is not None:
        digest.update(found.followers.astype("<i8", copy=False).tobytes())
    return str(uuid.UUID(bytes=digest.digest()[:16]))

"""From rows of cascade, agent and time to observed cascades: what is left out and why, numbers, order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.cascades.id_texts import Codes, coded, texts_of
from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.cascades.set_ids import content_id
from data.cascades.times import measured_times
from data.cascades.trees import cut_circles, infector_rows
from data.errors import InvalidInputError
from data.networks.network import Network

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
NO_NUMBER = REASONS.index("the time is not a number")
NO_DATE = "the time is not a date"
"""Stands for the reason before it where the times are dates."""


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
    unknown_followers : int
        Activations whose followers were given, but are not a whole number of 0 or more: kept without it.
    lost_cascades : int
        Cascades of which no row is left.
    lost_starts : int
        Cascades that are left, but without their first activation.
    unused_labels : tuple of str
        Cascades that have a label, and no row that is left.
    compact_form : str or None
        How dates are written, such as ``YYYYMMDD``, if whole numbers were taken as dates.
    """

    cascades: ObservedCascades
    rejects: pd.DataFrame
    unknown_infectors: int = 0
    unknown_followers: int = 0
    lost_cascades: int = 0
    lost_starts: int = 0
    unused_labels: tuple[str, ...] = ()
    compact_form: str | None = None


def observed_cascades(
    name: str,
    rows: pd.DataFrame,
    *,
    network: Network | None = None,
    time_unit: str = "seconds",
    labels: Mapping[Any, Any] | None = None,
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
    labels : mapping of str or int to str or int, optional
        Labels of cascades by their ids, both compared and kept as text; None is no label.

    Returns
    -------
    CleanCascades
        Cascades in the order of their first row; of an agent that occurs again in a cascade, the earliest row. Of
        activations at the same time, an infector comes before those that it activated.

    Raises
    ------
    InvalidInputError
        If a column is missing, ids or labels are of no usable type, or no row is left.
    """
    missing = [column for column in REQUIRED if column not in rows.columns]
    if missing:
        raise InvalidInputError(
            f"rows of cascades need columns cascade, agent and time; missing: {', '.join(missing)} "
            f"(columns: {', '.join(map(str, rows.columns))})"
        )
    has_infectors = "infector" in rows.columns
    (cascade,), cascade_ids = coded(rows[["cascade"]])
    (agent, *others), agent_ids = coded(rows[["agent", "infector"] if has_infectors else ["agent"]])
    infector = others[0] if has_infectors else np.full(len(rows), -1)
    measured = measured_times(rows["time"], time_unit)
    times = measured.values
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
    if measured.are_dates:
        rejects["reason"] = rejects["reason"].replace(REASONS[NO_NUMBER], NO_DATE)
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
    followers, unknown_followers = _followers(rows, kept)
    given_labels = _labels(labels or {})
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
        followers=followers,
        labels=None if labels is None else pa.array([given_labels.get(each) for each in ids.to_pylist()], pa.string()),
    )
    return CleanCascades(
        cascades=found.with_id(content_id(found)),
        rejects=rejects,
        unknown_infectors=int(((infector[kept] >= 0) & (parents < 0)).sum()),
        unknown_followers=unknown_followers,
        lost_cascades=len(np.unique(cascade[cascade >= 0])) - len(found),
        lost_starts=_lost_starts(reason, cascade, times, set(cascade[kept[offsets[:-1]]].tolist())),
        unused_labels=tuple(sorted(given_labels.keys() - set(ids.to_pylist()))),
        compact_form=measured.compact_form,
    )


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


def _followers(rows: pd.DataFrame, kept: Codes) -> tuple[npt.NDArray[np.int64] | None, int]:
    """Return the followers, -1 where they are unknown, and how many are given but are no count."""
    if "followers" not in rows.columns:
        return None, 0
    given = rows["followers"].iloc[kept]
    counts = pd.to_numeric(given, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    is_count = (counts >= 0) & (counts < 2.0**63) & (np.trunc(counts) == counts)
    followers = np.where(is_count, counts, -1).astype(np.int64)
    return followers, int((given.notna().to_numpy(bool) & ~is_count).sum())


def _labels(labels: Mapping[Any, Any]) -> dict[str, str]:
    """Return labels by the ids of cascades, both as text."""
    for cascade, label in labels.items():
        if not isinstance(cascade, str | int | np.integer) or not isinstance(label, str | int | np.integer | None):
            raise InvalidInputError(
                f"labels: {cascade!r}: {label!r} is not a cascade's id and a label; both are text or whole numbers"
            )
    ids = texts_of(list(labels), "labels").to_pylist()
    return {id_: str(label) for id_, label in zip(ids, labels.values(), strict=True) if label is not None and id_}


def _lost_starts(reason: npt.NDArray[np.int8], cascade: Codes, times: npt.NDArray[np.float64], left: set[int]) -> int:
    """Return how many of the cascades that are left have lost the first of their rows that have a time."""
    if not (reason >= 0).any():
        return 0
    timed = np.flatnonzero((cascade >= 0) & np.isfinite(times))
    order = timed[np.lexsort((times[timed], cascade[timed]))]
    first = order[np.diff(cascade[order], prepend=-1) != 0]
    return len(left & set(cascade[first[reason[first] >= 0]].tolist()))


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

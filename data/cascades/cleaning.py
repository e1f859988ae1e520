"""From rows of cascade, agent and time to observed cascades: what is left out and why, numbers, order."""

import hashlib
import uuid
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network

REQUIRED = ("cascade", "agent", "time")
OPTIONAL = ("infector", "followers")


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
    name: str, rows: pd.DataFrame, *, network: Network | None = None, time_unit: str = "seconds"
) -> CleanCascades:
    """Return the observed cascades that rows of cascade, agent and time describe.

    Parameters
    ----------
    name : str
        Name of the set of cascades.
    rows : DataFrame
        One row per activation: ``cascade``, ``agent`` (ids of any type, compared as text), ``time`` (a number, from
        any origin), and where they are known ``infector`` (an agent) and ``followers`` (agents who could see it).
    network : Network, optional
        Network among whose agents the cascades spread: agents get its dense ids, and rows of other agents are left
        out. Without one, agents are numbered by falling number of activations, then by id.
    time_unit : str
        What a time of 1 means.

    Returns
    -------
    CleanCascades
        Cascades in the order of their first row; of an agent that occurs again in a cascade, the earliest row.

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
    times = pd.to_numeric(rows["time"], errors="coerce").to_numpy(dtype=np.float64)
    frame = pd.DataFrame({"row": np.arange(len(rows)), "time": times})
    frame["cascade"], frame["agent"] = _text(rows["cascade"]), _text(rows["agent"])
    frame["infector"] = _text(rows["infector"]) if "infector" in rows.columns else None
    if "followers" in rows.columns:
        frame["followers"] = pd.to_numeric(rows["followers"], errors="coerce").fillna(-1).to_numpy().astype(np.int64)
    # 1. Leave out rows that are no activation.
    reasons = pd.Series(None, index=frame.index, dtype=object)
    for column, reason in (("cascade", "no cascade"), ("agent", "no agent")):
        reasons[frame[column].isna() & reasons.isna()] = reason
    reasons[~np.isfinite(frame["time"]) & reasons.isna()] = "the time is not a number"
    if network is not None:
        known = network.known_ids(set(frame["agent"].dropna()))
        frame["dense"] = frame["agent"].map(known)
        reasons[frame["dense"].isna() & reasons.isna()] = "the agent is not in the network"
    # 2. Sort by cascade (as they come), time and row; of an agent that comes again, keep the first.
    kept = frame[reasons.isna()].copy()
    kept["number"] = pd.factorize(kept["cascade"])[0]
    kept = kept.sort_values(["number", "time", "row"], kind="stable")
    again = kept.duplicated(["number", "agent"])
    reasons[kept.index[again]] = "the agent was activated before in this cascade"
    kept = kept[~again]
    left_out = reasons.notna()
    rejects = frame.loc[left_out, ["row", "cascade", "agent"]].assign(reason=reasons[left_out])
    if kept.empty:
        first = f"; the first of {len(rejects)} rows left out: {rejects['reason'].iloc[0]}" if len(rejects) else ""
        raise InvalidInputError(f"cascades {name!r}: no activation is left{first}")
    # 3. Number the agents, and measure times from each cascade's first activation.
    if network is not None:
        agent_ids, agents = network.agent_ids, kept["dense"].to_numpy().astype(np.int32)
    else:
        counts = kept["agent"].value_counts()
        order = counts.reset_index().sort_values(["count", "agent"], ascending=[False, True])["agent"]
        agent_ids = pa.array(order.to_numpy(dtype=object), pa.string())
        agents = pd.Index(order).get_indexer(kept["agent"]).astype(np.int32)
    sizes = np.bincount(kept["number"])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    times = kept["time"].to_numpy()
    times = times - np.repeat(times[offsets[:-1]], sizes)
    infectors, unknown = _infectors(kept, agents)
    cascade_ids = pa.array(kept["cascade"].to_numpy(dtype=object)[offsets[:-1]], pa.string())
    followers = kept["followers"].to_numpy() if "followers" in kept else None
    found = ObservedCascades(
        name=name,
        cascade_set_id=_content_id(network, time_unit, kept, times, infectors, followers),
        network_id=None if network is None else network.network_id,
        snapshot_id=None if network is None else network.snapshot_id,
        time_unit=time_unit,
        cascade_ids=cascade_ids,
        offsets=offsets,
        agents=agents,
        times=times,
        infectors=infectors,
        agent_ids=agent_ids,
        followers=followers,
    )
    return CleanCascades(found, rejects.reset_index(drop=True), unknown)


def _text(column: "pd.Series") -> npt.NDArray[np.object_]:
    """Return ids as text, None for missing ones; whole floating-point numbers as integers."""
    if pd.api.types.is_float_dtype(column.dtype) and column.dropna().mod(1).eq(0).all():
        column = column.astype("Int64")
    text = column.astype("string").to_numpy(dtype=object)
    text[pd.isna(text)] = None
    return text


def _infectors(kept: pd.DataFrame, agents: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], int]:
    """Return the dense id of each row's infector, -1 for none, and how many were given but are not usable."""
    given = kept["infector"].notna().to_numpy()
    if not given.any():
        return np.full(len(kept), NO_INFECTOR, np.int32), 0
    activated = pd.DataFrame({"number": kept["number"], "infector": kept["agent"], "dense": agents})
    activated["earlier"] = kept["time"].to_numpy()
    joined = kept[["number", "infector", "agent", "time"]].merge(activated, "left", ["number", "infector"])
    usable = (joined["earlier"] <= joined["time"]) & (joined["infector"] != joined["agent"])
    infectors = np.where(usable, joined["dense"].fillna(NO_INFECTOR), NO_INFECTOR).astype(np.int32)
    return infectors, int((given & (infectors == NO_INFECTOR)).sum())


def _content_id(
    network: Network | None,
    time_unit: str,
    kept: pd.DataFrame,
    times: npt.NDArray[np.float64],
    infectors: npt.NDArray[np.int32],
    followers: npt.NDArray[np.int64] | None,
) -> str:
    """Return a UUID of everything that the cascades say."""
    digest = hashlib.sha256(f"{None if network is None else network.snapshot_id}\n{time_unit}\n".encode())
    for column in ("cascade", "agent"):
        digest.update(pd.util.hash_array(kept[column].to_numpy(dtype=object)).tobytes())
    digest.update(times.tobytes() + infectors.tobytes() + (b"" if followers is None else followers.tobytes()))
    return str(uuid.UUID(bytes=digest.digest()[:16]))

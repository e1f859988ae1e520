"""Kept replicates: the counts of finished batches of a session that grows, in files, so that a crash loses one batch.

They are derived data in the cache folder of the session's network, named by everything that determines them except how
many replicates there are; they are removed when the session is published.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from data.networks.sparse_rows import mapped_arrays, save_array
from propagation.lane_counts import AgentReach, Lanes
from propagation.plans.lane_rows import reach_sum
from propagation.sessions import SUMMARIES, Session

FOLDER = "replicates"
"""Folder of kept replicates within the cache folder of a network."""
_ALWAYS = ("lengths", "activations", "rounds", "truncated")
_OPTIONAL = ("distinct", "infectious")
_REACH = ("agents", "times", "round_sums")


@dataclass(frozen=True)
class KeptBatch:
    """What a batch of replicates of a session found.

    Attributes
    ----------
    lanes : Lanes
    reach : AgentReach
        Whom they reached; empty unless that is recorded.
    seconds : float
        Clock time that the batch took.
    """

    lanes: Lanes
    reach: AgentReach
    seconds: float


class KeptReplicates:
    """The batches of a session that are kept, in files named by their first replicate and the one after the last.

    Parameters
    ----------
    network : Network
    session : Session
        Its number of replicates does not matter.
    """

    def __init__(self, network: Network, session: Session) -> None:
        self._network, self._session = network, session
        asked = {name: value for name, value in counting(session).specification.items() if name != "replicates"}
        canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        self.folder = network.cache_folder / FOLDER / hashlib.sha256(canonical.encode()).hexdigest()

    def batches(self, first: int = 0) -> list[KeptBatch]:
        """Return the batches that are kept from the session's `first`-th replicate on, without a gap."""
        found = []
        while ends := [int(path.name.partition("-")[2]) for path in self.folder.glob(f"{first}-*")]:
            last = max(ends)
            found.append(self._batch(self.folder / f"{first}-{last}"))
            first = last
        return found

    def sizes(self, first: int = 0) -> npt.NDArray[np.int64]:
        """Return the cascade sizes that are kept from the session's `first`-th replicate on, without a gap."""
        return np.concatenate([np.empty(0, np.int64), *(batch.lanes.sizes for batch in self.batches(first))])

    def keep(self, first: int, batch: KeptBatch) -> None:
        """Write a batch that begins at the session's `first`-th replicate; it appears complete, or not at all."""
        folder = self.folder / f"{first}-{first + len(batch.lanes.lengths)}"
        mapped_arrays(folder, [], lambda staged: _save(staged, batch))

    def _batch(self, folder: Path) -> KeptBatch:
        def load(name: str) -> Any:
            return np.load(folder / f"{name}.npy")

        counts = {name: load(name) for name in _ALWAYS}
        counts |= {name: load(name) for name in _OPTIONAL if (folder / f"{name}.npy").exists()}
        return KeptBatch(Lanes(**counts), AgentReach(*map(load, _REACH)), float(load("seconds")[0]))

    def whole(self) -> KeptBatch | None:
        """Return all replicates of the session together, if they are kept and it records no more than they do."""
        wanted = self._session.replicates
        if self._session.record not in SUMMARIES or not self.folder.exists():
            return None
        batches, kept = [], 0
        for batch in self.batches():
            if kept < wanted:
                batches.append(batch)
                kept += len(batch.lanes.lengths)
        if kept < wanted or (kept > wanted and self._session.records("reach")):  # sums of reach cannot be divided
            return None
        lanes = Lanes.joined([batch.lanes for batch in batches])
        return KeptBatch(
            lanes if kept == wanted else lanes.split([wanted, kept - wanted])[0],
            reach_sum(self._network.n_ids if self._session.records("reach") else 0, [batch.reach for batch in batches]),
            sum(batch.seconds for batch in batches),
        )

    def forget(self) -> None:
        """Remove all batches of the session."""
        shutil.rmtree(self.folder, ignore_errors=True)


def kept_sessions(network: Network, sessions: Sequence[Session]) -> dict[str, KeptBatch]:
    """Return what is kept of the sessions of which all replicates are, by session id."""
    if not (network.cache_folder / FOLDER).exists():
        return {}
    found = {session.session_id: KeptReplicates(network, session).whole() for session in sessions}
    return {session_id: batch for session_id, batch in found.items() if batch is not None}


def forget_kept(network: Network, sessions: Sequence[Session]) -> None:
    """Remove what is kept of sessions that are published."""
    if (network.cache_folder / FOLDER).exists():
        for session in sessions:
            KeptReplicates(network, session).forget()


def counting(session: Session) -> Session:
    """Return a session that records no more than whom it reaches: what grows in batches is kept in memory."""
    return session if session.record in SUMMARIES else replace(session, record="rounds")


def _save(folder: Path, batch: KeptBatch) -> None:
    for name in (*_ALWAYS, *_OPTIONAL):
        if (values := getattr(batch.lanes, name)) is not None:
            save_array(folder, name, values)
    for name in _REACH:
        save_array(folder, name, getattr(batch.reach, name))
    save_array(folder, "seconds", np.array([batch.seconds]))
